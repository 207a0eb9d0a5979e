// SPDX-License-Identifier: MIT
//
// System calls and interrupts with registers, flags, selectors and stack pointers that no compiler would leave there:
// docs/abi.md, "Calls". Whatever the caller holds, it gets back, and nobody else is touched.
#include "suite.hpp"
#include "support/child.hpp"
#include "support/doors.hpp"
#include "support/raw_call.hpp"
#include "support/sibling.hpp"

#include <atomic>

namespace {

using namespace test;
using abi::Error;
using abi::Op;

constexpr std::uint64_t kBad[] = {
    0,
    1,
    abi::kUserTop - 1,
    abi::kUserTop,
    0xffff'7fff'ffff'ffff,
    0xffff'8000'0000'0000,
    0xffff'ffff'8020'0000,
    ~std::uint64_t{0},
};
constexpr std::size_t kRegisters = offsetof(RawCall, rflags) / sizeof(std::uint64_t);

RawCall plain_call(std::uint64_t number) {
    RawCall made{};
    made.rax = number;
    made.rflags = RawCall::kPlain;
    return made;
}

// Each register in turn, and all of them, hold each of these at each call that returns.
void bad_registers(Case& t) {
    for (const std::uint64_t number :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{3}, ~std::uint64_t{0}}) {
        for (const std::uint64_t bad : kBad) {
            for (std::size_t which = 0; which <= kRegisters; ++which) {
                RawCall before = plain_call(number);
                auto* const words = reinterpret_cast<std::uint64_t*>(&before);
                for (std::size_t i = 1; i < kRegisters; ++i) {  // not RAX, the number
                    words[i] = which == kRegisters || which == i ? bad : 0;
                }
                before.rsi = number == 1 ? 0 : before.rsi;  // no time-out, or it would wait
                RawCall after = before;
                raw_call(&after);
                REQUIRE(t, before.keeps(after));
                if (number > 1) {
                    REQUIRE_EQUAL(t, error_of(static_cast<std::int64_t>(after.rax)), Error::kBadCall);
                    REQUIRE_EQUAL(t, after.rdx, 0u);
                } else if (number == 0) {
                    REQUIRE(t,
                            static_cast<std::int64_t>(after.rax) < 0);  // no such slot, or no such operation
                    REQUIRE_EQUAL(t, after.rdx, 0u);
                }
            }
        }
    }
}

constexpr std::uint64_t kFlags[] = {
    RawCall::kDirection,
    RawCall::kAlignmentCheck,
    RawCall::kNestedTask,
    RawCall::kId,
    RawCall::kPrivilegeLevel,
    RawCall::kArithmetic,
    ~std::uint64_t{0} & RawCall::kUserFlags,
};

// The kernel works by its own flags, and gives back the caller's; also after a wait, in which others ran.
void odd_flags(Case& t) {
    for (const std::uint64_t flags : kFlags) {
        for (const std::uint64_t timeout : {std::uint64_t{0}, 50 * kMicrosecond}) {
            RawCall before = plain_call(1);
            before.rflags |= flags;
            before.rdi = abi::kCqEntries;
            before.rsi = timeout;
            before.rsp = 0xffff'8000'0000'1000;
            RawCall after = before;
            raw_call(&after);
            REQUIRE(t, before.keeps(after));
            REQUIRE_EQUAL(t, after.rflags & RawCall::kPrivilegeLevel, 0u);
            REQUIRE_EQUAL(t, error_of(static_cast<std::int64_t>(after.rax)), Error::kTimedOut);
        }
        // With a buffer: the kernel's copying goes upwards, and is allowed in spite of AC.
        std::array<std::uint64_t, 24> around{};
        RawCall before = plain_call(0);
        before.rflags |= flags;
        before.rdi = t.env.thread.slot().raw();
        before.rsi = static_cast<std::uint64_t>(Op::kGetStatus);
        before.rdx = reinterpret_cast<std::uint64_t>(&around[8]);
        RawCall after = before;
        raw_call(&after);
        REQUIRE(t, before.keeps(after));
        REQUIRE_EQUAL(t, error_of(static_cast<std::int64_t>(after.rax)), Error::kOk);
        REQUIRE_EQUAL(t, around[9], MUST(t, t.env.thread.ref()).raw());
        for (std::size_t i = 0; i < 8; ++i) {
            REQUIRE_EQUAL(t, around[i] | around[16 + i], 0u);
        }
    }
}

struct Spin {
    std::uint64_t flags;
    std::uint64_t stack;
    std::uint64_t selector;
    std::atomic<std::uint64_t> beats;
    std::atomic<std::uint64_t> wrong;
};

