#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Plants one bad input for each checker, and one good one: a checker that cannot fail checks nothing."""

import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path()
SPDX = "// SPDX-License-Identifier: MIT\n"


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.temporary = tempfile.TemporaryDirectory(prefix="coxswain lint ")  # the blank is part of the test
        self.root = pathlib.Path(self.temporary.name)
        self.addCleanup(self.temporary.cleanup)

    def write(self, name: str, text: str) -> pathlib.Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run_checker(self, name: str, *arguments: object) -> tuple[bool, str]:
        command = ["/usr/bin/python3", HERE / name, *arguments]
        result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        return result.returncode == 0, result.stdout

    def accepts(self, name: str, *arguments: object) -> None:
        good, output = self.run_checker(name, *arguments)
        self.assertTrue(good, output)

    def refuses(self, expected: str, name: str, *arguments: object) -> None:
        good, output = self.run_checker(name, *arguments)
        self.assertFalse(good, output)
        self.assertIn(expected, output)

    def assemble(self, text: str) -> pathlib.Path:
        source = self.write("a.S", text)
        image = self.root / "a.o"
        subprocess.run(["clang++-19", "--target=x86_64-unknown-none-elf", "-c", source, "-o", image], check=True)
        return image

    def link(self, *flags: str) -> pathlib.Path:
        image = self.root / "a.elf"
        source = self.assemble(".globl _start\n_start: ret\n.data\n.quad 1\n")
        subprocess.run(["ld.lld-19", *flags, source, "-o", image], check=True)
        return image


class Registers(Case):
    def test_general_registers_and_whole_state(self) -> None:
        self.accepts("registers.py", self.assemble("f: mov %rax, %rbx\nfxsave64 (%rdi)\nfxrstor64 (%rdi)\nfninit\n"))

    def test_boot_is_left_out(self) -> None:
        self.accepts("registers.py", self.assemble('f: nop\n.section .boot, "ax"\nfadds (%rax)\n'))

    def test_planted(self) -> None:
        for text in ["movaps %xmm1, %xmm0", "vaddps %ymm0, %ymm1, %ymm2", "fld1", "fstp %st(1)", "movd %eax, %mm0",
                     "kmovw %k1, %eax", "fwait"]:
            with self.subTest(text):
                self.refuses("f: 1:", "registers.py", self.assemble(f"f: nop\n{text}\n"))


class Segments(Case):
    def test_separate(self) -> None:
        self.accepts("segments.py", self.link())

    def test_planted(self) -> None:
        self.refuses("writable and executable", "segments.py", self.link("--omagic"))
        self.refuses("no loadable segment", "segments.py", self.assemble("nop"))


class Multiboot(Case):
    def test_planted(self) -> None:
        result = subprocess.run(["grub-file", "--is-x86-multiboot2", self.link()])
        self.assertEqual(result.returncode, 1)


class Layers(Case):
    def setUp(self) -> None:
        super().setUp()
        self.write("microkernel/abi/ring.hpp", "")
        self.write("microkernel/core/result.hpp", '#include "abi/ring.hpp"\n#include <span>\n')
        self.write("microkernel/kernel/thread.hpp", '#include "core/result.hpp"\n#include "arch/paging.hpp"\n')
        self.write("microkernel/arch/x86_64/arch/paging.hpp", "")
        self.write("libcap/include/cap/log.hpp", '#include "abi/ring.hpp"\n')
        self.write("sched-server/policy.hpp", "")
        self.write("sched-server/policies/fifo.cpp", '#include "policy.hpp"\n')
        self.write("sched-server/main.cpp", '#include <cap/log.hpp>\n#include "policies/fifo.cpp"\n')

    def test_good(self) -> None:
        self.accepts("layers.py", "--root", self.root)

    def test_planted(self) -> None:
        for name, text, expected in [
            ("microkernel/abi/a.hpp", '#include "core/result.hpp"', "abi must not include core"),
            ("microkernel/core/a.hpp", '#include "kernel/thread.hpp"', "core must not include kernel"),
            ("microkernel/core/a.hpp", 'asm volatile("cli");', "assembly in core/"),
            ("microkernel/arch/x86_64/a.S", '#include "kernel/thread.hpp"', "arch must not include kernel"),
            ("libcap/src/a.cpp", '#include "kernel/thread.hpp"', "libcap must not include kernel"),
            ("sched-server/policies/a.cpp", "#include <cap/log.hpp>", "policies must not include libcap"),
            ("cmake/template/policies/a.cpp", "#include <cap/log.hpp>", "policies must not include libcap"),
            ("workers/a.cpp", '#include "arch/paging.hpp"', "workers must not include arch"),
            ("workers/a.cpp", '#include "nowhere.hpp"', "nowhere.hpp is in no layer"),
        ]:
            with self.subTest(name=name, text=text):
                path = self.write(name, text + "\n")
                self.refuses(expected, "layers.py", "--root", self.root)
                path.unlink()


