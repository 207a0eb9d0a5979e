// SPDX-License-Identifier: MIT
//
// Endpoints through rings: many calls and many replies owed at once, out of order, cancelled, and with those who use cap_call on the
// other side: docs/abi.md, "Endpoint".
#include "cap/endpoint.hpp"
#include "cap/joining_thread.hpp"
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/endpoint_rings.hpp"
#include "support/free_pages.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <atomic>

namespace {

using namespace test;
using abi::Error;
using abi::Op;
using cap::JoiningThread;

// Threads of memory_comes_back().
constexpr std::size_t kComing = 24, kMore = 8;

// Receives `count` calls at once, then answers the last one first, each with its word doubled.
std::uint64_t serve_batch(cap::Ring& ring, cap::Endpoint endpoint, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
        if (!submit(ring, Op::kReceive, endpoint, i)) {
            return 1;
        }
    }
    if (!ring.submit_and_wait(count, patience_ns)) {
        return 2;
    }
    std::array<abi::MessageInfo, kIpcSlots> infos{};
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto come = ring.next();
        if (!come || come->result < 0) {
            return 3;
        }
        infos[come->user_data].raw = static_cast<std::uint64_t>(come->result);
    }
    for (std::uint32_t i = count; i-- > 0;) {
        ring.message(i)[0] *= 2;
        const auto info = abi::message_info(1).with_token(infos[i].token());
        if (infos[i].words() != 1 || !submit(ring, Op::kReply, endpoint, i, info)) {
            return 4;
        }
    }
    if (!ring.submit_and_wait(count, patience_ns)) {
        return 5;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        if (ring.next()->result != 0) {
            return 6;
        }
    }
    return 0;
}

void batch(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    for (const std::uint32_t count : {1u, 7u, kIpcSlots}) {
        auto server = MUST(t, JoiningThread::start(t.env, [endpoint = *endpoint, count](cap::Ring& ring) {
                               return serve_batch(ring, endpoint, count);
                           }));
        for (std::uint32_t i = 0; i < count; ++i) {
            t.env.ring.message(i)[0] = 100 + i;
            REQUIRE_OK(t, submit(t.env.ring, Op::kCall, *endpoint, i, abi::message_info(1)));
        }
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto done = MUST(t, next(t.env.ring));
            REQUIRE_EQUAL(t, done.result, 1);
            REQUIRE_EQUAL(t, t.env.ring.message(static_cast<std::uint32_t>(done.user_data))[0],
                          2 * (100 + done.user_data));
        }
        REQUIRE_EQUAL(t, MUST(t, server.join(t.env.ring)), 0u);
    }
}

// Callers by cap_call, server by the ring: answered in another order than they came.
void calls_to_ring(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    auto server = MUST(t, JoiningThread::start(t.env, [endpoint = *endpoint](cap::Ring& ring) {
                           return serve_batch(ring, endpoint, 3);
                       }));
    std::array<JoiningThread, 3> callers;
    for (std::uint64_t i = 0; i < callers.size(); ++i) {
        callers[i] = MUST(t, JoiningThread::start(t.env, [endpoint = *endpoint, i]() -> std::uint64_t {
                              cap::Message m = cap::message(50 + i);
                              return endpoint.call(m) ? m.words[0] : 0;
                          }));
    }
    for (std::uint64_t i = 0; i < callers.size(); ++i) {
        REQUIRE_EQUAL(t, MUST(t, callers[i].join(t.env.ring)), 2 * (50 + i));
    }
    REQUIRE_EQUAL(t, MUST(t, server.join(t.env.ring)), 0u);
}

// The other way round; with kReplyReceive as the only operation of a server, and a reply by cap_call.
void ring_to_calls(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    auto server = MUST(t, JoiningThread::start(t.env, [endpoint = *endpoint]() -> std::uint64_t {
                           cap::Message m;
                           for (std::uint64_t i = 0; i < 20; ++i) {
                               if (!endpoint.reply_and_receive(m)) {
                                   return 1;
                               }
                               m = cap::answer(m, m.words[0] + 1);
                           }
                           return endpoint.reply(m) ? 0 : 2;
                       }));
    for (std::uint32_t i = 0; i < 20; ++i) {
        t.env.ring.message(i)[0] = i;
        REQUIRE_OK(t, submit(t.env.ring, Op::kCall, *endpoint, i, abi::message_info(1)));
    }
    for (std::uint32_t i = 0; i < 20; ++i) {
        const auto done = MUST(t, next(t.env.ring));
        REQUIRE_EQUAL(t, done.user_data, i);  // one server: in order
        REQUIRE_EQUAL(t, t.env.ring.message(i)[0], i + 1);
    }
    REQUIRE_EQUAL(t, MUST(t, server.join(t.env.ring)), 0u);
}

