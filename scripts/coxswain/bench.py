# SPDX-License-Identifier: MIT
"""Counts instructions per operation in the guest, exactly: under -icount the TSC advances by one with each of them.

The table stands beside what is known of other systems (bench/peers.json). `--ratchet` fails when an operation needs more
than 3 % over the committed count (bench/baseline.json), when one is missing, or is new there, or when one that was counted on N CPUs
(`…_on_N`) differs by more than 5 % from that on one; `--accept` commits to what was counted now.
Each repetition of a `rep` string instruction counts as one instruction.

`--traced` counts everything once more with every class of the trace on. A record's cost is the difference where an operation makes
a known number of them; more than 60 instructions fail.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from . import qemu
from .artifacts import ROOT, Artifacts
from .boot import Boot, run_qemu
from .ending import Ending, judge
from .errors import ExitCode, HarnessError
from .guest_log import clean, parse
from .qemu import COUNTING, Machine

_BASELINE = ROOT / "bench" / "baseline.json"
_PEERS = ROOT / "bench" / "peers.json"
_SLACK = 0.03
_SCALING_SLACK = 0.05
_RECORD_LIMIT = 60
# How many records an operation makes, of those that go the same way with the trace on and off: a call; for a yield also stop and
# dispatch.
_RECORDS = {"null_call": 1, "enter_nop": 1, "poll_empty": 1, "signal_nobody": 1, "yield_ping_pong": 6}

Counts = dict[str, float]


class BenchmarkFailed(HarnessError):
    code = ExitCode.REFUSED


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="scripts/bench", description=__doc__, allow_abbrev=False)
    add = made.add_argument
    add("programs", nargs="+", metavar="PROGRAM", help="in the archive, such as bench/calls; bench/pairs@4: on 4 CPUs")
    add("--build", type=Path, required=True, metavar="DIR", help="the build tree")
    add("--timeout", type=float, default=60.0, metavar="SECONDS", help="of each program (60)")
    add("--json", type=Path, metavar="FILE", help="also there (default: bench.json in the build tree)")
    add("--cpus", type=int, default=1, metavar="N", help="(1); no ratchet holds for more")
    add("--append", default="", metavar="WORDS", help="more kernel arguments")
    add("--traced", action="store_true", help="also with every class of the trace on")
    group = made.add_mutually_exclusive_group()
    group.add_argument("--ratchet", action="store_true", help="fail where more is needed than was committed")
    group.add_argument("--accept", action="store_true", help="commit to these counts")
    return made


def counts_of(boot: Boot, program: str) -> Counts:
    judgement = judge(boot)
    if judgement.ending is not Ending.PASSED:
        said = "\n".join(clean(line.text) for line in boot.lines[-5:])
        raise BenchmarkFailed(f"{program}: {judgement.detail}\n{said}")
    records = [record for record in parse(boot.lines) if record.kind == "bench"]
    if not records:
        raise BenchmarkFailed(f"{program} reported nothing")
    return {each.string("name"): each.integer("ticks") / each.integer("operations") for each in records}


def _measure(args: argparse.Namespace, *more: str) -> Counts:
    artifacts = Artifacts(args.build.absolute())
    artifacts.require()
    counts: Counts = {}
    for program in args.programs:
        name, _, cpus = program.partition("@")
        machine = Machine(cpus=int(cpus or args.cpus), accelerator=COUNTING)
        line = qemu.command(machine, artifacts, [f"root={name}", *args.append.split(), *more])
        counts |= counts_of(run_qemu(line, args.timeout), program)
    return counts


def complaints(counts: Counts, baseline: Counts) -> list[str]:
    """What the ratchet has against these counts."""
    found = [f"{name} was not measured" for name in sorted(baseline.keys() - counts.keys())]
    for name, count in counts.items():
        if name not in baseline:
            found.append(f"{name} is new: {count:.1f}")
        elif count > baseline[name] * (1 + _SLACK):
            rise = 100 * (count / baseline[name] - 1)
            found.append(f"{name}: {count:.1f} instructions, {rise:.1f} % more than the committed {baseline[name]:.1f}")
        one, scales, _ = name.rpartition("_on_")
        alone = counts.get(f"{one}_on_1") if scales else None
        if alone is not None and abs(count / alone - 1) > _SCALING_SLACK:
            found.append(f"{name}: {count:.1f} instructions, {100 * (count / alone - 1):+.1f} % against {alone:.1f} on one CPU")
    return found


def record_costs(counts: Counts, traced: Counts) -> Counts:
    """Instructions for each record of the trace, by operation."""
    known = _RECORDS.keys() & counts.keys() & traced.keys()
    return {name: (traced[name] - counts[name]) / _RECORDS[name] for name in sorted(known)}


def record_complaints(costs: Counts) -> list[str]:
    return [
        f"{name}: {cost:.1f} instructions for a record of the trace, the limit is {_RECORD_LIMIT}"
        for name, cost in costs.items()
        if cost > _RECORD_LIMIT
    ]


def multiples(counts: Counts, peers: dict) -> list[str]:
    """Operations as multiples of a null call, beside systems of which only times on other hardware are known."""
    null = peers.get("null_call", {})
    ours = counts.get(null.get("ours", ""))
    return [
        f"{row['operation']}: {counts[row['operation']] / ours:.1f} null calls; "
        f"{row['system']}: {row['time'] / null[row['system']]:.1f} ({row['what']})"
        for row in peers.get("multiples", [])
        if ours and row["operation"] in counts
    ]


def table(counts: Counts, baseline: Counts, peers: dict, traced: Counts | None = None) -> str:
    systems = sorted({system for row in peers["operations"].values() for system in row})
    more = f"{'traced':>10}" if traced else ""
    lines = [f"{'instructions per operation':<28}{'Coxswain':>10}{more}{'committed':>11}" + "".join(f"{s:>10}" for s in systems)]
    for name, count in counts.items():
        known = peers["operations"].get(name, {})
        committed = f"{baseline[name]:.1f}" if name in baseline else "-"
        with_trace = f"{traced[name]:>10.1f}" if traced else ""
        cells = "".join(f"{known.get(system, '-'):>10}" for system in systems)
        lines.append(f"{name:<28}{count:>10.1f}{with_trace}{committed:>11}{cells}  {peers['notes'].get(name, '')}".rstrip())
    lines += multiples(counts, peers)
    costs = record_costs(counts, traced or {})
    lines += [f"a record of the trace: {cost:.1f} instructions ({name})" for name, cost in costs.items()]
    return "\n".join([*lines, "", *peers["provenance"]])


def main(argv: list[str]) -> ExitCode:
    args = _parser().parse_args(argv)
    counts = _measure(args)
    traced = _measure(args, "trace=all") if args.traced else {}
    baseline = json.loads(_BASELINE.read_text()) if _BASELINE.exists() else {}
    print(table(counts, baseline, json.loads(_PEERS.read_text()), traced))
    where = args.json or args.build / "bench.json"
    costs = record_costs(counts, traced)
    rows = [
        {"name": name, "instructions": round(count, 3), "committed": baseline.get(name)}
        | ({"traced": round(traced[name], 3)} if traced else {})
        | ({"per_record": round(costs[name], 3)} if name in costs else {})
        for name, count in counts.items()
    ]
    where.write_text(json.dumps({"context": {"qemu": qemu.version(), "counting": "icount"}, "benchmarks": rows}, indent=2) + "\n")
    if args.accept:
        accepted = baseline | {name: round(count, 1) for name, count in counts.items()}  # of what was not measured the old ones stay
        _BASELINE.write_text(json.dumps(dict(sorted(accepted.items())), indent=2) + "\n")
        print(f"accepted into {_BASELINE.relative_to(ROOT)}")
        return ExitCode.OK
    found = complaints(counts, baseline) if args.ratchet else []
    for text in found:
        print(f"ratchet: {text}")
    if found:
        print("scripts/bench --accept commits to new counts, on purpose")
    dear = record_complaints(costs)
    for text in dear:
        print(f"trace: {text}")
    return ExitCode.REFUSED if found or dear else ExitCode.OK
