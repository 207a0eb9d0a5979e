// SPDX-License-Identifier: MIT
//
// Endpoints by cap_call: calls, replies, what goes with them, and every way in which they end: docs/abi.md, "Endpoint".
#include "cap/endpoint.hpp"
#include "cap/joining_thread.hpp"
#include "cap/sched_domain.hpp"
#include "suite.hpp"
#include "support/child.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <atomic>

namespace {

using namespace test;
using abi::Error;
using abi::Op;
using cap::JoiningThread;

constexpr std::uint64_t kStop = 0x5707;

cap::Result<Owned<cap::Endpoint>> create(const Case& t) {
    return Owned<cap::Endpoint>(TRY(cap::Endpoint::create(t.env.process)));
}

// A server of this process that answers each word with its complement, and kStop with its end: -> how many it has served.
cap::Result<JoiningThread> start_echo(const Case& t, cap::Endpoint endpoint) {
    return JoiningThread::start(t.env, [endpoint]() -> std::uint64_t {
        cap::Message m;
        if (!endpoint.receive(m)) {
            return ~0ull;
        }
        for (std::uint64_t served = 1;; ++served) {
            const bool stop = m.info.words() == 1 && m.words[0] == kStop;
            for (auto& word : m.words) {
                word = ~word;
            }
            if (stop) {
                return endpoint.reply(m) ? served : ~0ull;
            }
            if (!endpoint.reply_and_receive(m)) {
                return ~0ull;
            }
        }
    });
}

void every_length(Case& t) {
    const auto endpoint = MUST(t, create(t));
    auto server = MUST(t, start_echo(t, *endpoint));
    for (std::uint32_t words = 0; words <= abi::kMessageWords; ++words) {
        cap::Message m{abi::message_info(words), 99, {1, 2, 3, 4, 5, 6, 7, 8}};
        REQUIRE_OK(t, endpoint->call(m));
        REQUIRE_EQUAL(t, m.info.raw, words);
        REQUIRE_EQUAL(t, m.badge, 0u);
        for (std::uint32_t i = 0; i < abi::kMessageWords; ++i) {
            // What does not belong to the message stays as it was.
            REQUIRE_EQUAL(t, m.words[i], i < words ? ~(i + 1ull) : i + 1ull);
        }
    }
    cap::Message stop = cap::message(kStop);
    REQUIRE_OK(t, endpoint->call(stop));
    REQUIRE_EQUAL(t, MUST(t, server.join(t.env.ring)), abi::kMessageWords + 2u);
}

// More than there is room for is cut, and no other register is touched.
void room(Case& t) {
    const auto endpoint = MUST(t, create(t));
    auto server = MUST(t, start_echo(t, *endpoint));
    for (std::uint32_t room = 0; room <= abi::kMessageWords; ++room) {
        std::array<std::uint64_t, abi::kMessageWords> words = {1, 2, 3, 4, 5, 6, 7, 8};
        const auto info = abi::message_info(abi::kMessageWords).with_room(room);
        const auto called = cap::message_call(endpoint->slot(), Op::kCall, info, words);
        REQUIRE_EQUAL(t, called.result, room);
        REQUIRE_EQUAL(t, called.result2, 0u);
        for (std::uint32_t i = 0; i < abi::kMessageWords; ++i) {
            REQUIRE_EQUAL(t, words[i], i < room ? ~(i + 1ull) : i + 1ull);
        }
    }
    cap::Message stop = cap::message(kStop);
    REQUIRE_OK(t, endpoint->call(stop));
}

// Served in the order in which they came.
void in_order(Case& t) {
    const auto endpoint = MUST(t, create(t));
    constexpr std::uint64_t kCallers = 5;
    std::array<JoiningThread, kCallers> callers;
    for (std::uint64_t i = 0; i < kCallers; ++i) {
        callers[i] = MUST(t, JoiningThread::start(t.env, [endpoint = *endpoint, i]() -> std::uint64_t {
                              cap::Message m = cap::message(i);
                              return endpoint.call(m) ? m.words[0] : ~0ull;
                          }));
        REQUIRE(t, eventually(t.env.clock, [&] {
                    const auto status = callers[i]->status();
                    return status && status->word.state() == abi::ThreadState::kWaiting &&
                           status->word.cause() == abi::Cause::kCalls;
                }));
    }
    cap::Message m;
    REQUIRE_OK(t, endpoint->receive(m));
    for (std::uint64_t i = 0; i < kCallers; ++i) {
        REQUIRE_EQUAL(t, m.words[0], i);
        const auto ref = MUST(t, callers[i]->ref());
        REQUIRE_EQUAL(t, MUST(t, t.env.thread.status()).serves, ref.index + 1);
        m = cap::answer(m, 100 + i);
        if (i + 1 < kCallers) {
            REQUIRE_OK(t, endpoint->reply_and_receive(m));
        } else {
            REQUIRE_OK(t, endpoint->reply(m));
        }
        REQUIRE_EQUAL(t, MUST(t, callers[i].join(t.env.ring)), 100 + i);
    }
    REQUIRE_EQUAL(t, MUST(t, t.env.thread.status()).serves, 0u);
}

// A server that calls another one before it answers.
void chain(Case& t) {
    const auto first = MUST(t, create(t));
    const auto second = MUST(t, create(t));
    auto last = MUST(t, start_echo(t, *second));
    auto middle = MUST(t, JoiningThread::start(t.env, [first = *first, second = *second]() -> std::uint64_t {
                           cap::Message m;
                           if (!first.receive(m)) {
                               return 1;
                           }
                           cap::Message inner = cap::message(m.words[0] + 1);
                           return second.call(inner) && first.reply(cap::answer(m, inner.words[0])) ? 0 : 2;
                       }));
    cap::Message m = cap::message(41);
    REQUIRE_OK(t, first->call(m));
    REQUIRE_EQUAL(t, m.words[0], ~42ull);
    REQUIRE_EQUAL(t, MUST(t, middle.join(t.env.ring)), 0u);
    cap::Message stop = cap::message(kStop);
    REQUIRE_OK(t, second->call(stop));
}

void capabilities(Case& t) {
    const auto endpoint = MUST(t, create(t));
    Owned bell(MUST(t, t.env.process.create_notification()));
    // Sends it back, moved, with one of its own.
    const auto serve = [endpoint = *endpoint, process = t.env.process]() -> std::uint64_t {
        cap::Message m;
        if (!endpoint.receive(m) || m.info.words() != 2 || m.info.caps() != 1 || m.words[1] != 5) {
            return 1;
        }
        const cap::Notification got(abi::CapSlot::from_raw(m.words[0]));
        if (!got.signal(8)) {
            return 2;
        }
        const auto own = process.create_notification();
        cap::Message back{abi::message_info(2, 2).moving(), 0, {got.slot().raw(), own->slot().raw()}};
        if (!endpoint.reply(back)) {
            return 3;
        }
        return got.poll() || own->poll() ? 4 : 0;
    };
    auto server = MUST(t, JoiningThread::start(t.env, serve));
    cap::Message m = cap::with_cap(cap::message(5), bell->slot());
    REQUIRE_OK(t, endpoint->call(m));
    REQUIRE_EQUAL(t, MUST(t, server.join(t.env.ring)), 0u);
    REQUIRE_EQUAL(t, m.info.words(), 2u);
    REQUIRE_EQUAL(t, m.info.caps(), 2u);
    const Owned back(cap::Notification(abi::CapSlot::from_raw(m.words[0])));
    const Owned other(cap::Notification(abi::CapSlot::from_raw(m.words[1])));
    REQUIRE(t, back->slot() != bell->slot());
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 8u);
    REQUIRE_OK(t, bell->signal(16));
    REQUIRE_EQUAL(t, MUST(t, back->poll()), 16u);
    REQUIRE_EQUAL(t, MUST(t, other->poll()), 0u);
}

