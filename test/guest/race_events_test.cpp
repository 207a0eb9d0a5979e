// SPDX-License-Identifier: MIT
//
// Event rings that are written from several CPUs while they are read, and changes beyond what they could hold: no
// change is missed, and what an event leads to never goes back.
#include "support/observe.hpp"
#include "support/owned.hpp"
#include "support/race.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;
using abi::Error;
using abi::ThreadState;

// Threads that never run: they have no code. They end with their process.
class Crowd {
public:
    explicit Crowd(Case& t) : t_(t) {
        const auto domain = t.env.find_slot("domain");
        const auto made = t.env.process.create_process("crowd", domain.value_or(abi::CapSlot()));
        made ? process_ = *made : cap::Process();
        if (!made) {
            t.fail("no process: {}", made.error());
        }
    }
    ~Crowd() {
        for (const cap::Thread& thread : threads()) {
            thread.drop();
        }
        (void)process_.kill(0);
        (void)process_.wait_exit(t_.env.ring, patience_ns);
        process_.drop();
    }
    Crowd(const Crowd&) = delete;
    Crowd& operator=(const Crowd&) = delete;

    cap::Result<void> add() {
        abi::ThreadParams params{};
        params.ring_address = 0x100'0000 + count_ * 4 * abi::kPageSize;
        params.first_cpu = count_ % t_.cpus();
        threads_[count_] = TRY(process_.create_thread(params));
        lines_[count_] = TRY(threads_[count_].ref()).index;
        ++count_;
        return threads_[count_ - 1].start();
    }
    [[nodiscard]] cap::Process process() const { return process_; }
    [[nodiscard]] std::span<const cap::Thread> threads() const { return std::span(threads_).first(count_); }
    [[nodiscard]] std::uint32_t line(std::size_t i) const { return lines_[i]; }

private:
    Case& t_;
    cap::Process process_;
    std::size_t count_ = 0;
    std::array<cap::Thread, abi::kMaxThreads> threads_;
    std::array<std::uint32_t, abi::kMaxThreads> lines_{};
};

// Changes the line and posts its event, unless that one stands already.
bool touch(const cap::Thread& thread) { return thread.set_affinity(kAllCpus).has_value(); }

// As many threads as there are lines, all changed until there have been far more changes than a ring has entries,
// while nobody takes an event.
void more_than_a_ring_holds(Case& t) {
    DomainServer server(t);
    static std::optional<Crowd> crowd;  // too large for a stack
    crowd.emplace(t);
    struct End {
        ~End() { crowd.reset(); }
    } const end;
    auto added = crowd->add();
    while (added) {
        added = crowd->add();
    }
    REQUIRE_EQUAL(t, added.error(), Error::kNoSlot);  // not for want of memory
    const std::size_t count = crowd->threads().size();
    REQUIRE(t, count > abi::kMaxThreads * 3 / 4);
    std::uint64_t changes = count;
    for (; changes < 3 * std::uint64_t{abi::kEventEntries}; changes += count) {
        for (const cap::Thread& thread : crowd->threads()) {
            REQUIRE(t, touch(thread));
        }
    }
    const std::uint64_t taken = server.listen();
    REQUIRE(t, taken >= count && taken <= abi::kStatusLines);
    for (std::size_t i = 0; i < count; ++i) {
        REQUIRE(t, server.heard(crowd->line(i)));
    }
    // Room for all of them again, and again each is told once.
    for (const cap::Thread& thread : crowd->threads()) {
        REQUIRE(t, touch(thread) && touch(thread));
    }
    REQUIRE_EQUAL(t, server.listen(), count);
    t.env.log.print("race: lines={} changes={} taken={}", count, changes, taken);
}

// Several posters, each with lines of its own; before each change it counts up. What the listener reads after it has
// released the line's event it has heard of.
constexpr std::size_t kLinesEach = 24;
constexpr std::size_t kMaxPosters = 4;
constexpr std::uint64_t kTaken = 1000;  // at least; and so many changes whose event stood already

