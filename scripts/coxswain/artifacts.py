# SPDX-License-Identifier: MIT
"""Where things lie in the source tree and in a build tree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .errors import EnvironmentProblem

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Artifacts:
    build: Path
    other_kernel: Path | None = None  # in place of the build tree's

    @property
    def kernel(self) -> Path:
        return self.other_kernel or self.build / "coxswain.elf"

    @property
    def archive(self) -> Path:
        return self.build / "archive.cpio"

    def program(self, name: str) -> Path | None:
        """Of a process with this name: its path in the archive, or the last part of it. None where that is not clear."""
        if not re.fullmatch(r"(\w[\w.-]*/)*\w[\w.-]*", name):
            return None  # the guest may call a process anything
        exact = self.build / "programs" / name
        if exact.is_file():
            return exact
        found = [path for path in (self.build / "programs").glob(f"*/{name}") if path.is_file()]
        return found[0] if len(found) == 1 else None

    @property
    def stripped_kernel(self) -> Path:
        """For an ISO: GRUB would read the debug information too."""
        stripped = self.build / "stripped" / "coxswain.elf"
        return stripped if stripped.exists() and not self.other_kernel else self.kernel

    def require(self) -> None:
        for path in (self.kernel, self.archive):
            if not path.exists():
                raise EnvironmentProblem(f"{path} is missing: build first, with cmake --build {self.build}")
