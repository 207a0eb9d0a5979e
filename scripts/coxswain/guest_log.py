# SPDX-License-Identifier: MIT
"""The guest's serial output as records.

A record is one line, `kind: word key=value key="value with spaces"`. It starts at the beginning of its
line, so that text quoted in a message can never pass for a record. The kernel's first line alone may
follow firmware output that ended without a newline. Anything else is kept as text and judged by nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_a-z])")
_FIRST_LINE = "coxswain: kernel "
_RECORD = re.compile(r"(coxswain|trace|live|run|worker|cpu|workload|result|suite|case|bench|panic|error): (.*)")
_FIELD = re.compile(r'([a-z][a-z0-9_]*)=("(?:[^"\\]|\\.)*"|[^\s"]\S*)')
_TOKEN = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+|"')
_FREE_TEXT = ("panic", "error")


class MalformedRecord(ValueError):
    """A record lacks a field, or a field does not read as what it must be."""


@dataclass(frozen=True)
class Line:
    """One line of output and when its end arrived, by the host's monotonic clock."""

    at_ns: int
    text: str


@dataclass(frozen=True)
class Record:
    kind: str
    fields: dict[str, str]
    text: str
    at_ns: int = 0
    odd_words: tuple[str, ...] = field(default=())

    @property
    def is_kernel_line(self) -> bool:
        """The one with which the kernel introduces itself and its machine."""
        return self.text.startswith(_FIRST_LINE)

    def string(self, key: str) -> str:
        try:
            return self.fields[key]
        except KeyError:
            raise MalformedRecord(f"no {key}= in: {self.text}") from None

    def integer(self, key: str) -> int:
        value = self.string(key)
        if not re.fullmatch(r"0x[0-9a-fA-F]+|[0-9]+", value):
            raise MalformedRecord(f"{key}={value} is not a whole number in: {self.text}")
        return int(value, 16) if value.startswith("0x") else int(value)

    def number(self, key: str) -> float:
        value = self.string(key)
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
            raise MalformedRecord(f"{key}={value} is not a number in: {self.text}")
        return float(value)


def clean(raw: str) -> str:
    """Without terminal control sequences, carriage returns and other unprintable characters."""
    text = _ANSI.sub("", raw)
    return "".join(c for c in text if c == "\t" or c.isprintable()).rstrip()


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value
    return re.sub(r"\\(.)", r"\1", value[1:-1])


def parse_line(line: Line) -> Record | None:
    """The record that the line holds, or None for any other text."""
    text = clean(line.text)
    start = text.find(_FIRST_LINE)
    if start > 0:
        text = text[start:]
    match = _RECORD.fullmatch(text)
    if match is None:
        return None
    kind, rest = match.groups()
    fields: dict[str, str] = {}
    odd: list[str] = []
    for token in _TOKEN.findall(rest):
        pair = _FIELD.fullmatch(token)
        if pair is None or pair.group(1) in fields:
            odd.append(token)
        else:
            fields[pair.group(1)] = _unquote(pair.group(2))
    return Record(kind, fields, text, line.at_ns, tuple(odd))


def parse(lines: list[Line]) -> list[Record]:
    """All records in order. A structured record with a word that is no field is refused by `require_clean`."""
    return [record for record in map(parse_line, lines) if record is not None]


def require_clean(record: Record) -> None:
    """Two lines written into each other leave odd words; such a line proves nothing."""
    odd = record.odd_words
    if record.kind == "coxswain":
        if not record.is_kernel_line:
            return  # what else the kernel says is for people
        odd = tuple(word for word in odd if word != "kernel")
    if odd and record.kind not in _FREE_TEXT:
        raise MalformedRecord(f"not a field: {' '.join(odd)} in: {record.text}")


def last_text(lines: list[Line]) -> str:
    """The last line that says anything, for reports of a hang."""
    for line in reversed(lines):
        text = clean(line.text)
        if text.strip():
            return text
    return "nothing at all"
