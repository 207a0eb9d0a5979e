// SPDX-License-Identifier: MIT
//
// Objects that hold some of another's frames: docs/abi.md, "Memory".
#include "suite.hpp"
#include "support/child.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"

namespace {

using namespace test;
using abi::Error;

constexpr std::uint64_t kPage = abi::kPageSize;
constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite;

std::uint64_t& word_at(std::uint64_t address) { return *reinterpret_cast<std::uint64_t*>(address); }

void same_frames(Case& t) {
    const Owned whole(MUST(t, t.env.process.create_memory(8)));
    const Owned part(MUST(t, whole->split(3, 4)));
    REQUIRE_EQUAL(t, MUST(t, part->pages()), 4u);
    REQUIRE_EQUAL(t, MUST(t, part->resident_pages()), 4u);
    const std::uint64_t all = MUST(t, t.env.space.reserve(8));
    const std::uint64_t some = MUST(t, t.env.space.reserve(4));
    REQUIRE_OK(t, t.env.process.map(*whole, all, 0, 8, kReadWrite));
    REQUIRE_OK(t, t.env.process.map(*part, some, 0, 4, kReadWrite));
    for (std::uint64_t page = 0; page < 4; ++page) {
        word_at(some + page * kPage) = 70 + page;
        REQUIRE_EQUAL(t, word_at(all + (3 + page) * kPage), 70 + page);
    }
    // The page behind the part is not the part's.
    REQUIRE_ERROR(t, t.env.process.map(*part, some, 4, 1, abi::kRead), Error::kBadArgument);
    REQUIRE_OK(t, t.env.process.unmap(all, 8));
    REQUIRE_OK(t, t.env.process.unmap(some, 4));
}

void refused(Case& t) {
    const Owned whole(MUST(t, t.env.process.create_memory(8)));
    struct Range {
        std::uint64_t first, pages;
    };
    for (const Range range : {Range{0, 0}, Range{0, 9}, Range{8, 1}, Range{7, 2}, Range{~0ull, 1},
                              Range{1, ~0ull}, Range{~0ull, ~0ull}, Range{1ull << 52, 1}}) {
        REQUIRE_ERROR(t, whole->split(range.first, range.pages), Error::kBadArgument);
        REQUIRE_EQUAL(t, by_ring(t.env, {abi::Op::kSplit, whole->slot(), {range.first, range.pages}}),
                      Error::kBadArgument);
        REQUIRE_EQUAL(t, by_call({abi::Op::kPin, whole->slot(), {range.first, range.pages}}),
                      Error::kBadArgument);
    }
    const Owned large(MUST(t, t.env.process.create_memory(abi::kMaxPagesPerCall + 1)));
    REQUIRE_EQUAL(t, by_call({abi::Op::kPin, large->slot(), {0, abi::kMaxPagesPerCall + 1}}),
                  Error::kBadArgument);
    REQUIRE_OK(t, large->pin(0, abi::kMaxPagesPerCall + 1));
    const auto writer = MUST(t, derive(*whole, abi::kWrite));
    REQUIRE_ERROR(t, writer->split(0, 1), Error::kNoRight);
    REQUIRE_ERROR(t, writer->pin(0, 1), Error::kNoRight);
}

// A part of what one may only read may only be read, for all times and by whatever way.
void no_more_rights(Case& t) {
    const Owned whole(MUST(t, t.env.process.create_memory(2)));
    const std::uint64_t address = MUST(t, t.env.space.reserve(1));
    for (abi::Rights rights = abi::kRead; rights <= abi::kAllRights; rights += 2) {
        const auto limited = MUST(t, derive(*whole, rights));
        const Owned part(MUST(t, limited->split(1, 1)));
        REQUIRE_EQUAL(t, MUST(t, part->identify()).rights, rights);
        REQUIRE_EQUAL(t, error_of(t.env.process.map(*part, address, 0, 1, kReadWrite)),
                      (rights & abi::kWrite) != 0 ? Error::kOk : Error::kNoRight);
        REQUIRE_OK(t, t.env.process.unmap(address, 1));
    }
}

// Each keeps the frames that it names, whichever goes first; parts have parts.
void outlives(Case& t) {
    const std::uint64_t address = MUST(t, t.env.space.reserve(1));
    Owned inner = Owned<cap::Memory>();
    {
        const Owned whole(MUST(t, t.env.process.create_memory(600)));
        const Owned part(MUST(t, whole->split(500, 100)));
        inner = Owned(MUST(t, part->split(99, 1)));
        const std::uint64_t all = MUST(t, t.env.space.reserve(1));
        REQUIRE_OK(t, t.env.process.map(*whole, all, 599, 1, kReadWrite));
        word_at(all) = 4711;
        REQUIRE_OK(t, t.env.process.unmap(all, 1));
    }
    // Frames that were freed by mistake would be taken, and zeroed, now.
    const Owned others(MUST(t, t.env.process.create_memory(600)));
    REQUIRE_OK(t, t.env.process.map(*inner, address, 0, 1, abi::kRead));
    REQUIRE_EQUAL(t, word_at(address), 4711u);
    REQUIRE_OK(t, t.env.process.unmap(address, 1));
}

constexpr Entry kCases[] = {
    {"same_frames", same_frames},
    {"refused", refused},
    {"no_more_rights", no_more_rights},
    {"outlives", outlives},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "memory_split", kCases); }
