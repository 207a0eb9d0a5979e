// SPDX-License-Identifier: MIT
//
// Rings used as they should not be. Whoever lies about indices or takes pages away harms only himself: docs/abi.md,
// "Rings". The abuse happens on threads of their own, so that the main thread's ring stays as it is.
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/random.hpp"
#include "support/sibling.hpp"

#include <atomic>

namespace {

using namespace test;
using abi::Error;
using abi::Op;

// A ring as it lies in memory.
struct RawRing {
    abi::RingHeader& header;
    abi::Submission* submissions;
    const abi::Completion* completions;

    explicit RawRing(std::uint64_t address)
        : header(*reinterpret_cast<abi::RingHeader*>(address)),
          submissions(reinterpret_cast<abi::Submission*>(address + abi::kPageSize)),
          completions(reinterpret_cast<const abi::Completion*>(address + 2 * abi::kPageSize)) {}

    void submit(const abi::Submission& entry) {
        const std::uint32_t tail = header.sq_tail.load();
        submissions[tail % abi::kSqEntries] = entry;
        header.sq_tail.store(tail + 1);
    }
    void take_all() { header.cq_head.store(header.cq_tail.load()); }
};

// What a thread that abuses its ring finds: it returns "" or what went wrong.
struct Abuse {
    const cap::Env& env;
    const char* (*run)(const Abuse& abuse, RawRing ring);
    cap::Notification bell;
    std::uint64_t seed;
    std::uint64_t ring_address;
    std::atomic<const char*> outcome{nullptr};
};

abi::Submission nop(const cap::Env& env, std::uint64_t user_data) {
    return cap::submission(Op::kNop, env.process.slot(), user_data, user_data);
}

// libcap places the ring at the start of what it reserves for a sibling.
cap::Result<std::uint64_t> next_ring_address(const cap::Env& env) {
    const std::uint64_t before = TRY(env.space.reserve(1));
    return before + 2 * abi::kPageSize;
}

std::uint64_t run_abuse(cap::Ring&, void* argument) {
    auto& abuse = *static_cast<Abuse*>(argument);
    abuse.outcome = abuse.run(abuse, RawRing(abuse.ring_address));
    return 0;
}

void run_on_sibling(Case& t, const char* (*run)(const Abuse& abuse, RawRing ring)) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    Abuse abuse{t.env, run, *bell, t.seed, MUST(t, next_ring_address(t.env))};
    const auto sibling = MUST(t, Sibling::start(t.env, run_abuse, &abuse));
    REQUIRE(t, sibling.wait());
    REQUIRE(t, abuse.outcome.load() != nullptr);
    REQUIRE_EQUAL(t, std::string_view(abuse.outcome.load()), std::string_view());
}

#define EXPECT(condition) \
    if (!(condition)) return #condition

