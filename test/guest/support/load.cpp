// SPDX-License-Identifier: MIT
#include "support/load.hpp"

#include "support/patience.hpp"

namespace test {

namespace {

// Waits for its bell, counts that, and rings its partner's.
std::uint64_t answer(Station& station, cap::Ring& ring) {
    const auto& partner = *static_cast<const Station*>(station.argument);
    for (;;) {
        if (!cap::Notification(station.bell).wait(ring)) {
            return 1;
        }
        station.waits_done.fetch_add(1);
        (void)cap::Notification(partner.bell).signal(1);
    }
}

}  // namespace

Load::Load(Case& t, std::uint32_t spinning, std::uint32_t pairs, cap::SchedDomain domain)
    : t_(t), crew_(t, domain) {
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        for (std::uint32_t i = 0; i < spinning; ++i) {
            (void)crew_.add({.first_cpu = cpu}).thread.start();
        }
        for (std::uint32_t i = 0; i < pairs; ++i) {
            Worker& one = crew_.add({.main = answer, .first_cpu = cpu});
            Worker& other =
                crew_.add({.main = answer, .argument = one.station, .first_cpu = (cpu + 1) % t.cpus()});
            one.station->argument = other.station;
            (void)one.thread.start();
            (void)other.thread.start();
            one.ring_bell();
        }
    }
}

std::uint64_t Load::progress_of(const Worker& worker) const {
    return worker.beats() + worker.station->waits_done.load();
}

bool Load::all_progress() {
    const auto workers = crew_.workers();
    for (std::size_t i = 0; i < workers.size(); ++i) {
        before_[i] = progress_of(workers[i]);
    }
    return eventually(t_.env.clock, [&] {
        for (std::size_t i = 0; i < workers.size(); ++i) {
            if (progress_of(workers[i]) == before_[i]) {
                return false;
            }
        }
        return true;
    });
}

bool Load::pairs_in_step() {
    for (const Worker& worker : crew_.workers()) {
        const auto* const partner = static_cast<const Station*>(worker.station->argument);
        // A pair's first thread has the lower station.
        if (partner == nullptr || partner < worker.station) {
            continue;
        }
        const std::uint64_t first_before = worker.station->waits_done;
        const std::uint64_t second = partner->waits_done;
        const std::uint64_t first_after = worker.station->waits_done;
        if (second > first_after || first_before > second + 1) {
            return false;
        }
    }
    return true;
}

void Load::fail_with_who_stands_still() {
    const auto workers = crew_.workers();
    for (std::size_t i = 0; i < workers.size(); ++i) {
        const auto status = workers[i].thread.status();
        if (status && progress_of(workers[i]) == before_[i]) {
            t_.fail("thread {} stands still: state {} cpu {} cause {} wakes {}", workers[i].ref.index,
                    static_cast<unsigned>(status->word.state()), status->word.cpu(),
                    static_cast<unsigned>(status->word.cause()), status->wakes);
        }
    }
    t_.fail("some thread stood still for long");
}

}  // namespace test
