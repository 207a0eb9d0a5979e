# SPDX-License-Identifier: MIT
"""A child with children of its own (cmake, ninja, ctest): an interrupt ends the whole family, each in order."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from .errors import EnvironmentProblem, Interrupted

_PATIENCE_S = 5.0


def call(
    command: list[str],
    stdout: IO[str] | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Its exit status. It gets a process group, but no terminal to read from."""
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            process_group=0,
        )
    except OSError as error:
        raise EnvironmentProblem(f"cannot start {command[0]}: {error.strerror}; scripts/setup installs it") from error
    try:
        return child.wait()
    except Interrupted:
        _end(child)
        raise


def _end(child: subprocess.Popen[bytes]) -> None:
    # SIGTERM first: a test that has a QEMU takes it along. SIGKILL would leave that behind.
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
