# SPDX-License-Identifier: MIT
"""scripts/run compare and scripts/run workload: from the command line to the table and the exit code."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from . import accel, build, compare_options, compare_plot, compare_result, compare_table, provenance, results, symbolize, trial
from .artifacts import Artifacts
from .compare_options import CompareOptions
from .compare_session import CompareSession, qemu_command
from .errors import ExitCode, UsageError
from .options import STDOUT
from .progress import progress
from .qemu import TCG
from .session import failure_code


def _dry_run(options: CompareOptions, steps: list[trial.Step]) -> ExitCode:
    for step in steps:
        print(shlex.join(qemu_command(options, TCG, step)))
    print(f"{len(steps)} boots; the accelerator is shown as tcg, --accel {options.accel} decides", file=sys.stderr)
    return ExitCode.OK


def _exit_code(session: CompareSession) -> ExitCode:
    if session.interrupted is not None:
        return ExitCode.INTERRUPTED
    for each in session.trials:
        if each.log is None:
            return failure_code(each)
    return ExitCode.OK


def _report(session: CompareSession, folder: Path) -> None:
    options = session.options
    result = compare_result.gather(options, provenance.gather(), session.accelerator, session.trials)
    as_json = compare_result.render(result)
    (folder / "result.json").write_text(as_json, encoding="utf-8")
    drawn = compare_plot.write(result, folder / "plot.svg")
    results.point_latest(options.build_dir, options.command, folder)
    results.copy(as_json, options.json)
    for each in session.trials:
        if each.log is None:
            for text in symbolize.explain(each.boot.lines, Artifacts(options.build_dir)):
                print(text, file=sys.stderr)
    where = f"plot: {folder / 'plot.svg'}" if drawn else f"result: {folder / 'result.json'}"
    print(f"{compare_table.render(result)}\n{where}", file=sys.stderr if options.json == STDOUT else sys.stdout, flush=True)


def _measure(options: CompareOptions, steps: list[trial.Step]) -> ExitCode:
    accelerator = accel.choose(options.for_accelerator)
    print(f"accelerator: {accelerator.name} ({accelerator.reason})", file=sys.stderr)
    folder = results.make_folder(options.out, options.build_dir, options.command)
    session = CompareSession(options, accelerator, folder, progress(len(steps)))
    session.make(steps)
    if session.trials and session.trials[-1].refused_by_guest():
        shutil.rmtree(folder)  # what was asked for is not there
        raise UsageError(f"the guest refuses this: {session.trials[-1].refused_by_guest()}")
    if session.trials:
        _report(session, folder)
    if session.interrupted is not None:
        print(f"interrupted: kept {len(session.trials)} runs in {folder}; no QEMU is left running", file=sys.stderr)
    return _exit_code(session)


def main(argv: list[str]) -> ExitCode:
    options = compare_options.parse(argv)
    steps = trial.plan(options.workloads, len(options.policies), options.repeats, options.icount)
    if options.dry_run:
        return _dry_run(options, steps)
    if options.build:
        build.configure_and_build(options.build_dir)
    Artifacts(options.build_dir).require()
    return _measure(options, steps)
