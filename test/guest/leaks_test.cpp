// SPDX-License-Identifier: MIT
//
// What a program can see of what is not its own: addresses of the kernel, and what another process had in memory and registers.
// docs/security.md. (Floating-point and vector registers: test/guest/fpu_test.cpp.)
#include "support/leaks.hpp"
#include "abi/stats.hpp"
#include "cap/sched_domain.hpp"
#include "suite.hpp"
#include "support/child.hpp"
#include "support/domain_server.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/raw_call.hpp"
#include "support/sibling.hpp"

#include <bit>

namespace {

using namespace test;
using abi::Op;

constexpr std::uint64_t kPattern = 0xa5a5'5a5a'c3c3'3c3c;

// In the kernel's half, and neither an error nor all ones.
constexpr bool leaks(std::uint64_t word) {
    return word >= 0xffff'8000'0000'0000 && word < static_cast<std::uint64_t>(-4096);
}

std::uint64_t kernel_addresses(std::uint64_t address, std::uint64_t bytes) {
    std::uint64_t count = 0;
    for (std::uint64_t at = address; at < address + bytes; at += 8) {
        const auto word = *reinterpret_cast<const volatile std::uint64_t*>(at);
        count += leaks(word);
    }
    return count;
}

// A call on `slot` with a number in every register -> the first register that holds an address of the kernel's, or ~0.
std::uint64_t leaking_register(abi::CapSlot slot, std::uint64_t op) {
    RawCall block{};
    auto* words = reinterpret_cast<std::uint64_t*>(&block);
    std::fill_n(words, sizeof block / 8, kPattern >> 16);
    block.rflags = RawCall::kPlain;
    block.rax = 0;
    block.rdi = slot.raw();
    block.rsi = op;
    raw_call(&block);
    for (std::size_t i = 0; i < sizeof block / 8; ++i) {
        if (leaks(words[i])) {
            return i;
        }
    }
    return ~0ull;
}

// What comes back in registers is a result, or what was in them: of every operation when it is refused, and of those that answer.
void registers_after_calls(Case& t) {
    const cap::Capability objects[] = {t.env.process,
                                       t.env.thread,
                                       cap::Capability(*t.env.find_slot("archive")),
                                       t.env.log,
                                       cap::Capability(*t.env.find_slot("domain")),
                                       t.machine};
    using enum Op;
    constexpr Op kAnswers[] = {kIdentify, kNop,     kGetRef,   kGetStatus,  kGetSize,
                               kPollBits, kGetCpus, kCpuStats, kWakeLedger, kSignal};
    for (const cap::Capability object : objects) {
        const auto bare = MUST(t, derive(object, 0));
        for (std::uint64_t op = 0; op < 0x1000; ++op) {
            if (op % 256 < 16 && op != static_cast<std::uint64_t>(kDrop)) {
                REQUIRE_EQUAL(t, leaking_register(bare->slot(), op), ~0ull);
            }
        }
        for (const Op op : kAnswers) {
            REQUIRE_EQUAL(t, leaking_register(object.slot(), static_cast<std::uint64_t>(op)), ~0ull);
        }
    }
}

// A new thread's registers hold what docs/abi.md says: its argument, its stack; else 0.
void registers_of_a_thread(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const std::uint64_t page = MUST(t, t.env.space.reserve(1));
    REQUIRE_OK(t, t.env.process.map(*memory, page, 0, 1, abi::kRead | abi::kWrite));
    const std::uint64_t ring = MUST(t, t.env.space.reserve(abi::kRingPages));
    for (int round = 0; round < 20; ++round) {
        auto* seen = reinterpret_cast<FirstRegisters*>(page);
        *seen = {};
        const abi::ThreadParams params{.entry = reinterpret_cast<std::uint64_t>(&store_first_registers),
                                       .stack = page + abi::kPageSize,
                                       .argument = page,
                                       .ring_address = ring,
                                       .fs_base = 0,
                                       .affinity = 0,
                                       .label = 0,
                                       .first_cpu = t.cpus() - 1};
        const Owned thread(MUST(t, t.env.process.create_thread(params)));
        REQUIRE_EQUAL(t, kernel_addresses(ring, abi::kRingPages * abi::kPageSize), 0u);
        REQUIRE_OK(t, thread->start());
        REQUIRE_OK(t, thread->join(t.env.ring, patience_ns));
        REQUIRE_EQUAL(t, seen->rsp, params.stack);
        for (const std::uint64_t word : seen->zero) {
            REQUIRE_EQUAL(t, word, 0u);
        }
        REQUIRE_EQUAL(t, seen->rflags & RawCall::kUserFlags, 0u);
        REQUIRE_OK(t, t.env.process.unmap(ring, abi::kRingPages));
    }
}

// What the kernel copies out fills its place and no more, and holds no address of the kernel's.
void structures(Case& t) {
    struct Row {
        Op op;
        abi::CapSlot slot;
        std::uint64_t line, bytes;
        bool second;  // the address is the second argument
    };
    const auto domain = *t.env.find_slot("domain");
    const Row rows[] = {{Op::kGetStatus, t.env.thread.slot(), 0, sizeof(abi::StatusLine), false},
                        {Op::kCpuStats, t.machine.slot(), 0, sizeof(abi::CpuStats), true},
                        {Op::kWakeLedger, domain, 0, sizeof(abi::WakeLedger), true},
                        {Op::kWakeLedger, domain, abi::kGoneThreads, sizeof(abi::WakeLedger), true}};
    for (const Row& row : rows) {
        std::array<std::uint64_t, 64> first, second;
        first.fill(kPattern);
        second.fill(~kPattern);
        for (auto* buffer : {&first, &second}) {
            const auto address = reinterpret_cast<std::uint64_t>(buffer->data());
            REQUIRE_EQUAL(
                t, error_of(cap::cap_call(row.slot, row.op, row.second ? row.line : address, address).result),
                abi::Error::kOk);
        }
        for (std::uint64_t i = 0; i < first.size(); ++i) {
            const bool written = i < row.bytes / 8;
            // A word that was left alone would show both patterns.
            REQUIRE(t, written ? first[i] != kPattern || second[i] != ~kPattern
                               : first[i] == kPattern && second[i] == ~kPattern);
            REQUIRE(t, !written || !leaks(first[i]));
        }
    }
}

// Pages that the kernel shares: the own ring, the status table, the event rings, StartInfo.
void shared_pages(Case& t) {
    Owned bell(MUST(t, t.env.process.create_notification()));
    const std::array<std::uint64_t, 4> one = {0, 0x7fff'ffff'ffff, 0xffff'ffff'8020'0000, ~0ull};
    REQUIRE_EQUAL(t, kernel_addresses(reinterpret_cast<std::uint64_t>(one.data()), sizeof one), 1u);
    (void)by_ring(t.env, {Op::kNop, bell->slot(), {1}});
    (void)by_ring(t.env, {Op::kGetStatus, t.env.thread.slot(), {8}});
    REQUIRE_EQUAL(t, kernel_addresses(t.env.info.ring_address, abi::kRingPages * abi::kPageSize), 0u);
    REQUIRE_EQUAL(t, kernel_addresses(reinterpret_cast<std::uint64_t>(&t.env.info), abi::kPageSize), 0u);
    DomainServer server(t);
    REQUIRE(t, !t.failed());
    const auto thread =
        MUST(t, Sibling::start(t.env, [](cap::Ring&, void*) -> std::uint64_t { return 0; }, nullptr));
    REQUIRE(t, thread.wait());
    REQUIRE_EQUAL(t, kernel_addresses(server.table_address(), abi::kStatusTablePages * abi::kPageSize), 0u);
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        REQUIRE_EQUAL(
            t, kernel_addresses(server.agent(cpu).ring_address, abi::kEventRingPages * abi::kPageSize), 0u);
    }
}

// Takes memory, some on demand, then until there is none -> how many of its words are the pattern; all that it took is given back.
class Search {
public:
    explicit Search(const cap::Env& env) : env_(env) {}

