// SPDX-License-Identifier: MIT
//
// Quotas: who pays, what comes back, and that every operation that makes something either does it all or leaves all as it was,
// whichever of its allocations is refused. docs/abi.md, "Quotas".
#include "cap/address_space.hpp"
#include "suite.hpp"
#include "support/child.hpp"
#include "support/doors.hpp"
#include "support/free_pages.hpp"
#include "support/makings.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <array>
#include <atomic>
#include <optional>

namespace {

using namespace test;
using abi::CapSlot;
using abi::Error;
using abi::Op;

constexpr std::uint64_t kMuch = 1 << 20;

bool same(const abi::QuotaStatus& a, const abi::QuotaStatus& b) {
    return a.memory == b.memory && a.memory_used == b.memory_used && a.threads == b.threads &&
           a.threads_used == b.threads_used;
}

std::uint64_t memory_used(const cap::Quota& quota) {
    return quota.status().value_or(abi::QuotaStatus{}).memory_used;
}

// What has gone may have been in use on another CPU until a moment ago.
bool comes_back(const Case& t, const cap::Quota& quota, std::uint64_t memory, std::uint64_t threads) {
    return eventually(t.env.clock, [&] {
        const auto status = quota.status().value_or(abi::QuotaStatus{});
        return status.memory_used == memory && status.threads_used == threads;
    });
}

void split(Case& t) {
    const auto own = MUST(t, t.env.process.quota_status());
    REQUIRE(t, own.memory_used != 0 && own.memory_used < own.memory && own.threads_used != 0);
    REQUIRE_EQUAL(t, own.threads, abi::kMaxThreads);
    {
        const Owned part(MUST(t, t.env.process.create_quota(kMuch, 10)));
        const auto status = MUST(t, part->status());
        REQUIRE(t, same(status, {kMuch, 0, 10, 0}));
        const auto less = MUST(t, t.env.process.quota_status());
        REQUIRE(t, less.memory_used >= own.memory_used + kMuch);
        REQUIRE_EQUAL(t, less.threads_used, own.threads_used + 10);
        const Owned half(MUST(t, part->split(kMuch / 2, 4)));
        REQUIRE(t, MUST(t, part->status()).memory_used > kMuch / 2);
        REQUIRE_EQUAL(t, MUST(t, part->status()).threads_used, 4u);
        // More than there is: nothing.
        const auto before = MUST(t, part->status());
        REQUIRE_ERROR(t, part->split(kMuch / 2, 0), Error::kQuota);
        REQUIRE_ERROR(t, part->split(0, 7), Error::kQuota);
        REQUIRE_ERROR(t, part->split(~0ull, 0), Error::kQuota);
        REQUIRE_ERROR(t, part->split(0, ~0ull), Error::kQuota);
        REQUIRE(t, same(MUST(t, part->status()), before));
        const Owned none(MUST(t, part->split(0, 0)));
        REQUIRE(t, same(MUST(t, none->status()), {0, 0, 0, 0}));
        REQUIRE_ERROR(t, none->split(0, 0), Error::kQuota);
    }
    REQUIRE(t, same(MUST(t, t.env.process.quota_status()), own));
}

// A long chain of quotas that nobody refers to any more, but each to the one before: all at once.
void chain(Case& t) {
    const auto own = MUST(t, t.env.process.quota_status());
    constexpr std::uint64_t kLength = 2000;
    Owned last(MUST(t, t.env.process.create_quota(kLength * 4 * kSmallest, kLength)));
    for (std::uint64_t i = 1; i < kLength; ++i) {
        last = Owned(MUST(t, last->split((kLength - i) * 4 * kSmallest, kLength - i)));
    }
    REQUIRE(t, MUST(t, t.env.process.quota_status()).memory_used > own.memory_used);
    last = {};
    REQUIRE(t, same(MUST(t, t.env.process.quota_status()), own));
}

void errors(Case& t) {
    const Owned quota(MUST(t, t.env.process.create_quota(kMuch, 1)));
    REQUIRE_EQUAL(t, by_call({Op::kQuotaStatus, quota->slot(), {8}}), Error::kBadAddress);
    REQUIRE_EQUAL(t, by_call({Op::kGetQuota, t.env.process.slot(), {8}}), Error::kBadAddress);
    const auto weak = MUST(t, derive(*quota, abi::kAllRights & ~abi::kExecute));
    const auto just = MUST(t, derive(*quota, abi::kExecute));
    const CapSlot stale = MUST(t, quota->derive(abi::kExecute));
    cap::Capability(stale).drop();
    const auto create = [&](CapSlot slot) {
        const auto made = t.env.process.create_process("target", {}, slot);
        if (made) {
            made->drop();
        }
        return error_of(made);
    };
    REQUIRE_EQUAL(t, create(just->slot()), Error::kOk);
    REQUIRE_EQUAL(t, create(weak->slot()), Error::kNoRight);
    REQUIRE_EQUAL(t, create(t.env.log.slot()), Error::kWrongType);
    REQUIRE_EQUAL(t, create(stale), Error::kStaleSlot);
    REQUIRE_EQUAL(t, create(CapSlot::from_raw(~0ull)), Error::kBadSlot);
}

// What is made is charged to the process named, and comes back when it goes, whoever had it last.
void who_pays(Case& t) {
    const Owned quota(MUST(t, t.env.process.create_quota(kMuch, 2)));
    Owned payer(MUST(t, t.env.process.create_process("payer", {}, quota->slot())));
    const Owned other(MUST(t, t.env.process.create_process("other")));
    const std::uint64_t alone = memory_used(*quota);
    REQUIRE(t, alone > abi::kPageSize);
    Owned memory(MUST(t, payer->create_memory(5)));
    Owned bell(MUST(t, payer->create_notification()));
    const std::uint64_t made = memory_used(*quota);
    REQUIRE(t, made > alone + 5 * abi::kPageSize);
    // Given away: no difference.
    REQUIRE_OK(t, other->give(bell->slot(), abi::kRead));
    bell = {};
    REQUIRE_EQUAL(t, memory_used(*quota), made);
    REQUIRE_OK(t, other->kill(0));
    REQUIRE_EQUAL(t, memory_used(*quota), made - kSmallest);
    // Frames are paid for as long as they are mapped, by others too.
    const std::uint64_t address = t.env.info.free_address + 0x1000'0000;
    const auto own = MUST(t, t.env.process.quota_status());
    REQUIRE_OK(t, t.env.process.map(*memory, address, 1, 2, abi::kRead));
    const std::uint64_t tables = MUST(t, t.env.process.quota_status()).memory_used - own.memory_used;
    memory = {};
    REQUIRE_EQUAL(t, memory_used(*quota), alone + 2 * abi::kPageSize);
    payer = {};
    REQUIRE_EQUAL(t, memory_used(*quota), 2 * abi::kPageSize);
    REQUIRE_OK(t, t.env.process.unmap(address, 2));
    REQUIRE(t, comes_back(t, *quota, 0, 0));
    REQUIRE(t, tables % abi::kPageSize == 0);
}

// Threads that nobody starts, and that nobody refers to, are as many as the quota allows; they go with the process.
void forgotten_threads(Case& t) {
    const Owned quota(MUST(t, t.env.process.create_quota(kMuch, 4)));
    Owned process(MUST(t, t.env.process.create_process("target", {}, quota->slot())));
    abi::ThreadParams params{};
    for (std::uint64_t i = 0; i < 4; ++i) {
        params.ring_address = 0x20'0000 + i * 0x1'0000;
        MUST(t, process->create_thread(params)).drop();
    }
    params.ring_address = 0x30'0000;
    const auto before = MUST(t, quota->status());
    REQUIRE_EQUAL(t, before.threads_used, 4u);
    REQUIRE_ERROR(t, process->create_thread(params), Error::kQuota);
    REQUIRE(t, same(MUST(t, quota->status()), before));
    REQUIRE_OK(t, process->kill(0));
    process = {};
    REQUIRE(t, comes_back(t, *quota, 0, 0));
}

// A process that refers to itself alone stays; its quota bounds how many there are of them.
void forgotten_processes(Case& t) {
    const Owned quota(MUST(t, t.env.process.create_quota(kMuch / 4, 0)));
    std::uint64_t count = 0;
    for (;; ++count) {
        const auto made = t.env.process.create_process("target", {}, quota->slot());
        if (!made) {
            REQUIRE_ERROR(t, made, Error::kQuota);
            break;
        }
        const Owned process(*made);
        const auto given = process->give(process->slot(), abi::kAllRights);
        if (!given) {
            REQUIRE_ERROR(t, given, Error::kQuota);
            break;
        }
    }
    REQUIRE(t, count > 4 && count < kMuch / 4 / abi::kPageSize);
}

void quota_is_kept(Case& t) {
    const auto own = MUST(t, t.env.process.quota_status());
    Owned quota(MUST(t, t.env.process.create_quota(kMuch, 4)));
    Owned process(MUST(t, t.env.process.create_process("target", {}, quota->slot())));
    quota = {};
    REQUIRE_OK(t, process->create_notification());
    REQUIRE_EQUAL(t, MUST(t, process->quota_status()).memory, kMuch);
    REQUIRE(t, MUST(t, t.env.process.quota_status()).memory_used > own.memory_used + kMuch);
    (void)own;
}

// A process in a quota of its own that has so much left.
struct Poor {
    Owned<cap::Quota> quota;
    Owned<cap::Process> process;

