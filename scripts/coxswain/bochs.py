# SPDX-License-Identifier: MIT
"""Boots one test program in Bochs, which has what QEMU's emulation lacks: an x2APIC and TSC deadlines.

Bochs emulates one instruction at a time and knows no way for a guest to end it with a status: the verdict is the suite's
last line on the serial port, after which this program ends Bochs. Exit codes: 0 passed, 1 failed, 2 cannot start, 124 time-out.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
from pathlib import Path

from .artifacts import Artifacts
from .errors import EnvironmentProblem, ExitCode
from .guest_command import unmatched
from .guest_log import Line, clean
from .iso import iso_for
from .suite_log import read

_CONFIGURATION = """\
display_library: term
megs: 256
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model={model}, count={cpus}, ips=100000000, reset_on_triple_fault=0
ata0-master: type=cdrom, path="{iso}", status=inserted
boot: cdrom
sound: driver=dummy
com1: enabled=1, mode=file, dev="{serial}"
log: "{log}"
"""
_LAST = re.compile(r"(suite: .* verdict=|panic: frame=|coxswain: unsupported)")


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="scripts/bochs-test", description=__doc__, allow_abbrev=False)
    add = made.add_argument
    add("--build", type=Path, required=True, metavar="DIR", help="the build tree")
    add("--program", required=True, help="in the archive, such as test/boot")
    add("--model", default="corei7_haswell_4770", help="of the CPU, as `bochs --help cpu` names it (%(default)s)")
    add("--cpus", type=int, default=2, metavar="N", help="(2)")
    add("--timeout", type=float, default=120.0, metavar="SECONDS", help="(120)")
    add("--append", default="", metavar="WORDS", help="more kernel arguments")
    add("--match", action="append", default=[], metavar="REGEX", help="some line must match; repeatable")
    return made


def _terminal() -> tuple[int, int]:
    """Bochs draws on a terminal, and fails on one without a size."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
    os.set_blocking(leader, False)
    return leader, follower


def _drain(leader: int) -> None:
    try:
        while os.read(leader, 65536):
            pass
    except OSError:
        pass


def _lines(serial: Path) -> list[Line]:
    text = serial.read_text(encoding="utf-8", errors="replace") if serial.exists() else ""
    return [Line(0, line.rstrip("\r")) for line in text.split("\n")[:-1]]


def _watch(bochs: subprocess.Popen[bytes], leader: int, serial: Path, timeout_s: float) -> tuple[list[Line], str]:
    """What was said, and why it ended: "" where the guest came to its last line."""
    deadline = time.monotonic() + timeout_s
    while True:
        _drain(leader)
        ended = bochs.poll() is not None
        lines = _lines(serial)
        if any(_LAST.match(clean(line.text)) for line in lines):
            return lines, ""
        if ended:
            return lines, f"Bochs ended by itself, status {bochs.returncode}"
        if time.monotonic() > deadline:
            return lines, f"no verdict within {timeout_s:.0f} s"
        time.sleep(0.1)


def _run(arguments: argparse.Namespace, folder: Path, log: Path) -> tuple[list[Line], str]:
    if shutil.which("bochs") is None:
        raise EnvironmentProblem("bochs not found: packages bochs and bochs-term; scripts/setup installs them")
    words = [f"root={arguments.program}", *arguments.append.split()]
    serial, configuration, start = folder / "serial", folder / "bochsrc", folder / "start"
    configuration.write_text(
        _CONFIGURATION.format(
            model=arguments.model, cpus=arguments.cpus, serial=serial, log=log,
            iso=iso_for(Artifacts(arguments.build.absolute()), words),
        )
    )  # fmt: skip
    start.write_text("c\n")  # Debian's Bochs has its debugger built in, and waits for a command
    leader, follower = _terminal()
    command = ["setpriv", "--pdeathsig", "KILL", "bochs", "-q", "-f", str(configuration), "-rc", str(start)]
    bochs = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
        env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    try:
        return _watch(bochs, leader, serial, arguments.timeout)
    finally:
        try:
            os.killpg(bochs.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        bochs.wait()
        os.close(leader)
        os.close(follower)


def main(argv: list[str]) -> ExitCode:
    arguments = _parser().parse_args(argv)
    logs = arguments.build.absolute() / "logs" / "bochs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{arguments.model}.{arguments.cpus}.log"
    with tempfile.TemporaryDirectory(prefix="coxswain-bochs-") as folder:
        lines, problem = _run(arguments, Path(folder), log)
    texts = [clean(line.text) for line in lines]
    print("\n".join(texts), flush=True)
    absent = unmatched(arguments.match, texts)
    for pattern in absent:
        print(f"bochs-test: no line matches {pattern}")
    if problem:
        print(f"bochs-test: {problem}; Bochs's own log: {log}")
        return ExitCode.TIMEOUT if problem.startswith("no verdict") else ExitCode.REFUSED
    suite = read(lines)
    for case in suite.failures:
        print(f"failed case {case.name}: {case.message or 'no message'}")
    if suite.shortfall:
        print(f"bochs-test: {suite.shortfall}")
    return ExitCode.REFUSED if suite.failures or suite.shortfall or absent else ExitCode.OK
