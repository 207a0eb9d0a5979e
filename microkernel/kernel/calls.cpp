// SPDX-License-Identifier: MIT
#include "kernel/calls.hpp"

#include <array>

#include "kernel/call_enter.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/exit.hpp"
#include "kernel/process.hpp"
#include "kernel/trace.hpp"

namespace cox {

using abi::Error;
using abi::Op;

namespace {

core::Result<Reply> invoke_any(const Invocation& call, const Cap& cap) {
    CapTable& caps = call.caller.process->caps;
    switch (call.op) {
        case Op::kIdentify: {
            const auto word = abi::identity_word(cap.object->type(), cap.rights);
            return Reply{static_cast<std::int64_t>(word), cap.badge};
        }
        case Op::kDrop: TRY(caps.drop(call.slot)); return Reply{};
        case Op::kDerive: {
            const auto slot =
                TRY(caps.derive({caps, call.slot}, TRY(derived(cap, call.args[0], call.args[1]))));
            return Reply{static_cast<std::int64_t>(slot.raw())};
        }
        case Op::kNop: return Reply{nop_result(call.args[0])};
        case Op::kCancel: {
            const auto op = cap.object->withdraw(call.caller, call.args[0]);
            if (!op) return core::fail(Error::kWrongState);
            complete(op, static_cast<std::int64_t>(Error::kCancelled));
            return Reply{};
        }
        case Op::kRevoke: {
            const auto revoked = TRY(caps.revoke(call.slot, *cap.object));
            return Reply{revoked.count, revoked.more};
        }
        default: return core::fail(Error::kBadOperation);
    }
}

}  // namespace

[[gnu::noinline]] CallResult call_any(std::uint64_t slot, std::uint64_t op, std::uint64_t a0,
                                      std::uint64_t a1, std::uint64_t a2, std::uint64_t a3) {
    if (op > 0xffff) return failed(Error::kBadOperation);
    const auto named = abi::CapSlot::from_raw(slot);
    const auto reply = invoke({current_thread(), named, static_cast<Op>(op), {{a0, a1, a2, a3}}, nullptr});
    return reply ? CallResult{reply->value, reply->second} : failed(reply.error());
}

namespace {

[[gnu::noinline]] CallResult call_yield(std::uint64_t slot, std::uint64_t op, std::uint64_t a0,
                                        std::uint64_t a1, std::uint64_t a2, std::uint64_t a3);

// By a slot that is not known, or without a right that yielding does not need.
[[gnu::noinline]] CallResult yield_by(std::uint64_t slot, std::uint64_t op, std::uint64_t a0,
                                      std::uint64_t a1, std::uint64_t a2, std::uint64_t a3) {
    Thread& thread = current_thread();
    const auto named = abi::CapSlot::from_raw(slot);
    if (thread.process->caps.recall(named, thread)) [[clang::musttail]]
        return call_yield(slot, op, a0, a1, a2, a3);
    if (!thread.process->caps.names(named, thread, abi::kRead)) [[clang::musttail]]
        return call_any(slot, op, a0, a1, a2, a3);
    leave_to_do(kYield);
    return {0, 0};
}

CallResult call_yield(std::uint64_t slot, std::uint64_t op, std::uint64_t a0, std::uint64_t a1,
                      std::uint64_t a2, std::uint64_t a3) {
    if (!CapTable::knows(abi::CapSlot::from_raw(slot), current_thread())) [[unlikely]]
        [[clang::musttail]] return yield_by(slot, op, a0, a1, a2, a3);
    if (!something_to_do()) [[likely]]
        [[clang::musttail]] return switch_by_yield(any(), any(), any(), any(), any(), any());
    leave_to_do(kYield);
    return {0, 0};
}

CallResult call_nop(std::uint64_t slot, std::uint64_t op, std::uint64_t a0, std::uint64_t a1,
                    std::uint64_t a2, std::uint64_t a3) {
    if (!is(op, Op::kNop) || !current_thread().process->caps.holds(abi::CapSlot::from_raw(slot))) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, a0, a1, a2, a3);
    return {nop_result(a0), 0};
}

// The frequent operations, which their functions do by themselves, differ in their low bits. So here it is found which of them it
// can be, and there whether it is.
using QuickWay = decltype(&call_any);
constexpr unsigned low_bits(Op op) { return static_cast<unsigned>(op) % 16; }
constexpr std::array<QuickWay, 16> kQuickWays = [] {
    std::array<QuickWay, 16> ways;
    ways.fill(call_any);
    ways[low_bits(Op::kNop)] = call_nop;
    ways[low_bits(Op::kUnmap)] = call_unmap;
    ways[low_bits(Op::kPark)] = call_park;
    ways[low_bits(Op::kUnpark)] = call_unpark;
    ways[low_bits(Op::kYield)] = call_yield;
    ways[low_bits(Op::kCommitAndWait)] = call_commit_and_wait;
    ways[low_bits(Op::kSignal)] = call_signal;
    ways[low_bits(Op::kPollBits)] = call_poll;
    ways[low_bits(Op::kCall)] = call_call;
    ways[low_bits(Op::kReplyReceive)] = call_reply_receive;  // kMap has the same, and comes from there
    static_assert(low_bits(Op::kReplyReceive) == low_bits(Op::kMap));
    return ways;
}();

}  // namespace

