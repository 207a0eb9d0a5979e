// SPDX-License-Identifier: MIT
// System calls and operations on capabilities. A call is decode, look up, validate, act, return a value; docs/abi.md is the
// specification, abi/calls.hpp the list. The operations of each object type are in ops_<type>.cpp.
#pragma once
#include <span>

#include "abi/calls.hpp"
#include "core/result.hpp"
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

// The current thread's system call, from the registers in its frame. It may leave the CPU.
void handle_call(Cpu& cpu, Thread& thread);

core::Result<Reply> invoke(const Invocation& call);

// By the high byte of the operation.
core::Result<Reply> invoke_process(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_thread(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_memory(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_notification(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_domain(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_log(const Invocation& call, const Cap& cap);
core::Result<Reply> invoke_machine(const Invocation& call, const Cap& cap);

}  // namespace cox
