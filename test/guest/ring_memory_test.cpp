// SPDX-License-Identifier: MIT
//
// Mapping, protecting and unmapping as submissions, in linked chains: of the own process, and of another one's by
// capability. docs/abi.md, "Mapping" and "Links".
#include "suite.hpp"
#include "support/child.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"

#include <initializer_list>

namespace {

using namespace test;
using abi::Error;
using abi::Op;

constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite;
constexpr std::uint64_t kThere = 0x4000'0000;  // free in test/child
constexpr std::uint64_t kPages = 4;
constexpr std::uint64_t kWord = 0x1234'5678'9abc'def0;

// A chain of operations on one process. Its user_data count from 1; a call's result is one completion for each.
class Chain {
public:
    Chain(Case& t, cap::Process process) : t_(t), process_(process) {}

    Chain& map(const cap::Memory& memory, std::uint64_t address, std::uint64_t first, std::uint64_t pages,
               abi::Rights access) {
        return add(Op::kMap, memory.slot().raw(), address, first, abi::map_word(pages, access));
    }
    Chain& protect(std::uint64_t address, std::uint64_t pages, abi::Rights access) {
        return add(Op::kProtect, address, pages, access);
    }
    Chain& unmap(std::uint64_t address, std::uint64_t pages) { return add(Op::kUnmap, address, pages); }

    // Each completes with this, in this order, and nothing else does.
    void gives(std::initializer_list<Error> expected) {
        submit(entries_[count_ - 1]);  // without kLink
        REQUIRE_EQUAL(t_, cap::cap_enter(count_, 0).ready, static_cast<std::int64_t>(count_));
        REQUIRE_EQUAL(t_, expected.size(), count_);
        std::uint64_t number = 0;
        for (const Error error : expected) {
            const auto completion = t_.env.ring.next();
            REQUIRE(t_, completion.has_value());
            REQUIRE_EQUAL(t_, completion->user_data, ++number);
            REQUIRE_EQUAL(t_, error_of(completion->result), error);
        }
        REQUIRE(t_, !t_.env.ring.next());
        count_ = 0;
    }

private:
    Chain& add(Op op, std::uint64_t a0, std::uint64_t a1 = 0, std::uint64_t a2 = 0, std::uint64_t a3 = 0) {
        if (count_ != 0) {
            entries_[count_ - 1].flags = abi::kLink;
            submit(entries_[count_ - 1]);
        }
        entries_[count_] = cap::submission(op, process_.slot(), count_ + 1, a0, a1, a2, a3);
        ++count_;
        return *this;
    }
    void submit(const abi::Submission& entry) {
        if (const auto prepared = t_.env.ring.prepare(entry); !prepared) {
            t_.fail("prepare: {}", prepared.error());
        }
    }

    Case& t_;
    cap::Process process_;
    std::array<abi::Submission, abi::kSqEntries> entries_;
    std::size_t count_ = 0;
};

volatile std::uint64_t& word_at(std::uint64_t address) {
    return *reinterpret_cast<volatile std::uint64_t*>(address);
}

// Mapped, made read-only, made writable again, and taken away in part; what is left is the object's memory.
void own_process(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(kPages)));
    const std::uint64_t here = MUST(t, t.env.space.reserve(kPages));
    const std::uint64_t there = MUST(t, t.env.space.reserve(kPages));
    Chain chain(t, t.env.process);
    chain.map(*memory, here, 0, kPages, kReadWrite)
        .map(*memory, there, 1, 1, abi::kRead)
        .protect(here, kPages, abi::kRead)
        .protect(here + abi::kPageSize, 1, kReadWrite)
        .unmap(here, 1)
        .gives({Error::kOk, Error::kOk, Error::kOk, Error::kOk, Error::kOk});
    REQUIRE(t, !t.failed());
    word_at(here + abi::kPageSize) = kWord;
    REQUIRE_EQUAL(t, word_at(there) + 0, kWord);
    // A buffer there shows what is mapped how.
    const auto status_at = [&](std::uint64_t address) {
        return by_call({Op::kGetStatus, t.env.thread.slot(), {address}});
    };
    REQUIRE_EQUAL(t, status_at(here), Error::kBadAddress);
    REQUIRE_EQUAL(t, status_at(here + abi::kPageSize), Error::kOk);
    REQUIRE_EQUAL(t, status_at(here + 2 * abi::kPageSize), Error::kBadAddress);
    chain.unmap(here, kPages).unmap(there, 1).map(*memory, here, 3, 1, kReadWrite).unmap(here, 1);
    chain.gives({Error::kOk, Error::kOk, Error::kOk, Error::kOk});
}

