# SPDX-License-Identifier: MIT
"""One flat row for each run, the same in JSON and CSV."""

from __future__ import annotations

from .run import Run
from .rules import accounted_overlap


def row(run: Run, prefix: str) -> dict[str, object]:
    log = run.log
    assert log is not None
    result = log.result
    worked = max(log.worked_ticks, 1)
    calls = [worker.calls for worker in log.workers]
    return {
        "name": run.step.name(prefix),
        "run_name": run.step.name(prefix),
        "run_type": "iteration",
        "repetition_index": run.step.repetition,
        "threads": run.step.workers,
        "iterations": 1,
        "workers": result.workers,
        "cpus": result.cpus,
        "policy": result.policy,
        "server": run.step.server,
        "real_time": result.ns,
        "cpu_time": sum(worker.runtime_ns for worker in log.workers),
        "time_unit": "ns",
        "ticks": result.ticks,
        "size": result.size,
        "count": result.count,
        "expected_count": result.expected,
        "checksum": f"{result.checksum:#018x}",
        "commits": result.commits,
        "fallback_dispatches": result.fallback_dispatches,
        "overlap": result.overlap,
        "accounted_overlap": round(accounted_overlap(log), 4),
        "oversubscribed": run.step.oversubscribed,
        "share_per_cpu": [round(cpu.domain_ticks / worked, 4) for cpu in log.cpus],
        "system_share": round(log.system_share, 6),
        "server_dispatches_per_cpu": [cpu.server_dispatches for cpu in log.cpus],
        "commits_per_cpu": [cpu.commits for cpu in log.cpus],
        "timer_interrupts_per_cpu": [cpu.timer_interrupts for cpu in log.cpus],
        **({} if None in calls else {"calls_per_thread": calls}),
        "host_time": log.host_ns,
        "first_user_time": log.first_user_at_ns - run.boot.started_ns,
        "free_host_cpus": round(run.free_cpus, 2),
        "log": run.log_name,
    }