    static cap::Result<Poor> make(const cap::Env& env, std::uint64_t memory, std::uint64_t threads) {
        Poor poor;
        poor.quota = Owned(TRY(env.process.create_quota(memory, threads)));
        poor.process = Owned(TRY(env.process.create_process("poor", {}, poor.quota->slot())));
        return poor;
    }
};

// With a quota of nothing, of a little, of a little more, until it succeeds: each time before that it says kQuota, and all
// is as it was. So each allocation has been the one that was refused.
void refuse_each(Case& t, const Making& making) {
    const std::uint64_t base = memory_used(*MUST(t, Poor::make(t.env, kMuch, 1)).quota);
    const auto own = MUST(t, t.env.process.quota_status());
    std::uint64_t refused = 0;
    for (std::uint64_t left = 0;; left += kSmallest, ++refused) {
        Error error = Error::kOk;
        {
            const Poor poor = MUST(t, Poor::make(t.env, base + left, 1));
            const auto next = MUST(t, derive(t.env.log, 0))->slot().index;
            const auto before = MUST(t, poor.quota->status());
            error = making.make(t, *poor.process);
            if (error != Error::kOk) {
                REQUIRE_EQUAL(t, error, Error::kQuota);
                REQUIRE(t, same(MUST(t, poor.quota->status()), before));
                REQUIRE_EQUAL(t, MUST(t, derive(t.env.log, 0))->slot().index, next);
            }
            REQUIRE_OK(t, poor.process->kill(0));
        }
        REQUIRE(t, eventually(t.env.clock, [&] {
                    return same(t.env.process.quota_status().value_or(abi::QuotaStatus{}), own);
                }));
        if (error == Error::kOk) {
            break;
        }
    }
    t.env.log.print("quota: making={} refused={}", making.name, refused);
    REQUIRE(t, refused > 0);
}

void each_allocation_refused(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(2)));
    shared = *memory;
    const Owned notification(MUST(t, t.env.process.create_notification()));
    bell = *notification;
    const auto all = [&] {
        for (const Making& making : kMakings) {
            refuse_each(t, making);
        }
    };
    all();  // the kernel's heap has then taken what it takes
    const std::uint64_t pages = free_pages(t.env);
    all();
    REQUIRE(t, !t.failed());
    REQUIRE_EQUAL(t, free_pages(t.env), pages);
}

