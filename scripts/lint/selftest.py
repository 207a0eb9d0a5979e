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
        for index in range(36):
            self.write(f"microkernel/core/a{index}.cpp", "// why\n" * 200 + "\n" * 200)
        self.accepts("sizes.py", "--root", self.root)
        for index in range(36):
            self.write(f"microkernel/core/a{index}.cpp", "int a;\n" * 400)
        self.refuses("microkernel: 14400 lines of code", "sizes.py", "--root", self.root)


class Spdx(Case):
    def test_both(self) -> None:
        self.write("good.cpp", SPDX)
        self.accepts("spdx.py", "--root", self.root)
        self.write("run", "#!/usr/bin/env bash\n")
        self.refuses("run: no SPDX", "spdx.py", "--root", self.root)


ABI_HEADER = """
inline constexpr std::uint32_t kAbiVersion = 1;
enum class Call : std::uint64_t { kCapCall = 0 };  // one, two
enum class Op : std::uint16_t {
    kNop = 0x0000,  // any
    kMap = 0x0104,
};
enum class Error : std::int64_t { kOk = 0, kNoRight = -4, kBusy = -15 };
"""
ABI_LAYOUTS = """
namespace cox::abi {
struct Pair {
    std::uint32_t first;
    std::uint32_t second;
};
struct Word {
    std::uint64_t raw = 0;
    constexpr std::uint64_t low() const { return raw & 15; }
};
struct Label {
    std::uint32_t share = 0;
    static constexpr Label unpack(std::uint64_t label) { return {static_cast<std::uint32_t>(label >> 8 & 255)}; }
};
constexpr std::uint64_t pair_word(std::uint32_t a, std::uint32_t b) { return std::uint64_t{b} << 32 | a; }
}
"""
ABI_DOCUMENT = """
## Calls
| call | RAX |
|---|---|
| `cap_call` | 0 |
## Errors
| error | number |
|---|---|
| `kNoRight` | -4 |
| `kBusy` | -15 |

| *place* | `kBusy` |
## Operations
### Any capability (0x00)
| `kNop` | 0000 | | |
### Process (0x01)
All need `kManage`.
| `kMap` | 0104 | maps | place |
"""
ABI_TESTS = """
constexpr Row kRows[] = {{kMap, ObjectType::kProcess, abi::kManage, Error::kOk}};
constexpr Op kAnyOperations[] = {kNop};
void map(Case& t) {
    REQUIRE_ERROR(t, t.env.process.map(1, 2), Error::kBusy);
}
"""


