// SPDX-License-Identifier: MIT
//
// What must hold behind every door into the kernel: the start page is right, the clock runs, every CPU dispatches
// threads, wakes from idle, and keeps time.
#include "suite.hpp"

#include "cap/threads.hpp"

#include <atomic>

namespace {

using test::Case;
namespace abi = cox::abi;

void start_page(Case& t) {
    REQUIRE_EQUAL(t, t.env.info.magic, abi::kStartMagic);
    REQUIRE_EQUAL(t, t.env.info.abi_version, abi::kAbiVersion);
    REQUIRE(t, t.env.info.cpu_count >= 1 && t.env.info.cpu_count <= abi::kMaxCpus);
    REQUIRE(t, !t.env.archive().empty());
    for (const char* name : {"process", "thread", "log", "domain", "machine", "archive"}) {
        REQUIRE(t, t.env.find_slot(name).has_value());
    }
}

// The time-out is measured on the timer, the wait on the clock: they were calibrated together, and must agree.
void timer_and_clock(Case& t) {
    constexpr std::uint64_t kNs = 5'000'000;
    const auto start = t.env.clock.now_ns();
    REQUIRE_ERROR(t, t.env.ring.submit_and_wait(1, kNs), abi::Error::kTimedOut);
    REQUIRE(t, t.env.clock.now_ns() - start >= kNs);
}

std::atomic<std::uint64_t> arrived;  // a bit for each CPU

std::uint64_t arrive(cap::Ring& ring, void* cpu) {
    // Once in its first turn, and once after its CPU has been idle.
    if (!ring.submit_and_wait(1, 1'000'000))
        arrived.fetch_or(std::uint64_t{1} << reinterpret_cast<std::uint64_t>(cpu));
    return 0;
}

void every_cpu_dispatches(Case& t) {
    std::array<std::uint64_t, abi::kMaxCpus> before{};
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu)
        before[cpu] = MUST(t, t.machine.cpu_stats(cpu)).system_dispatches;
    for (std::uint64_t cpu = 0; cpu < t.cpus(); ++cpu) {
        cap::ThreadOptions options;
        options.affinity = std::uint64_t{1} << cpu;
        options.first_cpu = cpu;
        const auto thread =
            MUST(t, cap::create_sibling(t.env, arrive, reinterpret_cast<void*>(cpu), options));
        REQUIRE_OK(t, thread.start());
    }
    const auto all = t.cpus() == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << t.cpus()) - 1;
    for (int i = 0; i < 2000 && arrived.load() != all; ++i) (void)t.env.ring.submit_and_wait(1, 5'000'000);
    REQUIRE_EQUAL(t, arrived.load(), all);
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        REQUIRE(t, MUST(t, t.machine.cpu_stats(cpu)).system_dispatches >= before[cpu] + 2);
    }
}

constexpr test::Entry kCases[] = {
    {"start_page", start_page},
    {"timer_and_clock", timer_and_clock},
    {"every_cpu_dispatches", every_cpu_dispatches},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "boot", kCases); }
