#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks that clang-format has nothing to change; with --fix, changes it."""

import subprocess

import common


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--fix", action="store_true")
    arguments = parser.parse_args()
    names = [str(name) for name in common.tree_files(arguments.root) if name.suffix in common.CPP_SUFFIXES]
    problems = []
    if names:
        mode = ["-i"] if arguments.fix else ["--dry-run", "-Werror", "-ferror-limit=1"]
        result = subprocess.run(["clang-format-19", *mode, *names], cwd=arguments.root, stderr=subprocess.PIPE, text=True)
        problems = [line for line in result.stderr.splitlines() if ": error: " in line]
        if result.returncode != 0 and not problems:
            problems = [result.stderr]
        if problems:
            print("scripts/lint/format.py --fix formats everything.")
    common.finish(problems, len(names), "files")


if __name__ == "__main__":
    main()
