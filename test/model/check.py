#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Explores one Promela model with spin: all of it without an error, or, with --rejects, up to the error that is expected.

A broken variant passes only if spin finds an error in it and the failed assertion's line holds the text given; so the model
is able to see that mistake, and sees it for the right reason. Exit: 0 as expected, 1 not, 2 the tools failed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from coxswain import transitions  # noqa: E402

_MEMORY_MIB = 6000
_DEPTH = 100_000
_TRAIL_LINES = 60


class ToolFailed(Exception):
    pass


def _call(command: list[str], where: Path, good: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, errors="replace")
    if done.returncode not in good:
        raise ToolFailed(f"{command[0]}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def explore(model: Path, defines: list[str], compiler: str, collapse: bool, brief: bool, where: Path) -> str:
    """Generates, compiles and runs the verifier in `where` -> what it printed."""
    (where / model.name).write_text(model.read_text())
    (where / "transitions.h").write_text(transitions.promela())
    preprocessor = f"-P{compiler} -E -x c"
    generated = _call(["spin", preprocessor, *defines, "-a", model.name], where)
    if "rror" in generated:
        raise ToolFailed(generated)
    options = ["-DSAFETY", f"-DMEMLIM={_MEMORY_MIB}", *(["-DCOLLAPSE"] if collapse else [])]
    # Within small bounds, compiling is what takes the time.
    _call([compiler, "-O1" if collapse else "-O0", "-w", *options, "-o", "pan", "pan.c"], where)
    return _call(["./pan", f"-m{_DEPTH // 10 if brief else _DEPTH}", f"-w{18 if brief else 22 if collapse else 20}"], where)


def failure(output: str, model: Path, trail: Callable[[], str]) -> str | None:
    """-> the error that was found: the assertion's line in the model, with its comment; or spin's own words."""
    found = re.search(r"^pan:\d+: (.*?)(?: \(at depth \d+\))?$", output, re.MULTILINE)
    if not found:
        return None
    if at := re.search(r":(\d+), Error: assertion violated", trail()):
        return f"line {at[1]}: {model.read_text().splitlines()[int(at[1]) - 1].strip()}"
    return found[1]


def incomplete(output: str) -> str | None:
    """-> why the search, which found no error, does not prove anything; None if it was complete."""
    for sign in ("max search depth too small", "Search not completed", "out of memory", "hit the", "BITSTATE", "truncated"):
        if sign in output:
            return sign
    if not re.search(r"errors: 0$", output, re.MULTILINE) or "Full statespace search" not in output:
        return "no report of a full search"
    return None


def unreached(output: str) -> list[str]:
    """-> statements of the model that no run came to; ends of loops without an end do not count."""
    return [line.strip() for line in re.findall(r"^\t\S*, state \d+, .*$", output, re.MULTILINE) if '"-end-"' not in line]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("model", type=Path)
    parser.add_argument("-D", dest="defines", action="append", default=[], metavar="NAME[=VALUE]")
    parser.add_argument("--compiler", default="clang-19")
    parser.add_argument("--collapse", action="store_true", help="compress states: slower, for larger bounds")
    parser.add_argument("--rejects", metavar="TEXT", help="an error is expected, in whose line this text stands")
    parser.add_argument("--show-unreached", action="store_true")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        defines = [f"-D{define}" for define in args.defines]
        try:
            output = explore(args.model, defines, args.compiler, args.collapse, bool(args.rejects), where)
            replay = ["spin", f"-P{args.compiler} -E -x c", *defines, "-t", "-p", args.model.name]
            error = failure(output, args.model, lambda: _call(replay, where, (0, 1)))
            states = re.search(r"(\d+) states, stored", output)
            print(f"{args.model.name} {' '.join(args.defines)}: {states[1] if states else '?'} states, {error or 'no error'}")
            if args.rejects:
                if error and args.rejects in error:
                    return 0
                print(f"expected an error with: {args.rejects}")
                return 1
            if error:
                print("the way to it, its end:", *_call(replay, where, (0, 1)).splitlines()[-_TRAIL_LINES:], sep="\n")
                return 1
            if (why := incomplete(output)) is not None:
                print(f"the search proves nothing: {why}", output, sep="\n")
                return 1
            if args.show_unreached:
                print(*unreached(output), sep="\n")
            return 0
        except ToolFailed as failed:
            print(failed)
            return 2


if __name__ == "__main__":
    sys.exit(main())
