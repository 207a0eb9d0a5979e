// SPDX-License-Identifier: MIT
#include "kernel/calls.hpp"
#include "kernel/endpoint.hpp"
#include "kernel/exit.hpp"
#include "kernel/heap.hpp"
#include "kernel/log.hpp"
#include "kernel/notification.hpp"
#include "kernel/process.hpp"
#include "kernel/quota.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/user_memory.hpp"

namespace cox {

using abi::Error;
using abi::Op;

namespace {

// A new capability in the caller's table.
core::Result<Reply> give_caller(const Invocation& call, RefPtr<Object> object,
                                abi::Rights rights = abi::kAllRights) {
    const auto slot = TRY(call.caller.process->caps.add({std::move(object), rights}));
    return Reply{static_cast<std::int64_t>(slot.raw())};
}

core::Result<Reply> create_process(const Invocation& call, const Process& target) {
    const auto params = TRY(read_user<abi::ProcessParams>(call.caller.process->space(), call.args[0]));
    RefPtr<SchedDomain> domain;
    if (params.domain_slot) {
        const auto cap = TRY(call.caller.process->caps.look_up(abi::CapSlot::from_raw(params.domain_slot)));
        domain = RefPtr<SchedDomain>(*TRY(as<SchedDomain>(cap, abi::kExecute)));
    }
    const std::string_view text(params.name, sizeof params.name);
    std::array<char, sizeof params.name> name_buffer{};
    const auto name = printable(text.substr(0, text.find('\0')), name_buffer);
    RefPtr<Quota> pays;
    if (params.quota_slot) {
        const auto cap = TRY(call.caller.process->caps.look_up(abi::CapSlot::from_raw(params.quota_slot)));
        pays = RefPtr<Quota>(*TRY(as<Quota>(cap, abi::kExecute)));
    }
    return give_caller(
        call, RefPtr<Object>(*TRY(Process::create(pays ? *pays : target.quota, domain.get(), name))));
}

core::Result<Reply> create_thread(const Invocation& call, Process& target, AddressSpace& space) {
    const auto params = TRY(read_user<abi::ThreadParams>(call.caller.process->space(), call.args[0]));
    auto thread = TRY(target.create_thread(space, params));
    auto given = give_caller(call, RefPtr<Object>(*thread));
    if (!given && take_back(*thread)) unmap_ring(space, params.ring_address);
    return given;
}

core::Result<Reply> map(const Invocation& call, AddressSpace& space) {
    const auto cap = TRY(call.caller.process->caps.look_up(abi::CapSlot::from_raw(call.args[0])));
    const auto access = static_cast<abi::Rights>(call.args[3] & 0xff);
    const auto memory = TRY(as<MemoryObject>(cap, access & (abi::kRead | abi::kWrite | abi::kExecute)));
    TRY(space.map(*memory, call.args[2], call.args[1], call.args[3] >> 8, access, cap.rights));
    return Reply{};
}

// A capability of the caller's goes into the target's table, with at most the rights that it has.
core::Result<Reply> give(const Invocation& call, Process& target) {
    const CapTable::Origin from{call.caller.process->caps, abi::CapSlot::from_raw(call.args[0])};
    const auto cap = TRY(from.table.look_up(from.slot));
    if (call.args[3] & ~abi::kGiveMove) return core::fail(Error::kBadArgument);
    if (!(cap.rights & abi::kGrant)) return core::fail(Error::kNoRight);
    auto given = TRY(derived(cap, call.args[1], call.args[2]));
    const auto slot = TRY(call.args[3] & abi::kGiveMove ? target.caps.move(from, std::move(given))
                                                        : target.caps.derive(from, std::move(given)));
    return Reply{static_cast<std::int64_t>(slot.raw())};
}

core::Result<Reply> change_space(const Invocation& call, Process& target, AddressSpace& space) {
    switch (call.op) {
        case Op::kCreateThread: return create_thread(call, target, space);
        case Op::kMap: return map(call, space);
        case Op::kUnmap: TRY(space.unmap(call.args[0], call.args[1])); return Reply{};
        case Op::kProtect:
            if (call.args[2] > abi::kAllRights) return core::fail(Error::kBadArgument);
            TRY(space.protect(call.args[0], call.args[1], static_cast<abi::Rights>(call.args[2])));
            return Reply{};
        case Op::kGive: return give(call, target);
        default: return core::fail(Error::kBadOperation);
    }
}

// Operations on a process that must not go away meanwhile. The caller's own does not.
core::Result<Reply> change_process(const Invocation& call, Process& target) {
    if (&target == call.caller.process.get()) return change_space(call, target, target.space());
    const Process::SpaceHold hold(target);
    if (!hold) return core::fail(Error::kWrongState);
    return change_space(call, target, hold.space());
}

abi::Rights needed(Op op) {
    switch (op) {
        case Op::kWaitExit:
        case Op::kGetQuota:
        case Op::kPark: return abi::kRead;
        case Op::kUnpark: return abi::kWrite;
        default: return abi::kManage;
    }
}

}  // namespace

core::Result<Reply> invoke_process(const Invocation& call, const Cap& cap) {
    const auto process = TRY(as<Process>(cap, needed(call.op)));
    switch (call.op) {
        case Op::kCreateProcess: return create_process(call, *process);
        case Op::kCreateMemory:
            if (call.args[0] & abi::kDemandZero)
                return give_caller(call, RefPtr<Object>(*TRY(MemoryObject::create_on_demand(
                                             process->quota, call.args[0] & ~abi::kDemandZero))));
            return give_caller(call,
                               RefPtr<Object>(*TRY(MemoryObject::create(process->quota, call.args[0]))));
        case Op::kCreateNotification:
            return give_caller(call, RefPtr<Object>(*TRY(make_object<Notification>(process->quota))));
        case Op::kCreateQuota: return split_quota(call, process->quota);
        case Op::kGetQuota: return tell_quota(call, process->quota);
        case Op::kCreateTimer: return create_timer(call, *process);
        case Op::kCreateEndpoint:
            return give_caller(call, RefPtr<Object>(*TRY(Endpoint::create(process->quota))));
        // Their own process's come here only through the ring, or for lack of a right.
        case Op::kUnpark:
            if (process != call.caller.process.get()) return core::fail(Error::kWrongState);
            return to_reply(process->parked.unpark(call.args[0], call.args[1]));
        case Op::kPark: return core::fail(call.pending ? Error::kBadOperation : Error::kWrongState);
        case Op::kWaitExit: return wait_for(process->ending, call);
        case Op::kSetProcessFaultHandler:
            if (process->is_dying()) return core::fail(Error::kWrongState);
            return set_fault_handler(call, process->fault_handler);
        case Op::kKillProcess:
            if (call.args[0] >> 63) return core::fail(Error::kBadArgument);
            process->kill(call.args[0]);
            return Reply{};
        default: return change_process(call, *process);
    }
}

}  // namespace cox
