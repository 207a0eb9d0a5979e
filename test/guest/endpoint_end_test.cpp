// SPDX-License-Identifier: MIT
//
// How calls by cap_call end: by time-outs, by the end of either side or of the endpoint; and what a suspension does to them:
// docs/abi.md, "Endpoint".
#include "suite.hpp"
#include "support/child.hpp"
#include "support/doors.hpp"
#include "support/endpoints.hpp"
#include "support/sibling.hpp"

#include <atomic>

namespace {

using namespace test;
using abi::Error;
using abi::Op;
using cap::JoiningThread;

void time_outs(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    cap::Message m = cap::message(1);
    REQUIRE_ERROR(t, endpoint->receive(m, kMillisecond), Error::kTimedOut);
    REQUIRE_ERROR(t, endpoint->receive(m, 0), Error::kTimedOut);
    REQUIRE_ERROR(t, endpoint->reply_and_receive(m, kMillisecond), Error::kTimedOut);
    m = cap::message(1, 2, 3, 4, 5, 6, 7);
    REQUIRE_ERROR(t, endpoint->call(m, kMillisecond), Error::kTimedOut);
    // It has taken its call with it.
    REQUIRE_ERROR(t, endpoint->receive(m, kMillisecond), Error::kTimedOut);
    // While it is served: the reply finds nobody, and the next caller is served as ever.
    std::atomic<bool> timed_out{false};
    auto caller = MUST(t, JoiningThread::start(t.env, [endpoint = *endpoint, &timed_out]() -> std::uint64_t {
                           cap::Message call = cap::message(1);
                           const auto first = endpoint.call(call, 20 * kMillisecond);
                           timed_out = true;
                           if (first || first.error() != Error::kTimedOut) {
                               return 1;
                           }
                           call = cap::message(2);
                           return endpoint.call(call, abi::kForever) && call.words[0] == 3 ? 0 : 2;
                       }));
    REQUIRE_OK(t, endpoint->receive(m));
    REQUIRE_EQUAL(t, m.words[0], 1u);
    REQUIRE(t, eventually(t.env.clock, [&] { return timed_out.load(); }));
    REQUIRE_ERROR(t, endpoint->reply(cap::answer(m, 9)), Error::kNoCaller);
    REQUIRE_OK(t, endpoint->receive(m, patience_ns));
    REQUIRE_EQUAL(t, m.words[0], 2u);
    REQUIRE_OK(t, endpoint->reply(cap::answer(m, 3)));
    REQUIRE_ERROR(t, endpoint->reply(cap::answer(m, 3)), Error::kNoCaller);
    REQUIRE_EQUAL(t, MUST(t, caller.join(t.env.ring)), 0u);
}

// Neither too early a time-out nor one that is left over ends a later wait.
void in_time(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    auto server = MUST(t, start_echo(t, *endpoint));
    for (std::uint64_t i = 0; i < 200; ++i) {
        cap::Message m = cap::message(i);
        REQUIRE_OK(t, endpoint->call(m, patience_ns));
        REQUIRE_EQUAL(t, m.words[0], ~i);
    }
    cap::Message stop = cap::message(kStop);
    REQUIRE_OK(t, endpoint->call(stop, patience_ns));
}

std::uint64_t call_once(cap::Ring&, void* argument) {
    cap::Message m = cap::message(1);
    const auto called = static_cast<const cap::Endpoint*>(argument)->call(m);
    return called ? 0 : static_cast<std::uint64_t>(-static_cast<std::int64_t>(called.error()));
}

std::uint64_t number(Error error) { return static_cast<std::uint64_t>(-static_cast<std::int64_t>(error)); }

// A server that was called ends without a reply; and one that waits.
void server_goes(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    for (const bool killed : {false, true}) {
        std::atomic<bool> received{false};
        auto server = MUST(t, JoiningThread::start(t.env, [endpoint = *endpoint, killed, &received] {
                               cap::Message m;
                               (void)endpoint.receive(m);
                               received = true;
                               while (killed) {
                               }
                           }));
        cap::Endpoint named = *endpoint;
        const auto caller = MUST(
            t, JoiningThread::start(t.env, [&named](cap::Ring& ring) { return call_once(ring, &named); }));
        REQUIRE(t, eventually(t.env.clock, [&] { return received.load(); }));
        if (killed) {
            REQUIRE_OK(t, server->kill(1));
        }
        REQUIRE_EQUAL(t, MUST(t, const_cast<JoiningThread&>(caller).join(t.env.ring)), number(Error::kGone));
        REQUIRE_OK(t, server.join(t.env.ring));
    }
    // It is not called any more.
    {
        const auto waits = MUST(t, Sibling::start(
                                       t.env,
                                       [](cap::Ring&, void* argument) {
                                           cap::Message m;
                                           (void)static_cast<const cap::Endpoint*>(argument)->receive(m);
                                           return std::uint64_t{0};
                                       },
                                       const_cast<cap::Endpoint*>(&*endpoint)));
        REQUIRE(t, waits.reaches(abi::ThreadState::kWaiting));
    }
    cap::Message m = cap::message(1);
    REQUIRE_ERROR(t, endpoint->call(m, kMillisecond), Error::kTimedOut);
}

// A caller that waits, and one that is served, is killed: nobody is served in its place.
void caller_goes(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    cap::Endpoint named = *endpoint;
    {
        const auto caller = MUST(t, Sibling::start(t.env, call_once, &named));
        REQUIRE(t, caller.reaches(abi::ThreadState::kWaiting));
    }
    cap::Message m;
    REQUIRE_ERROR(t, endpoint->receive(m, kMillisecond), Error::kTimedOut);
    {
        const auto caller = MUST(t, Sibling::start(t.env, call_once, &named));
        REQUIRE_OK(t, endpoint->receive(m));
        REQUIRE_EQUAL(t, by_call({Op::kReceive, endpoint->slot()}), Error::kBusy);
        REQUIRE(t, caller.reaches(abi::ThreadState::kWaiting));
    }
    REQUIRE_ERROR(t, endpoint->reply(cap::answer(m)), Error::kNoCaller);
    REQUIRE_ERROR(t, endpoint->receive(m, kMillisecond), Error::kTimedOut);
}

// The last capability goes: whoever waits there is told; who is served is answered still.
void endpoint_goes(Case& t) {
    auto endpoint = MUST(t, create_endpoint(t));
    cap::Endpoint named = *endpoint;
    {
        auto waiter = MUST(t, JoiningThread::start(t.env, [named]() -> std::uint64_t {
                               cap::Message m;
                               const auto received = named.receive(m);
                               return received ? 0 : number(received.error());
                           }));
        REQUIRE(t, eventually(t.env.clock, [&] {
                    const auto status = waiter->status();
                    return status && status->word.state() == abi::ThreadState::kWaiting;
                }));
        endpoint = {};
        REQUIRE_EQUAL(t, MUST(t, waiter.join(t.env.ring)), number(Error::kGone));
    }
    endpoint = MUST(t, create_endpoint(t));
    named = *endpoint;
    const auto other = MUST(t, create_endpoint(t));
    auto served =
        MUST(t, JoiningThread::start(t.env, [&named](cap::Ring& ring) { return call_once(ring, &named); }));
    cap::Message m;
    REQUIRE_OK(t, endpoint->receive(m));
    auto queued =
        MUST(t, JoiningThread::start(t.env, [&named](cap::Ring& ring) { return call_once(ring, &named); }));
    REQUIRE(t, eventually(t.env.clock, [&] {
                const auto status = queued->status();
                return status && status->word.state() == abi::ThreadState::kWaiting;
            }));
    endpoint = {};
    REQUIRE_EQUAL(t, MUST(t, queued.join(t.env.ring)), number(Error::kGone));
    REQUIRE_OK(t, other->reply(cap::answer(m)));
    REQUIRE_EQUAL(t, MUST(t, served.join(t.env.ring)), 0u);
}

// Suspended while it waits: what came is found after the resume.
void suspended(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    cap::Endpoint named = *endpoint;
    auto server = MUST(t, start_echo(t, *endpoint));
    REQUIRE(t, eventually(t.env.clock, [&] {
                const auto status = server->status();
                return status && status->word.state() == abi::ThreadState::kWaiting;
            }));
    REQUIRE_OK(t, server->suspend());
    const auto caller = MUST(t, Sibling::start(t.env, call_once, &named));
    REQUIRE(t, caller.reaches(abi::ThreadState::kWaiting));
    REQUIRE_OK(t, caller->suspend());
    REQUIRE_OK(t, server->resume());
    // It has answered, and waits again.
    REQUIRE(t, eventually(t.env.clock, [&] {
                const auto status = server->status();
                return status && status->word.state() == abi::ThreadState::kWaiting && status->serves == 0;
            }));
    REQUIRE_EQUAL(t, caller.state(), abi::ThreadState::kSuspended);
    REQUIRE_OK(t, caller->resume());
    REQUIRE(t, caller.wait());
    cap::Message stop = cap::message(kStop);
    REQUIRE_OK(t, endpoint->call(stop));
}

// Another process serves, and ends.
void other_process(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    const cap::GivenCap caps[] = {{"service", endpoint->slot(), abi::kRead}};
    const auto child = MUST(t, Child::create(t.env, "mode=serve", {.affinity = 0, .caps = caps}));
    REQUIRE_OK(t, child->thread.start());
    for (std::uint64_t i = 1; i < 50; ++i) {
        cap::Message m = cap::message(i, 10 * i);
        REQUIRE_OK(t, endpoint->call(m, patience_ns));
        REQUIRE_EQUAL(t, m.words[0], 11 * i);
    }
    cap::Message m = cap::message(0, 0);
    REQUIRE_ERROR(t, endpoint->call(m, patience_ns), Error::kGone);  // it ends
    REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), kDoneExitCode);
}

constexpr Entry kCases[] = {
    {"time_outs", time_outs},         {"in_time", in_time},
    {"server_goes", server_goes},     {"caller_goes", caller_goes},
    {"endpoint_goes", endpoint_goes}, {"suspended", suspended},
    {"other_process", other_process},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "endpoint_end", kCases); }
