// SPDX-License-Identifier: MIT
//
// What a thread has in its registers is its own: through calls, preemption and migration: docs/abi.md, "Calls" and "Thread".
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/registers.hpp"
#include "support/sibling.hpp"

#include <algorithm>
#include <atomic>
#include <optional>

namespace {

using namespace test;
using abi::Error;

// What a call may change: RAX and RDX (results), RCX and R11.
Registers after_call(Registers before, const Registers& after, std::uint64_t rax, std::uint64_t rdx) {
    before.rax = rax;
    before.rdx = rdx;
    before.r11 = after.r11;
    return before;
}

void call_keeps_registers(Case& t) {
    for (std::uint64_t i = 0; i < 50; ++i) {
        Registers in = Registers::pattern(i);
        Registers out{};
        in.rax = static_cast<std::uint64_t>(abi::Call::kCapCall);
        in.rdi = t.env.process.slot().raw();
        in.rsi = static_cast<std::uint64_t>(abi::Op::kNop);
        in.rdx = i;
        out = kept(in, keep_through_call, keep_through_call_avx, 0);
        REQUIRE(t, out == after_call(in, out, i, 0));
        in.rdi = 0;
        out = kept(in, keep_through_call, keep_through_call_avx, 0);
        REQUIRE(t, out == after_call(in, out, static_cast<std::uint64_t>(Error::kBadSlot), 0));
    }
}

// The thread leaves its CPU in the call, and others run there meanwhile.
void waiting_keeps_registers(Case& t) {
    std::atomic<std::uint64_t> beats{0};
    const auto spin = [](cap::Ring&, void* argument) -> std::uint64_t {
        for (std::uint64_t i = 0;; ++i) {
            const Registers in = Registers::pattern(~i);
            Registers out;
            out = kept(in, keep_through_loop, keep_through_loop_avx, 1000);
            *static_cast<std::atomic<std::uint64_t>*>(argument) = i;
        }
    };
    const auto other = MUST(t, Sibling::start(t.env, spin, &beats, {.affinity = only(0)}));
    REQUIRE_OK(t, t.env.thread.set_affinity(only(0)));
    for (std::uint64_t i = 0; i < 20; ++i) {
        Registers in = Registers::pattern(i);
        Registers out{};
        in.rax = static_cast<std::uint64_t>(abi::Call::kCapEnter);
        in.rdi = abi::kCqEntries;
        in.rsi = kMillisecond / 4;
        out = kept(in, keep_through_call, keep_through_call_avx, 0);
        REQUIRE(t, out == after_call(in, out, static_cast<std::uint64_t>(Error::kTimedOut), 0));
    }
    REQUIRE_OK(t, t.env.thread.set_affinity(~0ull));
    REQUIRE(t, beats.load() != 0);
}

void unknown_calls(Case& t) {
    for (const std::uint64_t call : {std::uint64_t{3}, std::uint64_t{0xffff}, std::uint64_t{1} << 32, ~0ul}) {
        Registers in = Registers::pattern(1);
        Registers out{};
        in.rax = call;
        out = kept(in, keep_through_call, keep_through_call_avx, 0);
        REQUIRE(t, out == after_call(in, out, static_cast<std::uint64_t>(Error::kBadCall), 0));
    }
}

struct Keeper {
    std::uint64_t number;
    std::atomic<std::uint64_t> rounds{0}, wrong{0};
    std::atomic<bool> stop{false};
};

struct Control {
    std::uint32_t mxcsr = 0;
    std::uint16_t x87 = 0;

    void load() const { asm volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(x87)); }
    void store() { asm volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(x87)); }
    friend bool operator==(const Control&, const Control&) = default;
};

// Rounding modes of its own, and another pattern in each round.
std::uint64_t keep(cap::Ring&, void* argument) {
    auto& keeper = *static_cast<Keeper*>(argument);
    const Control control{static_cast<std::uint32_t>(0x1f80 | keeper.number % 4 << 13),
                          static_cast<std::uint16_t>(0x37f | keeper.number % 4 << 10)};
    control.load();
    for (std::uint64_t round = 0; !keeper.stop; ++round) {
        const Registers in = Registers::pattern(keeper.number << 32 | round);
        Registers out{};
        out = kept(in, keep_through_loop, keep_through_loop_avx, 200'000);
        Control now;
        now.store();
        keeper.wrong += out == in && now == control ? 0 : 1;
        ++keeper.rounds;
    }
    return 0;
}

std::uint64_t dispatches(Case& t, std::uint32_t cpus) {
    std::uint64_t sum = 0;
    for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
        const auto stats = t.machine.cpu_stats(cpu);
        sum += stats ? stats->system_dispatches : 0;
    }
    return sum;
}