// Interrupted again and again with these flags, that stack and that selector in ES, FS and GS.
std::uint64_t spin_oddly(cap::Ring&, void* argument) {
    auto& spin = *static_cast<Spin*>(argument);
    for (;;) {
        std::uint64_t kept = 0;
        asm volatile(
            "movw %w[selector], %%fs; movw %w[selector], %%gs; movw %w[selector], %%es\n"
            "leaq -128(%%rsp), %%rsp; pushq %[flags]; popfq; movq %%rsp, %%xmm7; movq %[stack], %%rsp\n"
            "movl $300000, %%ecx; 1: decl %%ecx; jrcxz 2f; jmp 1b; 2:\n"
            "movq %%rsp, %[kept]; movq %%xmm7, %%rsp; pushfq; popq %%rcx; pushq $0x202; popfq\n"
            "leaq 128(%%rsp), %%rsp"
            : [kept] "=&r"(kept), "=&c"(spin.flags)
            : [flags] "r"(spin.flags), [stack] "r"(spin.stack), [selector] "r"(spin.selector)
            : "xmm7", "memory", "cc");
        spin.wrong += kept != spin.stack ? 1 : 0;
        ++spin.beats;
    }
}

// Two such threads on each CPU, and one that must be served there.
void interrupted_oddly(Case& t) {
    constexpr std::uint64_t kUserDataSelector = 0x1b;
    constexpr std::uint64_t kSeen = RawCall::kAlignmentCheck | RawCall::kNestedTask | RawCall::kDirection;
    static std::array<Spin, 2 * abi::kMaxCpus> spins;
    std::array<std::optional<Sibling>, 2 * abi::kMaxCpus> threads;
    for (std::uint32_t i = 0; i < 2 * t.cpus(); ++i) {
        spins[i].flags = RawCall::kPlain | kSeen;
        spins[i].stack = i % 2 ? 0xffff'8000'0000'1000 : 0x0000'9000'0000'0001;
        spins[i].selector = i % 2 ? kUserDataSelector : 0;
        threads[i].emplace(MUST(t, Sibling::start(t.env, spin_oddly, &spins[i], {.affinity = only(i / 2)})));
    }
    REQUIRE(t, eventually(t.env.clock, [&] {
                for (std::uint32_t i = 0; i < 2 * t.cpus(); ++i) {
                    if (spins[i].beats < 20) {
                        return false;
                    }
                }
                return true;
            }));
    for (std::uint32_t i = 0; i < 2 * t.cpus(); ++i) {
        REQUIRE_EQUAL(t, spins[i].wrong.load(), 0u);
        REQUIRE_EQUAL(t, spins[i].flags & kSeen, kSeen);
    }
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        const auto child = MUST(t, Child::create(t.env, "mode=exit value=7", {.affinity = only(cpu)}));
        REQUIRE_EQUAL(t, MUST(t, child.run(t.env)), kDoneExitCode);
    }
}

// Exceptions with the same: each ends its thread and nothing else.
std::uint64_t fault_oddly(cap::Ring&, void* argument) {
    asm volatile("movw %w[selector], %%gs; pushq %[flags]; popfq; movq %[stack], %%rsp; ud2"
                 :
                 : [flags] "r"(RawCall::kPlain | RawCall::kAlignmentCheck | RawCall::kNestedTask |
                               RawCall::kDirection),
                   [stack] "r"(argument), [selector] "r"(0x1b)
                 : "memory", "cc");
    return 0;
}

// TF set when the call is made: a trap as after any other instruction, so the thread ends; not in the kernel.
std::uint64_t call_in_single_step(cap::Ring&, void* argument) {
    asm volatile("pushq %[flags]; popfq; syscall"
                 :
                 : "a"(argument), "D"(0), "S"(0), [flags] "r"(std::uint64_t{0x302})
                 : "rcx", "rdx", "r11", "memory", "cc");
    return 0;
}

void ends_by_fault(Case& t, cap::ThreadFunction function, std::uint64_t argument, std::uint32_t cpu) {
    const auto thread =
        MUST(t, Sibling::start(t.env, function, reinterpret_cast<void*>(argument), {.affinity = only(cpu)}));
    REQUIRE(t, thread.wait());
    REQUIRE_EQUAL(t, thread.word().cause(), abi::Cause::kFaulted);
}

void faults_oddly(Case& t) {
    for (std::uint32_t cpu = 0; cpu < t.cpus() && !t.failed(); ++cpu) {
        for (const std::uint64_t bad : kBad) {
            ends_by_fault(t, fault_oddly, bad, cpu);
        }
        for (const std::uint64_t number :
             {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{3}, abi::kUserTop}) {
            ends_by_fault(t, call_in_single_step, number, cpu);
        }
    }
}

constexpr Entry kCases[] = {
    {"bad_registers", bad_registers},
    {"odd_flags", odd_flags},
    {"interrupted_oddly", interrupted_oddly},
    {"faults_oddly", faults_oddly},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "hostile_registers", kCases); }
