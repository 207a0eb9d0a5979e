// SPDX-License-Identifier: MIT
// Direct switches to this CPU's agent, when a call has posted an event, and from it, when it waits for the next one: the way of a wake
// through the server. What is not the common case goes the ordinary way (dispatch.cpp), which may also find that there is nothing to
// switch to.
#pragma once
#include "arch/frame.hpp"
#include "kernel/cpu.hpp"

namespace cox {

// Of the current thread, its frame complete, its call done but for these bits of exit_work. -> the frame to go on with.
arch::TrapFrame* switch_to_agent(Cpu& cpu);    // kAgentWoken
arch::TrapFrame* switch_from_agent(Cpu& cpu);  // kWaitForEvents: the current thread is the agent
arch::TrapFrame* commit_and_switch(
    Cpu& cpu);  // kCommitAndSwitch, and nothing else: the same, with its commit

// From leave_kernel, where nobody is current, all that was asked for is served, and the time accounted: to `agent_ready`. nullptr: there is
// more to do than that; if the agent has begun, it is current, its context loaded.
arch::TrapFrame* switch_to_agent_from_idle(Cpu& cpu, std::uint64_t now);

}  // namespace cox
