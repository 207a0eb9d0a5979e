# SPDX-License-Identifier: MIT
"""Made-up guest output: an honest run by default, and every field open to a lie."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from coxswain.boot import Boot  # noqa: E402
from coxswain.guest_log import Line  # noqa: E402
from coxswain.plan import TARGETS, Step, Target  # noqa: E402
from coxswain.run import Run, judge_run  # noqa: E402

TSC_HZ = 2_000_000_000
TARGET = TARGETS["process-scale"]
THREADS = TARGETS["thread-scale"]
PRIMES = 664579  # below ten million
CHECKSUM = 0x1234ABCD


def _record(kind: str, fields: dict[str, object], changes: dict[str, object]) -> str:
    merged = {**fields, **changes}
    return f"{kind}: " + " ".join(f"{key}={value}" for key, value in merged.items() if value is not None)


def scale_texts(
    workers: int = 2,
    cpus: int | None = None,
    server: bool = True,
    policy: str = "round_robin",
    ns: int = 1_000_000_000,
    worker_changes: dict[int, dict[str, object]] | None = None,
    cpu_changes: dict[int, dict[str, object]] | None = None,
    result_changes: dict[str, object] | None = None,
    begin_ns: int = 50_000_000,
    target: Target = TARGET,
) -> list[str]:
    """The lines of a run whose workers each ran alone on one CPU from the release to the end."""
    cpus = cpus or workers
    ticks = ns * TSC_HZ // 1_000_000_000
    on = "on" if server else "off"
    texts = [
        f"coxswain: kernel version=0.1.0 cpus={cpus} boot=pvh tsc_hz={TSC_HZ} timer=pit",
        "run: phase=first-user",
        f"run: phase=ready workers={workers} policy={policy} server={on}",
        f"run: phase=begin ns={begin_ns}",
        f"run: phase=end ns={begin_ns + ns}",
    ]
    for index in range(workers):
        count = PRIMES // workers + (PRIMES % workers if index == 0 else 0)
        fields: dict[str, object] = {
            "index": index, "count": count, "checksum": "0x1", "start": 1000, "end": ticks,
            "runtime_ns": ns, "cpu": index % cpus, "wakes": 1, "calls": 0 if target.counts_calls else None,
        }  # fmt: skip
        texts.append(_record("worker", fields, (worker_changes or {}).get(index, {})))
    for index in range(cpus):
        fields = {
            "index": index, "server_dispatches": 1 if server else 0, "fallback_dispatches": 0,
            "system_dispatches": 0, "agent_dispatches": 1 if server else 0, "commits": 1 if server else 0,
            "commits_refused": 0, "timer_interrupts": 0, "domain_ticks": ticks if index < workers else 0,
            "system_ticks": ticks // 1000 if server else 0, "idle_ticks": 0,
        }  # fmt: skip
        texts.append(_record("cpu", fields, (cpu_changes or {}).get(index, {})))
    fields = {
        "target": target.name, "workers": workers, "cpus": cpus, "policy": policy, "server": on,
        "size": 10_000_000, "count": PRIMES, "expected": PRIMES, "checksum": hex(CHECKSUM), "ticks": ticks,
        "ns": ns, "commits": workers if server else 0, "fallback_dispatches": 0, "overlap": "0.998",
        "verdict": "ok",
    }  # fmt: skip
    texts.append(_record("result", fields, result_changes or {}))
    return texts


def timed(texts: list[str], section_ns: int = 1_000_000_000, late_ns: int = 2_000_000) -> list[Line]:
    """As they arrive: a millisecond apart, but the timed section takes its time, and `late_ns` more."""
    now, lines = 0, []
    for text in texts:
        now += 1_000_000
        if text.startswith("run: phase=end"):
            now += section_ns + late_ns - 1_000_000
        lines.append(Line(now, text))
    return lines


def boot(lines: list[Line], status: int = 33, timed_out: bool = False, stderr: str = "") -> Boot:
    end = lines[-1].at_ns if lines else 0
    return Boot(["qemu"], status, timed_out, 60.0, lines, stderr, started_ns=0, ended_ns=end, cpu_s=1.0)


def boot_of(texts: list[str], **changes: object) -> Boot:
    return boot([Line(number, text) for number, text in enumerate(texts)], **changes)  # type: ignore[arg-type]


def scale_run(
    workers: int = 2,
    repetition: int = 0,
    server: bool = True,
    ns: int = 1_000_000_000,
    free_cpus: float = 2.0,
    late_ns: int = 2_000_000,
    oversubscribed: bool = False,
    host_ns: int | None = None,
    target: Target = TARGET,
    **lies: object,
) -> Run:
    step = Step(repetition, workers, workers, server, oversubscribed)
    texts = scale_texts(workers, server=server, ns=ns, target=target, **lies)  # type: ignore[arg-type]
    lines = timed(texts, ns if host_ns is None else host_ns, late_ns)
    return judge_run(step, boot(lines), target, "round_robin", free_cpus)


def session(pairs: int = 15, one_ns: int = 2_000_000_000, two_ns: int = 1_040_000_000,
            ceiling_ns: int = 1_030_000_000, target: Target = TARGET, first: int = 0, **of_two: object) -> list[Run]:  # fmt: skip
    """Interleaved pairs of 1 and 2 workers with their ceilings; `of_two` goes to the runs of 2 under the server."""
    runs = []
    for repetition in range(first, first + pairs):
        runs += [
            scale_run(1, repetition, True, one_ns, target=target),
            scale_run(2, repetition, True, two_ns, target=target, **of_two),  # type: ignore[arg-type]
            scale_run(1, repetition, False, one_ns, target=target),
            scale_run(2, repetition, False, ceiling_ns, target=target),
        ]
    return runs


def suite_texts(cases: int = 3, failing: dict[int, str] | None = None, **changes: object) -> list[str]:
    failing = failing or {}
    texts = [f"suite: name=ring cases={changes.get('announced', cases)}"]
    for index in range(cases):
        if index in failing:
            texts.append(f'case: name=case{index} result=fail message="{failing[index]}"')
        else:
            texts.append(f"case: name=case{index} result=pass")
    verdict = "failed" if failing else "ok"
    texts.append(f"suite: name=ring passed={cases - len(failing)} failed={len(failing)} verdict={verdict}")
    return texts
