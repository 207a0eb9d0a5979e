# SPDX-License-Identifier: MIT
"""All trials of one workload, summed up: the differences between A and B, or the values of the only policy."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .difference import Difference, difference
from .stats import Spread, spread
from .trial import Trial
from .workloads import QUANTILES, Metric, Workload


@dataclass(frozen=True)
class Instructions:
    """Of one quantile of a series, counted under each policy."""

    title: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Comparison:
    workload: Workload
    differences: tuple[Difference, ...]
    values: tuple[tuple[Metric, Spread], ...]  # under A, which is all there is with one policy
    instructions: tuple[Instructions, ...]
    problems: tuple[Trial, ...]  # runs that prove nothing


def _values(trials: Sequence[Trial], side: int, metric: Metric) -> dict[int, float]:
    chosen = [trial for trial in trials if trial.step.side == side and not trial.step.icount]
    return {trial.step.repetition: trial.log.values[metric.key] for trial in chosen if trial.log}


def _instructions(trials: Sequence[Trial], workload: Workload, sides: int) -> tuple[Instructions, ...]:
    logs = {trial.step.side: trial.log for trial in trials if trial.step.icount and trial.log}
    if len(logs) != sides:
        return ()
    return tuple(
        Instructions(f"{name} {q}", tuple(logs[side].ticks[f"{name}_{q}"] for side in range(sides)))
        for name in workload.series
        for q in QUANTILES
    )


def compare(trials: Sequence[Trial], workload: Workload, sides: int) -> Comparison:
    own = [trial for trial in trials if trial.step.workload == workload]
    differences, values = [], []
    for metric in workload.metrics:
        a = _values(own, 0, metric)
        if a:
            values.append((metric, spread(list(a.values()))))
        found = difference(metric, a, _values(own, 1, metric)) if sides == 2 else None
        if found is not None:
            differences.append(found)
    return Comparison(
        workload=workload,
        differences=tuple(differences),
        values=tuple(values),
        instructions=_instructions(own, workload, sides),
        problems=tuple(trial for trial in own if trial.log is None),
    )


def median_free_cpus(trials: Sequence[Trial]) -> float:
    return statistics.median(trial.free_cpus for trial in trials)
