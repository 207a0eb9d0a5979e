# SPDX-License-Identifier: MIT
"""Reads the trace area that the kernel leaves in the guest's memory. docs/tracing.md is the specification.

Reading is strict: what does not read as the kernel wrote it is an error that says where.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from .errors import ExitCode, HarnessError

CLASSES = ("dispatch", "stop", "wake", "event", "commit", "ipi", "shootdown", "call", "interrupt")
# Number, from 1 on: name and class.
KINDS = (
    ("dispatch", "dispatch"), ("stop", "stop"), ("gone", "stop"), ("wake", "wake"), ("return", "wake"),
    ("event", "event"), ("commit", "commit"), ("recall", "commit"), ("refuse", "commit"), ("place", "commit"),
    ("ipi", "ipi"), ("shootdown", "shootdown"), ("shot_down", "shootdown"), ("call", "call"),
    ("interrupt", "interrupt"),
)  # fmt: skip
# Kinds whose records name a thread, and those of them whose `a` is the thread's state word.
_OF_THREADS = {"dispatch", "stop", "gone", "wake", "return", "commit", "recall", "place", "call"}
_WITH_WORD = _OF_THREADS - {"recall", "call"}
STATS = (
    "server_dispatches", "fallback_dispatches", "system_dispatches", "agent_dispatches", "commits_accepted",
    "commits_refused", "events_posted", "timer_interrupts", "ipis_received", "ipis_sent", "shootdowns",
    "watchdog_hits", "dropped_completions", "domain_ticks", "system_ticks", "idle_ticks",
    "shootdown_ipis", "shootdown_ipis_avoided", "shootdowns_served",
)  # fmt: skip
STATES = ("free", "created", "running", "queued", "waiting", "unplaced", "suspended", "faulted", "gone")
CAUSES = (
    "none", "started", "woken", "blocked", "slice_end", "yielded", "recalled", "affinity_changed", "exited",
    "killed", "faulted", "fallback_slice", "no_server", "watchdog", "returned", "agent_overrun", "cpu_lost", "suspended",
    "resumed", "calls",
)  # fmt: skip

MAGIC, VERSION = b"COXTRACE", 1
_HEADER = struct.Struct("<8sIIIIQQQQQQ")  # magic … names
_HEADER_SIZE, _NEVER = 128, 2**64 - 1
_CPU = struct.Struct("<QQ19Q24x")
_NAME = struct.Struct("<QQQ24s")
_RECORD = struct.Struct("<QHBBIQQ")
_MAX_THREADS, _MAX_CPUS = 2048, 64


class BadTrace(HarnessError):
    code = ExitCode.REFUSED


class Ref(NamedTuple):
    """A thread: its line in the status table, and which of the line's threads."""

    slot: int
    generation: int

    def __str__(self) -> str:
        return f"{self.slot}.{self.generation}"


class Event(NamedTuple):
    tsc: int
    cpu: int
    kind: str
    ref: Ref | None
    a: int
    b: int

    # Of the state word in `a`.
    @property
    def state(self) -> str:
        return STATES[self.a & 0xFF]

    @property
    def to_cpu(self) -> int:
        return self.a >> 8 & 0xFF

    @property
    def killed(self) -> bool:
        return bool(self.a >> 16 & 1)

    @property
    def placed_by_kernel(self) -> bool:
        return bool(self.a >> 25 & 1)

    @property
    def cause(self) -> str:
        return CAUSES[self.a >> 26 & 0x3F]

    @property
    def sequence(self) -> int:
        return self.a >> 32


class Name(NamedTuple):
    process: str
    label: int
    domain: bool


@dataclass(frozen=True)
class CpuTrace:
    events: list[Event]
    written: int
    lost: int  # older ones, which newer ones replaced
    stats: dict[str, int] | None  # the kernel's counters of the same records; None: it went on after they were read


@dataclass(frozen=True)
class Trace:
    tsc_hz: int
    classes: frozenset[str]
    cpus: list[CpuTrace]
    names: dict[Ref, Name]
    nameless: int  # threads for which the table of names was full

    @property
    def lost(self) -> int:
        return sum(cpu.lost for cpu in self.cpus)


