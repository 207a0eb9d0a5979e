# SPDX-License-Identifier: MIT
"""What QEMU is told, what is kept from it, and a panic in the kernel's own words."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import support  # noqa: F401  (puts the harness on the path)
from coxswain.artifacts import Artifacts
from coxswain.errors import UsageError
from coxswain.guest_log import Line
from coxswain.qemu import TCG, Machine, check_extra, command
from coxswain.symbolize import explain

TREE = Artifacts(Path("/a b,c/build"))


class CommandLineTest(unittest.TestCase):
    def test_direct_boot(self):
        line = command(Machine(2, TCG), TREE, ["workers=2", "seed=1"])
        self.assertEqual(line[line.index("-append") + 1], "workers=2 seed=1")
        self.assertEqual(line[line.index("-kernel") + 1], "/a b,c/build/coxswain.elf")
        self.assertIn("tcg,thread=multi", line)
        self.assertTrue(line[line.index("-machine") + 1].startswith("microvm,"))

    def test_memory_that_others_can_read(self):
        line = command(Machine(2, TCG, memory="64M", memory_file="/proc/1/fd/2"), TREE, [])
        self.assertIn("memory-backend-file,id=ram,size=64M,mem-path=/proc/1/fd/2,share=on", line)
        self.assertTrue(line[line.index("-machine") + 1].endswith(",memory-backend=ram"))
        self.assertNotIn("-object", command(Machine(2, TCG), TREE, []))

    def test_a_comma_in_an_iso_path_is_doubled(self):
        line = command(Machine(2, TCG, machine="pc", boot="iso"), TREE, [], make_iso=False)
        self.assertIn("file=/a b,,c/build/iso/", line[line.index("-drive") + 1])

    def test_microvm_has_no_cd_drive(self):
        with self.assertRaises(UsageError):
            command(Machine(2, TCG, boot="iso"), TREE, [], make_iso=False)

    def test_the_kernels_arguments_need_no_quoting(self):
        for word in ("a b", "x='1'", 'x="1"', "x=$y", "x=\\", "a=b;c", "{", ""):
            with self.assertRaises(UsageError, msg=word):
                command(Machine(2, TCG), TREE, [word])

    def test_extra_arguments_may_not_change_what_is_reported(self):
        for argument in ("-accel", "--accel", "-enable-kvm", "-smp", "-M", "-machine", "-kernel", "-icount"):
            with self.assertRaises(UsageError, msg=argument):
                check_extra([argument, "x"])
        self.assertEqual(check_extra(["-smp", "2,cores=2"], frozenset({"smp"})), ("-smp", "2,cores=2"))
        self.assertEqual(check_extra(["-d", "int", "-D", "log"]), ("-d", "int", "-D", "log"))


@unittest.skipUnless(shutil.which("llvm-symbolizer-19") and shutil.which("clang++-19"), "needs clang-19 and llvm-19")
class SymbolizeTest(unittest.TestCase):
    def test_names_functions_and_lines(self):
        with tempfile.TemporaryDirectory() as folder:
            source, image = Path(folder) / "x.cpp", Path(folder) / "coxswain.elf"
            source.write_text("void outer();\nvoid inner() {\n  outer();\n}\n")
            subprocess.run(["clang++-19", "-g", "-c", "-O1", "-o", image, source], check=True)
            trap = ["panic: rip=0x0 cs=0x8", "panic: frame=0x0", "panic: frame=0x5"]
            called = ["panic: frame=0x5", "panic: done"]
            by_trap, by_call = (explain(lines_of(texts), Artifacts(Path(folder))) for texts in (trap, called))
        place = r"inner\(\) at .*x\.cpp:3"
        self.assertEqual(by_trap[0], trap[0])
        self.assertRegex(by_trap[1], rf"^panic: frame=0x0  {place}")
        self.assertRegex(by_trap[2], rf"^panic: frame=0x5  {place}")
        self.assertRegex(by_call[0], rf"^panic: frame=0x5  {place}")
        self.assertEqual(by_call[1], called[1])

    def test_a_fault_is_looked_up_in_its_program(self):
        with tempfile.TemporaryDirectory() as folder:
            programs = Path(folder) / "programs"
            (programs / "test").mkdir(parents=True)
            source = Path(folder) / "x.cpp"
            source.write_text("void outer();\nvoid inner() {\n  outer();\n}\n")
            subprocess.run(["clang++-19", "-g", "-c", "-O1", "-o", programs / "test" / "child", source], check=True)
            shutil.copy(programs / "test" / "child", programs / "child2")
            fault = "fault: process={} thread=5 cpu=1 vector=6 error=0x0 address=0x0 rip=0x1"
            names = ("test/child", "child", "child2", "nosuch", "../programs/child2", "/etc/passwd", "*")
            found = explain(lines_of([fault.format(name) + "\r" for name in names]), Artifacts(Path(folder)))
        for name, text in zip(names[:3], found):
            self.assertRegex(text, rf"^fault: process={name} .* rip=0x1  inner\(\) at .*x\.cpp:3")
        self.assertEqual(found[3:], [fault.format(name) for name in names[3:]])

    def test_without_a_kernel_the_addresses_stay(self):
        nothing = Artifacts(Path("/nonexistent"))
        self.assertEqual(explain([Line(0, "panic: frame=0x6")], nothing), ["panic: frame=0x6"])


def lines_of(texts):
    return [Line(0, text) for text in texts]


if __name__ == "__main__":
    unittest.main()