void reply_receive(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    auto server =
        MUST(t, JoiningThread::start(t.env, [endpoint = *endpoint](cap::Ring& ring) -> std::uint64_t {
                 abi::MessageInfo info;
                 for (std::uint64_t i = 0; i < 50; ++i) {
                     if (!submit(ring, Op::kReplyReceive, endpoint, 0, info)) {
                         return 1;
                     }
                     const auto come = next(ring);
                     if (!come || come->result < 0) {
                         return 2;
                     }
                     info.raw = static_cast<std::uint64_t>(come->result);
                     ring.message(0)[0] = ~ring.message(0)[0];
                 }
                 // What was received by the ring may be answered by cap_call, with its token, once.
                 const cap::Message last{info, 0, {ring.message(0)[0]}};
                 return endpoint.reply(last) && !endpoint.reply(last) ? 0 : 3;
             }));
    for (std::uint64_t i = 0; i < 50; ++i) {
        cap::Message m = cap::message(i);
        REQUIRE_OK(t, endpoint->call(m, patience_ns));
        REQUIRE_EQUAL(t, m.words[0], ~i);
    }
    REQUIRE_EQUAL(t, MUST(t, server.join(t.env.ring)), 0u);
}

// A thread owes one reply through the ring and one by cap_call. Having given the first it has no room to receive another by cap_call.
void both_owed(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    const auto start = [&](std::uint64_t word) {
        return JoiningThread::start(t.env, [endpoint = *endpoint, word] {
            cap::Message m = cap::message(word);
            return endpoint.call(m, patience_ns) ? m.words[0] : 0;
        });
    };
    auto first = MUST(t, start(1));
    REQUIRE_OK(t, submit(t.env.ring, Op::kReceive, *endpoint, 0, {}));
    const auto come = MUST(t, next(t.env.ring));
    REQUIRE_EQUAL(t, t.env.ring.message(0)[0], 1u);
    auto second = MUST(t, start(2));
    cap::Message by_call_owed;
    REQUIRE_OK(t, endpoint->receive(by_call_owed, patience_ns));
    REQUIRE_EQUAL(t, by_call_owed.words[0], 2u);
    const abi::MessageInfo token{static_cast<std::uint64_t>(come.result)};
    cap::Message answer{abi::message_info(1).with_token(token.token()), 0, {11}};
    REQUIRE_ERROR(t, endpoint->reply_and_receive(answer, kMillisecond), Error::kBusy);
    answer = {abi::message_info(1).with_token(token.token()), 0, {11}};  // nothing was done
    REQUIRE_OK(t, endpoint->reply(answer));
    REQUIRE_OK(t, endpoint->reply(cap::answer(by_call_owed, 12)));
    REQUIRE_EQUAL(t, MUST(t, first.join(t.env.ring)), 11u);
    REQUIRE_EQUAL(t, MUST(t, second.join(t.env.ring)), 12u);
}

// In flight: waiting for a receiver, being served, waiting for a caller.
void cancel(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    cap::Ring& ring = t.env.ring;
    const auto cancelled = [&](std::uint32_t place) {
        const auto done = next(ring);
        return done && done->user_data == place && error_of(done->result) == Error::kCancelled;
    };
    REQUIRE_OK(t, submit(ring, Op::kCall, *endpoint, 1, {}));
    REQUIRE_OK(t, submit(ring, Op::kCall, *endpoint, 2, {}));
    REQUIRE_OK(t, ring.submit_and_wait(0));
    REQUIRE_ERROR(t, endpoint->cancel(3), Error::kWrongState);
    REQUIRE_OK(t, endpoint->cancel(1));
    REQUIRE(t, cancelled(1));
    REQUIRE_ERROR(t, endpoint->cancel(1), Error::kWrongState);
    cap::Message m;
    REQUIRE_OK(t, endpoint->receive(m));  // the second one: one's own calls may be received
    REQUIRE_OK(t, endpoint->cancel(2));
    REQUIRE(t, cancelled(2));
    REQUIRE_ERROR(t, endpoint->reply(cap::answer(m)), Error::kNoCaller);

    REQUIRE_OK(t, submit(ring, Op::kReceive, *endpoint, 4));
    REQUIRE_OK(t, ring.submit_and_wait(0));
    REQUIRE_OK(t, endpoint->cancel(4));
    REQUIRE(t, cancelled(4));
    REQUIRE_OK(t, submit(ring, Op::kReceive, *endpoint, 5));
    REQUIRE_OK(t, submit(ring, Op::kCall, *endpoint, 6));
    const auto come = MUST(t, next(ring));
    REQUIRE_EQUAL(t, come.user_data, 5u);
    REQUIRE_ERROR(t, endpoint->cancel(5), Error::kWrongState);  // it has completed
    REQUIRE_OK(t, endpoint->cancel(6));
    REQUIRE(t, cancelled(6));
    m.info.raw = static_cast<std::uint64_t>(come.result);
    REQUIRE_ERROR(t, endpoint->reply(m), Error::kNoCaller);
}

