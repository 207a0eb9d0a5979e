# SPDX-License-Identifier: MIT
"""runs.csv: every verified run, ceilings included, one line each; lists are joined by spaces."""

from __future__ import annotations

import csv
import io

from .outcome import Outcome
from .rows import row


def _cell(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def render(outcome: Outcome) -> str:
    rows = [row(run, outcome.options.target.row) for run in [*outcome.measured, *outcome.ceilings]]
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _cell(value) for key, value in each.items()} for each in rows)
    return text.getvalue()
