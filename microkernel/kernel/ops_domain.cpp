// SPDX-License-Identifier: MIT
#include <bit>

#include "kernel/calls.hpp"
#include "kernel/process.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/thread_table.hpp"
#include "kernel/user_memory.hpp"

namespace cox {

using abi::Error;
using abi::Op;

namespace {

core::Result<Reply> add_agent(const Invocation& call, SchedDomain& domain) {
    Process& server = *call.caller.process;
    const auto cap = TRY(server.caps.look_up(abi::CapSlot::from_raw(call.args[0])));
    const auto thread = TRY(as<Thread>(cap, abi::kManage));
    if (call.args[1] >= abi::kMaxCpus) return core::fail(Error::kCpuNotYours);
    TRY(domain.add_agent(server, *thread, static_cast<std::uint32_t>(call.args[1]), call.args[2]));
    return Reply{};
}

core::Result<Reply> wait_events(const Invocation& call, SchedDomain& domain) {
    if (!call.pending) return core::fail(Error::kBadOperation);
    const bool events = TRY(domain.wait_events(call.caller, *call.pending));
    return Reply{1, 0, !events};
}

core::Result<Reply> wake_ledger(const Invocation& call, const SchedDomain& domain) {
    abi::WakeLedger copy{};
    bool whole = true;
    if (call.args[0] == abi::kGoneThreads)
        domain.gone_wakes().read(copy);
    else if (call.args[0] >= abi::kMaxThreads)
        return core::fail(Error::kBadArgument);
    else if (const auto thread = thread_at(static_cast<std::uint32_t>(call.args[0])))
        whole = read_ledger(*thread, copy);
    TRY(copy_to_user(call.caller.process->space(), call.args[1], &copy, sizeof copy));
    return Reply{whole};
}

core::Result<Reply> create_domain(const Invocation& call, SchedDomain& parent) {
    Process& caller = *call.caller.process;
    auto child = TRY(parent.create_child(caller.quota));
    const auto slot = TRY(caller.caps.add({RefPtr<Object>(*child), abi::kAllRights}));
    return Reply{static_cast<std::int64_t>(slot.raw())};
}

core::Result<Reply> lend_cpu(const Invocation& call, SchedDomain& lender) {
    const auto cap = TRY(call.caller.process->caps.look_up(abi::CapSlot::from_raw(call.args[1])));
    const auto child = TRY(as<SchedDomain>(cap, abi::kManage));
    TRY(lender.lend_cpu(call.args[0], *child));
    return Reply{};
}

abi::Rights needed(Op op) {
    switch (op) {
        case Op::kCommit: return abi::kWrite;
        case Op::kCommitAndWait: return abi::kRead | abi::kWrite;
        case Op::kWaitEvents:
        case Op::kWakeLedger:
        case Op::kGetCpus: return abi::kRead;
        default: return abi::kManage;
    }
}

}  // namespace

core::Result<Reply> invoke_domain(const Invocation& call, const Cap& cap) {
    const auto domain = TRY(as<SchedDomain>(cap, needed(call.op)));
    switch (call.op) {
        case Op::kAttach:
            TRY(domain->attach(*call.caller.process, call.slot, call.args[0], call.args[1]));
            return Reply{domain->number()};
        case Op::kAddAgent: return add_agent(call, *domain);
        case Op::kCommit:
            TRY(domain->commit(*call.caller.process, abi::ThreadRef::from_raw(call.args[0]), call.args[1],
                               call.args[2]));
            return Reply{};
        case Op::kCommitAndWait:  // an agent's own comes here only through the ring, or for lack of a right
            return core::fail(call.pending ? Error::kBadOperation : Error::kWrongState);
        case Op::kWaitEvents: return wait_events(call, *domain);
        case Op::kDetach: TRY(domain->detach(*call.caller.process)); return Reply{};
        case Op::kGetCpus: {
            const auto cpus = domain->cpus_in_lines();
            return Reply{std::popcount(cpus), cpus};
        }
        case Op::kTakeCpu: TRY(domain->take_cpu(call.args[0])); return Reply{};
        case Op::kReturnCpu: TRY(domain->return_cpu(call.args[0])); return Reply{};
        case Op::kWakeLedger: return wake_ledger(call, *domain);
        case Op::kCreateDomain: return create_domain(call, *domain);
        case Op::kLendCpu: return lend_cpu(call, *domain);
        case Op::kReclaimCpu: TRY(domain->reclaim_cpu(call.args[0])); return Reply{};
        default: return core::fail(Error::kBadOperation);
    }
}

}  // namespace cox
