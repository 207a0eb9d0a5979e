#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Includes follow the dependency rule: a layer may include itself and what it reaches over these arrows.

    kernel -> arch, core -> abi        libcap -> core, abi        sched-server, workers, bench, test/guest -> libcap

Two rules more: core/ holds no assembly; a policy, which also runs in the simulator, includes nothing that can make a
system call (of libcap only the headers listed below as pure).
"""

import pathlib
import re

import common

ARROWS = {
    "abi": [],
    "core": ["abi"],
    "arch": ["core", "abi"],
    "kernel": ["arch", "core"],
    "libcap": ["libcap-pure"],
    "libcap-pure": ["core", "abi"],
    "policies": ["libcap-pure"],
    "sched-server": ["policies", "libcap"],
    "workers": ["libcap"],
    "bench": ["workers", "libcap"],
    "test/guest": ["libcap"],
    "test/host": ["core", "abi", "libcap", "sched-server", "workers"],
}
# Where the layers live; the longest prefix counts.
FOLDERS = {
    "microkernel/abi/": "abi",
    "microkernel/core/": "core",
    "microkernel/arch/": "arch",
    "microkernel/kernel/": "kernel",
    "libcap/": "libcap",
    "libcap/include/cap/format.hpp": "libcap-pure",
    "libcap/include/cap/result.hpp": "libcap-pure",
    "sched-server/policies/": "policies",
    "sched-server/policy": "policies",
    "sched-server/registry": "policies",
    "sched-server/": "sched-server",
    "workers/": "workers",
    "bench/": "bench",
    "test/boot/": "test/guest",
    "test/guest/": "test/guest",
    "test/": "test/host",
    "cmake/template/": "workers",
    "cmake/template/policies/": "policies",
}
ROOTS = ["microkernel", "microkernel/arch/x86_64", "libcap/include", "sched-server", "workers", "bench"]
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<(cap/[^>]+)>)')
ASSEMBLY = re.compile(r"\b(?:asm|__asm__)\b\s*(?:volatile\b\s*)?\(")


def layer_of(name: pathlib.Path) -> str | None:
    prefixes = [prefix for prefix in FOLDERS if name.as_posix().startswith(prefix)]
    return FOLDERS[max(prefixes, key=len)] if prefixes else None


def reachable(layer: str) -> set[str]:
    result = {layer}
    for lower in ARROWS[layer]:
        result |= reachable(lower)
    return result


def resolve(root: pathlib.Path, name: pathlib.Path, included: str) -> pathlib.Path | None:
    own_root = "/".join(name.parts[:2])  # of a test
    for folder in [name.parent, own_root, *ROOTS, "test/guest"]:
        if (root / folder / included).is_file():
            return (root / folder / included).resolve().relative_to(root.resolve())
    return None


def check(root: pathlib.Path, name: pathlib.Path, layer: str) -> list[str]:
    problems = []
    for number, line in enumerate((root / name).read_text().splitlines(), start=1):
        where = f"{name}:{number}"
        if match := INCLUDE.match(line):
            included = match[1] or match[2]
            target = resolve(root, name, included)
            other = layer_of(target) if target else None
            if other is None:
                problems.append(f"{where}: {included} is in no layer")
            elif other not in reachable(layer):
                problems.append(f"{where}: {layer} must not include {other} ({included})")
        if layer == "core" and ASSEMBLY.search(line.split("//")[0]):
            problems.append(f"{where}: assembly in core/")
    return problems


def main() -> None:
    root = common.parser(__doc__).parse_args().root
    problems = []
    checked = 0
    for name in common.tree_files(root):
        layer = layer_of(name)
        if layer and name.suffix in common.CPP_SUFFIXES | {".S"}:
            checked += 1
            problems += check(root, name, layer)
    common.finish(problems, checked, "files")


if __name__ == "__main__":
    main()
