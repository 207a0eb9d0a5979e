# SPDX-License-Identifier: MIT
"""The folder of one session: raw logs as they come, and at its end the reports and the link `latest`."""

from __future__ import annotations

import datetime
import os
import sys
from pathlib import Path

from . import plot, result_csv, result_json
from .errors import EnvironmentProblem, UsageError
from .options import STDOUT
from .outcome import Outcome


def make_folder(out: Path | None, build_dir: Path, target: str) -> Path:
    if out is not None:
        folder = out.absolute()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"--out {out}: there already, and not an empty folder")
    else:
        now = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
        folder = _free_name(build_dir / "results" / target / now)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"cannot make {folder}: {error.strerror}") from error
    return folder


def _free_name(wanted: Path) -> Path:
    """Two sessions may start in the same second."""
    candidate, number = wanted, 1
    while candidate.exists():
        number += 1
        candidate = wanted.with_name(f"{wanted.name}-{number}")
    return candidate


def point_latest(build_dir: Path, target: str, folder: Path) -> None:
    latest = build_dir / "results" / target / "latest"
    latest.parent.mkdir(parents=True, exist_ok=True)
    partial = latest.with_name(f"latest.{os.getpid()}")
    partial.unlink(missing_ok=True)
    partial.symlink_to(os.path.relpath(folder, latest.parent))
    partial.replace(latest)


def copy(text: str, where: str) -> None:
    if where == STDOUT:
        sys.stdout.write(text)
    elif where:
        try:
            Path(where).write_text(text, encoding="utf-8")
        except OSError as error:
            raise EnvironmentProblem(f"cannot write {where}: {error.strerror}") from error


def write(outcome: Outcome, folder: Path) -> Path | None:
    """Writes every report; returns the plot's path if there was something to plot."""
    options = outcome.options
    as_json, as_csv = result_json.render(outcome), result_csv.render(outcome)
    (folder / "result.json").write_text(as_json, encoding="utf-8")
    (folder / "runs.csv").write_text(as_csv, encoding="utf-8")
    drawn = None
    if outcome.aggregates:
        drawn = folder / "plot.svg"
        plot.write(outcome, drawn)
    point_latest(options.build_dir, options.target.name, folder)
    copy(as_json, options.json)
    copy(as_csv, options.csv)
    return drawn
