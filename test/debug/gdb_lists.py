#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Stops a guest with three workers on two CPUs, and looks at it with gdb: both lists must be right, and agree.

The guest may be stopped in the middle of a transition, so it gets a few stops. Before its CPUs are up, the lists must
be refused.
"""

from __future__ import annotations

import argparse
import re
import selectors
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from coxswain.artifacts import Artifacts  # noqa: E402
from coxswain.qemu import TCG, Machine, command  # noqa: E402

WORKERS = 3
STOPS = 5
WORDS = ["manifest=process-scale", f"workers={WORKERS}", "size=giant"]  # many seconds of work


@dataclass(frozen=True)
class Guest:
    """A QEMU that waits for `go`, with a gdb stub on a socket that only its folder's owner sees."""

    process: subprocess.Popen[bytes]
    socket: Path
    gdb: str
    kernel: Path

    def ask(self, *commands: str) -> str:
        """Stops the guest, runs the commands, and lets it go on."""
        line = [self.gdb, "-nx", "-batch", "-ex", "set python print-stack full", "-ex", f"source {ROOT}/scripts/gdb/coxswain.py"]
        for each in (f"target remote {self.socket}", *commands):
            line += ["-ex", each]
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.run([*line, str(self.kernel)], text=True, timeout=60, check=False, **both).stdout

    def wait_for(self, text: bytes, seconds: float) -> None:
        seen, deadline = b"", time.monotonic() + seconds
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while text not in seen:
                if not selector.select(deadline - time.monotonic()):
                    raise SystemExit(f"boot.gdb: no {text!r} within {seconds:g} s, but {seen!r}")
                seen += self.process.stdout.read1(4096)


def rows(text: str, first: str) -> list[list[str]]:
    """The lines under the heading that begins with `first`, cut at two spaces or more."""
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith(f"{first} ")), len(lines))
    found = []
    for line in lines[start + 1 :]:
        if not re.match(r"[0-9]", line):
            break
        found.append(re.split(r"  +", line))
    return found


def problems(text: str) -> list[str]:
    cpus, threads = rows(text, "cpu"), rows(text, "ref")
    if [row[0] for row in cpus] != ["0", "1"] or any(len(row) != 5 for row in cpus):
        return ["not a line for each CPU"]
    wrong = [f"lost: {' '.join(row)}" for row in threads if "NOWHERE" in row[-1]]
    kinds = sorted((row[6], row[7]) for row in threads)
    expected = [("agent of 0", "sched-server"), ("agent of 1", "sched-server")]
    expected += [("domain", "workers/primes")] * WORKERS + [("system", "sched-server"), ("system", "workers/root")]
    if kinds != expected:
        wrong.append(f"the threads are {kinds}")
    if sorted(row[5] for row in threads if row[6] == "domain") != ["0"] * WORKERS:
        wrong.append("the workers' labels are not 0, which the manifest leaves them")
    for ref, state, cpu, _cause, sequence, *_, process in (row[:8] for row in threads):
        name = f"{ref} {process}"
        if state == "running" and cpus[int(cpu)][1] != name:
            wrong.append(f"{name} runs on CPU {cpu}, which runs {cpus[int(cpu)][1]}")
        if process == "workers/primes" and int(sequence) == 0:
            wrong.append(f"{name} has never changed its state")
    wrong += queues(cpus, threads)
    return wrong


def queues(cpus: list[list[str]], threads: list[list[str]]) -> list[str]:
    """Two of the three run, and the third waits for one of them."""
    states = sorted(row[1] for row in threads if row[6] == "domain")
    if states != ["queued", "running", "running"]:
        return [f"the workers are {', '.join(states)}"]
    queued = next(row for row in threads if row[6] == "domain" and row[1] == "queued")
    _, _, length, queue, inbox = cpus[int(queued[2])]
    # An emulated CPU is mostly stopped before it has taken the interrupt that tells it of the newcomer.
    name = f"{queued[0]} workers/primes"
    if (length, queue, inbox) not in (("1", name, "-"), ("0", "-", f"place {name}")):
        return [f"{name} is queued on CPU {queued[2]}, where {length} are: {queue}; inbox: {inbox}"]
    return []


def unnoticed(text: str) -> list[str]:
    """Ways to spoil lists that are right which `problems` does not see."""
    queued = next(row for row in rows(text, "ref") if row[1] == "queued")
    running = next(row for row in rows(text, "ref") if row[1] == "running")
    spoilt = {
        "a thread that runs elsewhere": re.sub(rf"(?m)^(\d  .*?){running[0]} ", r"\g<1>9.9 ", text, count=1),
        "a thread in no queue": re.sub(rf"(?m)^(\d  .*){queued[0]} ", r"\g<1>9.9 ", text),
        "a thread left out": re.sub(rf"(?m)^{queued[0]}  .*\n", "", text),
        "a CPU left out": re.sub(r"(?m)^1  .*\n", "", text),
        "a lost thread": re.sub(rf"(?m)^({queued[0]}  .*)$", r"\1  NOWHERE", text),
    }
    return [f"not noticed: {what}" for what, changed in spoilt.items() if not problems(changed)]


def look(guest: Guest) -> int:
    early = guest.ask("cox cpus", "detach")
    if "the kernel has not started its CPUs yet" not in early:
        print("boot.gdb: not refused before there are CPUs:", early, sep="\n")
        return 1
    guest.wait_for(b"run: phase=begin", 60)
    for stop in range(STOPS):
        time.sleep(0.2)
        text = guest.ask("cox cpus", "cox threads", "detach")
        wrong = problems(text)
        print(text, *(f"stop {stop}: {line}" for line in wrong), sep="\n")
        if not wrong:
            only = rows(guest.ask("cox threads waiting", "detach"), "ref")
            wrong = unnoticed(text)
            wrong += [] if only and all(row[1] == "waiting" for row in only) else [f"not only waiting: {only}"]
            print(*wrong, sep="\n")
            return 1 if wrong else 0
    return 1


def main() -> int:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--build", type=Path, required=True)
    made.add_argument("--gdb", default="gdb")
    args = made.parse_args()
    artifacts = Artifacts(args.build.absolute())
    with tempfile.TemporaryDirectory(prefix="coxswain-gdb-") as folder:
        socket = Path(folder) / "gdb"
        stub = ("-gdb", f"unix:{socket},server=on,wait=off", "-S")
        line = command(Machine(cpus=2, accelerator=TCG, extra=stub), artifacts, WORDS)
        with subprocess.Popen(line, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
            try:
                while not socket.exists() and process.poll() is None:
                    time.sleep(0.01)
                return look(Guest(process, socket, args.gdb, artifacts.kernel))
            finally:
                process.kill()


if __name__ == "__main__":
    sys.exit(main())