// A program in a quota of its own of so much memory and one thread -> its exit code.
cap::Result<std::uint64_t> run_within(const Case& t, std::string_view arguments, std::uint64_t memory,
                                      std::span<const cap::GivenCap> caps = {}) {
    const Owned quota(TRY(t.env.process.create_quota(memory, 1)));
    return TRY(Child::create(t.env, arguments, {.caps = caps, .quota = quota->slot()})).run(t.env);
}

// From `memory` on, by pages, the least with which it can be loaded.
std::uint64_t enough_to_load(const Case& t, std::uint64_t memory, std::span<const cap::GivenCap> caps = {}) {
    while (error_of(run_within(t, "mode=exit", memory, caps)) == Error::kQuota) {
        memory += abi::kPageSize;
    }
    return memory;
}

// In the caller's own table, and a poller: by a program that has little left.
void own_table(Case& t) {
    const std::uint64_t enough = [&] {
        const Owned quota(*t.env.process.create_quota(16 * kMuch, 2));
        const auto child = Child::create(t.env, "mode=exit", {.quota = quota->slot()});
        return child ? memory_used(*quota) : 0;
    }();
    REQUIRE(t, enough > 10 * abi::kPageSize);
    // Being loaded takes some more for a while, which is left over then.
    const std::uint64_t memory = enough_to_load(t, enough);
    // It says how many it could derive until kQuota came: a frame of its table holds 64.
    const std::uint64_t derived = MUST(t, run_within(t, "mode=fill_table", memory));
    REQUIRE(t, derived > 50);
    REQUIRE_EQUAL(t, MUST(t, run_within(t, "mode=fill_table", memory + abi::kPageSize)), derived + 64);
    REQUIRE_EQUAL(t, MUST(t, run_within(t, "mode=poll", memory)),
                  static_cast<std::uint64_t>(-static_cast<std::int64_t>(Error::kQuota)));
}

