# SPDX-License-Identifier: MIT
"""JUnit XML of one guest test: a test case for each of its cases, and one for the boot as a whole."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from .suite_verdict import TestOutcome


def _legal(text: str) -> str:
    """XML knows no control characters, and a broken guest may print any."""
    return "".join(c for c in text if c in "\t\n" or (c.isprintable() and ord(c) < 0xFFFE))


def _element(parent: ElementTree.Element, suite: str, name: str, failure: str, kind: str, seconds: float) -> None:
    case = ElementTree.SubElement(parent, "testcase", classname=_legal(suite), name=_legal(name), time=f"{seconds:.3f}")
    if failure:
        ElementTree.SubElement(case, "failure", message=_legal(failure), type=kind)


def render(name: str, outcome: TestOutcome, met: bool, seconds: float, log_tail: str) -> ElementTree.Element:
    """`met`: the expectation, which may be a panic."""
    failed = len(outcome.suite.failures) + (not met)
    root = ElementTree.Element(
        "testsuite",
        name=_legal(name),
        tests=str(len(outcome.suite.cases) + 1),
        failures=str(failed),
        errors="0",
        skipped="0",
        time=f"{seconds:.3f}",
    )
    for case in outcome.suite.cases:
        failure = "" if case.passed else case.message or "failed"
        _element(root, name, case.name, failure, "case", case.seconds)
    failure = "" if met else f"{outcome.verdict.value}: {outcome.detail}"
    _element(root, name, "boot", failure, outcome.verdict.value, seconds)
    ElementTree.SubElement(root, "system-out").text = _legal(log_tail)
    return root


def write(root: ElementTree.Element, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
