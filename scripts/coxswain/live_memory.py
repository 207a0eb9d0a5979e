# SPDX-License-Identifier: MIT
"""What a running guest's kernel has in its tables, read out of the guest's memory without its noticing (docs/tracing.md).

Nothing is locked: each number is one that stood there at some moment of the reading, and that is all that is claimed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

from .guest_log import Line, parse
from .trace_file import CAUSES, STATES, STATS, Name, Ref, names_so_far

_LINE = struct.Struct("<QQQQQQQII")  # abi/sched.hpp: StatusLine
_STATS = struct.Struct(f"<{len(STATS)}Q")

Read = Callable[[int, int], bytes]  # address, size


@dataclass(frozen=True)
class Thread:
    ref: Ref
    state: str
    cpu: int
    cause: str
    wakes: int
    domain: int
    label: int


@dataclass(frozen=True)
class Snapshot:
    at_ns: int
    threads: dict[Ref, Thread]
    stats: list[dict[str, int]]  # by CPU
    names: dict[Ref, Name]


def _threads(table: bytes) -> dict[Ref, Thread]:
    found = {}
    for word, raw, _, _, wakes, _, label, domain, _ in _LINE.iter_unpack(table):
        state, cause = word & 0xFF, word >> 26 & 0x3F
        if state != 0 and state < len(STATES) and cause < len(CAUSES):
            ref = Ref(raw & 0xFFFFFFFF, raw >> 32)
            found[ref] = Thread(ref, STATES[state], word >> 8 & 0xFF, CAUSES[cause], wakes, domain, label)
    return found


class LiveMemory:
    def __init__(self, read: Read, tsc_hz: int, table: tuple[int, int], stats: tuple[int, int, int], area: int) -> None:
        self.tsc_hz = tsc_hz
        self._read, self._table, self._stats, self._area = read, table, stats, area

    @staticmethod
    def find(lines: list[Line], read: Read) -> LiveMemory | None:
        """None until the kernel has said where its tables are. It says so before any program runs."""
        records = {}
        for record in parse(lines):
            records.setdefault(record.kind, record)
        if "live" not in records or "trace" not in records:
            return None
        live = records["live"]
        return LiveMemory(
            read,
            live.integer("tsc_hz"),
            (live.integer("table"), live.integer("threads") * _LINE.size),
            (live.integer("stats"), live.integer("stride"), live.integer("cpus")),
            records["trace"].integer("address"),
        )

    def snapshot(self, at_ns: int) -> Snapshot:
        base, stride, cpus = self._stats
        stats = [dict(zip(STATS, _STATS.unpack(self._read(base + cpu * stride, _STATS.size)))) for cpu in range(cpus)]
        names = names_so_far(lambda offset, size: self._read(self._area + offset, size))
        return Snapshot(at_ns, _threads(self._read(*self._table)), stats, names)


def reader(descriptor: int) -> Read:
    return lambda address, size: os.pread(descriptor, size, address)
