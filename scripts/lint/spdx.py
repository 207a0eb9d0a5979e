#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every source file says its licence in one of its first three lines."""

import common


def main() -> None:
    root = common.parser(__doc__).parse_args().root
    names = [name for name in common.tree_files(root) if common.is_source(root, name)]
    problems = []
    for name in names:
        head = (root / name).read_text().splitlines()[:3]
        if not any("SPDX-License-Identifier: MIT" in line for line in head):
            problems.append(f"{name}: no SPDX-License-Identifier in the first three lines")
    common.finish(problems, len(names), "files")


if __name__ == "__main__":
    main()
