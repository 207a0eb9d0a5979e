# SPDX-License-Identifier: MIT
"""scripts/boot-time: how long from QEMU's start to the first user instruction, best of some boots."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import host, options as run_options
from .artifacts import ROOT, Artifacts
from .boot import run_qemu
from .errors import ExitCode, HarnessError, Skip
from .plan import Step
from .qemu import TCG
from .rules import BUSY_CPUS
from .run import judge_run
from .session import qemu_command


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="scripts/boot-time", description=__doc__, allow_abbrev=False)
    made.add_argument("--build", type=Path, default=ROOT / "build", metavar="DIR", help="the build tree (build)")
    made.add_argument("--cpus", type=int, default=2, metavar="N", help="(2)")
    made.add_argument("--repeats", type=int, default=5, metavar="N", help="(5)")
    made.add_argument("--size", default="", help="of the workload that is booted (the manifest's own)")
    made.add_argument("--limit", type=float, metavar="MS", help="fail if the best is above this")
    return made


class BootFailed(HarnessError):
    code = ExitCode.REFUSED


def main(argv: list[str]) -> ExitCode:
    args = _parser().parse_args(argv)
    options = run_options.parse(["--build-dir", str(args.build), *(["--size", args.size] if args.size else [])])
    Artifacts(options.build_dir).require()
    step = Step(0, args.cpus, args.cpus, server=True, oversubscribed=args.cpus > host.cpus())
    times, used_s, meter = [], 0.0, host.FreeCpus()
    for _ in range(args.repeats):
        boot = run_qemu(qemu_command(options, TCG, step), options.timeout_s)
        used_s += boot.cpu_s
        run = judge_run(step, boot, options.target, options.policy, 0.0)
        if run.log is None:
            raise BootFailed(run.problem)
        times.append((run.log.first_user_at_ns - boot.started_ns) / 1e6)
    free = meter.since(used_s)
    print(f"first user instruction after {min(times):.0f} ms, best of {', '.join(f'{each:.0f}' for each in times)}")
    if args.limit is not None and min(times) > args.limit:
        if free < min(args.cpus, host.cpus()) - BUSY_CPUS:
            raise Skip(f"skipped: above {args.limit:g} ms, but this host is busy: {free:.2f} CPUs were free")
        print(f"above the limit of {args.limit:g} ms")
        return ExitCode.REFUSED
    return ExitCode.OK
