# SPDX-License-Identifier: MIT
"""plot.svg of a comparison: for each metric every pair's difference, its median and quartiles; or one policy's values."""

from __future__ import annotations

from pathlib import Path

from .compare_result import CompareResult
from .difference import BETTER, NONE, Difference

_COLOURS = {BETTER: "tab:green", NONE: "0.55"}


def _rows(result: CompareResult) -> list[tuple[str, Difference]]:
    return [
        (f"{each.workload.name}: {found.metric.title}", found)
        for each in result.comparisons
        if not each.problems
        for found in each.differences
        if not found.metric.counted  # these have no common scale with ratios; the table has them
    ]


def write(result: CompareResult, path: Path) -> bool:
    """Whether there was something to plot."""
    rows = _rows(result)
    if not rows:
        return False
    import matplotlib  # a second's work: only for those who come this far

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "coxswain"  # the same results give the same file
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.26 * len(rows)))
    for place, (_, found) in enumerate(rows):
        ratios = [1 + pair for pair in found.pairs]
        median, q1, q3 = (1 + each for each in (found.spread.median, found.spread.q1, found.spread.q3))
        colour = _COLOURS.get(found.direction if found.exceeds_spread else NONE, "tab:red")
        axes.plot(ratios, [place] * len(ratios), ".", color=colour, alpha=0.35)
        axes.errorbar([median], [place], xerr=[[median - q1], [q3 - median]], fmt="o" if found.enough else "s",
                      color=colour, capsize=3)  # fmt: skip
    axes.axvline(1, color="0.6", linestyle="--")
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=8)
    axes.invert_yaxis()
    options = result.options
    axes.set_xlabel(f"{options.policies[1]} / {options.policies[0]}: every pair, median and quartiles")
    axes.set_title(f"{options.policies[0]} against {options.policies[1]}, {result.accelerator.name}, {options.cpus} CPUs, "
                   f"{result.pairs} pairs\ngreen better, red worse, grey within the spread", fontsize=9)  # fmt: skip
    axes.grid(alpha=0.3, axis="x")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return True
