#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reports file sizes. Fails for a file above 400 lines that gives no reason ("Long because ...") in its first comment,
and for a kernel above 14,000 lines of code: comments and blank lines are free, so that nobody saves on those."""

import statistics
from pathlib import Path

import common

MAX_FILE = 400
MAX_KERNEL = 14_000
REASON_WITHIN = 12  # lines


def code_lines(path: Path) -> int:
    lines = (line.strip() for line in path.read_text().splitlines())
    return sum(1 for line in lines if line and not line.startswith("//"))


def main() -> None:
    root = common.parser(__doc__).parse_args().root
    names = [name for name in common.tree_files(root) if common.is_source(root, name)]
    problems = []
    groups: dict[str, list[int]] = {}
    for name in names:
        lines = (root / name).read_text().splitlines()
        groups.setdefault(name.parts[0] if len(name.parts) > 1 else ".", []).append(len(lines))
        if len(lines) > MAX_FILE and "Long because" not in "\n".join(lines[:REASON_WITHIN]):
            problems.append(f"{name}: {len(lines)} lines, and no reason in its first comment")

    print(f"{'folder':<14} {'files':>5} {'lines':>6} {'median':>6} {'p90':>5} {'max':>5}")
    for group, sizes in sorted(groups.items()):
        sizes.sort()
        p90 = sizes[min(len(sizes) - 1, len(sizes) * 9 // 10)]
        print(f"{group:<14} {len(sizes):>5} {sum(sizes):>6} {statistics.median(sizes):>6.0f} {p90:>5} {sizes[-1]:>5}")
    kernel = sum(code_lines(root / name) for name in names if name.parts[0] == "microkernel")
    print(f"microkernel: {kernel} lines of code")
    if kernel > MAX_KERNEL:
        problems.append(f"microkernel: {kernel} lines of code, more than {MAX_KERNEL}")
    common.finish(problems, len(names), "files")


if __name__ == "__main__":
    main()
