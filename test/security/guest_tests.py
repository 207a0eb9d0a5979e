#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every guest test again, with another kernel: each command that CTest has under the label guest, but those of the night.

    test/security/guest_tests.py --build build --kernel build/hardened-kernel/coxswain.elf [--only REGEX]

The last line says how many passed. Exit: 0 if all did, and there were some.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys


def commands(build: pathlib.Path, only: str) -> dict[str, tuple[list[str], list[str]]]:
    """The command of each, and what it must print where its exit code says nothing (PASS_REGULAR_EXPRESSION)."""
    listing = json.loads(subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], capture_output=True, text=True,
                                        check=True).stdout)  # fmt: skip
    found = {}
    for test in listing["tests"]:
        properties = {each["name"]: each["value"] for each in test["properties"]}
        labels = properties.get("LABELS", [])
        starts_guest = any(word.endswith("scripts/guest-test") for word in test["command"])
        if "guest" in labels and "nightly" not in labels and starts_guest and re.search(only, test["name"]):
            found[test["name"]] = test["command"], properties.get("PASS_REGULAR_EXPRESSION", [])
    return found


def with_kernel(command: list[str], kernel: pathlib.Path) -> list[str]:
    at = command.index("--program")
    return [*command[:at], "--quiet", "--kernel", str(kernel), *command[at:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--kernel", type=pathlib.Path, required=True)
    parser.add_argument("--only", default="", help="tests whose name contains this regular expression")
    options = parser.parse_args()
    tests = commands(options.build, options.only)
    failed = []
    for name, (command, patterns) in tests.items():
        done = subprocess.run(with_kernel(command, options.kernel), capture_output=True, text=True)
        told = any(re.search(pattern, done.stdout) for pattern in patterns)
        if not told if patterns else done.returncode != 0:
            failed.append(name)
            print(f"{name}: failed\n{done.stdout[-4000:]}{done.stderr[-1000:]}", flush=True)
    print(f"{len(tests) - len(failed)} of {len(tests)} guest tests passed with {options.kernel}")
    sys.exit(1 if failed or not tests else 0)


if __name__ == "__main__":
    main()
