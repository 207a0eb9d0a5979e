# SPDX-License-Identifier: MIT
"""What became of a guest test: its ending and its cases read together, strictly."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .boot import Boot
from .ending import Ending, error_lines, judge
from .errors import ExitCode
from .suite_log import SuiteLog, read


class Verdict(Enum):
    PASS = "pass"
    CASES_FAILED = "cases failed"
    GUEST_ERROR = "guest error"
    PANIC = "panic"
    HANG = "hang"
    TRIPLE_FAULT = "triple fault"
    SHORT_OUTPUT = "short output"
    UNSUPPORTED = "unsupported machine"
    QEMU_ERROR = "qemu error"


_EXIT_CODES = {
    Verdict.PASS: ExitCode.OK,
    Verdict.PANIC: ExitCode.PANIC,
    Verdict.TRIPLE_FAULT: ExitCode.PANIC,
    Verdict.HANG: ExitCode.TIMEOUT,
    Verdict.QEMU_ERROR: ExitCode.USAGE,
}


@dataclass(frozen=True)
class TestOutcome:
    verdict: Verdict
    detail: str
    suite: SuiteLog

    @property
    def exit_code(self) -> ExitCode:
        return _EXIT_CODES.get(self.verdict, ExitCode.REFUSED)


def _failed_cases(suite: SuiteLog) -> str:
    return "; ".join(f"{case.name}: {case.message or 'no message'}" for case in suite.failures)


def _passed_or_short(suite: SuiteLog) -> tuple[Verdict, str]:
    if suite.failures:
        return Verdict.CASES_FAILED, _failed_cases(suite)
    if suite.shortfall:
        return Verdict.SHORT_OUTPUT, suite.shortfall
    return Verdict.PASS, f"{len(suite.cases)} cases"


def _failed(boot: Boot, suite: SuiteLog) -> tuple[Verdict, str]:
    if suite.failures:
        return Verdict.CASES_FAILED, _failed_cases(suite)
    errors = error_lines(boot.lines)
    detail = errors[0] if errors else f"status 35 without a failed case: {suite.shortfall or 'all cases passed'}"
    return Verdict.GUEST_ERROR, detail


def classify(boot: Boot) -> TestOutcome:
    judgement, suite = judge(boot), read(boot.lines)
    if judgement.ending is Ending.PASSED:
        verdict, detail = _passed_or_short(suite)
    elif judgement.ending is Ending.FAILED:
        verdict, detail = _failed(boot, suite)
    else:
        verdict, detail = Verdict(judgement.ending.value), judgement.detail
    return TestOutcome(verdict, detail, suite)
