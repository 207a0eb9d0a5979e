# SPDX-License-Identifier: MIT
"""test/security/guest_tests.py on made-up tests: which it runs, with which kernel, and how it ends."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import ROOT

SCRIPT = ROOT / "test/security/guest_tests.py"
# Fails as its --name says, and where it was not told of the other kernel.
FAKE = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
case "$*" in *"--kernel other.elf --program"*bad*) exit 1;; *"--kernel other.elf --program"*) exit 0;; *) exit 2;; esac
"""


class HardenedTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="coxswain, a test ")
        self.addCleanup(folder.cleanup)
        self.build = Path(folder.name)
        self.fake = self.build / "scripts" / "guest-test"
        self.fake.parent.mkdir()
        self.fake.write_text(FAKE)
        self.fake.chmod(0o755)

    def run_(self, *tests, only=""):
        """Each test: its name and its labels."""
        (self.build / "CTestTestfile.cmake").write_text("".join(
            f'add_test({name} "{self.fake}" "--program" "{name}")\n'
            f'set_tests_properties({name} PROPERTIES LABELS "{labels}")\n' for name, labels in tests))  # fmt: skip
        return subprocess.run([sys.executable, SCRIPT, "--build", self.build, "--kernel", "other.elf", "--only", only],
                              capture_output=True, text=True, check=False)  # fmt: skip

    def test_runs_the_guest_tests(self):
        done = self.run_(("one", "guest"), ("two", "guest;smp"), ("late", "guest;nightly"), ("unit", "unit"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("2 of 2 guest tests passed with other.elf", done.stdout)
        self.assertEqual(len((self.fake.parent / "calls").read_text().splitlines()), 2)

    def test_tells_of_failures(self):
        done = self.run_(("one", "guest"), ("bad", "guest"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("bad: failed", done.stdout)
        self.assertIn("1 of 2 guest tests passed", done.stdout)

    def test_by_what_it_prints(self):
        self.fake.write_text("#!/bin/sh\necho refused\nexit 1\n")
        self.assertEqual(self.run_(("one", 'guest" PASS_REGULAR_EXPRESSION "refus')).returncode, 0)
        self.assertEqual(self.run_(("one", 'guest" PASS_REGULAR_EXPRESSION "passed')).returncode, 1)

    def test_none_is_a_failure(self):
        self.assertEqual(self.run_(("unit", "unit")).returncode, 1)
        self.assertEqual(self.run_(("one", "guest"), only="two").returncode, 1)


if __name__ == "__main__":
    unittest.main()