class Abi(Case):
    NAMES = {"header": "microkernel/abi/calls.hpp", "document": "docs/abi.md", "tests": "test/guest/calls_test.cpp",
             "hostile": "test/guest/support/hostile_mind.cpp", "numbers": "microkernel/abi/numbers-1.txt"}

    def setUp(self) -> None:
        super().setUp()
        self.texts = {"header": ABI_HEADER, "document": ABI_DOCUMENT, "tests": ABI_TESTS,
                      "hostile": "constexpr abi::Op kOperations[] = {kNop, kMap};\n"}
        for key, text in self.texts.items():
            self.write(self.NAMES[key], text)
        self.write("libcap/src/process.cpp", "Result Process::map(int a, int b) const { return invoke(Op::kMap, a, b); }\n")
        self.accepts("abi.py", "--root", self.root, "--update")
        self.texts["numbers"] = (self.root / self.NAMES["numbers"]).read_text()

    def planted(self, key: str, before: str, after: str, expected: str, *options: str) -> None:
        with self.subTest(key, before=before, after=after):
            self.assertIn(before, self.texts[key])
            self.write(self.NAMES[key], self.texts[key].replace(before, after))
            self.refuses(expected, "abi.py", "--root", self.root, *options)
            self.write(self.NAMES[key], self.texts[key])

    def test_good(self) -> None:
        self.accepts("abi.py", "--root", self.root)

    def test_headers_against_document(self) -> None:
        self.planted("header", "0x0104", "0x0105", "operation kMap: 0x104 in docs/abi.md, 0x105 in the headers")
        self.planted("header", "    kMap = 0x0104,", "", "docs/abi.md has the operation kMap, which the headers lack")
        self.planted("header", "-15", "-16", "error kBusy: -0xf in docs/abi.md, -0x10 in the headers")
        self.planted("header", "-4", "-15", "has the number of")
        self.planted("header", "= 0x0104", "", "Op::kMap is given no number")
        self.planted("header", "kAbiVersion", "kVersion", "kAbiVersion is defined 0 times")

    def test_document_against_headers(self) -> None:
        self.planted("document", "| `kNop` | 0000 | | |", "", "docs/abi.md lacks the operation kNop")
        self.planted("document", "| `cap_call` | 0 |", "", "docs/abi.md lacks the call kCapCall")
        self.planted("document", "| `kNoRight` | -4 |", "", "docs/abi.md lacks the error kNoRight")
        self.planted("document", "(0x01)", "(0x02)", "kMap: 0104 stands under Process (0x02)")
        self.planted("document", "0104", "104", "kMap: its number is not four hexadecimal digits")
        self.planted("document", "| place |", "| below |", "kMap: its errors are elsewhere")
        self.planted("document", "`kNoRight` | -4", "`kNoRight` to `kBusy` | -4 to -15", "has no row of its own")

    def test_errors_have_tests(self) -> None:
        self.planted("document", "| place |", "| place, `kNoRight` |", "kMap: no guest test requires kNoRight")
        for before, after in [("REQUIRE_ERROR(", "attempt("), ("process.map", "process.unmap"), ("kBusy", "kOk"),
                              ("    REQUIRE_ERROR", "    // REQUIRE_ERROR")]:
            self.planted("tests", before, after, "kMap: no guest test requires kBusy")

    def test_ways_to_require(self) -> None:
        for text in ["REQUIRE_EQUAL(t, by_call({Op::kMap, slot}), Error::kBusy);",
                     "const auto map = [&] { return by_call({Op::kMap, slot}); };\n REQUIRE_EQUAL(t, map(), Error::kBusy);",
                     "const auto made = process.map(1, 2);\n REQUIRE_EQUAL(t, made.error(), Error::kBusy);",
                     "const auto all = [&](Error wanted) { REQUIRE_ERROR(t, process.map(1), wanted); };\n all(Error::kBusy);",
                     "const Row rows[] = {{1, Error::kBusy}};\n for (const Row& row : rows) "
                     "REQUIRE_EQUAL(t, map(row.a), row.error);"]:
            with self.subTest(text):
                required = "REQUIRE_ERROR(t, t.env.process.map(1, 2), Error::kBusy);"
                self.write(self.NAMES["tests"], ABI_TESTS.replace(required, text))
                self.accepts("abi.py", "--root", self.root)

    def test_rights(self) -> None:
        self.planted("tests", "abi::kManage", "abi::kRead", "kMap: needs kManage by docs/abi.md, kRead by test/guest")
        self.planted("tests", "{{kMap", "{{kOther", "kMap: no row in the table")
        self.planted("tests", "{kNop}", "{}", "kNop: no row in the table")

    def test_hostile(self) -> None:
        self.planted("hostile", ", kMap", "", "kMap: not among the operations of")

    def test_numbers_stay(self) -> None:
        for options in [], ["--update"]:
            self.planted("numbers", "Op kMap 0x0104", "Op kMap 0x0103", "raise kAbiVersion", *options)
            self.planted("numbers", "Error kBusy -15", "Error kBusy -15\nError kLost -16", "is gone: raise", *options)
        self.planted("numbers", "Op kMap 0x0104\n", "", "lacks Op::kMap")
        self.planted("header", "kAbiVersion = 1", "kAbiVersion = 2", "numbers-2.txt: missing")

    def test_layouts_stay(self) -> None:
        header = self.NAMES["header"]
        self.write(header, ABI_HEADER + ABI_LAYOUTS)
        self.refuses("Pair.offset::first", "abi.py", "--root", self.root)
        self.accepts("abi.py", "--root", self.root, "--update")
        changed = ABI_LAYOUTS
        for before, after in [("<< 32", "<< 16"), ("raw & 15", "raw & 31"), ("label >> 8", "label >> 4"),
                              ("std::uint32_t first;", "std::uint64_t first;")]:
            self.assertIn(before, changed)
            changed = changed.replace(before, after)
        self.write(header, ABI_HEADER + changed)
        good, output = self.run_checker("abi.py", "--root", self.root, "--update")
        self.assertFalse(good, output)
        for expected in ["pair_word.mask::b was 0xffffffff00000000 in version 1 and is 0xffffffff0000",
                         "Word.mask::low was 0x000f in version 1 and is 0x001f",
                         "Label.mask::share was 0xff00 in version 1 and is 0x0ff0",
                         "Pair.offset::second was 4 in version 1 and is 8"]:
            self.assertIn(expected, output)
        self.write(header, ABI_HEADER + ABI_LAYOUTS.replace("std::uint32_t first;", "Nothing first;"))
        self.refuses("the headers do not compile", "abi.py", "--root", self.root)

    def test_update(self) -> None:
        self.write(self.NAMES["numbers"], self.texts["numbers"].replace("Op kMap 0x0104\n", ""))
        self.accepts("abi.py", "--root", self.root, "--update")
        self.assertEqual((self.root / self.NAMES["numbers"]).read_text(), self.texts["numbers"])


class Security(Case):
    DOCUMENT = "| promise | tests |\n|---|---|\n| none leaks | `guest.leaks`: pages, words |\n| it stops | `boot.panic` |\n"

    def setUp(self) -> None:
        super().setUp()
        self.write("test/guest/leaks_test.cpp", 'constexpr Entry kCases[] = {{"pages", pages}, {"words", words}};')
        self.list_tests("guest.leaks.cpus1", "guest.leaks.cpus2", "boot.panic")

    def list_tests(self, *names: str, label: str = "security") -> None:
        self.write("CTestTestfile.cmake", "".join(
            f'add_test({name} true)\nset_tests_properties({name} PROPERTIES LABELS "guest;{label}")\n' for name in names))

    def planted(self, document: str, expected: str) -> None:
        self.write("docs/security.md", document)
        self.refuses(expected, "security.py", "--root", self.root, "--build", self.root)

    def test_both(self) -> None:
        self.write("docs/security.md", self.DOCUMENT)
        self.accepts("security.py", "--root", self.root, "--build", self.root)
        self.planted(self.DOCUMENT.replace("guest.leaks", "guest.leak"), "there is no test guest.leak")
        self.planted(self.DOCUMENT.replace("words", "word"), "guest.leaks: there is no case word")
        self.planted(self.DOCUMENT.replace("`boot.panic`", "somewhere"), "no test for: it stops")
        self.planted(self.DOCUMENT.replace("| it stops | `boot.panic` |\n", ""), "does not name boot.panic")
        self.list_tests("guest.leaks.cpus1", "boot.panic", label="smp")
        self.planted(self.DOCUMENT, "guest.leaks.cpus1: lacks the label security")


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
