// SPDX-License-Identifier: MIT
//
// Memory objects and mappings: docs/abi.md, "Memory".
#include "suite.hpp"
#include "support/child.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"

namespace {

using namespace test;
using abi::Error;

constexpr std::uint64_t kPage = abi::kPageSize;
constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite;
constexpr abi::Rights kReadExecute = abi::kRead | abi::kExecute;

// Without libcap's cutting into pieces.
Error map_raw(const cap::Process& process, cap::Memory memory, std::uint64_t address, std::uint64_t first,
              std::uint64_t pages, std::uint64_t access) {
    return by_call(
        {abi::Op::kMap, process.slot(), {memory.slot().raw(), address, first, abi::map_word(pages, access)}});
}

std::uint64_t& word_at(std::uint64_t address) { return *reinterpret_cast<std::uint64_t*>(address); }

void create(Case& t) {
    for (const std::uint64_t pages : {std::uint64_t{0}, abi::kMaxPagesPerObject + 1, ~std::uint64_t{0}}) {
        REQUIRE_ERROR(t, t.env.process.create_memory(pages), Error::kBadArgument);
    }
    for (const std::uint64_t pages :
         {std::uint64_t{1}, std::uint64_t{512}, std::uint64_t{513}, abi::kMaxPagesPerObject}) {
        const Owned memory(MUST(t, t.env.process.create_memory(pages)));
        REQUIRE_EQUAL(t, MUST(t, memory->pages()), pages);
    }
}

// Frames that come from somebody else hold nothing of his.
void zeroed(Case& t) {
    constexpr std::uint64_t kPages = 600;
    const std::uint64_t address = MUST(t, t.env.space.reserve(kPages));
    for (int round = 0; round < 3; ++round) {
        const Owned memory(MUST(t, t.env.process.create_memory(kPages)));
        REQUIRE_OK(t, t.env.process.map(*memory, address, 0, kPages, kReadWrite));
        std::uint64_t bits = 0;
        for (std::uint64_t at = address; at < address + kPages * kPage; at += sizeof(std::uint64_t)) {
            bits |= word_at(at);
            word_at(at) = ~std::uint64_t{0};
        }
        REQUIRE_EQUAL(t, bits, 0u);
        REQUIRE_OK(t, t.env.process.unmap(address, kPages));
    }
}

void refused_ranges(Case& t) {
    struct Row {
        std::uint64_t address, pages;
        Error error;
    };
    const std::uint64_t good = MUST(t, t.env.space.reserve(8));
    const Row rows[] = {
        {good + 1, 1, Error::kMisaligned},
        {good + kPage / 2, 1, Error::kMisaligned},
        {good, 0, Error::kBadArgument},
        {good, abi::kMaxPagesPerCall + 1, Error::kBadArgument},
        {good, std::uint64_t{1} << 52, Error::kBadArgument},
        {0, 1, Error::kBadAddress},
        {abi::kUserBottom - kPage, 1, Error::kBadAddress},
        {abi::kUserBottom - kPage, 2, Error::kBadAddress},
        {abi::kUserTop - kPage, 1,
         Error::kBadAddress},  // stays free: the instruction after it has no address
        {abi::kUserTop - 2 * kPage, 2, Error::kBadAddress},
        {abi::kUserTop - 3 * kPage, 3, Error::kBadAddress},
        {abi::kUserTop, 1, Error::kBadAddress},
        {0x8000'0000'0000'0000, 1, Error::kBadAddress},
        {0xffff'7fff'ffff'f000, 2, Error::kBadAddress},
        {0xffff'8000'0000'0000, 1, Error::kBadAddress},
        {0xffff'ffff'8020'0000, 1, Error::kBadAddress},
        {0xffff'ffff'ffff'f000, 1, Error::kBadAddress},
        {0xffff'ffff'ffff'f000, 2, Error::kBadAddress},
    };
    const Owned memory(MUST(t, t.env.process.create_memory(abi::kMaxPagesPerCall)));
    for (const Row& row : rows) {
        const auto process = t.env.process.slot();
        REQUIRE_EQUAL(t, map_raw(t.env.process, *memory, row.address, 0, row.pages, abi::kRead), row.error);
        REQUIRE_EQUAL(t, by_call({abi::Op::kUnmap, process, {row.address, row.pages}}), row.error);
        REQUIRE_EQUAL(t, by_call({abi::Op::kProtect, process, {row.address, row.pages, abi::kRead}}),
                      row.error);
    }
}

void ends_of_the_space(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(2)));
    for (const std::uint64_t address : {abi::kUserBottom, abi::kUserTop - 3 * kPage}) {
        REQUIRE_OK(t, t.env.process.map(*memory, address, 0, 2, kReadWrite));
        word_at(address + kPage) = address;
        REQUIRE_EQUAL(t, word_at(address + kPage), address);
        REQUIRE_OK(t, t.env.process.unmap(address, 2));
    }
}

void part_of_an_object(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(4)));
    const std::uint64_t whole = MUST(t, t.env.space.reserve(4));
    const std::uint64_t part = MUST(t, t.env.space.reserve(2));
    REQUIRE_OK(t, t.env.process.map(*memory, whole, 0, 4, kReadWrite));
    REQUIRE_OK(t, t.env.process.map(*memory, part, 2, 2, kReadWrite));
    word_at(part + kPage) = 5;
    REQUIRE_EQUAL(t, word_at(whole + 3 * kPage), 5u);
    struct Row {
        std::uint64_t first, pages;
    };
    const std::uint64_t other = MUST(t, t.env.space.reserve(4));
    for (const Row row :
         {Row{4, 1}, Row{3, 2}, Row{0, 5}, Row{~0ull, 1}, Row{~0ull, 2}, Row{1ull << 52, 1}}) {
        REQUIRE_EQUAL(t, map_raw(t.env.process, *memory, other, row.first, row.pages, abi::kRead),
                      Error::kBadArgument);
    }
    REQUIRE_OK(t, t.env.process.unmap(whole, 4));
    REQUIRE_OK(t, t.env.process.unmap(part, 2));
}

void access_words(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const std::uint64_t address = MUST(t, t.env.space.reserve(1));
    const std::uint64_t mapped = MUST(t, t.env.space.reserve(1));
    REQUIRE_OK(t, t.env.process.map(*memory, mapped, 0, 1, abi::kRead));
    for (std::uint64_t access = 0; access < 256; ++access) {
        Error expected = Error::kOk;
        if ((access & abi::kRead) == 0 || (access & ~std::uint64_t{7}) != 0) {
            expected = Error::kBadArgument;
        } else if ((access & (abi::kWrite | abi::kExecute)) == (abi::kWrite | abi::kExecute)) {
            expected = Error::kWriteExecute;
        }
        REQUIRE_EQUAL(t, map_raw(t.env.process, *memory, address, 0, 1, access), expected);
        REQUIRE_EQUAL(t, error_of(t.env.process.protect(mapped, 1, static_cast<abi::Rights>(access))),
                      expected);
        REQUIRE_OK(t, t.env.process.unmap(address, 1));
    }
    const auto high = Request{abi::Op::kProtect, t.env.process.slot(), {mapped, 1, 1ull << 32 | abi::kRead}};
    REQUIRE_EQUAL(t, by_call(high), Error::kBadArgument);
    REQUIRE_OK(t, t.env.process.unmap(mapped, 1));
}

// A mapping never allows more than the capability that it was made with, at once or later.
void rights_of_the_object(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const std::uint64_t address = MUST(t, t.env.space.reserve(1));
    for (abi::Rights rights = 0; rights <= 7; ++rights) {
        const auto derived = MUST(t, derive(*memory, rights));
        for (const abi::Rights access : {abi::kRead, kReadWrite, kReadExecute}) {
            const bool allowed = (access & ~rights) == 0;
            REQUIRE_EQUAL(t, error_of(t.env.process.map(*derived, address, 0, 1, access)),
                          allowed ? Error::kOk : Error::kNoRight);
            for (const abi::Rights later : {abi::kRead, kReadWrite, kReadExecute}) {
                if (allowed) {
                    REQUIRE_EQUAL(t, error_of(t.env.process.protect(address, 1, later)),
                                  (later & ~rights) == 0 ? Error::kOk : Error::kNoRight);
                }
            }
            REQUIRE_OK(t, t.env.process.unmap(address, 1));
        }
    }
}

void not_memory(Case& t) {
    const std::uint64_t address = MUST(t, t.env.space.reserve(1));
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const cap::Memory wrong(bell->slot());
    REQUIRE_EQUAL(t, map_raw(t.env.process, wrong, address, 0, 1, abi::kRead), Error::kWrongType);
    const cap::Memory stale = MUST(t, t.env.process.create_memory(1));
    stale.drop();
    REQUIRE_EQUAL(t, map_raw(t.env.process, stale, address, 0, 1, abi::kRead), Error::kStaleSlot);
    REQUIRE_EQUAL(t, map_raw(t.env.process, cap::Memory(), address, 0, 1, abi::kRead), Error::kBadSlot);
}

void overlap(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(4)));
    const std::uint64_t address = MUST(t, t.env.space.reserve(8));
    REQUIRE_OK(t, t.env.process.map(*memory, address + 2 * kPage, 0, 1, kReadWrite));
    word_at(address + 2 * kPage) = 9;
    for (std::uint64_t first = 0; first <= 2; ++first) {
        REQUIRE_ERROR(t, t.env.process.map(*memory, address + first * kPage, 0, 3, kReadWrite),
                      Error::kOverlap);
    }
    REQUIRE_EQUAL(t, word_at(address + 2 * kPage), 9u);
    // What was refused has left nothing behind: the neighbours are free.
    REQUIRE_OK(t, t.env.process.map(*memory, address, 0, 2, kReadWrite));
    REQUIRE_OK(t, t.env.process.map(*memory, address + 3 * kPage, 0, 2, kReadWrite));
    REQUIRE_OK(t, t.env.process.unmap(address, 8));
}

void holes(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(2)));
    const std::uint64_t address = MUST(t, t.env.space.reserve(abi::kMaxPagesPerCall));
    REQUIRE_OK(t, t.env.process.unmap(address, abi::kMaxPagesPerCall));
    REQUIRE_OK(t, t.env.process.map(*memory, address + kPage, 0, 1, abi::kRead));
    REQUIRE_OK(t, t.env.process.map(*memory, address + 300 * kPage, 0, 1, abi::kRead));
    // Protecting wants all of the range, and changes nothing otherwise: still read-only below.
    REQUIRE_ERROR(t, t.env.process.protect(address + kPage, 2, kReadWrite), Error::kBadAddress);
    REQUIRE_ERROR(t, t.env.process.protect(address, 2, kReadWrite), Error::kBadAddress);
    abi::StatusLine* line = reinterpret_cast<abi::StatusLine*>(address + kPage);
    REQUIRE_EQUAL(
        t, by_call({abi::Op::kGetStatus, t.env.thread.slot(), {reinterpret_cast<std::uint64_t>(line)}}),
        Error::kBadAddress);
    REQUIRE_OK(t, t.env.process.unmap(address, abi::kMaxPagesPerCall));
    REQUIRE_OK(t, t.env.process.map(*memory, address, 0, 2, abi::kRead));
    REQUIRE_OK(t, t.env.process.unmap(address, 2));
}

