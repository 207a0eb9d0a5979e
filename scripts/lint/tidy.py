#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs clang-tidy on every C++ source of the compile database, each once: as host code where it is compiled so.

The unit tests are left out: Catch2's header takes longer to check than all the rest.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import tempfile

import common


def commands(build: pathlib.Path, root: pathlib.Path) -> dict[str, dict]:
    """One entry of the database for each C++ source below root."""
    left_out = root / "test" / "unit"
    chosen: dict[str, dict] = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if path.suffix == ".cpp" and root in path.parents and left_out not in path.parents:
            if entry["file"] not in chosen or "none-elf" not in entry["command"]:
                chosen[entry["file"]] = entry
    return chosen


def check(database: str, root: pathlib.Path, file: str) -> str:
    command = ["clang-tidy-19", "--quiet", f"--config-file={root}/.clang-tidy", "-p", database, file]
    result = subprocess.run(command, capture_output=True, text=True)
    return result.stdout + result.stderr if result.returncode != 0 else ""


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    chosen = commands(arguments.build, arguments.root)
    with tempfile.TemporaryDirectory() as database, concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        (pathlib.Path(database) / "compile_commands.json").write_text(json.dumps(list(chosen.values())))
        outputs = pool.map(lambda file: check(database, arguments.root, file), chosen)
        problems = [output for output in outputs if output]
    common.finish(problems, len(chosen), "files")


if __name__ == "__main__":
    main()
