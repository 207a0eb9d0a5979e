#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""No loadable segment is both writable and executable."""

import argparse
import re

import common


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="+")
    problems = []
    segments = 0
    for image in parser.parse_args().images:
        command = ["llvm-readelf-19", "--program-headers", "--wide", image]
        listing = common.output_of(command)
        # LOAD, offset, two addresses, two sizes, then the flags, which contain blanks
        loads = re.findall(r"^\s*LOAD(?:\s+0x[0-9a-f]+){5}\s+([RWE ]+?)\s+0x", listing, re.MULTILINE)
        if not loads:
            problems.append(f"{image}: no loadable segment")
        for flags in loads:
            segments += 1
            if "W" in flags and "E" in flags:
                problems.append(f"{image}: a segment is writable and executable")
    common.finish(problems, segments, "segments")


if __name__ == "__main__":
    main()
