// SPDX-License-Identifier: MIT
//
// No page is writable and executable at once, whichever way it is tried: docs/abi.md, "Mapping"; docs/security.md.
#include "suite.hpp"
#include "support/child.hpp"
#include "support/domain_server.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"

namespace {

using namespace test;
using abi::Error;
using abi::Op;

constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite, kReadExecute = abi::kRead | abi::kExecute,
                      kAll = abi::kRead | abi::kWrite | abi::kExecute;
constexpr std::uint8_t kReturn = 0xc3;

// A mapping of pages of its own, or of another's object.
struct Mapped {
    const cap::Env& env;
    std::uint64_t address, pages;

    static cap::Result<Mapped> make(const cap::Env& env, cap::Memory memory, std::uint64_t pages,
                                    abi::Rights access) {
        const auto address = TRY(env.space.reserve(pages));
        TRY(env.process.map(memory, address, 0, pages, access));
        return Mapped(env, address, pages);
    }
    Mapped(const cap::Env& environment, std::uint64_t where, std::uint64_t count)
        : env(environment), address(where), pages(count) {}
    Mapped(Mapped&& other) noexcept
        : env(other.env), address(std::exchange(other.address, 0)), pages(other.pages) {}
    Mapped& operator=(Mapped&&) = delete;
    ~Mapped() {
        if (address != 0) (void)env.process.unmap(address, pages);
    }
};

// What a child of this one would do, with these pages of `memory`: whether it lives through it.
bool lives(Case& t, std::string_view mode, cap::Memory memory, abi::Rights access) {
    constexpr std::uint64_t kThere = 0x60'0000'0000;
    cap::LineBuffer<64> arguments;
    arguments.print("mode={} value={}", mode, kThere);
    const auto child = Child::create(t.env, arguments.view());
    if (!child || !(*child)->process.map(memory, kThere, 0, 1, access)) {
        t.fail("no child {}", mode);
        return false;
    }
    return child->run(t.env).value_or(0) == kDoneExitCode;
}

void by_map(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const std::uint64_t address = MUST(t, t.env.space.reserve(1));
    for (const abi::Rights rights : {kAll, abi::kAllRights}) {
        const auto derived = MUST(t, derive(*memory, rights));
        REQUIRE_ERROR(t, t.env.process.map(*derived, address, 0, 1, kAll), Error::kWriteExecute);
        REQUIRE_ERROR(t, t.env.process.map(*derived, address, 0, 1, abi::kWrite | abi::kExecute),
                      Error::kBadArgument);
    }
    REQUIRE_OK(t, t.env.process.map(*memory, address, 0, 1, abi::kRead));  // nothing was left there
    REQUIRE_OK(t, t.env.process.unmap(address, 1));
}

void by_protect(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(3)));
    for (const abi::Rights first : {abi::kRead, kReadWrite, kReadExecute}) {
        const auto mapped = MUST(t, Mapped::make(t.env, *memory, 3, first));
        REQUIRE_ERROR(t, t.env.process.protect(mapped.address, 3, kAll), Error::kWriteExecute);
        // Page by page, to and fro: only one of the two at a time.
        for (std::uint64_t page = 0; page < 3; ++page) {
            const std::uint64_t at = mapped.address + page * abi::kPageSize;
            REQUIRE_OK(t, t.env.process.protect(at, 1, kReadWrite));
            *reinterpret_cast<volatile std::uint8_t*>(at) = kReturn;
            REQUIRE_ERROR(t, t.env.process.protect(at, 1, kAll), Error::kWriteExecute);
            REQUIRE_OK(t, t.env.process.protect(at, 1, kReadExecute));
            reinterpret_cast<void (*)()>(at)();
            // The kernel does not write there for anybody either.
            REQUIRE_EQUAL(t, by_call({Op::kGetStatus, t.env.thread.slot(), {at}}), Error::kBadAddress);
        }
    }
}

