#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""One negative control: scripts/run must refuse what it is given, with this exit code and for this reason.

    refuse.py --build DIR --name NAME [--target TARGET] --reason REGEX [--code N] [--load N] [--qemu SCRIPT ...] -- ARGUMENT...

It asks for a claim with as many pairs as a claim needs, and expects the session to end with the run that settles it.
--load keeps N processes spinning meanwhile. --quiet-host: the harness blames a busy host first, so on one the test is
skipped, and says so. With --honest nothing is wrong, and nothing but the host or the short
section may be objected to. Works in a folder of its own, so that nobody takes its results for measurements.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = 77
SPIN = "import os\nos.nice(19)\nwhile True: pass"
# What a short session on any host may be objected to for. Everything else is the guest's doing.
NOT_THE_GUEST = r"busy host|a timed section of|median speedup|\(median\)"
OF_A_BUSY_HOST = r"all workers ran together|the host's clock"  # what its noise can do to a single run


def arguments() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = made.add_argument
    add("--build", type=Path, required=True)
    add("--name", required=True)
    add("--target", default="process-scale")
    add("--reason", default="")
    add("--code", type=int, default=1)
    add("--load", type=int, default=0)
    add("--shows", default="", metavar="REGEX", help="some line of the output must match")
    add("--quiet-host", action="store_true")
    add("--honest", action="store_true")
    add("--qemu", default="", help="stands between the harness and QEMU; what follows belongs to it")
    add("--drop", default="")
    add("--kill-at", default="")
    add("more", nargs="*")
    return made.parse_args()


def scratch(args: argparse.Namespace) -> Path:
    folder = args.build / "refuse" / args.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("coxswain.elf", "archive.cpio", "programs"):
        (folder / name).symlink_to(args.build / name)
    return folder


@contextmanager
def load(processes: int) -> Iterator[None]:
    """They take what nobody else wants, so that the host is busy and the run is not slowed down."""
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def run(args: argparse.Namespace, folder: Path) -> tuple[int, str, dict]:
    command = [str(ROOT / "scripts" / "run"), args.target, "--no-build", "--build-dir", str(folder), "--accel", "tcg"]
    command += ["--workers", "1,2", "--repeats", "1" if args.honest else "15", "--out", str(folder / "out"), *args.more]
    if "--size" not in args.more:
        command += ["--size", "smoke"]
    environment = dict(os.environ)
    if args.qemu:
        environment |= {"COXSWAIN_QEMU": args.qemu, "FILTER_DROP": args.drop, "FILTER_KILL_AT": args.kill_at}
    with load(args.load):
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run(command, env=environment, text=True, check=False, **both)
    print(done.stdout, flush=True)
    report = folder / "out" / "result.json"
    return done.returncode, done.stdout, json.loads(report.read_text())["context"] if report.exists() else {}


def refused(args: argparse.Namespace, status: int, context: dict) -> list[str]:
    wrong = [f"exit code {status}, expected {args.code}"] if status != args.code else []
    if context.get("claim") != "refused":
        wrong.append(f"claim {context.get('claim')}, expected refused")
    if not re.search(args.reason, context.get("claim_reason", "")):
        wrong.append(f"the reason {context.get('claim_reason')!r} does not match {args.reason!r}")
    return wrong


def honest(status: int, context: dict) -> list[str]:
    notes = context.get("notes", [])
    excused = NOT_THE_GUEST + (f"|{OF_A_BUSY_HOST}" if any("busy host" in note for note in notes) else "")
    objections = [note for note in notes if not re.search(excused, note)]
    wrong = [f"objected to an honest run: {note}" for note in objections]
    if (status, context.get("claim"), context.get("pairs")) != (0, "none", 1):
        wrong.append(f"exit code {status}, claim {context.get('claim')}: {context.get('claim_reason')}")
    return wrong


def main() -> int:
    args = arguments()
    if len(os.sched_getaffinity(0)) < 2:
        print("skipped: two CPUs are needed; with one every run is oversubscribed, and nothing is claimed")
        return SKIPPED
    status, output, context = run(args, scratch(args))
    if args.quiet_host and context.get("claim_reason", "").startswith("busy host"):
        print(f"skipped: {context['claim_reason']}")
        return SKIPPED
    wrong = honest(status, context) if args.honest else refused(args, status, context)
    if not re.search(args.shows, output, re.MULTILINE):
        wrong.append(f"no line of the output matches {args.shows!r}")
    for line in wrong:
        print(f"refuse.{args.name}: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
