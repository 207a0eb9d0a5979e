// SPDX-License-Identifier: MIT
//
// Calls and replies between two processes on one CPU: first placed by the kernel, then (hinted_…) by the smallest scheduler server. The
// program is its own client and server: they are started from its image with arguments.
#include "bench.hpp"
#include "child.hpp"
#include "hint_server.hpp"

#include "cap/endpoint.hpp"

namespace {

namespace abi = cox::abi;
using abi::Op;
using bench::Operation;

cap::Endpoint endpoint;
constexpr std::uint32_t kBatch = 32;

// No words, so that no register changes but the results.
cap::Result<void> call_reply(const cap::Env&, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        if (cap::cap_call(endpoint.slot(), Op::kCall, 0).result < 0) {
            return cap::fail(abi::Error::kBadArgument);
        }
    }
    return {};
}

// Eight words there and back. The server answers with what it was told.
cap::Result<void> call_reply_8_words(const cap::Env&, std::uint64_t count) {
    std::array<std::uint64_t, abi::kMessageWords> words = {1, 2, 3, 4, 5, 6, 7, 8};
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto info = abi::message_info(8).with_room(8);
        if (cap::message_call(endpoint.slot(), Op::kCall, info, words).result < 0) {
            return cap::fail(abi::Error::kBadArgument);
        }
    }
    return words[0] == 1 && words[7] == 8 ? cap::Result<void>() : cap::fail(abi::Error::kBadArgument);
}

// Of a batch of 32 through the rings of both sides, each.
cap::Result<void> ring_call_reply_of_32(const cap::Env& env, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; i += kBatch) {
        TRY(env.ring.prepare_row(kBatch, [](std::uint32_t j) {
            return cap::message_submission(Op::kCall, endpoint, j, abi::message_info(1), j);
        }));
        TRY(env.ring.submit_and_wait(kBatch));
        std::int64_t wrong = 0;
        env.ring.drain([&](const abi::Completion& completion) { wrong |= completion.result; });
        if (wrong < 0) {
            return cap::fail(abi::Error::kBadArgument);
        }
    }
    return {};
}

constexpr Operation kOperations[] = {
    {"call_reply", 10'000, call_reply},
    {"call_reply_8_words", 10'000, call_reply_8_words},
};
constexpr Operation kRingOperations[] = {
    {"call_reply_of_32", 3'200, ring_call_reply_of_32},
};

int serve(const cap::Env&) {
    // Room for all words, and each is sent back: by the same registers.
    std::array<std::uint64_t, abi::kMessageWords> words{};
    auto info = abi::MessageInfo{}.with_room(abi::kMessageWords);
    for (;;) {
        const auto come = cap::message_call(endpoint.slot(), Op::kReplyReceive, info, words);
        if (come.result < 0) {
            return 1;
        }
        info.raw = static_cast<std::uint64_t>(come.result) | 8 << abi::MessageInfo::kRoomShift;
    }
}

// 32 places for messages, each used again as soon as it was answered.
cap::Result<void> serve_ring(cap::Ring& ring) {
    for (std::uint32_t i = 0; i < kBatch; ++i) {
        TRY(ring.prepare(cap::message_submission(Op::kReceive, endpoint, i, {}, i)));
    }
    for (;;) {
        TRY(ring.submit_and_wait(kBatch));
        ring.prepare_answers([](const abi::Completion& come) {
            const abi::MessageInfo info{static_cast<std::uint64_t>(come.result)};
            const auto place = static_cast<std::uint32_t>(come.user_data);
            return cap::message_submission(Op::kReplyReceive, endpoint, place, info, place);
        });
    }
}

cap::Result<void> start(const cap::Env& env, cap::SchedDomain domain, std::string_view arguments,
                        cap::Spawned& child) {
    const auto image = TRY(bench::image_of(env, "bench/ipc"));
    const cap::GivenCap caps[] = {{"log", env.log.slot(), abi::kWrite},
                                  {"endpoint", endpoint.slot(), abi::kRead | abi::kWrite}};
    child = TRY(cap::spawn(
        env, {.name = "ipc", .image = image, .arguments = arguments, .caps = caps, .domain = domain.slot()}));
    TRY(child.thread.set_affinity(1));
    return child.thread.start();
}

cap::Result<void> pair(const cap::Env& env, cap::SchedDomain domain, std::string_view server,
                       std::string_view client) {
    endpoint = TRY(cap::Endpoint::create(env.process));
    cap::Spawned serves;
    cap::Spawned calls;
    TRY(start(env, domain, server, serves));
    TRY(start(env, domain, client, calls));
    const auto code = TRY(calls.process.wait_exit(env.ring));
    serves.discard(0);
    return code == 0 ? cap::Result<void>() : cap::fail(abi::Error::kWrongState);
}

cap::Result<void> run(const cap::Env& env) {
    static bench::HintServer server;
    server.domain = env.find<cap::SchedDomain>("domain").value_or(cap::SchedDomain());
    TRY(pair(env, server.domain, "=serve", ""));
    TRY(bench::attach(env, server));
    TRY(pair(env, server.domain, "=serve", "hinted_"));
    return pair(env, server.domain, "=serve_ring", "hinted_ring_");
}

}  // namespace

int cap_main(const cap::Env& env) {
    if (const auto given = env.find<cap::Endpoint>("endpoint")) {
        endpoint = *given;
        if (env.arguments() == "=serve") {
            return serve(env);
        }
        if (env.arguments() == "=serve_ring") {
            return serve_ring(env.ring) ? 0 : 1;
        }
        if (env.arguments() == "hinted_ring_") {
            return bench::measure(env, kRingOperations[0]) ? 0 : 1;
        }
        return bench::run(env, kOperations);
    }
    const auto ended = run(env);
    if (!ended) {
        env.log.print("error: ipc: {}", ended.error());
    }
    if (const auto machine = env.find<cap::Machine>("machine")) {
        (void)machine->power_off(ended ? abi::ExitCode::kPass : abi::ExitCode::kFail);
    }
    return ended ? 0 : 1;
}
