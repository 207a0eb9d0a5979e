// SPDX-License-Identifier: MIT
#include "support/storm_load.hpp"

#include "support/patience.hpp"

#include <algorithm>
#include <string_view>

namespace test {

// Shared with all threads of the load. Relaxed where nothing stands: a number of its own.
struct Board {
    std::atomic<std::uint64_t> window;   // number of the present one
    std::atomic<std::uint64_t> begin;    // TSC
    std::atomic<std::uint64_t> resting;  // nobody passes a number on
    std::uint64_t ticks_per_ms;
};

namespace {

constexpr std::uint64_t kSleepMs = 2;

// Station::values by index.
enum Value : std::size_t {
    kBoard,    // address of the Board
    kThread,   // slot of the thread itself
    kNext,     // link: address of the next one's Station
    kWindow,   // the window that kLongest is of
    kLongest,  // ticks
    kSteps,
    kNumber,  // link: left by its neighbour
    kSentAt,  // link: TSC, when
    kHeard,   // link: how many numbers it has taken
    kWrong,   // link: numbers that were not the next
    kKind,
};
enum Kind : std::uint64_t { kSpinner, kLink, kSleeper };
constexpr std::string_view kKindNames[] = {"spinner", "link", "sleeper"};

class Self {
public:
    explicit Self(Station& station)
        : station_(station), board_(*reinterpret_cast<Board*>(value(kBoard).load())) {}

    [[nodiscard]] std::atomic<std::uint64_t>& value(Value which) const { return station_.values[which]; }
    [[nodiscard]] const Board& board() const { return board_; }

