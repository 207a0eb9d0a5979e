# SPDX-License-Identifier: MIT
"""The numbers of the ABI: what microkernel/abi/*.hpp says, and what each version said before (numbers-VERSION.txt), where the
layouts (abi_layouts.py) stand, too."""

import pathlib
import re

FOLDER = pathlib.Path("microkernel/abi")
ENUM = re.compile(r"enum class (\w+)[^{;]*\{(.*?)\};", re.DOTALL)
VERSION = re.compile(r"\bkAbiVersion\s*=\s*(\d+)\s*;")
NUMBER = re.compile(r"-?(?:0x[0-9a-fA-F]+|\d+)")

Numbers = dict[str, dict[str, int]]  # enumeration -> enumerator -> number


def without_comments(text: str) -> str:
    """Of C++: comments and string literals gone, line numbers kept."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
    return pattern.sub(lambda match: '""' if match[0][0] == '"' else "\n" * match[0].count("\n"), text)


def read_headers(root: pathlib.Path) -> tuple[Numbers, int, list[str]]:
    """The enumerations, the version, and what cannot be in any version."""
    numbers: Numbers = {}
    versions, problems = [], []
    for path in sorted((root / FOLDER).glob("*.hpp")):
        text = without_comments(path.read_text())
        versions += VERSION.findall(text)
        for name, body in ENUM.findall(text):
            known = numbers.setdefault(name, {})
            for entry in filter(None, (part.strip() for part in body.split(","))):
                enumerator, _, value = (part.strip() for part in entry.partition("="))
                if not NUMBER.fullmatch(value):
                    problems.append(f"{path.name}: {name}::{enumerator} is given no number")
                    continue
                known[enumerator] = int(value, 0)
            taken: dict[int, str] = {}
            for enumerator, value in known.items():
                other = taken.setdefault(value, enumerator)
                if other != enumerator:
                    problems.append(f"{path.name}: {name}::{enumerator} has the number of {other}")
    if len(versions) != 1:
        problems.append(f"{FOLDER}: kAbiVersion is defined {len(versions)} times")
    return numbers, int(versions[0]) if versions else 0, problems


def shown(name: str, value: int) -> str:
    return f"0x{value:04x}" if name == "Op" or name.endswith(".mask") else str(value)


def write_snapshot(path: pathlib.Path, numbers: Numbers) -> None:
    lines = [f"{name} {enumerator} {shown(name, value)}\n" for name, known in sorted(numbers.items())
             for enumerator, value in sorted(known.items(), key=lambda item: abs(item[1]))]
    path.write_text("".join(lines))


def read_snapshot(path: pathlib.Path) -> Numbers:
    numbers: Numbers = {}
    for line in path.read_text().splitlines():
        name, enumerator, value = line.split()
        numbers.setdefault(name, {})[enumerator] = int(value, 0)
    return numbers


def check_snapshot(root: pathlib.Path, numbers: Numbers, version: int, update: bool) -> list[str]:
    """A number that a version has had stays. New ones are added by `update`, which changes and removes none."""
    path = root / FOLDER / f"numbers-{version}.txt"
    if not path.exists():
        if update:
            write_snapshot(path, numbers)
            return []
        return [f"{path.name}: missing; scripts/lint/abi.py --update writes it"]
    before = read_snapshot(path)
    problems, added = [], []
    for name in sorted(before.keys() | numbers.keys()):
        old, new = before.get(name, {}), numbers.get(name, {})
        for enumerator, value in old.items():
            if new.get(enumerator) != value:
                now = shown(name, new[enumerator]) if enumerator in new else "gone"
                problems.append(f"{name}::{enumerator} was {shown(name, value)} in version {version} and is {now}: "
                                "raise kAbiVersion")
        added += [f"{name}::{enumerator}" for enumerator in new if enumerator not in old]
    if added and update and not problems:
        write_snapshot(path, numbers)
    elif added:
        problems.append(f"{path.name} lacks {', '.join(added)}; scripts/lint/abi.py --update adds them")
    return problems
