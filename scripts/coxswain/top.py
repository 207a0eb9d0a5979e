# SPDX-License-Identifier: MIT
"""scripts/run --top: what each CPU does while it does it. A table on a terminal, a line for each look elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from .guest_log import Line
from .live_memory import LiveMemory, Snapshot, Thread, reader
from .trace_run import GuestMemory

KERNEL_WORDS = ("trace=names", "trace_pages=64")
_COUNTED = {"commits": ("commits_accepted",), "fallback": ("fallback_dispatches",),
            "dispatches": ("server_dispatches", "fallback_dispatches", "system_dispatches", "agent_dispatches")}  # fmt: skip


@dataclass(frozen=True)
class CpuRow:
    cpu: int
    runs: str  # "" when nothing does
    queued: int
    rates: dict[str, float]  # per second: dispatches, commits, fallback
    idle: float  # share of the time since the last look


@dataclass(frozen=True)
class Look:
    at_s: float  # since the first
    cpus: list[CpuRow]
    unplaced: int
    wakes: float  # per second
    moves: float  # threads seen on another CPU than at the last look, per second: at least so many


def _name(thread: Thread, snapshot: Snapshot) -> str:
    name = snapshot.names.get(thread.ref)
    if name is None:
        return f"thread {thread.ref}"
    short = name.process.rpartition("/")[2]
    return f"{short}/{name.label}" if name.domain else short


def compare(before: Snapshot, now: Snapshot, began_ns: int, tsc_hz: int) -> Look:
    seconds = max((now.at_ns - before.at_ns) / 1e9, 1e-9)
    rows = []
    for cpu, stats in enumerate(now.stats):
        risen = {name: stats[name] - before.stats[cpu][name] for name in stats}
        here = [each for each in now.threads.values() if each.cpu == cpu]
        running = next((each for each in here if each.state == "running"), None)
        rows.append(CpuRow(
            cpu,
            _name(running, now) if running else "",
            sum(each.state == "queued" for each in here),
            {what: sum(risen[name] for name in names) / seconds for what, names in _COUNTED.items()},
            min(1.0, risen["idle_ticks"] / tsc_hz / seconds),
        ))  # fmt: skip
    stayed = [(before.threads[ref], each) for ref, each in now.threads.items() if ref in before.threads]
    return Look(
        (now.at_ns - began_ns) / 1e9,
        rows,
        sum(each.state == "unplaced" for each in now.threads.values()),
        sum(each.wakes - earlier.wakes for earlier, each in stayed) / seconds,
        sum(each.cpu != earlier.cpu for earlier, each in stayed) / seconds,
    )


def plain(look: Look) -> str:
    cpus = " ".join(f"cpu{row.cpu}={row.runs or 'idle'}+{row.queued}" for row in look.cpus)
    commits, fallback = (sum(row.rates[what] for row in look.cpus) for what in ("commits", "fallback"))
    return (f"top: {look.at_s:.1f}s {cpus} unplaced={look.unplaced} wakes/s={look.wakes:.0f} commits/s={commits:.0f} "
            f"moves/s={look.moves:.0f} fallback/s={fallback:.0f}")  # fmt: skip


class Display(Protocol):
    def show(self, look: Look) -> None: ...
    def close(self) -> None: ...


class PlainDisplay:
    def show(self, look: Look) -> None:
        print(plain(look), file=sys.stderr, flush=True)

    def close(self) -> None:
        pass


class TableDisplay:
    def __init__(self) -> None:
        from rich.console import Console  # not needed, and so not asked for, without a terminal
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
        self._live.start()

    def show(self, look: Look) -> None:
        from rich.table import Table

        table = Table("CPU", "runs", "queued", "dispatches/s", "commits/s", "fallback/s", "idle", title=plain_totals(look))
        for row in look.cpus:
            rates = [f"{row.rates[what]:.0f}" for what in ("dispatches", "commits", "fallback")]
            table.add_row(str(row.cpu), row.runs or "-", str(row.queued), *rates, f"{row.idle:.0%}")
        self._live.update(table, refresh=True)

    def close(self) -> None:
        self._live.stop()


def plain_totals(look: Look) -> str:
    return f"{look.at_s:.1f} s, unplaced {look.unplaced}, wakes/s {look.wakes:.0f}, moves/s at least {look.moves:.0f}"


class _Watch:
    def __init__(self, memory: GuestMemory, display: Display, period_s: float) -> None:
        self._read = reader(memory.descriptor)
        self._display, self._period_s = display, period_s
        self._lines: list[Line] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def line(self, line: Line) -> None:
        with self._lock:
            self._lines.append(line)

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._display.close()

    def _find(self) -> LiveMemory | None:
        with self._lock:
            return LiveMemory.find(self._lines, self._read)

    def _watch(self) -> None:
        found: LiveMemory | None = None
        before: Snapshot | None = None
        began_ns = 0
        while not self._ended.wait(self._period_s if found else 0.01):
            found = found or self._find()
            if found is None:
                continue
            now = found.snapshot(time.monotonic_ns())
            if before is None:
                began_ns = now.at_ns
            else:
                self._display.show(compare(before, now, began_ns, found.tsc_hz))
            before = now


@contextmanager
def watch(memory: GuestMemory, display: Display | None = None, period_s: float = 0.5) -> Iterator[Callable[[Line], None]]:
    """Looks at one guest. What is yielded is to be given each line that it prints, since one of them says where to look."""
    watching = _Watch(memory, display or (TableDisplay() if sys.stderr.isatty() else PlainDisplay()), period_s)
    try:
        yield watching.line
    finally:
        watching.close()