// Each operation that can fail, in the middle of a chain: what stood before it is done, and nothing behind it.
void fails_in_the_middle(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(kPages)));
    const Owned read_only(MUST(t, derive(*memory, abi::kRead)));
    const std::uint64_t here = MUST(t, t.env.space.reserve(3 * kPages));
    const std::uint64_t free = here + 2 * kPages * abi::kPageSize;
    const auto fails = [&](Error error, auto add) {
        Chain chain(t, t.env.process);
        chain.map(*memory, here, 0, kPages, kReadWrite);
        add(chain);
        chain.protect(here, 1, abi::kRead).map(*memory, free, 0, 1, kReadWrite).unmap(here, kPages);
        chain.gives({Error::kOk, error, Error::kCancelled, Error::kCancelled, Error::kCancelled});
        word_at(here) = kWord;  // still writable
        Chain(t, t.env.process)
            .unmap(here, kPages)
            .map(*memory, free, 0, 1, kReadWrite)
            .unmap(free, 1)
            .gives({Error::kOk, Error::kOk, Error::kOk});
    };
    fails(Error::kOverlap, [&](Chain& c) { c.map(*memory, here + abi::kPageSize, 0, 1, abi::kRead); });
    fails(Error::kNoRight, [&](Chain& c) { c.map(*read_only, free, 0, 1, kReadWrite); });
    fails(Error::kBadArgument, [&](Chain& c) { c.map(*memory, free, 1, kPages, abi::kRead); });
    fails(Error::kWriteExecute, [&](Chain& c) { c.protect(here, 1, kReadWrite | abi::kExecute); });
    fails(Error::kBadAddress, [&](Chain& c) { c.protect(here, kPages + 1, abi::kRead); });
    fails(Error::kMisaligned, [&](Chain& c) { c.unmap(here + 8, 1); });
    fails(Error::kBadAddress, [&](Chain& c) { c.unmap(abi::kUserTop - abi::kPageSize, 1); });
}

// One that fails at once, and one that waits at the head of a chain.
void at_the_head(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(kPages)));
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const std::uint64_t here = MUST(t, t.env.space.reserve(kPages));
    Chain(t, t.env.process)
        .protect(here, 1, abi::kRead)
        .map(*memory, here, 0, 1, kReadWrite)
        .gives({Error::kBadAddress, Error::kCancelled});
    REQUIRE(t, !t.failed());
    auto wait = cap::submission(Op::kWaitBits, bell->slot(), 7);
    wait.flags = abi::kLink;
    auto map = cap::submission(Op::kMap, t.env.process.slot(), 8, memory->slot().raw(), here, 0,
                               abi::map_word(1, kReadWrite));
    map.flags = abi::kLink;
    for (const auto& entry :
         {wait, map, cap::submission(Op::kProtect, t.env.process.slot(), 9, here, 1, abi::kRead)}) {
        REQUIRE_OK(t, t.env.ring.prepare(entry));
    }
    REQUIRE_EQUAL(t, cap::cap_enter(0, 0).submitted, 1u);
    REQUIRE_ERROR(t, t.env.process.protect(here, 1, abi::kRead), Error::kBadAddress);  // not mapped yet
    REQUIRE_OK(t, bell->signal(1));
    REQUIRE_EQUAL(t, cap::cap_enter(3, 0).ready, 3);
    for (const std::uint64_t user_data : {7, 8, 9}) {
        const auto completion = t.env.ring.next();
        REQUIRE(t, completion && completion->user_data == user_data && completion->result >= 0);
    }
    REQUIRE_EQUAL(t, by_call({Op::kGetStatus, t.env.thread.slot(), {here}}),
                  Error::kBadAddress);  // read-only
    REQUIRE_OK(t, t.env.process.unmap(here, 1));
}

// The chain decides what the other process may do there.
void another_process(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(kPages)));
    for (const bool writes : {false, true}) {
        for (const abi::Rights access : {abi::kRead, kReadWrite}) {
            const auto child = MUST(t, Child::create(t.env, writes ? "mode=write value=0x40001000"
                                                                   : "mode=read value=0x40001000"));
            Chain(t, child->process)
                .map(*memory, kThere, 0, kPages, kReadWrite)
                .protect(kThere, kPages, abi::kRead)
                .unmap(kThere, 1)
                .protect(kThere + abi::kPageSize, 1, access)
                .gives({Error::kOk, Error::kOk, Error::kOk, Error::kOk});
            REQUIRE(t, !t.failed());
            const bool lives = !writes || access == kReadWrite;
            REQUIRE_EQUAL(t, MUST(t, child.run(t.env)), lives ? kDoneExitCode : kFaultExitCode);
            // It has gone: nothing can be changed there, and the rest of the chain is not done.
            Chain(t, child->process)
                .unmap(kThere, 1)
                .protect(kThere, 1, abi::kRead)
                .map(*memory, kThere, 0, 1, abi::kRead)
                .gives({Error::kWrongState, Error::kCancelled, Error::kCancelled});
            REQUIRE(t, !t.failed());
        }
    }
    const auto child = MUST(t, Child::create(t.env, "mode=read value=0x40001000"));
    Chain(t, child->process)
        .map(*memory, kThere, 0, kPages, abi::kRead)
        .unmap(kThere + abi::kPageSize, 1)
        .map(*memory, kThere, 0, 1, abi::kRead)
        .unmap(kThere, kPages)
        .gives({Error::kOk, Error::kOk, Error::kOverlap, Error::kCancelled});
    REQUIRE(t, !t.failed());
    REQUIRE_EQUAL(t, MUST(t, child.run(t.env)), kFaultExitCode);
}

constexpr Entry kCases[] = {
    {"own_process", own_process},
    {"fails_in_the_middle", fails_in_the_middle},
    {"at_the_head", at_the_head},
    {"another_process", another_process},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "ring_memory", kCases); }
