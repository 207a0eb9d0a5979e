# SPDX-License-Identifier: MIT
"""A boot with a trace: the guest's memory where it can be read afterwards, and what is made of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UsageError
from .guest_log import Line, MalformedRecord, parse
from .trace_file import CLASSES, BadTrace, decode

if TYPE_CHECKING:
    from .trace_timeline import Timeline

_LOW_MEMORY = 2 << 30  # up to here each machine's memory lies in the file as it does in the guest
_UNITS = {"M": 1 << 20, "G": 1 << 30}


def classes(text: str) -> str:
    """The kernel refuses what it does not know, too; but here it costs no boot."""
    for name in text.split(","):
        if name not in (*CLASSES, "all"):
            raise UsageError(f"--trace {text}: {name!r} is none of all, {', '.join(CLASSES)}")
    return text


class GuestMemory:
    """Memory without a name in any file system, so that none is left behind however this process ends."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor, self._size = descriptor, size
        self.path = f"/proc/{os.getpid()}/fd/{descriptor}"

    def area(self, lines: list[Line]) -> bytes:
        """Where the kernel says that its trace is, in the first line of that kind: programs come later."""
        record = next((each for each in parse(lines) if each.kind == "trace"), None)
        if record is None:
            raise BadTrace("the kernel did not say where its trace is: it did not come that far, or has none")
        try:
            address, size = record.integer("address"), record.integer("bytes")
        except MalformedRecord as error:
            raise BadTrace(str(error)) from None
        if address + size > min(self._size, _LOW_MEMORY):
            raise BadTrace(f"{size} bytes at 0x{address:x} are not in the guest's first {self._size} bytes")
        return os.pread(self.descriptor, size, address)


@contextmanager
def guest_memory(size: str) -> Iterator[GuestMemory]:
    match = re.fullmatch(r"([0-9]+)([MG])", size)
    if match is None:
        raise UsageError(f"--trace needs a size of memory like 256M or 2G, not {size}")
    count = int(match[1]) * _UNITS[match[2]]
    descriptor = os.memfd_create("coxswain-guest-memory")
    try:
        os.ftruncate(descriptor, count)
        yield GuestMemory(descriptor, count)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Report:
    paths: list[Path]
    complaints: list[str]
    summary: str

    def texts(self) -> list[str]:
        """For the console."""
        return [
            *(f"trace: {path}" for path in self.paths),
            f"trace: {self.summary}",
            *(f"trace is wrong: {text}" for text in self.complaints[:20]),
            *([f"trace is wrong: and {len(self.complaints) - 20} times more"] if len(self.complaints) > 20 else []),
        ]


def _summary(timeline: Timeline, complaints: list[str]) -> str:
    from .trace_check import counters

    trace = timeline.trace
    kept = sum(len(cpu.events) for cpu in trace.cpus)
    compared = [counters(trace, cpu) for cpu in trace.cpus]
    parts = [
        f"{kept} records of {len(trace.cpus)} CPUs in {timeline.end / 1e6:.1f} ms",
        f"{len(timeline.slices)} slices of {len(timeline.threads)} threads",
        f"{trace.lost} records lost" + (", the oldest: trace_pages= makes room" if trace.lost else ""),
    ]
    if trace.nameless:
        parts.append(f"{trace.nameless} threads without a name")
    agree = f"{sum(map(len, compared))} counters of {sum(map(bool, compared))} CPUs compared"
    parts.append(f"sound, {agree}" if not complaints else f"NOT SOUND: {len(complaints)} contradictions, {agree}")
    return "; ".join(parts)


def write(memory: GuestMemory, lines: list[Line], stem: Path, title: str) -> Report:
    """STEM.txt, STEM.json and STEM.svg; or why there are none, which must not hide how the boot itself ended."""
    # Only here: they bring half of Python's library along, and most boots have no trace.
    from . import trace_chrome, trace_svg, trace_text
    from .trace_check import check
    from .trace_timeline import Timeline

    try:
        timeline = Timeline(decode(memory.area(lines)))
    except BadTrace as error:
        return Report([], [str(error)], "none")
    complaints = check(timeline)
    rendered = {
        "txt": trace_text.render(timeline),
        "json": trace_chrome.render(timeline),
        "svg": trace_svg.render(timeline, title),
    }
    paths = []
    for suffix, text in rendered.items():
        paths.append(stem.with_name(f"{stem.name}.{suffix}"))
        paths[-1].write_text(text, encoding="utf-8")
    return Report(paths, complaints, _summary(timeline, complaints))
