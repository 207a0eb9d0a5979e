# SPDX-License-Identifier: MIT
"""A trace is read as it was written or refused with a reason, and one that cannot be true is found out."""

import re
import struct
import unittest

from support import ROOT
from trace_case import AGENT1, COUNTED, DOMAIN, KNOWN, WORKER, known, record, with_record, word
from coxswain.trace_check import check, counters
from coxswain.trace_file import CAUSES, CLASSES, KINDS, STATES, BadTrace, Ref, decode
from coxswain.trace_timeline import CUT, Timeline


def complaints(**changes):
    return check(Timeline(decode(known(**changes))))


class ReadingTest(unittest.TestCase):
    def test_the_known_trace(self):
        timeline = Timeline(decode(known()))
        self.assertEqual([(each.cpu, timeline.name(each.ref), each.start, each.end, each.placed, each.why) for each in timeline.slices],
                         [(0, "root", 500, 8000, "system", "blocked"),
                          (1, "sched-server/agent1", 1500, 2000, "agent", "blocked"),
                          (1, "primes/0", 2100, 6000, "server", "exited")])  # fmt: skip
        self.assertEqual([(wake.cpu, wake.at, timeline.name(wake.ref), wake.slice.start) for wake in timeline.wakes],
                         [(0, 0, "root", 500), (1, 100, "sched-server/agent1", 1500), (0, 1000, "primes/0", 2100)])  # fmt: skip
        self.assertEqual(check(timeline), [])
        self.assertEqual([len(counters(timeline.trace, cpu)) for cpu in timeline.trace.cpus], [11, 11])

    def test_what_is_no_trace_is_refused_with_the_reason(self):
        whole = known()
        for area, text in (
            (b"", "no trace area"),
            (bytes(len(whole)), "no trace area: it begins with"),
            (known(magic=b"NOTTRACE"), "it begins with b'NOTTRACE'"),
            (known(version=2), "version 2 .* this reads version 1"),
            (whole[:-1], f"cut off: {len(whole) - 1} bytes of {len(whole)}"),
            (whole[:500], "cut off"),
            (known(capacity=24), "not a header: .* 24 records each"),
            (struct.pack("<8sIII", b"COXTRACE", 1, 32, 65).ljust(len(whole), b"\0"), "not a header: 65 CPUs"),
            (known(rings=with_record(1, 3, record(3000, 99, *AGENT1))), "CPU 1, record 3 at 0x[0-9a-f]+: there is no event 99"),
            (known(rings=with_record(1, 3, bytes(32))), "CPU 1, record 3 .* no event 0"),
            (known(rings=with_record(0, 5, record(2200, "ipi", 3, 1))), "a ipi of thread 3.1"),
            (known(rings=with_record(0, 6, record(9000, "stop", 0, 0, word("waiting")))), "a stop of thread 0.0"),
            (known(rings=with_record(0, 6, record(9000, "stop", 0, 1, 0x77))), "the state word 0x77"),
            (known(rings=with_record(0, 6, record(2199, "stop", 0, 1, word("waiting")))), "CPU 0, record 6: its time is before"),
        ):
            with self.subTest(text), self.assertRaisesRegex(BadTrace, text):
                decode(area)

    def test_an_overrun_keeps_the_newest_and_counts_the_rest(self):
        ipis = [record(1000 + number, "ipi", 0, 0, 1) for number in range(100)]
        trace = decode(known(rings=[ipis, []]))
        self.assertEqual((trace.cpus[0].written, trace.cpus[0].lost, len(trace.cpus[0].events)), (100, 85, 15))
        self.assertEqual([event.tsc for event in trace.cpus[0].events], list(range(1085, 1100)))
        self.assertEqual(counters(trace, trace.cpus[0]), [])  # nothing to compare with
        # The oldest may be half replaced: it is not looked at.
        ipis[84] = bytes(32)
        self.assertEqual(decode(known(rings=[ipis, []])).lost, 85)

    def test_who_ran_when_the_trace_begins_or_ends_is_shown_as_cut(self):
        turns = [record(t, kind, *WORKER, word(state, "slice_end", 0, t), DOMAIN * (kind == "dispatch"))
                 for t, (kind, state) in enumerate((("dispatch", "running"), ("stop", "unplaced")) * 10)]  # fmt: skip
        last = record(20, "dispatch", *WORKER, word("running", "slice_end", 0, 20), DOMAIN)
        ring = [*turns, last, record(25, "ipi", 0, 0, 0)]
        timeline = Timeline(decode(known(rings=[ring], stats=None, classes=("dispatch", "stop", "ipi"))))
        self.assertEqual((timeline.trace.lost, timeline.begin_of(0)), (7, 0))
        lane = timeline.lanes[0]
        self.assertEqual([(each.start, each.end, each.placed, each.why) for each in (lane[0], lane[1], lane[-1])],
                         [(0, 0, CUT, "slice_end"), (1, 2, "server", "slice_end"), (13, 18, "server", CUT)])  # fmt: skip
        self.assertEqual(check(timeline), [])

    def test_names(self):
        more = [(3, 1, "workers/primes", 0, 1), (3, 2, "workers/primes", 0, 1), (4, 1, "a b\x01<c", 0, 0)]
        timeline = Timeline(decode(known(names=more)))
        self.assertEqual([timeline.name(Ref(*ref)) for ref in ((3, 1), (3, 2), (4, 1), (0, 1))],
                         ["primes/0", "primes/1", "a_b__c", "thread:0.1"])  # fmt: skip
        self.assertEqual(decode(known(names=more * 2)).nameless, 2)

    def test_numbers_are_those_of_the_kernel(self):
        def enumerators(path, name):
            body = re.search(rf"enum class {name}[^{{]*{{(.*?)}};", (ROOT / path).read_text(), re.S)[1]
            found = re.findall(r"k(\w+) = (\d+),", body)
            return {int(number): re.sub(r"(?<!^)(?=[A-Z])", "_", each).lower() for each, number in found}

        self.assertEqual(enumerators("microkernel/abi/sched.hpp", "ThreadState"), dict(enumerate(STATES)))
        self.assertEqual(enumerators("microkernel/abi/sched.hpp", "Cause"), dict(enumerate(CAUSES)))
        self.assertEqual(enumerators("microkernel/core/trace.hpp", "TraceEvent"), {n: kind for n, (kind, _) in enumerate(KINDS, 1)})
        text = (ROOT / "microkernel/core/trace.hpp").read_text()
        self.assertEqual(tuple(re.findall(r'"(\w+)"', re.search(r"kTraceClassNames\[\] = {(.*?)}", text, re.S)[1])), CLASSES)


