# SPDX-License-Identifier: MIT
"""The record of one workload's run, and whether it may be compared with another's.

The guest has checked its own result, and says so; this side checks that the record is whole, is that of the run that was asked
for, does not contradict itself, and that the policy placed every thread: what the kernel placed by itself in fallback
says nothing about a policy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .guest_log import Line, MalformedRecord, Record, clean, parse, require_clean
from .workloads import QUANTILES, Workload

_POLICY = re.compile(r"sched-server: policy=(\S+) ")
_NS_SHARE, _NS_SLACK = 0.001, 2  # the same reading in two units


class NotComparable(Exception):
    """Why the run proves nothing."""


@dataclass(frozen=True)
class Asked:
    workload: Workload
    policy: str
    cpus: int
    size: str
    seed: int


@dataclass(frozen=True)
class WorkloadLog:
    values: dict[str, float]  # by the key of each metric
    ticks: dict[str, int]  # of the series' quantiles, by the same keys with _ticks; instructions under icount
    section_ns: int
    counters: dict[str, int]


def _only(records: list[Record], kind: str) -> Record:
    found = [record for record in records if record.kind == kind]
    if len(found) != 1:
        raise NotComparable(f"{len(found)} lines of {kind}: instead of one")
    require_clean(found[0])
    return found[0]


def _policy(lines: list[Line]) -> str:
    found = [match[1] for match in map(_POLICY.match, (clean(line.text) for line in lines)) if match]
    if len(found) != 1:
        raise NotComparable(f"{len(found)} servers have said which policy they run, not one")
    return found[0]


def _check_asked(record: Record, policy: str, asked: Asked) -> None:
    wanted = {"name": asked.workload.name, "cpus": str(asked.cpus), "size": asked.size, "seed": str(asked.seed)}
    said = {**{key: record.string(key) for key in wanted}, "policy": policy}
    wanted["policy"] = asked.policy
    differences = [f"{key}={said[key]} instead of {value}" for key, value in wanted.items() if said[key] != value]
    if differences:
        raise NotComparable(f"another run than asked for: {', '.join(differences)}")


def _check_series(record: Record, name: str, tsc_hz: int) -> None:
    if record.integer(f"{name}_count") == 0:
        raise NotComparable(f"no {name} was measured")
    times = [(record.integer(f"{name}_{q}_ns"), record.integer(f"{name}_{q}_ticks")) for q in QUANTILES]
    if times != sorted(times):
        raise NotComparable(f"the quantiles of {name} do not rise")
    for ns, ticks in times:
        if abs(ticks / tsc_hz * 1e9 - ns) > _NS_SHARE * ns + _NS_SLACK:
            raise NotComparable(f"{name}: {ns} ns are not {ticks} ticks")


def _tsc_hz(records: list[Record]) -> int:
    first = next((record for record in records if record.is_kernel_line), None)
    if first is None or first.integer("tsc_hz") == 0:
        raise NotComparable("the kernel has not introduced itself")
    return first.integer("tsc_hz")


def _read(lines: list[Line], asked: Asked) -> WorkloadLog:
    records = parse(lines)
    record = _only(records, "workload")
    if record.string("verified") != "yes":
        raise NotComparable(f"its result is wrong: {record.fields.get('reason', 'no reason given')}")
    _check_asked(record, _policy(lines), asked)
    if fallback := record.integer("fallback_dispatches"):
        raise NotComparable(f"{fallback} fallback dispatches: the policy has lost the domain, or left threads to the kernel")
    if record.integer("server_dispatches") == 0:
        raise NotComparable("the server dispatched nothing")
    tsc_hz = _tsc_hz(records)
    for name in asked.workload.series:
        _check_series(record, name, tsc_hz)
    suite = [each for each in records if each.kind == "suite"]
    if not suite or suite[-1].fields.get("verdict") != "ok":
        raise NotComparable("the root task has not called it right")
    section = record.integer("ns")
    if section == 0 or record.integer("operations") == 0:
        raise NotComparable("nothing was done in no time")
    counters = ("commits", "server_dispatches", "agent_dispatches")
    return WorkloadLog(
        values={metric.key: record.number(metric.key) for metric in asked.workload.metrics},
        ticks={f"{name}_{q}": record.integer(f"{name}_{q}_ticks") for name in asked.workload.series for q in QUANTILES},
        section_ns=section,
        counters={key: record.integer(key) for key in counters},
    )


def read(lines: list[Line], asked: Asked) -> WorkloadLog:
    """Of a boot that ended with status 33, or NotComparable."""
    try:
        return _read(lines, asked)
    except MalformedRecord as error:
        raise NotComparable(str(error)) from error


def stated_reason(lines: list[Line]) -> str:
    """Why the guest itself calls its result wrong; "" if it does not."""
    for record in parse(lines):
        if record.kind == "workload" and record.fields.get("verified") == "no":
            return f"its result is wrong: {record.fields.get('reason', 'no reason given')}"
    return ""
