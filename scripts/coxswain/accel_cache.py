# SPDX-License-Identifier: MIT
"""The answer to "does KVM work here", kept in the build tree, since a trial takes seconds.

It holds as long as all of its circumstances do: host, boot of the host, QEMU, the kernel and archive under trial, the way
of booting. Anything unreadable in the file is as good as no file.
"""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, replace
from pathlib import Path

from . import host, qemu
from .artifacts import Artifacts
from .options import RunOptions
from .qemu import Accelerator

Answer = tuple[Accelerator | None, str]


def _stamp(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


class Cache:
    def __init__(self, options: RunOptions, device: Path) -> None:
        artifacts = Artifacts(options.build_dir)
        self._path = artifacts.build / f"accelerator-{options.boot}.json"
        self._circumstances = {
            "host": [platform.node(), platform.release(), host.cpu_model()],
            "device": _stamp(device)[1],  # made anew at each boot of the host
            "qemu": qemu.version(),
            "kernel": _stamp(artifacts.kernel),
            "archive": _stamp(artifacts.archive),
            "timeout_s": options.timeout_s,
        }

    def load(self) -> Answer | None:
        try:
            kept = json.loads(self._path.read_text())
            if kept["circumstances"] != self._circumstances:
                return None
            if kept["accelerator"] is None:
                return None, self._marked(kept["why_not"])
            fields = kept["accelerator"]
            fields |= {name: tuple(fields[name]) for name in ("arguments", "kernel_arguments")}
            found = Accelerator(**fields)
            return replace(found, reason=self._marked(found.reason)), ""
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def store(self, answer: Answer) -> None:
        found, why_not = answer
        kept = {
            "circumstances": self._circumstances,
            "accelerator": None if found is None else asdict(found),
            "why_not": why_not,
        }
        self._path.write_text(json.dumps(kept, indent=2) + "\n")

    def _marked(self, text: str) -> str:
        return f"{text} (kept from an earlier run in {self._path.name})"
