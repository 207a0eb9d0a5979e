#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The ABI is what it says that it is, and stays so.

- Each call, operation and error of microkernel/abi/*.hpp stands in docs/abi.md with its number, and nothing else does.
- Each error that docs/abi.md gives an operation is required by an assertion of a guest test (abi_tests.py).
- Each operation has a row, with the right that docs/abi.md says, in the table by which test/guest/calls_test.cpp tries it
  without its right.
- Each operation is among those that hostile programs try at random (test/guest/support/hostile_mind.cpp).
- No number, no bits of a packed word and no place of a member (abi_layouts.py) differ from what
  microkernel/abi/numbers-VERSION.txt holds for this kAbiVersion. --update adds new ones.
"""

import pathlib

import abi_doc
import abi_headers
import abi_layouts
import abi_tests
import common


def compare(what: str, header: dict[str, int], document: dict[str, int]) -> list[str]:
    problems = []
    for name in sorted(header.keys() | document.keys()):
        if name not in document:
            problems.append(f"docs/abi.md lacks the {what} {name}")
        elif name not in header:
            problems.append(f"docs/abi.md has the {what} {name}, which the headers lack")
        elif header[name] != document[name]:
            problems.append(f"{what} {name}: {document[name]:#x} in docs/abi.md, {header[name]:#x} in the headers")
    return problems


def named(rights: set[str]) -> str:
    return " and ".join(sorted(rights)) or "no right"


def check_rights(root: pathlib.Path, document: abi_doc.Document) -> list[str]:
    problems = []
    tried = abi_tests.read_rights(root)
    for name, operation in sorted(document.operations.items()):
        if name not in tried:
            problems.append(f"{name}: no row in the table of test/guest/calls_test.cpp")
        elif tried[name] != operation.rights:
            problems.append(f"{name}: needs {named(operation.rights)} by docs/abi.md, "
                            f"{named(tried[name])} by test/guest/calls_test.cpp")
    return problems


def check_hostile(root: pathlib.Path, operations: set[str]) -> list[str]:
    return [f"{name}: not among the operations of test/guest/support/hostile_mind.cpp"
            for name in sorted(operations - abi_tests.read_hostile(root))]


def check_tests(document: abi_doc.Document, claims: dict[tuple[str, str], str]) -> list[str]:
    wanted = {name: operation.errors for name, operation in document.operations.items()}
    wanted.update(document.call_errors)
    return [f"{name}: no guest test requires {error}" for name, errors in sorted(wanted.items())
            for error in sorted(errors) if (name, error) not in claims]


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--show-tests", action="store_true", help="say which line requires which error of which operation")
    parser.add_argument("--update", action="store_true", help="add what is new to the version's numbers")
    options = parser.parse_args()
    numbers, version, problems = abi_headers.read_headers(options.root)
    document = abi_doc.read(options.root / "docs/abi.md")
    problems += document.problems
    errors = {name: value for name, value in numbers.get("Error", {}).items() if value != 0}
    operations = numbers.get("Op", {})
    problems += compare("call", numbers.get("Call", {}), document.calls)
    problems += compare("error", errors, document.errors)
    problems += compare("operation", operations, {name: each.number for name, each in document.operations.items()})
    problems += check_rights(options.root, document)
    problems += check_hostile(options.root, set(operations))
    claims = abi_tests.read_claims(options.root, set(operations))
    problems += check_tests(document, claims)
    if options.show_tests:
        for (operation, error), place in sorted(claims.items()):
            print(f"{operation} {error} {place}")
    layouts, wrong = abi_layouts.read_layouts(options.root)
    problems += wrong
    numbers |= layouts
    problems += abi_headers.check_snapshot(options.root, numbers, version, options.update)
    common.finish(problems, len(operations), "operations")


if __name__ == "__main__":
    main()
