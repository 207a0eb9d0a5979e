// SPDX-License-Identifier: MIT
#include "kernel/calls.hpp"
#include "kernel/endpoint.hpp"
#include "kernel/exit.hpp"
#include "kernel/inbox_records.hpp"
#include "kernel/poller.hpp"
#include "kernel/process.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/suspend.hpp"
#include "kernel/user_memory.hpp"
#include "kernel/wake.hpp"

namespace cox {

using abi::Error;
using abi::Op;

namespace {

// The thread leaves a CPU that it may not use any more as soon as that CPU looks.
core::Result<Reply> set_affinity(Thread& thread, std::uint64_t mask) {
    if (thread.is_agent()) return core::fail(Error::kWrongState);
    if (!(mask & online_mask())) return core::fail(Error::kBadArgument);
    thread.line.affinity.store(mask & online_mask());
    const auto asked = thread.word().request(abi::kRequestAffinity);
    if (asked.done) send_request(thread, asked.word.cpu());
    if (thread.domain && thread.domain->attached())
        thread.domain->post_event(thread.ref.index, asked.word.cpu());
    else if (thread.domain && asked.word.state() == abi::ThreadState::kUnplaced)
        place_by_kernel(thread, asked.word,
                        abi::Cause::kNoServer);  // no CPU of the domain was among those before
    return Reply{};
}

// The line as the server sees it, read until it holds still.
core::Result<Reply> get_status(const Invocation& call, Thread& thread) {
    const abi::StatusLine& line = thread.line;
    std::uint64_t copy[8];
    do {
        copy[0] = line.word.load();
        copy[1] = line.ref.load();
        copy[2] = line.runtime_ns.load();
        copy[3] = line.runnable_since.load();
        copy[4] = line.wakes.load();
        copy[5] = line.affinity.load();
        copy[6] = line.label.load();
        copy[7] = line.domain.load() | std::uint64_t{line.serves.load()} << 16 |
                  std::uint64_t{line.calls.load()} << 32;
    } while (line.word.load() != copy[0]);
    static_assert(sizeof copy == sizeof(abi::StatusLine));
    TRY(copy_to_user(call.caller.process->space(), call.args[0], copy, sizeof copy));
    return Reply{};
}

core::Result<Reply> end_fault(Thread& thread, std::uint64_t ends) {
    if (ends > 1) return core::fail(Error::kBadArgument);
    if (!thread.page_fault.take()) return core::fail(Error::kWrongState);
    if (ends)
        kill_thread(thread, kFaultExitCode);
    else
        wake(thread);
    return Reply{};
}

}  // namespace

core::Result<Reply> set_fault_handler(const Invocation& call, FaultHandler& handler) {
    if (call.args[0] == 0) {
        handler.set(nullptr, 0);
        return Reply{};
    }
    const auto cap = TRY(call.caller.process->caps.look_up(abi::CapSlot::from_raw(call.args[0])));
    if (cap.object->type() == Endpoint::kType) {
        handler.set(TRY(as<Endpoint>(cap, abi::kWrite)), call.args[1]);
        return Reply{};
    }
    const auto bell = TRY(as<Notification>(cap, abi::kWrite));
    if (call.args[1] == 0 || call.args[1] >> 63) return core::fail(Error::kBadArgument);
    handler.set(bell, call.args[1]);
    return Reply{};
}

core::Result<Reply> invoke_thread(const Invocation& call, const Cap& cap) {
    const bool reads = call.op == Op::kGetRef || call.op == Op::kGetStatus || call.op == Op::kJoin ||
                       call.op == Op::kYield || call.op == Op::kGetFault;
    const auto thread = TRY(as<Thread>(cap, reads ? abi::kRead : abi::kManage));
    switch (call.op) {
        case Op::kStart:
            if (!start_thread(*thread)) return core::fail(Error::kWrongState);
            return Reply{};
        case Op::kKillThread:
            if (call.args[0] >> 63) return core::fail(Error::kBadArgument);
            kill_thread(*thread, call.args[0]);
            return Reply{};
        case Op::kSetAffinity: return set_affinity(*thread, call.args[0]);
        case Op::kSuspend:
            if (!suspend_thread(*thread)) return core::fail(Error::kWrongState);
            return Reply{};
        case Op::kResume:
            if (!resume_thread(*thread)) return core::fail(Error::kWrongState);
            return Reply{};
        case Op::kJoin:
            if (call.pending && thread == &call.caller) return core::fail(Error::kWrongState);
            return wait_for(thread->ending, call);
        case Op::kYield:  // the caller's own comes here only through the ring
            return core::fail(call.pending ? Error::kBadOperation : Error::kWrongState);
        case Op::kPoll:
            if (call.pending) return core::fail(Error::kBadOperation);
            if (thread != &call.caller) return core::fail(Error::kWrongState);
            return make_poller(call);
        case Op::kGetRef: return Reply{static_cast<std::int64_t>(thread->ref.raw())};
        case Op::kGetStatus: return get_status(call, *thread);
        case Op::kSetFaultHandler:
            if (thread->is_agent()) return core::fail(Error::kWrongState);
            return set_fault_handler(call, thread->page_fault);
        case Op::kGetFault: {
            const auto note = TRY(thread->page_fault.outstanding());
            return Reply{static_cast<std::int64_t>(note.cause), note.address};
        }
        case Op::kEndFault: return end_fault(*thread, call.args[0]);
        default: return core::fail(Error::kBadOperation);
    }
}

}  // namespace cox
