# SPDX-License-Identifier: MIT
"""Makes the runs of a comparison, one QEMU at a time, and keeps what each of them said.

A workload of which a run proves nothing is run no more; the others go on.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from . import qemu
from .artifacts import Artifacts
from .boot import run_qemu
from .compare_options import CompareOptions
from .errors import Interrupted
from .guest_log import Line, clean
from .host import FreeCpus
from .progress import Progress
from .qemu import COUNTING, Accelerator, Machine
from .trial import SIDES, Step, Trial, judge_trial
from .workload_log import Asked

_WATCHDOG_MS = 30_000  # longer than a policy that does not preempt lets a thread wait in any workload, on slow hosts too


def cpus_of(options: CompareOptions, step: Step) -> int:
    """Under icount one: the emulator runs the others in turns of its own, which are no policy's."""
    return 1 if step.icount else options.cpus


def qemu_command(options: CompareOptions, accelerator: Accelerator, step: Step) -> list[str]:
    words = [
        f"manifest={step.workload.name}",
        f"policy={options.policies[step.side]}",
        f"size={options.size}",
        f"seed={options.seed}",
        f"watchdog_ms={_WATCHDOG_MS}",
        *options.append,
    ]
    machine = Machine(cpus=cpus_of(options, step), accelerator=COUNTING if step.icount else accelerator)
    return qemu.command(machine, Artifacts(options.build_dir), words)


class CompareSession:
    """`trials` grows as the session goes on, so that an interrupted one can still be reported."""

    def __init__(self, options: CompareOptions, accelerator: Accelerator, folder: Path, progress: Progress) -> None:
        self.trials: list[Trial] = []
        self.interrupted: Interrupted | None = None
        self.options = options
        self.accelerator = accelerator
        self.folder = folder
        self._progress = progress

    def make(self, steps: list[Step]) -> None:
        failed: set[str] = set()
        try:
            for number, step in enumerate(steps):
                if step.workload.name in failed:
                    continue
                trial = self._one(number, step)
                self.trials.append(trial)
                if trial.log is None:
                    failed.add(step.workload.name)
                if trial.refused_by_guest():
                    break
        except Interrupted as interrupted:
            self.interrupted = interrupted
        finally:
            self._progress.close()

    def _one(self, number: int, step: Step) -> Trial:
        options = self.options
        counted = "-icount" if step.icount else ""
        log_name = f"{number:03}-{step.workload.name}-{SIDES[step.side]}{counted}.log"
        line = qemu_command(options, self.accelerator, step)
        self._progress.starts(f"{step.workload.name}/{options.policies[step.side]}{counted}")
        if options.verbose:
            self._progress.note(shlex.join(line))
        with open(self.folder / "commands.txt", "a", encoding="utf-8") as commands:
            commands.write(f"{log_name}: {shlex.join(line)}\n")
        meter = FreeCpus()
        boot = run_qemu(line, options.timeout_s, self.folder / log_name, self._show if options.verbose else None)
        asked = Asked(step.workload, options.policies[step.side], cpus_of(options, step), options.size, options.seed)
        trial = judge_trial(step, boot, asked, meter.since(boot.cpu_s), log_name)
        self._progress.ended(f"{trial.log.section_ns / 1e6:.0f} ms" if trial.log else trial.problem)
        return trial

    def _show(self, line: Line) -> None:
        self._progress.note(f"  {clean(line.text)}")