// What cannot be given any more when the message is taken arrives as no capability.
void capability_goes(Case& t) {
    const auto endpoint = MUST(t, create(t));
    Owned bell(MUST(t, t.env.process.create_notification()));
    auto caller = MUST(t, JoiningThread::start(t.env, [endpoint = *endpoint, slot = bell->slot()] {
                           cap::Message m = cap::with_cap(cap::message(5), slot);
                           return !endpoint.call(m);
                       }));
    REQUIRE(t, eventually(t.env.clock, [&] {
                const auto status = caller->status();
                return status && status->word.cause() == abi::Cause::kCalls;
            }));
    bell = {};
    cap::Message m;
    REQUIRE_OK(t, endpoint->receive(m));
    REQUIRE_EQUAL(t, m.info.caps(), 1u);
    REQUIRE_EQUAL(t, m.words[0], 0u);
    REQUIRE_EQUAL(t, m.words[1], 5u);
    REQUIRE_OK(t, endpoint->reply(cap::answer(m)));
    REQUIRE_EQUAL(t, MUST(t, caller.join(t.env.ring)), 0u);
}

void errors(Case& t) {
    const auto endpoint = MUST(t, create(t));
    const auto slot = endpoint->slot();
    const auto no_read = MUST(t, derive(*endpoint, abi::kAllRights & ~abi::kRead));
    const auto no_write = MUST(t, derive(*endpoint, abi::kAllRights & ~abi::kWrite));
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const auto no_grant = MUST(t, derive(*bell, abi::kAllRights & ~abi::kGrant));
    Owned gone(MUST(t, t.env.process.create_notification()));
    const auto stale = gone->slot();
    gone = {};
    const auto both = [&](Op op, abi::CapSlot named, std::uint64_t info, Error expected,
                          std::uint64_t word = 0) {
        t.env.ring.message(0)[0] = word;
        const Request request{op, named, {info, word}};
        REQUIRE_EQUAL(t, by_call(request), expected);
        REQUIRE_EQUAL(t, by_ring(t.env, request), expected);
    };
    for (const Op op : {Op::kReceive, Op::kReply, Op::kReplyReceive}) {
        both(op, no_read->slot(), 0, Error::kNoRight);
        both(op, bell->slot(), 0, Error::kWrongType);
    }
    both(Op::kCall, no_write->slot(), 0, Error::kNoRight);
    both(Op::kCall, bell->slot(), 0, Error::kWrongType);
    both(static_cast<Op>(0x0805), slot, 0, Error::kBadOperation);
    both(static_cast<Op>(0x0805), no_read->slot(), 0, Error::kNoRight);
    for (const Op op : {Op::kCall, Op::kReply, Op::kReplyReceive}) {
        both(op, slot, 9 | 1 << 7,
             Error::kBadArgument);  // 9 counts as 8, and there is no place for a time-out
        both(op, slot, abi::message_info(3, 3).raw, Error::kBadArgument);  // slots
        both(op, slot, abi::message_info(1, 2).raw, Error::kBadArgument);  // more slots than words
        both(op, slot, abi::message_info(8).with_timeout().raw, Error::kBadArgument);
        const auto token = op == Op::kCall ? 0 : 1 << 6 | 1;
        const auto with_slot = abi::message_info(1, 1).with_token(token).raw;
        both(op, slot, with_slot, Error::kBadSlot, 0);
        both(op, slot, with_slot, Error::kBadSlot, abi::CapSlot{4095, 1}.raw());
        both(op, slot, with_slot, Error::kStaleSlot, stale.raw());
        both(op, slot, with_slot, Error::kNoRight, no_grant->slot().raw());
    }
    for (const Op op : {Op::kCall, Op::kReceive, Op::kReply, Op::kReplyReceive}) {
        both(op, slot, 1ull << 63, Error::kBadArgument);
        both(op, slot, abi::MessageInfo{}.with_place(60).raw, Error::kBadArgument);
        REQUIRE_EQUAL(t, by_call({op, slot, {abi::MessageInfo{}.with_place(1).raw}}), Error::kBadArgument);
        REQUIRE_EQUAL(t, by_ring(t.env, {op, slot, {abi::MessageInfo{}.with_timeout().raw}}),
                      Error::kBadArgument);
    }
    both(Op::kCall, slot, abi::MessageInfo{}.with_token(1).raw, Error::kBadArgument);
    both(Op::kReceive, slot, abi::MessageInfo{}.with_token(1).raw, Error::kBadArgument);
    both(Op::kReceive, slot, 1, Error::kBadArgument);
    REQUIRE_EQUAL(t, by_call({Op::kReply, slot, {abi::MessageInfo{}.with_timeout().raw}}),
                  Error::kBadArgument);
    REQUIRE_EQUAL(t, by_ring(t.env, {Op::kReply, slot}), Error::kBadArgument);
    REQUIRE_EQUAL(t, by_call({Op::kReply, slot}), Error::kNoCaller);
    for (const std::uint64_t token :
         {1ull, 1ull << 6 | 1, 3ull << 6 | 1, 1ull << 6 | 63, 1ull << 44 | 1 << 6 | 1}) {
        both(Op::kReply, slot, abi::MessageInfo{}.with_token(token).raw, Error::kNoCaller);
    }
}

