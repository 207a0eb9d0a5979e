# SPDX-License-Identifier: MIT
"""Makes the runs of a plan, one QEMU at a time, and keeps what each of them said."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from . import claim, top
from .artifacts import Artifacts
from .boot import Boot, run_qemu
from .claim import Claim
from .ending import Ending, Judgement
from .errors import ExitCode, Interrupted
from .guest_log import Line, clean
from .host import FreeCpus
from .options import RunOptions
from .plan import Step
from .progress import Progress
from .qemu import Accelerator, Machine, command
from .run import Run, judge_run
from .trace_run import guest_memory


def kernel_arguments(options: RunOptions, step: Step, usual_size: str) -> list[str]:
    words = [
        f"manifest={options.manifest}",
        f"workers={step.workers}",
        f"policy={options.policy}",
        f"seed={options.seed}",
        f"server={'on' if step.server else 'off'}",
    ]
    if size := options.size or usual_size:
        words.append(f"size={size}")
    return [*words, *options.append]


def qemu_command(options: RunOptions, accelerator: Accelerator, step: Step, make_iso: bool = True,
                 memory_file: str = "", words: tuple[str, ...] = ()) -> list[str]:  # fmt: skip
    machine = Machine(
        cpus=step.cpus,
        accelerator=accelerator,
        machine="microvm" if options.boot == "pvh" else "pc",
        boot=options.boot,
        memory_file=memory_file,
        extra=options.extra,
    )
    arguments = [*kernel_arguments(options, step, accelerator.size), *words]
    return command(machine, Artifacts(options.build_dir), arguments, make_iso)


class Session:
    """`runs` grows as the session goes on, so that an interrupted one can still be reported."""

    def __init__(self, options: RunOptions, accelerator: Accelerator, folder: Path, progress: Progress) -> None:
        self.runs: list[Run] = []
        self.interrupted: Interrupted | None = None
        self.settled: Claim | None = None  # decided before the plan's end
        self.options = options
        self.accelerator = accelerator
        self.folder = folder
        self._progress = progress

    def make_more(self, steps: list[Step], progress: Progress) -> None:
        self._progress = progress
        self.make(steps)

    def make(self, steps: list[Step]) -> None:
        """To the end of the plan, or to the first run that decides the outcome: it proves nothing, or settles it."""
        try:
            for step in steps:
                run = self._one(len(self.runs), step)
                self.runs.append(run)
                self.settled = claim.settled(self.runs, self.options.repeats, patient=self.options.ctest)
                if not run.verified or self.settled:
                    break
        except Interrupted as interrupted:
            self.interrupted = interrupted
        finally:
            self._progress.close()

    def _one(self, number: int, step: Step) -> Run:
        options = self.options
        name = step.name(options.target.row)
        log_name = f"{number:03}-{name.replace('/', '-')}.log"
        self._progress.starts(name)
        meter = FreeCpus()
        boot = self._watched_boot(step, log_name) if options.top else self._boot(self._command(step), log_name, self._show)
        free = meter.since(boot.cpu_s)
        run = judge_run(step, boot, options.target, options.policy, free, log_name)
        run = replace(run, interprets_kernel=self.accelerator.interprets_kernel)
        self._progress.ended(f"{run.ns / 1e6:.0f} ms" if run.verified else run.problem)
        return run

    def _command(self, step: Step, memory_file: str = "", words: tuple[str, ...] = ()) -> list[str]:
        return qemu_command(self.options, self.accelerator, step, memory_file=memory_file, words=words)

    def _boot(self, line: list[str], log_name: str, on_line: Callable[[Line], None]) -> Boot:
        if self.options.verbose:
            self._progress.note(shlex.join(line))
        with open(self.folder / "commands.txt", "a", encoding="utf-8") as commands:
            commands.write(f"{log_name}: {shlex.join(line)}\n")
        return run_qemu(line, self.options.timeout_s, self.folder / log_name, on_line)

    def _watched_boot(self, step: Step, log_name: str) -> Boot:
        with guest_memory(Machine.memory) as memory, top.watch(memory) as seen:

            def on_line(line: Line) -> None:
                seen(line)
                self._show(line)

            return self._boot(self._command(step, memory.path, top.KERNEL_WORDS), log_name, on_line)

    def _show(self, line: Line) -> None:
        if self.options.verbose:
            self._progress.note(f"  {clean(line.text)}")


class Judged(Protocol):
    """A run of any kind."""

    @property
    def judgement(self) -> Judgement: ...
    def refused_by_guest(self) -> str: ...


def failure_code(run: Judged) -> ExitCode:
    """What a run that proves nothing makes of the whole command."""
    if run.refused_by_guest():
        return ExitCode.USAGE
    return {
        Ending.PANIC: ExitCode.PANIC,
        Ending.TRIPLE_FAULT: ExitCode.PANIC,
        Ending.HANG: ExitCode.TIMEOUT,
        Ending.UNSUPPORTED: ExitCode.USAGE,
        Ending.QEMU_ERROR: ExitCode.USAGE,
    }.get(run.judgement.ending, ExitCode.REFUSED)
