# SPDX-License-Identifier: MIT
"""Which runs a session makes, and in what order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Target:
    """A scaling claim of its own: what it is called, the manifest that starts it, and the name of its rows."""

    name: str
    manifest: str
    row: str
    counts_calls: bool  # the kernel's count of each worker's calls is part of the record


TARGETS = {
    "process-scale": Target("smp-process-scale", "process-scale", "process", counts_calls=False),
    "thread-scale": Target("thread-scale", "thread-scale", "thread", counts_calls=True),
}


@dataclass(frozen=True)
class Step:
    repetition: int
    workers: int
    cpus: int
    server: bool  # False: the ceiling, each worker set on its CPU by the root task
    oversubscribed: bool  # more CPUs than the host has, or more workers than CPUs: shown, never claimed

    def name(self, row: str) -> str:
        return f"{row if self.server else 'ceiling'}/{self.workers}"


def make(workers: Sequence[int], cpus: Sequence[int], repeats: int, host_cpus: int) -> list[Step]:
    """W=1, W=2, … under the server, then the same without it, then again: what is compared stands side by side.

    A ceiling run places one worker on each CPU, so there is none for more workers than CPUs.
    """
    steps = []
    for repetition in range(repeats):
        for server in (True, False):
            for count, size in zip(workers, cpus):
                if server or count <= size:
                    beyond = size > host_cpus or count > size
                    steps.append(Step(repetition, count, size, server, beyond))
    return steps


def again(steps: Sequence[Step], repeats: int) -> list[Step]:
    """The same once more, as repetitions of their own behind those."""
    return [replace(step, repetition=step.repetition + repeats) for step in steps]
