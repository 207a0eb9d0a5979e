// SPDX-License-Identifier: MIT
//
// ThreadParams::fs_base is a thread's own, whatever others do with their FS register.
#include "suite.hpp"
#include "support/owned.hpp"
#include "support/patience.hpp"

#include <atomic>

namespace {

using namespace test;

constexpr std::uint64_t kPage = abi::kPageSize;

// What FS points to.
struct Local {
    std::uint64_t tag;
    std::atomic<std::uint64_t> rounds;
    std::atomic<std::uint64_t> wrong;
    std::atomic<bool> stop;
    bool clears_fs;
};

// The first function of a thread: RDI is its argument.
[[noreturn]] void check_fs(Local* local) {
    while (!local->stop) {
        if (local->clears_fs) {
            asm volatile("movw %w0, %%fs" : : "r"(0) : "memory");
            asm volatile("pause");
        } else {
            std::uint64_t tag = 0;
            asm volatile("movq %%fs:0, %0" : "=r"(tag));
            local->wrong += tag == local->tag ? 0 : 1;
        }
        ++local->rounds;
    }
    cap::thread_exit(0);
}

// A page: Local at its start, the stack at its end. The ring is behind it.
struct LocalThread {
    Local* local = nullptr;
    Owned<cap::Thread> thread;
};

cap::Result<LocalThread> start(const cap::Env& env, std::uint64_t tag, bool clears_fs,
                               std::uint64_t fs_base) {
    const std::uint64_t page = TRY(env.space.reserve(1 + abi::kRingPages));
    const Owned memory(TRY(env.process.create_memory(1)));
    TRY(env.process.map(*memory, page, 0, 1, abi::kRead | abi::kWrite));
    auto* local = reinterpret_cast<Local*>(page);
    local->tag = tag;
    local->clears_fs = clears_fs;
    const cap::Thread thread = TRY(env.process.create_thread({
        .entry = reinterpret_cast<std::uint64_t>(&check_fs),
        .stack = page + kPage - sizeof(std::uint64_t),
        .argument = page,
        .ring_address = page + kPage,
        .fs_base = fs_base ? fs_base : page,
        .affinity = 1,
        .label = 0,
        .first_cpu = 0,
    }));
    TRY(thread.start());
    return LocalThread{local, Owned(thread)};
}

bool gone(const cap::Thread& thread) {
    const auto status = thread.status();
    return status && status->word.state() == abi::ThreadState::kGone;
}

void each_its_own(Case& t) {
    std::array<LocalThread, 3> threads;
    for (std::uint64_t i = 0; i < threads.size(); ++i) {
        threads[i] = MUST(t, start(t.env, 100 + i, false, 0));
    }
    sleep_ns(60 * kMillisecond);
    for (const LocalThread& each : threads) {
        each.local->stop = true;
        REQUIRE(t, eventually(t.env.clock, [&] { return gone(*each.thread); }));
        REQUIRE(t, each.local->rounds != 0);
        REQUIRE_EQUAL(t, each.local->wrong.load(), 0u);
    }
}

// One thread loads its FS register, which loses the base; another with the same base, which may be one of another
// process, keeps its own.
void cleared_by_another(Case& t) {
    const LocalThread victim = MUST(t, start(t.env, 7, false, 0));
    const LocalThread other = MUST(t, start(t.env, 8, true, reinterpret_cast<std::uint64_t>(victim.local)));
    sleep_ns(60 * kMillisecond);
    REQUIRE(t, eventually(t.env.clock, [&] { return other.local->rounds != 0; }));
    const std::uint64_t before = victim.local->rounds;
    REQUIRE(t,
            eventually(t.env.clock, [&] { return victim.local->rounds > before || gone(*victim.thread); }));
    other.local->stop = victim.local->stop = true;
    REQUIRE(t, eventually(t.env.clock, [&] { return gone(*victim.thread) && gone(*other.thread); }));
    REQUIRE_EQUAL(t, MUST(t, victim.thread->status()).word.cause(), abi::Cause::kExited);
    REQUIRE_EQUAL(t, victim.local->wrong.load(), 0u);
}

constexpr Entry kCases[] = {
    {"each_its_own", each_its_own},
    {"cleared_by_another", cleared_by_another},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "fs_base", kCases); }
