# SPDX-License-Identifier: MIT
"""result.json, in the shape of Google Benchmark's output. docs/benchmarking.md names every field.

Ceiling runs stand in a list of their own: whoever computes speedups from `benchmarks` must not mix them in.
"""

from __future__ import annotations

import json
import shlex

from .aggregate import THRESHOLD_PER_WORKER, Aggregate
from .claim import claimable
from .outcome import Outcome
from .rows import row


def _context(outcome: Outcome) -> dict[str, object]:
    options, provenance = outcome.options, outcome.provenance
    sizes = {run.log.result.size for run in outcome.measured if run.log}
    first_users = [run.log.first_user_at_ns - run.boot.started_ns for run in outcome.measured if run.log]
    return {
        "date": provenance.date,
        "target": options.target.name,
        "accelerator": outcome.accelerator.name,
        "accelerator_reason": outcome.accelerator.reason,
        "boot": options.boot,
        "qemu": provenance.qemu,
        "manifest": options.manifest,
        "kernel_arguments": " ".join(options.append),
        "qemu_arguments": shlex.join(options.extra),
        "host_cpus": provenance.host_cpus,
        "num_cpus": provenance.host_cpus,
        "host_model": provenance.host_model,
        "policy": options.policy,
        "size": sizes.pop() if len(sizes) == 1 else options.size,
        "seed": options.seed,
        "repeats": options.repeats,
        "pairs": outcome.pairs,
        "threshold": _threshold(outcome),
        "claim": outcome.claim.verdict,
        "claim_reason": outcome.claim.reason,
        "notes": list(outcome.notes),
        "first_user_time_best": min(first_users, default=None),
        "git": provenance.git,
    }


def _threshold(outcome: Outcome) -> float:
    """Of the fewest workers that the claim is about; each aggregate names its own."""
    candidates = claimable(outcome.aggregates)
    return round(candidates[0].threshold if candidates else 2 * THRESHOLD_PER_WORKER, 3)


def _aggregate(each: Aggregate, prefix: str) -> dict[str, object]:
    return {
        "name": f"{prefix}/{each.workers}_speedup",
        "run_name": f"{prefix}/{each.workers}",
        "run_type": "aggregate",
        "aggregate_name": "speedup",
        "aggregate_unit": "time",
        "threads": each.workers,
        "workers": each.workers,
        "cpus": each.cpus,
        "repetitions": each.pairs,
        "real_time": each.median_ns,
        "time_unit": "ns",
        "speedup_median": each.speedup.median,
        "speedup_q1": each.speedup.q1,
        "speedup_q3": each.speedup.q3,
        "ideal": float(each.workers),
        "ceiling_median": each.ceiling_median,
        "threshold": round(each.threshold, 3),
        "oversubscribed": each.oversubscribed,
    }


def render(outcome: Outcome) -> str:
    prefix = outcome.options.target.row
    whole = {
        "context": _context(outcome),
        "benchmarks": [row(run, prefix) for run in outcome.measured]
        + [_aggregate(each, prefix) for each in outcome.aggregates],
        "ceiling": [row(run, prefix) for run in outcome.ceilings],
    }
    return json.dumps(whole, indent=2) + "\n"
