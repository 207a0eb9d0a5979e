# SPDX-License-Identifier: MIT
"""What a session of comparisons has found, and its result.json. docs/workloads.md names every field."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from .compare_options import CompareOptions
from .comparison import Comparison, compare, median_free_cpus
from .difference import MIN_PAIRS, Difference
from .provenance import Provenance
from .qemu import Accelerator
from .trial import SIDES, Trial


@dataclass(frozen=True)
class CompareResult:
    options: CompareOptions
    provenance: Provenance
    accelerator: Accelerator
    trials: tuple[Trial, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def pairs(self) -> int:
        """Of the workload with the fewest, of those that can be compared at all."""
        sizes = [min(self._runs(each, side) for side in range(len(self.options.policies)))
                 for each in self.comparisons if not each.problems]  # fmt: skip
        return min(sizes, default=0)

    def _runs(self, comparison: Comparison, side: int) -> int:
        return sum(trial.step.workload == comparison.workload and trial.step.side == side and not trial.step.icount
                   for trial in self.trials)  # fmt: skip

    @property
    def free_cpus(self) -> float:
        return median_free_cpus(self.trials)


def gather(options: CompareOptions, provenance: Provenance, accelerator: Accelerator, trials: Sequence[Trial]) -> CompareResult:
    tried = [workload for workload in options.workloads if any(trial.step.workload == workload for trial in trials)]
    comparisons = tuple(compare(trials, workload, len(options.policies)) for workload in tried)
    return CompareResult(options, provenance, accelerator, tuple(trials), comparisons)


def _context(result: CompareResult) -> dict[str, object]:
    options, provenance = result.options, result.provenance
    return {
        "date": provenance.date,
        "target": options.command,
        "policies": list(options.policies),
        "workloads": [workload.name for workload in options.workloads],
        "accelerator": result.accelerator.name,
        "accelerator_reason": result.accelerator.reason,
        "qemu": provenance.qemu,
        "kernel_arguments": " ".join(options.append),
        "cpus": options.cpus,
        "size": options.size,
        "seed": options.seed,
        "repeats": options.repeats,
        "pairs": result.pairs,
        "pairs_needed": MIN_PAIRS,
        "host_cpus": provenance.host_cpus,
        "num_cpus": provenance.host_cpus,
        "host_model": provenance.host_model,
        "host_free_cpus_median": round(result.free_cpus, 2),
        "git": provenance.git,
    }


def _row(result: CompareResult, trial: Trial) -> dict[str, object]:
    policy, workload = result.options.policies[trial.step.side], trial.step.workload.name
    row: dict[str, object] = {
        "name": f"{workload}/{policy}",
        "run_name": f"{workload}/{policy}",
        "run_type": "iteration",
        "repetition_index": trial.step.repetition,
        "workload": workload,
        "policy": policy,
        "side": SIDES[trial.step.side],
        "counts_instructions": trial.step.icount,
        "log": trial.log_name,
        "free_cpus": round(trial.free_cpus, 2),
        "verified": trial.log is not None,
    }
    if trial.log is None:
        return row | {"problem": trial.problem}
    times = {f"{key}_ticks": count for key, count in trial.log.ticks.items()}
    section = {"real_time": trial.log.section_ns, "time_unit": "ns"}
    return row | section | trial.log.values | times | trial.log.counters


def _difference(comparison: Comparison, found: Difference) -> dict[str, object]:
    return {
        "workload": comparison.workload.name,
        "metric": found.metric.key,
        "unit": found.metric.unit,
        "better": found.metric.better,
        "a_median": found.a_median,
        "b_median": found.b_median,
        "kind": "difference" if found.metric.counted else "ratio_minus_1",
        "pairs": [round(each, 6) for each in found.pairs],
        "median": found.spread.median,
        "q1": found.spread.q1,
        "q3": found.spread.q3,
        "exceeds_spread": found.exceeds_spread,
        "b_is": found.direction,
        "claim": found.claim,
    }


def render(result: CompareResult) -> str:
    whole = {
        "context": _context(result),
        "benchmarks": [_row(result, trial) for trial in result.trials],
        "comparisons": [_difference(each, found) for each in result.comparisons if not each.problems for found in each.differences],
        "instructions": [
            {"workload": each.workload.name, "metric": found.title.replace(" ", "_"), "counts": dict(zip(SIDES, found.counts))}
            for each in result.comparisons
            for found in each.instructions
        ],
    }
    return json.dumps(whole, indent=2) + "\n"