class Format(Case):
    def test_both(self) -> None:
        self.write(".clang-format", (ROOT / ".clang-format").read_text())
        self.write("good.cpp", "int answer() { return 42; }\n")
        self.accepts("format.py", "--root", self.root)
        self.write("bad.cpp", "int answer(){return 42;}\n")
        self.refuses("bad.cpp:1", "format.py", "--root", self.root)


class Sizes(Case):
    def test_both(self) -> None:
        self.write("long.cpp", "// Long because a table is in it.\n" + "\n" * 500)
        self.accepts("sizes.py", "--root", self.root)
        self.write("bad.cpp", "\n" * 401)
        self.refuses("bad.cpp: 401 lines", "sizes.py", "--root", self.root)

    def test_kernel(self) -> None:
        for index in range(26):
            self.write(f"microkernel/core/a{index}.cpp", "// why\n" * 200 + "\n" * 200)
        self.accepts("sizes.py", "--root", self.root)
        for index in range(26):
            self.write(f"microkernel/core/a{index}.cpp", "int a;\n" * 400)
        self.refuses("microkernel: 10400 lines of code", "sizes.py", "--root", self.root)


class Spdx(Case):
    def test_both(self) -> None:
        self.write("good.cpp", SPDX)
        self.accepts("spdx.py", "--root", self.root)
        self.write("run", "#!/usr/bin/env bash\n")
        self.refuses("run: no SPDX", "spdx.py", "--root", self.root)


class Compiled(Case):
    """Checks that lean on the project's own flags: planted sources take the place of a real one."""

    def command(self, source: pathlib.Path, world: str) -> str:
        entries = json.loads((BUILD / "compile_commands.json").read_text())
        entry = next(e for e in entries if f"{world}.dir/" in e["command"] and e["file"].endswith(".cpp"))
        command = shlex.split(entry["command"])
        flags = command[: command.index("-MD")] if "-MD" in command else command[: command.index("-o")]
        return shlex.join([*flags, "-fsyntax-only", "-o", "/dev/null", str(source)])

    def planted(self, text: str) -> pathlib.Path:
        self.write(".clang-tidy", (ROOT / ".clang-tidy").read_text())
        source = self.write("workers/planted.cpp", text)
        entry = {"directory": str(self.root), "file": str(source), "command": self.command(source, "/cox_core_host")}
        self.write("compile_commands.json", json.dumps([entry]))
        return source

    def test_tidy(self) -> None:
        head = SPDX + "#include <expected>\nusing Result = std::expected<int, int>;\nResult act() { return 1; }\n"
        self.planted(head + "int twice() { return act().value_or(0) * 2; }\n")
        self.accepts("tidy.py", "--root", self.root, "--build", self.root)
        for text, expected in [
            ("void drop() { act(); }", "bugprone-unused-return-value"),
            ("int Twice() { return 2; }", "invalid case style for function 'Twice'"),
            ("constexpr int limit = 2;", "'limit'"),
            ("class Box { int width = 0; };", "'width'"),
            ("struct box {};", "'box'"),
            ("enum class Colour { red };", "'red'"),
        ]:
            with self.subTest(text):
                self.planted(head + text + "\n")
                self.refuses(expected, "tidy.py", "--root", self.root, "--build", self.root)

    def test_thread_safety(self) -> None:
        source = self.planted(
            'struct [[clang::capability("lock")]] Lock {};\n'
            "struct Box { Lock lock; int count __attribute__((guarded_by(lock))) = 0; int get() { return count; } };\n"
            "int use() { return Box().get(); }\n")
        for world in ["cox_core_kernel", "cox_core_user", "cox_core_host"]:
            with self.subTest(world):
                command = self.command(source, f"/{world}")
                result = subprocess.run(shlex.split(command), capture_output=True, text=True)
                self.assertNotEqual(result.returncode, 0)
                self.assertRegex(result.stderr, re.compile(r"error: .*\[-Werror,-Wthread-safety"))


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1))  # selftest.py BUILD [CLASS]
    unittest.main()
