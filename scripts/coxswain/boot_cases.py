# SPDX-License-Identifier: MIT
"""Tests that boot something and look at what it left: a script with named cases, of which CTest runs one at a time."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from . import signals


class Wrong(Exception):
    """What a case has found."""


def need(what: object, text: str) -> None:
    if not what:
        raise Wrong(text)


def run_case(name: str, about: str | None, cases: tuple[Callable[[Path], None], ...]) -> int:
    """SCRIPT --build DIR CASE -> the exit status: 0, or 1 and why on stdout."""
    by_name = {each.__name__: each for each in cases}
    made = argparse.ArgumentParser(description=about)
    made.add_argument("--build", type=Path, required=True)
    made.add_argument("case", choices=by_name)
    args = made.parse_args()
    signals.install()
    try:
        by_name[args.case](args.build)
    except Wrong as wrong:
        print(f"{name}.{args.case}: {wrong}")
        return 1
    return 0
