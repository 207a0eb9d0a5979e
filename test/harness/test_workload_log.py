# SPDX-License-Identifier: MIT
"""Which runs of a workload may be compared."""

import unittest

from support import ROOT, boot_of
from workload_case import MESSAGING, asked, made_up, recorded, workload_texts

from coxswain.trial import Step, judge_trial
from coxswain.workloads import WORKLOADS


class WorkloadLogTest(unittest.TestCase):
    def test_an_honest_run(self):
        trial = made_up()
        self.assertEqual((trial.problem, trial.log.values["wake_p90_ns"]), ("", 20_000))
        self.assertEqual(set(trial.log.values), {metric.key for metric in MESSAGING.metrics})
        self.assertEqual(trial.log.ticks["wake_p50"], 20_000)
        self.assertEqual(trial.log.section_ns, 10_000_000)

    def test_a_recorded_run(self):
        trial = recorded(0, 0, 1.0)
        self.assertEqual(trial.problem, "")
        self.assertGreater(trial.log.values["per_second"], 0)

    def test_every_lie_has_its_answer(self):
        for changes, problem in (
            ({"verified": "no", "reason": '"399 requests served of 400"'}, "its result is wrong: 399 requests served of 400"),
            ({"name": "weights"}, "another run than asked for: name=weights instead of messaging"),
            ({"cpus": 1}, "another run than asked for: cpus=1 instead of 2"),
            ({"size": "smoke"}, "size=smoke instead of default"),
            ({"seed": 2}, "seed=2 instead of 1"),
            ({"fallback_dispatches": 3}, "3 fallback dispatches"),
            ({"server_dispatches": 0}, "the server dispatched nothing"),
            ({"wake_count": 0}, "no wake was measured"),
            ({"wake_p50_ns": 99_000}, "the quantiles of wake do not rise"),
            ({"wake_max_ticks": 1_000_000}, "wake: 50000 ns are not 1000000 ticks"),
            ({"ns": 0}, "nothing was done in no time"),
            ({"operations": 0}, "nothing was done in no time"),
            ({"per_second": None}, "no per_second= in: "),
            ({"per_second": "fast"}, "per_second=fast is not a number"),
            ({"verified": None}, "no verified= in: "),
        ):
            with self.subTest(changes):
                trial = made_up(changes=changes)
                self.assertIsNone(trial.log)
                self.assertIn(problem, trial.problem)

    def test_lines_that_are_missing_or_twice(self):
        texts = workload_texts()
        for without, problem in (
            ("coxswain:", "the kernel has not introduced itself"),
            ("workload:", "0 lines of workload: instead of one"),
            ("sched-server:", "0 servers have said which policy they run"),
            ("suite: name=messaging passed", "the root task has not called it right"),
        ):
            with self.subTest(without):
                trial = made_up(texts=[text for text in texts if not text.startswith(without)])
                self.assertIn(problem, trial.problem)
        self.assertIn("2 lines of workload:", made_up(texts=[*texts, texts[4]]).problem)
        self.assertIn("not a field: scribble", made_up(texts=[*texts[:4], f"{texts[4]} scribble", *texts[5:]]).problem)

    def test_each_workload_is_there_with_all_that_belongs_to_it(self):
        tests = (ROOT / "test/workload/CMakeLists.txt").read_text()
        page = (ROOT / "docs/workloads.md").read_text()
        for name in WORKLOADS:
            self.assertTrue((ROOT / f"workers/{name}.cpp").exists(), name)
            manifest = (ROOT / f"workers/manifests/{name}.manifest").read_text()
            self.assertIn(f"program = workers/{name}\n", manifest)
            self.assertIn(f"workload_test({name} ", tests)
            self.assertIn(f"| `{name}` |", page)
        sources = [each.stem for each in (ROOT / "workers").glob("*.cpp") if "workload/frame.hpp" in each.read_text()]
        self.assertEqual(sorted(sources), sorted(WORKLOADS))

    def test_another_policy_than_asked_for(self):
        self.assertIn("policy=fifo instead of round_robin", made_up(policy="fifo").problem)

    def test_a_boot_that_failed(self):
        texts = workload_texts(changes={"verified": "no", "reason": '"it is wrong"'})
        trial = judge_trial(Step(0, MESSAGING, 0), boot_of(texts, status=35), asked(), 2.0)
        self.assertEqual(trial.problem, "its result is wrong: it is wrong")
        trial = judge_trial(Step(0, MESSAGING, 0), boot_of(workload_texts(), timed_out=True), asked(), 2.0)
        self.assertIn("hang: no end after 60 s", trial.problem)
        usage = ['error: policy "nosuch" unknown; known: fifo']
        trial = judge_trial(Step(0, MESSAGING, 0), boot_of(usage, status=35), asked(), 2.0)
        self.assertEqual(trial.refused_by_guest(), usage[0])


if __name__ == "__main__":
    unittest.main()
