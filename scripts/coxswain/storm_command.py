# SPDX-License-Identifier: MIT
"""scripts/run swap-storm: the server's policy, process and binary changed under a load, again and again.

docs/server-control.md says what happens in the guest and what each figure means. Exit: 0 nothing was lost, 1 something was,
and else as for every run (docs/testing.md).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from . import build, provenance, results, symbolize
from .artifacts import ROOT, Artifacts
from .boot import Boot, run_qemu
from .errors import ExitCode
from .guest_log import Line, MalformedRecord, Record, clean, parse, require_clean
from .qemu import TCG, Accelerator, Machine, command
from .suite_verdict import TestOutcome, Verdict, classify

TARGET = "swap-storm"
PROGRAM = "test/swap_storm"
# Time is the number of instructions executed, all CPUs together, on one thread of the host: the same in every run.
_COUNTED = Accelerator("tcg", ("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"), "max", "--counted")
KINDS = ("swap", "kill", "replace", "quiet")
_FALL = re.compile(r"domain: falls back cause=([0-9]+)")
_CAUSES = {12: "no_server", 13: "watchdog"}  # abi/sched.hpp


@dataclass(frozen=True)
class Event:
    number: int
    kind: str
    policy: str
    blackout_ns: int
    took_ns: int


@dataclass(frozen=True)
class Storm:
    events: list[Event]
    result: Record
    falls: dict[str, int]

    def blackouts(self, *kinds: str) -> list[int]:
        return [event.blackout_ns for event in self.events if event.kind in kinds]


def percentile(values: list[int], percent: int) -> int:
    """The smallest value that so many percent of all are not above (nearest rank); 0 where there are none."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0


def _event(record: Record) -> Event:
    require_clean(record)
    numbers = {name: record.integer(name) for name in ("number", "blackout_ns", "took_ns")}
    return Event(kind=record.string("kind"), policy=record.string("policy"), **numbers)


def read(lines: list[Line]) -> Storm:
    """Raises MalformedRecord unless the guest has reported every event, in order, and a result that agrees with them."""
    records = parse(lines)
    events = [_event(r) for r in records if r.kind == "run" and r.fields.get("phase") == "event"]
    found = [r for r in records if r.kind == "result" and r.fields.get("target") == TARGET]
    if len(found) != 1:
        raise MalformedRecord(f"{len(found)} 'result: target={TARGET}' lines instead of one")
    require_clean(found[0])
    if [event.number for event in events] != list(range(len(events))):
        raise MalformedRecord("the events' numbers are not 0, 1, 2 …")
    for kind, name in zip(KINDS, ("swaps", "kills", "replacements", "quiet")):
        counted = sum(event.kind == kind for event in events)
        if counted != found[0].integer(name):
            raise MalformedRecord(f"{counted} events of kind {kind}, but {name}={found[0].integer(name)}")
    falls = dict.fromkeys(_CAUSES.values(), 0)
    texts = [clean(line.text) for line in lines]
    begin = next((i for i, text in enumerate(texts) if text.startswith("run: phase=begin ")), len(texts))
    for text in texts[begin:]:
        if match := _FALL.fullmatch(text):
            cause = _CAUSES.get(int(match.group(1)), f"cause_{match.group(1)}")
            falls[cause] = falls.get(cause, 0) + 1
    return Storm(events, found[0], falls)


def _figures(values: list[int]) -> dict[str, int]:
    return {"count": len(values), "p50_ns": percentile(values, 50), "p99_ns": percentile(values, 99), "max_ns": max(values, default=0)}


def render(storm: Storm, args: argparse.Namespace, verdict: str) -> str:
    said = provenance.gather()
    caused = storm.blackouts("swap", "kill", "replace")
    whole = {
        "context": {
            "date": said.date,
            "target": TARGET,
            "accelerator": TCG.name,
            "accelerator_reason": "--counted: time counts instructions" if args.counted else "guest tests run under it",
            "counted": args.counted,
            "boot": "pvh",
            "qemu": said.qemu,
            "kernel_arguments": " ".join(_words(args)),
            "host_cpus": said.host_cpus,
            "num_cpus": said.host_cpus,
            "host_model": said.host_model,
            "cpus": args.cpus,
            "seed": args.seed,
            "verdict": verdict,
            "git": said.git,
        },
        **{name: storm.result.integer(name) for name in ("swaps", "refused", "kills", "killed_at_start", "replacements",
                                                         "threads", "ledger_looks", "lost_wakes")},  # fmt: skip
        "blackout_p50_ns": percentile(caused, 50),
        "blackout_p99_ns": percentile(caused, 99),
        "by_kind": {kind: _figures(storm.blackouts(kind)) for kind in KINDS},
        "fallback_dispatches": storm.result.integer("fallback_dispatches"),
        "watchdog_hits": storm.result.integer("watchdog_hits"),
        "falls": storm.falls,
        "events": [vars(event) for event in storm.events],
    }
    return json.dumps(whole, indent=2) + "\n"


