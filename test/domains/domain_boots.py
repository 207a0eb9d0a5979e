#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Domains that a manifest makes, as the kernel's trace shows them: domain_boots.py --build DIR CASE. Each case boots once."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from coxswain import trace_run  # noqa: E402
from coxswain.artifacts import Artifacts  # noqa: E402
from coxswain.boot import run_qemu  # noqa: E402
from coxswain.boot_cases import need, run_case  # noqa: E402
from coxswain.ending import Ending, judge  # noqa: E402
from coxswain.qemu import TCG, Machine, command  # noqa: E402
from coxswain.trace_check import check  # noqa: E402
from coxswain.trace_file import decode  # noqa: E402
from coxswain.trace_timeline import Timeline  # noqa: E402

Places = dict[str, set[int]]  # a program's path -> the CPUs of its domain


def boot(build: Path, manifest: str, cpus: int) -> Timeline:
    """All ended as the manifest says; the results of the programs' work are among that."""
    words = ["root=workers/root", f"manifest={manifest}", "watchdog_ms=60000", "trace=dispatch,stop"]
    with trace_run.guest_memory(Machine.memory) as memory:
        done = run_qemu(command(Machine(cpus, TCG, memory_file=memory.path), Artifacts(build), words), 60)
        need(judge(done).ending is Ending.PASSED, f"the boot itself failed: {judge(done).detail}")
        timeline = Timeline(decode(memory.area(done.lines)))
    need(timeline.trace.lost == 0, f"{timeline.trace.lost} records are lost")
    need(not (found := check(timeline)), "\n".join(found))
    return timeline


def strays(timeline: Timeline, places: Places) -> list[str]:
    """What is not where it should be: each slice of a domain's thread outside its CPUs; a program that never ran."""
    found, ran = [], set()
    for each in timeline.slices:
        name = timeline.trace.names.get(each.ref)
        if name is None:
            found.append(f"thread {each.ref} on CPU {each.cpu} has no name")
        elif name.domain and each.cpu not in places.get(name.process, set()):
            found.append(f"{name.process} ran on CPU {each.cpu}")
        elif name.domain:
            ran.add(name.process)
    return sorted(set(found)) + [f"{program} never ran where it should" for program in sorted(places.keys() - ran)]


def servers_astray(timeline: Timeline, places: Places) -> list[str]:
    """Threads of the scheduler servers, agents and others, that ran on CPUs of more than one domain, or of none. They are system threads: the
    kernel would let them run anywhere, so it is the root task that has put them there."""
    cpus: dict[object, set[int]] = {}
    for each in timeline.slices:
        name = timeline.trace.names.get(each.ref)
        if name is not None and name.process == "sched-server":
            cpus.setdefault(each.ref, set()).add(each.cpu)
    if len(cpus) < 2 * len(places):  # a main thread and an agent for each
        return [f"only {len(cpus)} threads of servers ran"]
    return [f"{ref} of a server ran on {sorted(on)}" for ref, on in cpus.items() if not any(on <= own for own in places.values())]


ON_TWO: Places = {"workers/task_tree": {0}, "workers/crowd": {1}}
ON_FOUR: Places = {"workers/task_tree": {0}, "workers/crowd": {1}, "workers/messaging": {2, 3}}


def two(build: Path) -> None:
    """Two domains on 2 CPUs: each thread ran on its domain's CPU only."""
    timeline = boot(build, "domains-two", 2)
    found = strays(timeline, ON_TWO) + servers_astray(timeline, ON_TWO)
    need(not found, "\n".join(found))


def four(build: Path) -> None:
    """Three domains on 4 CPUs; and each CPU of the domain that has two was used."""
    timeline = boot(build, "domains", 4)
    found = strays(timeline, ON_FOUR) + servers_astray(timeline, ON_FOUR)
    need(not found, "\n".join(found))
    used = {each.cpu for each in timeline.slices if timeline.trace.names[each.ref].process == "workers/messaging"}
    need(used == {2, 3}, f"of CPU 2 and 3 messaging used {used}")


def wrong_domain(build: Path) -> None:
    """The negative control: crowd was put in the wrong domain, and that is what is said, and nothing else. And servers where no domain should
    be are seen."""
    timeline = boot(build, "domains-wrong", 4)
    found = strays(timeline, ON_FOUR)
    need("workers/crowd never ran where it should" in found, f"found: {found}")
    need(any(text.startswith("workers/crowd ran on CPU ") for text in found), f"found: {found}")
    need(all(text.startswith("workers/crowd ") for text in found), f"found: {found}")
    without_root = {program: cpus for program, cpus in ON_FOUR.items() if cpus != {0}}
    need(all(text.endswith(" ran on [0]") for text in servers_astray(timeline, without_root)), "servers of other domains are on CPU 0")
    need(servers_astray(timeline, without_root), "the root domain's server on CPU 0 is not seen")


sys.exit(run_case("domains", __doc__, (two, four, wrong_domain)))
