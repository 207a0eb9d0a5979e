// SPDX-License-Identifier: MIT
//
// Batches of calls and of replies through rings (kernel/message_batch.cpp): many rounds of whole ones, and each reason for which an entry does
// not go with the others, in the middle of those that do.
// Long because each of these reasons is a case, and they share the two sides.
#include "cap/endpoint.hpp"
#include "cap/joining_thread.hpp"
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/endpoint_rings.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <array>

namespace {

using namespace test;
using abi::Error;
using abi::Op;
using cap::JoiningThread;

constexpr std::uint64_t kEnd = ~0ull;  // the first word of a call that ends its server

// Receives `count` at once, and answers each with its words, all of them one more, as they come: in batches of those that have.
std::uint64_t serve(cap::Ring& ring, cap::Endpoint endpoint, std::uint32_t count, std::uint16_t flags = 0) {
    for (std::uint32_t i = 0; i < count; ++i) {
        auto entry = cap::message_submission(Op::kReceive, endpoint, i, {}, i);
        entry.flags = flags;
        if (!ring.prepare(entry)) {
            return 1;
        }
    }
    for (;;) {
        if (!ring.submit_and_wait(1, patience_ns)) {
            return 2;
        }
        bool ends = false;
        while (const auto come = ring.next()) {
            const auto place = static_cast<std::uint32_t>(come->user_data);
            const abi::MessageInfo info{static_cast<std::uint64_t>(come->result)};
            if (come->result < 0) {
                return 3;
            }
            ends |= info.words() != 0 && ring.message(place)[0] == kEnd;
            for (std::uint32_t i = 0; i < info.words(); ++i) {
                ++ring.message(place)[i];
            }
            if (!submit(ring, Op::kReplyReceive, endpoint, place, info)) {
                return 4;
            }
        }
        if (ends) {
            return ring.submit_and_wait(0) ? 0 : 5;
        }
    }
}

void end(Case& t, cap::Endpoint endpoint, JoiningThread& server) {
    cap::Message m = cap::message(kEnd);
    REQUIRE_OK(t, endpoint.call(m, patience_ns));
    REQUIRE_EQUAL(t, MUST(t, server.join(t.env.ring)), 0u);
}

JoiningThread server_of(Case& t, cap::Endpoint endpoint, std::uint32_t count, std::uint16_t flags = 0) {
    auto started =
        JoiningThread::start(t.env, [=](cap::Ring& ring) { return serve(ring, endpoint, count, flags); },
                             {.affinity = only(t.cpus() - 1)});
    return started ? std::move(*started) : JoiningThread();
}

// Words of the call that is the `number`th, in the place that is its user_data.
void fill(cap::Ring& ring, std::uint32_t place, std::uint64_t number) {
    for (std::uint32_t i = 0; i < abi::kMessageWords; ++i) {
        ring.message(place)[i] = number * 10 + i;
    }
}
bool answered(const cap::Ring& ring, const abi::Completion& done, std::uint64_t number, std::uint32_t words,
              std::uint32_t room) {
    const auto place = static_cast<std::uint32_t>(done.user_data);
    const std::uint32_t come = words < room ? words : room;
    bool right = done.result == come && done.result2 == 0;
    for (std::uint32_t i = 0; i < abi::kMessageWords; ++i) {
        right &= ring.message(place)[i] == number * 10 + i + (i < come ? 1 : 0);
    }
    return right;
}

// Whole batches, of all sizes of messages, round after round, so that both queues of both rings wrap.
void rounds(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    const auto badged = MUST(t, endpoint->derive(abi::kWrite, 4711));
    auto server = server_of(t, *endpoint, kIpcSlots);
    cap::Ring& ring = t.env.ring;
    for (std::uint64_t round = 0; round < 40; ++round) {
        const auto count = static_cast<std::uint32_t>(round % 3 == 2 ? 27 : kIpcSlots);
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto words = static_cast<std::uint32_t>((i + round) % 9), room = i % 9;
            fill(ring, i, round * 100 + i);
            REQUIRE_OK(
                t, ring.prepare(cap::submission(Op::kCall, badged, i,
                                                abi::message_info(words).with_room(room).with_place(i).raw)));
        }
        REQUIRE_OK(t, ring.submit_and_wait(count, patience_ns));
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto done = ring.next();
            REQUIRE(t, done.has_value());
            const auto place = static_cast<std::uint32_t>(done->user_data);
            REQUIRE(t, answered(ring, *done, round * 100 + place,
                                static_cast<std::uint32_t>((place + round) % 9), place % 9));
        }
        REQUIRE(t, !ring.next());
    }
    end(t, *endpoint, server);
}