// Four threads take turns on at most two CPUs, and are moved between them.
void preemption_and_migration(Case& t) {
    const std::uint32_t cpus = std::min(t.cpus(), 2u);
    const std::uint64_t before = dispatches(t, cpus);
    std::array<Keeper, 4> keepers{{{0}, {1}, {2}, {3}}};
    std::array<std::optional<Sibling>, 4> siblings;
    for (std::size_t i = 0; i < keepers.size(); ++i) {
        siblings[i].emplace(MUST(t, Sibling::start(t.env, keep, &keepers[i], {.affinity = only(i % cpus)})));
    }
    for (std::uint64_t move = 0; move < 60; ++move) {
        sleep_ns(kMillisecond);
        REQUIRE_OK(t, (*siblings[move % 4])->set_affinity(only(move / 4 % cpus)));
    }
    REQUIRE(t, eventually(t.env.clock, [&] {
                return std::ranges::all_of(keepers, [](const Keeper& k) { return k.rounds >= 10; });
            }));
    for (std::size_t i = 0; i < keepers.size(); ++i) {
        keepers[i].stop = true;
        REQUIRE(t, siblings[i]->wait());
        REQUIRE_EQUAL(t, keepers[i].wrong.load(), 0u);
    }
    REQUIRE(t, dispatches(t, cpus) - before >= 60);
}

// The state of a thread that has gone is not what the next one starts with.
void fresh_start(Case& t) {
    struct Seen {
        Control control;
        std::array<std::uint64_t, 4> words;
    };
    Seen seen{};
    const auto look = [](cap::Ring&, void* argument) -> std::uint64_t {
        auto& found = *static_cast<Seen*>(argument);
        asm volatile("movups %%xmm7, %0; movups %%xmm15, %1"
                     : "=m"(found.words[0]), "=m"(found.words[2])
                     :
                     : "memory");
        found.control.store();
        Registers dirt = Registers::pattern(1);
        dirt = kept(dirt, keep_through_loop, keep_through_loop_avx, 1);
        const Control odd{0x1f80 | 3 << 13, 0x37f | 3 << 10};
        odd.load();
        return 0;
    };
    for (int i = 0; i < 10; ++i) {
        const auto thread = MUST(t, Sibling::start(t.env, look, &seen, {.affinity = only(0)}));
        REQUIRE(t, thread.wait());
        REQUIRE(t, seen.control == (Control{0x1f80, 0x37f}));
        REQUIRE(t, std::ranges::all_of(seen.words, [](std::uint64_t word) { return word == 0; }));
    }
}

// Flags that user code may set stay set, and the kernel works with all of them.
std::uint64_t flags_through_calls(cap::Ring&, void* argument) {
    const cap::Env& env = *static_cast<const cap::Env*>(argument);
    constexpr std::uint64_t kDirection = 1 << 10, kNested = 1 << 14, kAlignment = 1 << 18,
                            kIdentify = 1 << 21;
    constexpr std::uint64_t kOdd = kDirection | kNested | kAlignment | kIdentify;
    std::uint64_t after_call = 0;
    std::uint64_t after_loop = 0;
    std::uint64_t rax = 0;
    asm volatile(
        "pushfq; orq %[odd], (%%rsp); popfq; syscall; pushfq; popq %[call];"
        "movl $30000000, %%ecx; 1: decl %%ecx; jnz 1b; pushfq; popq %[loop]; cld; pushfq; andq %[normal], "
        "(%%rsp); popfq"
        : "+a"(rax), [call] "=&r"(after_call), [loop] "=&r"(after_loop)
        : [odd] "r"(kOdd), [normal] "r"(~kOdd), "D"(env.process.slot().raw()),
          "S"(static_cast<std::uint64_t>(abi::Op::kNop)), "d"(7)
        : "rcx", "r11", "memory");
    return (after_call & kOdd) == kOdd && (after_loop & kOdd) == kOdd && rax == 7 ? 1 : 2;
}

void odd_flags(Case& t) {
    // Two of them on one CPU, so that they preempt each other.
    struct Result {
        const cap::Env& env;
        std::atomic<std::uint64_t> right{0}, wrong{0};
    };
    Result result{t.env};
    const auto run = [](cap::Ring& ring, void* argument) -> std::uint64_t {
        auto& r = *static_cast<Result*>(argument);
        (flags_through_calls(ring, const_cast<cap::Env*>(&r.env)) == 1 ? r.right : r.wrong)++;
        return 0;
    };
    const auto first = MUST(t, Sibling::start(t.env, run, &result, {.affinity = only(0)}));
    const auto second = MUST(t, Sibling::start(t.env, run, &result, {.affinity = only(0)}));
    REQUIRE(t, first.wait());
    REQUIRE(t, second.wait());
    REQUIRE_EQUAL(t, result.wrong.load(), 0u);
    REQUIRE_EQUAL(t, result.right.load(), 2u);
}

constexpr Entry kCases[] = {
    {"call_keeps_registers", call_keeps_registers},
    {"waiting_keeps_registers", waiting_keeps_registers},
    {"unknown_calls", unknown_calls},
    {"preemption_and_migration", preemption_and_migration},
    {"fresh_start", fresh_start},
    {"odd_flags", odd_flags},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "thread_state", kCases); }