class CheckTest(unittest.TestCase):
    """Each thing that a sound trace cannot say."""

    def test_two_dispatches_without_a_stop(self):
        found = complaints(rings=with_record(1, 3, record(3000, "interrupt", 0, 0, 0xE0)), stats=None)
        self.assertIn("CPU 1: 3.1 is dispatched while 1.1 runs", found)

    def test_a_stop_of_one_who_does_not_run(self):
        found = complaints(rings=with_record(1, 4, record(3100, "interrupt", 0, 0, 0xE0)), stats=None)
        self.assertEqual(len(found), 2)
        self.assertEqual(found[0], "CPU 1: 3.1 stops while nobody runs")
        self.assertRegex(found[1], r"^primes/0 \(3.1\): at 6000 ns .*, but it is queued .*: that needs one that is running$")

    def test_a_thread_on_two_cpus(self):
        rings = with_record(0, 1, record(1500, "dispatch", *AGENT1, word("running", "started", 1, 1), 1))
        rings[0][6] = record(9000, "stop", *AGENT1, word("waiting", "blocked", 0, 2))
        self.assertIn("1.1 is on CPUs 0 and 1 at 1500 ns", complaints(rings=rings, stats=None))

    def test_a_dispatch_without_a_commit(self):
        found = complaints(rings=with_record(1, 2, record(2800, "event", 0, 0, 3, 1)), stats=None)
        self.assertEqual(found, ["primes/0 (3.1): at 2100 ns on CPU 1 a dispatch (started, sequence 3) makes it running, but it is unplaced"
                                 " since a wake on CPU 0 at 1000 ns (sequence 2): that needs one that is queued"])  # fmt: skip

    def test_a_commit_of_a_thread_that_waits(self):
        found = complaints(rings=with_record(0, 3, record(2000, "event", 0, 0, 3, 1)), stats=None)
        self.assertEqual(found, ["primes/0 (3.1): at 1800 ns on CPU 1 a commit (started, sequence 3) makes it queued, but it is"
                                 " not created: that needs one that is unplaced"])  # fmt: skip

    def test_a_wake_whose_time_was_read_before_the_thread_blocked_is_in_order_by_its_sequence(self):
        rings = [list(KNOWN[0]), [*KNOWN[1][:5],
                 record(7000, "stop", *WORKER, word("waiting", "blocked", 1, 3)),
                 record(7400, "commit", *WORKER, word("queued", "woken", 1, 5)),
                 record(7500, "dispatch", *WORKER, word("running", "woken", 1, 5), DOMAIN)]]  # fmt: skip
        rings[0].insert(6, record(6990, "wake", *WORKER, word("unplaced", "woken", 1, 4)))
        self.assertEqual(complaints(rings=rings, stats=None), [])

    def test_counters_that_disagree(self):
        for cpu, name in ((0, "system_dispatches"), (1, "server_dispatches"), (1, "agent_dispatches"), (1, "fallback_dispatches"),
                          (1, "commits_accepted"), (0, "commits_refused"), (0, "events_posted"), (1, "ipis_sent"),
                          (1, "timer_interrupts"), (1, "ipis_received"), (0, "shootdowns")):  # fmt: skip
            counted = {number: dict(of) for number, of in COUNTED.items()}
            counted[cpu][name] = counted[cpu].get(name, 0) + 5
            found = complaints(stats=counted)
            self.assertEqual(len(found), 1, name)
            self.assertRegex(found[0], f"CPU {cpu}: [01] {name} in the trace, [56] by the kernel")

    def test_only_the_classes_that_are_on_are_compared(self):
        trace = decode(known(classes=("ipi",)))
        self.assertEqual([name for name, _, _ in counters(trace, trace.cpus[0])], ["ipis_sent"])


if __name__ == "__main__":
    unittest.main()
