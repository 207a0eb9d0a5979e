# SPDX-License-Identifier: MIT
"""The table that a session ends with."""

from __future__ import annotations

from pathlib import Path

from .aggregate import Aggregate
from .outcome import Outcome

_HEAD = ("workers", "CPUs", "median time", "speedup", "q1 … q3", "ceiling", "efficiency", "")


def _time(ns: float) -> str:
    return f"{ns / 1e6:.0f} ms" if ns < 1e10 else f"{ns / 1e9:.1f} s"


def _cells(each: Aggregate, host_cpus: int) -> tuple[str, ...]:
    remark = ""
    if each.oversubscribed:
        beyond_host = each.cpus > host_cpus
        remark = f"{each.cpus} CPUs on {host_cpus}" if beyond_host else f"{each.workers} workers on {each.cpus} CPUs"
        remark = f"oversubscribed: {remark}"
    return (
        str(each.workers),
        str(each.cpus),
        _time(each.median_ns),
        f"{each.speedup.median:.2f}",
        f"{each.speedup.q1:.2f} … {each.speedup.q3:.2f}",
        "-" if each.ceiling_median is None else f"{each.ceiling_median:.2f}",
        f"{100 * each.efficiency:.0f} %",
        remark,
    )


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for cells in rows:
        *numbers, remark = cells
        padded = [cell.rjust(width) for cell, width in zip(numbers, widths)]
        lines.append("  ".join([*padded, remark]).rstrip())
    return lines


def render(outcome: Outcome, plot: Path | None) -> str:
    options, provenance = outcome.options, outcome.provenance
    lines = [
        f"{options.target.name}: policy {options.policy}, boot {options.boot}, seed {options.seed}, "
        f"{options.repeats} repetitions",
        f"accelerator: {outcome.accelerator.name} ({outcome.accelerator.reason})",
        f"host: {provenance.host_cpus} CPUs, {provenance.host_model}; {provenance.qemu}",
        "",
    ]
    if outcome.aggregates:
        lines += _aligned([_HEAD, *(_cells(each, provenance.host_cpus) for each in outcome.aggregates)])
        lines.append("")
    lines += [f"note: {note}" for note in outcome.notes]
    lines += [f"claim: {outcome.claim.verdict}", f"reason: {outcome.claim.reason}"]
    if plot is not None:
        lines.append(f"plot: {plot}")
    return "\n".join(lines)