// As many at a time as there are slots, and again when one has become free.
void all_slots(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    cap::Ring& ring = t.env.ring;
    for (std::uint32_t i = 0; i <= kIpcSlots; ++i) {
        REQUIRE_OK(t, submit(ring, i % 2 == 0 ? Op::kCall : Op::kReceive, *endpoint, i));
    }
    // A call and a reception meet: the one completes, and both hold their slots until the reply.
    REQUIRE_OK(t, ring.submit_and_wait(kIpcSlots / 2 + 1, patience_ns));
    std::array<abi::MessageInfo, kIpcSlots> owed{};
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i <= kIpcSlots / 2; ++i) {
        const auto done = ring.next();
        REQUIRE(t, done.has_value());
        if (done->user_data == kIpcSlots) {
            REQUIRE_EQUAL(t, error_of(done->result), Error::kBusy);
        } else {
            REQUIRE_EQUAL(t, done->user_data % 2, 1u);
            owed[count++].raw = static_cast<std::uint64_t>(done->result);
        }
    }
    REQUIRE_EQUAL(t, count, kIpcSlots / 2);
    for (std::uint32_t i = 0; i < count; ++i) {
        REQUIRE_OK(t, endpoint->reply({owed[i], 0, {}}));
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        REQUIRE_EQUAL(t, MUST(t, next(ring)).result, 0);
    }
    REQUIRE_OK(t, submit(ring, Op::kReceive, *endpoint, 7));
    REQUIRE_OK(t, ring.submit_and_wait(0));
    REQUIRE_OK(t, endpoint->cancel(7));
    REQUIRE_OK(t, next(ring));
}

// The end of a server that owes replies, of one that waits, and of the endpoint.
void ends(Case& t) {
    auto endpoint = MUST(t, create_endpoint(t));
    cap::Ring& ring = t.env.ring;
    {
        auto server =
            MUST(t, JoiningThread::start(t.env, [endpoint = *endpoint](cap::Ring& its) -> std::uint64_t {
                     for (std::uint32_t i = 0; i < 3; ++i) {
                         (void)submit(its, Op::kReceive, endpoint, i);
                     }
                     return its.submit_and_wait(2, patience_ns) ? 0 : 1;
                 }));
        REQUIRE_OK(t, submit(ring, Op::kCall, *endpoint, 1));
        REQUIRE_OK(t, submit(ring, Op::kCall, *endpoint, 2));
        for (int i = 0; i < 2; ++i) {
            REQUIRE_EQUAL(t, error_of(MUST(t, next(ring)).result), Error::kGone);
        }
        REQUIRE_EQUAL(t, MUST(t, server.join(ring)), 0u);
    }
    // What it had waited for with is not there any more.
    REQUIRE_OK(t, submit(ring, Op::kCall, *endpoint, 3));
    REQUIRE_ERROR(t, ring.submit_and_wait(1, kMillisecond), Error::kTimedOut);
    endpoint = {};
    REQUIRE_EQUAL(t, error_of(MUST(t, next(ring)).result), Error::kGone);
    endpoint = MUST(t, create_endpoint(t));
    REQUIRE_OK(t, submit(ring, Op::kReceive, *endpoint, 4));
    REQUIRE_OK(t, ring.submit_and_wait(0));
    endpoint = {};
    REQUIRE_EQUAL(t, error_of(MUST(t, next(ring)).result), Error::kGone);
}

// A caller with calls queued and served goes, and nothing is left of them.
void caller_ends(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    cap::Endpoint named = *endpoint;
    cap::Message m;
    {
        const auto caller =
            MUST(t, Sibling::start(
                        t.env,
                        [](cap::Ring& its, void* argument) {
                            const auto& endpoint = *static_cast<const cap::Endpoint*>(argument);
                            for (std::uint32_t i = 0; i < 3; ++i) {
                                (void)submit(its, Op::kCall, endpoint, i);
                            }
                            return static_cast<std::uint64_t>(its.submit_and_wait(1).has_value());
                        },
                        &named));
        REQUIRE_OK(t, endpoint->receive(m, patience_ns));
        REQUIRE(t, caller.reaches(abi::ThreadState::kWaiting));
    }
    REQUIRE_ERROR(t, endpoint->reply(cap::answer(m)), Error::kNoCaller);
    REQUIRE_ERROR(t, endpoint->receive(m, kMillisecond), Error::kTimedOut);
}