// Also where no other slot was named before, and where another was.
void no_slot(Case& t) {
    const auto endpoint = MUST(t, create(t));
    auto thread = MUST(t, JoiningThread::start(t.env, [slot = endpoint->slot()]() -> std::uint64_t {
                           const auto refused = [](abi::CapSlot named, Error expected) {
                               return by_call({Op::kCall, named}) == expected &&
                                      by_call({Op::kReplyReceive, named}) == expected;
                           };
                           if (!refused({}, Error::kBadSlot)) {
                               return 1;
                           }
                           cap::Message m;
                           if (error_of(cap::Endpoint(slot).call(m, 0)) != Error::kTimedOut ||
                               error_of(cap::Endpoint(slot).receive(m, 0)) != Error::kTimedOut) {
                               return 2;
                           }
                           return refused({}, Error::kBadSlot) && refused({4095, 1}, Error::kBadSlot) ? 0 : 3;
                       }));
    REQUIRE_EQUAL(t, MUST(t, thread.join(t.env.ring)), 0u);
}

// The server runs in the caller's place, and the caller in the server's: each such wake is counted as one.
void direct_wakes(Case& t) {
    const auto endpoint = MUST(t, create(t));
    auto server = MUST(t, start_echo(t, *endpoint));
    constexpr std::uint64_t kCalls = 300;
    for (std::uint64_t i = 0; i < kCalls; ++i) {
        cap::Message m = cap::message(i);
        REQUIRE_OK(t, endpoint->call(m));
    }
    const auto domain = t.env.find<cap::SchedDomain>("domain");
    std::array<abi::WakeLedger, 2> ledgers{};
    for (std::size_t i = 0; i < ledgers.size(); ++i) {
        const auto ref = i == 0 ? t.env.thread.ref() : server->ref();
        (void)eventually(t.env.clock, [&] {
            auto& l = ledgers[i];
            l = domain->wake_ledger(ref.value_or(abi::ThreadRef{}).index).value_or(abi::WakeLedger{});
            return abi::ThreadWord{l.word}.state() != abi::ThreadState::kRunning || i == 0;
        });
    }
    cap::Message stop = cap::message(kStop);
    REQUIRE_OK(t, endpoint->call(stop));
    REQUIRE(t, ledgers[1].direct <= kCalls);
    for (const auto& l : ledgers) {
        REQUIRE(t, l.direct > 0);
        REQUIRE_EQUAL(t, l.wakes,
                      l.hinted + l.committed + l.by_kernel + l.cancelled + l.coalesced + l.direct);
    }
}