// Entries among the others that are not plain: each has its own outcome, and the others theirs.
void mixed(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    const auto other = MUST(t, create_endpoint(t));
    auto server = server_of(t, *endpoint, 8);
    auto second = server_of(t, *other, 3);
    cap::Ring& ring = t.env.ring;
    const auto bad_place = abi::message_info(1).with_room(8).with_place(abi::kRingMessages).raw;
    const auto wrong = [&](std::uint32_t i) -> Error {
        switch (i) {
            case 3: return Error::kBadArgument;   // no such place
            case 7: return Error::kBadArgument;   // a token
            case 9: return Error::kBadSlot;       // a capability that is none
            case 12: return Error::kBadSlot;      // no endpoint
            case 14: return Error::kBadArgument;  // an unknown flag
            default: return Error::kOk;
        }
    };
    for (std::uint32_t i = 0; i < 18; ++i) {
        fill(ring, i, i);
        auto entry =
            cap::message_submission(Op::kCall, i % 5 == 4 ? *other : *endpoint, i, abi::message_info(1), i);
        switch (i) {
            case 3: entry.args[0] = bad_place; break;
            case 5: entry.flags = abi::kLink; break;
            case 6: entry = cap::submission(Op::kNop, endpoint->slot(), i, 1); break;
            case 7: entry.args[0] |= std::uint64_t{1} << abi::MessageInfo::kTokenShift; break;
            case 9: entry.args[0] |= 16, ring.message(i)[0] = 0; break;
            case 12: entry.slot = 0; break;
            case 14: entry.flags = 0x8000; break;
            case 16: entry.flags = abi::kQuietSuccess; break;
            default: break;
        }
        REQUIRE_OK(t, ring.prepare(entry));
    }
    for (std::uint32_t left = 18, seen = 0; left > 0; --left) {
        const auto done = MUST(t, next(ring));
        const auto i = static_cast<std::uint32_t>(done.user_data);
        REQUIRE(t, i < 18 && !(seen >> i & 1));
        seen |= 1u << i;
        REQUIRE_EQUAL(t, error_of(done.result), wrong(i));
        if (wrong(i) == Error::kOk) {
            REQUIRE_EQUAL(t, done.result, 1);
            REQUIRE(t, i == 6 || ring.message(i)[0] == i * 10 + 1);
        }
    }
    end(t, *endpoint, server);
    end(t, *other, second);
}

// More than there are slots; none of them is lost, and those that were refused can be called again.
void too_many(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    cap::Ring& ring = t.env.ring;
    for (std::uint32_t i = 0; i < 40; ++i) {
        fill(ring, i, i);
        REQUIRE_OK(t, submit(ring, Op::kCall, *endpoint, i, abi::message_info(1)));
    }
    REQUIRE_OK(t, ring.submit_and_wait(8, patience_ns));
    for (std::uint32_t i = kIpcSlots; i < 40; ++i) {
        const auto done = ring.next();
        REQUIRE(t, done && done->user_data == i && error_of(done->result) == Error::kBusy);
    }
    auto server = server_of(t, *endpoint, 5);
    for (std::uint32_t i = 0; i < kIpcSlots; ++i) {
        const auto done = MUST(t, next(ring));
        REQUIRE(t, done.result == 1 && ring.message(static_cast<std::uint32_t>(done.user_data))[0] ==
                                           done.user_data * 10 + 1);
    }
    end(t, *endpoint, server);
}

