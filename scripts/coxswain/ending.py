# SPDX-License-Identifier: MIT
"""How a boot ended: the exit status, the time-out and the output read together.

One of them alone proves little: status 0 is what a triple fault gives, 33 may come from a guest that
printed no verdict, and a kernel that panics may fail to reach the exit device.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .boot import Boot
from .guest_log import Line, clean, last_text, parse_line

# isa-debug-exit ends QEMU with 2 * value + 1.
STATUS_PASS, STATUS_FAIL, STATUS_PANIC, STATUS_UNSUPPORTED = 33, 35, 37, 39


class Ending(Enum):
    PASSED = "pass"  # by its status alone; the output is still to be judged
    FAILED = "fail"
    PANIC = "panic"
    UNSUPPORTED = "unsupported machine"
    HANG = "hang"
    TRIPLE_FAULT = "triple fault"
    QEMU_ERROR = "qemu error"


_BY_STATUS = {
    STATUS_PASS: Ending.PASSED,
    STATUS_FAIL: Ending.FAILED,
    STATUS_PANIC: Ending.PANIC,
    STATUS_UNSUPPORTED: Ending.UNSUPPORTED,
    0: Ending.TRIPLE_FAULT,
}


@dataclass(frozen=True)
class Judgement:
    ending: Ending
    detail: str  # one line for people


def panic_lines(lines: list[Line]) -> list[str]:
    return [r.text for r in map(parse_line, lines) if r is not None and r.kind == "panic"]


def error_lines(lines: list[Line]) -> list[str]:
    """What the guest says of a command line or a manifest that it cannot follow."""
    return [r.text for r in map(parse_line, lines) if r is not None and r.kind == "error"]


def judge(boot: Boot) -> Judgement:
    panics = panic_lines(boot.lines)
    if panics:
        return Judgement(Ending.PANIC, panics[0])
    if boot.timed_out:
        last = last_text(boot.lines)
        return Judgement(Ending.HANG, f"no end after {boot.timeout_s:g} s; the last line was: {last}")
    ending = _BY_STATUS.get(boot.status, Ending.QEMU_ERROR)
    details = {
        Ending.PASSED: "status 33",
        Ending.FAILED: "status 35",
        Ending.PANIC: "status 37, but no line of it arrived",
        Ending.UNSUPPORTED: f"status 39: {last_text(boot.lines)}",
        Ending.TRIPLE_FAULT: f"QEMU ended with status 0: triple fault or shutdown; last line: {last_text(boot.lines)}",
        Ending.QEMU_ERROR: _qemu_error(boot),
    }
    return Judgement(ending, details[ending])


def _qemu_error(boot: Boot) -> str:
    said = [clean(line) for line in boot.stderr.splitlines() if line.strip()]
    how = f"signal {-boot.status}" if boot.status < 0 else f"status {boot.status}"
    return f"QEMU ended with {how}: {said[-1] if said else 'without a message'}"
