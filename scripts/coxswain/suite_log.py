# SPDX-License-Identifier: MIT
"""The records of a guest test: a suite that announces its cases, each case's result, the suite's verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .guest_log import Line, MalformedRecord, Record, parse, require_clean


@dataclass(frozen=True)
class Case:
    name: str
    passed: bool
    message: str
    ended_ns: int  # when its line arrived
    seconds: float = 0.0  # since the line of the case before it, or that of the suite


@dataclass(frozen=True)
class SuiteLog:
    """As far as it got: `shortfall` says what a complete log would have had, and is "" for a complete one."""

    name: str
    announced: int
    cases: list[Case]
    shortfall: str

    @property
    def failures(self) -> list[Case]:
        return [case for case in self.cases if not case.passed]


def _case(record: Record) -> Case:
    require_clean(record)
    result = record.string("result")
    if result not in ("pass", "fail"):
        raise MalformedRecord(f"result={result} is neither pass nor fail in: {record.text}")
    return Case(record.string("name"), result == "pass", record.fields.get("message", ""), record.at_ns)


def _timed(cases: list[Case], begin_ns: int) -> list[Case]:
    begins = [begin_ns, *(case.ended_ns for case in cases)]
    return [replace(case, seconds=(case.ended_ns - begin) / 1e9) for case, begin in zip(cases, begins)]


def _check_end(records: list[Record], ends: list[Record], name: str, cases: list[Case]) -> None:
    if len(ends) != 1:
        raise MalformedRecord(f"{len(ends)} verdict lines instead of one")
    if records[-1] is not ends[0]:
        raise MalformedRecord(f"the verdict is not the last line; after it came: {records[-1].text}")
    end = ends[0]
    require_clean(end)
    passed = sum(case.passed for case in cases)
    said = (end.string("name"), end.integer("passed"), end.integer("failed"))
    if said != (name, passed, len(cases) - passed):
        counted = f"{passed} cases of {name} passed and {len(cases) - passed} failed"
        raise MalformedRecord(f"{counted}, but it says: {end.text}")
    if end.string("verdict") != ("ok" if passed == len(cases) else "failed"):
        raise MalformedRecord(f"the verdict does not fit its cases: {end.text}")


def _check_cases(announced: int, cases: list[Case]) -> None:
    names = [case.name for case in cases]
    doubled = {each for each in names if names.count(each) > 1}
    if doubled:
        raise MalformedRecord(f"cases reported twice: {', '.join(sorted(doubled))}")
    if announced != len(cases) or announced == 0:
        last = f", the last one {names[-1]}" if names else ""
        raise MalformedRecord(f"{announced} cases announced, {len(cases)} reported{last}")


def read(lines: list[Line]) -> SuiteLog:
    """Never raises: a log that stops or contradicts itself still tells which cases it reported."""
    records = parse(lines)
    suites = [record for record in records if record.kind == "suite"]
    heads = [record for record in suites if "cases" in record.fields]
    ends = [record for record in suites if "verdict" in record.fields]
    name, announced, cases = "?", 0, []
    try:
        for record in records:
            if record.kind == "case":
                cases.append(_case(record))
        if len(heads) != 1:
            raise MalformedRecord(f"{len(heads)} 'suite: … cases=' lines instead of one")
        require_clean(heads[0])
        name, announced = heads[0].string("name"), heads[0].integer("cases")
        cases = _timed(cases, heads[0].at_ns)
        _check_cases(announced, cases)
        _check_end(records, ends, name, cases)
    except MalformedRecord as error:
        return SuiteLog(name, announced, cases, str(error))
    return SuiteLog(name, announced, cases, "")
