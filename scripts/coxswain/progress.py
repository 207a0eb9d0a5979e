# SPDX-License-Identifier: MIT
"""What is going on, while it goes on: a bar on a terminal, plain lines elsewhere. Always on stderr."""

from __future__ import annotations

import sys
from typing import Protocol


class Progress(Protocol):
    def starts(self, what: str) -> None: ...
    def ended(self, how: str) -> None: ...
    def note(self, text: str) -> None: ...
    def close(self) -> None: ...


class PlainLines:
    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._what = ""

    def starts(self, what: str) -> None:
        self._what = what

    def ended(self, how: str) -> None:
        self._done += 1
        width = len(str(self._total))
        self.note(f"[{self._done:{width}}/{self._total}] {self._what}: {how}")

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        pass


class Bar:
    def __init__(self, total: int) -> None:
        from tqdm import tqdm  # not needed, and so not asked for, without a terminal

        self._bar = tqdm(total=total, file=sys.stderr, unit="run", dynamic_ncols=True, leave=False)

    def starts(self, what: str) -> None:
        self._bar.set_description(what)

    def ended(self, how: str) -> None:
        self._bar.set_postfix_str(how)
        self._bar.update()

    def note(self, text: str) -> None:
        self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        self._bar.close()


def progress(total: int) -> Progress:
    return Bar(total) if sys.stderr.isatty() else PlainLines(total)
