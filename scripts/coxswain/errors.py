# SPDX-License-Identifier: MIT
"""What a command may end with. docs/testing.md lists the same numbers for people."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    OK = 0
    REFUSED = 1  # a refused claim, a wrong result, a failed test
    USAGE = 2  # the command line or the machine that it runs on
    PANIC = 3  # the guest's kernel stopped
    SKIPPED = 77  # CTest's SKIP_RETURN_CODE
    TIMEOUT = 124
    INTERRUPTED = 130


class HarnessError(Exception):
    """Ends the command with one message and its own exit code."""

    code = ExitCode.USAGE


class UsageError(HarnessError):
    """The command line asks for something that there is not."""


class EnvironmentProblem(HarnessError):
    """Something is missing on this machine, or does not work on it."""


class Skip(HarnessError):
    """The machine cannot judge this test; the message says why."""

    code = ExitCode.SKIPPED


class Interrupted(BaseException):
    """SIGINT, SIGTERM or SIGHUP. Not an Exception, so that no handler swallows it by mistake."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(signal_name)
        self.signal_name = signal_name
