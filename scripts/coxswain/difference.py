# SPDX-License-Identifier: MIT
"""Whether two policies differ in a metric: medians, and the spread of what the pairs say.

A pair is a run under A and a run under B side by side in time; its difference is B / A - 1, or B - A for numbers that may be 0.
The difference *exceeds its spread* when the pairs' median lies further from 0 than the quartiles lie from each other. With 15
pairs of runs that do not differ that happens in one of 200 metrics, with 7 in one of 17, with 5 in one of 6 (normally or
log-normally distributed; test/harness/test_difference.py repeats the count): so a claim needs 15.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from .stats import Spread, spread
from .workloads import LOWER, Metric

MIN_PAIRS = 15
BETTER, WORSE, NONE = "better", "worse", "none"


@dataclass(frozen=True)
class Difference:
    metric: Metric
    a_median: float
    b_median: float
    pairs: tuple[float, ...]  # of each pair, in order
    spread: Spread

    @property
    def exceeds_spread(self) -> bool:
        return abs(self.spread.median) > self.spread.q3 - self.spread.q1

    @property
    def direction(self) -> str:
        """What B is beside A, however sure that is."""
        if self.spread.median == 0:
            return NONE
        return BETTER if (self.spread.median < 0) == (self.metric.better == LOWER) else WORSE

    @property
    def enough(self) -> bool:
        return len(self.pairs) >= MIN_PAIRS

    @property
    def claim(self) -> str:
        return self.direction if self.exceeds_spread and self.enough else NONE


def _of_pair(metric: Metric, a: float, b: float) -> float | None:
    if metric.counted:
        return b - a
    return b / a - 1 if a else None


def difference(metric: Metric, a: Mapping[int, float], b: Mapping[int, float]) -> Difference | None:
    """`a` and `b`: the metric by repetition. None where there is no pair, or too many of A's values are 0 to divide by."""
    both = sorted(a.keys() & b.keys())
    found = [_of_pair(metric, a[each], b[each]) for each in both]
    pairs = tuple(each for each in found if each is not None)
    if not both or len(pairs) != len(both):
        return None
    return Difference(
        metric=metric,
        a_median=statistics.median(a[each] for each in both),
        b_median=statistics.median(b[each] for each in both),
        pairs=pairs,
        spread=spread(pairs),
    )
