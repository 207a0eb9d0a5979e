#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Installs the build tree, and builds and runs a copy of the installed template: out_of_tree.py --build DIR CASE

All that lies in "DIR/out of tree", a path with blanks, and is made anew by the case build, which the others need.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def call(*command: str | Path, status: int | None = 0, **environment: str) -> str:
    """Runs it, shows and returns its output; complains of another exit status, None standing for any but 0."""
    print("$", *(f"{name}={value}" for name, value in environment.items()), shlex.join(map(str, command)), flush=True)
    done = subprocess.run(command, env={**os.environ, **environment}, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    print(done.stdout, flush=True)
    if done.returncode != status if status is not None else done.returncode == 0:
        sys.exit(f"exit status {done.returncode}, which is wrong")
    return done.stdout


def expect(output: str, *patterns: str) -> None:
    for pattern in patterns:
        if not re.search(pattern, output, re.MULTILINE):
            sys.exit(f"nothing matches {pattern}")


def replace(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


class Cases:
    def __init__(self, build: Path) -> None:
        self.tree = build
        self.folder = build / "out of tree"
        self.prefix = self.folder / "prefix"
        self.share = self.prefix / "share" / "coxswain"
        self.project = self.folder / "project"
        self.build_dir = self.project / "build"

    def copy_template(self, name: str) -> Path:
        copy = self.folder / name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.share / "template", copy)
        return copy

    def configure(self, project: Path, *arguments: str, status: int | None = 0) -> str:
        return call("cmake", "-S", project, "-B", project / "build", "-G", "Ninja", *arguments, status=status)

    def build(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        call("cmake", "--install", self.tree, "--prefix", self.folder / "first")
        (self.folder / "first").rename(self.prefix)  # it may be moved
        self.copy_template("project")
        self.configure(self.project, f"-DCMAKE_PREFIX_PATH={self.prefix}", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
        call("cmake", "--build", self.build_dir)
        # Nothing of the tree that it came from is used any more.
        used = (self.build_dir / "build.ninja").read_text().replace("$ ", " ")
        used += call("ninja", "-C", self.build_dir, "-t", "deps")
        expect(used, re.escape(f"{self.prefix}/include/coxswain/sched-server/registry.hpp"))
        assert self.of_the_tree(f"{used}\n{ROOT}/microkernel/abi/types.hpp") == [f"{ROOT}/microkernel/abi/types.hpp"]
        if strange := self.of_the_tree(used):
            sys.exit(f"uses the tree that it came from: {strange}")

    def of_the_tree(self, used: str) -> list[str]:
        return re.findall(f"{re.escape(str(ROOT))}/.*", used.replace(str(self.folder), ""))

    def headers(self) -> None:
        """Nothing that an installed header includes is missing; where something is, that is noticed."""
        include = self.prefix / "include" / "coxswain"
        names = [str(path.relative_to(include)).removeprefix("sched-server/") for path in sorted(include.rglob("*.hpp"))]
        commands = json.loads((self.build_dir / "compile_commands.json").read_text())
        entry = next(each for each in commands if each["file"].endswith("by_label.cpp"))
        words = shlex.split(entry["command"])
        command = [*words[: words.index("-o")], "-fsyntax-only", "-Werror"]
        source = self.folder / "headers.cpp"
        source.write_text("".join(f'#include "{name}"\n' for name in names))
        call(*command, source)
        source.write_text('#include "core/inbox.hpp"\n')  # the kernel's
        expect(call(*command, source, status=None), "'core/inbox.hpp' file not found")
        print(f"{len(names)} headers")

    def run(self) -> None:
        output = call("ninja", "-C", self.build_dir, "run")
        expect(output, "^sched-server: policy=by_label agents=2 ", "^label_order: labels ran in the order 4 3 2 1$",
               "^suite: name=label_order passed=2 failed=0 verdict=ok$")  # fmt: skip
        expect(call("ctest", "--test-dir", self.build_dir, "--no-tests=error"), "100% tests passed")

    def guest_test(self, project: Path, *arguments: str) -> str:
        return call(self.share / "scripts" / "guest-test", "--build", project / "build", "--program", "workers/root",
                    *arguments)  # fmt: skip

    def iso(self) -> None:
        """The project's own ISO, with the arguments that it was made with, and one for another command line."""
        qemu = os.environ.get("COXSWAIN_QEMU", "qemu-system-x86_64")
        output = call(qemu, "-M", "pc", "-cpu", "max", "-smp", "2", "-m", "256M", "-nodefaults", "-display", "none",
                      "-no-reboot", "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
                      "-cdrom", self.build_dir / "coxswain.iso", status=33)  # fmt: skip
        expect(output, "boot=multiboot2", "^label_order: labels ran in the order 4 3 2 1", "verdict=ok")
        self.guest_test(self.project, "--boot", "iso", "--append", "manifest=label_order", "--match", "boot=multiboot2")

    def measure(self) -> None:
        """Its policy in the scaling run, by the installed scripts; and where they say that this comes from."""
        results = self.folder / "results"
        output = call(self.share / "scripts" / "run", "--build-dir", self.build_dir, "--no-build", "--policy", "by_label",
                      "--workers", "1", "--size", "smoke", "--repeats", "1", "--accel", "tcg", "--out", results)  # fmt: skip
        expect(output, "policy by_label")
        expect("\n".join(path.read_text() for path in results.rglob("*.json")), r'"git": "[0-9a-f]{40}(-dirty)?-installed"')

    def replace(self) -> None:
        """An own policy, server and manifest called like installed ones take their places."""
        project = self.copy_template("replace")
        (project / "policies" / "by_label.cpp").rename(project / "policies" / "fifo.cpp")
        (project / "label_order.manifest").rename(project / "smoke.manifest")
        for name in ("policies/fifo.cpp", "smoke.manifest", "CMakeLists.txt"):
            text = replace((project / name).read_text(), "by_label", "fifo")
            (project / name).write_text(text.replace("label_order.manifest", "smoke.manifest"))
        self.configure(project, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        call("cmake", "--build", project / "build", "--target", "kernel", "archive")
        output = self.guest_test(project, "--append", "manifest=smoke")
        expect(output, "^sched-server: policy=fifo ", "^label_order: labels ran in the order 4 3 2 1$")

    def rejects_wrong_code(self) -> None:
        """The same project with a program that ends with another code; it gets the compiler from the toolchain file."""
        project = self.copy_template("wrong code")
        source = project / "label_order.cpp"
        text = source.read_text()
        source.write_text(replace(text, "return order == kRight ? 0 : 1;", "return order == kRight ? 9 : 1;"))
        lists = project / "CMakeLists.txt"
        find, language = re.findall("^(?:find_package|project).*\n", lists.read_text(), re.MULTILINE)
        lists.write_text(replace(lists.read_text(), find + language, language + find))
        self.configure(project, f"-DCMAKE_TOOLCHAIN_FILE={self.share}/cmake/CoxswainToolchain.cmake")
        call("cmake", "--build", project / "build")
        wrong = r"^case: name=label_order\.0 result=fail .*\b9\b"
        expect(call("ninja", "-C", project / "build", "run", status=None), wrong)
        expect(call("ctest", "--test-dir", project / "build", "--output-on-failure", status=None), wrong)

    def rejects_other_policy(self) -> None:
        """The program passes under its policy only: it is the policy that ran in the case run."""
        arguments = "--append 'manifest=label_order policy=fifo'"
        output = call("ninja", "-C", self.build_dir, "run", status=None, COXSWAIN_RUN_ARGS=arguments)
        expect(output, "^sched-server: policy=fifo agents=2 ", "^label_order: labels ran in the order 2 4 1 3$",
               r"^case: name=label_order\.0 result=fail ")  # fmt: skip

    def rejects_mistakes(self) -> None:
        """Each mistake that docs/out-of-tree.md names."""
        where = f"-DCMAKE_PREFIX_PATH={self.prefix}"
        project = self.copy_template("mistakes")
        expect(self.configure(project, where, "-DCMAKE_CXX_COMPILER=g++", status=None), "Coxswain needs clang 19")
        lists = project / "CMakeLists.txt"
        right = lists.read_text()
        for old, new, complaint in (
            ("Coxswain 0.1 ", "Coxswain 7.0 ", 'compatible\\s+with\\s+requested\\s+version\\s+"7.0"'),
            ("policies/by_label.cpp", "policies/by-label.cpp", 'not\\s+"by-label"'),
            ("POLICIES policies/by_label.cpp", "policies/by_label.cpp", "is\\s+behind\\s+no\\s+keyword"),
            ("MANIFEST label_order CPUS", "CPUS", "which\\s+MANIFEST"),
        ):
            lists.write_text(replace(right, old, new))
            shutil.rmtree(project / "build")
            expect(self.configure(project, where, status=None), complaint)
        # A policy whose function is called otherwise than its file.
        lists.write_text(replace(right, "by_label.cpp", "by_name.cpp"))
        (project / "policies" / "by_label.cpp").rename(project / "policies" / "by_name.cpp")
        self.configure(project, where)
        expect(call("cmake", "--build", project / "build", status=None), r"undefined symbol: sched::make_by_name\(")
        # And installed scripts have no tree of their own to build.
        run = self.share / "scripts" / "run"
        expect(call(run, "--build-dir", self.folder / "nothing", status=2), "is no build tree: --build-dir names")


def main() -> None:
    names = [name.replace("rejects_", "rejects.") for name in vars(Cases) if not name.startswith("_")]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("case", choices=sorted(set(names) - {"copy_template", "configure", "guest_test", "of_the_tree"}))
    args = parser.parse_args()
    getattr(Cases(args.build.resolve()), args.case.replace(".", "_"))()


if __name__ == "__main__":
    main()
