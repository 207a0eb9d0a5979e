# SPDX-License-Identifier: MIT
"""Whether one scaling run did what was asked of it, and counted right. Says nothing about its speed."""

from __future__ import annotations

from .guest_log import Line, MalformedRecord, parse
from .plan import Step, Target
from .scale_log import Result, ScaleLog, read

# The number of primes below 10^n, n = 6 to 10 (OEIS A006880), and below 2^n, n = 20 to 32 (A007053). The guest has
# its own copy of those that it uses; it cannot vouch for itself.
_PRIMES_BELOW = (
    78_498, 664_579, 5_761_455, 50_847_534, 455_052_511,
    82_025, 155_611, 295_947, 564_163, 1_077_871, 2_063_689, 3_957_809, 7_603_553, 14_630_843, 28_192_750,
    54_400_028, 105_097_565, 203_280_221,
)  # fmt: skip
_KNOWN_COUNTS = {high - low for high in _PRIMES_BELOW for low in (0, *_PRIMES_BELOW)}



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


def _check_numbers(log: ScaleLog, step: Step, target: Target) -> None:
    result = log.result
    if len(log.workers) != step.workers:
        raise NotVerified(f"{len(log.workers)} worker lines for {step.workers} workers")
    if len(log.cpus) != step.cpus or log.cpus_online != step.cpus:
        raise NotVerified(f"{len(log.cpus)} CPU lines and {log.cpus_online} CPUs online, asked for {step.cpus}")
    for worker in log.workers:
        if (worker.calls is not None) != target.counts_calls:
            raise NotVerified(f"worker {worker.index} {'has no' if target.counts_calls else 'has a'} count of its calls")
    counted = sum(worker.count for worker in log.workers)
    if result.count != result.expected:
        raise NotVerified(f"count {result.count}, expected {result.expected}")
    if result.expected not in _KNOWN_COUNTS:
        raise NotVerified(f"expected={result.expected} is no known number of primes")
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
    _check_numbers(log, step, target)
    return log
