# SPDX-License-Identifier: MIT
"""What the host has to give: how many CPUs, and how many of them were free while something ran."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_IDLE, _IOWAIT = 3, 4  # columns of /proc/stat


def _quota() -> float | None:
    """CPUs that the control group allows, if it sets a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def cpus() -> int:
    """CPUs that this process may use at once, whatever else the machine has."""
    allowed = len(os.sched_getaffinity(0))
    quota = _quota()
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown CPU"


def has_hardware_virtualisation() -> bool:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return bool({"vmx", "svm"} & set(line.split()))
    return False


def _idle_seconds() -> float:
    allowed = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        columns = line.split()
        if columns and columns[0] in allowed:
            ticks += int(columns[1 + _IDLE]) + int(columns[1 + _IOWAIT])
    return ticks / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system


@dataclass(frozen=True)
class _Sample:
    at: float
    idle_s: float
    own_s: float


class FreeCpus:
    """Measures the CPUs that were free between its creation and `since`, those that we used ourselves included.

    A CPU that was neither idle nor used by us was used by somebody else, another virtual machine on the same
    host (steal) included: it was not free, whatever the load average says.
    """

    def __init__(self) -> None:
        self._first = self._sample()

    @staticmethod
    def _sample() -> _Sample:
        return _Sample(time.monotonic(), _idle_seconds(), _own_seconds())

    def since(self, child_s: float = 0.0) -> float:
        """`child_s`: CPU time of children that ended meanwhile."""
        first, last = self._first, self._sample()
        wall = max(last.at - first.at, 1e-3)
        ours = last.own_s - first.own_s + child_s
        return min(float(cpus()), (last.idle_s - first.idle_s + ours) / wall)


def free_now(seconds: float = 1.0) -> float:
    meter = FreeCpus()
    time.sleep(seconds)
    return meter.since()
