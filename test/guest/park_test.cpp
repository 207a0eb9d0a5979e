// SPDX-License-Identifier: MIT
//
// Parking on words, private and shared, and what cap/sync.hpp makes of it: docs/abi.md, "Parking".
#include "cap/joining_thread.hpp"
#include "cap/sync.hpp"
#include "suite.hpp"
#include "support/child.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <array>
#include <atomic>

namespace {

using namespace test;
using abi::Error;
using abi::Op;
using cap::JoiningThread;

using Word = std::atomic<std::uint32_t>;

std::uint64_t address_of(const Word& word) { return reinterpret_cast<std::uint64_t>(&word); }

bool waits(Case& t, const JoiningThread& thread) {
    return eventually(t.env.clock, [&] {
        const auto status = thread->status();
        return status && status->word.state() == abi::ThreadState::kWaiting;
    });
}

Error park_call(const Case& t, std::uint64_t address, std::uint64_t expected, std::uint64_t timeout_ns) {
    return error_of(cap::cap_call(t.env.process.slot(), Op::kPark, address, expected, timeout_ns).result);
}

void refused(Case& t) {
    const Word word{5};
    REQUIRE_EQUAL(t, park_call(t, address_of(word), 4, abi::kForever), Error::kValueChanged);
    REQUIRE_EQUAL(t, park_call(t, address_of(word) + 2, 5, 0), Error::kMisaligned);
    REQUIRE_EQUAL(t, park_call(t, address_of(word), 5 | 1ull << 32, 0), Error::kBadArgument);
    REQUIRE_EQUAL(t, park_call(t, 4, 0, 0), Error::kBadAddress);
    REQUIRE_EQUAL(t, park_call(t, abi::kUserTop, 0, 0), Error::kBadAddress);
    REQUIRE_EQUAL(t, park_call(t, ~3ull, 0, 0), Error::kBadAddress);
    REQUIRE_EQUAL(t, by_ring(t.env, {Op::kPark, t.env.process.slot(), {address_of(word), 5}}),
                  Error::kBadOperation);
    REQUIRE_EQUAL(t, by_call({Op::kUnpark, t.env.process.slot(), {address_of(word) + 1, 1}}),
                  Error::kMisaligned);
    REQUIRE_EQUAL(t, by_call({Op::kUnpark, t.env.process.slot(), {4, 1}}),
                  Error::kOk);  // nobody can be there
    const auto manager = MUST(t, derive(t.env.process, abi::kManage));
    REQUIRE_EQUAL(t, by_call({Op::kPark, manager->slot(), {address_of(word), 5}}), Error::kNoRight);
    REQUIRE_EQUAL(t, by_call({Op::kUnpark, manager->slot(), {address_of(word), 1}}), Error::kNoRight);

    const Owned memory(MUST(t, t.env.process.create_memory(2)));
    REQUIRE_ERROR(t, cap::park(*memory, 4096, 1), Error::kValueChanged);
    REQUIRE_ERROR(t, cap::park(*memory, 8192, 0), Error::kBadArgument);
    REQUIRE_ERROR(t, cap::park(*memory, ~3ull, 0), Error::kBadArgument);
    REQUIRE_ERROR(t, cap::park(*memory, 2, 0), Error::kMisaligned);
    REQUIRE_EQUAL(t, MUST(t, cap::unpark(*memory, 8192, 1)), 0u);
}

void times_out(Case& t) {
    const Word word{1};
    for (const std::uint64_t ns : {std::uint64_t{0}, std::uint64_t{1}, 50 * kMicrosecond, 3 * kMillisecond}) {
        const std::uint64_t begin = cap::read_tsc();
        REQUIRE_ERROR(t, cap::park(word, 1, ns), Error::kTimedOut);
        REQUIRE(t, cap::read_tsc() - begin + 2 >= t.env.clock.ticks(ns));
    }
    REQUIRE_EQUAL(t, cap::unpark(word, cap::kAll), 0u);  // it has left nothing behind
}

// In the order in which they came, each once, and only those of the word.
void first_in_first_out(Case& t) {
    std::array<Word, 2> words{};
    std::atomic<std::uint32_t> order{0};
    std::array<std::atomic<std::uint32_t>, 4> place{};
    std::array<JoiningThread, 4> threads;
    for (std::size_t i = 0; i < threads.size(); ++i) {
        threads[i] = MUST(t, JoiningThread::start(t.env, [&, i] {
                              if (cap::park(words[i % 2], 0)) {
                                  place[i] = ++order;
                              }
                          }));
        REQUIRE(t, waits(t, threads[i]));
    }
    for (std::uint32_t i = 0; i < 2; ++i) {
        REQUIRE_EQUAL(t, cap::unpark(words[0], 1), 1u);
        REQUIRE(t, eventually(t.env.clock, [&] { return order == i + 1; }));
    }
    REQUIRE_EQUAL(t, cap::unpark(words[0], 1), 0u);
    REQUIRE(t, place[0] == 1 && place[2] == 2 && place[1] == 0 && place[3] == 0);
    REQUIRE_EQUAL(t, cap::unpark(words[1], cap::kAll), 2u);
    for (JoiningThread& thread : threads) {
        REQUIRE_OK(t, thread.join(t.env.ring));
    }
    REQUIRE(t, place[1] != 0 && place[3] != 0);
}

// Completions that come while a thread is parked do not wake it.
void completions_do_not_wake(Case& t) {
    const Word word{0};
    const Owned bell(MUST(t, t.env.process.create_notification()));
    std::atomic<bool> back{false};
    auto thread = MUST(t, JoiningThread::start(t.env, [&](cap::Ring& ring) -> std::uint64_t {
                           auto entry = cap::submission(Op::kWaitBits, bell->slot(), 1);
                           entry.flags = abi::kLink;
                           const bool sent = ring.prepare(entry) &&
                                             ring.prepare(cap::submission(Op::kNop, bell->slot(), 2)) &&
                                             ring.submit_and_wait(0);
                           const auto parked = cap::park(word, 0);
                           back = true;
                           const bool both = ring.submit_and_wait(2, patience_ns).has_value();
                           return sent && parked && both ? 1 : 0;
                       }));
    REQUIRE(t, waits(t, thread));
    REQUIRE_OK(t, bell->signal(1));
    REQUIRE(t, throughout(t.env.clock, 2 * kMillisecond, [&] { return !back; }));
    REQUIRE_EQUAL(t, cap::unpark(word, 1), 1u);
    REQUIRE_EQUAL(t, MUST(t, thread.join(t.env.ring)), 1u);
}

void killed_and_suspended(Case& t) {
    const Word word{0};
    auto first = MUST(t, JoiningThread::start(t.env, [&] { (void)cap::park(word, 0); }));
    auto second = MUST(t, JoiningThread::start(t.env, [&] { (void)cap::park(word, 0); }));
    REQUIRE(t, waits(t, first) && waits(t, second));
    REQUIRE_OK(t, first->kill(3));
    REQUIRE_EQUAL(t, MUST(t, first.join(t.env.ring)), 3u);
    REQUIRE_OK(t, second->suspend());
    REQUIRE_EQUAL(t, cap::unpark(word, cap::kAll), 1u);  // the dead one is not there any more
    REQUIRE(t, throughout(t.env.clock, kMillisecond, [&] {
                const auto status = second->status();
                return status && status->word.state() == abi::ThreadState::kSuspended;
            }));
    REQUIRE_OK(t, second->resume());
    REQUIRE_EQUAL(t, MUST(t, second.join(t.env.ring)), 0u);
}

// By offset in the object, whatever address it is mapped at, and pinned while somebody is parked on it.
void shared(Case& t) {
    const auto memory = MUST(t, t.env.process.create_memory(2));
    const std::uint64_t address = MUST(t, t.env.space.reserve(2));
    REQUIRE_OK(t, t.env.process.map(memory, address, 0, 2, abi::kRead | abi::kWrite));
    Word& word = *reinterpret_cast<Word*>(address + 4096);
    word = 7;
    auto parked = MUST(t, JoiningThread::start(
                              t.env, [&]() -> std::uint64_t { return cap::park(memory, 4096, 7) ? 1 : 0; }));
    REQUIRE(t, waits(t, parked));
    REQUIRE_EQUAL(t, cap::unpark(word, cap::kAll), 0u);  // another key
    const Owned copy(MUST(t, derive(memory, abi::kWrite)));
    memory.drop();
    REQUIRE_OK(t, t.env.process.unmap(address, 2));
    REQUIRE_EQUAL(t, MUST(t, cap::unpark(cap::Memory(copy->slot()), 4096, cap::kAll)), 1u);
    REQUIRE_EQUAL(t, MUST(t, parked.join(t.env.ring)), 1u);
}

constexpr std::uint32_t kThreads = 4;
constexpr std::uint64_t kRounds = 2000;

// Counters that only the mutex makes right, on all CPUs.
void mutex(Case& t) {
    cap::Mutex guard;
    std::uint64_t plain = 0;
    std::array<JoiningThread, kThreads> threads;
    for (JoiningThread& thread : threads) {
        thread = MUST(t, JoiningThread::start(t.env, [&] {
                          for (std::uint64_t i = 0; i < kRounds; ++i) {
                              const cap::Lock hold(guard);
                              *const_cast<volatile std::uint64_t*>(&plain) += 1;
                              if (i % 64 == 0) {
                                  sleep_ns(1);  // with the lock held, so that others come to wait
                              }
                          }
                      }));
    }
    for (JoiningThread& thread : threads) {
        REQUIRE_OK(t, thread.join(t.env.ring));
    }
    REQUIRE_EQUAL(t, plain, kThreads * kRounds);
    // Nobody waits: no call. The status line is as old as the thread's last stop, so it stops before each look.
    const auto calls = [&] {
        sleep_ns(1);
        const auto status = t.env.thread.status();
        return status ? status->calls : 0;
    };
    const auto first = calls();
    const auto base = calls() - first;
    const auto before = calls();
    for (int i = 0; i < 100; ++i) {
        const cap::Lock hold(guard);
    }
    REQUIRE_EQUAL(t, calls() - before, base);
}

// Producers and consumers through a queue of one place, by condition variables; a semaphore counts what is done.
void condition(Case& t) {
    cap::Mutex guard;
    cap::ConditionVariable changed;
    cap::Semaphore done(0);
    std::uint64_t slot = 0;
    std::uint64_t sum = 0;
    std::array<JoiningThread, kThreads> threads;
    constexpr std::uint64_t kEach = 500;
    for (std::size_t i = 0; i < threads.size(); ++i) {
        threads[i] = MUST(t, JoiningThread::start(t.env, [&, produces = i % 2 == 0] {
                              for (std::uint64_t n = 1; n <= kEach; ++n) {
                                  const cap::Lock hold(guard);
                                  changed.wait(guard, [&] { return (slot == 0) == produces; });
                                  sum += produces ? 0 : slot;
                                  slot = produces ? n : 0;
                                  changed.notify_all();
                              }
                              done.release();
                          }));
    }
    for (std::size_t i = 0; i < threads.size(); ++i) {
        done.acquire();
    }
    REQUIRE(t, !done.try_acquire());
    REQUIRE_EQUAL(t, sum, 2 * (kEach * (kEach + 1) / 2));
    for (JoiningThread& thread : threads) {
        REQUIRE_OK(t, thread.join(t.env.ring));
    }
}

void barrier_latch_once(Case& t) {
    cap::Barrier barrier(kThreads);
    cap::Latch finished(kThreads);
    cap::Once once;
    std::atomic<std::uint64_t> arrived{0};
    std::atomic<std::uint64_t> wrong{0};
    std::atomic<std::uint64_t> firsts{0};
    std::array<JoiningThread, kThreads> threads;
    for (JoiningThread& thread : threads) {
        thread = MUST(t, JoiningThread::start(t.env, [&] {
                          once.call([&] {
                              sleep_ns(100 * kMicrosecond);
                              ++firsts;
                          });
                          wrong += firsts != 1;
                          for (std::uint64_t round = 1; round <= 200; ++round) {
                              ++arrived;
                              barrier.arrive_and_wait();
                              wrong += arrived < round * kThreads;
                              barrier.arrive_and_wait();
                          }
                          finished.count_down();
                      }));
    }
    finished.wait();
    REQUIRE(t, finished.try_wait());
    REQUIRE_EQUAL(t, wrong.load(), 0u);
    REQUIRE_EQUAL(t, firsts.load(), 1u);
    for (JoiningThread& thread : threads) {
        REQUIRE_OK(t, thread.join(t.env.ring));
    }
}

constexpr Entry kCases[] = {
    {"refused", refused},
    {"times_out", times_out},
    {"first_in_first_out", first_in_first_out},
    {"completions_do_not_wake", completions_do_not_wake},
    {"killed_and_suspended", killed_and_suspended},
    {"shared", shared},
    {"mutex", mutex},
    {"condition", condition},
    {"barrier_latch_once", barrier_latch_once},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "park", kCases); }
