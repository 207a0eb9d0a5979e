// SPDX-License-Identifier: MIT
//
// Endpoints by cap_call: calls, replies, and what goes with them: docs/abi.md, "Endpoint".
#include "cap/endpoint.hpp"
#include "cap/joining_thread.hpp"
#include "cap/sched_domain.hpp"
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/endpoints.hpp"
#include "support/owned.hpp"

#include <atomic>

namespace {

using namespace test;
using abi::Error;
using abi::Op;
using cap::JoiningThread;

void every_length(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
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

// The receiver learns the badge of the capability by which it was called, whichever way the message took: with a receiver that waits, a
// caller that waits, through the ring; and a moment later that of another capability.
void badges(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
    const Owned seven(cap::Endpoint(MUST(t, endpoint->derive(abi::kWrite, 7))));
    const Owned eight(cap::Endpoint(MUST(t, endpoint->derive(abi::kWrite, ~0ull))));
    auto server = MUST(t, JoiningThread::start(t.env, [endpoint = *endpoint]() -> std::uint64_t {
                           cap::Message m;
                           for (bool good = endpoint.receive(m).has_value(); good && m.words[0] != kStop;) {
                               m = cap::answer(m, m.badge);
                               good = endpoint.reply_and_receive(m).has_value();
                           }
                           return 1;
                       }));
    for (int round = 0; round < 4; ++round) {
        for (const auto& [called, badge] : {std::pair{*seven, 7ull}, {*eight, ~0ull}, {*endpoint, 0ull}}) {
            cap::Message m = cap::message(1);
            REQUIRE_OK(t, called.call(m));
            REQUIRE_EQUAL(t, m.words[0], badge);
        }
    }
    cap::Message stop = cap::message(kStop);
    REQUIRE_ERROR(t, endpoint->call(stop), Error::kGone);  // it ends without an answer
}

// More than there is room for is cut, and no other register is touched.
void room(Case& t) {
    const auto endpoint = MUST(t, create_endpoint(t));
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
    const auto endpoint = MUST(t, create_endpoint(t));
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
    const auto first = MUST(t, create_endpoint(t));
    const auto second = MUST(t, create_endpoint(t));
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
    const auto endpoint = MUST(t, create_endpoint(t));
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
    const auto endpoint = MUST(t, create_endpoint(t));
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
    const auto endpoint = MUST(t, create_endpoint(t));
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
    const auto endpoint = MUST(t, create_endpoint(t));
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
    const auto endpoint = MUST(t, create_endpoint(t));
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

constexpr Entry kCases[] = {
    {"every_length", every_length},
    {"badges", badges},
    {"room", room},
    {"in_order", in_order},
    {"chain", chain},
    {"capabilities", capabilities},
    {"capability_goes", capability_goes},
    {"errors", errors},
    {"no_slot", no_slot},
    {"direct_wakes", direct_wakes},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "endpoint", kCases); }