    [[nodiscard]] cap::Result<std::uint64_t> count() {
        const std::uint64_t address = TRY(env_.space.reserve(abi::kMaxPagesPerCall));
        std::array<cap::Memory, 256> held;
        std::size_t taken = 0;
        std::uint64_t found = 0;
        while (taken < held.size()) {
            const auto memory = taken < kOnDemand
                                    ? env_.process.create_memory_on_demand(abi::kMaxPagesPerCall)
                                    : env_.process.create_memory(abi::kMaxPagesPerCall);
            if (!memory) break;
            held[taken++] = *memory;
            found += TRY(count_in(*memory, address, abi::kMaxPagesPerCall));
        }
        while (taken != 0) held[--taken].drop();
        return found;
    }
    [[nodiscard]] cap::Result<std::uint64_t> count_in(cap::Memory memory, std::uint64_t address,
                                                      std::uint64_t pages) {
        TRY(env_.process.map(memory, address, 0, pages, abi::kRead));
        std::uint64_t found = 0;
        for (std::uint64_t at = address; at < address + pages * abi::kPageSize; at += 8) {
            found += *reinterpret_cast<const std::uint64_t*>(at) == kPattern;
        }
        TRY(env_.process.unmap(address, pages));
        return found;
    }

private:
    static constexpr std::size_t kOnDemand = 12;  // of the 32 objects or so that there is memory for

    const cap::Env& env_;
};

// A process fills memory, its stack and its ring with a pattern and dies: none of it is ever seen again. What still is there,
// in the object that both have, is found.
void reused_frames(Case& t) {
    constexpr std::uint64_t kSharedPages = 4;
    const Owned shared(MUST(t, t.env.process.create_memory(kSharedPages)));
    const std::uint64_t address = MUST(t, t.env.space.reserve(kSharedPages));
    Search search(t.env);
    for (const bool killed : {false, true}) {
        const cap::GivenCap caps[] = {{"shared", shared->slot(), abi::kRead | abi::kWrite}};
        cap::LineBuffer<64> arguments;
        arguments.print("mode={} value={}", killed ? "fill_and_spin" : "fill", kPattern);
        const auto child = MUST(t, Child::create(t.env, arguments.view(), {.caps = caps}));
        REQUIRE_OK(t, child->thread.start());
        const auto found = [&] {
            return search.count_in(*shared, address, kSharedPages).value_or(0) == kSharedPages * 512;
        };
        REQUIRE(t, eventually(t.env.clock, found));  // it fills that last; and the search finds what there is
        if (killed) {
            REQUIRE_OK(t, child->process.kill(0));
        }
        REQUIRE_OK(t, child.wait(t.env));
        REQUIRE_EQUAL(t, MUST(t, search.count()), 0u);
        REQUIRE_OK(t, t.env.process.map(*shared, address, 0, kSharedPages, abi::kRead | abi::kWrite));
        std::fill_n(reinterpret_cast<std::uint64_t*>(address), kSharedPages * 512, 0);
        REQUIRE_OK(t, t.env.process.unmap(address, kSharedPages));
    }
}

constexpr Entry kCases[] = {
    {"registers_after_calls", registers_after_calls},
    {"registers_of_a_thread", registers_of_a_thread},
    {"structures", structures},
    {"shared_pages", shared_pages},
    {"reused_frames", reused_frames},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "leaks", kCases); }
