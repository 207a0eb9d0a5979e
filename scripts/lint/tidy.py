#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs clang-tidy on every C++ source of the compile database, each once: as host code where it is compiled so.

Tests are left out, to stay fast. A file that was clean is checked again when it, a header of the project that it
includes, its command or the configuration changed.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import tempfile

import common


def commands(build: pathlib.Path, root: pathlib.Path) -> dict[str, dict]:
    """One entry of the database for each C++ source below root."""
    left_out = root / "test"
    chosen: dict[str, dict] = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if path.suffix == ".cpp" and root in path.parents and left_out not in path.parents:
            if entry["file"] not in chosen or "none-elf" not in entry["command"]:
                chosen[entry["file"]] = entry
    return chosen


def headers(build: pathlib.Path, root: pathlib.Path) -> dict[str, list[pathlib.Path]]:
    """For each object file, what Ninja knows it to depend on."""
    listing = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], capture_output=True, text=True).stdout
    result: dict[str, list[pathlib.Path]] = {}
    for line in listing.splitlines():
        if target := re.match(r"(\S.*): #deps \d+, .*\(VALID\)", line):
            result[target[1]] = current = []
        elif line.startswith("    ") and root in (path := build / line.strip()).parents:
            current.append(path)
    return result


def digest(entry: dict, known: dict[str, list[pathlib.Path]], root: pathlib.Path) -> str | None:
    """Of all that the result depends on; None if Ninja has not compiled the file yet."""
    words = shlex.split(entry["command"])
    included = known.get(words[words.index("-o") + 1])
    if included is None:
        return None
    text = hashlib.sha256(entry["command"].encode())
    for path in [root / ".clang-tidy", pathlib.Path(__file__), pathlib.Path(entry["file"]), *included]:
        text.update(path.read_bytes() if path.exists() else b"gone")
    return text.hexdigest()


def check(database: str, root: pathlib.Path, file: str) -> str:
    command = ["clang-tidy-19", "--quiet", f"--config-file={root}/.clang-tidy", "-p", database, file]
    result = subprocess.run(command, capture_output=True, text=True)
    return result.stdout + result.stderr if result.returncode != 0 else ""


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    build, root = arguments.build.resolve(), arguments.root.resolve()
    chosen = commands(build, root)
    known = headers(build, root)
    digests = {file: digest(entry, known, root) for file, entry in chosen.items()}

    clean_file = build / "lint-tidy.json"
    clean = json.loads(clean_file.read_text()) if clean_file.exists() else {}
    files = [file for file in chosen if digests[file] is None or clean.get(file) != digests[file]]
    with tempfile.TemporaryDirectory() as database, concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        (pathlib.Path(database) / "compile_commands.json").write_text(json.dumps(list(chosen.values())))
        outputs = dict(zip(files, pool.map(lambda file: check(database, root, file), files)))
    dirty = {file for file, output in outputs.items() if output}
    clean_file.write_text(json.dumps({file: digests[file] for file in chosen if file not in dirty}))
    print(f"{len(chosen) - len(files)} files were clean before and have not changed")
    common.finish([outputs[file] for file in sorted(dirty)], len(chosen), "files")


if __name__ == "__main__":
    main()
