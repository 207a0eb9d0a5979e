# SPDX-License-Identifier: MIT
"""scripts/test: builds everything and runs every test. Each stage is a plain command, shown before it runs."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import host
from .artifacts import ROOT
from .child import call
from .errors import ExitCode
from .test_report import Counts, count

_BUILD = ROOT / "build"
_SANITIZERS = ("asan", "tsan")

# Hundreds of tests start Python: what one of them has compiled is there for the next, and none of it in the source tree.
_BYTECODE = {"PYTHONPYCACHEPREFIX": str(_BUILD / "pycache"), "PYTHONDONTWRITEBYTECODE": ""}


@dataclass(frozen=True)
class Stage:
    name: str
    command: list[str]
    report: Path | None = None  # JUnit, if it runs tests
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: str = ""  # a stage without whose success this one makes no sense


def _ctest(name: str, where: list[str], filters: list[str], jobs: int, seed: int | None = None) -> Stage:
    report = _BUILD / "junit" / f"ctest-{name}.xml"
    command = ["ctest", *where, *filters, "-j", str(jobs), "--output-on-failure", "--no-tests=error"]
    environment = _BYTECODE if seed is None else _BYTECODE | {"COXSWAIN_SEED": str(seed)}
    needs = f"build {where[1]}" if where[0] == "--preset" else "build"
    return Stage(name, [*command, "--output-junit", str(report)], report, environment, needs)


def stages(nightly: bool, seeds: int, jobs: int) -> list[Stage]:
    plain = ["--test-dir", str(_BUILD)]
    made = [
        Stage("configure", ["cmake", "-S", str(ROOT), "-B", str(_BUILD), "-G", "Ninja"]),
        Stage("build", ["cmake", "--build", str(_BUILD)], needs="configure"),
        _ctest("quick", plain, ["-LE", "^(scale|nightly)$"], jobs),
    ]
    for preset in _SANITIZERS:
        made += [
            Stage(f"configure {preset}", ["cmake", "--preset", preset]),
            Stage(f"build {preset}", ["cmake", "--build", "--preset", preset], needs=f"configure {preset}"),
            _ctest(preset, ["--preset", preset], [], jobs),
        ]
    if nightly:
        for seed in range(2, seeds + 2):  # 1 is the quick tier's
            made.append(_ctest(f"seed-{seed}", plain, ["-L", "^guest$", "-LE", "^(scale|nightly)$"], jobs, seed))
        nights = _ctest("nightly", plain, ["-L", "^nightly$"], jobs)
        nights.command.remove("--no-tests=error")
        made.append(nights)
    # Alone at the end: a measurement wants the machine for itself.
    made.append(_ctest("scale", plain, ["-L", "^scale$"], 1))
    return made


def _run(stage: Stage, failed: set[str]) -> tuple[str, float, Counts]:
    print(f"\n== {stage.name}: {shlex.join(stage.command)}", flush=True)
    if stage.needs in failed:
        print(f"not run: {stage.needs} failed", flush=True)
        return "not run", 0.0, Counts()
    if stage.report is not None:
        stage.report.parent.mkdir(parents=True, exist_ok=True)
        stage.report.unlink(missing_ok=True)
    begin = time.monotonic()
    status = call(stage.command, cwd=ROOT, environment=stage.environment)
    seconds = time.monotonic() - begin
    counts = count(stage.report) if stage.report is not None else Counts()
    return "ok" if status == 0 and counts.failed == 0 else "failed", seconds, counts


def main(argv: list[str]) -> ExitCode:
    parser = argparse.ArgumentParser(prog="scripts/test", description=__doc__, allow_abbrev=False)
    parser.add_argument("--nightly", action="store_true", help="more repetitions, more seeds, long tests")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="seeds of the nightly tier (10)")
    # Twice the CPUs: many a test waits for its guest, and many a guest for the time.
    parser.add_argument("--jobs", type=int, default=2 * host.cpus(), metavar="N", help="tests side by side (%(default)s)")
    args = parser.parse_args(argv)

    failed: set[str] = set()
    lines: list[str] = []
    total = Counts()
    begin = time.monotonic()
    for stage in stages(args.nightly, args.seeds, args.jobs):
        state, seconds, counts = _run(stage, failed)
        if state != "ok":
            failed.add(stage.name)
        total += counts
        lines.append(f"{stage.name:16} {state:8} {seconds:6.1f} s  {counts}".rstrip())

    print("\n== summary", *lines, sep="\n")
    print(f"{'all' :16} {'failed' if failed else 'ok':8} {time.monotonic() - begin:6.1f} s  {total}")
    print(f"JUnit reports: {_BUILD / 'junit'}")
    return ExitCode.REFUSED if failed else ExitCode.OK
