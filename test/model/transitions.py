#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whether every row of the table of transitions is taken by scheduling.pml in one of these runs.

That the model takes no other is asserted in it. With --also there is one row more, which the first run does not take: then that is
to be found out.
Exit: 0 as expected, 1 not, 2 the tools failed.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from check import ToolFailed, explore, incomplete, transitions

ONE = ("THREADS=1", "BLOCKERS=1", "COVER")
RUNS = (
    ("KILL", "REUSE", *ONE),
    ("SUSPEND=1", *ONE),
    ("SUSPEND=1", "KILL", "THREADS=1", "BLOCKERS=0", "COVER"),
    ("RECALL", "SLICES=1", "HINTS", *ONE),
    ("LOSS=1", *ONE),
    ("SYSTEM", "SUSPEND=1", *ONE),
    ("SYSTEM", "KILL", *ONE),
)


def taken(model: Path, compiler: str, defines: tuple[str, ...]) -> set[str]:
    with tempfile.TemporaryDirectory() as folder:
        output = explore(model, [f"-D{define}" for define in defines], compiler, False, False, Path(folder))
    if (why := incomplete(output)) is not None:
        raise ToolFailed(f"{' '.join(defines)}: {why}\n{output}")
    return set(re.findall(r"^taken: (.*)$", output, re.MULTILINE))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--compiler", default="clang-19")
    parser.add_argument("--also", metavar="'NAME BEFORE AFTER'")
    args = parser.parse_args()
    if args.also:
        like = next(row for row in transitions.TRANSITIONS if row.name == args.also.split()[0])
        added = like._replace(before=args.also.split()[1], after=args.also.split()[2])
        transitions.TRANSITIONS = (*transitions.TRANSITIONS, added)
    rows = {f"{row.name} {row.before} {row.after}" for row in transitions.TRANSITIONS}
    model = Path(__file__).with_name("scheduling.pml")
    try:
        seen = set().union(*(taken(model, args.compiler, defines) for defines in (RUNS[:1] if args.also else RUNS)))
    except ToolFailed as failed:
        print(failed)
        return 2
    missing = rows - seen
    print(f"{len(rows)} rows, {len(rows & seen)} taken by the model")
    for row in sorted(missing):
        print(f"no run takes: {row}")
    return int(args.also not in missing if args.also else bool(missing))


if __name__ == "__main__":
    sys.exit(main())