struct Poster {
    std::span<const cap::Thread> threads;
    std::uint64_t seed = 0;
    std::atomic<std::uint64_t> changes{0};
    std::atomic<bool> stop{false};
    std::atomic<bool> done{false};
    std::atomic<bool> failed{false};
    std::array<std::atomic<std::uint64_t>, kLinesEach> told{};
    std::array<std::uint64_t, kLinesEach> heard{};
};

std::uint64_t post_often(cap::Ring&, void* argument) {
    Poster& poster = *static_cast<Poster*>(argument);
    Random random(poster.seed);
    for (std::uint64_t i = 0; !poster.stop; ++i) {
        // In bursts: now many lines once, now one line often.
        const std::size_t line = random.one_in(2) ? random.below(poster.threads.size()) : i / 64 % kLinesEach;
        ++poster.told[line];
        if (!touch(poster.threads[line])) {
            poster.failed = true;
        }
        ++poster.changes;
        delay_ticks(random.below(3000));
    }
    poster.done = true;
    return 0;
}

void told_while_listening(Case& t) {
    DomainServer server(t);
    static std::array<std::uint16_t, abi::kStatusLines> place;  // of a line in the crowd, from 1
    place.fill(0);
    static std::optional<Crowd> crowd;
    crowd.emplace(t);
    struct End {
        ~End() { crowd.reset(); }
    } const end;
    const std::size_t posters = std::min<std::size_t>(t.cpus() - 1, kMaxPosters);
    for (std::size_t i = 0; i < posters * kLinesEach; ++i) {
        REQUIRE_OK(t, crowd->add());
        place[crowd->line(i)] = static_cast<std::uint16_t>(i + 1);
    }
    server.forget();
    const auto before = MUST(t, sum_of_stats(t)).events_posted;
    std::array<Poster, kMaxPosters> all{};
    std::array<std::optional<Sibling>, kMaxPosters> threads;
    for (std::size_t i = 0; i < posters; ++i) {
        all[i].threads = crowd->threads().subspan(i * kLinesEach, kLinesEach);
        all[i].seed = t.seed * kMaxPosters + i;
        const auto cpu = static_cast<std::uint32_t>(i + 1);
        threads[i].emplace(
            MUST(t, Sibling::start(t.env, post_often, &all[i], {.affinity = only(cpu), .first_cpu = cpu})));
    }
    std::uint64_t taken = 0;
    const auto listen = [&] {
        for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
            while (const auto line = server.agent(cpu).events->take()) {
                if (const std::size_t i = place[*line % place.size()]; i != 0) {
                    Poster& poster = all[(i - 1) / kLinesEach];
                    poster.heard[(i - 1) % kLinesEach] = poster.told[(i - 1) % kLinesEach];
                    ++taken;
                }
            }
        }
    };
    const auto used = std::span(all).first(posters);
    const auto changes = [&] {
        std::uint64_t sum = 0;
        for (const Poster& poster : used) {
            sum += poster.changes;
        }
        return sum;
    };
    const auto enough = [&] {
        return taken >= kTaken && changes() >= taken + kTaken && changes() > 2 * abi::kEventEntries;
    };
    Random random(t.seed);
    const bool exercised = eventually(t.env.clock, [&] {
        for (int i = 0; i < 300 && !enough(); ++i) {
            listen();
            delay_ticks(random.below(10'000));
        }
        return enough();
    });
    for (Poster& poster : used) {
        poster.stop = true;
        REQUIRE(t, eventually(t.env.clock, [&] { return poster.done.load(); }));
    }
    listen();
    for (std::size_t i = 0; i < posters; ++i) {
        REQUIRE(t, !all[i].failed);
        for (std::size_t line = 0; line < kLinesEach; ++line) {
            REQUIRE_EQUAL(t, all[i].heard[line], all[i].told[line].load());
        }
    }
    const auto posted = MUST(t, sum_of_stats(t)).events_posted - before;
    t.env.log.print("race: changes={} posted={} taken={}", changes(), posted, taken);
    REQUIRE(t, posted >= taken);
    REQUIRE(t, exercised);
}

// Reads the lines that events name, on the last CPU, while the case starts and kills threads.
struct Listener {
    DomainServer& server;
    std::uint32_t cpus;
    std::array<Line, abi::kMaxThreads> seen{};
    std::array<std::atomic<std::uint64_t>, abi::kMaxThreads> gone{};  // generation whose end has been told
    std::atomic<std::uint64_t> new_first{0};  // threads of which it heard before their end
    std::atomic<std::uint64_t> end_first{0};  // or at their end only, since that came too soon
    std::atomic<std::uint64_t> gone_back{0};
    std::atomic<std::uint64_t> pause{0};  // ticks from one look at the rings to the next

    [[nodiscard]] std::uint64_t threads() const { return new_first + end_first; }
    [[nodiscard]] bool exercised() const { return new_first >= Race::kEnough && end_first >= Race::kEnough; }

    void look(std::uint32_t index) {
        const Line now = server.line(index);
        Line& before = seen[index];
        const bool same = now.ref == before.ref;
        const bool ended = before.word.state() == ThreadState::kGone;
        if (static_cast<std::int32_t>(now.word.sequence() - before.word.sequence()) < 0 ||
            now.ref.generation < before.ref.generation ||
            (same && ended && now.word.state() != ThreadState::kGone &&
             now.word.state() != ThreadState::kFree)) {
            ++gone_back;
        }
        if (now.word.state() == ThreadState::kGone && !(same && ended)) {
            ++(same && before.word.state() != ThreadState::kCreated ? new_first : end_first);
            gone[index] = now.ref.generation;
        }
        before = now;
    }
};

std::uint64_t listen_always(cap::Ring&, void* argument) {
    Listener& listener = *static_cast<Listener*>(argument);
    for (;;) {
        for (std::uint32_t cpu = 0; cpu < listener.cpus; ++cpu) {
            while (const auto index = listener.server.agent(cpu).events->take()) {
                if (*index < abi::kMaxThreads) {
                    listener.look(*index);
                }
            }
        }
        delay_ticks(listener.pause.load());
    }
}

void new_before_gone(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    static std::optional<Listener> listener;  // too large for a stack
    listener.emplace(server, t.cpus());
    const std::uint32_t last = last_cpu(t);
    const auto thread =
        Sibling::start(t.env, listen_always, &*listener, {.affinity = only(last), .first_cpu = last});
    REQUIRE_OK(t, thread);
    Random random(t.seed);
    Aim aim(random);
    Worker& worker = crew.add({.order = Order::kExit});
    constexpr std::uint64_t kMostThreads = 5000;
    std::uint64_t i = 0;
    for (; i < 200 || (!listener->exercised() && i < kMostThreads); ++i) {
        const abi::ThreadRef ref = worker.ref;
        const std::uint64_t heard_first = listener->new_first;
        listener->pause = aim.lead();
        REQUIRE_OK(t, worker.thread.start());
        delay_ticks(aim.next());
        if (i % 2 == 0) {
            REQUIRE_OK(t, worker.thread.kill(0));
        } else {
            REQUIRE_OK(t, server.place(worker, i % t.cpus()));
        }
        REQUIRE(t, comes_to(t, worker, ThreadState::kGone));
        REQUIRE(t, eventually(t.env.clock, [&] { return listener->gone[ref.index] == ref.generation; }));
        listener->new_first != heard_first ? aim.was_too_late() : aim.was_too_early();
        crew.renew(worker, {.order = Order::kExit});
        REQUIRE(t, !t.failed());
    }
    t.env.log.print("race: new_first={} end_first={}", listener->new_first.load(),
                    listener->end_first.load());
    REQUIRE_EQUAL(t, listener->gone_back.load(), 0);
    REQUIRE_EQUAL(t, listener->threads(), i);
    REQUIRE(t, listener->exercised());
}

constexpr Entry kCases[] = {
    {"more_than_a_ring_holds", more_than_a_ring_holds},
    {"told_while_listening", told_while_listening},
    {"new_before_gone", new_before_gone},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_events", kCases); }
