// SPDX-License-Identifier: MIT
//
// Memory whose frames come with their first use, by whatever way it is used; and threads of several CPUs that are the first at once.
// docs/abi.md, "Memory".
#include "suite.hpp"
#include "support/child.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <array>
#include <atomic>
#include <optional>

namespace {

using namespace test;
using abi::Error;

constexpr std::uint64_t kPage = abi::kPageSize;
constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite;

std::uint64_t& word_at(std::uint64_t address) { return *reinterpret_cast<std::uint64_t*>(address); }

struct Window {
    Owned<cap::Memory> memory;
    std::uint64_t address = 0;

    // All of a new object, mapped.
    static cap::Result<Window> make(const cap::Env& env, std::uint64_t pages,
                                    abi::Rights access = kReadWrite) {
        Window made;
        made.memory = Owned(TRY(env.process.create_memory_on_demand(pages)));
        made.address = TRY(env.space.reserve(pages));
        TRY(env.process.map(*made.memory, made.address, 0, pages, access));
        return made;
    }
    [[nodiscard]] std::uint64_t resident() const { return memory->resident_pages().value_or(~0ull); }
};

void create(Case& t) {
    for (const std::uint64_t pages : {std::uint64_t{0}, abi::kMaxPagesPerObject + 1, ~std::uint64_t{0}}) {
        REQUIRE_ERROR(t, t.env.process.create_memory_on_demand(pages), Error::kBadArgument);
    }
    for (const std::uint64_t pages : {std::uint64_t{1}, std::uint64_t{513}, abi::kMaxPagesPerObject}) {
        const Owned memory(MUST(t, t.env.process.create_memory_on_demand(pages)));
        REQUIRE_EQUAL(t, MUST(t, memory->pages()), pages);
        REQUIRE_EQUAL(t, MUST(t, memory->resident_pages()), 0u);
    }
    const Owned plain(MUST(t, t.env.process.create_memory(3)));
    REQUIRE_EQUAL(t, MUST(t, plain->resident_pages()), 3u);
}

void first_use(Case& t) {
    constexpr std::uint64_t kPages = 600;
    const auto window = MUST(t, Window::make(t.env, kPages));
    REQUIRE_EQUAL(t, window.resident(), 0u);
    std::uint64_t used = 0;
    for (std::uint64_t page = 0; page < kPages; page += 7) {
        const std::uint64_t at = window.address + page * kPage + 8 * (page % 512);
        if (page % 2 == 0) {
            REQUIRE_EQUAL(t, word_at(at), 0u);
        }
        word_at(at) = page + 1;
        REQUIRE_EQUAL(t, window.resident(), ++used);
    }
    for (std::uint64_t page = 0; page < kPages; page += 7) {
        REQUIRE_EQUAL(t, word_at(window.address + page * kPage + 8 * (page % 512)), page + 1);
    }
    REQUIRE_OK(t, t.env.process.unmap(window.address, kPages));
    // What it has, it keeps; and what it has not, it gets by another mapping as well.
    REQUIRE_OK(t, t.env.process.map(*window.memory, window.address, 0, kPages, abi::kRead));
    REQUIRE_EQUAL(t, word_at(window.address + 7 * kPage + 56), 8u);
    REQUIRE_EQUAL(t, word_at(window.address + kPage), 0u);
    REQUIRE_EQUAL(t, window.resident(), used + 1);
    REQUIRE_OK(t, t.env.process.unmap(window.address, kPages));
}

// Two mappings show the same frame, whichever is the first to be used.
void shared(Case& t) {
    const auto window = MUST(t, Window::make(t.env, 2));
    const std::uint64_t other = MUST(t, t.env.space.reserve(2));
    REQUIRE_OK(t, t.env.process.map(*window.memory, other, 0, 2, abi::kRead));
    REQUIRE_EQUAL(t, word_at(other), 0u);
    word_at(window.address) = 5;
    REQUIRE_EQUAL(t, word_at(other), 5u);
    word_at(window.address + kPage) = 6;
    REQUIRE_EQUAL(t, word_at(other + kPage), 6u);
    REQUIRE_EQUAL(t, window.resident(), 2u);
    REQUIRE_OK(t, t.env.process.unmap(other, 2));
    REQUIRE_OK(t, t.env.process.unmap(window.address, 2));
}

// The kernel uses it for the program: as a buffer, as a word to park on, as a ring.
void used_by_the_kernel(Case& t) {
    const auto window = MUST(t, Window::make(t.env, 8));
    REQUIRE_EQUAL(t, by_call({abi::Op::kGetStatus, t.env.thread.slot(), {window.address + kPage - 8}}),
                  Error::kOk);
    REQUIRE_EQUAL(t, window.resident(), 2u);
    const auto process = t.env.process.slot();
    REQUIRE_EQUAL(t, by_call({abi::Op::kPark, process, {window.address + 2 * kPage, 1, abi::kForever}}),
                  Error::kValueChanged);
    REQUIRE_EQUAL(t, window.resident(), 3u);
    REQUIRE_EQUAL(t, by_call({abi::Op::kParkShared, window.memory->slot(), {3 * kPage, 1, abi::kForever}}),
                  Error::kValueChanged);
    REQUIRE_EQUAL(t, window.resident(), 4u);
    abi::ThreadParams params{};
    params.ring_address = window.address + 4 * kPage + abi::kRingInPlace;
    const Owned thread(MUST(t, t.env.process.create_thread(params)));
    REQUIRE_EQUAL(t, window.resident(), 7u);
    REQUIRE_OK(t, thread->kill(0));
    REQUIRE_EQUAL(t, by_call({abi::Op::kLogWrite, t.env.log.slot(), {window.address + 7 * kPage, 0}}),
                  Error::kOk);
    REQUIRE_EQUAL(t, window.resident(), 7u);  // nothing of it was read
    REQUIRE_OK(t, t.env.process.unmap(window.address, 8));
}

// Rights are those of any mapping, before and after the first use.
void protection(Case& t) {
    const auto window = MUST(t, Window::make(t.env, 2, abi::kRead));
    const auto line = [&](std::uint64_t page) {
        return by_call({abi::Op::kGetStatus, t.env.thread.slot(), {window.address + page * kPage}});
    };
    REQUIRE_EQUAL(t, line(0), Error::kBadAddress);
    REQUIRE_OK(t, t.env.process.protect(window.address, 2, kReadWrite));
    REQUIRE_EQUAL(t, line(1), Error::kOk);
    word_at(window.address) = 1;
    REQUIRE_OK(t, t.env.process.protect(window.address, 2, abi::kRead));
    REQUIRE_EQUAL(t, line(0), Error::kBadAddress);
    REQUIRE_OK(t, t.env.process.unmap(window.address, 2));
    const auto reader = MUST(t, derive(*window.memory, abi::kRead));
    const Owned fresh(MUST(t, t.env.process.create_memory_on_demand(1)));
    const auto fresh_reader = MUST(t, derive(*fresh, abi::kRead));
    REQUIRE_OK(t, t.env.process.map(*fresh_reader, window.address, 0, 1, abi::kRead));
    REQUIRE_ERROR(t, t.env.process.protect(window.address, 1, kReadWrite), Error::kNoRight);
    REQUIRE_ERROR(t, t.env.process.map(*fresh, window.address, 0, 1, abi::kRead), Error::kOverlap);
    REQUIRE_OK(t, t.env.process.unmap(window.address, 1));
    REQUIRE_EQUAL(t, MUST(t, fresh->resident_pages()), 0u);
}

// A child that uses what it may not ends as ever; what it may is there for it.
void in_a_child(Case& t) {
    constexpr std::uint64_t kPlace = 0x5000'0000;
    const Owned memory(MUST(t, t.env.process.create_memory_on_demand(3)));
    struct Row {
        std::string_view mode;
        std::uint64_t code, resident;
    };
    for (const Row row : {Row{"read", kDoneExitCode, 1}, Row{"write", kFaultExitCode, 1}}) {
        cap::LineBuffer<64> arguments;
        arguments.print("mode={} value={}", row.mode, kPlace);
        const auto child = MUST(t, Child::create(t.env, arguments.view(), {}));
        REQUIRE_OK(t, child->process.map(*memory, kPlace, 0, 3, abi::kRead));
        REQUIRE_EQUAL(t, MUST(t, child.run(t.env)), row.code);
        REQUIRE_EQUAL(t, MUST(t, memory->resident_pages()), row.resident);
    }
}

void pinned(Case& t) {
    const auto window = MUST(t, Window::make(t.env, 600));
    REQUIRE_OK(t, window.memory->pin(10, 20));
    REQUIRE_EQUAL(t, window.resident(), 20u);
    REQUIRE_OK(t, window.memory->pin(15, 20));
    REQUIRE_EQUAL(t, window.resident(), 25u);
    REQUIRE_OK(t, window.memory->pin(0, 600));
    REQUIRE_EQUAL(t, window.resident(), 600u);
    REQUIRE_EQUAL(t, word_at(window.address + 599 * kPage), 0u);
    REQUIRE_OK(t, t.env.process.unmap(window.address, 600));
}

// A part has all its frames.
void split(Case& t) {
    const auto window = MUST(t, Window::make(t.env, 8));
    word_at(window.address + 2 * kPage) = 3;
    const Owned part(MUST(t, window.memory->split(1, 4)));
    REQUIRE_EQUAL(t, window.resident(), 4u);
    const std::uint64_t there = MUST(t, t.env.space.reserve(4));
    REQUIRE_OK(t, t.env.process.map(*part, there, 0, 4, kReadWrite));
    REQUIRE_EQUAL(t, word_at(there + kPage), 3u);
    word_at(there) = 9;
    REQUIRE_EQUAL(t, word_at(window.address + kPage), 9u);
    REQUIRE_OK(t, t.env.process.unmap(there, 4));
    REQUIRE_OK(t, t.env.process.unmap(window.address, 8));
}

// The mapping keeps an object that nobody names any more: also for pages that were not used yet.
void mapping_outlives_object(Case& t) {
    auto window = MUST(t, Window::make(t.env, 3));
    word_at(window.address) = 1;
    window.memory = {};
    const Owned others(MUST(t, t.env.process.create_memory(4)));
    word_at(window.address + kPage) = 2;
    REQUIRE_EQUAL(t, word_at(window.address + 2 * kPage), 0u);
    REQUIRE_EQUAL(t, word_at(window.address), 1u);
    REQUIRE_EQUAL(t, word_at(window.address + kPage), 2u);
    REQUIRE_OK(t, t.env.process.unmap(window.address, 3));
}

// All CPUs come to the same new pages at once: nobody's store is lost in a frame of his own.
struct Crowd {
    static constexpr std::uint64_t kPages = 120;

