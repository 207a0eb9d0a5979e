#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Recordings of real boots: record_boots.py --build DIR CASE. Each case boots 2 CPUs and replays what the server recorded."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from coxswain import record_file, trace_run  # noqa: E402
from coxswain.artifacts import Artifacts  # noqa: E402
from coxswain.boot import run_qemu  # noqa: E402
from coxswain.boot_cases import need, run_case  # noqa: E402
from coxswain.ending import Ending, judge  # noqa: E402
from coxswain.qemu import TCG, Machine, command  # noqa: E402

PAGE, ENTRY = 4096, 64
PICK = 7  # kind of an entry: sched-server/recording.hpp


def boot(build: Path, case: str, manifest: str, policy: str) -> Path:
    """-> the recording."""
    path = build / "logs" / f"record.{case}.record"
    path.parent.mkdir(parents=True, exist_ok=True)
    with trace_run.guest_memory(Machine.memory) as memory:
        words = ["root=workers/root", f"manifest={manifest}", f"policy={policy}"]
        done = run_qemu(command(Machine(2, TCG, memory_file=memory.path), Artifacts(build), words), 90)
        need(judge(done).ending is Ending.PASSED, f"the boot itself failed: {judge(done).detail}")
        text, good = record_file.write(memory.path, path)
    need(good, text)
    print(text)
    return path


def replay(build: Path, path: Path) -> tuple[int, str]:
    done = subprocess.run([build / "test" / "sim" / "sim", "--replay", path], capture_output=True, text=True, check=False)
    print(done.stdout + done.stderr)
    return done.returncode, done.stdout + done.stderr


def agrees(build: Path, path: Path, policy: str) -> int:
    """-> how many entries were not kept."""
    code, text = replay(build, path)
    match = re.match(r"replay: policy (\w+): \d+ entries, (\d+) decisions agree, (\d+) threads picked; (\d+) entries", text)
    need(code == 0 and match, f"the replay ended with {code}")
    need(match[1] == policy and int(match[3]) > 50, "too little was replayed to prove anything")
    return int(match[4])


def round_robin(build: Path) -> None:
    """The policy of the host decides as the one in the server did, each time."""
    need(agrees(build, boot(build, "round_robin", "record", "round_robin"), "round_robin") == 0, "it did not fit")


def fifo(build: Path) -> None:
    """Another one."""
    need(agrees(build, boot(build, "fifo", "record", "fifo"), "fifo") == 0, "it did not fit")


def full(build: Path) -> None:
    """What does not fit is counted, and what did is sound."""
    path = boot(build, "full", "record-full", "round_robin")
    need(agrees(build, path, "round_robin") > 0, "everything fitted")
    need(record_file.counts(path.read_bytes())[0] == 12 * 63, "there is room left")


def flipped(build: Path) -> None:
    """The negative control: the same recording, with one decision changed, is found out at that place."""
    path = boot(build, "flipped", "record", "round_robin")
    good = path.read_bytes()
    entries = [at for at in range(len(good) // ENTRY) if at % (PAGE // ENTRY)]
    picks = [at for at in entries if good[at * ENTRY] == PICK and struct.unpack_from("<Q", good, at * ENTRY + 16)[0]]
    chosen = picks[len(picks) // 2]
    bad = bytearray(good)
    bad[chosen * ENTRY + 16] ^= 1  # the thread
    path.write_bytes(bad)
    code, text = replay(build, path)
    need(code == 1 and f"entry {entries.index(chosen)}," in text, f"a changed entry {entries.index(chosen)} was not found out")


sys.exit(run_case("record", __doc__, (round_robin, fifo, full, flipped)))
