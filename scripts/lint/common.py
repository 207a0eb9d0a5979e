# SPDX-License-Identifier: MIT
"""What the checkers share: the files of the tree, and one way to report."""

import argparse
import pathlib
import re
import subprocess
import sys

CPP_SUFFIXES = {".cpp", ".hpp", ".h"}
SOURCE_SUFFIXES = CPP_SUFFIXES | {".S", ".ld", ".py", ".cmake", ".sh"}


def parser(description: str) -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    return result


def tree_files(root: pathlib.Path) -> list[pathlib.Path]:
    """Files that git tracks or would track, relative to root; every file where root is no repository."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode == 0 and (root / ".git").exists():
        names = {pathlib.Path(name) for name in result.stdout.split("\0") if name}
    else:
        names = {path.relative_to(root) for path in root.rglob("*") if path.relative_to(root).parts[0] != "build"}
    return sorted(name for name in names if (root / name).is_file())


def is_script(path: pathlib.Path) -> bool:
    with open(path, "rb") as file:
        return bool(re.match(rb"#!.*\b(bash|sh|python3)\b", file.readline()))


def is_source(root: pathlib.Path, name: pathlib.Path) -> bool:
    return (name.suffix in SOURCE_SUFFIXES or name.name == "CMakeLists.txt"
            or not name.suffix and is_script(root / name))


def output_of(command: list[str]) -> str:
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stderr.strip())
    return result.stdout


def finish(problems: list[str], checked: int, what: str) -> None:
    for problem in problems:
        print(problem)
    if checked == 0:
        print(f"nothing to check: no {what}")
        sys.exit(1)
    print(f"{checked} {what} checked, {len(problems)} problems")
    sys.exit(1 if problems else 0)
