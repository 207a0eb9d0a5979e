# SPDX-License-Identifier: MIT
"""The workloads that there are, and what each of them measures. docs/workloads.md describes them."""

from __future__ import annotations

from dataclasses import dataclass

QUANTILES = ("p50", "p90", "p99", "p999", "max")
LOWER, HIGHER = "lower", "higher"


@dataclass(frozen=True)
class Metric:
    """A field of the guest's record. `counted`: a number that may well be 0, compared by differences and not by ratios."""

    key: str
    title: str
    unit: str
    better: str  # LOWER or HIGHER
    counted: bool = False


@dataclass(frozen=True)
class Workload:
    """Called as its manifest is. `series`: of times, of which the guest reports quantiles."""

    name: str
    title: str
    series: tuple[str, ...]
    operation: str
    extra: tuple[Metric, ...] = ()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        times = tuple(Metric(f"{one}_{q}_ns", f"{one} {q}", "ns", LOWER) for one in self.series for q in QUANTILES)
        return (*times, Metric("per_second", self.operation, "/s", HIGHER), *self.extra)


WORKLOADS = {
    each.name: each
    for each in (
        Workload("messaging", "requests to workers by park and unpark", ("wake",), "requests"),
    )
}  # fmt: skip
