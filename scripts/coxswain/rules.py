# SPDX-License-Identifier: MIT
"""What must hold in every pair before its speedup may be claimed. Each rule returns its refusal, with numbers, or "".

A rule about the guest holds in every single run. Where the host's own noise can disturb one run (how long the
sections overlapped, when a line arrived, how many CPUs were free), the median of the runs must hold, and each run
must keep a wider limit: so one hiccup decides nothing, and a habit is refused.

A rule of EVERY_RUN that one run breaks is broken for good, however many runs follow.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from .run import Run
from .scale_log import Cpu, ScaleLog

MIN_SHARE, MIN_OVERLAP, MIN_OVERLAP_EACH = 0.5, 0.85, 0.5
CLOCK_SHARE, CLOCK_NS = 0.05, 30e6
OWN_CLOCK_SHARE = 0.001  # the same reading in two units
CLOCK_SHARE_EACH, CLOCK_NS_EACH = 0.20, 200e6
MIN_SECTION_NS = 300e6  # below this the clocks cannot be compared well enough
MAX_SYSTEM_SHARE = 0.005  # of the server and the root task
AGENT_BEFORE = 2  # timer interrupts on a CPU
BUSY_CPUS = 0.25  # of a CPU that others may use

Rule = Callable[[Sequence[Run], Sequence[Run]], str]


def _log(run: Run) -> ScaleLog:
    assert run.log is not None
    return run.log


def _where(run: Run) -> str:
    return f"repetition {run.step.repetition}, {run.step.workers} workers"


def no_fallback(base: Sequence[Run], runs: Sequence[Run]) -> str:
    for run in [*base, *runs]:
        dispatches = _log(run).result.fallback_dispatches
        if dispatches:
            return f"{dispatches} fallback dispatches in the timed section ({_where(run)})"
    return ""


def placed_by_server(base: Sequence[Run], runs: Sequence[Run]) -> str:
    for run in [*base, *runs]:
        log = _log(run)
        # By a commit, or by a hint of the server's: the kernel counts the dispatches of what it placed itself apart.
        dispatches = sum(cpu.server_dispatches for cpu in log.cpus)
        if dispatches < run.step.workers:
            return f"{dispatches} dispatches by the server for {run.step.workers} workers ({_where(run)})"
        for worker in log.workers:
            if worker.cpu < len(log.cpus) and log.cpus[worker.cpu].server_dispatches == 0:
                return f"the server dispatched nothing on CPU {worker.cpu} of worker {worker.index} ({_where(run)})"
    return ""


def no_calls(base: Sequence[Run], runs: Sequence[Run]) -> str:
    """Where the kernel counts them: no thread calls it in its section, or is woken but for the release.

    Whoever waits for another, for its lock or its answer, does so in the kernel.
    """
    for run in [*base, *runs]:
        workers = _log(run).workers
        if any(worker.calls is not None and (worker.calls != 0 or worker.wakes != 1) for worker in workers):
            calls, wakes = (", ".join(str(getattr(worker, name)) for worker in workers) for name in ("calls", "wakes"))
            return f"calls of the threads in their timed sections: {calls}; wakes: {wakes}; 0 and 1 are right ({_where(run)})"
    return ""


def own_cpus(_base: Sequence[Run], runs: Sequence[Run]) -> str:
    for run in runs:
        cpus = [worker.cpu for worker in _log(run).workers]
        if len(set(cpus)) != len(cpus):
            return f"workers shared a CPU: they ran on {', '.join(map(str, cpus))} ({_where(run)})"
    return ""


def even_shares(_base: Sequence[Run], runs: Sequence[Run]) -> str:
    """Both by CPU and by worker, of the time that the kernel accounted to them."""
    for run in runs:
        log = _log(run)
        shares = [(f"CPU {cpu.index}", cpu.domain_ticks, log.worked_ticks) for cpu in busiest(log)]
        total_ns = sum(worker.runtime_ns for worker in log.workers)
        shares += [(f"worker {worker.index}", worker.runtime_ns, total_ns) for worker in log.workers]
        for who, part, whole in shares:
            if part < MIN_SHARE / run.step.workers * whole or whole == 0:
                percent = 100 * part / whole if whole else 0
                return f"{who} did {percent:.0f} % of the work ({_where(run)})"
    return ""


def busiest(log: ScaleLog) -> list[Cpu]:
    """The W CPUs that worked most: all of them where there are as many CPUs as workers."""
    return sorted(log.cpus, key=lambda cpu: -cpu.domain_ticks)[: len(log.workers)]


def accounted_overlap(log: ScaleLog) -> float:
    """The most of the timed section in which all W can have run at once: no longer than the laziest CPU worked."""
    return min(cpu.domain_ticks for cpu in busiest(log)) / log.result.ticks


def overlapping_each(_base: Sequence[Run], runs: Sequence[Run]) -> str:
    """All W ran at once for as long as the quickest of them had work.

    Not for as long as the section: where the host's CPUs are not equally fast, an even split ends unevenly, and that
    is neither the guest's doing nor a sign that the workers waited for one another.
    """
    for run in runs:
        share = _together(_log(run))
        if share < MIN_OVERLAP_EACH:
            return f"{_together_text(share)} ({_where(run)})"
    return ""


def overlapping(_base: Sequence[Run], runs: Sequence[Run]) -> str:
    median = statistics.median(_together(_log(run)) for run in runs)
    if median < MIN_OVERLAP:
        return f"{_together_text(median)} (median), less than {MIN_OVERLAP}"
    return ""


def _together(log: ScaleLog) -> float:
    """By the guest's word, by the CPUs' counters, and by each worker's presence on a CPU: the lowest counts."""
    section, quickest = log.result.ns, min(worker.runtime_ns for worker in log.workers)
    if quickest == 0:
        return 0.0
    said = min(log.result.overlap, accounted_overlap(log)) * section / quickest
    present = min(worker.runtime_ns / ticks_to_ns(log, worker.end) if worker.end else 0.0 for worker in log.workers)
    return min(said, present, 1.0)


