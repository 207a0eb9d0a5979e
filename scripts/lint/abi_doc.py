# SPDX-License-Identifier: MIT
"""What docs/abi.md says: calls, errors, operations with their number, right and errors.

It reads tables: `## Calls` (name, number; and name, errors), `## Errors` (name, number; and *group*, errors), and
`## Operations` with a `### Type (0xNN)` for each type: name, number, perhaps right, what it does, errors. A type whose table
has no right says it in a sentence: "All need `kManage`, but `kA` and `kB` `kRead`, and `kC` `kWrite`."
"""

import dataclasses
import pathlib
import re

RIGHTS = {"kRead", "kWrite", "kExecute", "kManage", "kGrant"}
NAME = re.compile(r"`(k[A-Z]\w*)`")


@dataclasses.dataclass
class Operation:
    number: int
    rights: set[str]
    errors: set[str]


@dataclasses.dataclass
class Document:
    calls: dict[str, int] = dataclasses.field(default_factory=dict)
    call_errors: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    errors: dict[str, int] = dataclasses.field(default_factory=dict)
    operations: dict[str, Operation] = dataclasses.field(default_factory=dict)
    problems: list[str] = dataclasses.field(default_factory=list)


def enumerator(name: str) -> str:
    return "k" + "".join(word.capitalize() for word in name.split("_"))


def sections(text: str, mark: str) -> dict[str, str]:
    parts = re.split(rf"^{mark} (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def rows(text: str) -> list[list[str]]:
    lines = (line.strip() for line in text.splitlines())
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line.startswith("|")]


def rights_by_sentence(text: str) -> dict[str | None, str]:
    """None: of all others."""
    match = re.search(r"All need `(k\w+)`(.*?)\.\s", text, re.DOTALL)
    if not match:
        return {}
    rights: dict[str | None, str] = {None: match[1]}
    waiting: list[str] = []
    for name in NAME.findall(match[2]):
        if name in RIGHTS:
            rights.update(dict.fromkeys(waiting, name))
            waiting = []
        else:
            waiting.append(name)
    return rights


def read_operations(document: Document, title: str, text: str, groups: dict[str, set[str]]) -> None:
    type_number = int(re.search(r"\(0x(\w+)\)", title)[1], 16)
    by_sentence = rights_by_sentence(text)
    for cells in rows(text):
        name = re.fullmatch(r"`(k\w+)`", cells[0])
        if not name or len(cells) < 4:
            continue
        where = f"docs/abi.md: {name[1]}"
        if not re.fullmatch(r"[0-9a-f]{4}", cells[1]):
            document.problems.append(f"{where}: its number is not four hexadecimal digits")
            continue
        if name[1] in document.operations:
            document.problems.append(f"{where}: stands there twice")
        number = int(cells[1], 16)
        if number >> 8 != type_number:
            document.problems.append(f"{where}: {cells[1]} stands under {title}")
        column = {each for each in NAME.findall(cells[2]) if each in RIGHTS} if len(cells) > 4 else set()
        right = by_sentence.get(name[1], by_sentence.get(None))
        rights = column or ({right} if right else set())
        errors = {each for each in NAME.findall(cells[-1]) if each in document.errors}
        for group in groups:
            if re.search(rf"\b{group}\b", re.sub(r"`[^`]*`", "", cells[-1])):
                errors |= groups[group]
        if re.search(r"\b(below|above)\b", cells[-1]):
            document.problems.append(f"{where}: its errors are elsewhere")
        document.operations[name[1]] = Operation(number, rights, errors)


def read(path: pathlib.Path) -> Document:
    document = Document()
    parts = sections(path.read_text(), "##")
    groups: dict[str, set[str]] = {}
    for cells in rows(parts.get("Errors", "")):
        for name in NAME.findall(cells[0]):
            if re.fullmatch(r"-\d+", cells[1]):
                document.errors[name] = int(cells[1])
            else:
                document.problems.append(f"docs/abi.md: {name}: the error has no row of its own")
        if group := re.fullmatch(r"\*(\w+)\*", cells[0]):
            groups[group[1]] = {each for each in NAME.findall(cells[1]) if each in document.errors}
    for cells in rows(parts.get("Calls", "")):
        name = re.fullmatch(r"`(\w+)`", cells[0])
        if name and re.fullmatch(r"\d+", cells[1]):
            document.calls[enumerator(name[1])] = int(cells[1])
        elif name:
            document.call_errors[name[1]] = {each for each in NAME.findall(cells[1]) if each in document.errors}
    for title, text in sections(parts.get("Operations", ""), "###").items():
        if re.search(r"\(0x\w+\)", title):
            read_operations(document, title, text, groups)
    return document
