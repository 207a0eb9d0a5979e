#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/security.md names its tests truly.

In the last column of its tables stand tests, each as `guest.NAME` or `guest.NAME`: case, case (so for smoke, boot, security).
Each is the name of a CTest test, or of several that go on with a dot behind it, and these have the label security; each case
stands in test/guest/NAME_test.cpp. And each test that has the label is named.
"""

import json
import pathlib
import re

import abi_doc
import common

NAMED = re.compile(r"`((?:guest|smoke|boot|security)\.[\w.-]+)`(?:: (\w+(?:, \w+)*))?")


def labelled(build: pathlib.Path) -> dict[str, set[str]]:
    """Every CTest test, with its labels."""
    listing = json.loads(common.output_of(["ctest", "--test-dir", str(build), "--show-only=json-v1"]))
    return {test["name"]: {label for each in test.get("properties", []) if each["name"] == "LABELS"
                           for label in each["value"]} for test in listing["tests"]}


def matches(name: str, test: str) -> bool:
    return test == name or test.startswith(name + ".")


def missing_cases(root: pathlib.Path, name: str, cases: str) -> list[str]:
    path = root / "test/guest" / f"{name.split('.')[1]}_test.cpp"
    text = path.read_text() if path.exists() else ""
    return [case for case in filter(None, cases.split(", ")) if f'{{"{case}",' not in text]


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    options = parser.parse_args()
    tests = labelled(options.build)
    problems, named = [], []
    for cells in abi_doc.rows((options.root / "docs/security.md").read_text()):
        if cells[-1] == "tests" or re.fullmatch("-+", cells[-1]):
            continue
        found = NAMED.findall(cells[-1])
        if not found:
            problems.append(f"docs/security.md: no test for: {cells[0]}")
        for name, cases in found:
            named.append(name)
            those = [test for test in tests if matches(name, test)]
            if not those:
                problems.append(f"docs/security.md: there is no test {name}")
            problems += [f"{test}: lacks the label security" for test in those if "security" not in tests[test]]
            problems += [f"{name}: there is no case {case}" for case in missing_cases(options.root, name, cases)]
    problems += [f"docs/security.md does not name {test}" for test, labels in sorted(tests.items())
                 if "security" in labels and not any(matches(name, test) for name in named)]
    common.finish(problems, len(named), "names")


if __name__ == "__main__":
    main()