def ticks_to_ns(log: ScaleLog, ticks: int) -> float:
    return ticks / log.tsc_hz * 1e9


def _together_text(share: float) -> str:
    return f"all workers ran together in {share:.2f} of the time that the quickest of them took"


def _clock_error(run: Run, share: float, slack_ns: float) -> float:
    """The difference between the host's and the guest's time, 1.0 being the most that is allowed."""
    log = _log(run)
    return (log.host_ns - log.result.ns) / (share * log.result.ns + slack_ns)


def own_clock(base: Sequence[Run], runs: Sequence[Run]) -> str:
    """The guest does not contradict itself."""
    for run in [*base, *runs]:
        log = _log(run)
        own = (
            ("its ticks", ticks_to_ns(log, log.result.ticks), OWN_CLOCK_SHARE * log.result.ns),
            ("its phases", log.end_ns - log.begin_ns, CLOCK_SHARE * log.result.ns + CLOCK_NS),
        )
        for what, other, limit in own:
            if abs(other - log.result.ns) > limit:
                return f"the guest says {log.result.ns / 1e6:.0f} ms, {what} {other / 1e6:.0f} ms ({_where(run)})"
    return ""


def guest_clock_each(base: Sequence[Run], runs: Sequence[Run]) -> str:
    for run in [*base, *runs]:
        if abs(_clock_error(run, CLOCK_SHARE_EACH, CLOCK_NS_EACH)) > 1:
            return _clock_text(run)
    return ""


def guest_clock(base: Sequence[Run], runs: Sequence[Run]) -> str:
    for group in (base, runs):
        median = statistics.median(_clock_error(run, CLOCK_SHARE, CLOCK_NS) for run in group)
        if abs(median) > 1:
            return _clock_text(min(group, key=lambda run: abs(_clock_error(run, CLOCK_SHARE, CLOCK_NS) - median)))
    return ""


def _clock_text(run: Run) -> str:
    log = _log(run)
    return f"the guest says {log.result.ns / 1e6:.0f} ms, the host's clock {log.host_ns / 1e6:.0f} ms ({_where(run)})"


def long_enough(_base: Sequence[Run], runs: Sequence[Run]) -> str:
    median = statistics.median(run.ns for run in runs)
    if median < MIN_SECTION_NS:
        return f"a timed section of {median / 1e6:.0f} ms is too short, {MIN_SECTION_NS / 1e6:.0f} ms are needed"
    return ""


def small_server(base: Sequence[Run], runs: Sequence[Run]) -> str:
    """What the scheduler server takes of the CPUs is next to nothing while nothing changes: in instructions, which time stands for,
    but where kernel mode is interpreted."""
    if runs[0].interprets_kernel:
        return ""
    for group in (base, runs):
        share = statistics.median(_log(run).system_share for run in group)
        if share > MAX_SYSTEM_SHARE:
            text = f"the server and the root task took {100 * share:.2f} % of the time in which the CPUs worked (median)"
            return f"{text}, more than {100 * MAX_SYSTEM_SHARE:g} %"
    return ""


def quiet_timers(base: Sequence[Run], runs: Sequence[Run]) -> str:
    """With one runnable thread on a CPU none is due; another thread's dispatch there explains one each. An agent that was
    at work as the section began, which a busy host can make long, explains AGENT_BEFORE: the end of its budget, and before it
    one where the timer was early."""
    for run in [*base, *runs]:
        for cpu in _log(run).cpus:
            explained = AGENT_BEFORE + cpu.system_dispatches + cpu.agent_dispatches
            if cpu.timer_interrupts > explained:
                counts = f"{cpu.timer_interrupts} timer interrupts on CPU {cpu.index}, {explained} explained"
                return f"{counts} ({_where(run)})"
    return ""


def quiet_host(base: Sequence[Run], runs: Sequence[Run]) -> str:
    """The baseline needs the same CPUs free: a host that is busy only then would make the speedup larger."""
    wanted = runs[0].step.cpus
    for group in (base, runs):
        free = statistics.median(run.free_cpus for run in group)
        if free < wanted - BUSY_CPUS:
            return f"busy host: {free:.2f} CPUs were free (median), {wanted} are needed"
    return ""


def kept_busy(base: Sequence[Run], runs: Sequence[Run], pairs: int) -> str:
    """Of `pairs` planned, so many runs had a busy host already that the median must be that of a busy host."""
    wanted = runs[0].step.cpus
    for group in (base, runs):
        busy = [run.free_cpus for run in group if run.free_cpus < wanted - BUSY_CPUS]
        if 2 * len(busy) > pairs:
            text = f"busy host: {statistics.median(busy):.2f} CPUs were free in {len(busy)} of {pairs} runs"
            return f"{text} (median of these), {wanted} are needed"
    return ""


RULES: tuple[Rule, ...] = (
    no_fallback, placed_by_server, no_calls, own_cpus, even_shares, quiet_host, overlapping_each, overlapping, own_clock,
    guest_clock_each, guest_clock, long_enough, small_server, quiet_timers,
)  # fmt: skip
EVERY_RUN: tuple[Rule, ...] = (
    no_fallback, placed_by_server, no_calls, own_cpus, even_shares, overlapping_each, own_clock, guest_clock_each,
    quiet_timers,
)  # fmt: skip
# Those of them that the host's noise can break: whose fault it was is better judged by a whole session.
DISTURBED_BY_HOST: tuple[Rule, ...] = (overlapping_each, guest_clock_each)