def table(storm: Storm, verdict: str) -> str:
    lines = [f"{'window':10} {'number':>7} {'p50':>10} {'p99':>10} {'longest':>10}   longest wait of a runnable thread, ms"]
    for kind in KINDS:
        figures = _figures(storm.blackouts(kind))
        cells = "".join(f" {figures[name] / 1e6:>10.2f}" for name in ("p50_ns", "p99_ns", "max_ns"))
        lines.append(f"{kind:10} {figures['count']:>7}{cells}")
    caused = storm.blackouts("swap", "kill", "replace")
    lines += [
        "",
        f"swaps {storm.result.integer('swaps')}, refused {storm.result.integer('refused')}, kills {storm.result.integer('kills')} "
        f"(at the start: {storm.result.integer('killed_at_start')} more), replacements {storm.result.integer('replacements')}",
        f"lost wakes: {storm.result.integer('lost_wakes')}",
        f"blackout: p50 {percentile(caused, 50) / 1e6:.2f} ms, p99 {percentile(caused, 99) / 1e6:.2f} ms",
        f"fallback dispatches: {storm.result.integer('fallback_dispatches')}; the domain fell back: "
        + ", ".join(f"{cause} {count}" for cause, count in storm.falls.items()),
        f"verdict: {verdict}",
    ]
    return "\n".join(lines)


def _positive(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise argparse.ArgumentTypeError(f"not a number from 0 to 99999: {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="scripts/run swap-storm", description=__doc__, allow_abbrev=False)
    add = made.add_argument
    add("--swaps", type=_positive, default=1000, metavar="N", help="(1000)")
    add("--kills", type=_positive, default=200, metavar="N", help="(200)")
    add("--replacements", type=_positive, default=100, metavar="N", help="(100)")
    add("--cpus", type=int, choices=range(1, 65), default=4, metavar="N", help="(4)")
    add("--seed", type=_positive, default=int(os.environ.get("COXSWAIN_SEED", "1")), metavar="S", help="(COXSWAIN_SEED, or 1)")
    add("--counted", action="store_true", help="CPUs take turns and time counts instructions: exact, on any host")
    add("--timeout", type=float, default=3600.0, metavar="SECONDS", help="(3600)")
    add("--append", default="", metavar="WORDS", help="more kernel arguments")
    add("--out", type=Path, metavar="DIR", help="for the results (BUILD/results/swap-storm/TIME)")
    add("--json", nargs="?", const="-", default="", metavar="FILE", help="a copy of result.json, or to stdout")
    add("--verbose", action="store_true", help="show all that the guest prints")
    add("--build-dir", type=Path, default=ROOT / "build", metavar="DIR", help="(build)")
    add("--no-build", action="store_true", help="take what is in the build directory as it is")
    return made


def _words(args: argparse.Namespace) -> list[str]:
    counts = [f"{name}={getattr(args, name)}" for name in ("swaps", "kills", "replacements")]
    return [f"root={PROGRAM}", f"seed={args.seed}", "watchdog_ms=60000", *counts, *args.append.split()]


def _conclude(args: argparse.Namespace, folder: Path, boot: Boot, outcome: TestOutcome) -> ExitCode:
    try:
        storm = read(boot.lines)
    except MalformedRecord as error:
        for text in symbolize.explain(boot.lines, Artifacts(args.build_dir)):
            print(text, file=sys.stderr)
        print(f"{outcome.verdict.value}: {outcome.detail}\nno result: {error}", file=sys.stderr)
        return outcome.exit_code or ExitCode.REFUSED
    passed = outcome.verdict is Verdict.PASS and storm.result.integer("lost_wakes") == 0
    verdict = "ok" if passed else f"{outcome.verdict.value}: {outcome.detail}"
    text = render(storm, args, verdict)
    (folder / "result.json").write_text(text, encoding="utf-8")
    results.point_latest(args.build_dir, TARGET, folder)
    results.copy(text, args.json)
    print(table(storm, verdict), file=sys.stderr if args.json == "-" else sys.stdout, flush=True)
    return ExitCode.OK if passed else (outcome.exit_code or ExitCode.REFUSED)


def main(argv: list[str]) -> ExitCode:
    args = _parser().parse_args(argv)
    args.build_dir = args.build_dir.absolute()
    if not args.no_build:
        build.configure_and_build(args.build_dir)
    artifacts = Artifacts(args.build_dir)
    artifacts.require()
    folder = results.make_folder(args.out, args.build_dir, TARGET)
    line = command(Machine(cpus=args.cpus, accelerator=_COUNTED if args.counted else TCG, machine="microvm", boot="pvh"), artifacts, _words(args))
    show = (lambda each: print(clean(each.text), file=sys.stderr)) if args.verbose else None
    boot = run_qemu(line, args.timeout, folder / "storm.log", show)
    code = _conclude(args, folder, boot, classify(boot))
    print(f"log: {folder / 'storm.log'}", file=sys.stderr)
    return code
