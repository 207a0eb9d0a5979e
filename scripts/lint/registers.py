#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The kernel uses general registers only: user threads' vector and x87 state is in the others.

Instructions that save, restore or reset that state as a whole are allowed. The section .boot is left out: a few dozen
hand-written instructions that run before there is any thread, in 32-bit mode, which a 64-bit disassembly misreads.
"""

import argparse
import re

import common

REGISTER = re.compile(r"%(?:[xyz]mm\d+|mm\d|st\b|k[0-7]\b|tmm\d)")
X87 = re.compile(r"f\w+|wait$")  # every mnemonic with an f first is one
ALLOWED = {"fxsave", "fxsave64", "fxrstor", "fxrstor64", "fninit"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    image = parser.parse_args().image
    command = ["llvm-objdump-19", "--disassemble", "--no-show-raw-insn", "--demangle", image]
    listing = common.output_of(command)
    problems = []
    instructions = 0
    section = function = "?"
    for line in listing.splitlines():
        if header := re.fullmatch(r"Disassembly of section (.*):", line):
            section = header[1]
        elif section == ".boot":
            continue
        elif header := re.fullmatch(r"[0-9a-f]+ <(.*)>:", line):
            function = header[1]
        elif instruction := re.match(r"\s*([0-9a-f]+):\s+(\S.*)", line):
            instructions += 1
            text = instruction[2].split("#")[0]
            mnemonic = text.split()[0]
            if REGISTER.search(text) or X87.match(mnemonic) and mnemonic not in ALLOWED:
                problems.append(f"{function}: {instruction[1]}: {' '.join(text.split())}")
    common.finish(problems, instructions, "instructions")


if __name__ == "__main__":
    main()
