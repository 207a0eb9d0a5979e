# SPDX-License-Identifier: MIT
"""Where things lie in the source tree and in a build tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .errors import EnvironmentProblem

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Artifacts:
    build: Path

    @property
    def kernel(self) -> Path:
        return self.build / "coxswain.elf"

    @property
    def archive(self) -> Path:
        return self.build / "archive.cpio"

    @property
    def stripped_kernel(self) -> Path:
        """For an ISO: GRUB would read the debug information too."""
        stripped = self.build / "stripped" / "coxswain.elf"
        return stripped if stripped.exists() else self.kernel

    def require(self) -> None:
        for path in (self.kernel, self.archive):
            if not path.exists():
                raise EnvironmentProblem(f"{path} is missing: build first, with cmake --build {self.build}")
