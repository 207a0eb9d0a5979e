// SPDX-License-Identifier: MIT
//
// Pollers that go to sleep while something comes, that are killed, and whose threads and processes are killed. Nothing that was
// submitted is lost or done twice, nothing sleeps for ever, and nothing is left over.
#include "cap/joining_thread.hpp"
#include "support/free_pages.hpp"
#include "support/observe.hpp"
#include "support/owned.hpp"
#include "support/polled.hpp"
#include "support/race.hpp"

#include <atomic>

namespace {

using namespace test;
using abi::Op;
using abi::ThreadState;
using cap::JoiningThread;

std::uint64_t only(std::uint64_t cpu) { return std::uint64_t{1} << cpu; }
cap::Thread named(const std::atomic<std::uint64_t>& slot) {
    return cap::Thread(abi::CapSlot::from_raw(slot.load()));
}
bool has_gone(const cap::Thread& thread) {
    const auto status = thread.status();
    return status && status->word.state() == ThreadState::kGone;
}

// Starts a thread that knows itself, in `self`.
template <class Body>
cap::Result<JoiningThread> start_self(Case& t, std::atomic<std::uint64_t>& self, std::uint64_t cpu,
                                      Body body) {
    auto thread = TRY(JoiningThread::create(t.env, body, {.affinity = only(cpu), .first_cpu = cpu}));
    self = thread->slot().raw();
    TRY(thread->start());
    return thread;
}

// Without a call: what was submitted is seen, or was called for.
std::optional<abi::Completion> spin(Case& t, cap::Ring& ring) {
    const std::uint64_t begin = t.env.clock.now_ns();
    for (;;) {
        if (const auto completion = ring.next()) {
            return completion;
        }
        if (t.env.clock.now_ns() - begin > patience_ns) {
            return std::nullopt;
        }
    }
}

struct Counts {
    std::uint64_t awake = 0;
    std::uint64_t asleep = 0;
    std::uint64_t failed_round = 0;

