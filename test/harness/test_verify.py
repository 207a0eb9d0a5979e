# SPDX-License-Identifier: MIT
"""A scaling run that is incomplete, wrong, or another than asked for proves nothing."""

import unittest

from support import TARGET, THREADS, boot, scale_run, scale_texts, timed
from coxswain.plan import Step
from coxswain.run import judge_run

STEP = Step(0, 2, 2, True, False)


def problem_of(texts, status=33, step=STEP, target=TARGET):
    return judge_run(step, boot(timed(texts), status), target, "round_robin", 2.0).problem


class VerifyTest(unittest.TestCase):
    def refused(self, expected, texts, **more):
        self.assertRegex(problem_of(texts, **more), expected)

    def test_an_honest_run_is_verified(self):
        run = scale_run()
        self.assertTrue(run.verified, run.problem)
        self.assertEqual(run.log.host_ns, 1_002_000_000)

    def test_wrong_count(self):
        self.refused("count 7, expected 664579", scale_texts(result_changes={"count": 7}))

    def test_a_guest_that_expects_the_wrong_count(self):
        self.refused("no known number", scale_texts(result_changes={"count": 7, "expected": 7}))

    def test_workers_that_do_not_add_up(self):
        self.refused("counted .* together", scale_texts(worker_changes={1: {"count": 7}}))

    def test_verdict_wrong_with_its_reason(self):
        lie = {"verdict": "wrong", "reason": '"checksum differs"'}
        self.refused("verdict=wrong checksum differs", scale_texts(result_changes=lie))

    def test_a_worker_missing_from_the_log(self):
        texts = [text for text in scale_texts() if not text.startswith("worker: index=1")]
        self.refused("1 worker lines for 2 workers", texts)

    def test_a_worker_that_stands_there_twice(self):
        self.refused("indices", scale_texts(worker_changes={1: {"index": 0}}))

    def test_a_cpu_missing_from_the_log(self):
        texts = [text for text in scale_texts() if not text.startswith("cpu: index=0")]
        self.refused("indices|CPU lines", texts)

    def test_a_run_cut_short(self):
        for length in range(len(scale_texts())):
            self.assertNotEqual(problem_of(scale_texts()[:length]), "", f"{length} lines")

    def test_output_after_the_result(self):
        self.refused("not the last line", [*scale_texts(), "error: late"])

    def test_two_results(self):
        self.refused("2 'result:' lines", [*scale_texts(), scale_texts()[-1]])

    def test_two_kernels(self):
        self.refused("2 'coxswain: kernel' lines", [scale_texts()[0], *scale_texts()])

    def test_what_else_the_kernel_says_is_for_people(self):
        texts = scale_texts()
        texts.insert(3, "coxswain: watchdog: thread 5 on CPU 1 waited 50 ms")
        self.assertEqual(problem_of(texts), "")

    def test_phases_out_of_order(self):
        texts = scale_texts()
        texts[3], texts[4] = texts[4], texts[3]
        self.refused("phases are first-user ready end begin", texts)

    def test_another_run_than_asked_for(self):
        self.refused("policy=fifo instead of round_robin", scale_texts(policy="fifo"))
        self.refused("workers=1 instead of 2", scale_texts(workers=1))
        self.refused("server=off instead of on", scale_texts(server=False))
        self.refused("target=thread-scale", scale_texts(result_changes={"target": "thread-scale"}))

    def test_processes_and_threads_never_stand_for_one_another(self):
        self.refused("target=thread-scale instead of smp-process-scale", scale_texts(target=THREADS))
        self.refused("target=smp-process-scale instead of thread-scale", scale_texts(), target=THREADS)

    def test_threads_whose_calls_nobody_counted(self):
        self.assertEqual(problem_of(scale_texts(target=THREADS), target=THREADS), "")
        texts = scale_texts(target=THREADS, worker_changes={1: {"calls": None}})
        self.refused("worker 1 has no count of its calls", texts, target=THREADS)
        self.refused("worker 1 has a count of its calls", scale_texts(worker_changes={1: {"calls": 0}}))

    def test_fewer_cpus_than_asked_for(self):
        texts = scale_texts()
        texts[0] = texts[0].replace("cpus=2", "cpus=1")
        self.refused("1 CPUs online", texts)

    def test_fallback_dispatches_hidden_from_the_result(self):
        self.refused("add up to 3", scale_texts(cpu_changes={0: {"fallback_dispatches": 3}}))

    def test_a_damaged_line(self):
        self.refused("not a field", [text.replace("count=", "cou nt=") for text in scale_texts()])

    def test_status_decides_too(self):
        self.refused("status 35", scale_texts(), status=35)
        self.refused("triple fault", scale_texts(), status=0)
        self.refused("qemu error", scale_texts(), status=1)


if __name__ == "__main__":
    unittest.main()