def _record(area: bytes, offset: int, cpu: int, number: int) -> Event:
    tsc, slot, zero, code, generation, a, b = _RECORD.unpack_from(area, offset)
    where = f"CPU {cpu}, record {number} at 0x{offset:x}"
    if not 1 <= code <= len(KINDS) or zero:
        raise BadTrace(f"{where}: there is no event {code}")
    kind = KINDS[code - 1][0]
    if (generation != 0) != (kind in _OF_THREADS) or slot >= _MAX_THREADS:
        raise BadTrace(f"{where}: a {kind} of thread {slot}.{generation}")
    if kind in _WITH_WORD and ((a & 0xFF) >= len(STATES) or (a >> 26 & 0x3F) >= len(CAUSES)):
        raise BadTrace(f"{where}: a {kind} with the state word 0x{a:x}")
    return Event(tsc, cpu, kind, Ref(slot, generation) if generation else None, a, b)


def _cpu(area: bytes, cpu: int, records_at: int, capacity: int) -> CpuTrace:
    count, count_at_end, *stats = _CPU.unpack_from(area, _HEADER_SIZE + cpu * _CPU.size)
    # The oldest of a ring that is full may have been in the course of being replaced.
    lost = max(0, count - (capacity - 1))
    base = records_at + cpu * capacity * _RECORD.size
    events = []
    for number in range(lost, count):
        event = _record(area, base + number % capacity * _RECORD.size, cpu, number)
        if events and event.tsc < events[-1].tsc:
            raise BadTrace(f"CPU {cpu}, record {number}: its time is before that of the record before it")
        events.append(event)
    return CpuTrace(events, count, lost, dict(zip(STATS, stats)) if count == count_at_end else None)


def _names(area: bytes, at: int, count: int) -> dict[Ref, Name]:
    names = {}
    for number in range(count):
        raw, label, domain, process = _NAME.unpack_from(area, at + number * _NAME.size)
        if raw:  # else the machine stopped while it was being written
            text = process.split(b"\0")[0].decode("ascii", "replace")
            names[Ref(raw & 0xFFFFFFFF, raw >> 32)] = Name(text, label, bool(domain))
    return names


def names_so_far(read: Callable[[int, int], bytes]) -> dict[Ref, Name]:
    """Of an area that is still being written: `read(offset, size)`."""
    _, _, _, _, _, _, names_at, name_capacity, _, _, names = _HEADER.unpack(read(0, _HEADER.size))
    count = min(names, name_capacity)
    return _names(read(names_at, count * _NAME.size), 0, count)


def decode(area: bytes) -> Trace:
    if len(area) < _HEADER_SIZE or not area.startswith(MAGIC):
        raise BadTrace(f"no trace area: it begins with {area[:8]!r}, not {MAGIC!r}")
    fields = _HEADER.unpack_from(area)
    _, version, record_size, cpus, classes, tsc_hz, names_at, name_capacity, records_at, capacity, names = fields
    if (version, record_size) != (VERSION, _RECORD.size):
        raise BadTrace(f"version {version} with records of {record_size} bytes; this reads version {VERSION}")
    if not 1 <= cpus <= _MAX_CPUS or not tsc_hz or classes >> len(CLASSES) or capacity & (capacity - 1) or capacity < 2:
        raise BadTrace(f"not a header: {cpus} CPUs, {tsc_hz} Hz, classes 0x{classes:x}, {capacity} records each")
    end = records_at + cpus * capacity * _RECORD.size
    if not _HEADER_SIZE + cpus * _CPU.size <= names_at <= names_at + name_capacity * _NAME.size <= records_at:
        raise BadTrace(f"not a header: names at 0x{names_at:x}, records at 0x{records_at:x}")
    if end > len(area):
        raise BadTrace(f"cut off: {len(area)} bytes of {end}")
    return Trace(
        tsc_hz,
        frozenset(name for bit, name in enumerate(CLASSES) if classes >> bit & 1),
        [_cpu(area, cpu, records_at, capacity) for cpu in range(cpus)],
        _names(area, names_at, min(names, name_capacity)),
        max(0, names - name_capacity),
    )
