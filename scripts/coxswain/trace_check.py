# SPDX-License-Identifier: MIT
"""Whether a trace can be true: it contradicts neither itself nor the kernel's counters, nor what the model allows."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter

from . import trace_transitions
from .trace_file import CpuTrace, Ref, Trace
from .trace_timeline import CUT, RESUMED, Timeline, placed_by

_TIMER, _RESCHEDULE = 0xE0, 0xE1


def check(timeline: Timeline) -> list[str]:
    """Everything that is wrong; nothing if the trace is sound."""
    trace = timeline.trace
    found = []
    if timeline.has_slices:
        found += [text for cpu in trace.cpus for text in _alternation(cpu)] + _one_cpu_at_a_time(timeline)
    found += trace_transitions.check(timeline)
    for number, cpu in enumerate(trace.cpus):
        found += [
            f"CPU {number}: {traced} {name} in the trace, {counted} by the kernel's counter"
            for name, traced, counted in counters(trace, cpu)
            if traced != counted
        ]
    return found


def _alternation(cpu: CpuTrace) -> list[str]:
    found: list[str] = []
    running: Ref | None = None
    known = not cpu.lost  # who ran when the trace begins
    for event in cpu.events:
        if event.kind == "dispatch":
            if running:
                found.append(f"CPU {event.cpu}: {event.ref} is dispatched while {running} runs")
            running, known = event.ref, True
        elif event.kind == "stop":
            if known and running != event.ref:
                found.append(f"CPU {event.cpu}: {event.ref} stops while {running or 'nobody'} runs")
            running, known = None, True
    return found


def _one_cpu_at_a_time(timeline: Timeline) -> list[str]:
    found, last = [], {}
    for each in sorted(timeline.slices, key=attrgetter("start")):
        before = last.get(each.ref)
        # The machine may have stopped between a stop and its record.
        if before is not None and before.end > each.start and before.why != CUT:
            found.append(f"{each.ref} is on CPUs {before.cpu} and {each.cpu} at {each.start} ns")
        last[each.ref] = each
    return found


def counters(trace: Trace, cpu: CpuTrace) -> list[tuple[str, int, int]]:
    """Name, number in the trace, number by the kernel, of what both have counted from the boot to the end."""
    if cpu.stats is None or cpu.lost:
        return []
    traced = Counter(event.kind for event in cpu.events)
    by = Counter(placed_by(event) for event in cpu.events if event.kind == "dispatch" and not event.b & RESUMED)
    vectors = Counter(event.a for event in cpu.events if event.kind == "interrupt")
    numbers = {
        "dispatch": {"server_dispatches": by["server"], "fallback_dispatches": by["kernel"],
                     "system_dispatches": by["system"], "agent_dispatches": by["agent"]},
        "commit": {"commits_accepted": traced["commit"] + traced["recall"], "commits_refused": traced["refuse"]},
        "event": {"events_posted": traced["event"]},
        "ipi": {"ipis_sent": traced["ipi"]},
        "interrupt": {"timer_interrupts": vectors[_TIMER], "ipis_received": vectors[_RESCHEDULE]},
        "shootdown": {"shootdowns": traced["shootdown"]},
    }  # fmt: skip
    return [
        (name, number, cpu.stats[name])
        for trace_class, named in numbers.items()
        if trace_class in trace.classes
        for name, number in named.items()
    ]
