# SPDX-License-Identifier: MIT
"""Panics and faults with function, file and line: a panic's addresses are the kernel's, a fault's its program's."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from .artifacts import ROOT, Artifacts
from .ending import panic_lines
from .errors import EnvironmentProblem
from .guest_log import Line, clean

_TOOL = "llvm-symbolizer-19"
_FRAME = re.compile(r"panic: frame=(0x[0-9a-fA-F]+)")
_FAULT = re.compile(r"fault: process=(\S+) .*\brip=(0x[0-9a-fA-F]+)")
_TO_BUILD = re.compile(r"(?:\S*/)?\.\./")  # where the compiler was given paths relative to the build tree


def _names(binary: Path, addresses: list[str]) -> list[str]:
    """For each address "function at file:line", inlined callers behind it; "" where nothing is known."""
    tool = shutil.which(_TOOL)
    if tool is None or not binary.exists() or not addresses:
        return [""] * len(addresses)
    done = subprocess.run(
        [tool, f"--obj={binary}", "--output-style=LLVM", "--pretty-print", *addresses],
        capture_output=True,
        text=True,
        check=False,
    )
    # Answers are separated by empty lines; an inlined call has several lines.
    text = _TO_BUILD.sub("", done.stdout.replace(f"{ROOT}/", "")).strip("\n")
    answers = [" ".join(part.split("\n")) for part in text.split("\n\n")]
    if done.returncode != 0 or len(answers) != len(addresses):
        return [""] * len(addresses)
    return ["" if answer.startswith("??") else answer for answer in answers]


def _address(kernel: Path, name: str) -> str:
    done = subprocess.run(["llvm-nm-19", str(kernel)], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        address, _, rest = line.partition(" ")
        if rest[2:] == name:
            return f"0x{address}"
    raise EnvironmentProblem(f"{kernel} has no symbol {name}")


def fill_in(text: str, kernel: Path) -> str:
    """{symbol:NAME} becomes that symbol's address."""
    return re.sub(r"\{symbol:(\w+)\}", lambda match: _address(kernel, match[1]), text)


def _call_sites(addresses: list[str], trapped: bool) -> list[str]:
    """Frames say where calls return to; the call is right before that. A trap's first frame is the very place."""
    exact = 1 if trapped else 0
    return [*addresses[:exact], *(hex(int(address, 16) - 1) for address in addresses[exact:])]


def _panic(lines: list[Line], kernel: Path) -> list[str]:
    texts = panic_lines(lines)
    found = [_FRAME.match(text) for text in texts]
    trapped = any(text.startswith("panic: rip=") for text in texts)
    names = iter(_names(kernel, _call_sites([match[1] for match in found if match], trapped)))
    return [f"{text}  {next(names)}".rstrip() if match else text for text, match in zip(texts, found)]


def _faults(lines: list[Line], artifacts: Artifacts) -> list[str]:
    found = [match for match in (_FAULT.match(clean(line.text)) for line in lines) if match]
    known: dict[tuple[str, str], str] = {}
    for process in dict.fromkeys(match[1] for match in found):
        addresses = list(dict.fromkeys(match[2] for match in found if match[1] == process))
        program = artifacts.program(process)
        names = _names(program, addresses) if program else [""] * len(addresses)
        known |= {(process, address): name for address, name in zip(addresses, names)}
    return [f"{match.string}  {known[match[1], match[2]]}".rstrip() for match in found]


def explain(lines: list[Line], artifacts: Artifacts) -> list[str]:
    """Every line of a fault or a panic, and behind each address what stands there."""
    return [*_faults(lines, artifacts), *_panic(lines, artifacts.kernel)]
