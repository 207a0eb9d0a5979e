# SPDX-License-Identifier: MIT
"""Bootable ISOs, one per kernel, archive and command line, since GRUB's configuration holds the command line."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from .artifacts import ROOT, Artifacts
from .errors import EnvironmentProblem

_MAKER = ROOT / "cmake" / "make_image.py"
_KEEP = 16


def _key(artifacts: Artifacts, words: list[str]) -> str:
    digest = hashlib.sha256()
    for path in (artifacts.stripped_kernel, artifacts.archive, _MAKER):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update("\0".join(words).encode())
    return digest.hexdigest()[:16]


def iso_for(artifacts: Artifacts, words: list[str], make: bool = True) -> Path:
    """The ISO that boots with these kernel arguments; made now if there is none. With make=False only its name."""
    folder = artifacts.build / "iso"
    if not make:
        return folder / "made-for-this-command-line.iso"
    path = folder / f"{_key(artifacts, words)}.iso"
    if path.exists():
        path.touch()  # the youngest are kept
        return path
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{path.stem}.{os.getpid()}.partial"  # tests that run side by side may want the same one
    done = subprocess.run(
        [sys.executable, str(_MAKER), str(partial), str(artifacts.stripped_kernel), str(artifacts.archive), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise EnvironmentProblem(f"cannot make {path.name}: {(done.stderr or done.stdout).strip()}")
    partial.replace(path)
    _prune(folder)
    return path


def _prune(folder: Path) -> None:
    isos = sorted(folder.glob("*.iso"), key=lambda each: each.stat().st_mtime, reverse=True)
    for old in isos[_KEEP:]:
        old.unlink(missing_ok=True)  # a test beside this one may have been faster
