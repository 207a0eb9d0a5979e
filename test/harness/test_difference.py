# SPDX-License-Identifier: MIT
"""When two policies are said to differ, and when not."""

import random
import unittest

from support import ROOT  # noqa: F401  finds the scripts
from workload_case import MESSAGING, recorded

from coxswain.comparison import compare
from coxswain.difference import BETTER, MIN_PAIRS, NONE, WORSE, difference
from coxswain.trial import plan
from coxswain.workloads import HIGHER, LOWER, Metric

TIME = Metric("wake_p50_ns", "wake p50", "ns", LOWER)
RATE = Metric("per_second", "requests", "/s", HIGHER)
MISSED = Metric("missed", "missed", "", LOWER, counted=True)


def series(values):
    return dict(enumerate(float(value) for value in values))


def noise(generator, pairs, sigma=0.2):
    return [1000 * generator.lognormvariate(0, sigma) for _ in range(pairs)]


class DifferenceTest(unittest.TestCase):
    def test_a_clear_difference_is_claimed_in_its_direction(self):
        slow, fast = [200 + n % 5 for n in range(MIN_PAIRS)], [100 + n % 5 for n in range(MIN_PAIRS)]
        for metric, a, b, claim in ((TIME, slow, fast, BETTER), (TIME, fast, slow, WORSE),
                                    (RATE, slow, fast, WORSE), (RATE, fast, slow, BETTER)):  # fmt: skip
            found = difference(metric, series(a), series(b))
            self.assertEqual((found.claim, found.exceeds_spread), (claim, True))
        found = difference(TIME, series(slow), series(fast))
        self.assertEqual((found.a_median, found.b_median), (202, 102))
        self.assertAlmostEqual(found.spread.median, 102 / 202 - 1)

    def test_one_pair_fewer_is_no_claim(self):
        a, b = series([200] * (MIN_PAIRS - 1)), series([100] * (MIN_PAIRS - 1))
        found = difference(TIME, a, b)
        self.assertEqual((found.claim, found.direction, found.exceeds_spread, found.enough), (NONE, BETTER, True, False))

    def test_equal_values_do_not_differ(self):
        found = difference(TIME, series([5] * 20), series([5] * 20))
        self.assertEqual((found.claim, found.direction, found.exceeds_spread), (NONE, NONE, False))

    def test_a_difference_within_its_spread_is_no_claim(self):
        a = series([100] * MIN_PAIRS)
        b = series([90 if n % 2 else 180 for n in range(MIN_PAIRS)])
        self.assertEqual(difference(TIME, a, b).claim, NONE)

    def test_numbers_that_may_be_zero_are_subtracted(self):
        found = difference(MISSED, series([0] * MIN_PAIRS), series([7] * MIN_PAIRS))
        self.assertEqual((found.spread.median, found.claim), (7, WORSE))
        self.assertEqual(difference(MISSED, series([0] * 15), series([0] * 15)).claim, NONE)
        self.assertIsNone(difference(TIME, series([0] * 15), series([7] * 15)))

    def test_only_complete_pairs_count(self):
        self.assertEqual(len(difference(TIME, {0: 1.0, 1: 1.0, 2: 1.0}, {1: 2.0, 2: 2.0, 3: 2.0}).pairs), 2)
        self.assertIsNone(difference(TIME, {0: 1.0}, {1: 1.0}))

    def test_how_often_noise_passes_for_a_difference(self):
        generator = random.Random(1)
        for pairs, low, high in ((5, 0.10, 0.25), (7, 0.03, 0.09), (MIN_PAIRS, 0.0, 0.01)):
            found = [difference(TIME, series(noise(generator, pairs)), series(noise(generator, pairs))) for _ in range(3000)]
            share = sum(each.exceeds_spread for each in found) / len(found)
            self.assertTrue(low <= share <= high, (pairs, share))


class RecordedTest(unittest.TestCase):
    """A real log, with the noise that real runs have, on the harness's whole way."""

    def claims(self, factor, seed):
        generator = random.Random(seed)
        trials = []
        for step in plan([MESSAGING], sides=2, repeats=MIN_PAIRS, icount=False):
            slower = factor if step.side == 1 else 1.0
            trials.append(recorded(step.side, step.repetition, slower * generator.lognormvariate(0, 0.1)))
        self.assertEqual([trial.problem for trial in trials if trial.problem], [])
        return {found.metric.key: found.claim for found in compare(trials, MESSAGING, 2).differences}

    def test_the_same_policy_twice_differs_in_nothing(self):
        for seed in range(3):
            self.assertEqual(set(self.claims(1.0, seed).values()), {NONE}, seed)

    def test_a_policy_that_takes_twice_as_long_is_worse_in_everything(self):
        claims = self.claims(2.0, 1)
        self.assertEqual(set(claims), {metric.key for metric in MESSAGING.metrics})
        self.assertEqual(set(claims.values()), {WORSE})

    def test_and_one_that_takes_half_as_long_better(self):
        self.assertEqual(set(self.claims(0.5, 1).values()), {BETTER})


class PlanTest(unittest.TestCase):
    def test_pairs_stand_side_by_side_and_take_turns(self):
        steps = plan([MESSAGING], sides=2, repeats=3, icount=True)
        self.assertEqual([(step.repetition, step.side, step.icount) for step in steps],
                         [(0, 0, False), (0, 1, False), (1, 1, False), (1, 0, False), (2, 0, False), (2, 1, False),
                          (0, 0, True), (0, 1, True)])  # fmt: skip


if __name__ == "__main__":
    unittest.main()
