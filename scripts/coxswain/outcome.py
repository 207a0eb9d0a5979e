# SPDX-License-Identifier: MIT
"""All that the reports of one session are written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .aggregate import Aggregate
from .claim import Claim
from .options import RunOptions
from .provenance import Provenance
from .qemu import Accelerator
from .run import Run


@dataclass(frozen=True)
class Outcome:
    options: RunOptions
    provenance: Provenance
    accelerator: Accelerator
    runs: Sequence[Run]
    aggregates: Sequence[Aggregate]
    claim: Claim
    notes: Sequence[str] = field(default=())

    @property
    def measured(self) -> list[Run]:
        """Under the server, verified: what the claim is about."""
        return [run for run in self.runs if run.verified and run.step.server]

    @property
    def ceilings(self) -> list[Run]:
        return [run for run in self.runs if run.verified and not run.step.server]

    @property
    def pairs(self) -> int:
        """Of the least measured number of workers above one."""
        return min((each.pairs for each in self.aggregates if each.workers > 1), default=0)
