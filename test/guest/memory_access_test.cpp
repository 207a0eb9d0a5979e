// SPDX-License-Identifier: MIT
//
// What pages allow is enforced, in the process that touches them and on every CPU at once: docs/abi.md, "Memory".
#include "suite.hpp"
#include "support/child.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <atomic>
#include <optional>

namespace {

using namespace test;
using abi::Error;

constexpr std::uint64_t kPage = abi::kPageSize;
constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite;
constexpr abi::Rights kReadExecute = abi::kRead | abi::kExecute;
constexpr std::uint64_t kThere = 0x4000'0000;  // free in test/child
constexpr std::uint8_t kReturn = 0xc3;         // the instruction ret

enum class Touch : std::uint8_t { kRead, kWrite, kCall };

constexpr std::string_view kTouches[] = {"mode=read value=0x40000000", "mode=write value=0x40000000",
                                         "mode=call value=0x40000000"};

// A page of `ret` instructions.
cap::Result<cap::Memory> code_page(const cap::Env& env) {
    const cap::Memory memory = TRY(env.process.create_memory(1));
    const std::uint64_t address = TRY(env.space.reserve(1));
    TRY(env.process.map(memory, address, 0, 1, kReadWrite));
    __builtin_memset(reinterpret_cast<void*>(address), kReturn, kPage);
    TRY(env.process.unmap(address, 1));
    return memory;
}

// A child touches a page that was mapped with `mapped` and then protected with `access`.
void each_access(Case& t) {
    for (const abi::Rights mapped : {abi::kRead, kReadWrite, kReadExecute}) {
        for (const abi::Rights access : {abi::kRead, kReadWrite, kReadExecute}) {
            for (const Touch touch : {Touch::kRead, Touch::kWrite, Touch::kCall}) {
                const Owned memory(MUST(t, code_page(t.env)));
                const auto child = MUST(t, Child::create(t.env, kTouches[static_cast<int>(touch)]));
                REQUIRE_OK(t, child->process.map(*memory, kThere, 0, 1, mapped));
                REQUIRE_OK(t, child->process.protect(kThere, 1, access));
                const bool allowed = touch == Touch::kRead ||
                                     (access & (touch == Touch::kWrite ? abi::kWrite : abi::kExecute)) != 0;
                REQUIRE_EQUAL(t, MUST(t, child.run(t.env)), allowed ? kDoneExitCode : kFaultExitCode);
            }
        }
    }
}

void unmapped_again(Case& t) {
    const Owned memory(MUST(t, code_page(t.env)));
    for (const std::string_view touch : kTouches) {
        const auto child = MUST(t, Child::create(t.env, touch));
        REQUIRE_OK(t, child->process.map(*memory, kThere, 0, 1, kReadExecute));
        REQUIRE_OK(t, child->process.unmap(kThere, 1));
        REQUIRE_EQUAL(t, MUST(t, child.run(t.env)), kFaultExitCode);
    }
}

// Its own code, data and stack are what the program's segments say.
void own_segments(Case& t) {
    REQUIRE_ERROR(t, t.env.process.protect(0x7000'0000, 1, kReadWrite), Error::kNoRight);
    const auto start_info = MUST(t, Child::start(t.env, "mode=write value=0x70000000"));
    REQUIRE_EQUAL(t, MUST(t, start_info.wait(t.env)), kFaultExitCode);
    const auto header = MUST(t, Child::start(t.env, "mode=write value=0x400000"));
    REQUIRE_EQUAL(t, MUST(t, header.wait(t.env)), kFaultExitCode);
    const auto stack = MUST(t, Child::start(t.env, "mode=call value=0x7efffff0"));
    REQUIRE_EQUAL(t, MUST(t, stack.wait(t.env)), kFaultExitCode);
    const auto archive = reinterpret_cast<std::uint64_t>(t.env.archive().data());
    REQUIRE_ERROR(t, t.env.process.protect(archive, 1, kReadWrite), Error::kNoRight);
    REQUIRE_ERROR(t, t.env.process.protect(archive, 1, kReadExecute), Error::kNoRight);
}

// The last pair of bytes that users can have: the system call in it works, what follows it is not there.
void call_at_the_end(Case& t) {
    constexpr std::uint64_t kLast = abi::kUserTop - 2 * kPage;
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const std::uint64_t here = MUST(t, t.env.space.reserve(1));
    REQUIRE_OK(t, t.env.process.map(*memory, here, 0, 1, kReadWrite));
    const std::uint8_t code[] = {0x0f, 0x05};  // syscall
    __builtin_memcpy(reinterpret_cast<void*>(here + kPage - sizeof code), code, sizeof code);
    REQUIRE_OK(t, t.env.process.unmap(here, 1));
    const auto child = MUST(t, Child::create(t.env, "mode=call value=0x7fffffffdffe"));
    REQUIRE_OK(t, child->process.map(*memory, kLast, 0, 1, kReadExecute));
    REQUIRE_EQUAL(t, MUST(t, child.run(t.env)), kFaultExitCode);
}

std::uint64_t count(cap::Ring&, void* argument) {
    auto& counter = *static_cast<std::atomic<std::uint64_t>*>(argument);
    for (;;) {
        counter.fetch_add(1, std::memory_order_relaxed);
    }
}

// When the call returns, no CPU writes through the mapping any more. The writers fault, and only they.
void shootdown(Case& t, bool unmap) {
    for (std::uint32_t round = 0; round < 8; ++round) {
        const Owned memory(MUST(t, t.env.process.create_memory(1)));
        const std::uint64_t theirs = MUST(t, t.env.space.reserve(1));
        const std::uint64_t mine = MUST(t, t.env.space.reserve(1));
        REQUIRE_OK(t, t.env.process.map(*memory, theirs, 0, 1, kReadWrite));
        REQUIRE_OK(t, t.env.process.map(*memory, mine, 0, 1, abi::kRead));
        const auto& counter = *reinterpret_cast<const std::atomic<std::uint64_t>*>(mine);
        const auto writer = MUST(t, Sibling::start(t.env, count, reinterpret_cast<void*>(theirs),
                                                   {.affinity = only(round % t.cpus())}));
        REQUIRE(t, eventually(t.env.clock, [&] { return counter.load() > 1000; }));
        if (unmap) {
            REQUIRE_OK(t, t.env.process.unmap(theirs, 1));
        } else {
            REQUIRE_OK(t, t.env.process.protect(theirs, 1, abi::kRead));
        }
        const std::uint64_t last = counter.load();
        REQUIRE(t, writer.wait());
        REQUIRE_EQUAL(t, MUST(t, writer->status()).word.cause(), abi::Cause::kFaulted);
        REQUIRE_EQUAL(t, counter.load(), last);
        REQUIRE_OK(t, t.env.process.unmap(theirs, 1));
        REQUIRE_OK(t, t.env.process.unmap(mine, 1));
    }
}

void unmap_reaches_all_cpus(Case& t) { shootdown(t, true); }
void protect_reaches_all_cpus(Case& t) { shootdown(t, false); }

// Two CPUs unmap in the same space at the same time: each serves the other's shootdown while it waits.
void crossing_shootdowns(Case& t) {
    struct Shared {
        const cap::Env& env;
        cap::Memory memory;
        std::atomic<std::uint64_t> failures{0};
        std::atomic<std::uint64_t> ended{0};
    };
    const Owned memory(MUST(t, t.env.process.create_memory(4)));
    Shared shared{t.env, *memory};
    const auto work = [](cap::Ring&, void* argument) -> std::uint64_t {
        auto& s = *static_cast<Shared*>(argument);
        const auto address = s.env.space.reserve(4);
        for (int i = 0; address && i < 100; ++i) {
            const bool done = s.env.process.map(s.memory, *address, 0, 4, kReadWrite) &&
                              s.env.process.protect(*address, 4, abi::kRead) &&
                              s.env.process.unmap(*address, 4);
            s.failures += done ? 0 : 1;
        }
        ++s.ended;
        return 0;
    };
    std::array<std::optional<Sibling>, 64> siblings;
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        siblings[cpu].emplace(MUST(t, Sibling::start(t.env, work, &shared, {.affinity = only(cpu)})));
    }
    REQUIRE(t, eventually(t.env.clock, [&] { return shared.ended == t.cpus(); }));
    REQUIRE_EQUAL(t, shared.failures.load(), 0u);
}

constexpr Entry kCases[] = {
    {"each_access", each_access},
    {"unmapped_again", unmapped_again},
    {"own_segments", own_segments},
    {"call_at_the_end", call_at_the_end},
    {"unmap_reaches_all_cpus", unmap_reaches_all_cpus},
    {"protect_reaches_all_cpus", protect_reaches_all_cpus},
    {"crossing_shootdowns", crossing_shootdowns},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "memory_access", kCases); }
