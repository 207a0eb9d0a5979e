// SPDX-License-Identifier: MIT
//
// The checks that every operation makes before it does anything, for all operations, by both doors: the slot, the
// object's type, the rights, the operation's number. docs/abi.md, "Calls".
#include "cap/endpoint.hpp"
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/scene.hpp"

#include <algorithm>

namespace {

using namespace test;
using abi::Error;
using abi::ObjectType;
using abi::Op;
using abi::Rights;

constexpr std::uint64_t kTopBit = std::uint64_t{1} << 63;

enum class Door : std::uint8_t { kBoth, kRing, kCall };

struct Row {
    Op op;
    ObjectType type;
    Rights needed;
    Door door;
    std::array<std::uint64_t, 4> args;  // such that it has an effect on nothing
    Error outcome;                      // with these arguments, once all the checks before have been passed
};

using enum Op;
constexpr Row kRows[] = {
    {kCreateProcess, ObjectType::kProcess, abi::kManage, Door::kBoth, {0}, Error::kBadAddress},
    {kCreateThread, ObjectType::kProcess, abi::kManage, Door::kBoth, {0}, Error::kBadAddress},
    {kCreateMemory, ObjectType::kProcess, abi::kManage, Door::kBoth, {0}, Error::kBadArgument},
    {kCreateNotification, ObjectType::kProcess, abi::kManage, Door::kBoth, {}, Error::kOk},
    {kMap, ObjectType::kProcess, abi::kManage, Door::kBoth, {0}, Error::kBadSlot},
    {kUnmap, ObjectType::kProcess, abi::kManage, Door::kBoth, {1, 1}, Error::kMisaligned},
    {kProtect, ObjectType::kProcess, abi::kManage, Door::kBoth, {1, 1, 1}, Error::kMisaligned},
    {kGive, ObjectType::kProcess, abi::kManage, Door::kBoth, {0}, Error::kBadSlot},
    {kKillProcess, ObjectType::kProcess, abi::kManage, Door::kBoth, {kTopBit}, Error::kBadArgument},
    {kWaitExit, ObjectType::kProcess, abi::kRead, Door::kRing, {}, Error::kBadOperation},
    {kPark, ObjectType::kProcess, abi::kRead, Door::kCall, {}, Error::kWrongState},
    {kUnpark, ObjectType::kProcess, abi::kWrite, Door::kBoth, {}, Error::kWrongState},
    {kCreateTimer, ObjectType::kProcess, abi::kManage, Door::kBoth, {0}, Error::kBadSlot},
    {kCreateQuota, ObjectType::kProcess, abi::kManage, Door::kBoth, {~0ull}, Error::kQuota},
    {kSetProcessFaultHandler, ObjectType::kProcess, abi::kManage, Door::kBoth, {1, 0}, Error::kBadSlot},
    {kGetQuota, ObjectType::kProcess, abi::kRead, Door::kBoth, {0}, Error::kBadAddress},
    {kQuotaStatus, ObjectType::kQuota, abi::kRead, Door::kBoth, {0}, Error::kBadAddress},
    {kSplitQuota, ObjectType::kQuota, abi::kManage, Door::kBoth, {~0ull}, Error::kQuota},
    {kStart, ObjectType::kThread, abi::kManage, Door::kBoth, {}, Error::kWrongState},
    {kKillThread, ObjectType::kThread, abi::kManage, Door::kBoth, {kTopBit}, Error::kBadArgument},
    {kSetAffinity, ObjectType::kThread, abi::kManage, Door::kBoth, {0}, Error::kBadArgument},
    {kJoin, ObjectType::kThread, abi::kRead, Door::kRing, {}, Error::kBadOperation},
    {kSuspend, ObjectType::kThread, abi::kManage, Door::kBoth, {}, Error::kWrongState},
    {kResume, ObjectType::kThread, abi::kManage, Door::kBoth, {}, Error::kWrongState},
    {kYield, ObjectType::kThread, abi::kRead, Door::kCall, {}, Error::kWrongState},
    {kPoll, ObjectType::kThread, abi::kManage, Door::kCall, {}, Error::kWrongState},
    {kGetRef, ObjectType::kThread, abi::kRead, Door::kBoth, {}, Error::kOk},
    {kGetStatus, ObjectType::kThread, abi::kRead, Door::kBoth, {0}, Error::kBadAddress},
    {kSetFaultHandler, ObjectType::kThread, abi::kManage, Door::kBoth, {1, 0}, Error::kBadSlot},
    {kGetFault, ObjectType::kThread, abi::kRead, Door::kBoth, {}, Error::kWrongState},
    {kEndFault, ObjectType::kThread, abi::kManage, Door::kBoth, {2}, Error::kBadArgument},
    {kGetSize, ObjectType::kMemory, abi::kRead, Door::kBoth, {}, Error::kOk},
    {kParkShared, ObjectType::kMemory, abi::kRead, Door::kCall, {1}, Error::kMisaligned},
    {kUnparkShared, ObjectType::kMemory, abi::kWrite, Door::kBoth, {1}, Error::kMisaligned},
    {kSplit, ObjectType::kMemory, abi::kRead, Door::kBoth, {0, 0}, Error::kBadArgument},
    {kPin, ObjectType::kMemory, abi::kRead, Door::kBoth, {0, 0}, Error::kBadArgument},
    {kSignal, ObjectType::kNotification, abi::kWrite, Door::kBoth, {kTopBit}, Error::kBadArgument},
    {kWaitBits, ObjectType::kNotification, abi::kRead, Door::kRing, {}, Error::kBadOperation},
    {kPollBits, ObjectType::kNotification, abi::kRead, Door::kBoth, {}, Error::kOk},
    {kAttach, ObjectType::kSchedDomain, abi::kManage, Door::kBoth, {1}, Error::kMisaligned},
    {kAddAgent, ObjectType::kSchedDomain, abi::kManage, Door::kBoth, {0}, Error::kBadSlot},
    {kCommit, ObjectType::kSchedDomain, abi::kWrite, Door::kBoth, {}, Error::kNotAttached},
    {kWaitEvents, ObjectType::kSchedDomain, abi::kRead, Door::kRing, {}, Error::kBadOperation},
    {kCommitAndWait, ObjectType::kSchedDomain, abi::kRead | abi::kWrite, Door::kCall, {}, Error::kWrongState},
    {kDetach, ObjectType::kSchedDomain, abi::kManage, Door::kBoth, {}, Error::kNotAttached},
    {kGetCpus, ObjectType::kSchedDomain, abi::kRead, Door::kBoth, {}, Error::kOk},
    {kTakeCpu, ObjectType::kSchedDomain, abi::kManage, Door::kBoth, {~0ull}, Error::kCpuNotYours},
    {kReturnCpu, ObjectType::kSchedDomain, abi::kManage, Door::kBoth, {~0ull}, Error::kCpuNotYours},
    {kWakeLedger, ObjectType::kSchedDomain, abi::kRead, Door::kBoth, {0}, Error::kBadAddress},
    {kCreateDomain, ObjectType::kSchedDomain, abi::kManage, Door::kBoth, {}, Error::kOk},
    {kLendCpu, ObjectType::kSchedDomain, abi::kManage, Door::kBoth, {0, 0}, Error::kBadSlot},
    {kReclaimCpu, ObjectType::kSchedDomain, abi::kManage, Door::kBoth, {~0ull}, Error::kCpuNotYours},
    {kLogWrite, ObjectType::kLog, abi::kWrite, Door::kBoth, {0, 2000}, Error::kBadArgument},
    {kPowerOff, ObjectType::kMachine, abi::kManage, Door::kBoth, {0}, Error::kBadArgument},
    {kCpuStats, ObjectType::kMachine, abi::kRead, Door::kBoth, {~0ull, 0}, Error::kBadArgument},
    {kGetIrq, ObjectType::kMachine, abi::kManage, Door::kBoth, {~0ull}, Error::kBadArgument},
    {kCreateEndpoint, ObjectType::kProcess, abi::kManage, Door::kBoth, {}, Error::kOk},
    {kCall, ObjectType::kEndpoint, abi::kWrite, Door::kBoth, {kTopBit}, Error::kBadArgument},
    {kReceive, ObjectType::kEndpoint, abi::kRead, Door::kBoth, {kTopBit}, Error::kBadArgument},
    {kReply, ObjectType::kEndpoint, abi::kRead, Door::kBoth, {kTopBit}, Error::kBadArgument},
    {kReplyReceive, ObjectType::kEndpoint, abi::kRead, Door::kBoth, {kTopBit}, Error::kBadArgument},
    {kArm, ObjectType::kTimer, abi::kWrite, Door::kBoth, {0, 1, 0}, Error::kBadArgument},
    {kDisarm, ObjectType::kTimer, abi::kWrite, Door::kBoth, {}, Error::kOk},
    {kReadTimer, ObjectType::kTimer, abi::kRead, Door::kBoth, {}, Error::kOk},
    {kBindIrq, ObjectType::kIrq, abi::kWrite, Door::kBoth, {0}, Error::kBadSlot},
    {kAckIrq, ObjectType::kIrq, abi::kWrite, Door::kBoth, {}, Error::kWrongState},
    {kPortRead, ObjectType::kIrq, abi::kRead, Door::kBoth, {0x80, 1}, Error::kBadArgument},
    {kPortWrite, ObjectType::kIrq, abi::kWrite, Door::kBoth, {0x80, 1, 0}, Error::kBadArgument},
};
constexpr Op kAnyOperations[] = {kIdentify, kDrop, kDerive, kNop, kCancel, kRevoke};

// One object of each type, with all rights; a thread that has gone, so that kStart is refused.
struct Objects {
    Owned<cap::Process> process;
    Owned<cap::Thread> thread;
    Owned<cap::Memory> memory;
    Owned<cap::Notification> notification;
    Owned<cap::Endpoint> endpoint;
    Owned<cap::Timer> timer;
    Owned<cap::Irq> irq;
    Owned<cap::Quota> quota;
    std::array<cap::Capability, 11> all;  // by type - 1; where there is no such type, none