    std::uint64_t address;
    std::uint64_t members;
    std::atomic<std::uint64_t> seats{0}, arrived{0}, left{0}, lost{0};
};

std::uint64_t rush(cap::Ring&, void* argument) {
    auto& crowd = *static_cast<Crowd*>(argument);
    const std::uint64_t seat = crowd.seats.fetch_add(1);
    for (std::uint64_t page = 0; page < Crowd::kPages; ++page) {
        crowd.arrived.fetch_add(1);
        while (crowd.arrived < (page + 1) * crowd.members) {
        }
        auto& mine = *reinterpret_cast<std::atomic<std::uint64_t>*>(crowd.address + page * kPage + 64 * seat);
        mine.store(page + 1);
        crowd.lost += mine.load() != page + 1;
    }
    crowd.left.fetch_add(1);
    return 0;
}

void all_at_once(Case& t) {
    for (int round = 0; round < 3; ++round) {
        const auto window = MUST(t, Window::make(t.env, Crowd::kPages));
        Crowd crowd{.address = window.address, .members = t.cpus()};
        std::array<std::optional<Sibling>, 8> threads;
        for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
            threads[cpu].emplace(MUST(t, Sibling::start(t.env, rush, &crowd, {.affinity = only(cpu)})));
        }
        REQUIRE(t, eventually(t.env.clock, [&] { return crowd.left == t.cpus(); }, 3 * patience_ns));
        std::uint64_t lost = crowd.lost;
        for (std::uint64_t page = 0; page < Crowd::kPages; ++page) {
            for (std::uint64_t seat = 0; seat < t.cpus(); ++seat) {
                lost += word_at(window.address + page * kPage + 64 * seat) != page + 1;
            }
        }
        REQUIRE_EQUAL(t, lost, 0u);
        REQUIRE_EQUAL(t, window.resident(), Crowd::kPages);
        REQUIRE_OK(t, t.env.process.unmap(window.address, Crowd::kPages));
    }
}

constexpr Entry kCases[] = {
    {"create", create},
    {"first_use", first_use},
    {"shared", shared},
    {"used_by_the_kernel", used_by_the_kernel},
    {"protection", protection},
    {"in_a_child", in_a_child},
    {"pinned", pinned},
    {"split", split},
    {"mapping_outlives_object", mapping_outlives_object},
    {"all_at_once", all_at_once},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "demand_zero", kCases); }
