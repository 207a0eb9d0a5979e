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
        self.assertEqual(self.guest("--match", "^panic: .*page_fault", "--expect", "panic", how="panic").returncode, 0)
        done = self.guest("--match", "no such line")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no line matches no such line", done.stdout)

    def test_reports_case_by_case(self):
        self.guest("--cpus", "1", how="fail")
        root = ElementTree.parse(self.build / "junit" / "ring.1.xml").getroot()
        self.assertEqual([case.get("name") for case in root.findall("testcase[failure]")], ["case1", "boot"])


if __name__ == "__main__":
    unittest.main()
