# SPDX-License-Identifier: MIT
"""Configures and builds, with the same commands that a person would type."""

from __future__ import annotations

import sys
from pathlib import Path

from .artifacts import ROOT
from .child import call
from .errors import EnvironmentProblem


def _call(command: list[str]) -> None:
    """What it prints goes to stderr: stdout is for results."""
    status = call(command, stdout=sys.stderr)
    if status != 0:
        raise EnvironmentProblem(f"{' '.join(command[:2])} failed with status {status}")


def configure_and_build(build_dir: Path) -> None:
    if not (build_dir / "build.ninja").exists():
        _call(["cmake", "-S", str(ROOT), "-B", str(build_dir), "-G", "Ninja"])
    _call(["cmake", "--build", str(build_dir), "--target", "image"])  # kernel and archive with it; no host tests