// What is written cannot be run, and what can be run cannot be written: the hardware says so.
void by_access(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    {
        const auto mapped = MUST(t, Mapped::make(t.env, *memory, 1, kReadWrite));
        *reinterpret_cast<volatile std::uint8_t*>(mapped.address) = kReturn;
    }
    REQUIRE(t, lives(t, "call", *memory, kReadExecute));
    REQUIRE(t, !lives(t, "call", *memory, kReadWrite));
    REQUIRE(t, !lives(t, "call", *memory, abi::kRead));
    REQUIRE(t, lives(t, "write", *memory, kReadWrite));
    REQUIRE(t, !lives(t, "write", *memory, kReadExecute));
    REQUIRE(t, !lives(t, "write", *memory, abi::kRead));
}

// One object twice: each mapping is one of the two, and needs its right. Who is to have code that nobody changes under him is
// given the memory without kWrite; who is to have data that never runs, without kExecute.
void by_two_mappings(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const auto data = MUST(t, derive(*memory, kReadWrite));
    const auto code = MUST(t, derive(*memory, kReadExecute));
    const auto here = MUST(t, Mapped::make(t.env, *data, 1, kReadWrite));
    const auto there = MUST(t, Mapped::make(t.env, *code, 1, kReadExecute));
    REQUIRE_ERROR(t, t.env.process.protect(here.address, 1, kReadExecute), Error::kNoRight);
    REQUIRE_ERROR(t, t.env.process.protect(there.address, 1, kReadWrite), Error::kNoRight);
    const std::uint64_t other = MUST(t, t.env.space.reserve(1));
    REQUIRE_ERROR(t, t.env.process.map(*data, other, 0, 1, kReadExecute), Error::kNoRight);
    REQUIRE_ERROR(t, t.env.process.map(*code, other, 0, 1, kReadWrite), Error::kNoRight);
    REQUIRE_ERROR(t, t.env.process.protect(here.address, 1, kAll), Error::kWriteExecute);
}

// Pages that the kernel maps by itself: rings, event rings, hints, the status table. None can be made executable, and what is
// read-only stays so.
void by_the_kernels_pages(Case& t) {
    const auto ring = t.env.info.ring_address;
    REQUIRE_ERROR(t, t.env.process.protect(ring, abi::kRingPages, kReadExecute), Error::kNoRight);
    const auto info = reinterpret_cast<std::uint64_t>(&t.env.info);
    DomainServer server(t);
    REQUIRE(t, !t.failed());
    const std::uint64_t table = server.table_address();
    REQUIRE_ERROR(t, t.env.process.protect(table, 1, kReadWrite), Error::kNoRight);
    REQUIRE_ERROR(t, t.env.process.protect(table, 1, kReadExecute), Error::kNoRight);
    const auto hints = reinterpret_cast<std::uint64_t>(&server.hint_line(0));
    REQUIRE_ERROR(t, t.env.process.protect(hints, 1, kReadExecute), Error::kNoRight);
    const auto events = server.agent(0).ring_address;
    REQUIRE_ERROR(t, t.env.process.protect(events, abi::kEventRingPages, kReadExecute), Error::kNoRight);
    REQUIRE_ERROR(t, t.env.process.protect(info, 1, kReadWrite), Error::kNoRight);
}

// A ring in pages that can be run: it must be writable, so they are not.
void by_a_ring_in_place(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(abi::kRingPages)));
    const auto mapped = MUST(t, Mapped::make(t.env, *memory, abi::kRingPages, kReadExecute));
    abi::ThreadParams params{};
    params.ring_address = mapped.address | abi::kRingInPlace;
    REQUIRE_ERROR(t, t.env.process.create_thread(params), Error::kBadAddress);
}

constexpr Entry kCases[] = {
    {"by_map", by_map},
    {"by_protect", by_protect},
    {"by_access", by_access},
    {"by_two_mappings", by_two_mappings},
    {"by_the_kernels_pages", by_the_kernels_pages},
    {"by_a_ring_in_place", by_a_ring_in_place},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "write_execute", kCases); }
