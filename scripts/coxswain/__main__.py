# SPDX-License-Identifier: MIT
"""python3 -m coxswain run|guest-test|bochs-test|test …: what the scripts of those names call."""

from __future__ import annotations

import sys
from importlib import import_module

from . import signals
from .errors import ExitCode, HarnessError, Interrupted

_COMMANDS = {
    "run": "run_command",
    "guest-test": "guest_command",
    "bench": "bench",
    "bochs-test": "bochs",
    "boot-time": "boot_time",
    "test": "test_command",
}


def main(argv: list[str]) -> int:
    if not argv or argv[0] not in _COMMANDS:
        print(f"usage: coxswain {'|'.join(_COMMANDS)} …", file=sys.stderr)
        return ExitCode.USAGE
    name = argv[0]
    signals.install()
    try:
        return import_module(f".{_COMMANDS[name]}", __package__).main(argv[1:])
    except HarnessError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.code
    except Interrupted as interrupted:
        print(f"{name}: interrupted by {interrupted.signal_name}; no QEMU is left running", file=sys.stderr)
        return ExitCode.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
