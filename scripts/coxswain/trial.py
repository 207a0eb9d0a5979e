# SPDX-License-Identifier: MIT
"""The runs of a comparison: which there are, in what order, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .boot import Boot
from .ending import Ending, Judgement, error_lines, judge
from .run import usage_error
from .workload_log import Asked, NotComparable, WorkloadLog, read, stated_reason
from .workloads import Workload

SIDES = "AB"


@dataclass(frozen=True)
class Step:
    repetition: int
    workload: Workload
    side: int  # which policy
    icount: bool = False


def plan(workloads: Sequence[Workload], sides: int, repeats: int, icount: bool) -> list[Step]:
    """The runs of a pair stand side by side in time, in turns A first and B first: what drifts hits both alike."""
    steps = []
    for repetition in range(repeats):
        for workload in workloads:
            order = range(sides) if repetition % 2 == 0 else reversed(range(sides))
            steps += [Step(repetition, workload, side) for side in order]
    if icount:
        steps += [Step(0, workload, side, icount=True) for workload in workloads for side in range(sides)]
    return steps


@dataclass(frozen=True)
class Trial:
    step: Step
    boot: Boot
    judgement: Judgement
    log: WorkloadLog | None  # None: not comparable
    problem: str  # why not
    free_cpus: float
    log_name: str = ""

    def refused_by_guest(self) -> str:
        return usage_error(self.judgement, self.boot.lines)


def _why_failed(boot: Boot, judgement: Judgement) -> str:
    if judgement.ending is Ending.FAILED:
        reason = stated_reason(boot.lines) or next(iter(error_lines(boot.lines)), "")
        if reason:
            return reason
    return f"{judgement.ending.value}: {judgement.detail}"


def judge_trial(step: Step, boot: Boot, asked: Asked, free_cpus: float, log_name: str = "") -> Trial:
    judgement = judge(boot)
    log, problem = None, ""
    if judgement.ending is Ending.PASSED:
        try:
            log = read(boot.lines, asked)
        except NotComparable as error:
            problem = str(error)
    else:
        problem = _why_failed(boot, judgement)
    return Trial(step, boot, judgement, log, problem, free_cpus, log_name)
