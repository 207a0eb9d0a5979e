# SPDX-License-Identifier: MIT
"""plot.svg: every pair's speedup, the quartiles, the ceiling and the ideal, over the number of workers."""

from __future__ import annotations

from pathlib import Path

from .outcome import Outcome


def _title(outcome: Outcome) -> str:
    options = outcome.options
    return (
        f"{options.target.name}, {options.policy}, {outcome.accelerator.name}, "
        f"{outcome.provenance.host_cpus} host CPUs\nclaim: {outcome.claim.verdict}"
    )


def write(outcome: Outcome, path: Path) -> None:
    import matplotlib  # a second's work: only for those who come this far

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "coxswain"  # the same results give the same file
    from matplotlib import pyplot

    aggregates = outcome.aggregates
    workers = [each.workers for each in aggregates]
    figure, axes = pyplot.subplots(figsize=(6.4, 4.4))
    axes.plot(workers, workers, "--", color="0.6", label="ideal")
    ceilings = [float("nan") if each.ceiling_median is None else each.ceiling_median for each in aggregates]
    axes.plot(workers, ceilings, "_", color="tab:orange", markersize=26, markeredgewidth=2, label="ceiling (no server)")
    for each in aggregates:
        count = len(each.speedups)
        spots = [each.workers + 0.12 * ((index + 0.5) / count - 0.5) for index in range(count)]
        axes.plot(spots, each.speedups, ".", color="tab:blue", alpha=0.4)
        if each.oversubscribed:
            axes.annotate("oversubscribed", (each.workers, each.speedup.q3), xytext=(0, 10),
                          textcoords="offset points", ha="center", fontsize=8)  # fmt: skip
    medians = [each.speedup.median for each in aggregates]
    below = [each.speedup.median - each.speedup.q1 for each in aggregates]
    above = [each.speedup.q3 - each.speedup.median for each in aggregates]
    style = {"fmt": "o", "color": "tab:blue", "capsize": 4}
    axes.errorbar(workers, medians, yerr=[below, above], label="median, quartiles", **style)
    axes.set(xlabel="workers", ylabel="speedup over one worker on one CPU", xticks=workers, ylim=(0, None))
    axes.margins(x=0.12)
    axes.set_title(_title(outcome), fontsize=10)
    axes.legend(loc="upper left")
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