// Tokens that were not given, were used, or name no slot: what is received is received all the same, and nobody is answered.
void tokens(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    cap::Ring& ring = t.env.ring;  // its own client and server
    for (std::uint32_t i = 0; i < 4; ++i) {
        REQUIRE_OK(t, submit(ring, Op::kReceive, *endpoint, i));
    }
    for (std::uint32_t i = 4; i < 8; ++i) {
        fill(ring, i, i);
        REQUIRE_OK(t, submit(ring, Op::kCall, *endpoint, i, abi::message_info(1)));
    }
    REQUIRE_OK(t, ring.submit_and_wait(4, patience_ns));
    std::array<std::uint64_t, 4> owed{};
    for (int i = 0; i < 4; ++i) {
        const auto come = ring.next();
        REQUIRE(t, come && come->user_data < 4 && come->result > 0);
        owed[come->user_data] = abi::MessageInfo{static_cast<std::uint64_t>(come->result)}.token();
    }
    const std::uint64_t later = owed[1] + (std::uint64_t{2} << 6), even = owed[1] + (std::uint64_t{1} << 6);
    const std::uint64_t nowhere = (owed[1] & ~std::uint64_t{63}) | 63, nought = owed[1] & ~std::uint64_t{63};
    const std::uint64_t wide = owed[1] | std::uint64_t{1} << 40;
    const std::array<std::uint64_t, 7> given = {owed[0], owed[0], later, even, nowhere, nought, wide};
    for (std::uint32_t i = 0; i < given.size(); ++i) {
        const auto info = abi::message_info(1).with_token(given[i]);
        REQUIRE_OK(t, submit(ring, Op::kReplyReceive, *endpoint, 20 + i, info));
    }
    REQUIRE_OK(t, ring.submit_and_wait(1, patience_ns));
    const auto done = ring.next();
    REQUIRE(t, done && done->result == 1 && done->user_data >= 4 && done->user_data < 8);
    REQUIRE(t, !ring.next());
    // Each of them waits: so many are received.
    for (std::uint32_t i = 0; i < given.size(); ++i) {
        REQUIRE_OK(t, submit(ring, Op::kCall, *endpoint, 40 + i));
    }
    REQUIRE_OK(t, ring.submit_and_wait(given.size(), patience_ns));
    std::array<abi::Completion, 7> come{};
    for (auto& each : come) {
        each = *ring.next();
        REQUIRE(t, each.user_data >= 20 && each.user_data < 20 + given.size() && each.result > 0);
    }
    // Once each: three from before, and these.
    for (std::uint32_t i = 1; i < 4; ++i) {
        REQUIRE_OK(t, submit(ring, Op::kReply, *endpoint, i, abi::MessageInfo{}.with_token(owed[i])));
    }
    for (const auto& each : come) {
        REQUIRE_OK(t, submit(ring, Op::kReply, *endpoint, 0, {static_cast<std::uint64_t>(each.result)}));
    }
    REQUIRE_OK(t, ring.submit_and_wait(2 * (3 + given.size()), patience_ns));
    while (const auto each = ring.next()) {
        REQUIRE(t, each->result == 0 || each->result == 1);
    }
}

// Receptions of several threads, by both doors, one of them linked, before one batch; and calls of several before one of replies.
void several(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    std::array<JoiningThread, 4> servers;
    servers[0] = server_of(t, *endpoint, 5);
    servers[1] = server_of(t, *endpoint, 7);
    servers[2] = server_of(t, *endpoint, 1, abi::kLink);
    servers[3] = MUST(t, JoiningThread::start(t.env, [endpoint = *endpoint]() -> std::uint64_t {
                          cap::Message m;
                          bool ends = false;
                          auto come = endpoint.receive(m);
                          while (come && !ends) {
                              ends = m.words[0] == kEnd;
                              m = cap::answer(m, m.words[0] + 1);
                              come = ends ? endpoint.reply(m) : endpoint.reply_and_receive(m);
                          }
                          return come ? 0 : 1;
                      }));
    const auto call = [endpoint = *endpoint](cap::Ring& ring) -> std::uint64_t {
        for (std::uint64_t round = 0; round < 20; ++round) {
            for (std::uint32_t i = 0; i < 20; ++i) {
                fill(ring, i, round);
                if (!submit(ring, Op::kCall, endpoint, i, abi::message_info(1))) {
                    return 1;
                }
            }
            if (!ring.submit_and_wait(20, patience_ns)) {
                return 2;
            }
            while (const auto done = ring.next()) {
                if (done->result != 1 ||
                    ring.message(static_cast<std::uint32_t>(done->user_data))[0] != round * 10 + 1) {
                    return 3;
                }
            }
        }
        return 0;
    };
    auto caller = MUST(t, JoiningThread::start(t.env, call));
    REQUIRE_EQUAL(t, call(t.env.ring), 0u);
    REQUIRE_EQUAL(t, MUST(t, caller.join(t.env.ring)), 0u);
    for (std::size_t i = 0; i < servers.size(); ++i) {
        // One that ends leaves receptions behind until it has gone: then it was not for one of the others.
        auto ended = cap::Result<void>(cox::core::fail(Error::kGone));
        while (!ended && ended.error() == Error::kGone) {
            cap::Message m = cap::message(kEnd);
            ended = endpoint->call(m, patience_ns);
        }
        REQUIRE_OK(t, ended);
    }
    for (auto& server : servers) {
        REQUIRE_EQUAL(t, MUST(t, server.join(t.env.ring)), 0u);
    }
}

