# SPDX-License-Identifier: MIT
"""A trace as ftrace prints one: /sys/kernel/tracing/trace, `trace-cmd report`. Tools that read those read this.

A thread's pid is generation * 10000 + line, so 10003 is 3.1. Events that Linux does not have begin with `cox_`.
"""

from __future__ import annotations

from .trace_file import Event, Ref
from .trace_timeline import Timeline, placed_by, why_stopped

_HEADER = """\
# tracer: coxswain
#
# entries-in-buffer/entries-written: {kept}/{written}   #P:{cpus}
#
#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |"""

_TIMER, _RESCHEDULE = 0xE0, 0xE1
_PREV_STATE = {"waiting": "S", "gone": "X"}  # all others could run on: R


def pid(ref: Ref) -> int:
    return ref.generation * 10000 + ref.slot


class _Writer:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._running: dict[int, Ref] = {}

    def line(self, event: Event) -> str:
        function = getattr(self, f"_{event.kind}")(event)
        task = self._task(self._running.get(event.cpu))
        if event.kind == "dispatch":
            self._running[event.cpu] = event.ref
        elif event.kind == "stop":
            task = self._task(event.ref)
            self._running.pop(event.cpu, None)
        seconds, ns = divmod(self._timeline.ns(event.tsc), 1_000_000_000)
        return f"{task} [{event.cpu:03}] d.... {seconds:5}.{ns:09}: {function}"

    def _task(self, ref: Ref | None) -> str:
        return "<idle>-0".rjust(24) if ref is None else f"{self._timeline.name(ref)}-{pid(ref)}".rjust(24)

    def _comm(self, ref: Ref) -> str:
        return f"comm={self._timeline.name(ref)} pid={pid(ref)} prio=120"

    def _slice_us(self, event: Event) -> str:
        ns = self._timeline.slice_ns(event)
        return f" slice_us={ns / 1000:.1f}" if ns else ""

    def _dispatch(self, event: Event) -> str:
        return (
            "sched_switch: prev_comm=swapper prev_pid=0 prev_prio=120 prev_state=R ==> "
            f"next_comm={self._timeline.name(event.ref)} next_pid={pid(event.ref)} next_prio=120"
            f" placed_by={placed_by(event)}{self._slice_us(event)}"
        )

    def _stop(self, event: Event) -> str:
        return (
            f"sched_switch: prev_comm={self._timeline.name(event.ref)} prev_pid={pid(event.ref)} prev_prio=120 "
            f"prev_state={_PREV_STATE.get(event.state, 'R')} ==> next_comm=swapper next_pid=0 next_prio=120"
            f" cause={why_stopped(event)} now={event.state}"
        )

    def _gone(self, event: Event) -> str:
        return f"sched_process_exit: {self._comm(event.ref)} cause={event.cause} code=0x{event.b:x}"

    def _wake(self, event: Event) -> str:
        name = "sched_wakeup_new" if event.cause == "started" else "sched_wakeup"
        return f"{name}: {self._comm(event.ref)} target_cpu={event.to_cpu:03} now={event.state}"

    def _return(self, event: Event) -> str:
        return f"cox_return: {self._comm(event.ref)} cause={why_stopped(event)}"

    def _event(self, event: Event) -> str:
        line = f"cpu={event.a - 2048}" if event.a >= 2048 else f"line={event.a}"
        return f"cox_event: {line} agent={event.b}"

    def _commit(self, event: Event) -> str:
        return f"cox_commit: {self._comm(event.ref)} target_cpu={event.to_cpu:03} flags={event.b & 0xFF}{self._slice_us(event)}"

    def _recall(self, event: Event) -> str:
        return f"cox_recall: {self._comm(event.ref)}"

    def _refuse(self, event: Event) -> str:
        error = event.b - 2**64 if event.b >> 63 else event.b
        return f"cox_refuse: line={event.a & 0xFFFFFFFF} generation={event.a >> 32} error={error}"

    def _place(self, event: Event) -> str:
        return f"cox_place: {self._comm(event.ref)} target_cpu={event.to_cpu:03} cause={event.cause}"

    def _ipi(self, event: Event) -> str:
        return f"ipi_raise: target_mask={1 << event.a:08x} (reschedule)"

    def _shootdown(self, event: Event) -> str:
        return f"cox_shootdown: waits_for=0x{event.a:x} generation={event.b}"

    def _shot_down(self, event: Event) -> str:
        return f"cox_shot_down: waited_for=0x{event.a:x} generation={event.b}"

    def _call(self, event: Event) -> str:
        return f"sys_enter: NR {event.a & 0xFF} (0x{event.b:x}, 0x{event.a >> 8:x})"

    def _interrupt(self, event: Event) -> str:
        name = {_TIMER: "local_timer_entry", _RESCHEDULE: "reschedule_entry"}.get(event.a, "cox_interrupt")
        return f"{name}: vector={event.a}"


def render(timeline: Timeline) -> str:
    trace = timeline.trace
    kept = sum(len(cpu.events) for cpu in trace.cpus)
    written = sum(cpu.written for cpu in trace.cpus)
    lines = [_HEADER.format(kept=kept, written=written, cpus=len(trace.cpus))]
    lost = {number: cpu.lost for number, cpu in enumerate(trace.cpus) if cpu.lost}
    writer = _Writer(timeline)
    for event in timeline.events:
        if event.cpu in lost:
            lines.append(f"CPU:{event.cpu} [LOST {lost.pop(event.cpu)} EVENTS]")
        lines.append(writer.line(event))
    return "\n".join(lines) + "\n"
