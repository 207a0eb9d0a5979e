# SPDX-License-Identifier: MIT
"""Configures and builds, with the same commands that a person would type. Scripts that were installed have no source
tree beside them, and build only what has been configured."""

from __future__ import annotations

import sys
from pathlib import Path

from .artifacts import ROOT
from .child import call
from .errors import EnvironmentProblem, UsageError


def _call(command: list[str]) -> None:
    """What it prints goes to stderr: stdout is for results."""
    status = call(command, stdout=sys.stderr)
    if status != 0:
        raise EnvironmentProblem(f"{' '.join(command[:2])} failed with status {status}")


def configure_and_build(build_dir: Path) -> None:
    if not (build_dir / "build.ninja").exists():
        if not (ROOT / "CMakeLists.txt").exists():
            raise UsageError(f"{build_dir} is no build tree: --build-dir names that of a project built on this package")
        _call(["cmake", "-S", str(ROOT), "-B", str(build_dir), "-G", "Ninja"])
    _call(["cmake", "--build", str(build_dir), "--target", "image"])  # kernel and archive with it; no host tests
