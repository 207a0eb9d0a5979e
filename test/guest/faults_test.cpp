// SPDX-License-Identifier: MIT
//
// Whatever a program does, it ends itself at most: each way of faults.hpp, on each CPU, in a case of its own:
// docs/abi.md, "Exit codes".
#include "support/faults.hpp"
#include "suite.hpp"
#include "support/child.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace {

using namespace test;

void fault_on(Case& t, std::uint64_t number, std::uint32_t cpu) {
    cap::LineBuffer<64> arguments;
    arguments.print("mode=fault value={}", number);
    const auto child = MUST(t, Child::create(t.env, arguments.view(), {.affinity = only(cpu)}));
    REQUIRE_EQUAL(t, MUST(t, child.run(t.env)), kFaultExitCode);
    REQUIRE_EQUAL(t, MUST(t, child->thread.status()).word.cause(), abi::Cause::kFaulted);
}

template <std::size_t Number>
void fault(Case& t) {
    for (std::uint32_t cpu = 0; cpu < t.cpus() && !t.failed(); ++cpu) {
        fault_on(t, Number, cpu);
    }
}

// A fault ends the thread that made it; its process goes on while it has others.
void one_of_several_threads(Case& t) {
    const auto crash = [](cap::Ring&, void*) -> std::uint64_t {
        asm volatile("ud2");
        return 0;
    };
    for (int i = 0; i < 5; ++i) {
        const auto thread = MUST(t, Sibling::start(t.env, crash, nullptr));
        REQUIRE(t, thread.wait());
        REQUIRE_EQUAL(t, MUST(t, thread->status()).word.cause(), abi::Cause::kFaulted);
    }
}

// Nothing is there to run: no ring is needed for that, nor a stack.
void nowhere_to_start(Case& t) {
    for (const std::uint64_t entry : {std::uint64_t{0}, std::uint64_t{0x7000'0000}, abi::kUserTop - 1}) {
        const Owned process(MUST(t, t.env.process.create_process("nowhere")));
        abi::ThreadParams params{};
        params.entry = entry;
        params.ring_address = 0x20'0000;
        const Owned thread(MUST(t, process->create_thread(params)));
        REQUIRE_OK(t, thread->start());
        REQUIRE_EQUAL(t, MUST(t, process->wait_exit(t.env.ring, patience_ns)), kFaultExitCode);
    }
}

// An odd stack pointer is nobody's concern until it is used.
void odd_stack_pointers(Case& t) {
    const auto call_without_stack = [](cap::Ring&, void*) -> std::uint64_t {
        asm volatile(
            "movq %%rsp, %%rbx; movq %[odd], %%rsp; xorl %%edi, %%edi; movl $0x40, %%r12d;"
            "1: xorl %%eax, %%eax; movl $3, %%esi; syscall; movl $100000, %%ecx; 2: decl %%ecx; jnz 2b;"
            "decl %%r12d; jnz 1b; movq %%rbx, %%rsp"
            :
            : [odd] "r"(0xffff'8000'0000'1000)
            : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r11", "r12", "memory");
        return 0;
    };
    const auto first = MUST(t, Sibling::start(t.env, call_without_stack, nullptr, {.affinity = only(0)}));
    const auto second = MUST(t, Sibling::start(t.env, call_without_stack, nullptr, {.affinity = only(0)}));
    REQUIRE(t, first.wait() && second.wait());
    REQUIRE_EQUAL(t, MUST(t, first->status()).word.cause(), abi::Cause::kExited);
    REQUIRE_EQUAL(t, MUST(t, second->status()).word.cause(), abi::Cause::kExited);
}

constexpr Entry kOthers[] = {
    {"one_of_several_threads", one_of_several_threads},
    {"nowhere_to_start", nowhere_to_start},
    {"odd_stack_pointers", odd_stack_pointers},
};

template <std::size_t... Numbers>
constexpr auto all_cases(std::index_sequence<Numbers...>) {
    std::array<Entry, sizeof...(Numbers) + std::size(kOthers)> cases = {
        Entry{kFaults[Numbers].name, fault<Numbers>}...};
    std::ranges::copy(kOthers, cases.begin() + sizeof...(Numbers));
    return cases;
}

constexpr auto kCases = all_cases(std::make_index_sequence<std::size(kFaults)>());

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "faults", kCases); }
