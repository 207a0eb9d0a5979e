# SPDX-License-Identifier: MIT
"""scripts/guest-test from end to end, with a stand-in for QEMU."""

import unittest
from xml.etree import ElementTree

from command_case import CommandTest, processes_of


class GuestTestTest(CommandTest):
    def guest(self, *arguments, how=""):
        return self.call("guest-test", "--program", "test/ring", *arguments, how=how)

    def test_verdicts_and_exit_codes(self):
        for how, code, text in (
            ("", 0, "ring.2: pass: 3 cases"),
            ("fail", 1, "failed case case1: it broke"),
            ("short", 1, "ring.2: short output: 0 verdict lines"),
            ("panic", 3, "ring.2: panic: panic: cpu=0"),
            ("triple-fault", 3, "ring.2: triple fault"),
            ("qemu-error", 2, "QEMU says: qemu: could not do it"),
            ("hang", 124, "ring.2: hang: no end after 1 s"),
        ):
            with self.subTest(how):
                done = self.guest("--timeout", "1", how=how)
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                self.assertIn(text, done.stdout)
                self.assertTrue((self.build / "logs" / "guest" / "ring.2.log").exists())
        self.assertEqual(processes_of(self.build), [])

    def test_expectations(self):
        self.assertEqual(self.guest("--expect", "panic", how="panic").returncode, 0)
        self.assertEqual(self.guest("--expect", "panic").returncode, 1)
        self.assertEqual(self.guest("--expect", "fail").returncode, 1)
        self.assertEqual(self.guest("--expect", "fail", how="fail").returncode, 0)
        self.assertEqual(self.guest("--match", "^panic: .*page_fault", "--expect", "panic", how="panic").returncode, 0)
        done = self.guest("--match", "no such line")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no line matches no such line", done.stdout)

    def test_a_trace_is_drawn_and_judged(self):
        done = self.guest("--trace", "--match", "^trace: 14 records of 2 CPUs .*sound, 22 counters of 2 CPUs compared")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        folder = self.build / "logs" / "guest"
        for suffix, text in (("txt", "# tracer: coxswain"), ("json", '"traceEvents"'), ("svg", "primes/0")):
            self.assertIn(text, (folder / f"ring.2.trace.{suffix}").read_text())
            self.assertIn(f"trace: {folder}/ring.2.trace.{suffix}\n", done.stdout)
        for how, code, text in (
            ("no-trace", 1, "the kernel did not say where its trace is"),
            ("bad-trace", 1, "CPU 1, record 3 at 0x[0-9a-f]+: there is no event 0"),
            ("odd-trace", 1, "trace is wrong: CPU 0: 1 system_dispatches in the trace, 0 by the kernel's counter"),
            ("panic", 3, "panic: cpu=0"),
            ("qemu-error", 2, "QEMU says: qemu: could not do it"),
        ):
            with self.subTest(how):
                done = self.guest("--trace", how=how)
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                self.assertRegex(done.stdout + done.stderr, text)

    def test_classes_of_a_trace(self):
        self.assertEqual(self.guest("--trace", "stop,dispatch").returncode, 0)
        done = self.guest("--trace", "stop,colour")
        self.assertEqual(done.returncode, 2)
        self.assertIn("'colour' is none of all, dispatch, stop, wake", done.stderr)
        self.assertEqual(self.guest("--trace", "--memory", "1T").returncode, 2)

    def test_another_kernel(self):
        other = self.build / "other.elf"
        (self.build / "coxswain.elf").rename(other)
        self.assertEqual(self.guest("--kernel", str(other)).returncode, 0)
        done = self.guest("--kernel", str(self.build / "coxswain.elf"))
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn("coxswain.elf is missing", done.stdout + done.stderr)

    def test_reports_case_by_case(self):
        self.guest("--cpus", "1", how="fail")
        root = ElementTree.parse(self.build / "junit" / "ring.1.xml").getroot()
        self.assertEqual([case.get("name") for case in root.findall("testcase[failure]")], ["case1", "boot"])


if __name__ == "__main__":
    unittest.main()
