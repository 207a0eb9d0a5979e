# SPDX-License-Identifier: MIT
import unittest

import support  # noqa: F401  (puts the harness on the path)
from coxswain.plan import make
from coxswain.stats import Spread, paired_ratios, spread


class StatsTest(unittest.TestCase):
    def test_quartiles_interpolate(self):
        self.assertEqual(spread([4.0, 1.0, 3.0, 2.0]), Spread(1.75, 2.5, 3.25))
        self.assertEqual(spread([1.0, 2.0, 3.0]), Spread(1.5, 2.0, 2.5))
        self.assertEqual(spread([7.0]), Spread(7.0, 7.0, 7.0))
        with self.assertRaises(ValueError):
            spread([])

    def test_pairs_are_made_within_a_repetition_only(self):
        self.assertEqual(paired_ratios({0: 10.0, 1: 30.0, 2: 9.0}, {0: 5.0, 1: 10.0, 3: 1.0}), [2.0, 3.0])

    def test_pairing_cancels_drift_that_unpaired_medians_would_not(self):
        base = {index: 10.0 * (1 + index) for index in range(15)}
        other = {index: 5.0 * (1 + index) for index in range(15)}
        self.assertEqual(spread(paired_ratios(base, other)), Spread(2.0, 2.0, 2.0))


class PlanTest(unittest.TestCase):
    def test_interleaves_in_time(self):
        order = [(step.repetition, step.server, step.workers) for step in make([1, 2], [1, 2], 2, 2)]
        expected = [(r, server, workers) for r in (0, 1) for server in (True, False) for workers in (1, 2)]
        self.assertEqual(order, expected)

    def test_marks_what_the_host_cannot_carry(self):
        steps = make([1, 2, 4], [1, 2, 4], 1, 2)
        self.assertEqual([s.workers for s in steps if s.oversubscribed], [4, 4])

    def test_more_workers_than_cpus_have_no_ceiling_and_no_claim(self):
        steps = make([1, 4], [1, 2], 1, 8)
        self.assertEqual([(s.workers, s.server, s.oversubscribed) for s in steps],
                         [(1, True, False), (4, True, True), (1, False, False)])  # fmt: skip


if __name__ == "__main__":
    unittest.main()