void time_outs(Case& t) {
    const auto endpoint = MUST(t, create(t));
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
    REQUIRE_OK(t, endpoint->receive(m, kPatienceNs));
    REQUIRE_EQUAL(t, m.words[0], 2u);
    REQUIRE_OK(t, endpoint->reply(cap::answer(m, 3)));
    REQUIRE_ERROR(t, endpoint->reply(cap::answer(m, 3)), Error::kNoCaller);
    REQUIRE_EQUAL(t, MUST(t, caller.join(t.env.ring)), 0u);
}

// Neither too early a time-out nor one that is left over ends a later wait.
void in_time(Case& t) {
    const auto endpoint = MUST(t, create(t));
    auto server = MUST(t, start_echo(t, *endpoint));
    for (std::uint64_t i = 0; i < 200; ++i) {
        cap::Message m = cap::message(i);
        REQUIRE_OK(t, endpoint->call(m, kPatienceNs));
        REQUIRE_EQUAL(t, m.words[0], ~i);
    }
    cap::Message stop = cap::message(kStop);
    REQUIRE_OK(t, endpoint->call(stop, kPatienceNs));
}

std::uint64_t call_once(cap::Ring&, void* argument) {
    cap::Message m = cap::message(1);
    const auto called = static_cast<const cap::Endpoint*>(argument)->call(m);
    return called ? 0 : static_cast<std::uint64_t>(-static_cast<std::int64_t>(called.error()));
}

std::uint64_t number(Error error) { return static_cast<std::uint64_t>(-static_cast<std::int64_t>(error)); }

// A server that was called ends without a reply; and one that waits.
void server_goes(Case& t) {
    const auto endpoint = MUST(t, create(t));
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
    const auto endpoint = MUST(t, create(t));
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
    auto endpoint = MUST(t, create(t));
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
    endpoint = MUST(t, create(t));
    named = *endpoint;
    const auto other = MUST(t, create(t));
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
    const auto endpoint = MUST(t, create(t));
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
    const auto endpoint = MUST(t, create(t));
    const cap::GivenCap caps[] = {{"service", endpoint->slot(), abi::kRead}};
    const auto child = MUST(t, Child::create(t.env, "mode=serve", {.affinity = 0, .caps = caps}));
    REQUIRE_OK(t, child->thread.start());
    for (std::uint64_t i = 1; i < 50; ++i) {
        cap::Message m = cap::message(i, 10 * i);
        REQUIRE_OK(t, endpoint->call(m, kPatienceNs));
        REQUIRE_EQUAL(t, m.words[0], 11 * i);
    }
    cap::Message m = cap::message(0, 0);
    REQUIRE_ERROR(t, endpoint->call(m, kPatienceNs), Error::kGone);  // it ends
    REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), kDoneExitCode);
}

constexpr Entry kCases[] = {
    {"every_length", every_length},
    {"room", room},
    {"in_order", in_order},
    {"chain", chain},
    {"capabilities", capabilities},
    {"capability_goes", capability_goes},
    {"errors", errors},
    {"no_slot", no_slot},
    {"direct_wakes", direct_wakes},
    {"time_outs", time_outs},
    {"in_time", in_time},
    {"server_goes", server_goes},
    {"caller_goes", caller_goes},
    {"endpoint_goes", endpoint_goes},
    {"suspended", suspended},
    {"other_process", other_process},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "endpoint", kCases); }
