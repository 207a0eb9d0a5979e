// SPDX-License-Identifier: MIT
//
// Quirk `pvm`: a jump to the address in LSTAR with RCX and R11 as `syscall` leaves them is a call, as it is on a host whose
// KVM stays in user mode there; and nothing in those registers is trusted. `lstar=` of the command line has the address.
// Without `quirk=pvm` (the argument quirk is missing) the same jump ends the thread.
#include "suite.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;

constexpr std::uint64_t kInterrupts = 0x200, kIoPrivilege = 0x3000, kNested = 0x4000, kAlways = 2;
constexpr std::uint64_t kAlignmentCheck = 0x40000, kId = 0x200000, kTrap = 0x100, kDirection = 0x400;

std::uint64_t number(const Case& t, std::string_view key) {
    const auto text = cox::core::CommandLine(t.env.arguments()).find(key);
    return text ? cox::core::parse_u64(*text).value_or(0) : 0;
}

struct Jump {
    std::uint64_t to;
    std::uint64_t flags = kAlways | kInterrupts;
    std::uint64_t back = 0;  // 0: to the next instruction
};

struct Result {
    std::uint64_t rax, rdx, flags;
};

Result call_by_jump(const Jump& jump, abi::Call call, std::uint64_t first, std::uint64_t second,
                    std::uint64_t third = 0) {
    Result r{static_cast<std::uint64_t>(call), third, 0};
    asm volatile(
        "leaq 1f(%%rip), %%rcx; testq %[back], %[back]; cmovneq %[back], %%rcx; movq %[with], %%r11; jmpq "
        "*%[to];"
        "1: leaq -128(%%rsp), %%rsp; pushfq; popq %[after]; leaq 128(%%rsp), %%rsp; cld"
        : "+a"(r.rax), "+d"(r.rdx), [after] "=&r"(r.flags)
        : "D"(first), "S"(second), [back] "r"(jump.back), [with] "r"(jump.flags), [to] "r"(jump.to)
        : "rcx", "r11", "memory", "cc");
    return r;
}

Result nop_by_jump(const Case& t, const Jump& jump) {
    return call_by_jump(jump, abi::Call::kCapCall, t.env.log.slot().raw(),
                        static_cast<std::uint64_t>(abi::Op::kNop), 4711);
}

void a_call(Case& t) {
    const Jump jump{number(t, "lstar")};
    for (int i = 0; i < 1000; ++i) {
        REQUIRE_EQUAL(t, nop_by_jump(t, jump).rax, 4711);
    }
    const auto refused = call_by_jump(jump, static_cast<abi::Call>(99), 0, 0);
    REQUIRE_EQUAL(t, static_cast<std::int64_t>(refused.rax), static_cast<std::int64_t>(abi::Error::kBadCall));
}

void a_wait(Case& t) {
    const std::uint64_t before = t.env.clock.now_ns();
    const auto timed_out = call_by_jump({number(t, "lstar")}, abi::Call::kCapEnter, 1, 2'000'000);
    REQUIRE_EQUAL(t, static_cast<std::int64_t>(timed_out.rax),
                  static_cast<std::int64_t>(abi::Error::kTimedOut));
    REQUIRE(t, t.env.clock.now_ns() - before >= 2'000'000);
}

void flags_of_a_user_alone(Case& t) {
    const std::uint64_t lstar = number(t, "lstar");
    for (const std::uint64_t bad :
         {kIoPrivilege, kNested, kTrap, std::uint64_t{1} << 17, ~std::uint64_t{0}}) {
        const auto r = nop_by_jump(t, {lstar, kAlways | (bad & ~kAlignmentCheck)});  // and without IF
        REQUIRE_EQUAL(t, r.rax, 4711);
        REQUIRE_EQUAL(t, r.flags & (kIoPrivilege | kNested | kTrap), 0);
        REQUIRE(t, r.flags & kInterrupts);
    }
    REQUIRE(t, nop_by_jump(t, {lstar, kDirection | kId}).flags & kId);
}

struct Attempt {
    const Case& t;
    Jump jump;
};

std::uint64_t jump_once(cap::Ring&, void* argument) {
    const Attempt& attempt = *static_cast<const Attempt*>(argument);
    (void)nop_by_jump(attempt.t, attempt.jump);
    return 0;
}

void ends_the_thread(Case& t, const Jump& jump) {
    Attempt attempt{t, jump};
    const auto thread = MUST(t, Sibling::start(t.env, jump_once, &attempt));
    REQUIRE(t, thread.wait());
    REQUIRE_EQUAL(t, thread.word().cause(), abi::Cause::kFaulted);
}

void a_return_to_nowhere(Case& t) {
    const std::uint64_t lstar = number(t, "lstar");
    for (const std::uint64_t back :
         {std::uint64_t{1} << 47, std::uint64_t{1} << 63, lstar + 4, ~std::uint64_t{0}}) {
        ends_the_thread(t, {lstar, kAlways, back});
    }
}

void beside_the_entry(Case& t) {
    for (const int offset : {-1, 1, 64}) {
        ends_the_thread(t, {number(t, "lstar") + static_cast<std::uint64_t>(offset)});
    }
}

void without_the_quirk(Case& t) { ends_the_thread(t, {number(t, "lstar")}); }

constexpr Entry kWith[] = {
    {"a_call", a_call},
    {"a_wait", a_wait},
    {"flags_of_a_user_alone", flags_of_a_user_alone},
    {"a_return_to_nowhere", a_return_to_nowhere},
    {"beside_the_entry", beside_the_entry},
};
constexpr Entry kWithout[] = {{"without_the_quirk", without_the_quirk},
                              {"beside_the_entry", beside_the_entry}};

}  // namespace

int cap_main(const cap::Env& env) {
    const bool with = cox::core::CommandLine(env.arguments()).find("quirk") == "pvm";
    return test::run(env, "syscall_fault", with ? std::span<const Entry>(kWith) : kWithout);
}
