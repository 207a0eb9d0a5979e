# SPDX-License-Identifier: MIT
"""Signals that ask for an end become one exception, so that every `finally` runs and no QEMU is left behind."""

from __future__ import annotations

import signal
from types import FrameType

from .errors import Interrupted

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _raise(number: int, _frame: FrameType | None) -> None:
    # The first one decides; while it is being served, what has been measured gets written.
    for each in _ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted(signal.Signals(number).name)


def install() -> None:
    for number in _ENDING:
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue  # nohup
        signal.signal(number, _raise)