    static cap::Result<Objects> make(const cap::Env& env) {
        Objects made;
        made.process = Owned(TRY(env.process.create_process("target")));
        abi::ThreadParams params{};
        params.ring_address = 0x20'0000;
        made.thread = Owned(TRY(made.process->create_thread(params)));
        TRY(made.thread->kill(0));
        made.process = Owned(TRY(env.process.create_process("target")));
        made.memory = Owned(TRY(env.process.create_memory(1)));
        made.notification = Owned(TRY(env.process.create_notification()));
        made.endpoint = Owned(TRY(cap::Endpoint::create(env.process)));
        made.timer = Owned(TRY(env.process.create_timer(*made.notification, 1)));
        made.irq = Owned(TRY(cap::Machine(*env.find_slot("machine")).irq(5)));
        made.quota = Owned(TRY(env.process.create_quota(0, 0)));
        made.all = {*made.process,
                    *made.thread,
                    *made.memory,
                    *made.notification,
                    cap::Capability(*env.find_slot("domain")),
                    cap::Capability(*env.find_slot("log")),
                    cap::Capability(*env.find_slot("machine")),
                    *made.endpoint,
                    *made.timer,
                    *made.irq,
                    *made.quota};
        return made;
    }
    [[nodiscard]] cap::Capability of(ObjectType type) const {
        return all[static_cast<std::size_t>(type) - 1];
    }
};

// Calls, and gives back what the operations made that need nothing to make something.
Error called(const Row& row, abi::CapSlot slot) {
    const auto reply = cap::cap_call(slot, row.op, row.args[0], row.args[1], row.args[2], row.args[3]);
    if ((row.op == kCreateNotification || row.op == kCreateEndpoint || row.op == kCreateDomain) &&
        reply.result >= 0) {
        cap::Capability(abi::CapSlot::from_raw(static_cast<std::uint64_t>(reply.result))).drop();
    }
    return error_of(reply.result);
}

void rights(Case& t) {
    const auto objects = MUST(t, Objects::make(t.env));
    for (const Row& row : kRows) {
        const auto object = objects.of(row.type);
        const auto without = MUST(t, derive(object, abi::kAllRights & ~row.needed));
        REQUIRE_EQUAL(t, called(row, without->slot()), Error::kNoRight);
        REQUIRE_EQUAL(t, by_ring(t.env, {row.op, without->slot(), row.args}), Error::kNoRight);
        const auto just = MUST(t, derive(object, row.needed));
        REQUIRE_EQUAL(t, called(row, just->slot()), row.outcome);
        if (row.door == Door::kCall) {
            REQUIRE_EQUAL(t, by_ring(t.env, {row.op, just->slot(), row.args}), Error::kBadOperation);
        } else if (row.door == Door::kBoth && row.outcome != Error::kOk) {
            REQUIRE_EQUAL(t, by_ring(t.env, {row.op, just->slot(), row.args}), row.outcome);
        }
    }
}

// With every set of rights that lacks the one that is needed, and arguments that would have an effect: nothing has changed.
void every_missing_right(Case& t) {
    const auto objects = MUST(t, Objects::make(t.env));
    auto scene = MUST(t, Scene::make(t.env));
    Random random(t.seed);
    for (const Row& row : kRows) {
        const auto own = scene.of(row.type);
        const auto object = own ? own : objects.of(row.type);
        for (Rights rights = 0; rights <= abi::kAllRights; ++rights) {
            if ((rights & row.needed) == row.needed) {
                continue;
            }
            const auto without = MUST(t, derive(object, rights));
            const auto before = scene.state();
            for (int i = 0; i < 8; ++i) {
                const Request request{row.op, without->slot(), scene.arguments(random)};
                REQUIRE_EQUAL(t, by_call(request), Error::kNoRight);
                REQUIRE_EQUAL(t, by_ring(t.env, request), Error::kNoRight);
            }
            const auto after = scene.state();
            for (std::size_t i = 0; i < before.size(); ++i) {
                if (after[i] != before[i]) {
                    t.fail("operation {:x} with rights {} has changed state {} from {:x} to {:x}",
                           static_cast<std::uint64_t>(row.op), rights, i, before[i], after[i]);
                }
            }
        }
    }
}

// With the right it changes, and is seen to.
void a_change_is_seen(Case& t) {
    const auto sees = [&](auto harm) {
        const auto scene = Scene::make(t.env);
        if (!scene) {
            return false;
        }
        const auto before = scene->state();
        return by_call(harm(*scene)) == Error::kOk && scene->state() != before;
    };
    REQUIRE(t, sees([](const Scene& scene) {
                return Request{kSignal, scene.of(ObjectType::kNotification).slot(), {2}};
            }));
    REQUIRE(t,
            sees([](const Scene& scene) { return Request{kStart, scene.of(ObjectType::kThread).slot()}; }));
    REQUIRE(t, sees([](const Scene& scene) {
                return Request{kUnmap, scene.of(ObjectType::kProcess).slot(), {Scene::place(0), 1}};
            }));
    REQUIRE(t, sees([](const Scene& scene) {
                return Request{kMap,
                               scene.of(ObjectType::kProcess).slot(),
                               {scene.of(ObjectType::kMemory).slot().raw(), Scene::place(1), 0,
                                abi::map_word(1, abi::kRead)}};
            }));
}

void wrong_type(Case& t) {
    const auto objects = MUST(t, Objects::make(t.env));
    for (const Row& row : kRows) {
        for (const auto& object : objects.all) {
            if (object && object.slot() != objects.of(row.type).slot()) {
                REQUIRE_EQUAL(t, called(row, object.slot()), Error::kWrongType);
                REQUIRE_EQUAL(t, by_ring(t.env, {row.op, object.slot(), row.args}), Error::kWrongType);
            }
        }
    }
}

void bad_slots(Case& t) {
    const Owned used(MUST(t, t.env.process.create_notification()));
    const abi::CapSlot stale = MUST(t, used->derive(0));
    cap::Capability(stale).drop();
    struct Bad {
        abi::CapSlot slot;
        Error error;
    };
    const Bad bad[] = {
        {{}, Error::kBadSlot},
        {{used->slot().index, 0}, Error::kBadSlot},
        {{used->slot().index, used->slot().generation + 1}, Error::kBadSlot},
        {{used->slot().index, ~0u}, Error::kBadSlot},
        {{stale.index, stale.generation + 1}, Error::kBadSlot},  // the next one there, which is not made yet
        {{4095, 1}, Error::kBadSlot},
        {{4096, 1}, Error::kBadSlot},
        {{~0u, 1}, Error::kBadSlot},
        {stale, Error::kStaleSlot},
    };
    for (const Bad& each : bad) {
        for (const Row& row : kRows) {
            REQUIRE_EQUAL(t, by_call({row.op, each.slot, row.args}), each.error);
            REQUIRE_EQUAL(t, by_ring(t.env, {row.op, each.slot, row.args}), each.error);
        }
        for (const Op op : kAnyOperations) {
            REQUIRE_EQUAL(t, by_call({op, each.slot}), each.error);
            REQUIRE_EQUAL(t, by_ring(t.env, {op, each.slot}), each.error);
        }
    }
}

bool exists(std::uint32_t number) {
    const auto same = [&](Op op) { return static_cast<std::uint32_t>(op) == number; };
    return std::ranges::any_of(kAnyOperations, same) ||
           std::ranges::any_of(kRows, [&](const Row& row) { return same(row.op); });
}

void unknown_operations(Case& t) {
    const auto objects = MUST(t, Objects::make(t.env));
    for (std::uint32_t type = 0; type <= objects.all.size() + 1; ++type) {
        const bool known = type >= 1 && type <= objects.all.size() && objects.all[type - 1];
        const auto object = known ? objects.all[type - 1] : objects.all[0];
        for (std::uint32_t low = 0; low < 256; ++low) {
            const std::uint32_t number = type << 8 | low;
            if (!exists(number)) {
                const Request request{static_cast<Op>(number), object.slot()};
                REQUIRE_EQUAL(t, by_call(request), Error::kBadOperation);
                REQUIRE_EQUAL(t, by_ring(t.env, request), Error::kBadOperation);
            }
        }
    }
    for (const std::uint32_t number : {0x7fffu, 0x8000u, 0xff00u, 0xffffu}) {
        REQUIRE_EQUAL(t, by_call({static_cast<Op>(number), objects.all[0].slot()}), Error::kBadOperation);
    }
}

// In RSI an operation has 64 bits; what does not fit into an Op is no operation, whatever its low bits say.
void wide_operations(Case& t) {
    for (const std::uint64_t high : {std::uint64_t{1} << 16, std::uint64_t{1} << 32, kTopBit}) {
        auto rax = static_cast<std::uint64_t>(abi::Call::kCapCall);
        std::uint64_t rdx = 5;
        asm volatile("syscall"
                     : "+a"(rax), "+d"(rdx)
                     : "D"(t.env.process.slot().raw()), "S"(high | static_cast<std::uint64_t>(kNop))
                     : "rcx", "r11", "memory");
        REQUIRE_EQUAL(t, error_of(static_cast<std::int64_t>(rax)), Error::kBadOperation);
    }
}

// What needs no right works with none.
void operations_on_any(Case& t) {
    const auto objects = MUST(t, Objects::make(t.env));
    for (const auto& object : objects.all) {
        if (!object) {
            continue;
        }
        const auto derived = MUST(t, derive(object, 0));
        const auto identified = cap::cap_call(derived->slot(), kIdentify);
        const auto type = static_cast<ObjectType>(identified.result);
        REQUIRE_EQUAL(t, objects.of(type).slot().raw(), object.slot().raw());
        REQUIRE_EQUAL(t, static_cast<std::uint64_t>(cap::cap_call(object.slot(), kIdentify).result),
                      abi::identity_word(type, abi::kAllRights));
        REQUIRE_EQUAL(t, identified.result2, 0u);
        REQUIRE_EQUAL(t, cap::cap_call(derived->slot(), kNop, kTopBit | 9).result, 9);
        REQUIRE_EQUAL(t, by_call({kCancel, derived->slot()}), Error::kWrongState);
        REQUIRE_EQUAL(t, by_ring(t.env, {kCancel, derived->slot()}), Error::kWrongState);
        REQUIRE_EQUAL(t, by_call({kRevoke, derived->slot()}), Error::kOk);
        REQUIRE_EQUAL(t, by_ring(t.env, {kRevoke, derived->slot()}), Error::kOk);
        const auto again = MUST(t, derive(*derived, 0));
        REQUIRE_EQUAL(t, by_ring(t.env, {kDrop, again->slot()}), Error::kOk);
    }
}

void domain_cpus(Case& t) {
    const auto reply = cap::cap_call(*t.env.find_slot("domain"), kGetCpus);
    REQUIRE_EQUAL(t, reply.result, std::int64_t{t.cpus()});
    REQUIRE_EQUAL(t, reply.result2, (2ull << (t.cpus() - 1)) - 1);
}

constexpr Entry kCases[] = {
    {"rights", rights},
    {"every_missing_right", every_missing_right},
    {"a_change_is_seen", a_change_is_seen},
    {"wrong_type", wrong_type},
    {"bad_slots", bad_slots},
    {"unknown_operations", unknown_operations},
    {"wide_operations", wide_operations},
    {"operations_on_any", operations_on_any},
    {"domain_cpus", domain_cpus},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "calls", kCases); }
