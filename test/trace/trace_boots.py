#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Traces of real boots: trace_boots.py --build DIR CASE. Each case boots 2 CPUs and looks at the decoded trace."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from coxswain import top, trace_run, trace_svg, trace_text  # noqa: E402
from coxswain.artifacts import Artifacts  # noqa: E402
from coxswain.boot import run_qemu  # noqa: E402
from coxswain.boot_cases import need, run_case  # noqa: E402
from coxswain.ending import Ending, judge  # noqa: E402
from coxswain.guest_log import Line, parse  # noqa: E402
from coxswain.qemu import TCG, Machine, command  # noqa: E402
from coxswain.trace_check import check, counters  # noqa: E402
from coxswain.trace_file import CLASSES, KINDS, decode  # noqa: E402
from coxswain.trace_timeline import Timeline  # noqa: E402

CPUS = 2
SMOKE = ("root=workers/root", "manifest=smoke")  # a server and three programs
FLAGS = ("root=test/sched_flags", "watchdog_ms=60000")  # commits with every flag, recalls, refusals, slices
SCALE = ("root=workers/root", "manifest=process-scale", "workers=2", "size=smoke", "policy=round_robin", "server=on")


def boot(build: Path, *words: str) -> tuple[bytes, list[Line]]:
    with trace_run.guest_memory(Machine.memory) as memory:
        line = command(Machine(CPUS, TCG, memory_file=memory.path), Artifacts(build), list(words))
        done = run_qemu(line, 60)
        need(judge(done).ending is Ending.PASSED, f"the boot itself failed: {judge(done).detail}")
        traced = any(record.kind == "trace" for record in parse(done.lines))
        return memory.area(done.lines) if traced else b"", done.lines


def sound(area: bytes, compared: int) -> Timeline:
    """`compared`: counters of each CPU. One that went on after the kernel's last look, on a busy host, has none; the one that looked
    stood still."""
    timeline = Timeline(decode(area))
    found = check(timeline)
    need(not found, "\n".join(found))
    got = {len(counters(timeline.trace, cpu)) for cpu in timeline.trace.cpus if cpu.stats is not None}
    need(got == {compared}, f"{got} counters of a CPU were compared with the kernel's, not {compared}")
    return timeline


def kinds(timeline: Timeline) -> set[str]:
    return {event.kind for event in timeline.events}


def whole(build: Path) -> None:
    """Everything is there, under its name, and agrees with itself and with 11 counters of each CPU."""
    timeline = sound(boot(build, *SCALE, "trace=all")[0], 11)
    missing = {"dispatch", "stop", "wake", "event", "commit", "ipi", "shootdown", "call", "interrupt", "gone"} - kinds(timeline)
    need(not missing, f"no {missing} in the trace of a run")
    names = {timeline.name(ref) for ref in timeline.threads}
    wanted = {"root", "sched-server", "sched-server/agent0", "sched-server/agent1", "primes/0", "primes/1"}
    need(wanted <= names, f"the threads are called {names}")
    cpus = {each.cpu for each in timeline.slices if timeline.name(each.ref).startswith("primes/") and each.placed == "server"}
    need(cpus == set(range(CPUS)), f"workers ran on the CPUs {cpus}")


def flags(build: Path) -> None:
    """A server that does everything that the protocol has."""
    timeline = sound(boot(build, *FLAGS, "trace=all")[0], 11)
    missing = {"recall", "return"} - kinds(timeline)
    need(not missing, f"no {missing}")
    why = {each.why for each in timeline.slices}
    need({"blocked", "recalled", "killed"} <= why, f"threads stopped for {why}")


