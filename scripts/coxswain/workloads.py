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
        Workload("wake_latency", "time-outs of sleeping threads, on idle CPUs", ("wake",), "wakes"),
        Workload("messaging", "requests to workers by park and unpark", ("wake",), "requests"),
        Workload("interactive", "short bursts beside threads that compute", ("response",), "chunks"),
        Workload("weights", "threads of unequal weights", ("chunk",), "chunks",
                 (Metric("misplaced_permille", "CPU time misplaced", "permille", LOWER, counted=True),)),
        Workload("gang", "two gangs in phases, with a barrier that spins", ("phase",), "phases"),
        Workload("chain", "tokens through chains of producers and consumers", ("through",), "tokens"),
        Workload("task_tree", "an uneven tree of threads", ("start",), "threads"),
        Workload("periodic", "periodic real-time sets beside threads that compute", ("response",), "jobs",
                 (Metric("missed_permille", "deadlines missed", "permille", LOWER, counted=True),)),
    )
}  # fmt: skip
