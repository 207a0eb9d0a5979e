# SPDX-License-Identifier: MIT
"""scripts/run --top on made-up memory: what it reads, and what it makes of two looks."""

import unittest

import top_case
from coxswain.guest_log import Line, MalformedRecord
from coxswain.live_memory import LiveMemory
from coxswain.top import compare, plain
from coxswain.trace_file import Ref
from top_case import UNPLACED, WAITER, WORKER, line, memory

TRACE = f"trace: address=0x{top_case.AREA:x} bytes=4096 records=16 classes=0x200"


def found(texts, made):
    return LiveMemory.find([Line(0, text) for text in texts], lambda at, size: made[at : at + size])


def look(before, now, seconds=2):
    first, second = (found([TRACE, top_case.LIVE], made).snapshot(at) for made, at in ((before, 10**9), (now, (1 + seconds) * 10**9)))
    return compare(first, second, 10**9, top_case.trace_case.TSC_HZ)


class TopTest(unittest.TestCase):
    def test_nothing_is_read_until_the_kernel_has_said_where(self):
        made = memory(top_case.KNOWN)
        self.assertIsNone(found([], made))
        self.assertIsNone(found([TRACE], made))
        self.assertIsNone(found([top_case.LIVE], made))
        with self.assertRaises(MalformedRecord):
            found([TRACE, "live: table=0x1000 threads=2048"], made)

    def test_threads_and_names_are_read_as_they_stand(self):
        snapshot = found([TRACE, top_case.LIVE], memory(top_case.KNOWN)).snapshot(5)
        self.assertEqual(set(snapshot.threads), {Ref(*WORKER), Ref(*WAITER), Ref(*UNPLACED)})
        self.assertEqual((snapshot.threads[Ref(*UNPLACED)].state, snapshot.threads[Ref(*UNPLACED)].wakes), ("unplaced", 7))
        self.assertEqual(snapshot.names[Ref(*WORKER)].process, "workers/primes")

    def test_what_each_cpu_runs_and_has_waiting(self):
        made = memory(top_case.KNOWN)
        seen = look(made, made)
        self.assertEqual([(row.runs, row.queued) for row in seen.cpus], [("primes/0", 1), ("", 0)])
        self.assertEqual((seen.unplaced, seen.wakes, seen.moves), (1, 0, 0))
        self.assertEqual(plain(seen), "top: 2.0s cpu0=primes/0+1 cpu1=idle+0 unplaced=1 wakes/s=0 commits/s=0 moves/s=0 fallback/s=0")

    def test_rates_are_differences_by_time(self):
        before = memory(top_case.KNOWN, {0: {"commits_accepted": 10, "idle_ticks": 7}})
        moved = [line(*WORKER, "running", 1, wakes=15), *top_case.KNOWN[1:]]
        second = 10**9
        now = memory(moved, {0: {"commits_accepted": 30, "idle_ticks": 7 + second}, 1: {"fallback_dispatches": 4}})
        seen = look(before, now)
        self.assertEqual((seen.wakes, seen.moves), (5, 0.5))
        self.assertEqual((seen.cpus[0].rates["commits"], seen.cpus[0].idle), (10, 0.5))
        self.assertEqual((seen.cpus[1].rates["fallback"], seen.cpus[1].rates["dispatches"]), (2, 2))
        self.assertEqual(seen.cpus[1].runs, "primes/0")

    def test_a_thread_of_another_generation_is_another_thread(self):
        before = memory([line(3, 1, "running", 0, wakes=100)])
        now = memory([line(3, 2, "running", 1, wakes=1)])
        seen = look(before, now)
        self.assertEqual((seen.wakes, seen.moves, seen.cpus[1].runs), (0, 0, "thread 3.2"))


if __name__ == "__main__":
    unittest.main()
