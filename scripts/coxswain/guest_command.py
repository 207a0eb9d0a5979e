# SPDX-License-Identifier: MIT
"""scripts/guest-test: boots one test program, and says case by case what became of it."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from . import junit, record_file, symbolize, trace_run
from .artifacts import Artifacts
from .boot import Boot, run_qemu
from .errors import EnvironmentProblem, ExitCode, Skip
from .guest_log import Line, clean
from .qemu import MACHINES, TCG, Accelerator, Machine, check_extra, command
from .suite_verdict import TestOutcome, Verdict, classify

_EXPECTED = {"pass": Verdict.PASS, "fail": Verdict.CASES_FAILED, "panic": Verdict.PANIC, "unsupported": Verdict.UNSUPPORTED,
             "triple-fault": Verdict.TRIPLE_FAULT}  # fmt: skip
_TAIL_LINES = 200


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="scripts/guest-test", description=__doc__, allow_abbrev=False)
    add = made.add_argument
    add("--build", type=Path, required=True, metavar="DIR", help="the build tree")
    add("--program", required=True, help="in the archive, such as test/ring")
    add("--kernel", type=Path, metavar="FILE", help="another one than the build tree's")
    add("--name", help="of log and report (the program's last part)")
    add("--cpus", type=int, default=2, metavar="N", help="(2)")
    add("--timeout", type=float, default=60.0, metavar="SECONDS", help="(60)")
    add("--boot", choices=("pvh", "iso"), default="pvh", help="(pvh)")
    add("--machine", choices=MACHINES, help="(microvm, and pc for --boot iso)")
    add("--machine-option", action="append", default=[], metavar="KEY=VALUE", help="of -machine; repeatable")
    add("--memory", default="256M", help="(256M)")
    add("--cpu-model", default="", help="(max)")
    add("--accel", choices=("tcg", "kvm"), default="tcg",
        help="kvm: what scripts/run finds, with the quirk if need be; ends with 77 where there is none (tcg)")
    add("--seed", type=int, default=int(os.environ.get("COXSWAIN_SEED", "1")), help="(COXSWAIN_SEED, or 1)")
    add("--append", default="", metavar="WORDS", help="more kernel arguments; {symbol:NAME} is the address of the kernel's NAME")
    add("--expect", choices=sorted(_EXPECTED), default="pass", help="(pass)")
    add("--match", action="append", default=[], metavar="REGEX", help="some line of the output, or of a panic or fault with names, must match; repeatable")
    add("--trace", nargs="?", const="all", default="", metavar="CLASSES", help="trace and draw it (docs/tracing.md); a trace that contradicts itself fails")
    add("--record", action="store_true", help="keep what the scheduler server has recorded (docs/simulator.md); the manifest has to ask for it")
    add("--quiet", action="store_true", help="do not show the guest's output")
    add("qemu", nargs="*", help="after --: more QEMU arguments")
    return made


def _label(args: argparse.Namespace, machine: Machine) -> str:
    """Names log and report; runs that differ in what is part of it may run side by side."""
    parts = [args.name or args.program.rsplit("/", 1)[-1], str(machine.cpus)]
    if not args.name:
        parts += [part for part in (machine.machine, machine.boot) if part not in ("microvm", "pvh")]
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", ".".join(parts))


def _accelerator(args: argparse.Namespace) -> Accelerator:
    if args.accel == "tcg":
        return replace(TCG, reason="guest tests run under it")
    try:
        from . import accel, options as run_options  # much of the harness, and most tests need none of it

        return accel.choose(run_options.parse(["--build-dir", str(args.build), "--accel", "kvm", "--boot", args.boot]))
    except EnvironmentProblem as problem:
        raise Skip(f"skipped: {problem}") from None


def _machine(args: argparse.Namespace, memory_file: str = "") -> Machine:
    return Machine(
        cpus=args.cpus,
        accelerator=_accelerator(args),
        machine=args.machine or ("pc" if args.boot == "iso" else "microvm"),
        machine_options=tuple(args.machine_option),
        boot=args.boot,
        memory=args.memory,
        cpu_model=args.cpu_model,
        memory_file=memory_file,
        extra=check_extra(args.qemu, allowed=frozenset({"smp"})),  # -smp there adds a topology
    )


def unmatched(patterns: list[str], texts: list[str]) -> list[str]:
    return [pattern for pattern in patterns if not any(re.search(pattern, text) for text in texts)]


def _show(line: Line) -> None:
    print(clean(line.text), flush=True)


def _report(label: str, outcome: TestOutcome, expected: Verdict, boot: Boot, named: list[str], log: Path) -> None:
    if outcome.verdict is not Verdict.PASS:
        for text in named:
            print(text)
    for case in outcome.suite.failures:
        print(f"failed case {case.name}: {case.message or 'no message'}")
    if boot.stderr.strip():
        print(f"QEMU says: {boot.stderr.strip()}")
    wanted = "" if expected is Verdict.PASS else f" (expected: {expected.value})"
    seconds = (boot.ended_ns - boot.started_ns) / 1e9
    print(f"{label}: {outcome.verdict.value}{wanted}: {outcome.detail} [{seconds:.2f} s, log {log}]", flush=True)


def _with_memory(args: argparse.Namespace, artifacts: Artifacts, words: list[str], log: Path,
                 show: Callable[[Line], None] | None) -> tuple[Boot, trace_run.Report | None, tuple[str, bool] | None]:  # fmt: skip
    """Boots with a memory that can be read afterwards -> the boot, its trace, what became of its recording."""
    with trace_run.guest_memory(args.memory) as memory:
        machine = _machine(args, memory.path)
        if args.trace:
            words = [*words, f"trace={trace_run.classes(args.trace)}"]
        boot = run_qemu(command(machine, artifacts, words), args.timeout, log, show)
        traced = trace_run.write(memory, boot.lines, log.with_suffix(".trace"), log.stem) if args.trace else None
        recorded = record_file.write(memory.path, log.with_suffix(".record")) if args.record else None
        return boot, traced, recorded


def main(argv: list[str]) -> ExitCode:
    args = _parser().parse_args(argv)
    artifacts = Artifacts(args.build.absolute(), args.kernel)
    artifacts.require()
    machine = _machine(args)
    label, expected = _label(args, machine), _EXPECTED[args.expect]
    append = symbolize.fill_in(args.append, artifacts.kernel)
    words = [f"root={args.program}", f"seed={args.seed}", *shlex.split(append)]
    log = artifacts.build / "logs" / "guest" / f"{label}.log"
    log.parent.mkdir(parents=True, exist_ok=True)

    show = None if args.quiet else _show
    if args.trace or args.record:
        boot, traced, recorded = _with_memory(args, artifacts, words, log, show)
    else:
        boot, traced, recorded = run_qemu(command(machine, artifacts, words), args.timeout, log, show), None, None
    outcome = classify(boot)
    named = symbolize.explain(boot.lines, artifacts)
    told = [*(traced.texts() if traced else []), *([recorded[0]] if recorded else [])]
    absent = unmatched(args.match, [*(clean(line.text) for line in boot.lines), *named, *told])
    met = outcome.verdict is expected and not absent and not (traced and traced.complaints) and (recorded is None or recorded[1])
    for text in told:
        print(text)

    _report(label, outcome, expected, boot, named, log)
    for pattern in absent:
        print(f"{label}: no line matches {pattern}")
    tail = "\n".join(clean(line.text) for line in boot.lines[-_TAIL_LINES:])
    report = junit.render(label, outcome, met, (boot.ended_ns - boot.started_ns) / 1e9, tail)
    junit.write(report, artifacts.build / "junit" / f"{label}.xml")
    if met:
        return ExitCode.OK
    if outcome.exit_code is ExitCode.OK:
        return ExitCode.REFUSED  # passed, but something else was expected
    return outcome.exit_code
