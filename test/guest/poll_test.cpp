// SPDX-License-Identifier: MIT
//
// Polled rings: docs/abi.md, "Polling". Mostly the main thread's; each case ends with an empty ring and without a poller.
// Long because the cases share their few helpers, and each documented error stands in one place.
#include "cap/joining_thread.hpp"
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/polled.hpp"
#include "support/sibling.hpp"

#include <atomic>
#include <initializer_list>

namespace {

using namespace test;
using abi::Error;
using abi::Op;
using abi::ThreadState;
using cap::JoiningThread;

constexpr auto kCancelled = static_cast<std::int64_t>(Error::kCancelled);
constexpr auto kBadSlot = static_cast<std::int64_t>(Error::kBadSlot);

struct Expected {
    std::uint64_t user_data;
    std::int64_t result;
};

cap::Result<Polled> polled(Case& t, const cap::PollOptions& options = {}) {
    return Polled::make(t.env.thread, t.env.ring, options);
}

abi::Submission nop(Case& t, std::uint64_t user_data, std::uint16_t flags = 0) {
    auto entry = cap::submission(Op::kNop, t.env.process.slot(), user_data, user_data);
    entry.flags = flags;
    return entry;
}
abi::Submission wait_bits(const cap::Notification& bell, std::uint64_t user_data, std::uint16_t flags = 0) {
    auto entry = cap::submission(Op::kWaitBits, bell.slot(), user_data);
    entry.flags = flags;
    return entry;
}
void submit(Case& t, std::initializer_list<abi::Submission> entries) {
    for (const auto& entry : entries) {
        REQUIRE_OK(t, t.env.ring.prepare(entry));
    }
}
// The case fails unless these completions come, and no other.
void expect(Case& t, std::initializer_list<Expected> all) {
    for (const Expected& each : all) {
        const auto completion = spin_for_next(t.env, t.env.ring);
        REQUIRE(t, completion.has_value());
        REQUIRE_EQUAL(t, completion->user_data, each.user_data);
        REQUIRE_EQUAL(t, completion->result, each.result);
    }
    if (const auto other = t.env.ring.next()) {
        t.fail("too many: completion of {} with {}", other->user_data, other->result);
    }
}

// Without a call that would take anything, or wake the poller.
template <class Condition>
bool spin_until(Case& t, Condition condition) {
    const std::uint64_t begin = t.env.clock.now_ns();
    while (!condition()) {
        if (t.env.clock.now_ns() - begin > patience_ns) {
            return false;
        }
    }
    return true;
}

void refused(Case& t) {
    const auto spin = [] {
        for (;;) {
        }
    };
    auto other = MUST(t, JoiningThread::create(t.env, spin));
    REQUIRE_ERROR(t, other->poll(t.env.ring), Error::kWrongState);
    if (t.cpus() < abi::kMaxCpus) {
        REQUIRE_ERROR(t, t.env.thread.poll(t.env.ring, {.cpus = only(t.cpus())}), Error::kBadArgument);
    }
    const auto poller = MUST(t, polled(t, {.cpus = only(0) | only(63), .label = 4711}));
    REQUIRE_ERROR(t, t.env.thread.poll(t.env.ring, {.cpus = only(63)}), Error::kBusy);
    REQUIRE_ERROR(t, poller->poll(t.env.ring), Error::kWrongState);
    REQUIRE_ERROR(t, poller->start(), Error::kWrongState);
    const auto status = MUST(t, poller->status());
    REQUIRE_EQUAL(t, status.label, 4711u);
    REQUIRE_EQUAL(t, status.affinity, 1u);
    REQUIRE_EQUAL(t, status.calls, 0u);
    REQUIRE_EQUAL(t, status.domain, MUST(t, t.env.thread.status()).domain);
}

// No slot, no frame for a slot, no line: refused, and the ring is as it was.
void no_room(Case& t) {
    static std::array<abi::CapSlot, 4200> slots;
    std::size_t count = 0;
    const auto fill = [&] {
        for (;; ++count) {
            const auto slot = t.env.process.derive(0);
            if (!slot) {
                return slot.error();
            }
            slots[count] = *slot;
        }
    };
    const auto drop_all = [&] {
        while (count != 0) {
            cap::Capability(slots[--count]).drop();
        }
    };
    for (std::uint64_t pages = abi::kMaxPagesPerObject; pages != 0;) {
        if (const auto memory = t.env.process.create_memory(pages)) {
            slots[count++] = memory->slot();
        } else {
            pages /= 2;
        }
    }
    const Error without_frames = fill();
    const auto poller = t.env.thread.poll(t.env.ring);
    drop_all();
    REQUIRE_EQUAL(t, without_frames, Error::kNoMemory);
    REQUIRE_ERROR(t, poller, Error::kNoMemory);
    REQUIRE_EQUAL(t, fill(), Error::kNoSlot);
    REQUIRE_ERROR(t, t.env.thread.poll(t.env.ring), Error::kNoSlot);
    drop_all();
    {
        const Owned crowd(MUST(t, t.env.process.create_process("crowd")));
        abi::ThreadParams params{};
        for (params.ring_address = 0x10'0000;; params.ring_address += abi::kRingPages * abi::kPageSize) {
            const auto thread = crowd->create_thread(params);
            if (!thread) {
                REQUIRE_EQUAL(t, thread.error(), Error::kNoSlot);
                break;
            }
            thread->drop();
        }
        REQUIRE_ERROR(t, t.env.thread.poll(t.env.ring), Error::kNoSlot);
        REQUIRE_OK(t, crowd->kill(0));
        REQUIRE_OK(t, crowd->wait_exit(t.env.ring, patience_ns));
    }
    submit(t, {nop(t, 1)});
    REQUIRE_EQUAL(t, cap::cap_enter(1, 0).submitted, 1u);  // nobody else takes it
    expect(t, {{1, 1}});
    const auto again = MUST(t, polled(t));
    submit(t, {nop(t, 1)});
    REQUIRE_EQUAL(t, cap::cap_enter(1, patience_ns).ready, 1);
    expect(t, {{1, 1}});
}

// -> how many system calls a thread makes in all that has so many NOPs done.
cap::Result<std::uint32_t> calls_for(Case& t, std::uint64_t nops, bool with_poller) {
    std::atomic<std::uint64_t> self{0};
    auto thread =
        TRY(JoiningThread::create(t.env, [&t, &self, nops, with_poller](cap::Ring& ring) -> std::uint64_t {
            if (with_poller) {
                const auto poller = cap::Thread(abi::CapSlot::from_raw(self.load())).poll(ring);
                while (poller && !ring.poller_is_awake()) {
                }
            }
            std::uint64_t seen = 0;
            for (std::uint64_t sent = 0; seen < nops;) {
                while (sent < nops && ring.free_entries() != 0 && ring.prepare(nop(t, sent))) {
                    ++sent;
                }
                if (!ring.submit_and_wait(0)) {
                    return 1;
                }
                bool wrong = false;
                ring.drain([&](const abi::Completion& done) {
                    wrong |= done.user_data != seen || done.result != static_cast<std::int64_t>(seen);
                    ++seen;
                });
                if (wrong) {
                    return 2;
                }
            }
            return 0;
        }));
    self = thread->slot().raw();
    const Owned kept = TRY(derive(*thread.operator->(), abi::kRead));
    TRY(thread->start());
    const std::uint64_t code = TRY(thread.join(t.env.ring));
    if (code != 0) {
        t.fail("a thread says {}", code);
    }
    return TRY(kept->status()).calls;
}

void makes_no_calls(Case& t) {
    const std::uint64_t nops = t.cpus() == 1 ? 1000 : 5000;
    const auto none = MUST(t, calls_for(t, 0, true));
    REQUIRE_EQUAL(t, MUST(t, calls_for(t, nops, true)), none);
    const auto unpolled = MUST(t, calls_for(t, nops, false));
    REQUIRE(t, unpolled > none + nops / abi::kCqEntries);
}

// Operations of every kind, and those that no ring takes, or that are about the caller.
void operations(Case& t) {
    for (const std::uint64_t idle_ns : {abi::kForever, std::uint64_t{0}}) {
        const auto poller = MUST(t, polled(t, {.idle_ns = idle_ns}));
        const Owned bell(MUST(t, t.env.process.create_notification()));
        const auto process = t.env.process.slot();
        const std::uint64_t at = MUST(t, t.env.space.reserve(2));
        const Owned memory(cap::Memory(abi::CapSlot::from_raw(
            MUST(t, t.env.ring.call(cap::submission(Op::kCreateMemory, process, 0, 2))))));
        REQUIRE_OK(t, t.env.ring.call(cap::submission(Op::kMap, process, 0, memory->slot().raw(), at, 0,
                                                      abi::map_word(2, abi::kRead | abi::kWrite))));
        *reinterpret_cast<volatile std::uint64_t*>(at) = 17;
        REQUIRE_OK(t, t.env.ring.call(cap::submission(Op::kGetStatus, t.env.thread.slot(), 0, at + 60)));
        REQUIRE_EQUAL(t, *reinterpret_cast<const volatile std::uint64_t*>(at + 68),
                      MUST(t, t.env.thread.ref()).raw());
        REQUIRE_OK(t, t.env.ring.call(cap::submission(Op::kUnmap, process, 0, at, 2)));
        REQUIRE_ERROR(t, t.env.ring.call(cap::submission(Op::kGetStatus, t.env.thread.slot(), 0, at)),
                      Error::kBadAddress);
        REQUIRE_OK(t, t.env.ring.call(cap::submission(Op::kSignal, bell->slot(), 0, 6)));
        REQUIRE_EQUAL(t, MUST(t, bell->wait(t.env.ring, patience_ns)), 6u);
        auto ends = MUST(t, JoiningThread::start(t.env, [] { return 23; }));
        REQUIRE_EQUAL(t, MUST(t, ends.join(t.env.ring)), 23u);
        for (const Request& request :
             {Request{Op::kYield, t.env.thread.slot()}, Request{Op::kPark, process},
              Request{Op::kParkShared, memory->slot()}, Request{Op::kPoll, t.env.thread.slot()}}) {
            REQUIRE_EQUAL(t, by_ring(t.env, request), Error::kBadOperation);
        }
        REQUIRE_EQUAL(t, by_ring(t.env, {Op::kJoin, t.env.thread.slot()}), Error::kWrongState);
        REQUIRE_EQUAL(t, by_ring(t.env, {Op::kWaitEvents, *t.env.find_slot("domain")}), Error::kWrongState);
        REQUIRE_EQUAL(t, by_ring(t.env, {Op::kNop, {}}), Error::kBadSlot);
        // In flight, timed out, cancelled; by itself, too.
        REQUIRE_ERROR(t, bell->wait(t.env.ring, kMillisecond), Error::kTimedOut);
        REQUIRE_OK(t, bell->signal(2));
        REQUIRE_EQUAL(t, MUST(t, bell->poll()), 2u);
        submit(t, {wait_bits(*bell, 5), cap::submission(Op::kCancel, bell->slot(), 6, 5)});
        expect(t, {{5, kCancelled}, {6, 0}});
    }
}

// The thread suspends and kills itself through the ring, while it runs and while it waits.
void itself(Case& t) {
    for (const bool waits : {false, true}) {
        std::atomic<std::uint64_t> self{0};
        std::atomic<std::uint64_t> beats{0};
        auto thread = MUST(t, JoiningThread::create(t.env, [&self, &beats, waits](cap::Ring& ring) {
                               const cap::Thread me(abi::CapSlot::from_raw(self.load()));
                               (void)me.poll(ring);
                               (void)ring.prepare(cap::submission(Op::kSuspend, me.slot(), 1));
                               auto kill = cap::submission(Op::kKillThread, me.slot(), 2, 99);
                               while (beats.load() == 0) {
                                   (void)ring.submit_and_wait(waits ? 1 : 0);
                                   while (ring.next()) {
                                       ++beats;
                                   }
                               }
                               (void)ring.prepare(kill);
                               for (;;) {
                                   (void)ring.submit_and_wait(waits ? 1 : 0);
                               }
                           }));
        self = thread->slot().raw();
        REQUIRE_OK(t, thread->start());
        const auto state = [&] { return thread->status()->word.state(); };
        REQUIRE(t, eventually(t.env.clock, [&] { return state() == ThreadState::kSuspended; }));
        REQUIRE_OK(t, thread->resume());
        REQUIRE_EQUAL(t, MUST(t, thread.join(t.env.ring)), 99u);
        REQUIRE_EQUAL(t, beats.load(), 1u);
    }
}

void links(Case& t) {
    for (const std::uint64_t idle_ns : {abi::kForever, std::uint64_t{0}}) {
        const auto poller = MUST(t, polled(t, {.idle_ns = idle_ns}));
        const Owned bell(MUST(t, t.env.process.create_notification()));
        submit(t, {nop(t, 1, abi::kLink), cap::submission(Op::kNop, {}, 2), nop(t, 3)});
        expect(t, {{1, 1}, {2, kBadSlot}, {3, 3}});
        auto failing = cap::submission(Op::kNop, {}, 1);
        failing.flags = abi::kLink;
        submit(t, {failing, nop(t, 2, abi::kLink), nop(t, 3), nop(t, 4)});
        expect(t, {{1, kBadSlot}, {2, kCancelled}, {3, kCancelled}, {4, 4}});
        for (int i = 0; i < 20; ++i) {
            submit(t, {wait_bits(*bell, 1, abi::kLink), nop(t, 2), nop(t, 3)});
            REQUIRE_EQUAL(t, error_of(cap::cap_enter(1, kMillisecond).ready), Error::kTimedOut);
            REQUIRE_EQUAL(t, t.env.ring.free_entries(), abi::kSqEntries - 2);
            if (idle_ns == 0) {
                REQUIRE(t, poller.reaches(t.env.clock, ThreadState::kWaiting));
            }
            REQUIRE_OK(t, i % 2 != 0 ? bell->cancel(1) : bell->signal(32));
            // Nobody calls, and the chain goes on.
            REQUIRE(t, spin_until(t, [&] { return t.env.ring.free_entries() == abi::kSqEntries; }));
            i % 2 != 0 ? expect(t, {{1, kCancelled}, {2, kCancelled}, {3, 3}})
                       : expect(t, {{1, 32}, {2, 2}, {3, 3}});
        }
    }
}

void sleeps(Case& t) {
    const auto poller = MUST(t, polled(t, {.idle_ns = 100 * kMicrosecond}));
    for (std::uint64_t i = 0; i < 50; ++i) {
        REQUIRE(t, poller.reaches(t.env.clock, ThreadState::kWaiting));
        REQUIRE(t, !t.env.ring.poller_is_awake());
        REQUIRE_EQUAL(t, cap::cap_enter(0, 0).ready, 0);  // nothing to wake it for
        REQUIRE_EQUAL(t, poller.word().state(), ThreadState::kWaiting);
        submit(t, {nop(t, i)});
        REQUIRE_OK(t, t.env.ring.submit_and_wait(1, patience_ns));
        expect(t, {{i, static_cast<std::int64_t>(i)}});
    }
}

void waits_as_ever(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const auto poller = MUST(t, polled(t));
    REQUIRE_EQUAL(t, error_of(cap::cap_enter(abi::kCqEntries + 1, 0).ready), Error::kBadArgument);
    submit(t, {nop(t, 1), nop(t, 2), wait_bits(*bell, 3)});
    const auto two = cap::cap_enter(2, patience_ns);
    REQUIRE_EQUAL(t, two.ready, 2);
    REQUIRE_EQUAL(t, two.submitted, 0u);
    REQUIRE_EQUAL(t, error_of(cap::cap_enter(3, kMillisecond).ready), Error::kTimedOut);
    const auto signal = [&t, &bell] {
        (void)eventually(t.env.clock,
                         [&] { return t.env.thread.status()->word.state() == ThreadState::kWaiting; });
        (void)bell->signal(8);
    };
    auto helper = MUST(t, JoiningThread::start(t.env, signal));
    REQUIRE_EQUAL(t, cap::cap_enter(3, patience_ns).ready, 3);
    expect(t, {{1, 1}, {2, 2}, {3, 8}});
}

// A tail that lies stops the queue, until it is put right.
void lying_tail(Case& t) {
    auto& header = *reinterpret_cast<abi::RingHeader*>(t.env.info.ring_address);
    for (const std::uint64_t idle_ns : {abi::kForever, std::uint64_t{0}}) {
        const auto poller = MUST(t, polled(t, {.idle_ns = idle_ns}));
        const std::uint32_t tail = header.sq_tail.load();
        header.sq_tail = tail + abi::kSqEntries + 1;
        REQUIRE_EQUAL(t, error_of(cap::cap_enter(0, 0).ready), Error::kBadArgument);
        sleep_ns(kMillisecond);
        REQUIRE_EQUAL(t, header.sq_head.load(), tail);
        header.sq_polled = 7;  // nobody reads that back
        header.sq_tail = tail;
        submit(t, {nop(t, 1)});
        REQUIRE_EQUAL(t, cap::cap_enter(1, patience_ns).ready, 1);
        REQUIRE_OK(t, poller->suspend());
        header.sq_polled = 0;
        REQUIRE_OK(t, poller->resume());
        expect(t, {{1, 1}});
    }
}

// Three times as many as there is room for: they wait in the queue, none is lost, and the order stays.
void full_queues(Case& t) {
    for (const std::uint64_t idle_ns : {abi::kForever, std::uint64_t{0}}) {
        const auto poller = MUST(t, polled(t, {.idle_ns = idle_ns}));
        constexpr std::uint64_t kAll = 3 * abi::kCqEntries;
        std::uint64_t sent = 0;
        REQUIRE(t, eventually(t.env.clock, [&] {
                    while (sent < kAll && t.env.ring.prepare(nop(t, sent))) {
                        ++sent;
                    }
                    return t.env.ring.submit_and_wait(0).value_or(0) == abi::kCqEntries &&
                           t.env.ring.free_entries() == 0;
                }));
        REQUIRE_EQUAL(t, sent, abi::kCqEntries + abi::kSqEntries);
        REQUIRE_EQUAL(t, cap::cap_enter(abi::kCqEntries, 0).ready,
                      static_cast<std::int64_t>(abi::kCqEntries));
        if (idle_ns == 0) {
            REQUIRE(t, poller.reaches(t.env.clock, ThreadState::kWaiting));
        }
        for (std::uint64_t seen = 0; seen < kAll; ++seen) {
            const auto completion = spin_for_next(t.env, t.env.ring);
            REQUIRE(t, completion.has_value());
            REQUIRE_EQUAL(t, completion->user_data, seen);
            while (sent < kAll && t.env.ring.free_entries() != 0 && t.env.ring.prepare(nop(t, sent))) {
                ++sent;
            }
        }
        expect(t, {});
    }
}

// It runs on every CPU in turn, and stands still while it is suspended.
void moved_and_suspended(Case& t) {
    const auto poller = MUST(t, polled(t));
    for (std::uint64_t i = 0; i < 4 * t.cpus(); ++i) {
        const std::uint32_t cpu = static_cast<std::uint32_t>(i) % t.cpus();
        REQUIRE_OK(t, poller->set_affinity(only(cpu)));
        submit(t, {nop(t, i)});
        expect(t, {{i, static_cast<std::int64_t>(i)}});
        REQUIRE(t, eventually(t.env.clock, [&] { return poller.word().cpu() == cpu; }));
        REQUIRE_OK(t, poller->suspend());
        REQUIRE(t, poller.reaches(t.env.clock, ThreadState::kSuspended));
        submit(t, {nop(t, i)});
        REQUIRE_EQUAL(t, error_of(cap::cap_enter(1, kMillisecond).ready), Error::kTimedOut);
        REQUIRE_OK(t, poller->resume());
        expect(t, {{i, static_cast<std::int64_t>(i)}});
    }
    REQUIRE_EQUAL(t, MUST(t, poller->status()).calls, 0u);
}

// What a killed poller has left is taken by its thread: in its next call, or in the one in which it waits.
void killed(Case& t) {
    for (const bool waits : {false, true}) {
        auto poller = MUST(t, polled(t));
        REQUIRE_OK(t, poller->suspend());
        REQUIRE(t, poller.reaches(t.env.clock, ThreadState::kSuspended));
        const Owned bell(MUST(t, t.env.process.create_notification()));
        submit(t, {nop(t, 1), wait_bits(*bell, 2, abi::kLink), nop(t, 3)});
        const auto kill = [&t, &poller, &bell, waits] {
            (void)eventually(t.env.clock, [&] {
                return !waits || t.env.thread.status()->word.state() == ThreadState::kWaiting;
            });
            (void)poller->kill(55);
            (void)bell->signal(8);
        };
        auto killer = MUST(t, JoiningThread::start(t.env, kill));
        if (!waits) {
            REQUIRE(t, spin_until(t, [&] { return poller.word().state() == ThreadState::kGone; }));
        }
        const auto entered = cap::cap_enter(3, patience_ns);
        REQUIRE_EQUAL(t, entered.ready, 3);
        REQUIRE_EQUAL(t, entered.submitted, 3u);
        expect(t, {{1, 1}, {2, 8}, {3, 3}});
        REQUIRE_EQUAL(t, MUST(t, poller->join(t.env.ring, patience_ns)), 55u);
    }
    const auto next = MUST(t, polled(t));
    submit(t, {nop(t, 9)});
    expect(t, {{9, 9}});
}

// A poller ends with its thread, however that ends, and before that is joined.
void ends_with_its_thread(Case& t) {
    for (int round = 0; round < 60; ++round) {
        std::atomic<std::uint64_t> self{0};
        std::atomic<std::uint64_t> poller{0};
        const std::uint64_t idle_ns = round % 3 == 0 ? 0 : abi::kForever;
        auto thread = MUST(t, JoiningThread::create(t.env, [&self, &poller, idle_ns, round](cap::Ring& ring) {
                               const cap::Thread me(abi::CapSlot::from_raw(self.load()));
                               const auto made = me.poll(ring, {.idle_ns = idle_ns});
                               poller = made ? made->slot().raw() : 1;
                               while (round % 2 != 0) {
                                   (void)ring.prepare(cap::submission(Op::kNop, me.slot()));
                                   (void)ring.submit_and_wait(1);
                                   while (ring.next()) {
                                   }
                               }
                               return 7;
                           }));
        self = thread->slot().raw();
        REQUIRE_OK(t, thread->start());
        REQUIRE(t, eventually(t.env.clock, [&] { return poller.load() != 0; }));
        const Owned its(cap::Thread(abi::CapSlot::from_raw(poller.load())));
        if (round % 2 != 0) {
            REQUIRE_OK(t, thread->kill(7));
        }
        REQUIRE_EQUAL(t, MUST(t, thread.join(t.env.ring)), 7u);
        REQUIRE_EQUAL(t, MUST(t, its->status()).word.state(), ThreadState::kGone);
        REQUIRE_EQUAL(t, MUST(t, its->join(t.env.ring, patience_ns)), 7u);
    }
}

constexpr Entry kCases[] = {
    {"refused", refused},
    {"no_room", no_room},
    {"makes_no_calls", makes_no_calls},
    {"operations", operations},
    {"itself", itself},
    {"links", links},
    {"sleeps", sleeps},
    {"waits_as_ever", waits_as_ever},
    {"lying_tail", lying_tail},
    {"full_queues", full_queues},
    {"moved_and_suspended", moved_and_suspended},
    {"killed", killed},
    {"ends_with_its_thread", ends_with_its_thread},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "poll", kCases); }
