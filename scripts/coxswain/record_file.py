# SPDX-License-Identifier: MIT
"""Finds the scheduler server's recording in the guest's memory. sched-server/recording.hpp is the layout.

Its pages lie anywhere; each says which one it is, and of which recording.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from .errors import ExitCode, HarnessError

_PAGE = 4096
_MAGIC = b"COXSWAIN-RECORD1"
_HEADER = struct.Struct("<16sQIIQQ")  # magic, id, page, pages, entries, not kept


class NoRecording(HarnessError):
    code = ExitCode.REFUSED


def assemble(memory: bytes | mmap.mmap) -> bytes:
    """The pages of the only recording in there, in their order."""
    found: dict[tuple[int, int], list[int]] = {}  # id and pages: where each page lies
    at = memory.find(_MAGIC)
    while at >= 0:
        if at % _PAGE == 0:
            _, name, page, pages, _, _ = _HEADER.unpack_from(memory, at)
            if pages > len(memory) // _PAGE:
                raise NoRecording(f"a recording of {pages} pages in a memory of {len(memory) // _PAGE}")
            places = found.setdefault((name, pages), [-1] * pages)
            if page >= len(places) or places[page] >= 0:
                raise NoRecording(f"page {page} of {pages} of a recording is there twice, or is none")
            places[page] = at
        at = memory.find(_MAGIC, at + 1)
    if len(found) != 1:
        raise NoRecording(f"{len(found)} recordings in the guest's memory")
    places = next(iter(found.values()))
    if -1 in places:
        raise NoRecording(f"page {places.index(-1)} of the recording is missing")
    return b"".join(memory[place : place + _PAGE] for place in places)


def counts(recording: bytes) -> tuple[int, int]:
    """How many entries it has, and how many were not kept."""
    headers = [_HEADER.unpack_from(recording, at) for at in range(0, len(recording), _PAGE)]
    return sum(header[4] for header in headers), headers[0][5]


def write(memory_file: str, path: Path) -> tuple[str, bool]:
    """-> the line for the console, and whether there is a recording: its absence must not hide how the boot ended."""
    try:
        with open(memory_file, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
            recording = assemble(memory)
    except NoRecording as error:
        return f"record: none: {error}", False
    path.write_bytes(recording)
    entries, not_kept = counts(recording)
    return f"record: {path}: {entries} entries, {not_kept} not kept", True
