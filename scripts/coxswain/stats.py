# SPDX-License-Identifier: MIT
"""Quartiles and interleaved pairs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    q1: float
    median: float
    q3: float


def spread(values: Sequence[float]) -> Spread:
    """Quartiles with linear interpolation between the values that there are."""
    if not values:
        raise ValueError("no values")
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(q1, median, q3)


def paired_ratios(base: Mapping[int, float], other: Mapping[int, float]) -> list[float]:
    """base / other for each repetition that has both: each run against the baseline that ran beside it."""
    return [base[repetition] / other[repetition] for repetition in sorted(base.keys() & other.keys())]