// The object goes before its mapping: the mapping keeps the memory.
void mapping_outlives_object(Case& t) {
    const std::uint64_t address = MUST(t, t.env.space.reserve(1));
    {
        const Owned memory(MUST(t, t.env.process.create_memory(1)));
        REQUIRE_OK(t, t.env.process.map(*memory, address, 0, 1, kReadWrite));
        word_at(address) = 11;
    }
    const Owned other(MUST(t, t.env.process.create_memory(1)));
    const std::uint64_t elsewhere = MUST(t, t.env.space.reserve(1));
    REQUIRE_OK(t, t.env.process.map(*other, elsewhere, 0, 1, kReadWrite));
    word_at(elsewhere) = 12;
    REQUIRE_EQUAL(t, word_at(address), 11u);
    REQUIRE_OK(t, t.env.process.unmap(address, 1));
    REQUIRE_OK(t, t.env.process.unmap(elsewhere, 1));
}

constexpr Entry kCases[] = {
    {"create", create},
    {"zeroed", zeroed},
    {"refused_ranges", refused_ranges},
    {"ends_of_the_space", ends_of_the_space},
    {"part_of_an_object", part_of_an_object},
    {"access_words", access_words},
    {"rights_of_the_object", rights_of_the_object},
    {"not_memory", not_memory},
    {"overlap", overlap},
    {"holes", holes},
    {"mapping_outlives_object", mapping_outlives_object},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "memory", kCases); }