core::Result<Cap> derived(const Cap& cap, std::uint64_t rights, std::uint64_t badge) {
    if (rights & ~std::uint64_t{cap.rights}) return core::fail(Error::kNoRight);
    if (cap.badge && badge && badge != cap.badge) return core::fail(Error::kWrongState);
    return Cap{cap.object, static_cast<abi::Rights>(rights), cap.badge ? cap.badge : badge};
}

core::Result<Reply> invoke(const Invocation& call) {
    const Cap cap = TRY(call.caller.process->caps.look_up_here(call.slot));
    switch (static_cast<unsigned>(call.op) >> 8) {
        case 0: return invoke_any(call, cap);
        case 1: return invoke_process(call, cap);
        case 2: return invoke_thread(call, cap);
        case 3: return invoke_memory(call, cap);
        case 4: return invoke_notification(call, cap);
        case 5: return invoke_domain(call, cap);
        case 6: return invoke_log(call, cap);
        case 7: return invoke_machine(call, cap);
        case 9: return invoke_timer(call, cap);
        case 10: return invoke_irq(call, cap);
        case 8: return invoke_endpoint(call, cap);
        case 11: return invoke_quota(call, cap);
        default: return core::fail(Error::kBadOperation);
    }
}

core::Result<Reply> wait_for(Ending& ending, const Invocation& call) {
    if (!call.pending) return core::fail(Error::kBadOperation);
    std::uint64_t code = 0;
    const bool come = TRY(ending.wait(*call.pending, code));
    return Reply{static_cast<std::int64_t>(code), 0, !come};
}

extern "C" {

// What the calls share is this jump.
CallResult call_capability(std::uint64_t slot, std::uint64_t op, std::uint64_t a0, std::uint64_t a1,
                           std::uint64_t a2, std::uint64_t a3) {
    [[clang::musttail]] return kQuickWays[op % kQuickWays.size()](slot, op, a0, a1, a2, a3);
}

CallResult call_thread_exit(std::uint64_t code) {
    Cpu& cpu = this_cpu();
    cpu.exit_work |= kExitThread;
    return {static_cast<std::int64_t>(code & ~0ull >> 1), 0};
}

CallResult call_unknown() { return failed(Error::kBadCall); }
}

void handle_call(Thread& thread) {
    auto& f = thread.frame;
    ++thread.calls;
    leave_to_do(kLook);  // it may not switch by itself: there is more of the kernel on the stack
    if (tracing(core::kTraceCall)) trace_call(f.rdi, f.rsi, f.rax);
    const auto result = [&] {
        switch (static_cast<abi::Call>(f.rax)) {
            case abi::Call::kCapCall: return call_capability(f.rdi, f.rsi, f.rdx, f.r10, f.r8, f.r9);
            case abi::Call::kCapEnter: return call_enter();
            case abi::Call::kThreadExit: return call_thread_exit(f.rdi);
        }
        return call_unknown();
    }();
    f.rax = static_cast<std::uint64_t>(result.value);
    f.rdx = result.second;
}

void finish_exit_work(Cpu& cpu) {
    const auto work = std::exchange(cpu.exit_work, 0);
    if (work & kExitThread) return exit_current(cpu, cpu.current->frame.rax, abi::Cause::kExited);
    if (work & (kWaitInEnter | kWaitForEvents)) return wait_in_enter(cpu, *cpu.current);
    if (work & kPark) return wait_parked(cpu, *cpu.current);
    if (work & kAtEndpoint) return call_endpoint(cpu, *cpu.current);
    if (work & kYield) yield_current(cpu);
}

}  // namespace cox
