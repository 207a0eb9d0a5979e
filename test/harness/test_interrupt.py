# SPDX-License-Identifier: MIT
"""However the harness is ended, no QEMU is left behind, and what was measured is kept and named."""

import signal
import subprocess
import time
import unittest

from command_case import CommandTest, processes_of


class InterruptTest(CommandTest):
    def interrupt(self, number, how, *arguments):
        arguments = arguments or ("--workers", "1,2")
        command = self.command("run", "--accel", "tcg", "--repeats", "1000", *arguments)
        before = self.second_runs()
        child = subprocess.Popen(command, env=self.environment(how), stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while not self.under_way(how, before) and time.monotonic() < deadline:
                time.sleep(0.02)
            child.send_signal(number)
            out, err = child.communicate(timeout=30)
        finally:
            child.kill()
        return child.returncode, out + err

    def second_runs(self):
        return len(list((self.build / "results").glob("*/*/001-*.log")))

    def under_way(self, how, before):
        """A QEMU is there; where it does not hang, also the log of a second run, so the first has been kept."""
        return len(processes_of(self.build)) >= 2 and (how == "hang" or self.second_runs() > before)

    def test_what_was_kept_is_named_and_no_qemu_is_left(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                code, said = self.interrupt(number, "")
                self.assertEqual(code, 130, said)
                self.assertRegex(said, rf"interrupted: kept [1-9]\d* runs in {self.build}/results/.*no QEMU is left")
                self.assertIn(f"reason: {number.name} after", said)
                self.assertTrue((self.latest / "result.json").exists())
                self.assertEqual(processes_of(self.build), [])

    def test_a_comparison_keeps_its_runs_too(self):
        self.target = "compare"
        code, said = self.interrupt(signal.SIGINT, "", "compare", "--policy", "fifo", "--policy", "round_robin")
        self.assertEqual(code, 130, said)
        self.assertRegex(said, rf"interrupted: kept [1-9]\d* runs in {self.build}/results/.*no QEMU is left")
        self.assertTrue((self.latest / "result.json").exists())
        self.assertEqual(processes_of(self.build), [])

    def test_a_guest_that_hangs_is_ended_too(self):
        code, said = self.interrupt(signal.SIGINT, "hang")
        self.assertEqual(code, 130)
        self.assertIn("kept 0 runs", said)
        self.assertEqual(processes_of(self.build), [])

    def test_even_a_harness_that_is_killed_leaves_no_qemu(self):
        code, _ = self.interrupt(signal.SIGKILL, "hang")
        self.assertEqual(code, -signal.SIGKILL)
        deadline = time.monotonic() + 5
        while processes_of(self.build) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(processes_of(self.build), [])


if __name__ == "__main__":
    unittest.main()