    // Runnable from `since` on, running since `now`.
    void waited(std::uint64_t since, std::uint64_t now) const {
        const std::uint64_t window =
            board_.window.load(std::memory_order_acquire);  // pairs with open_window()
        const std::uint64_t begin = std::max(since, board_.begin.load(std::memory_order_relaxed));
        if (value(kWindow).load(std::memory_order_relaxed) != window) {
            value(kLongest).store(0, std::memory_order_relaxed);
            value(kWindow).store(window, std::memory_order_release);  // pairs with longest_wait_ns()
        }
        const std::uint64_t ticks = now > begin ? now - begin : 0;
        if (ticks > value(kLongest).load(std::memory_order_relaxed)) {
            value(kLongest).store(ticks, std::memory_order_release);
        }
    }
    // Release: what was noted before is seen by whoever sees the step.
    void step() const { value(kSteps).fetch_add(1, std::memory_order_release); }

private:
    Station& station_;
    Board& board_;
};

std::uint64_t spin(Station& station, cap::Ring&) {
    const Self self(station);
    const cap::Thread thread(abi::CapSlot::from_raw(self.value(kThread).load()));
    for (std::uint64_t last = cap::read_tsc();;) {
        const std::uint64_t end = last + self.board().ticks_per_ms;
        while (last < end) {
            const std::uint64_t now = cap::read_tsc();
            self.waited(last, now);
            last = now;
        }
        self.step();
        thread.yield();
    }
}

std::uint64_t pass_on(Station& station, cap::Ring& ring) {
    const Self self(station);
    auto& next = *reinterpret_cast<Station*>(self.value(kNext).load());
    for (std::uint64_t expected = 0;;) {
        if (!cap::Notification(station.bell).wait(ring)) {
            return 1;
        }
        const std::uint64_t number =
            self.value(kNumber).load(std::memory_order_acquire);  // pairs with the release below
        self.waited(self.value(kSentAt).load(std::memory_order_relaxed), cap::read_tsc());
        // The first one is whatever the ring was begun with.
        if (expected != 0 && number != expected) {
            self.value(kWrong).fetch_add(1);
        }
        expected = number + 3;
        self.value(kHeard).fetch_add(1);
        self.step();
        if (self.board().resting.load() != 0) {
            continue;
        }
        next.values[kSentAt].store(cap::read_tsc(), std::memory_order_relaxed);
        next.values[kNumber].store(number + 1, std::memory_order_release);
        (void)cap::Notification(next.bell).signal(1);
    }
}

std::uint64_t sleep_again(Station& station, cap::Ring&) {
    const Self self(station);
    for (;;) {
        const std::uint64_t deadline = cap::read_tsc() + kSleepMs * self.board().ticks_per_ms;
        sleep_ns(kSleepMs * kMillisecond);
        self.waited(deadline, cap::read_tsc());
        self.step();
    }
}

}  // namespace

StormLoad::StormLoad(Case& t) : t_(t), crew_(t), board_(crew_.share<Board>()) {
    if (board_ == nullptr) {
        return;
    }
    board_->ticks_per_ms = t.env.clock.ticks(kMillisecond);
    for (std::uint32_t cpu = 0; cpu < t.cpus() && !t.failed(); ++cpu) {
        add_spinner(cpu);
        if (cpu % 2 == 0) {
            add_spinner(cpu);
        }
        add_ring(cpu);
        add_sleeper(cpu);
    }
}

Worker& StormLoad::add(WorkerMain main, std::uint32_t cpu) {
    // No label: it would be a priority, and under fixed priorities the urgent ones starve the others by right.
    Worker& worker = crew_.add({.main = main, .first_cpu = cpu});
    if (t_.failed()) {
        return worker;
    }
    const auto own = crew_.process().give(worker.thread.slot(), abi::kRead);
    if (!own) {
        t_.fail("a thread cannot be given to itself: {}", own.error());
        return worker;
    }
    worker.station->values[kThread] = own->raw();
    worker.station->values[kBoard] = reinterpret_cast<std::uint64_t>(board_);
    return worker;
}

void StormLoad::add_spinner(std::uint32_t cpu) {
    if (const Worker& worker = add(spin, cpu); !t_.failed()) {
        worker.station->values[kKind] = kSpinner;
        (void)worker.thread.start();
    }
}

void StormLoad::add_sleeper(std::uint32_t cpu) {
    if (const Worker& worker = add(sleep_again, cpu); !t_.failed()) {
        worker.station->values[kKind] = kSleeper;
        (void)worker.thread.start();
    }
}

void StormLoad::add_ring(std::uint32_t cpu) {
    std::array<const Worker*, kRing> ring{};
    for (std::size_t i = 0; i < kRing; ++i) {
        ring[i] = &add(pass_on, static_cast<std::uint32_t>((cpu + i) % t_.cpus()));
        if (t_.failed()) {
            return;
        }
        ring[i]->station->values[kKind] = kLink;
    }
    for (std::size_t i = 0; i < kRing; ++i) {
        ring[i]->station->values[kNext] = reinterpret_cast<std::uint64_t>(ring[(i + 1) % kRing]->station);
        (void)ring[i]->thread.start();
    }
    ring[0]->station->values[kSentAt] = cap::read_tsc();
    ring[0]->station->values[kNumber] = 1;
    ring[0]->ring_bell();
}

std::uint64_t StormLoad::steps(std::size_t number) {
    return crew_.workers()[number].station->values[kSteps].load(std::memory_order_acquire);
}

void StormLoad::open_window() {
    board_->begin.store(cap::read_tsc(), std::memory_order_relaxed);
    board_->window.store(++window_, std::memory_order_release);
}

bool StormLoad::all_step() {
    for (std::size_t i = 0; i < size(); ++i) {
        before_[i] = steps(i);
    }
    return eventually(t_.env.clock, [&] {
        for (std::size_t i = 0; i < size(); ++i) {
            if (stands_still(i)) {
                return false;
            }
        }
        return true;
    });
}

std::uint64_t StormLoad::longest_wait_ns() {
    std::uint64_t longest = 0;
    for (const Worker& worker : crew_.workers()) {
        const auto& values = worker.station->values;
        if (values[kWindow].load(std::memory_order_acquire) == window_) {
            longest = std::max(longest, values[kLongest].load(std::memory_order_acquire));
        }
    }
    return t_.env.clock.ns(longest);
}

// Numbers are passed on one by one, so the last number that a link was left says how many it was sent: links of a ring have
// every third.
std::uint64_t StormLoad::count_lost() {
    std::uint64_t lost = 0;
    const auto workers = crew_.workers();
    for (std::size_t i = 0; i < workers.size(); ++i) {
        if (!stands_still(i)) {
            continue;
        }
        const auto& values = workers[i].station->values;
        const bool link = values[kKind].load() == kLink;
        const std::uint64_t heard = link ? values[kHeard].load() : 0;
        const std::uint64_t sent = link ? (values[kNumber].load() + kRing - 1) / kRing : 1;
        if (sent > heard) {
            lost += sent - heard;
            name(i, sent, heard);
        }
    }
    return lost;
}

void StormLoad::name(std::size_t number, std::uint64_t sent, std::uint64_t heard) {
    const Worker& worker = crew_.workers()[number];
    const auto status = worker.thread.status();
    if (!status) {
        return;
    }
    const std::string_view kind = kKindNames[worker.station->values[kKind].load()];
    const std::uint64_t now = cap::read_tsc();
    t_.env.log.print(
        "storm: lost wake of thread={} kind={} number={} state={} cpu={} cause={} sent={} heard={} "
        "waits_ns={}",
        worker.ref.index, kind, number, static_cast<unsigned>(status->word.state()), status->word.cpu(),
        static_cast<unsigned>(status->word.cause()), sent, heard,
        t_.env.clock.ns(now - std::min(now, status->runnable_since)));
    t_.fail("lost wake of {} {} (line {}): state {} cause {}, {} sent, {} heard", kind, number,
            worker.ref.index, static_cast<unsigned>(status->word.state()),
            static_cast<unsigned>(status->word.cause()), sent, heard);
}

bool StormLoad::in_order() {
    for (const Worker& worker : crew_.workers()) {
        const auto& values = worker.station->values;
        // Read in this order, so that a number that comes meanwhile makes no wrong verdict.
        const std::uint64_t heard = values[kHeard].load();
        const std::uint64_t sent = (values[kNumber].load() + kRing - 1) / kRing;
        if (values[kKind].load() == kLink && (values[kWrong].load() != 0 || heard > sent)) {
            t_.fail("a link heard {} of {} wakes, {} of them wrong", heard, sent, values[kWrong].load());
            return false;
        }
    }
    return true;
}

bool StormLoad::comes_to_rest() {
    board_->resting.store(1);
    const auto all_heard = [&] {
        std::uint64_t difference = 0;
        for (const Worker& worker : crew_.workers()) {
            const auto& values = worker.station->values;
            if (values[kKind].load() == kLink) {
                difference += (values[kNumber].load() + kRing - 1) / kRing - values[kHeard].load();
            }
        }
        return difference == 0;
    };
    return eventually(t_.env.clock, all_heard);
}

}  // namespace test
