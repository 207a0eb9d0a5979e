// SPDX-License-Identifier: MIT
#include "kernel/calls.hpp"

#include "kernel/call_enter.hpp"
#include "kernel/exit.hpp"
#include "kernel/process.hpp"

namespace cox {

using abi::Error;
using abi::Op;

namespace {

core::Result<Reply> invoke_any(const Invocation& call, const Cap& cap) {
    CapTable& caps = call.caller.process->caps;
    switch (call.op) {
        case Op::kIdentify: return Reply{static_cast<std::int64_t>(cap.object->type()), cap.rights};
        case Op::kDrop: TRY(caps.drop(call.slot)); return Reply{};
        case Op::kDerive: {
            const auto rights = static_cast<abi::Rights>(call.args[0]);
            if (call.args[0] & ~std::uint64_t{cap.rights}) return core::fail(Error::kNoRight);
            const auto slot = TRY(caps.add({cap.object, rights}));
            return Reply{static_cast<std::int64_t>(slot.raw())};
        }
        case Op::kNop: return Reply{static_cast<std::int64_t>(call.args[0] & ~0ull >> 1)};
        default: return core::fail(Error::kBadOperation);
    }
}

void call_capability(Thread& thread) {
    const auto& f = thread.frame;
    const std::uint64_t args[] = {f.rdx, f.r10, f.r8, f.r9};
    core::Result<Reply> reply = core::fail(Error::kBadOperation);
    if (f.rsi <= 0xffff) {
        reply = invoke({thread, abi::CapSlot::from_raw(f.rdi), static_cast<Op>(f.rsi), args, nullptr});
    }
    thread.frame.rax =
        static_cast<std::uint64_t>(reply ? reply->value : static_cast<std::int64_t>(reply.error()));
    thread.frame.rdx = reply ? reply->second : 0;
}

}  // namespace

core::Result<Reply> invoke(const Invocation& call) {
    const Cap cap = TRY(call.caller.process->caps.look_up(call.slot));
    switch (static_cast<unsigned>(call.op) >> 8) {
        case 0: return invoke_any(call, cap);
        case 1: return invoke_process(call, cap);
        case 2: return invoke_thread(call, cap);
        case 3: return invoke_memory(call, cap);
        case 4: return invoke_notification(call, cap);
        case 5: return invoke_domain(call, cap);
        case 6: return invoke_log(call, cap);
        case 7: return invoke_machine(call, cap);
        default: return core::fail(Error::kBadOperation);
    }
}

core::Result<Reply> wait_for(Ending& ending, const Invocation& call) {
    if (!call.pending) return core::fail(Error::kBadOperation);
    std::uint64_t code = 0;
    const bool come = TRY(ending.wait(*call.pending, code));
    return Reply{static_cast<std::int64_t>(code), 0, !come};
}

void handle_call(Cpu& cpu, Thread& thread) {
    switch (static_cast<abi::Call>(thread.frame.rax)) {
        case abi::Call::kCapCall: return call_capability(thread);
        case abi::Call::kCapEnter: return call_enter(cpu, thread);
        case abi::Call::kThreadExit:
            return exit_current(cpu, thread.frame.rdi & ~0ull >> 1, abi::Cause::kExited);
    }
    thread.frame.rax = static_cast<std::uint64_t>(Error::kBadCall);
}

}  // namespace cox