// Links: what comes next waits for the reply.
void linked(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    cap::Ring& ring = t.env.ring;
    auto call = cap::message_submission(Op::kCall, *endpoint, 1, {}, 0);
    call.flags = abi::kLink;
    REQUIRE_OK(t, ring.prepare(call));
    REQUIRE_OK(t, ring.prepare(cap::submission(Op::kNop, endpoint->slot(), 2, 5)));
    REQUIRE_ERROR(t, ring.submit_and_wait(1, kMillisecond), Error::kTimedOut);
    cap::Message m;
    REQUIRE_OK(t, endpoint->receive(m));
    REQUIRE_OK(t, endpoint->reply(cap::answer(m)));
    REQUIRE_OK(t, ring.submit_and_wait(2, patience_ns));
    REQUIRE_EQUAL(t, ring.next()->user_data, 1u);
    REQUIRE_EQUAL(t, ring.next()->result, 5);
}

void capabilities(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    const Owned bell(MUST(t, t.env.process.create_notification()));
    cap::Ring& ring = t.env.ring;
    ring.message(0)[0] = bell->slot().raw();
    ring.message(0)[1] = 77;
    REQUIRE_OK(t, submit(ring, Op::kCall, *endpoint, 0, abi::message_info(2, 1)));
    REQUIRE_OK(t, submit(ring, Op::kReceive, *endpoint, 1));
    const auto come = MUST(t, next(ring));
    REQUIRE_EQUAL(t, come.user_data, 1u);
    const abi::MessageInfo info{static_cast<std::uint64_t>(come.result)};
    REQUIRE_EQUAL(t, info.caps(), 1u);
    REQUIRE_EQUAL(t, ring.message(1)[1], 77u);
    const Owned copy(cap::Notification(abi::CapSlot::from_raw(ring.message(1)[0])));
    REQUIRE(t, copy->slot() != bell->slot());
    REQUIRE_OK(t, copy->signal(4));
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 4u);
    REQUIRE_OK(t, submit(ring, Op::kReply, *endpoint, 1, abi::MessageInfo{}.with_token(info.token())));
    REQUIRE_OK(t, ring.submit_and_wait(2, patience_ns));
    (void)ring.next();
    (void)ring.next();
}

// So many threads at once; with `receives`, each of them with a reception in its ring, which costs it a frame.
void come_and_go(Case& t, cap::Endpoint endpoint, std::size_t count, bool receives) {
    std::array<JoiningThread, kComing + kMore> threads;
    for (std::size_t i = 0; i < count; ++i) {
        threads[i] = MUST(
            t, JoiningThread::start(t.env, [endpoint, receives](cap::Ring& ring) -> std::uint64_t {
                return !receives || (submit(ring, Op::kReceive, endpoint, 0) && ring.submit_and_wait(0)) ? 0
                                                                                                         : 1;
            }));
    }
    for (std::size_t i = 0; i < count; ++i) {
        REQUIRE_EQUAL(t, MUST(t, threads[i].join(t.env.ring)), 0u);
    }
}

// Its quota and the machine have back what a thread's messages have cost.
void memory_comes_back(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    // What stays mapped for reuse, and what the kernel's heap keeps for threads: of more than are there afterwards, since one that has gone
    // may be in use on another CPU for a moment.
    come_and_go(t, *endpoint, kComing + kMore, false);
    REQUIRE(t, !t.failed());
    const auto used = [&] { return t.env.process.quota_status().value_or(abi::QuotaStatus{}).memory_used; };
    const std::uint64_t pages = free_pages(t.env), charged = used();
    {
        const Owned held(MUST(t, t.env.process.create_memory(kComing)));
        REQUIRE(t, free_pages(t.env) < pages);  // it is seen
    }
    come_and_go(t, *endpoint, kComing, true);
    REQUIRE(t, !t.failed());
    REQUIRE(t, eventually(t.env.clock, [&] { return used() <= charged; }));
    std::uint64_t after = 0;
    REQUIRE(t, eventually(t.env.clock, [&] { return (after = free_pages(t.env)) >= pages; }) ||
                   (t.env.log.print("test: free pages before {} after {}", pages, after), false));
}

constexpr Entry kCases[] = {
    {"batch", batch},
    {"calls_to_ring", calls_to_ring},
    {"ring_to_calls", ring_to_calls},
    {"reply_receive", reply_receive},
    {"both_owed", both_owed},
    {"cancel", cancel},
    {"all_slots", all_slots},
    {"ends", ends},
    {"caller_ends", caller_ends},
    {"linked", linked},
    {"capabilities", capabilities},
    {"memory_comes_back", memory_comes_back},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "endpoint_ring", kCases); }
