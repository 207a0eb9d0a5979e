# SPDX-License-Identifier: MIT
"""What a result must say about where it comes from."""

from __future__ import annotations

import datetime
import subprocess
from dataclasses import dataclass

from . import host, qemu
from .artifacts import ROOT

_INSTALLED_FROM = ROOT / "scripts" / "installed-from"  # cmake --install writes it


@dataclass(frozen=True)
class Provenance:
    date: str
    git: str
    qemu: str
    host_cpus: int
    host_model: str


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def git_state() -> str:
    """The commit, with "-dirty" where files that git knows differ from it; "unknown" without a repository. Where the
    scripts were installed, that of the tree which they came from, with "-installed"."""
    if _INSTALLED_FROM.exists():
        return f"{_INSTALLED_FROM.read_text().strip()}-installed"
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return "unknown"
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return commit if changes == "" else f"{commit}-dirty"


def gather() -> Provenance:
    return Provenance(
        date=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        git=git_state(),
        qemu=qemu.version(),
        host_cpus=host.cpus(),
        host_model=host.cpu_model(),
    )