    [[nodiscard]] std::uint64_t rounds() const { return awake + asleep; }
    [[nodiscard]] bool both() const { return awake >= Race::kEnough && asleep >= Race::kEnough; }
};
constexpr std::uint64_t kIdleNs = 50 * kMicrosecond;
constexpr std::uint64_t kRounds = 400;

// Half of the rounds with kIdleNs, and so on with four times as much: on a busy host it is late that a thread sees anything.
// In each, round(ring, number, delay) -> whether the poller was awake; nothing: it did not answer.
template <class Round>
void meet_its_sleep(Case& t, const char* name, Round round) {
    Counts counts;
    const auto more = [&](std::uint64_t number) {
        return number < kRounds || (!counts.both() && number < 4 * kRounds);
    };
    std::atomic<std::uint64_t> self{0};
    auto thread =
        MUST(t, start_self(t, self, 0, [&](cap::Ring& ring) {
                 Random random(t.seed);
                 std::uint64_t idle_ns = kIdleNs;
                 for (std::uint64_t number = 0, some = kRounds / 2; more(number);
                      some = std::max(some / 2, kRounds / 8), idle_ns = std::min(idle_ns * 4, 32 * kIdleNs)) {
                     const auto poller =
                         Polled::make(named(self), ring, {.idle_ns = idle_ns, .cpus = only(last_cpu(t))});
                     Aim aim(random, 4 * idle_ns);
                     for (std::uint64_t i = 0; i < some && more(number); ++i) {
                         const std::optional<bool> awake = round(ring, ++number, aim.next());
                         if (!poller || !awake) {
                             counts.failed_round = number;
                             return;
                         }
                         *awake ? aim.was_too_early() : aim.was_too_late();
                         ++(*awake ? counts.awake : counts.asleep);
                     }
                 }
             }));
    REQUIRE_OK(t, thread.join(t.env.ring));
    t.env.log.print("race: {}: awake={} asleep={}", name, counts.awake, counts.asleep);
    REQUIRE_EQUAL(t, counts.failed_round, 0u);
    REQUIRE(t, counts.rounds() >= kRounds && counts.both());
}

void submitted(Case& t) {
    meet_its_sleep(t, "submitted", [&](cap::Ring& ring, std::uint64_t number, std::uint64_t delay) {
        delay_ticks(delay);
        std::optional<bool> awake;
        if (!ring.prepare(cap::submission(Op::kNop, t.env.process.slot(), number))) {
            return awake;
        }
        const bool seen = ring.poller_is_awake();
        if (!seen) {
            (void)cap::cap_enter(0, 0);  // the only one
        }
        const auto done = spin(t, ring);
        if (done && done->user_data == number) {
            awake = seen;
        }
        return awake;
    });
}

// What a link holds back is released by a signal, and nobody calls for it.
void released(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    meet_its_sleep(t, "released", [&](cap::Ring& ring, std::uint64_t number, std::uint64_t delay) {
        std::optional<bool> awake;
        auto first = cap::submission(Op::kWaitBits, bell->slot(), number);
        first.flags = abi::kLink;
        (void)ring.prepare(first);
        (void)ring.prepare(cap::submission(Op::kNop, t.env.process.slot(), ~number));
        (void)ring.submit_and_wait(0);
        while (ring.free_entries() != abi::kSqEntries - 1) {
        }
        delay_ticks(delay);
        const bool seen = ring.poller_is_awake();
        (void)bell->signal(1);
        const auto one = spin(t, ring);
        const auto two = one ? spin(t, ring) : std::nullopt;
        if (two && one->user_data == number && two->user_data == ~number) {
            awake = seen;
        }
        return awake;
    });
}

// Everything is done once, in order, by the poller or by the thread after it.
void poller_killed(Case& t) {
    struct {
        Race race;
        std::atomic<std::uint64_t> poller{0};
        std::atomic<std::uint64_t> failed_round{0};
        std::atomic<std::uint64_t> killed_round{0};
        std::uint64_t by_poller = 0, by_thread = 0;
    } scene;
    auto aimer = MUST(t, JoiningThread::start(t.env,
                                              [&] {
                                                  Random random(t.seed);
                                                  Aim aim(random, 50'000);
                                                  for (std::uint64_t round = 1;
                                                       scene.race.meet_aimer(round, aim); ++round) {
                                                      (void)named(scene.poller).kill(round);
                                                      scene.killed_round = round;
                                                      if (!scene.race.steer(round, aim)) {
                                                          return;
                                                      }
                                                  }
                                              },
                                              {.affinity = only(last_cpu(t)), .first_cpu = last_cpu(t)}));
    std::atomic<std::uint64_t> self{0};
    auto actor = MUST(
        t, start_self(t, self, 0, [&](cap::Ring& ring) {
            Random random(t.seed + 1);
            for (std::uint64_t round = 1;; ++round) {
                // Some of them beside the thread, some asleep when they are needed.
                const auto poller =
                    named(self).poll(ring, {.idle_ns = random.below(2) * kIdleNs,
                                            .cpus = random.one_in(4) ? 1 : only(random.below(t.cpus()))});
                scene.poller = poller ? poller->slot().raw() : 0;
                scene.race.meet(round);
                std::uint64_t sent = 0, seen = 0;
                bool right = poller.has_value();
                for (const std::uint64_t all = 1 + random.below(200); right && seen < all;) {
                    for (std::uint64_t some = random.below(40);
                         some != 0 && sent < all && ring.free_entries() != 0; --some) {
                        right =
                            right &&
                            ring.prepare(cap::submission(Op::kNop, t.env.process.slot(), sent++)).has_value();
                    }
                    const auto entered = cap::cap_enter(sent > seen ? 1 : 0, patience_ns);
                    right = right && entered.ready >= 0;
                    scene.by_thread += entered.submitted;
                    ring.drain(
                        [&](const abi::Completion& done) { right = right && done.user_data == seen++; });
                }
                scene.by_poller += seen;
                const auto word = poller->status()->word;
                const bool killed = word.state() == ThreadState::kGone || word.requests() & abi::kRequestKill;
                right = right && poller->kill(0) && poller->join(ring, patience_ns).has_value();
                if (!right) {
                    scene.failed_round = round;
                    return scene.race.give_up();
                }
                // A late kill is of this round's poller still, not of the next one's.
                while (scene.killed_round.load() != round) {
                }
                poller->drop();
                if (!scene.race.settle(killed)) {
                    return;
                }
            }
        }));
    REQUIRE_OK(t, actor.join(t.env.ring));
    REQUIRE_OK(t, aimer.join(t.env.ring));
    t.env.log.print("race: poller_killed: kill_first={} work_first={} by_poller={} by_thread={}",
                    scene.race.aimer_wins(), scene.race.actor_wins(), scene.by_poller - scene.by_thread,
                    scene.by_thread);
    REQUIRE_EQUAL(t, scene.failed_round.load(), 0u);
    REQUIRE(t, scene.race.exercised());
    REQUIRE(t, scene.by_thread != 0 && scene.by_poller != scene.by_thread);
}

// At any moment of a polled thread's life. -> the greatest line that was used.
std::uint64_t kill_threads(Case& t, std::uint64_t rounds, Random& random) {
    std::uint64_t line = 0;
    const auto one_round = [&] {
        std::atomic<std::uint64_t> self{0}, poller{0};
        const Owned bell(MUST(t, t.env.process.create_notification()));
        const std::uint64_t idle_ns = random.below(3) * kIdleNs;
        const std::uint64_t cpus = only(random.below(t.cpus()));
        auto thread = MUST(t, start_self(t, self, random.below(t.cpus()), [&](cap::Ring& ring) {
                               const auto made = named(self).poll(ring, {.idle_ns = idle_ns, .cpus = cpus});
                               poller = made ? made->slot().raw() : 0;
                               for (std::uint64_t i = 0;; ++i) {
                                   (void)ring.prepare(cap::submission(
                                       i % 8 == 0 ? Op::kWaitBits : Op::kPollBits, bell->slot(), i));
                                   (void)ring.submit_and_wait(i % 3);
                                   ring.drain([](const abi::Completion&) {});
                               }
                           }));
        while (poller.load() == 0) {
            sleep_ns(20 * kMicrosecond);
        }
        const Owned its(named(poller));
        delay_ticks(random.below(200'000));
        if (random.one_in(4)) {
            (void)its->kill(1);
        }
        REQUIRE_OK(t, thread->kill(5));
        (void)bell->signal(1);
        REQUIRE_EQUAL(t, MUST(t, thread.join(t.env.ring)), 5u);
        REQUIRE(t, has_gone(*its));
        line = std::max<std::uint64_t>(line, MUST(t, its->ref()).index);
    };
    for (std::uint64_t round = 0; round < rounds && !t.failed(); ++round) {
        one_round();
    }
    return line;
}

void thread_killed(Case& t) {
    Random random(t.seed + 2);
    const std::uint64_t line = kill_threads(t, 20, random);
    const std::uint64_t pages = free_pages(t.env);
    REQUIRE(t, kill_threads(t, 120, random) <= line + 2 * t.cpus());  // what others have freed late
    REQUIRE_EQUAL(t, free_pages(t.env), pages);
}

std::uint64_t work_polled(Station& station, cap::Ring& ring) {
    const cap::Thread self(abi::CapSlot::from_raw(station.values[0].load()));
    const auto poller = self.poll(ring, {.cpus = station.values[1].load()});
    for (station.beats = poller ? 1 : 0;;) {
        (void)ring.prepare(cap::submission(Op::kNop, self.slot()));
        (void)ring.submit_and_wait(0);
        ring.drain([](const abi::Completion&) {});
    }
}

void process_killed(Case& t) {
    Random random(t.seed + 3);
    std::uint64_t pages = 0;
    constexpr std::uint64_t kTableSpan = 2 << 20;  // what the crews' addresses need of tables
    const std::uint64_t here = MUST(t, t.env.space.reserve(1)) & ~(kTableSpan - 1);
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    for (std::uint64_t i = 1; i <= 8; ++i) {
        REQUIRE_OK(t, t.env.process.map(*memory, here + i * kTableSpan, 0, 1, abi::kRead));
        REQUIRE_OK(t, t.env.process.unmap(here + i * kTableSpan, 1));
    }
    for (int round = 0; round < 8; ++round) {
        {
            Crew crew(t);
            const Worker* workers[] = {&crew.add({.main = work_polled}), &crew.add({.main = work_polled})};
            for (const Worker* worker : workers) {
                worker->station->values[0] =
                    MUST(t, crew.process().give(worker->thread.slot(), abi::kManage)).raw();
                worker->station->values[1] = only(random.below(t.cpus()));
                REQUIRE_OK(t, worker->thread.start());
            }
            for (const Worker* worker : workers) {
                REQUIRE(t, eventually(t.env.clock, [&] { return worker->beats() != 0; }));
            }
            delay_ticks(random.below(2'000'000));
            if (round % 2 != 0) {
                REQUIRE_OK(t, workers[0]->thread.kill(0));
            }
        }  // killed, and gone
        const auto now = [&] { return free_pages(t.env); };
        if (round < 2) {
            pages = now();
        }
        REQUIRE(t, eventually(t.env.clock, [&] { return now() == pages; }));
    }
}

constexpr Entry kCases[] = {
    {"submitted", submitted},           {"released", released},
    {"poller_killed", poller_killed},   {"thread_killed", thread_killed},
    {"process_killed", process_killed},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_poll", kCases); }
