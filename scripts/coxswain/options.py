# SPDX-License-Identifier: MIT
"""The command line of scripts/run."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass
from pathlib import Path

from .artifacts import ROOT
from .errors import UsageError
from .plan import TARGETS, Target
from .qemu import check_extra, kernel_words
from .trace_run import classes

STDOUT = "-"
_MAX_CPUS = 64


@dataclass(frozen=True)
class RunOptions:
    target: Target
    workers: tuple[int, ...]
    cpus: tuple[int, ...]
    policy: str
    repeats: int
    accel: str
    boot: str
    size: str
    seed: int
    timeout_s: float
    out: Path | None
    json: str
    csv: str
    dry_run: bool
    verbose: bool
    build_dir: Path
    build: bool
    ctest: bool
    manifest: str
    trace: str  # classes; empty: none
    top: bool
    append: tuple[str, ...]  # more kernel arguments
    extra: tuple[str, ...]  # more QEMU arguments


def _numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a list of numbers like 1,2,4: {text!r}") from None
    if not all(1 <= number <= _MAX_CPUS for number in numbers) or len(set(numbers)) != len(numbers):
        raise argparse.ArgumentTypeError(f"not different numbers from 1 to {_MAX_CPUS}: {text!r}")
    return numbers


def _cpus(text: str) -> tuple[int, ...]:
    numbers = [_numbers(part)[0] for part in text.split(",")]  # these may repeat
    return tuple(numbers)


def cpu_count(text: str) -> int:
    number = positive(text)
    if number > _MAX_CPUS:
        raise argparse.ArgumentTypeError(f"not a number from 1 to {_MAX_CPUS}: {text!r}")
    return number


def positive(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"not a number above 0: {text!r}")
    return int(text)


def seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"not a number of seconds: {text!r}")
    return seconds


def word(text: str) -> str:
    """A value of the kernel's command line, which knows no quoting."""
    if not re.fullmatch(r"[A-Za-z0-9_.+-]+", text):
        raise argparse.ArgumentTypeError(f"letters, digits and _ . + - only: {text!r}")
    return text


def seed(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise argparse.ArgumentTypeError(f"not a whole number: {text!r}")
    return int(text)


def add_common(made: argparse.ArgumentParser) -> None:
    """What all commands of scripts/run understand."""
    add = made.add_argument
    add("--accel", choices=("auto", "kvm", "tcg"), default="auto", help="(%(default)s)")
    add("--seed", type=seed, default=1, help="(%(default)s)")
    add("--timeout", type=seconds, default=120.0, metavar="SECONDS", help="for each boot (120)")
    add("--json", nargs="?", const=STDOUT, default="", metavar="FILE", help="a copy of result.json, or to stdout")
    add("--dry-run", action="store_true", help="print the QEMU command lines and boot nothing")
    add("--verbose", action="store_true", help="show command lines and all that the guest prints")
    add("--append", default="", metavar="WORDS", help="more kernel arguments")
    add("--build-dir", type=Path, default=ROOT / "build", metavar="DIR", help="(build)")
    add("--no-build", action="store_true", help="take what is in the build directory as it is")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="scripts/run",
        description="Boots Coxswain in QEMU with 1, 2, 4 … CPUs and as many workers, and reports the speedup. "
        "`scripts/run compare` and `scripts/run workload` are commands of their own, each with its --help.",
        epilog="Exit: 0 proved or no claim, 1 refused or wrong, 2 usage or environment, 3 guest panic, "
        "124 time-out, 130 interrupted. What follows -- goes to QEMU.",
        allow_abbrev=False,
    )
    add = made.add_argument
    add("target", nargs="?", default="process-scale", choices=sorted(TARGETS), help="what to measure (%(default)s)")
    add("--workers", type=_numbers, default=(1, 2, 4), metavar="LIST", help="numbers of workers (1,2,4)")
    add("--cpus", type=_cpus, metavar="LIST", help="CPUs of each run, or one number for all (as many as workers)")
    add("--policy", type=word, default="round_robin", help="of the scheduler server (%(default)s)")
    add("--repeats", type=positive, default=3, metavar="N", help="interleaved pairs; a claim needs 15 (%(default)s)")
    add("--boot", choices=("iso", "pvh"), default="pvh", help="GRUB from an ISO, or QEMU directly (%(default)s)")
    add("--size", type=word, help="of the workload, as the manifest names it (the manifest's own; under KVM giant)")
    add("--out", type=Path, metavar="DIR", help="for the results (BUILD/results/TARGET/TIME)")
    add("--csv", nargs="?", const=STDOUT, default="", metavar="FILE", help="a copy of runs.csv, or to stdout")
    add("--manifest", type=word, help="in the archive (the target's own)")
    add("--trace", nargs="?", const="all", default="", metavar="CLASSES",
        help="one more boot, not measured, whose trace is drawn (docs/tracing.md); classes like dispatch,stop,wake, or all")
    add("--top", action="store_true", help="show what each CPU does while it does it; no claim is made then")
    add("--ctest", action="store_true", help="end with 77 where the host is too busy or too small to judge")
    add_common(made)
    return made


def _matched_cpus(workers: tuple[int, ...], cpus: tuple[int, ...] | None) -> tuple[int, ...]:
    if cpus is None:
        return workers
    if len(cpus) == 1:
        return cpus * len(workers)
    if len(cpus) != len(workers):
        raise UsageError(f"--cpus names {len(cpus)} numbers, --workers {len(workers)}: one for each, or one for all")
    return cpus


def _target_after_flag(value: str, args: argparse.Namespace) -> str:
    """`--json process-scale`: the target, not a file of that name."""
    if value in TARGETS:
        args.target = value
        return STDOUT
    return value


def parse(argv: list[str]) -> RunOptions:
    extra: list[str] = []
    if "--" in argv:
        split = argv.index("--")
        argv, extra = argv[:split], argv[split + 1 :]
    args = parser().parse_args(argv)
    args.json, args.csv = _target_after_flag(args.json, args), _target_after_flag(args.csv, args)
    if args.trace in TARGETS:
        args.target, args.trace = args.trace, "all"
    if args.json == STDOUT and args.csv == STDOUT:
        raise UsageError("--json and --csv cannot both go to stdout: give one of them a file")
    pairs = list(zip(args.workers, _matched_cpus(args.workers, args.cpus)))
    if 1 not in args.workers:
        pairs.append((1, 1))  # the baseline that every speedup is over
    pairs.sort()
    return RunOptions(
        target=TARGETS[args.target],
        workers=tuple(count for count, _ in pairs),
        cpus=tuple(size for _, size in pairs),
        policy=args.policy,
        repeats=args.repeats,
        accel=args.accel,
        boot=args.boot,
        size=args.size or "",
        seed=args.seed,
        timeout_s=args.timeout,
        out=args.out,
        json=args.json,
        csv=args.csv,
        dry_run=args.dry_run,
        verbose=args.verbose,
        build_dir=Path(os.path.abspath(args.build_dir)),
        build=not args.no_build,
        ctest=args.ctest,
        manifest=args.manifest or TARGETS[args.target].manifest,
        trace=classes(args.trace) if args.trace else "",
        top=args.top,
        append=tuple(kernel_words(args.append.split())),
        extra=check_extra(extra),
    )
