# SPDX-License-Identifier: MIT
"""What a trace says: who ran where and when, why each stopped, who woke whom, and what every thread is called."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

from .trace_file import Event, Ref, Trace

# Bits of a dispatch's `b`; above them the slice in ticks.
AGENT, DOMAIN, RESUMED = 1, 2, 4
CUT = "cut"  # instead of a cause: the trace ends, or begins, while the thread runs


@dataclass(frozen=True)
class Slice:
    """A thread on a CPU, without a break. Times in ns from the trace's beginning."""

    cpu: int
    ref: Ref
    start: int
    end: int
    placed: str  # by whom: server, kernel (fallback), system, agent
    why: str  # it stopped


@dataclass(frozen=True)
class Wake:
    """A thread became runnable at `at` on `cpu`, and ran next as `slice`."""

    ref: Ref
    cpu: int
    at: int
    slice: Slice


def placed_by(event: Event) -> str:
    if event.b & AGENT:
        return "agent"
    if not event.b & DOMAIN:
        return "system"
    return "kernel" if event.placed_by_kernel else "server"


def why_stopped(event: Event) -> str:
    """A thread that only makes way for its CPU's agent keeps the cause in its word."""
    if event.kind == "stop" and event.b:
        return "agent_first"
    return "killed" if event.killed else event.cause


class Timeline:
    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.events = sorted((event for cpu in trace.cpus for event in cpu.events), key=attrgetter("tsc"))
        self._zero = self.events[0].tsc if self.events else 0
        self.has_slices = {"dispatch", "stop"} <= trace.classes
        self.lanes = [self._slices(number) if self.has_slices else [] for number in range(len(trace.cpus))]

    def ns(self, tsc: int) -> int:
        return (tsc - self._zero) * 1_000_000_000 // self.trace.tsc_hz

    def slice_ns(self, event: Event) -> int:
        """Of a dispatch or commit: the slice that it was given; 0: none."""
        return (event.b >> 8) * 1_000_000_000 // self.trace.tsc_hz

    @property
    def end(self) -> int:
        return self.ns(self.events[-1].tsc) if self.events else 0

    def begin_of(self, cpu: int) -> int:
        """Before it, what this CPU did has been lost."""
        lane = self.trace.cpus[cpu]
        return self.ns(lane.events[0].tsc) if lane.lost and lane.events else 0

    @cached_property
    def slices(self) -> list[Slice]:
        return [each for lane in self.lanes for each in lane]

    def _slices(self, cpu: int) -> list[Slice]:
        found, running = [], None
        for event in self.trace.cpus[cpu].events:
            if event.kind == "dispatch":
                running = event
            elif event.kind == "stop" and running is not None and running.ref == event.ref:
                found.append(self._slice(running, event))
                running = None
            elif event.kind == "stop" and not found and running is None and self.trace.cpus[cpu].lost:
                found.append(Slice(cpu, event.ref, self.begin_of(cpu), self.ns(event.tsc), CUT, why_stopped(event)))
        if running is not None:
            found.append(self._slice(running, None))
        return found

    def _slice(self, start: Event, stop: Event | None) -> Slice:
        end, why = (self.ns(stop.tsc), why_stopped(stop)) if stop else (self.end, CUT)
        return Slice(start.cpu, start.ref, self.ns(start.tsc), end, placed_by(start), why)

    @cached_property
    def wakes(self) -> list[Wake]:
        starts = {(each.cpu, each.start, each.ref): each for each in self.slices}
        found, pending = [], {}
        for event in self.events:
            if event.kind == "wake":
                pending[event.ref] = event
            elif event.kind == "dispatch" and event.ref in pending:
                slice_ = starts.get((event.cpu, self.ns(event.tsc), event.ref))
                wake = pending.pop(event.ref)
                if slice_ is not None:
                    found.append(Wake(event.ref, wake.cpu, self.ns(wake.tsc), slice_))
        return found

    @cached_property
    def _names(self) -> dict[Ref, str]:
        agents = {event.ref: event.cpu for event in self.events if event.kind == "dispatch" and event.b & AGENT}
        refs = sorted({event.ref for event in self.events if event.ref} | self.trace.names.keys())
        numbers: Counter[str] = Counter()  # of each process's threads in the domain
        names = {ref: self._plain_name(ref, agents.get(ref), numbers) for ref in refs}
        shared = Counter(names.values())
        return {ref: f"{name}:{ref}" if shared[name] > 1 else name for ref, name in names.items()}

    def _plain_name(self, ref: Ref, agent_of: int | None, numbers: Counter[str]) -> str:
        known = self.trace.names.get(ref)
        if known is None:
            return f"thread:{ref}"
        base = re.sub(r"[^\w.+-]", "_", known.process.rsplit("/", 1)[-1]) or "process"
        if agent_of is not None:
            return f"{base}/agent{agent_of}"
        if not known.domain:
            return base
        numbers[base] += 1
        return f"{base}/{numbers[base] - 1}"

    def name(self, ref: Ref) -> str:
        return self._names[ref]

    @cached_property
    def threads(self) -> list[Ref]:
        """All that ran, those of the domain first, then agents, then the others; by name."""
        order = {"server": 0, "kernel": 0, "agent": 1, "system": 2, CUT: 3}
        ranks: dict[Ref, int] = {}
        for each in self.slices:
            ranks[each.ref] = min(ranks.get(each.ref, 3), order[each.placed])
        return sorted(ranks, key=lambda ref: (ranks[ref], self.name(ref)))