void tail_lies(Case& t) {
    run_on_sibling(t, [](const Abuse& abuse, RawRing ring) -> const char* {
        const std::uint32_t tail = ring.header.sq_tail.load();
        for (const std::uint32_t ahead : {abi::kSqEntries + 1, 1000u, 0x8000'0000u, ~0u}) {
            ring.header.sq_tail.store(tail + ahead);
            const auto entered = cap::cap_enter(0, 0);
            EXPECT(error_of(entered.ready) == Error::kBadArgument);
            EXPECT(entered.submitted == 0);
        }
        // Told the truth again, it works again.
        ring.header.sq_tail.store(tail);
        ring.submit(nop(abuse.env, 6));
        EXPECT(cap::cap_enter(1, abi::kForever).ready == 1);
        EXPECT(ring.completions[0].user_data == 6);
        return "";
    });
}

void head_lies(Case& t) {
    run_on_sibling(t, [](const Abuse& abuse, RawRing ring) -> const char* {
        // Taken more than there was: the queue counts as full.
        ring.header.cq_head.store(1);
        ring.submit(nop(abuse.env, 1));
        auto entered = cap::cap_enter(0, 0);
        EXPECT(error_of(entered.ready) == Error::kQueueFull);
        EXPECT(entered.submitted == 0);
        for (const std::uint32_t lie : {0x8000'0000u, ~0u, abi::kCqEntries}) {
            ring.header.cq_head.store(lie);
            EXPECT(cap::cap_enter(0, 0).ready <= std::int64_t{abi::kCqEntries});
            EXPECT(cap::cap_enter(1, 0).ready != 0);
            ring.submit(nop(abuse.env, 2));
        }
        ring.header.cq_head.store(ring.header.cq_tail.load());
        entered = cap::cap_enter(0, 0);
        EXPECT(entered.ready >= 0);
        EXPECT(ring.header.sq_head.load() == ring.header.sq_tail.load());
        return "";
    });
}

// The kernel's own indices are for the user to read; what the user writes there changes nothing.
void kernel_indices_overwritten(Case& t) {
    run_on_sibling(t, [](const Abuse& abuse, RawRing ring) -> const char* {
        for (std::uint32_t i = 0; i < 300; ++i) {
            ring.header.sq_head.store(i * 0x9e37'79b9u);
            ring.header.cq_tail.store(~i);
            ring.submit(nop(abuse.env, i));
            EXPECT(cap::cap_enter(0, 0).submitted == 1);
            EXPECT(ring.header.sq_head.load() == i + 1);
            EXPECT(ring.header.cq_tail.load() == i + 1);
            EXPECT(ring.completions[i % abi::kCqEntries].user_data == i);
            ring.take_all();
        }
        return "";
    });
}

void bad_flags(Case& t) {
    run_on_sibling(t, [](const Abuse& abuse, RawRing ring) -> const char* {
        std::uint32_t number = 0;
        const auto error_of_entry = [&](const abi::Submission& entry) {
            ring.submit(entry);
            (void)cap::cap_enter(1, abi::kForever);
            const auto result = ring.completions[number++ % abi::kCqEntries].result;
            ring.take_all();
            return error_of(result);
        };
        for (std::uint32_t flags = 0; flags <= 0xffff; flags = flags * 2 + 4) {  // without kLink
            auto entry = nop(abuse.env, 1);
            entry.flags = static_cast<std::uint16_t>(flags);
            EXPECT(error_of_entry(entry) == (flags == 0 ? Error::kOk : Error::kBadArgument));
            entry.flags |= abi::kQuietSuccess;
            EXPECT(flags == 0 || error_of_entry(entry) == Error::kBadArgument);
        }
        for (std::uint32_t bit = 0; bit < 32; ++bit) {
            auto entry = nop(abuse.env, 1);
            entry.reserved = 1u << bit;
            EXPECT(error_of_entry(entry) == Error::kBadArgument);
        }
        return "";
    });
}

// Nothing but noise, submitted again and again. No operation in it may do harm: the slots are wrong.
void garbage(Case& t) {
    run_on_sibling(t, [](const Abuse& abuse, RawRing ring) -> const char* {
        Random random(abuse.seed);
        for (int round = 0; round < 200; ++round) {
            for (std::uint32_t i = 0; i < abi::kSqEntries; ++i) {
                auto* words = reinterpret_cast<std::uint64_t*>(&ring.submissions[i]);
                for (std::size_t word = 0; word < sizeof(abi::Submission) / 8; ++word) {
                    words[word] = random.next();
                }
                if (i % 2 == 0) {  // past the first check
                    ring.submissions[i].flags = 0;
                    ring.submissions[i].reserved = 0;
                }
                ring.submissions[i].slot |= 0x8000'0000;
            }
            ring.header.sq_tail.store(ring.header.sq_tail.load() + abi::kSqEntries);
            EXPECT(cap::cap_enter(0, 0).submitted == abi::kSqEntries);
            for (std::uint32_t i = 0; i < abi::kCqEntries; ++i) {
                EXPECT(round == 0 || ring.completions[i].result < 0);
            }
            ring.take_all();
        }
        return "";
    });
}

// The kernel has frames, not addresses: it works on though the pages are not there any more.
void pages_unmapped_in_use(Case& t) {
    run_on_sibling(t, [](const Abuse& abuse, RawRing ring) -> const char* {
        ring.submit(cap::submission(Op::kWaitBits, abuse.bell.slot(), 1));
        EXPECT(cap::cap_enter(0, 0).submitted == 1);
        EXPECT(abuse.env.process.unmap(abuse.ring_address, abi::kRingPages).has_value());
        EXPECT(error_of(cap::cap_enter(1, kMillisecond).ready) == Error::kTimedOut);
        EXPECT(abuse.bell.signal(1).has_value());
        EXPECT(cap::cap_enter(1, abi::kForever).ready == 1);
        // Somebody else's memory may stand there now.
        const auto memory = abuse.env.process.create_memory(abi::kRingPages);
        EXPECT(memory.has_value());
        EXPECT(
            abuse.env.process.map(*memory, abuse.ring_address, 0, abi::kRingPages, abi::kRead | abi::kWrite));
        ring.header.sq_tail.store(1234);
        EXPECT(cap::cap_enter(1, 0).ready == 1);
        EXPECT(ring.header.cq_tail.load() == 0);
        memory->drop();
        return "";
    });
}

void pages_read_only(Case& t) {
    run_on_sibling(t, [](const Abuse& abuse, RawRing ring) -> const char* {
        ring.submit(nop(abuse.env, 3));
        EXPECT(abuse.env.process.protect(abuse.ring_address, abi::kRingPages, abi::kRead).has_value());
        EXPECT(cap::cap_enter(1, abi::kForever).ready == 1);
        EXPECT(ring.completions[0].user_data == 3);
        EXPECT(abuse.env.process.protect(abuse.ring_address, abi::kRingPages, abi::kRead | abi::kWrite)
                   .has_value());
        return "";
    });
}

constexpr Entry kCases[] = {
    {"tail_lies", tail_lies},
    {"head_lies", head_lies},
    {"kernel_indices_overwritten", kernel_indices_overwritten},
    {"bad_flags", bad_flags},
    {"garbage", garbage},
    {"pages_unmapped_in_use", pages_unmapped_in_use},
    {"pages_read_only", pages_read_only},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "ring_abuse", kCases); }
