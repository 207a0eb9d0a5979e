# SPDX-License-Identifier: MIT
"""The command lines of `scripts/run compare` and `scripts/run workload`."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, replace
from pathlib import Path

from . import options as run_options
from .errors import UsageError
from .qemu import kernel_words
from .workloads import WORKLOADS, Workload

COMMANDS = ("compare", "workload")
_SIZES = ("smoke", "default", "large")


@dataclass(frozen=True)
class CompareOptions:
    command: str
    policies: tuple[str, ...]  # A and B, or the only one
    workloads: tuple[Workload, ...]
    repeats: int
    cpus: int
    size: str
    seed: int
    accel: str
    icount: bool
    timeout_s: float
    out: Path | None
    json: str
    dry_run: bool
    verbose: bool
    build_dir: Path
    build: bool
    append: tuple[str, ...]

    @property
    def for_accelerator(self) -> run_options.RunOptions:
        """What the trial of an accelerator goes by."""
        return replace(run_options.parse(["--accel", self.accel]), build_dir=self.build_dir)


def asks_for(argv: list[str]) -> bool:
    """Whether scripts/run was called for one of these commands."""
    return any(each in COMMANDS for each in argv)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="scripts/run",
        description="Runs workloads under two policies, in interleaved pairs, and shows where they differ; or under one.",
        epilog="Exit: 0 all runs were verified, 1 some were not, 2 usage or environment, 3 guest panic, 124 time-out, "
        "130 interrupted. docs/workloads.md describes the workloads.",
        allow_abbrev=False,
    )
    add = made.add_argument
    add("command", choices=COMMANDS, help="compare two policies, or run under one")
    add("--policy", action="append", default=[], type=run_options.word, help="compare: twice, A and then B; workload: once (round_robin)")
    add("--workload", action="append", default=[], choices=sorted(WORKLOADS), help="repeatable (compare: all)")
    add("--repeats", type=run_options.positive, default=5, metavar="N", help="pairs; a claim needs 15 (%(default)s)")
    add("--cpus", type=run_options.cpu_count, default=2, metavar="N", help="(%(default)s)")
    add("--size", choices=_SIZES, default="default", help="how long each run is (%(default)s)")
    add("--icount", action="store_true", help="one more run under each policy, on one CPU, that counts instructions instead of time")
    add("--out", type=Path, metavar="DIR", help="for the results (BUILD/results/COMMAND/TIME)")
    run_options.add_common(made)
    return made


def _policies(args: argparse.Namespace) -> tuple[str, ...]:
    if args.command == "workload":
        if len(args.policy) > 1:
            raise UsageError("workload takes one --policy; compare takes two")
        return tuple(args.policy) or ("round_robin",)
    if len(args.policy) != 2:
        raise UsageError(f"compare takes --policy twice, A and then B, not {len(args.policy)} times")
    return tuple(args.policy)


def _workloads(args: argparse.Namespace) -> tuple[Workload, ...]:
    if args.command == "workload" and not args.workload:
        raise UsageError(f"workload needs --workload; there are {', '.join(sorted(WORKLOADS))}")
    names = dict.fromkeys(args.workload or WORKLOADS)  # each once
    return tuple(WORKLOADS[name] for name in names)


def parse(argv: list[str]) -> CompareOptions:
    args = parser().parse_args(argv)
    return CompareOptions(
        command=args.command,
        policies=_policies(args),
        workloads=_workloads(args),
        repeats=args.repeats,
        cpus=args.cpus,
        size=args.size,
        seed=args.seed,
        accel=args.accel,
        icount=args.icount,
        timeout_s=args.timeout,
        out=args.out,
        json=args.json,
        dry_run=args.dry_run,
        verbose=args.verbose,
        build_dir=Path(os.path.abspath(args.build_dir)),
        build=not args.no_build,
        append=tuple(kernel_words(args.append.split())),
    )