// Callers that have cancelled, or gone, among those who are answered.
void withdrawn(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    cap::Ring& ring = t.env.ring;
    cap::Endpoint named = *endpoint;
    for (std::uint32_t i = 0; i < 8; ++i) {
        REQUIRE_OK(t, submit(ring, Op::kReceive, *endpoint, i));
    }
    REQUIRE_OK(t, ring.submit_and_wait(0));
    {
        const auto caller = MUST(t, Sibling::start(
                                        t.env,
                                        [](cap::Ring& its, void* argument) {
                                            const auto& endpoint =
                                                *static_cast<const cap::Endpoint*>(argument);
                                            for (std::uint32_t i = 0; i < 8; ++i) {
                                                (void)submit(its, Op::kCall, endpoint, i);
                                            }
                                            (void)its.submit_and_wait(0);
                                            for (std::uint64_t i = 0; i < 8; i += 2) {
                                                (void)endpoint.cancel(i);
                                            }
                                            (void)its.submit_and_wait(8);
                                            std::uint64_t answered = 0;
                                            while (const auto done = its.next()) {
                                                answered += done->result == 0;
                                            }
                                            (void)its.submit_and_wait(answered == 4 ? 0 : 1);
                                            for (std::uint32_t i = 0; i < 8; ++i) {
                                                (void)submit(its, Op::kCall, endpoint, i);
                                            }
                                            (void)its.submit_and_wait(8);
                                            return std::uint64_t{0};
                                        },
                                        &named));
        for (int round = 0; round < 2; ++round) {
            REQUIRE_OK(t, ring.submit_and_wait(8, patience_ns));
            REQUIRE(t, caller.reaches(abi::ThreadState::kWaiting));
            if (round == 1) {
                break;
            }
            for (std::uint32_t i = 0; i < 8; ++i) {
                const auto come = ring.next();
                REQUIRE(t, come && come->result > 0);
                REQUIRE_OK(t, submit(ring, Op::kReplyReceive, *endpoint, i,
                                     abi::MessageInfo{static_cast<std::uint64_t>(come->result)}));
            }
        }
    }
    // It has gone, with its eight calls.
    for (std::uint32_t i = 0; i < 8; ++i) {
        const auto come = ring.next();
        REQUIRE(t, come && come->result > 0);
        REQUIRE_OK(t, submit(ring, Op::kReplyReceive, *endpoint, i,
                             abi::MessageInfo{static_cast<std::uint64_t>(come->result)}));
    }
    REQUIRE_OK(t, ring.submit_and_wait(0));
    REQUIRE(t, !ring.next());
    for (std::uint64_t i = 0; i < 8; ++i) {
        REQUIRE_OK(t, endpoint->cancel(i));  // each waits
        REQUIRE_EQUAL(t, error_of(MUST(t, next(ring)).result), Error::kCancelled);
    }
}

// A server that is killed while batches go back and forth: each call has its reply, or its server's end.
void killed(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    cap::Ring& ring = t.env.ring;
    for (std::uint64_t round = 0; round < 10; ++round) {
        auto server = server_of(t, *endpoint, kIpcSlots);
        REQUIRE(t, server.joinable());
        auto killer = MUST(t, JoiningThread::start(t.env, [&, delay = round * 20'000] {
                               delay_ticks(delay);
                               return server->kill(9) ? 0 : 1;
                           }));
        bool over = false;
        for (std::uint64_t calls = 0; calls < 100'000 && !over; calls += kIpcSlots) {
            for (std::uint32_t i = 0; i < kIpcSlots; ++i) {
                REQUIRE_OK(t, submit(ring, Op::kCall, *endpoint, i, abi::message_info(1)));
            }
            while (!over &&
                   error_of(ring.submit_and_wait(kIpcSlots, 10 * kMillisecond)) == Error::kTimedOut) {
                over = MUST(t, server->status()).word.state() == abi::ThreadState::kGone;
            }
            std::uint32_t come = 0;
            while (const auto done = ring.next()) {
                REQUIRE(t, done->result == 1 || error_of(done->result) == Error::kGone);
                over |= done->result < 0;
                ++come;
            }
            // The rest waits for another server.
            for (std::uint32_t i = 0; i < kIpcSlots && come < kIpcSlots; ++i) {
                if (endpoint->cancel(i)) {
                    REQUIRE_EQUAL(t, error_of(MUST(t, next(ring)).result), Error::kCancelled);
                    ++come;
                }
            }
            REQUIRE_EQUAL(t, come, kIpcSlots);
        }
        REQUIRE_EQUAL(t, MUST(t, killer.join(ring)), 0u);
        REQUIRE_EQUAL(t, MUST(t, server.join(ring)), 9u);
    }
}

constexpr Entry kCases[] = {
    {"rounds", rounds},   {"mixed", mixed},         {"too_many", too_many}, {"tokens", tokens},
    {"several", several}, {"withdrawn", withdrawn}, {"killed", killed},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "endpoint_batch", kCases); }
