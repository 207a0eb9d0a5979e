# SPDX-License-Identifier: MIT
"""One run of a session, as judged: what every report, rule and statistic works on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .boot import Boot
from .ending import Ending, Judgement, error_lines, judge
from .guest_log import Line
from .plan import Step, Target
from .scale_log import ScaleLog
from .verify import NotVerified, stated_reason, verify

_USAGE = re.compile(r'error: (\w+ ".*" unknown; known: |no manifest |manifest )')


@dataclass(frozen=True)
class Run:
    step: Step
    boot: Boot
    judgement: Judgement
    log: ScaleLog | None  # None: not verified
    problem: str  # why not
    free_cpus: float  # of the host's, while it ran, ours included
    log_name: str = ""
    interprets_kernel: bool = False  # qemu.Accelerator

    @property
    def verified(self) -> bool:
        return self.log is not None

    @property
    def ns(self) -> int:
        assert self.log is not None
        return self.log.result.ns

    def refused_by_guest(self) -> str:
        return usage_error(self.judgement, self.boot.lines)


def usage_error(judgement: Judgement, lines: list[Line]) -> str:
    """The guest's own word on a command line or manifest that it cannot follow; other errors are its failures."""
    if judgement.ending is not Ending.FAILED:
        return ""
    return next(filter(_USAGE.match, error_lines(lines)), "")


def judge_run(step: Step, boot: Boot, target: Target, policy: str, free_cpus: float, log_name: str = "") -> Run:
    judgement = judge(boot)
    log, problem = None, ""
    if judgement.ending is Ending.PASSED:
        try:
            log = verify(boot.lines, step, target, policy)
        except NotVerified as error:
            problem = str(error)
    else:
        problem = f"{judgement.ending.value}: {judgement.detail}"
        if judgement.ending is Ending.FAILED:
            problem = _why_failed(boot, step, target, policy)
    return Run(step, boot, judgement, log, problem, free_cpus, log_name)


def _why_failed(boot: Boot, step: Step, target: Target, policy: str) -> str:
    """A guest that reports failure says why in its last records, if it got that far."""
    errors = error_lines(boot.lines)
    if errors:
        return errors[0]
    reason = stated_reason(boot.lines)
    if reason:
        return reason
    try:
        verify(boot.lines, step, target, policy)
    except NotVerified as error:
        return str(error)
    return "status 35 after a result that reads as right"