// A scheduling domain is paid for by the process that asks for it, and all of it comes back: by a program that has just enough to be
// loaded, then a page more, and so on.
void domain_refused(Case& t) {
    const cap::GivenCap caps[] = {{"domain", *t.env.find_slot("domain"), abi::kManage}};
    const auto own = MUST(t, t.env.process.quota_status());
    std::uint64_t memory = enough_to_load(t, 10 * abi::kPageSize, caps);
    constexpr auto kRefused = static_cast<std::uint64_t>(-static_cast<std::int64_t>(Error::kQuota));
    std::uint64_t refused = 0, result = kRefused;
    for (; result == kRefused; memory += abi::kPageSize) {
        result = MUST(t, run_within(t, "mode=create_domain", memory, caps));
        refused += result == kRefused;
    }
    t.env.log.print("quota: making=domain refused={}", refused);
    REQUIRE_EQUAL(t, result, kDoneExitCode);
    REQUIRE(t, refused >= abi::kHintPages - 1);
    REQUIRE(t, eventually(t.env.clock, [&] {
                return same(t.env.process.quota_status().value_or(abi::QuotaStatus{}), own);
            }));
}

// Spenders on all CPUs, who together want more than there is: each is refused and served, and nothing is lost of it.
struct Spending {
    cap::Process process;
    cap::Quota quota;
    std::atomic<std::uint64_t> refusals{0}, successes{0}, wrong{0};

    static std::uint64_t run(cap::Ring&, void* argument) {
        Spending& spending = *static_cast<Spending*>(argument);
        std::uint64_t own_made = 0, own_refused = 0;
        for (std::uint64_t i = 0; i < 20'000 && (i < 2000 || own_made < 20 || own_refused < 20); ++i) {
            const auto first = spending.process.create_memory(1 + i % 5);
            const auto second = spending.quota.split(kSmallest * (i % 7), i % 2);
            for (const Error error : {made(first), made(second)}) {
                ++(error == Error::kOk ? own_made : own_refused);
                spending.wrong += error != Error::kOk && error != Error::kQuota;
            }
        }
        spending.successes += own_made;
        spending.refusals += own_refused;
        return 0;
    }
};

void on_all_cpus(Case& t) {
    const Owned quota(MUST(t, t.env.process.create_quota(kMuch, 1)));
    const Owned process(MUST(t, t.env.process.create_process("poor", {}, quota->slot())));
    const auto before = MUST(t, quota->status());
    // Room for half of what they want at a time.
    const Owned rest(
        MUST(t, quota->split(kMuch - before.memory_used - (t.cpus() + 1) * 2 * abi::kPageSize, 0)));
    const auto alone = MUST(t, quota->status());
    Spending spending{.process = *process, .quota = *quota};
    std::array<std::optional<Sibling>, 8> spenders;
    for (std::uint64_t i = 0; i < 2 * std::min(t.cpus(), 4u); ++i) {
        const std::uint64_t cpu = i % t.cpus();
        spenders[i].emplace(MUST(
            t, Sibling::start(t.env, Spending::run, &spending, {.affinity = only(cpu), .first_cpu = cpu})));
    }
    for (const auto& spender : spenders) {
        REQUIRE(t, !spender || spender->wait());
    }
    t.env.log.print("quota: made={} refused={}", spending.successes.load(), spending.refusals.load());
    REQUIRE_EQUAL(t, spending.wrong.load(), 0u);
    REQUIRE(t, spending.successes > 0 && spending.refusals > 0);
    REQUIRE(t, comes_back(t, *quota, alone.memory_used, 0));
}

constexpr Entry kCases[] = {
    {"split", split},
    {"chain", chain},
    {"errors", errors},
    {"who_pays", who_pays},
    {"forgotten_threads", forgotten_threads},
    {"quota_is_kept", quota_is_kept},
    {"each_allocation_refused", each_allocation_refused},
    {"own_table", own_table},
    {"domain_refused", domain_refused},
    {"on_all_cpus", on_all_cpus},
    {"forgotten_processes", forgotten_processes},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "quota", kCases); }
