# SPDX-License-Identifier: MIT
"""Every way to cheat is refused with its own reason; an honest session is not."""

import unittest
from dataclasses import replace

from support import THREADS, TSC_HZ, scale_run, session
from coxswain.aggregate import aggregate
from coxswain.claim import decide, settled

HALF = 520_000_000  # nanoseconds; the section of two workers takes 1,040,000,000
TICKS = 2_080_000_000


def claim_of(runs, repeats=15):
    return decide(runs, aggregate(runs), repeats)


class ClaimTest(unittest.TestCase):
    def refused(self, reason, **lies):
        claim = claim_of(session(**lies))
        self.assertEqual(claim.verdict, "refused")
        self.assertRegex(claim.reason, reason)
        return claim

    def test_an_honest_session_is_proved(self):
        claim = claim_of(session())
        self.assertEqual((claim.verdict, claim.exit_code), ("proved", 0), claim.reason)
        self.assertIn("median speedup 1.92 of 15 pairs", claim.reason)

    def test_more_pairs_may_say_more_of_the_speed_alone(self):
        self.assertFalse(claim_of(session()).too_slow)
        slow = claim_of(session(two_ns=1_900_000_000))
        self.assertEqual((slow.verdict, slow.too_slow), ("refused", True), slow.reason)
        self.assertTrue(self.refused("below 0.90 of the ceiling", two_ns=1_240_000_000).too_slow)
        self.assertFalse(self.refused("workers shared a CPU", worker_changes={1: {"cpu": 0}}).too_slow)

    def test_a_host_whose_own_speed_varies_cannot_judge(self):
        runs = session(two_ns=1_240_000_000)
        self.assertFalse(claim_of(runs).host_at_fault)
        for run in range(7, len(runs), 8):  # seven of 15 ceilings of two workers
            runs[run] = scale_run(2, runs[run].step.repetition, False, 1_300_000_000)
        claim = claim_of(runs)
        self.assertEqual((claim.verdict, claim.host_at_fault), ("refused", True), claim.reason)

    def test_fewer_than_15_pairs_prove_nothing(self):
        claim = claim_of(session(pairs=14), repeats=14)
        self.assertEqual((claim.verdict, claim.exit_code), ("none", 0))

    def test_all_workers_on_one_cpu(self):
        self.refused("workers shared a CPU: they ran on 0, 0", worker_changes={1: {"cpu": 0}})

    def test_a_cpu_that_did_nothing(self):
        self.refused("CPU 1 did 0 % of the work", cpu_changes={1: {"domain_ticks": 0}})

    def test_one_worker_that_does_all_the_work(self):
        self.refused("worker 1 did 1 % of the work", worker_changes={1: {"runtime_ns": 10_000_000}})

    def test_workers_that_take_turns(self):
        by_turns = {index: {"domain_ticks": TICKS // 2, "idle_ticks": TICKS // 2} for index in range(2)}
        turns = {index: {"runtime_ns": HALF} for index in range(2)}
        self.refused("all workers ran together in 0.50", cpu_changes=by_turns, worker_changes=turns)

    def test_sections_that_do_not_overlap_by_the_guests_own_word(self):
        self.refused("all workers ran together in 0.30", result_changes={"overlap": "0.300"})
        self.refused(r"0.80 of the time .* \(median\)", result_changes={"overlap": "0.800"})

    def test_workers_that_take_turns_and_a_guest_that_lies_about_it(self):
        # The counters of the CPUs lie too; that a worker was on a CPU for half of its life only gives it away.
        turns = {0: {"runtime_ns": HALF, "end": TICKS // 2}, 1: {"runtime_ns": HALF}}
        self.refused("all workers ran together in 0.50", worker_changes=turns)

    def test_a_host_with_one_slower_cpu_is_no_objection(self):
        quick, ticks = 700_000_000, 700_000_000 * TSC_HZ // 1_000_000_000
        runs = session(
            worker_changes={0: {"runtime_ns": quick, "end": ticks}},
            cpu_changes={0: {"domain_ticks": ticks}}, result_changes={"overlap": "0.673"},
        )  # fmt: skip
        self.assertEqual(claim_of(runs).verdict, "proved", claim_of(runs).reason)

    def test_a_server_that_takes_part_of_the_cpus(self):
        greedy = {0: {"system_ticks": TICKS // 50}}
        self.refused("the server and the root task took 1.04 % of the time", cpu_changes=greedy)
        interpreted = [replace(run, interprets_kernel=True) for run in session(cpu_changes=greedy)]
        self.assertEqual(claim_of(interpreted).verdict, "proved")

    def test_one_disturbed_run_decides_nothing(self):
        runs = session()
        runs[1] = scale_run(2, 0, True, 1_040_000_000, result_changes={"overlap": "0.700"}, free_cpus=1.2)
        self.assertEqual(claim_of(runs).verdict, "proved")

    def test_a_fallback_dispatch_in_the_timed_section(self):
        runs = session()
        runs[1] = scale_run(
            2, 0, True, 1_040_000_000,
            cpu_changes={0: {"fallback_dispatches": 1}}, result_changes={"fallback_dispatches": 1},
        )  # fmt: skip
        claim = claim_of(runs)
        self.assertEqual(claim.verdict, "refused")
        self.assertIn("1 fallback dispatches in the timed section (repetition 0, 2 workers)", claim.reason)

    def test_a_server_that_placed_nothing(self):
        none, two = {"server_dispatches": 0}, {"server_dispatches": 2}
        self.refused("0 dispatches by the server for 2 workers", cpu_changes={0: none, 1: none})
        self.refused("the server dispatched nothing on CPU 1", cpu_changes={0: two, 1: none})

    def test_a_guest_clock_that_runs_fast_or_slow(self):
        # Fast: it says 1040 ms of a section that took less by the host's clock.
        self.refused("the guest says 1040 ms, the host's clock", host_ns=900_000_000)
        self.refused("the guest says 1040 ms, the host's clock", host_ns=1_200_000_000)

    def test_a_result_that_contradicts_its_own_ticks(self):
        self.refused("the guest says 1040 ms, its ticks 500 ms", result_changes={"ticks": 1_000_000_000})

    def test_timer_interrupts_that_nothing_explains(self):
        self.refused("4 timer interrupts on CPU 1, 3 explained", cpu_changes={1: {"timer_interrupts": 4}})

    def test_timer_interrupts_of_another_thread_are_explained(self):
        runs = session(cpu_changes={0: {"timer_interrupts": 6, "system_dispatches": 3}})
        self.assertEqual(claim_of(runs).verdict, "proved")

    def test_a_busy_host(self):
        claim = self.refused("busy host: 1.10 CPUs were free", free_cpus=1.1)
        self.assertTrue(claim.host_at_fault)

    def test_a_host_busy_beside_the_baseline_alone(self):
        runs = [scale_run(1, run.step.repetition, True, 2_000_000_000, free_cpus=1.1)
                if run.step.workers == 1 and run.step.server else run for run in session()]  # fmt: skip
        self.assertIn("busy host", claim_of(runs).reason)

    def test_a_section_too_short_to_compare_clocks(self):
        claim = claim_of(session(one_ns=200_000_000, two_ns=104_000_000, ceiling_ns=103_000_000))
        self.assertIn("a timed section of 104 ms is too short", claim.reason)

    def test_a_speedup_just_below_the_threshold(self):
        claim = self.refused(r"median speedup 1\.59\d, below the threshold 1\.60", two_ns=1_255_000_000)
        self.assertFalse(claim.host_at_fault)

    def test_a_speedup_just_above_the_threshold_needs_its_ceiling_too(self):
        just_above = {"two_ns": 1_245_000_000}
        self.refused(r"1\.606, below 0\.90 of the ceiling 1\.942", **just_above)
        claim = claim_of(session(ceiling_ns=1_200_000_000, **just_above))
        self.assertEqual(claim.verdict, "proved", claim.reason)

    def test_a_host_that_gives_no_speedup_itself_is_at_fault(self):
        self.assertTrue(claim_of(session(two_ns=1_500_000_000, ceiling_ns=1_490_000_000)).host_at_fault)

    def test_a_speedup_without_its_ceiling(self):
        runs = [run for run in session() if run.step.server]
        self.assertIn("no ceiling was measured", claim_of(runs).reason)

    def test_an_oversubscribed_host(self):
        runs = [scale_run(run.step.workers, run.step.repetition, run.step.server, run.ns,
                          oversubscribed=run.step.workers == 2) for run in session()]  # fmt: skip
        claim = claim_of(runs)
        self.assertEqual(claim.verdict, "refused")
        self.assertIn("oversubscribed", claim.reason)

    def test_four_workers_on_two_cpus_do_not_disturb_the_claim_of_two(self):
        runs = session()
        runs += [scale_run(4, repetition, True, 1_100_000_000, oversubscribed=True) for repetition in range(15)]
        self.assertEqual(claim_of(runs).verdict, "proved")

    def test_different_work(self):
        runs = session()
        runs[5] = scale_run(2, 1, True, 1_040_000_000, result_changes={"checksum": "0x99"})
        self.assertIn("different work", claim_of(runs).reason)

    def settled(self, runs, pairs=15, patient=False):
        claim = settled(runs, pairs, patient)
        return claim.reason if claim else ""

    def test_a_broken_rule_of_every_run_settles_the_claim_at_once(self):
        runs = session(pairs=1, worker_changes={1: {"cpu": 0}})[:2]
        self.assertIn("workers shared a CPU", self.settled(runs))
        self.assertEqual(self.settled(runs, pairs=14), "")  # too few for a claim: nothing is sought
        self.assertEqual(self.settled(runs[:1]), "")

    def test_an_honest_run_settles_nothing(self):
        runs = session()
        for length in range(1, len(runs) + 1):
            self.assertEqual(self.settled(runs[:length]), "")

    def test_what_the_host_may_have_done_settles_nothing_at_once(self):
        runs = session(pairs=1, result_changes={"overlap": "0.300"})[:2]
        self.assertIn("all workers ran together in 0.30", self.settled(runs))
        self.assertEqual(self.settled(runs, patient=True), "")
        busy = session(pairs=1, result_changes={"overlap": "0.300"}, free_cpus=1.1)[:2]
        self.assertEqual(self.settled(busy), "")

    def test_a_busy_host_settles_the_claim_when_the_median_is_certain(self):
        runs = session(free_cpus=1.1)
        self.assertEqual(self.settled(runs[: 7 * 4 - 2]), "")
        self.assertRegex(self.settled(runs[: 8 * 4 - 2]), r"busy host: 1\.10 CPUs were free in 8 of 15 runs")
        self.assertTrue(settled(runs[: 8 * 4 - 2], 15, False).host_at_fault)

    def test_one_wrong_run_is_refused_with_any_number_of_pairs(self):
        runs = session(pairs=1)
        runs[3] = scale_run(2, 0, False, result_changes={"count": 5})
        claim = claim_of(runs, repeats=1)
        self.assertEqual((claim.verdict, claim.exit_code), ("refused", 1))
        self.assertIn("count 5, expected 664579 (repetition 0, 2 workers, without the server)", claim.reason)


class ThreadClaimTest(unittest.TestCase):
    """Threads that are serialised: each part of the kernel's record gives them away, should the others not."""

    def refused(self, reason, **lies):
        claim = claim_of(session(target=THREADS, **lies))
        self.assertEqual(claim.verdict, "refused")
        self.assertRegex(claim.reason, reason)

    def test_an_honest_session_is_proved(self):
        claim = claim_of(session(target=THREADS))
        self.assertEqual(claim.verdict, "proved", claim.reason)

    def test_threads_that_wait_for_a_lock(self):
        self.refused("calls of the threads in their timed sections: 0, 25; wakes: 1, 26;", worker_changes={1: {"calls": 25, "wakes": 26}})

    def test_threads_that_call_and_never_wait(self):
        self.refused("timed sections: 0, 1; wakes: 1, 1;", worker_changes={1: {"calls": 1}})

    def test_threads_that_waited_and_whose_calls_are_denied(self):
        self.refused("timed sections: 0, 0; wakes: 1, 2;", worker_changes={1: {"wakes": 2}})

    def test_calls_in_the_baseline(self):
        runs = session(target=THREADS)
        runs[0] = scale_run(1, 0, True, 2_000_000_000, target=THREADS, worker_changes={0: {"calls": 3}})
        self.assertIn("timed sections: 3; wakes: 1; 0 and 1 are right", claim_of(runs).reason)

    def test_one_thread_that_does_the_work_of_all(self):
        self.refused("worker 1 did 1 % of the work", worker_changes={1: {"runtime_ns": 10_000_000}})

    def test_all_threads_on_one_cpu(self):
        self.refused("workers shared a CPU: they ran on 0, 0", worker_changes={1: {"cpu": 0}})
        self.refused("CPU 1 did 0 % of the work", cpu_changes={1: {"domain_ticks": 0}})

    def test_threads_that_take_turns(self):
        turns = {0: {"runtime_ns": HALF, "end": TICKS // 2}, 1: {"runtime_ns": HALF}}
        self.refused("all workers ran together in 0.50", worker_changes=turns)

    def test_threads_that_spin_for_a_lock(self):
        # On a CPU all the time, without a call: only the time that it takes says so.
        self.refused("median speedup 1.000, below the threshold 1.60", two_ns=2_000_000_000)

    def test_a_thread_that_calls_settles_the_claim_at_once(self):
        runs = session(pairs=1, target=THREADS, worker_changes={1: {"calls": 1}})[:2]
        self.assertIn("timed sections: 0, 1; wakes: 1, 1;", settled(runs, 15, True).reason)


if __name__ == "__main__":
    unittest.main()
