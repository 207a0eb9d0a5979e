# SPDX-License-Identifier: MIT
"""A trace as Chrome's JSON, which https://ui.perfetto.dev opens: a track for each CPU and one for each thread.

Slices are complete events (X), wakes are flows (s, f) from the slice that woke to the one that followed, all else is an
instant (i) on its CPU's track.
"""

from __future__ import annotations

import json
from bisect import bisect_right

from .trace_file import Ref
from .trace_text import pid
from .trace_timeline import Slice, Timeline

CPUS, THREADS = 1, 2  # the two "processes" of the format
_IN_SLICES = ("dispatch", "stop")


def _us(ns: int) -> float:
    return ns / 1000


def _meta(name: str, process: int, track: int | None, text: str, order: int = 0) -> list[dict]:
    where = {"pid": process} if track is None else {"pid": process, "tid": track}
    found = [{"ph": "M", "name": f"{name}_name", **where, "args": {"name": text}}]
    if track is not None:
        found.append({"ph": "M", "name": f"{name}_sort_index", **where, "args": {"sort_index": order}})
    return found


def _slice(timeline: Timeline, each: Slice) -> list[dict]:
    times = {"ph": "X", "ts": _us(each.start), "dur": _us(each.end - each.start)}
    args = {"thread": str(each.ref), "cpu": each.cpu, "placed_by": each.placed, "stopped": each.why}
    return [
        {**times, "name": timeline.name(each.ref), "cat": each.placed, "pid": CPUS, "tid": each.cpu, "args": args},
        {**times, "name": f"CPU {each.cpu}", "cat": each.placed, "pid": THREADS, "tid": pid(each.ref), "args": args},
    ]


def _flows(timeline: Timeline) -> list[dict]:
    """Where the waking CPU was idle, an interrupt or a time-out woke: then there is no slice to start from."""
    starts = [[each.start for each in lane] for lane in timeline.lanes]
    found = []
    for number, wake in enumerate(timeline.wakes):
        index = bisect_right(starts[wake.cpu], wake.at) - 1
        if index < 0 or timeline.lanes[wake.cpu][index].end < wake.at:
            continue
        flow = {"name": "wake", "cat": "wake", "id": number, "pid": CPUS}
        found.append({"ph": "s", **flow, "tid": wake.cpu, "ts": _us(wake.at)})
        found.append({"ph": "f", "bp": "e", **flow, "tid": wake.slice.cpu, "ts": _us(wake.slice.start)})
    return found


def _instants(timeline: Timeline) -> list[dict]:
    def args(ref: Ref | None, a: int, b: int) -> dict:
        named = {"thread": f"{timeline.name(ref)} {ref}"} if ref else {}
        return {**named, "a": f"0x{a:x}", "b": f"0x{b:x}"}

    return [
        {"ph": "i", "s": "t", "name": event.kind, "cat": event.kind, "pid": CPUS, "tid": event.cpu,
         "ts": _us(timeline.ns(event.tsc)), "args": args(event.ref, event.a, event.b)}
        for event in timeline.events if not (timeline.has_slices and event.kind in _IN_SLICES)
    ]  # fmt: skip


def render(timeline: Timeline) -> str:
    trace = timeline.trace
    events = _meta("process", CPUS, None, "CPUs") + _meta("process", THREADS, None, "Threads")
    for number in range(len(trace.cpus)):
        events += _meta("thread", CPUS, number, f"CPU {number}", number)
    for order, ref in enumerate(timeline.threads):
        events += _meta("thread", THREADS, pid(ref), f"{timeline.name(ref)} {ref}", order)
    for each in timeline.slices:
        events += _slice(timeline, each)
    events += _flows(timeline) + _instants(timeline)
    lost = {f"CPU {number}": cpu.lost for number, cpu in enumerate(trace.cpus)}
    other = {"tsc_hz": trace.tsc_hz, "classes": sorted(trace.classes), "lost_records": lost}
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms", "otherData": other}, separators=(",", ":"))
