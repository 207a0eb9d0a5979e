# SPDX-License-Identifier: MIT
"""The records of one scaling run, typed. Reading is strict: what is missing, doubled or out of order is an error."""

from __future__ import annotations

from dataclasses import dataclass

from .guest_log import Line, MalformedRecord, Record, parse, require_clean

PHASES = ("first-user", "ready", "begin", "end")


@dataclass(frozen=True)
class Worker:
    index: int
    count: int
    checksum: int
    start: int  # ticks after the common release
    end: int
    runtime_ns: int  # on a CPU, by the kernel's accounting
    cpu: int
    wakes: int
    calls: int | None = None  # in the timed section, by the kernel's count; of threads alone


@dataclass(frozen=True)
class Cpu:
    """The kernel's counters of one CPU, their differences over the timed section."""

    index: int
    server_dispatches: int
    fallback_dispatches: int
    system_dispatches: int
    agent_dispatches: int
    commits: int
    commits_refused: int
    timer_interrupts: int
    domain_ticks: int
    system_ticks: int
    idle_ticks: int


@dataclass(frozen=True)
class Result:
    target: str
    workers: int
    cpus: int
    policy: str
    server: str
    size: str
    count: int
    expected: int
    checksum: int
    ticks: int
    ns: int
    commits: int
    fallback_dispatches: int
    overlap: float
    verdict: str
    reason: str


@dataclass(frozen=True)
class ScaleLog:
    tsc_hz: int
    cpus_online: int
    first_user_at_ns: int  # host clock
    begin_at_ns: int
    end_at_ns: int
    begin_ns: int  # guest clock
    end_ns: int
    workers: list[Worker]
    cpus: list[Cpu]
    result: Result

    @property
    def host_ns(self) -> int:
        """The timed section as the host saw it, from the arrival of one line to that of the other."""
        return self.end_at_ns - self.begin_at_ns

    @property
    def worked_ticks(self) -> int:
        return sum(cpu.domain_ticks for cpu in self.cpus)

    @property
    def system_share(self) -> float:
        """Of the time in which the CPUs did something: the server's and the root task's part."""
        system = sum(cpu.system_ticks for cpu in self.cpus)
        return system / max(1, system + self.worked_ticks)


def _integers(record: Record, names: list[str]) -> dict[str, int]:
    return {name: record.integer(name) for name in names}


def _worker(record: Record) -> Worker:
    names = [name for name in Worker.__dataclass_fields__ if name != "calls" or name in record.fields]
    return Worker(**_integers(record, names))


def _cpu(record: Record) -> Cpu:
    return Cpu(**_integers(record, list(Cpu.__dataclass_fields__)))


def _result(record: Record) -> Result:
    strings = {name: record.string(name) for name in ("target", "policy", "server", "size", "verdict")}
    numbers = _integers(
        record,
        ["workers", "cpus", "count", "expected", "checksum", "ticks", "ns", "commits", "fallback_dispatches"],
    )
    return Result(
        **strings, **numbers, overlap=record.number("overlap"), reason=record.fields.get("reason", "")
    )


def _phases(records: list[Record]) -> dict[str, Record]:
    found = [record for record in records if record.kind == "run"]
    names = tuple(record.fields.get("phase", "?") for record in found)
    if names != PHASES:
        raise MalformedRecord(f"phases are {' '.join(names) or 'missing'}, not {' '.join(PHASES)}")
    return dict(zip(names, found))


def _one(found: list[Record], what: str) -> Record:
    if len(found) != 1:
        raise MalformedRecord(f"{len(found)} '{what}' lines instead of one")
    return found[0]


def _numbered(items: list, what: str) -> list:
    """Each index from 0 up exactly once, whatever their order in the log."""
    items = sorted(items, key=lambda item: item.index)
    indices = [item.index for item in items]
    if indices != list(range(len(items))):
        raise MalformedRecord(f"{what} lines have the indices {indices}")
    return items


def read(lines: list[Line]) -> ScaleLog:
    """Raises MalformedRecord unless the log is that of one complete run."""
    records = parse(lines)
    kernel = _one([record for record in records if record.is_kernel_line], "coxswain: kernel")
    phases = _phases(records)
    result = _one([record for record in records if record.kind == "result"], "result:")
    for record in records:
        require_clean(record)
    if records[-1] is not result:
        raise MalformedRecord(f"the result is not the last line; after it came: {records[-1].text}")
    return ScaleLog(
        tsc_hz=kernel.integer("tsc_hz"),
        cpus_online=kernel.integer("cpus"),
        first_user_at_ns=phases["first-user"].at_ns,
        begin_at_ns=phases["begin"].at_ns,
        end_at_ns=phases["end"].at_ns,
        begin_ns=phases["begin"].integer("ns"),
        end_ns=phases["end"].integer("ns"),
        workers=_numbered([_worker(r) for r in records if r.kind == "worker"], "worker"),
        cpus=_numbered([_cpu(r) for r in records if r.kind == "cpu"], "cpu"),
        result=_result(result),
    )
