// SPDX-License-Identifier: MIT
//
// What a change of mappings costs other CPUs, counted exactly: docs/scheduling.md, "Accounting". One IPI for each CPU that
// has the space active, and none for any other; that one flushes when it comes back to the space.
#include "suite.hpp"
#include "support/child.hpp"
#include "support/shootdown_cost.hpp"
#include "support/sibling.hpp"

#include <atomic>
#include <optional>

namespace {

using namespace test;
using abi::ThreadState;

using Siblings = std::array<std::optional<Sibling>, abi::kMaxCpus>;  // one on each CPU

std::uint64_t count(cap::Ring&, void* argument) {
    for (;;) {
        ++*static_cast<std::atomic<std::uint64_t>*>(argument);
    }
}

// The space on one CPU more each time.
void one_for_each_active_cpu(Case& t) {
    REQUIRE_OK(t, t.env.thread.set_affinity(only(0)));
    const Range range(t, t.env.process, MUST(t, t.env.space.reserve(kPages)));
    Siblings siblings;
    for (std::uint32_t cpu = 1;; ++cpu) {
        each_operation(t, range, cpu - 1);
        REQUIRE(t, !t.failed());
        if (cpu == t.cpus()) {
            break;
        }
        static std::array<std::atomic<std::uint64_t>, abi::kMaxCpus> counters;
        siblings[cpu].emplace(MUST(t, Sibling::start(t.env, count, &counters[cpu], {.affinity = only(cpu)})));
        REQUIRE(t, eventually(t.env.clock, [&] { return counters[cpu] != 0; }));
    }
}

// Reads a word when its bell rings.
struct Reader {
    Owned<cap::Notification> bell;
    std::uint64_t address = 0;
    std::atomic<std::uint64_t> found{0};
    std::atomic<std::uint64_t> times{0};
};

std::uint64_t read_when_asked(cap::Ring& ring, void* argument) {
    Reader& reader = *static_cast<Reader*>(argument);
    while (reader.bell->wait(ring)) {
        reader.found = reinterpret_cast<const std::atomic<std::uint64_t>*>(reader.address)->load();
        ++reader.times;
    }
    return 1;
}

// One on each CPU but this one.
struct Readers {
    Readers(Case& t, std::uint64_t address) {
        for (std::uint32_t cpu = 1; cpu < t.cpus(); ++cpu) {
            Reader& reader = readers[cpu];
            const auto bell = t.env.process.create_notification();
            if (!bell) {
                t.fail("no notification");
                return;
            }
            reader.bell = Owned(*bell);
            reader.address = address;
            auto thread = Sibling::start(t.env, read_when_asked, &reader, {.affinity = only(cpu)});
            if (!thread) {
                t.fail("no thread");
                return;
            }
            threads[cpu].emplace(std::move(*thread));
        }
    }
    // Until all have found that, and wait again.
    [[nodiscard]] bool find(Case& t, std::uint64_t value) {
        bool all = true;
        for (std::uint32_t cpu = 1; cpu < t.cpus(); ++cpu) {
            Reader& reader = readers[cpu];
            const std::uint64_t before = reader.times;
            all &= reader.bell->signal(1) &&
                   eventually(t.env.clock, [&] { return reader.times != before; }) && reader.found == value &&
                   threads[cpu]->reaches(ThreadState::kWaiting);
        }
        return all;
    }

    std::array<Reader, abi::kMaxCpus> readers;
    Siblings threads;
};

// Other contents at the same address, at no cost, and whoever comes back to the space sees them.
void change_at_no_cost(Case& t, const Range& range, std::uint64_t value) {
    auto& word = *reinterpret_cast<std::atomic<std::uint64_t>*>(range.address);
    REQUIRE(t, comes_to_cost(t, range, 0));
    const Served before = served_so_far(t);
    const Owned other(MUST(t, t.env.process.create_memory(1)));
    bool good = true;
    const Cost cost = cost_of(t, [&] {
        good = range.process.unmap(range.address, 1) &&
               range.process.map(*other, range.address, 0, 1, kReadWrite);
        word = value;
        good &= range.protect();
    });
    REQUIRE(t, good);
    require_cost(t, cost, 2, 0);
    REQUIRE(t, served_so_far(t) == before);
}

void none_for_a_blocked_sibling(Case& t) {
    REQUIRE_OK(t, t.env.thread.set_affinity(only(0)));
    const Range range(t, t.env.process, MUST(t, t.env.space.reserve(kPages)));
    Readers readers(t, range.address);
    REQUIRE(t, readers.find(t, 0));
    for (std::uint64_t value = 1; value < 20 && !t.failed(); ++value) {
        change_at_no_cost(t, range, value);
        REQUIRE(t, readers.find(t, value));
    }
    REQUIRE(t, comes_to_cost(t, range, 0));
    each_operation(t, range, 0);
}

// Other processes on the other CPUs; those have the space no more, and get it back.
void none_for_another_process(Case& t) {
    REQUIRE_OK(t, t.env.thread.set_affinity(only(0)));
    const Range range(t, t.env.process, MUST(t, t.env.space.reserve(kPages)));
    Readers readers(t, range.address);
    REQUIRE(t, readers.find(t, 0));
    {
        std::array<std::optional<Child>, abi::kMaxCpus> children;
        for (std::uint32_t cpu = 1; cpu < t.cpus(); ++cpu) {
            children[cpu].emplace(MUST(t, Child::create(t.env, "mode=spin", {.affinity = only(cpu)})));
            REQUIRE_OK(t, (*children[cpu])->thread.start());
        }
        change_at_no_cost(t, range, 1);
        REQUIRE(t, !t.failed());
        each_operation(t, range, 0);
        REQUIRE(t, !t.failed());
        change_at_no_cost(t, range, 2);
        REQUIRE(t, readers.find(t, 2));
    }
    change_at_no_cost(t, range, 3);
    REQUIRE(t, readers.find(t, 3));
}

// The space of another process, by capability: this CPU does not have it. First the child spins, then it waits.
void by_capability(Case& t) {
    REQUIRE_OK(t, t.env.thread.set_affinity(only(0)));
    for (const bool spins : {true, false}) {
        const auto child = MUST(
            t, Child::create(t.env, spins ? "mode=spin" : "mode=wait", {.affinity = only(t.cpus() - 1)}));
        const Range range(t, child->process, 0x4000'0000);
        each_operation(t, range, 0);
        REQUIRE(t, !t.failed());
        REQUIRE_OK(t, child->thread.start());
        // With one CPU it has run when this thread runs again.
        const auto state = !spins          ? ThreadState::kWaiting
                           : t.cpus() == 1 ? ThreadState::kQueued
                                           : ThreadState::kRunning;
        REQUIRE(t, eventually(t.env.clock, [&] {
                    const auto status = child->thread.status();
                    return status && status->word.state() == state;
                }));
        each_operation(t, range, spins && t.cpus() > 1 ? 1 : 0);
        REQUIRE(t, !t.failed());
    }
}

constexpr Entry kCases[] = {
    {"one_for_each_active_cpu", one_for_each_active_cpu},
    {"none_for_a_blocked_sibling", none_for_a_blocked_sibling},
    {"none_for_another_process", none_for_another_process},
    {"by_capability", by_capability},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "shootdown", kCases); }
