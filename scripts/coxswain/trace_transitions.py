# SPDX-License-Identifier: MIT
"""Whether a thread's records follow one another as the table of transitions allows, and so as the spin model does.

Each line of the status table is followed through its threads, from its first record on. Between two records there may be
transitions that leave none, of the table, or of a class that is not traced; the sequence number says how many of those that count.

What this relies on. The order of a line's records is that of their sequence numbers, which the kernel changes with the state;
where they are equal, of their times, so CPUs' clocks must agree to within the time in which a thread gets from one to another. Only
a wake's time may be earlier than that of the record before it: it is taken before the wake. Where records were lost, a line is
followed from its first record after the newest loss: whatever was lost there happened before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import inf
from operator import attrgetter

from .trace_file import KINDS, STATES, CpuTrace, Event, Ref, Trace
from .trace_timeline import Timeline
from .transitions import KEPT, TRANSITIONS, Transition

_CLASS_OF = dict(KINDS)
_RECORDS = {kind for row in TRANSITIONS for kind in row.records}
_ROWS = {
    (kind, state): [row for row in TRANSITIONS if kind in row.records and row.after == state] for kind in _RECORDS for state in STATES
}
_EARLY = {"wake", "stop", "return"}  # whose time is taken before the transition; of the others, as they are written
_Place = tuple[str, bool]  # a state, and whether of a later thread of the line


class Followed:
    """Where the table says that a thread can be, from its last record on."""

    def __init__(self, classes: frozenset[str]) -> None:
        silent = [row for row in TRANSITIONS if not any(_CLASS_OF[kind] in classes for kind in row.records)]
        # Of the line's thread (False), and of those that come after it (True).
        self._steps = [((row.before, False), (row.after, row.name == "free"), row.rise) for row in silent if row.name != "create"]
        self._steps += [((row.before, True), (row.after, True), row.rise) for row in silent]
        self.after = lru_cache(maxsize=None)(self._after)

    def _closed(self, places: Iterable[_Place]) -> frozenset[_Place]:
        """With those that silent transitions which do not count lead to."""
        found = set(places)
        while more := {after for before, after, rise in self._steps if rise == 0 and before in found} - found:
            found |= more
        return frozenset(found)

    def _after(self, state: str, counted: int) -> frozenset[_Place]:
        """Where silent transitions lead to which raise the sequence number by so much; and whether to another thread."""
        found = [self._closed({(state, state == "free")})]
        while len(found) <= counted:
            found.append(self._closed(after for before, after, rise in self._steps if rise == 1 and before in found[-1]))
            if found[-1] in found[:-1]:  # from here on it repeats
                start = found.index(found[-1])
                return found[start + (counted - start) % (len(found) - 1 - start)]
        return found[counted]

    def wrong(self, last: Event, event: Event) -> str:
        """Why `event` cannot follow; empty if it can."""
        if _repeats(last, event):
            return ""
        if event.kind != "wake" and event.tsc < last.tsc:
            return "its time is before that of the record before it"
        rows = _ROWS[event.kind, event.state]
        if not rows:
            return f"no transition to {event.state} is a {event.kind}"
        another = event.ref != last.ref
        rise = event.sequence - last.sequence
        able = [row for row in rows if row.rise <= rise and (row.before, another) in self.after(last.state, rise - row.rise)]
        if not able:
            return self._gap(last, rows, rise, another)
        direct = [row for row in able if row.before == last.state and row.rise == rise and not another]
        if not any(_cause_fits(row, last if row in direct else None, event) for row in able):
            return f"the cause of a {able[0].name} is not {event.cause}"
        if all(row.owner and event.cpu != event.to_cpu for row in able):
            return f"it is CPU {event.to_cpu}'s alone to do that"
        if direct and all(row.owner and event.cpu != last.to_cpu for row in direct):
            return f"it was on CPU {last.to_cpu}, which alone may do that"
        return ""

    def _gap(self, last: Event, rows: list[Transition], rise: int, another: bool) -> str:
        if any(row.before == last.state for row in rows) and not another:
            needed = next(row.rise for row in rows if row.before == last.state)
            lost = ": something between them has no record" if rise > needed else ""
            return f"the sequence number rises by {rise}, not {needed}{lost}"
        return f"that needs one that is {' or '.join(dict.fromkeys(row.before for row in rows))}"


def _repeats(last: Event, event: Event) -> bool:
    """A record that says again where the thread is: it has gone; or has left its place, and is to die."""
    if (event.ref, event.sequence, event.state) != (last.ref, last.sequence, last.state):
        return False
    return (event.kind, last.kind, event.state) == ("gone", "stop", "gone") or (event.killed and _left_to_die(event))


def _left_to_die(event: Event) -> bool:
    return (event.kind, event.state) in {("stop", "running"), ("return", "queued")}


def _cause_fits(row: Transition, last: Event | None, event: Event) -> bool:
    if row.causes == KEPT or (event.kind == "stop" and row.after == "queued" and event.b & 1):  # its CPU's agent goes first
        return last is None or event.cause == last.cause
    return event.cause in row.causes


def _lost_until(cpu: CpuTrace) -> float:
    """What this CPU has lost happened before this time, which is that of a record's writing; 0: nothing was lost."""
    return next((event.tsc for event in cpu.events if event.kind not in _EARLY), inf) if cpu.lost else 0


def _lines(timeline: Timeline) -> Iterator[list[Event]]:
    """Of each line of the status table the records with a state, in the order of its transitions."""
    lines: dict[int, list[Event]] = {}
    for event in timeline.events:
        if event.ref and event.kind in _RECORDS:
            lines.setdefault(event.ref.slot, []).append(event)
    for events in lines.values():
        yield sorted(events, key=attrgetter("sequence", "tsc"))


def check(timeline: Timeline) -> list[str]:
    """Of each line the first record that cannot be, by time: what follows from it says nothing."""
    trace = timeline.trace
    followed = Followed(trace.classes)
    since = max(map(_lost_until, trace.cpus))
    found = []
    for events in _lines(timeline):
        last = None if since else _never_used(events[0])
        for event in events:
            if last is not None and (why := followed.wrong(last, event)):
                if not _in_the_making(trace, last, event):
                    found.append((event.tsc, _text(timeline, last, event, why)))
                break
            if last is not None or event.tsc >= since:
                last = event
    return [text for _, text in sorted(found)]


def _in_the_making(trace: Trace, last: Event, event: Event) -> bool:
    """The machine may have stopped between a transition and its record: the thread's CPU has written nothing since."""
    owner = last.to_cpu
    if last.state not in {"running", "queued"} or owner == event.cpu or owner >= len(trace.cpus):
        return False
    events = trace.cpus[owner].events
    return not events or events[-1].tsc < event.tsc


def _text(timeline: Timeline, last: Event, event: Event, why: str) -> str:
    before = f"{last.state} since a {last.kind} on CPU {last.cpu} at {timeline.ns(last.tsc)} ns" if last.kind else "not created"
    return (
        f"{timeline.name(event.ref)} ({event.ref}): at {timeline.ns(event.tsc)} ns on CPU {event.cpu} a {event.kind}"
        f" ({event.cause}, sequence {event.sequence}) makes it {event.state}, but it is {before}"
        f"{f' (sequence {last.sequence})' if last.kind else ''}: {why}"
    )


def _never_used(first: Event) -> Event:
    """Stands for what was before a line's first record: it was free."""
    return Event(0, first.cpu, "", Ref(first.ref.slot, 0), 0, 0)

