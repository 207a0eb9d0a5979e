# SPDX-License-Identifier: MIT
"""Whether one scaling run did what was asked of it, and counted right. Says nothing about its speed."""

from __future__ import annotations

from .guest_log import Line, MalformedRecord, parse
from .plan import Step, Target
from .scale_log import Result, ScaleLog, read

# Below 10^n: OEIS A006880; below 2^n: A007053. The guest has its own copy; it cannot vouch for itself.
_PRIMES = {
    "smoke": 664_579,
    "small": 5_761_455,
    "default": 14_630_843,
    "double": 28_192_750,
    "large": 50_847_534,
    "huge": 54_400_028,
    "decade8": 5_761_455 - 664_579,
    "decade9": 50_847_534 - 5_761_455,
}


class NotVerified(Exception):
    """The run proves nothing; the message says why."""


def _differences(result: Result, wanted: dict[str, object]) -> list[str]:
    return [
        f"{name}={getattr(result, name)} instead of {value}"
        for name, value in wanted.items()
        if getattr(result, name) != value
    ]


def _asked_for(step: Step, target: Target, policy: str) -> dict[str, object]:
    wanted: dict[str, object] = {
        "target": target.name,
        "workers": step.workers,
        "cpus": step.cpus,
        "server": "on" if step.server else "off",
    }
    if step.server:
        wanted["policy"] = policy
    return wanted


def _check_numbers(log: ScaleLog, step: Step) -> None:
    result = log.result
    if len(log.workers) != step.workers:
        raise NotVerified(f"{len(log.workers)} worker lines for {step.workers} workers")
    if len(log.cpus) != step.cpus or log.cpus_online != step.cpus:
        raise NotVerified(f"{len(log.cpus)} CPU lines and {log.cpus_online} CPUs online, asked for {step.cpus}")
    counted = sum(worker.count for worker in log.workers)
    if result.count != result.expected:
        raise NotVerified(f"count {result.count}, expected {result.expected}")
    if result.expected != _PRIMES.get(result.size, result.expected):
        raise NotVerified(f"expected={result.expected}, but {_PRIMES[result.size]} is right for size {result.size}")
    if counted != result.count:
        raise NotVerified(f"the workers counted {counted} together, the result says {result.count}")
    fallback = sum(cpu.fallback_dispatches for cpu in log.cpus)
    if fallback != result.fallback_dispatches:
        raise NotVerified(f"fallback_dispatches={result.fallback_dispatches}, the CPU lines add up to {fallback}")
    if result.ns == 0 or result.ticks == 0 or log.tsc_hz == 0:
        raise NotVerified("the timed section took no time")


def stated_reason(lines: list[Line]) -> str:
    """Why the guest itself calls its result wrong; "" if it does not."""
    for record in parse(lines):
        verdict = record.fields.get("verdict", "") if record.kind == "result" else ""
        if verdict not in ("", "ok"):
            return f"verdict={verdict} {record.fields.get('reason', '')}".strip()
    return ""


def verify(lines: list[Line], step: Step, target: Target, policy: str) -> ScaleLog:
    """The run's records, or NotVerified. `lines` are those of a boot that ended with status 33."""
    try:
        log = read(lines)
    except MalformedRecord as error:
        raise NotVerified(str(error)) from error
    differences = _differences(log.result, _asked_for(step, target, policy))
    if differences:
        raise NotVerified(f"another run than asked for: {', '.join(differences)}")
    if log.result.verdict != "ok":
        raise NotVerified(f"verdict={log.result.verdict} {log.result.reason}".strip())
    _check_numbers(log, step)
    return log