def classes(build: Path) -> None:
    """Each class alone brings its records and no others; none brings nothing."""
    for chosen in (("dispatch", "stop"), ("wake", "commit", "event"), ("ipi", "call", "interrupt", "shootdown")):
        timeline = Timeline(decode(boot(build, *SCALE, f"trace={','.join(chosen)}")[0]))
        need(timeline.trace.classes == set(chosen), f"the header says {timeline.trace.classes}")
        allowed = {kind for kind, of in KINDS if of in chosen}
        need(kinds(timeline) <= allowed, f"{kinds(timeline) - allowed} with trace={chosen}")
        missing = set(chosen) - {of for kind, of in KINDS if kind in kinds(timeline)}
        need(not missing, f"no {missing} with trace={chosen}")
    need(boot(build, *SCALE)[0] == b"", "a trace that nobody has asked for")


def overrun(build: Path) -> None:
    """What did not fit is counted, the newest is kept, and what is left is sound."""
    area, _ = boot(build, *FLAGS, "trace=all", "trace_pages=18")
    timeline = sound(area, 0)
    need(all(cpu.lost for cpu in timeline.trace.cpus), "nothing was lost")
    need(all(cpu.written == cpu.lost + len(cpu.events) for cpu in timeline.trace.cpus), "the numbers do not add up")
    lasts = [cpu.events[-1] for cpu in timeline.trace.cpus]  # the other CPU may be interrupted later still
    need(any(last.kind == "call" and last.a >> 8 == 0x700 for last in lasts), f"no CPU's last record is the call that powers off: {lasts}")
    text = trace_text.render(timeline)
    for number, cpu in enumerate(timeline.trace.cpus):
        need(f"CPU:{number} [LOST {cpu.lost} EVENTS]" in text, "the text does not say what was lost")
    need(f"{timeline.trace.lost} RECORDS LOST" in trace_svg.render(timeline, ""), "the picture does not say what was lost")


def broken(build: Path) -> None:
    """The negative control: the same trace, with one record turned into another, is found out."""
    area, _ = boot(build, *SCALE, "trace=all")
    timeline = sound(area, 11)
    for kind in ("dispatch", "stop", "commit"):
        event = next(e for e in timeline.events if e.kind == kind and timeline.trace.names[e.ref].domain)
        code = [name for name, _ in KINDS].index(kind) + 1
        at = area.index(struct.pack("<QHBBI", event.tsc, event.ref.slot, 0, code, event.ref.generation))
        lie = area[:at] + struct.pack("<QHBBIQQ", event.tsc, 0, 0, len(KINDS), 0, 0xFF, 0) + area[at + 32 :]
        found = check(Timeline(decode(lie)))
        need(any(str(event.ref) in text for text in found), f"without a {kind} of {event.ref} this is wrong: {found}")


class Looks:
    """Stands where the display stands, and keeps what it is shown."""

    def __init__(self) -> None:
        self.seen: list[top.Look] = []

    def show(self, look: top.Look) -> None:
        self.seen.append(look)

    def close(self) -> None:
        pass


def live(build: Path) -> None:
    """While it runs, each CPU is seen to run a worker of the domain, and the server is seen to commit; with nothing recorded."""
    display = Looks()
    with trace_run.guest_memory(Machine.memory) as memory, top.watch(memory, display, period_s=0.01) as seen:
        words = [*(word for word in SCALE if word != "size=smoke"), "size=small", *top.KERNEL_WORDS]
        done = run_qemu(command(Machine(CPUS, TCG, memory_file=memory.path), Artifacts(build), words), 60, on_line=seen)
        need(judge(done).ending is Ending.PASSED, f"the boot itself failed: {judge(done).detail}")
    need(display.seen, "nobody was shown anything")
    for cpu in range(CPUS):
        ran = {look.cpus[cpu].runs for look in display.seen}
        need({"primes/0", "primes/1"} & ran, f"CPU {cpu} was seen to run {ran}")
    need(any(row.rates["commits"] > 0 for look in display.seen for row in look.cpus), "no commit was seen")
    need(any(look.wakes > 0 for look in display.seen), "no wake was seen")
    need(all(0 <= row.idle <= 1 for look in display.seen for row in look.cpus), "a CPU idled for more than all of its time")


assert len(CLASSES) == 9  # whoever adds a class adds it to the cases
sys.exit(run_case("trace", __doc__, (whole, flags, classes, overrun, broken, live)))
