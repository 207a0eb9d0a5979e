# SPDX-License-Identifier: MIT
"""The comparison as a table for people."""

from __future__ import annotations

from collections.abc import Iterator

from .compare_result import CompareResult
from .comparison import Comparison
from .difference import MIN_PAIRS, NONE, Difference
from .workloads import Metric

_TIMES = ((1e9, "s"), (1e6, "ms"), (1e3, "us"))


def value(amount: float, unit: str) -> str:
    if unit != "ns":
        return f"{amount:.0f} {unit}" if amount >= 100 or amount == int(amount) else f"{amount:.3g} {unit}"
    for size, name in _TIMES:
        if amount >= size:
            return f"{amount / size:.3g} {name}" if amount < 1000 * size else f"{amount / size:.0f} {name}"
    return f"{amount:.0f} ns"


def change(amount: float, metric: Metric) -> str:
    return f"{amount:+.0f}" if metric.counted else f"{100 * amount:+.1f} %"


def _verdict(found: Difference) -> str:
    if not found.exceeds_spread:
        return "no"
    return f"B {found.direction}" if found.enough else f"(B {found.direction})"


def _differences(comparison: Comparison) -> Iterator[str]:
    yield f"  {'metric':<20}{'A median':>12}{'B median':>12}{'B to A':>11}{'q1 … q3':>22}  differs"
    for found in comparison.differences:
        metric = found.metric
        spread = f"{change(found.spread.q1, metric)} … {change(found.spread.q3, metric)}"
        medians = f"{value(found.a_median, metric.unit):>12}{value(found.b_median, metric.unit):>12}"
        yield f"  {metric.title:<20}{medians}{change(found.spread.median, metric):>11}{spread:>22}  {_verdict(found)}"


def _values(comparison: Comparison) -> Iterator[str]:
    yield f"  {'metric':<20}{'median':>12}{'q1 … q3':>26}"
    for metric, spread in comparison.values:
        quartiles = f"{value(spread.q1, metric.unit)} … {value(spread.q3, metric.unit)}"
        yield f"  {metric.title:<20}{value(spread.median, metric.unit):>12}{quartiles:>26}"


def _instructions(comparison: Comparison, sides: int) -> Iterator[str]:
    yield "  instructions, counted on one CPU:"
    for found in comparison.instructions:
        counts = "".join(f"{count:>12}" for count in found.counts)
        ratio = f"{100 * (found.counts[1] / found.counts[0] - 1):+.1f} %" if sides == 2 and found.counts[0] else ""
        yield f"  {found.title:<20}{counts}{ratio:>11}"


def _workload(comparison: Comparison, sides: int) -> Iterator[str]:
    yield ""
    yield f"{comparison.workload.name}: {comparison.workload.title}"
    for trial in comparison.problems:
        yield f"  not compared: {'AB'[trial.step.side]}, repetition {trial.step.repetition}: {trial.problem} ({trial.log_name})"
    if comparison.problems:
        return
    yield from _differences(comparison) if sides == 2 else _values(comparison)
    if comparison.instructions:
        yield from _instructions(comparison, sides)


def render(result: CompareResult) -> str:
    options = result.options
    sides = len(options.policies)
    names = f"A = {options.policies[0]}, B = {options.policies[1]}" if sides == 2 else f"policy {options.policies[0]}"
    lines = [
        f"{options.command}: {names}; {options.cpus} CPUs, size {options.size}, seed {options.seed}, {result.pairs} repetitions",
        f"accelerator: {result.accelerator.name} ({result.accelerator.reason})",
        f"host: {result.provenance.host_cpus} CPUs, {result.free_cpus:.2f} free (median), {result.provenance.host_model}; "
        f"{result.provenance.qemu}",
    ]
    for comparison in result.comparisons:
        lines += _workload(comparison, sides)
    if sides == 2:
        lines += ["", f"differs: the median lies further from 0 than q1 from q3; in parentheses with fewer than {MIN_PAIRS} "
                  "pairs, which prove nothing"]  # fmt: skip
        claimed = sum(found.claim != NONE for each in result.comparisons for found in each.differences)
        lines.append(f"claim: {claimed} differences" if result.pairs >= MIN_PAIRS else f"claim: none: {result.pairs} pairs, {MIN_PAIRS} are needed")
    return "\n".join(lines)
