# SPDX-License-Identifier: MIT
"""Starts one QEMU and stays with it to its end: time-out, interrupt or exit. No QEMU outlives this process."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import EnvironmentProblem
from .guest_log import Line


@dataclass(frozen=True)
class Boot:
    """What is known of one QEMU that has ended. Times are the host's monotonic clock."""

    command: list[str]
    status: int  # as in subprocess: negative for a signal
    timed_out: bool
    timeout_s: float
    lines: list[Line]
    stderr: str
    started_ns: int
    ended_ns: int
    cpu_s: float  # CPU time that QEMU used on the host


class _Lines:
    """Splits what arrives into lines and stamps each as its end arrives."""

    def __init__(self, on_line: Callable[[Line], None] | None) -> None:
        self.lines: list[Line] = []
        self._rest = b""
        self._on_line = on_line

    def feed(self, data: bytes, now_ns: int) -> None:
        *complete, self._rest = (self._rest + data).split(b"\n")
        for raw in complete:
            self._add(raw, now_ns)

    def finish(self, now_ns: int) -> None:
        """What came without a newline at the end is a line too: often the most telling one of a hang."""
        if self._rest:
            self._add(self._rest, now_ns)
            self._rest = b""

    def _add(self, raw: bytes, now_ns: int) -> None:
        line = Line(now_ns, raw.decode("utf-8", "replace"))
        self.lines.append(line)
        if self._on_line is not None:
            self._on_line(line)


def _spawn(command: list[str]) -> subprocess.Popen[bytes]:
    # Its own session, so that Ctrl-C reaches this process alone, which then ends QEMU in an orderly way. And
    # setpriv, so that the kernel of the host ends QEMU even if this process is killed outright.
    guarded = ["setpriv", "--pdeathsig", "KILL", *command]
    try:
        return subprocess.Popen(
            guarded,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise EnvironmentProblem(f"cannot start {guarded[0]}: {error.strerror}") from error


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _reap(process: subprocess.Popen[bytes], deadline: float) -> tuple[bool, float]:
    """Waits for the end; past the deadline it kills. Says whether it did, and the CPU seconds used."""
    killed = False
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid != 0:
            process.returncode = os.waitstatus_to_exitcode(status)
            return killed, usage.ru_utime + usage.ru_stime
        if not killed and time.monotonic() >= deadline:
            _kill(process)
            killed = True
        time.sleep(0.001)


def run_qemu(
    command: list[str],
    timeout_s: float,
    log: Path | None = None,
    on_line: Callable[[Line], None] | None = None,
) -> Boot:
    """Boots, and keeps the raw serial output in `log` as it arrives."""
    output = _Lines(on_line)
    errors: list[bytes] = []
    started_ns = time.monotonic_ns()
    deadline = time.monotonic() + timeout_s
    process = _spawn(command)
    try:
        with open(log or os.devnull, "wb", buffering=0) as raw, selectors.DefaultSelector() as selector:
            assert process.stdout is not None and process.stderr is not None
            for stream in (process.stdout, process.stderr):
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map() and time.monotonic() < deadline:
                for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                    data = os.read(key.fd, 65536)
                    now_ns = time.monotonic_ns()
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is process.stdout:
                        raw.write(data)
                        output.feed(data, now_ns)
                    else:
                        errors.append(data)
        timed_out, cpu_s = _reap(process, deadline)
    finally:
        if process.returncode is None:
            _kill(process)
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    ended_ns = time.monotonic_ns()
    output.finish(ended_ns)
    return Boot(
        command=command,
        status=process.returncode,
        timed_out=timed_out,
        timeout_s=timeout_s,
        lines=output.lines,
        stderr=b"".join(errors).decode("utf-8", "replace"),
        started_ns=started_ns,
        ended_ns=ended_ns,
        cpu_s=cpu_s,
    )
