# SPDX-License-Identifier: MIT
"""Counts are taken from complete boots only, and the ratchet turns one way."""

import unittest

from support import boot, boot_of
from coxswain import bench

LINES = [
    "coxswain: kernel version=1 cpus=1 boot=pvh tsc_hz=1 timer=pit",
    "bench: name=null_call operations=1000 ticks=80500",
    "bench: name=enter_nop operations=10 ticks=2000",
]


class BenchTest(unittest.TestCase):
    def test_counts_are_per_operation(self):
        counts = bench.counts_of(boot_of(LINES), "bench/calls")
        self.assertEqual(counts, {"null_call": 80.5, "enter_nop": 200.0})

    def test_a_boot_that_did_not_end_well_gives_none(self):
        for changes in ({"status": 35}, {"status": 0}, {"status": -9, "timed_out": True}):
            with self.subTest(changes), self.assertRaises(bench.BenchmarkFailed):
                bench.counts_of(boot_of(LINES, **changes), "bench/calls")
        with self.assertRaisesRegex(bench.BenchmarkFailed, "reported nothing"):
            bench.counts_of(boot_of(LINES[:1]), "bench/calls")
        with self.assertRaises(bench.BenchmarkFailed):
            bench.counts_of(boot([]), "bench/calls")

    def test_the_ratchet(self):
        baseline = {"a": 100.0, "b": 50.0}
        self.assertEqual(bench.complaints({"a": 103.0, "b": 10.0}, baseline), [])
        self.assertRegex(bench.complaints({"a": 103.1, "b": 50.0}, baseline)[0], "a: 103.1 .* 3.1 % more")
        self.assertEqual(bench.complaints({"a": 100.0}, baseline), ["b was not measured"])
        self.assertEqual(bench.complaints({**baseline, "c": 1.0}, baseline), ["c is new: 1.0"])

    def test_a_count_on_more_cpus_is_that_on_one(self):
        counts = {"call_on_1": 100.0, "call_on_2": 104.9, "call_on_4": 95.1, "only_on_4": 7.0}
        self.assertEqual(bench.complaints(counts, counts), [])
        for count in (105.1, 94.9):
            counts["call_on_4"] = count
            self.assertRegex(bench.complaints(counts, counts)[0], r"call_on_4: .* [+-]5\.1 % against 100\.0 on one CPU")

    def test_what_a_record_of_the_trace_costs(self):
        counts = {"null_call": 62.0, "map": 355.0}
        costs = bench.record_costs(counts, {"null_call": 122.0, "map": 500.0})
        self.assertEqual(costs, {"null_call": 60.0})  # of the others the number of records is not known
        self.assertEqual(bench.record_complaints(costs), [])
        dear = bench.record_costs(counts, {"null_call": 122.5, "map": 355.0})
        self.assertRegex(bench.record_complaints(dear)[0], "null_call: 60.5 instructions .* 60")
        text = bench.table(counts, {}, {"operations": {}, "notes": {}, "provenance": []}, {"null_call": 122.0, "map": 500.0})
        self.assertRegex(text, r"map +355\.0 +500\.0 +-")

    def test_a_peers_figure_is_never_ours(self):
        text = bench.table({"a": 10.0}, {}, {"operations": {"a": {"other": 7}}, "notes": {}, "provenance": ["given"]})
        self.assertRegex(text, r"a +10\.0 +- +7")
        self.assertIn("given", text)

    def test_other_hardware_is_compared_by_multiples_of_a_null_call(self):
        peers = {
            "null_call": {"ours": "null", "other": 50},
            "multiples": [{"operation": "a", "system": "other", "time": 200, "what": "the same"}],
        }
        self.assertEqual(bench.multiples({"null": 10.0, "a": 25.0}, peers), ["a: 2.5 null calls; other: 4.0 (the same)"])
        self.assertEqual(bench.multiples({"a": 25.0}, peers), [])  # without one of ours there is nothing to say
        self.assertEqual(bench.multiples({"null": 10.0}, peers), [])


if __name__ == "__main__":
    unittest.main()
