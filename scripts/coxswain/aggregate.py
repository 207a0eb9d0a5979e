# SPDX-License-Identifier: MIT
"""All runs with the same number of workers, summed up: speedup over the paired baseline, and the host's ceiling."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .run import Run
from .stats import Spread, paired_ratios, spread

THRESHOLD_PER_WORKER = 0.8  # 1.6 for two workers, 3.2 for four


@dataclass(frozen=True)
class Aggregate:
    workers: int
    cpus: int
    oversubscribed: bool
    pairs: int
    median_ns: float
    speedup: Spread
    speedups: tuple[float, ...]
    ceiling_median: float | None
    ceiling_spread: float = 0.0  # distance of the quartiles, as a part of the median: how much the host's own speed varies

    @property
    def threshold(self) -> float:
        return THRESHOLD_PER_WORKER * self.workers

    @property
    def efficiency(self) -> float:
        return self.speedup.median / self.workers


def select(runs: Sequence[Run], workers: int, server: bool) -> list[Run]:
    return [run for run in runs if run.verified and run.step.workers == workers and run.step.server == server]


def _times(runs: Sequence[Run], workers: int, server: bool) -> dict[int, float]:
    return {run.step.repetition: float(run.ns) for run in select(runs, workers, server)}


def _relative(of: Spread) -> float:
    return (of.q3 - of.q1) / of.median


def aggregate(runs: Sequence[Run]) -> list[Aggregate]:
    """One for each number of workers of which there is a complete pair, in ascending order."""
    steps = {run.step.workers: run.step for run in runs}
    found = []
    for workers, step in sorted(steps.items()):
        times = _times(runs, workers, True)
        speedups = paired_ratios(_times(runs, 1, True), times)
        ceilings = paired_ratios(_times(runs, 1, False), _times(runs, workers, False))
        if speedups:
            found.append(
                Aggregate(
                    workers=workers,
                    cpus=step.cpus,
                    oversubscribed=step.oversubscribed,
                    pairs=len(speedups),
                    median_ns=statistics.median(times.values()),
                    speedup=spread(speedups),
                    speedups=tuple(speedups),
                    ceiling_median=statistics.median(ceilings) if ceilings else None,
                    ceiling_spread=_relative(spread(ceilings)) if len(ceilings) > 1 else 0.0,
                )
            )
    return found
