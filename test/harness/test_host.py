# SPDX-License-Identifier: MIT
"""The load that the harness sees is the load that there is; its progress suits where it is shown."""

import contextlib
import io
import os
import subprocess
import sys
import time
import unittest

import support  # noqa: F401  (puts the harness on the path)
from coxswain import host
from coxswain.progress import PlainLines, progress
from coxswain.provenance import gather


@contextlib.contextmanager
def load(processes: int):
    children = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


class HostTest(unittest.TestCase):
    def test_sees_a_load_on_every_cpu(self):
        with load(host.cpus()):
            host.free_now(0.2)  # until they have started
            self.assertLess(host.free_now(1.0), 0.75 * host.cpus())

    def test_counts_our_own_work_as_free(self):
        meter, begin, used = host.FreeCpus(), time.monotonic(), os.times().user
        while os.times().user < used + 0.5:
            pass
        # What others do meanwhile is not ours to say.
        ours = 0.5 / (time.monotonic() - begin)
        self.assertGreater(meter.since(), 0.8 * ours)

    def test_never_says_more_than_there_is(self):
        self.assertLessEqual(host.FreeCpus().since(child_s=1000.0), host.cpus())
        self.assertLessEqual(host.cpus(), os.cpu_count())


class ProgressTest(unittest.TestCase):
    def test_plain_lines_without_a_terminal(self):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            shown = progress(12)
            self.assertIsInstance(shown, PlainLines)
            shown.starts("process/2")
            shown.ended("17 ms")
            shown.close()
        self.assertEqual(said.getvalue(), "[ 1/12] process/2: 17 ms\n")

    def test_a_bar_on_a_terminal(self):
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        with contextlib.redirect_stderr(Terminal()) as said:
            shown = progress(3)
            shown.starts("process/2")
            shown.ended("17 ms")
            shown.note("a word between")
            shown.close()
        self.assertIn("process/2", said.getvalue())
        self.assertIn("a word between\n", said.getvalue())


class ProvenanceTest(unittest.TestCase):
    def test_names_commit_or_says_unknown(self):
        self.assertRegex(gather().git, r"^([0-9a-f]{40}(-dirty)?|unknown)$")


if __name__ == "__main__":
    unittest.main()
