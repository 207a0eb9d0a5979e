# SPDX-License-Identifier: MIT
"""scripts/run: from the command line to the table and the exit code."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import sys
from pathlib import Path

from . import accel, build, claim, compare_command, compare_options, host, options as run_options, plan, provenance, results, symbolize, table, trace_boot
from .aggregate import aggregate
from .artifacts import Artifacts
from .claim import Claim
from .errors import EnvironmentProblem, ExitCode, Skip, UsageError
from .options import STDOUT, RunOptions
from .outcome import Outcome
from .progress import progress
from .qemu import TCG
from .rules import BUSY_CPUS
from .session import Session, failure_code, qemu_command
from .storm_command import TARGET as STORM, main as run_storm

MOST_ROUNDS = 2  # of pairs, in a test


def _require_modules() -> None:
    for module, package in (("matplotlib", "python3-matplotlib"), ("tqdm", "python3-tqdm")):
        if importlib.util.find_spec(module) is None:
            raise EnvironmentProblem(f"Python's {module} is missing: package {package}; scripts/setup installs it")


def _dry_run(options: RunOptions, steps: list[plan.Step]) -> ExitCode:
    for step in steps:
        print(shlex.join(qemu_command(options, TCG, step, make_iso=False)))
    print(f"{len(steps)} boots; the accelerator is shown as tcg, --accel {options.accel} decides", file=sys.stderr)
    return ExitCode.OK


def _skip_unless_able(options: RunOptions) -> None:
    """In a test: no minutes of work on a machine that cannot judge."""
    host_cpus, wanted = host.cpus(), max(options.cpus)
    if wanted > host_cpus:
        raise Skip(f"skipped: {wanted} CPUs are needed, this host has {host_cpus}")
    free = host.free_now()
    if free < wanted - BUSY_CPUS:
        raise Skip(f"skipped: busy host, {free:.2f} CPUs are free, {wanted} are needed")


def _make_more(session: Session, options: RunOptions, steps: list[plan.Step]) -> int:
    """In a test, where the claim fails for its speed alone: as many pairs again, and all of them count. On a host
    whose own speed varies, 15 leave the median too uncertain. -> how many runs are planned now."""
    planned = len(steps)
    while options.ctest and planned < MOST_ROUNDS * len(steps):
        if session.interrupted or session.settled:
            break
        if not claim.decide(session.runs, aggregate(session.runs), options.repeats).too_slow:
            break
        steps_more = plan.again(steps, options.repeats * planned // len(steps))
        planned += len(steps)
        session.make_more(steps_more, progress(len(steps)))
    return planned


def _decide(session: Session, options: RunOptions, planned: int) -> Outcome:
    runs = session.runs
    aggregates = aggregate(runs)
    notes: list[str] = []
    if session.interrupted is not None:
        verdict = Claim(claim.NONE, f"{session.interrupted.signal_name} after {len(runs)} of {planned} runs")
    elif options.top:
        verdict = Claim(claim.NONE, "watched with --top, which takes time from the host's CPUs")
    elif session.settled is not None:
        verdict = session.settled
        notes.append(f"ended after {len(runs)} of {planned} runs, since none of the others could undo the refusal")
    else:
        verdict = claim.decide(runs, aggregates, options.repeats)
    if verdict.verdict == claim.NONE:
        for each in claim.claimable(aggregates):
            notes += [f"would be refused: {found.reason}" for found in claim.objections(runs, each)]
    return Outcome(options, provenance.gather(), session.accelerator, runs, aggregates, verdict, notes)


def _explain_end(session: Session, options: RunOptions) -> None:
    """Panics and faults of the run that failed, with names."""
    for run in session.runs:
        if not run.verified:
            for text in symbolize.explain(run.boot.lines, Artifacts(options.build_dir)):
                print(text, file=sys.stderr)


def _exit_code(session: Session, outcome: Outcome) -> ExitCode:
    if session.interrupted is not None:
        return ExitCode.INTERRUPTED
    for run in session.runs:
        if not run.verified:
            return failure_code(run)
    if outcome.options.ctest and outcome.claim.host_at_fault:
        return ExitCode.SKIPPED
    return outcome.claim.exit_code


def _measure(options: RunOptions, steps: list[plan.Step]) -> ExitCode:
    accelerator = accel.choose(options)
    print(f"accelerator: {accelerator.name} ({accelerator.reason})", file=sys.stderr)
    folder = results.make_folder(options.out, options.build_dir, options.target.name)
    session = Session(options, accelerator, folder, progress(len(steps)))
    session.make(steps)
    first = session.runs[0] if session.runs else None
    if first is not None and len(session.runs) == 1 and first.refused_by_guest():
        shutil.rmtree(folder)  # nothing was measured
        raise UsageError(f"the guest refuses this: {first.refused_by_guest()}")
    outcome = _decide(session, options, _make_more(session, options, steps))
    drawn = results.write(outcome, folder)
    _explain_end(session, options)
    to_stderr = STDOUT in (options.json, options.csv)
    print(table.render(outcome, drawn), file=sys.stderr if to_stderr else sys.stdout, flush=True)
    code = _exit_code(session, outcome)
    if options.trace and session.interrupted is None:
        code = trace_boot.make(session, steps, to_stderr) or code
    _last_words(session, code, folder, outcome.claim.reason)
    return code


def _last_words(session: Session, code: ExitCode, folder: Path, reason: str) -> None:
    if code is ExitCode.INTERRUPTED:
        print(f"interrupted: kept {len(session.runs)} runs in {folder}; no QEMU is left running", file=sys.stderr)
    elif code is ExitCode.SKIPPED:
        print(f"skipped: this host cannot judge: {reason}", file=sys.stderr)
    elif session.runs and not session.runs[-1].verified:
        print(f"log: {folder / session.runs[-1].log_name}", file=sys.stderr)


def main(argv: list[str]) -> ExitCode:
    if compare_options.asks_for(argv):
        _require_modules()
        return compare_command.main(argv)
    if argv[:1] == [STORM]:
        return run_storm(argv[1:])
    options = run_options.parse(argv)
    steps = plan.make(options.workers, options.cpus, options.repeats, host.cpus())
    if options.dry_run:
        return _dry_run(options, steps)
    _require_modules()
    if options.ctest:
        _skip_unless_able(options)
    if options.build:
        build.configure_and_build(options.build_dir)
    Artifacts(options.build_dir).require()
    return _measure(options, steps)
