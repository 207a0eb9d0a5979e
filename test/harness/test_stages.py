# SPDX-License-Identifier: MIT
"""scripts/test: what it runs in which tier, and that no failure is lost on the way to its last line."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import support  # noqa: F401  (puts the harness on the path)
from coxswain import test_command
from coxswain.test_command import Stage, stages
from coxswain.test_report import Counts, count

REPORT = """<testsuite>
  <testcase name="a" status="run"/>
  <testcase name="b" status="fail"><failure message=""/></testcase>
  <testcase name="c" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
    <system-out>accelerator: tcg
run: skipped: busy host</system-out></testcase>
</testsuite>"""


class StagesTest(unittest.TestCase):
    def test_the_quick_tier(self):
        names = [stage.name for stage in stages(nightly=False, seeds=10, jobs=2)]
        self.assertEqual(names, ["configure", "build", "quick", "configure asan", "build asan", "asan",
                                 "configure tsan", "build tsan", "tsan", "scale"])  # fmt: skip

    def test_the_nightly_tier_adds_seeds(self):
        made = {stage.name: stage for stage in stages(nightly=True, seeds=3, jobs=2)}
        self.assertEqual(made["seed-4"].environment["COXSWAIN_SEED"], "4")
        self.assertIn("nightly", made)
        self.assertNotIn("seed-5", made)

    def test_measurements_run_alone_and_last(self):
        last = stages(nightly=True, seeds=1, jobs=8)[-1]
        self.assertEqual(last.name, "scale")
        self.assertEqual(last.command[last.command.index("-j") + 1], "1")


class ReportTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.report = Path(folder.name) / "report.xml"

    def test_counts_what_passed_failed_and_was_skipped(self):
        self.report.write_text(REPORT)
        counts = count(self.report)
        self.assertEqual(str(counts + counts), "2 passed, 2 failed, 2 skipped (c: busy host; c: busy host)")

    def test_no_report_is_a_failure(self):
        self.assertEqual(count(self.report), Counts(1, 1))
        self.report.write_text("<testsuite><testcase")
        self.assertEqual(count(self.report), Counts(1, 1))

    def whole(self, *planned):
        with mock.patch.object(test_command, "stages", return_value=list(planned)):
            with contextlib.redirect_stdout(io.StringIO()) as said:
                code = test_command.main([])
        return code, said.getvalue()

    def write(self, text):
        return ["sh", "-c", 'printf %s "$0" > "$1"', text, str(self.report)]

    def test_a_failed_stage_fails_the_whole_and_what_needs_it_is_not_run(self):
        code, said = self.whole(
            Stage("build", ["false"]), Stage("quick", ["true"], needs="build"), Stage("other", ["true"])
        )
        self.assertEqual(code, 1)
        self.assertIn("not run: build failed", said)
        self.assertRegex(said, r"other +ok")

    def test_a_failure_in_the_report_counts_even_with_status_0(self):
        code, said = self.whole(Stage("quick", self.write(REPORT), self.report))
        self.assertEqual(code, 1)
        self.assertIn("1 passed, 1 failed, 1 skipped (c: busy host)", said)

    def test_all_well(self):
        fine = '<testsuite><testcase name="a" status="run"/></testsuite>'
        code, said = self.whole(Stage("quick", self.write(fine), self.report))
        self.assertEqual(code, 0)
        self.assertRegex(said, r"all +ok .*1 passed, 0 failed, 0 skipped")


if __name__ == "__main__":
    unittest.main()
