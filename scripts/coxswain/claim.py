# SPDX-License-Identifier: MIT
"""Whether the session proves that the workload scales: proved, refused, or none (too few pairs to say)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .aggregate import Aggregate, select
from .errors import ExitCode
from .rules import (
    DISTURBED_BY_HOST, EVERY_RUN, RULES, Rule, kept_busy, overlapping, overlapping_each, quiet_host,
)  # fmt: skip
from .run import Run

MIN_PAIRS = 15
MIN_OF_CEILING = 0.90
MAX_CEILING_SPREAD = 0.15  # a host that varies more than that cannot judge to a tenth

PROVED, REFUSED, NONE = "proved", "refused", "none"


@dataclass(frozen=True)
class Claim:
    verdict: str
    reason: str
    host_at_fault: bool = False  # the host could not have given the speedup, so nothing is said of the guest
    too_slow: bool = False  # the median alone stands against it, and more pairs would say more of that

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.REFUSED if self.verdict == REFUSED else ExitCode.OK


def claimable(aggregates: Sequence[Aggregate]) -> list[Aggregate]:
    return [each for each in aggregates if each.workers > 1 and not each.oversubscribed]


def objections(runs: Sequence[Run], each: Aggregate) -> list[Claim]:
    """Every rule that fails for this number of workers, the most telling first."""
    base, group = select(runs, 1, True), select(runs, each.workers, True)
    found = []
    for rule in RULES:
        text = rule(base, group)
        if text:
            found.append(Claim(REFUSED, text, host_at_fault=rule is quiet_host or _host_kept_apart(rule, runs, each)))
    found += _speed_objections(each)
    return found


def _host_kept_apart(rule: Rule, runs: Sequence[Run], each: Aggregate) -> bool:
    """Without any server, pinned, the workers did not run together either: the host took their CPUs away."""
    ceiling = select(runs, each.workers, False)
    apart = bool(ceiling) and bool(overlapping_each([], ceiling) or overlapping([], ceiling))
    return rule in (overlapping_each, overlapping) and apart


def _speed_objections(each: Aggregate) -> list[Claim]:
    ceiling, median, threshold = each.ceiling_median, each.speedup.median, each.threshold
    varies = each.ceiling_spread > MAX_CEILING_SPREAD
    if ceiling is None:
        return [Claim(REFUSED, f"{each.workers} workers: no ceiling was measured beside it")]
    found = []
    if median < threshold:
        text = f"{each.workers} workers: median speedup {median:.3f}, below the threshold {threshold:.2f}"
        text += f" (the host itself gave {ceiling:.3f})"
        at_fault = varies or MIN_OF_CEILING * ceiling < threshold
        found.append(Claim(REFUSED, text, host_at_fault=at_fault, too_slow=True))
    if median < MIN_OF_CEILING * ceiling:
        text = f"{each.workers} workers: median speedup {median:.3f}, "
        text += f"below {MIN_OF_CEILING:.2f} of the ceiling {ceiling:.3f}"
        found.append(Claim(REFUSED, text, host_at_fault=varies, too_slow=True))
    return found


def _unverified(runs: Sequence[Run]) -> Claim | None:
    for run in runs:
        if not run.verified:
            where = f"repetition {run.step.repetition}, {run.step.workers} workers"
            where += "" if run.step.server else ", without the server"
            return Claim(REFUSED, f"{run.problem} ({where})")
    return _different_work(runs)


def _different_work(runs: Sequence[Run]) -> Claim | None:
    """A speedup compares equal work: the same range, the same count, the same checksum."""
    first = runs[0].log.result if runs and runs[0].log else None
    for run in runs[1:]:
        assert first is not None and run.log is not None
        result = run.log.result
        if (result.size, result.count, result.checksum) != (first.size, first.count, first.checksum):
            return Claim(
                REFUSED,
                f"different work: size {result.size}, count {result.count}, checksum {result.checksum:#x} with "
                f"{run.step.workers} workers, before {first.size}, {first.count}, {first.checksum:#x}",
            )
    return None


def settled(runs: Sequence[Run], pairs: int, patient: bool) -> Claim | None:
    """After the last of these runs: the refusal that none of the runs still to come of `pairs` pairs can undo.

    Where noise of the host may be the cause, a run with a busy host settles nothing; nor does any run if `patient`: then
    the whole session shall say whose fault it was.
    """
    step = runs[-1].step
    if pairs < MIN_PAIRS or not runs[-1].verified or not step.server or step.workers == 1 or step.oversubscribed:
        return None
    base, group = select(runs, 1, True), select(runs, step.workers, True)
    noisy = patient or bool(quiet_host(base[-1:], group[-1:]))
    for rule in EVERY_RUN:
        if noisy and rule in DISTURBED_BY_HOST:
            continue
        text = rule(base[-1:], group[-1:])
        if text:
            return Claim(REFUSED, text)
    text = kept_busy(base, group, pairs)
    return Claim(REFUSED, text, host_at_fault=True) if text else None


def decide(runs: Sequence[Run], aggregates: Sequence[Aggregate], repeats: int) -> Claim:
    wrong = _unverified(runs)
    if wrong is not None:
        return wrong
    if repeats < MIN_PAIRS:
        return Claim(NONE, f"{repeats} pair{'s' if repeats > 1 else ''}, a claim needs {MIN_PAIRS}")
    wider = [each for each in aggregates if each.workers > 1]
    if not wider:
        return Claim(NONE, "one worker alone has no speedup")
    candidates = claimable(aggregates)
    if not candidates:
        least = min(wider, key=lambda each: each.cpus)
        text = f"oversubscribed: {least.workers} workers on {least.cpus} CPUs are more than this host has"
        return Claim(REFUSED, text, host_at_fault=True)
    for each in candidates:
        found = objections(runs, each)
        if found:
            return found[0]
    return Claim(PROVED, "; ".join(_praise(each) for each in candidates))


def _praise(each: Aggregate) -> str:
    assert each.ceiling_median is not None
    return (
        f"{each.workers} workers: median speedup {each.speedup.median:.2f} of {each.pairs} pairs, "
        f"threshold {each.threshold:.2f}, ceiling {each.ceiling_median:.2f}"
    )
