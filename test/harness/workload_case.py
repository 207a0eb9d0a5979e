# SPDX-License-Identifier: MIT
"""Made-up output of a workload's run, every field open to a lie; and a recorded one, whose times can be stretched."""

from __future__ import annotations

import re
from pathlib import Path

from support import TSC_HZ, boot, boot_of  # first: it finds the scripts

from coxswain.guest_log import Line
from coxswain.trial import Step, Trial, judge_trial
from coxswain.workload_log import Asked
from coxswain.workloads import QUANTILES, WORKLOADS, Workload

MESSAGING = WORKLOADS["messaging"]
RECORDED = Path(__file__).with_name("recorded") / "messaging.log"
_TIMES = re.compile(r"\b((?:\w+_)?(?:ns|ticks))=(\d+)")
_RATE = re.compile(r"\bper_second=(\d+)")


def workload_texts(workload: Workload = MESSAGING, policy: str = "round_robin", cpus: int = 2, size: str = "default", seed: str = "1",
                   p50_ns: int = 10_000, changes: dict[str, object] | None = None) -> list[str]:  # fmt: skip
    """`changes`: fields of the record; None takes one away."""
    fields: dict[str, object] = {
        "name": workload.name, "size": size, "seed": seed, "cpus": cpus, "verified": "yes", "ns": 10_000_000,
        "ticks": 10_000_000 * TSC_HZ // 10**9, "operations": 1000, "per_second": 100_000, "commits": 1200,
        "server_dispatches": 1100, "fallback_dispatches": 0, "agent_dispatches": 1300,
    }  # fmt: skip
    for name in workload.series:
        fields[f"{name}_count"] = 1000
        for number, quantile in enumerate(QUANTILES):
            ns = p50_ns * (1 + number)
            fields |= {f"{name}_{quantile}_ns": ns, f"{name}_{quantile}_ticks": ns * TSC_HZ // 10**9}
    fields |= {metric.key: 7 for metric in workload.extra}
    fields |= changes or {}
    record = " ".join(f"{key}={value}" for key, value in fields.items() if value is not None)
    return [
        f"coxswain: kernel version=0.1.0 cpus={cpus} boot=pvh tsc_hz={TSC_HZ} timer=pit",
        f"suite: name={workload.name} cases=2",
        f"sched-server: policy={policy} agents={cpus} adopted=0",
        "case: name=server result=pass",
        f"workload: {record}",
        f"case: name={workload.name}.0 result=pass",
        f"suite: name={workload.name} passed=2 failed=0 verdict=ok",
    ]


def asked(policy: str = "round_robin", workload: Workload = MESSAGING) -> Asked:
    return Asked(workload, policy, cpus=2, size="default", seed=1)


def made_up(side: int = 0, repetition: int = 0, texts: list[str] | None = None, **lies: object) -> Trial:
    texts = workload_texts(**lies) if texts is None else texts  # type: ignore[arg-type]
    return judge_trial(Step(repetition, MESSAGING, side), boot_of(texts), asked(), 2.0)


def _stretched(text: str, factor: float) -> str:
    if not text.startswith("workload:"):
        return text
    text = _TIMES.sub(lambda match: f"{match[1]}={round(int(match[2]) * factor)}", text)
    return _RATE.sub(lambda match: f"per_second={round(int(match[1]) / factor)}", text)


def recorded(side: int, repetition: int, factor: float) -> Trial:
    """A real run under fifo, as if everything had taken `factor` times as long."""
    texts = RECORDED.read_text(encoding="utf-8").splitlines()
    lines = [Line(number, _stretched(text, factor)) for number, text in enumerate(texts)]
    return judge_trial(Step(repetition, MESSAGING, side), boot(lines), asked("fifo"), 2.0)
