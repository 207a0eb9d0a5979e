# SPDX-License-Identifier: MIT
"""Counts what CTest reported, from its JUnit file, and says why a test was skipped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True)
class Counts:
    run: int = 0
    failed: int = 0
    skipped: tuple[str, ...] = ()  # "name: reason"

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.run + other.run, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        if not (self.run or self.failed or self.skipped):
            return ""
        passed = self.run - self.failed - len(self.skipped)
        text = f"{passed} passed, {self.failed} failed, {len(self.skipped)} skipped"
        return f"{text} ({'; '.join(self.skipped)})" if self.skipped else text


def _skipped(case: ElementTree.Element) -> str:
    """CTest knows only that it was skipped; a test of ours says why in its output."""
    said = (case.findtext("system-out") or "").splitlines()
    reason = next((line.split("skipped: ", 1)[1] for line in said if "skipped: " in line), "no reason given")
    return f"{case.get('name', '?')}: {reason}"


def count(report: Path) -> Counts:
    """Of a report that is missing or broken the whole is one failure: a stage that says nothing proves nothing."""
    try:
        cases = ElementTree.parse(report).getroot().findall("testcase")
    except (OSError, ElementTree.ParseError):
        return Counts(run=1, failed=1)
    failed = sum(case.find("failure") is not None for case in cases)
    skipped = tuple(_skipped(case) for case in cases if case.find("skipped") is not None)
    return Counts(len(cases), failed, skipped)
