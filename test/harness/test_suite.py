# SPDX-License-Identifier: MIT
"""Each way in which a guest test can end is told from every other."""

import unittest

from support import boot, boot_of, suite_texts
from coxswain import junit
from coxswain.errors import ExitCode
from coxswain.guest_command import unmatched
from coxswain.guest_log import Line
from coxswain.suite_verdict import Verdict, classify

KERNEL = "coxswain: kernel version=0.1.0 cpus=2 boot=pvh tsc_hz=1 timer=pit"


class ClassifyTest(unittest.TestCase):
    def ends(self, verdict, detail, texts, **boot):
        outcome = classify(boot_of([KERNEL, *texts], **boot))
        self.assertEqual(outcome.verdict, verdict, outcome.detail)
        self.assertRegex(outcome.detail, detail)
        self.assertEqual(outcome.exit_code is ExitCode.OK, verdict is Verdict.PASS)
        return outcome

    def test_pass(self):
        self.ends(Verdict.PASS, "3 cases", suite_texts())

    def test_failed_cases_are_listed_by_name(self):
        outcome = self.ends(Verdict.CASES_FAILED, "case1: it broke", suite_texts(failing={1: "it broke"}), status=35)
        self.assertEqual([case.name for case in outcome.suite.failures], ["case1"])

    def test_a_failed_case_counts_whatever_the_status(self):
        self.ends(Verdict.CASES_FAILED, "case0", suite_texts(failing={0: "no"}), status=33)

    def test_status_fail_without_a_failed_case(self):
        self.ends(Verdict.GUEST_ERROR, "error: no such program", ["error: no such program"], status=35)
        self.ends(Verdict.GUEST_ERROR, "without a failed case", suite_texts(), status=35)

    def test_panic(self):
        panic = ["panic: cpu=1 cause=page_fault", "panic: frame=0xffffffff80001000"]
        self.ends(Verdict.PANIC, "cause=page_fault", panic, status=37)
        self.ends(Verdict.PANIC, "cause=page_fault", [*suite_texts(), *panic], status=33)
        self.ends(Verdict.PANIC, "cause=page_fault", panic, status=-9, timed_out=True)
        self.ends(Verdict.PANIC, "no line of it", suite_texts(), status=37)

    def test_hang(self):
        self.ends(Verdict.HANG, "the last line was: case: name=case1", suite_texts()[:3], status=-9, timed_out=True)
        self.assertIn("nothing at all", classify(boot_of([], status=-9, timed_out=True)).detail)

    def test_a_hang_after_a_complete_log_is_a_hang(self):
        self.ends(Verdict.HANG, "no end", suite_texts(), status=-9, timed_out=True)

    def test_triple_fault(self):
        self.ends(Verdict.TRIPLE_FAULT, "last line: case: name=case0", suite_texts()[:2], status=0)
        self.ends(Verdict.TRIPLE_FAULT, "status 0", suite_texts(), status=0)

    def test_short_output(self):
        texts = suite_texts()
        self.ends(Verdict.SHORT_OUTPUT, "0 verdict lines", texts[:-1])
        self.ends(Verdict.SHORT_OUTPUT, "3 cases announced, 2 reported, the last one case2", texts[:1] + texts[2:])
        self.ends(Verdict.SHORT_OUTPUT, "0 'suite: … cases=' lines", texts[1:])
        self.ends(Verdict.SHORT_OUTPUT, "0 cases announced, 0 reported", ["suite: name=ring cases=0",
                  "suite: name=ring passed=0 failed=0 verdict=ok"])  # fmt: skip
        self.ends(Verdict.SHORT_OUTPUT, "0 'suite:", [])

    def test_a_suite_that_contradicts_itself(self):
        texts = suite_texts()
        self.ends(Verdict.SHORT_OUTPUT, "reported twice: case0", [*texts[:2], texts[1], *texts[3:]])
        self.ends(Verdict.SHORT_OUTPUT, "it says", [*texts[:-1], texts[-1].replace("passed=3", "passed=4")])
        self.ends(Verdict.SHORT_OUTPUT, "does not fit", [*texts[:-1], texts[-1].replace("verdict=ok", "verdict=fine")])
        self.ends(Verdict.SHORT_OUTPUT, "not the last line", [*texts, "run: x=1"])
        self.ends(Verdict.SHORT_OUTPUT, "neither pass nor fail", [t.replace("=pass", "=maybe") for t in texts])

    def test_unsupported_machine(self):
        self.ends(Verdict.UNSUPPORTED, "needs a LAPIC", ["error: this machine needs a LAPIC"], status=39)

    def test_qemu_error(self):
        self.ends(Verdict.QEMU_ERROR, "status 1: qemu: no such machine", [], status=1, stderr="qemu: no such machine\n")
        self.ends(Verdict.QEMU_ERROR, "signal 11", suite_texts(), status=-11)
        self.ends(Verdict.QEMU_ERROR, "status 34", suite_texts(), status=34)

    def test_expected_lines(self):
        texts = ["error: manifest line 3: unknown key 'wrokers'"]
        self.assertEqual(unmatched(["line 3.*wrokers'$", "line 4"], texts), ["line 4"])


class JunitTest(unittest.TestCase):
    def test_one_case_each_and_one_for_the_boot(self):
        lines = [Line(number * 20_000_000, text) for number, text in enumerate(suite_texts(failing={1: "bad \x01 <&>"}))]
        outcome = classify(boot(lines, status=35))
        root = junit.render("ring.2", outcome, False, 0.5, "tail \x00")
        self.assertEqual([c.get("name") for c in root.findall("testcase")], ["case0", "case1", "case2", "boot"])
        self.assertEqual([c.get("time") for c in root.findall("testcase")], ["0.020", "0.020", "0.020", "0.500"])
        self.assertEqual((root.get("tests"), root.get("failures")), ("4", "2"))
        self.assertEqual(root.find("testcase/failure").get("message"), "bad  <&>")

    def test_an_expected_panic_is_no_failure(self):
        outcome = classify(boot_of(["panic: on purpose"], status=37))
        self.assertEqual(junit.render("panic.1", outcome, True, 0.5, "").get("failures"), "0")


if __name__ == "__main__":
    unittest.main()
