// SPDX-License-Identifier: MIT
// System calls and operations on capabilities. A call is decode, look up, validate, act, return a value; docs/abi.md is the
// specification, abi/calls.hpp the list. The operations of each object type are in ops_<type>.cpp.
//
// entry.S calls a function of `call_table` while the thread's frame is not complete: what it does must not take the
// thread off its CPU. What would, is left to do in Cpu::exit_work, for finish_call.
#pragma once
#include <span>

#include "abi/calls.hpp"
#include "core/result.hpp"
#include "kernel/call_result.hpp"
#include "kernel/cap_table.hpp"
#include "kernel/completion.hpp"
#include "kernel/cpu.hpp"
#include "kernel/ending.hpp"

namespace cox {

struct Invocation {
    Thread& caller;
    abi::CapSlot slot;
    abi::Op op;
    std::span<const std::uint64_t> args;  // at least four
    const PendingOp* pending;  // through the ring: how it completes if it stays in flight; else nullptr
};

struct Reply {
    std::int64_t value = 0;
    std::uint64_t second = 0;
    bool pending = false;  // stays in flight: the completion comes later
};

// What kWaitExit and kJoin do: at once if it has come, else in flight.
core::Result<Reply> wait_for(Ending& ending, const Invocation& call);

// The functions of the calls, from the registers as C++ passes them. Of the current thread.
extern "C" {
CallResult call_capability(std::uint64_t slot, std::uint64_t op, std::uint64_t a0, std::uint64_t a1,
                           std::uint64_t a2, std::uint64_t a3);
CallResult call_enter();
CallResult call_thread_exit(std::uint64_t code);
CallResult call_unknown();
}

// What call_capability does: with most operations the first, with the frequent ones the others. What a thread does to itself and
// to its process needs no reference, since it holds them.
CallResult call_any(std::uint64_t slot, std::uint64_t op, std::uint64_t a0, std::uint64_t a1,
                    std::uint64_t a2, std::uint64_t a3);
constexpr bool is(std::uint64_t op, abi::Op which) { return op == static_cast<std::uint64_t>(which); }
CallResult call_park(std::uint64_t slot, std::uint64_t op, std::uint64_t a0, std::uint64_t a1,
                     std::uint64_t a2, std::uint64_t a3);
CallResult call_unpark(std::uint64_t slot, std::uint64_t op, std::uint64_t a0, std::uint64_t a1,
                       std::uint64_t a2, std::uint64_t a3);

CallResult call_commit_and_wait(std::uint64_t slot, std::uint64_t op, std::uint64_t ref, std::uint64_t commit,
                                std::uint64_t slice_ns, std::uint64_t timeout_ns);
CallResult call_signal(std::uint64_t slot, std::uint64_t op, std::uint64_t bits, std::uint64_t a1,
                       std::uint64_t a2, std::uint64_t a3);
CallResult call_map(std::uint64_t slot, std::uint64_t op, std::uint64_t memory, std::uint64_t address,
                    std::uint64_t first_page, std::uint64_t map_word);
CallResult call_unmap(std::uint64_t slot, std::uint64_t op, std::uint64_t address, std::uint64_t pages,
                      std::uint64_t a2, std::uint64_t a3);
CallResult call_poll(std::uint64_t slot, std::uint64_t op, std::uint64_t a0, std::uint64_t a1,
                     std::uint64_t a2, std::uint64_t a3);

CallResult call_call(std::uint64_t slot, std::uint64_t op, std::uint64_t info, std::uint64_t a1,
                     std::uint64_t a2, std::uint64_t a3);
CallResult call_reply_receive(std::uint64_t slot, std::uint64_t op, std::uint64_t info, std::uint64_t a1,
                              std::uint64_t a2, std::uint64_t a3);

// For the arguments of a jump that takes none: whatever the registers hold.
inline std::uint64_t any() {
    std::uint64_t value;
    asm volatile("" : "=r"(value));
    return value;
}
// entry.S: a successful call's last step, in place of a return, when it has nothing to return to (something_to_do).
extern "C" CallResult switch_by_park(std::uint64_t slot, std::uint64_t op, std::uint64_t a0, std::uint64_t a1,
                                     std::uint64_t a2, std::uint64_t a3);
extern "C" CallResult switch_by_call(std::uint64_t slot, std::uint64_t op, std::uint64_t info,
                                     std::uint64_t a1, std::uint64_t a2, std::uint64_t a3);
extern "C" CallResult switch_by_reply(std::uint64_t slot, std::uint64_t op, std::uint64_t info,
                                      std::uint64_t a1, std::uint64_t a2, std::uint64_t a3);
extern "C" CallResult switch_by_yield(std::uint64_t slot, std::uint64_t op, std::uint64_t a0,
                                      std::uint64_t a1, std::uint64_t a2, std::uint64_t a3);

// The current thread's call, from its complete frame: for who did not come through entry.S's door.
void handle_call(Thread& thread);

// The frame is complete: does what the call has left to do. The thread may leave the CPU.
void finish_exit_work(Cpu& cpu);

// The agent's commit that call_commit_and_wait has left to do (kCommitAndSwitch). False: it is refused, and the frame says why.
bool commit_left_to_do(Thread& agent);

core::Result<Reply> invoke(const Invocation& call);

// Of what is a value, or an abi::Error.
inline core::Result<Reply> to_reply(std::int64_t raw) {
    if (raw < 0) return core::fail(static_cast<abi::Error>(raw));
    return Reply{raw};
}

// What is derived from `cap`, by kDerive or kGive: kNoRight, kWrongState.
core::Result<Cap> derived(const Cap& cap, std::uint64_t rights, std::uint64_t badge);

// By the high byte of the operation.
core::Result<Reply> invoke_process(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_thread(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_memory(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_notification(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_domain(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_log(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_machine(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_timer(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_irq(const Invocation& call, const Cap& cap);
core::Result<Reply> get_irq(const Invocation& call);  // kGetIrq; the right has been checked
// kCreateTimer, among the timers of `payer`; the right has been checked.
core::Result<Reply> create_timer(const Invocation& call, Process& payer);
core::Result<Reply> invoke_endpoint(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_quota(const Invocation& call, const Cap& cap);

// Of a quota itself, and of a process's.
core::Result<Reply> tell_quota(const Invocation& call, const Quota& quota);
core::Result<Reply> split_quota(const Invocation& call, Quota& quota);
// Of a thread, or of a process.
core::Result<Reply> set_fault_handler(const Invocation& call, FaultHandler& handler);

}  // namespace cox
