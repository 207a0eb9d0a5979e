# SPDX-License-Identifier: MIT
"""Records that the table of transitions does not allow are refused, each for its own reason; and what it allows passes."""

import re
import unittest

from support import ROOT
from trace_case import CAPACITY, DOMAIN, area, record, word
from coxswain.trace_file import CAUSES, CLASSES, STATES, decode
from coxswain.trace_timeline import Timeline
from coxswain.trace_transitions import check
from coxswain.transitions import KEPT, TRANSITIONS

LIFE = [  # of thread 3.1 on CPU 1, but for the wakes and the commits, which come from CPU 0
    (0, 100, "wake", word("unplaced", "started", 1, 1)),
    (0, 200, "commit", word("queued", "started", 1, 2)),
    (1, 300, "dispatch", word("running", "started", 1, 2)),
    (1, 400, "stop", word("waiting", "blocked", 1, 3)),
    (0, 390, "wake", word("unplaced", "woken", 1, 4)),  # its time was taken before the stop
    (0, 500, "commit", word("queued", "woken", 1, 5)),
    (1, 600, "dispatch", word("running", "woken", 1, 5)),
    (1, 700, "stop", word("gone", "exited", 1, 6)),
    (1, 701, "gone", word("gone", "exited", 1, 6)),
]


def complaints(life, generations=None, **options):
    rings = [[], []]
    for number, (cpu, at, kind, state) in enumerate(life):
        generation = generations[number] if generations else 1
        rings[cpu].append((at, record(at, kind, 3, generation, state, DOMAIN if kind == "dispatch" else 0)))
    rings = [[made for _, made in sorted(ring)] for ring in rings]
    return check(Timeline(decode(area(rings, **options))))


def but(number, cpu=None, at=None, kind=None, state=None):
    """The life with one record changed."""
    old = LIFE[number]
    new = tuple(now if now is not None else before for now, before in zip((cpu, at, kind, state), old))
    return [*LIFE[:number], new, *LIFE[number + 1 :]]


def without(*numbers):
    return [each for number, each in enumerate(LIFE) if number not in numbers]


class RefusedTest(unittest.TestCase):
    def refused(self, life, text, **options):
        found = complaints(life, **options)
        self.assertEqual(len(found), 1, found)
        self.assertRegex(found[0], text)

    def test_a_whole_life(self):
        self.assertEqual(complaints(LIFE), [])

    def test_each_record_that_is_missing_is_missed(self):
        for number, text in (
            (0, r"a commit .* but it is not created: that needs one that is unplaced$"),
            (1, r"a dispatch .* but it is unplaced since a wake on CPU 0 .*: that needs one that is queued$"),
            (2, r"a stop .* but it is queued .*: that needs one that is running$"),
            (3, r"a wake .* but it is running .*: that needs one that is created or waiting or suspended$"),
            (4, r"a commit .* but it is waiting .*: that needs one that is unplaced$"),
            (5, r"a dispatch .* but it is unplaced .*: that needs one that is queued$"),
            (6, r"a stop .* but it is queued .*: that needs one that is running$"),
        ):
            with self.subTest(number):
                self.refused(without(number), text)

    def test_more_than_one_that_is_missing_is_seen_by_the_sequence_number(self):
        self.refused(without(3, 4, 5, 6), "a stop .* it is running .*: the sequence number rises by 4, not 1: something between them")

    def test_a_sequence_number_that_does_not_rise(self):
        self.refused(but(3, state=word("waiting", "blocked", 1, 2))[:4], "the sequence number rises by 0, not 1$")

    def test_a_state_to_which_nothing_leads(self):
        self.refused(but(3, state=word("created", "blocked", 1, 3))[:4], "no transition to created is a stop")

    def test_a_cause_that_does_not_fit(self):
        self.refused(but(3, state=word("waiting", "slice_end", 1, 3)), "the cause of a block is not slice_end")
        self.refused(but(1, state=word("queued", "woken", 1, 2)), "the cause of a place is not woken")

    def test_a_cpu_that_has_no_say(self):
        self.refused(but(3, cpu=0), "on CPU 0 a stop .*: it is CPU 1's alone to do that")
        self.refused(but(3, cpu=0, state=word("waiting", "blocked", 0, 3)), "it was on CPU 1, which alone may do that")

    def test_times_that_contradict_the_order(self):
        life = but(2, at=400)
        life[3] = (1, 300, *LIFE[3][2:])
        self.refused(life, "a stop .*: its time is before that of the record before it")

    def test_the_first_of_each_line_is_told(self):
        found = complaints([*without(1, 5)])
        self.assertEqual(len(found), 1)
        self.assertRegex(found[0], r"^thread:3.1 \(3.1\): at 200 ns on CPU 1 a dispatch \(started, sequence 3\) makes it running, but it is"
                                   r" unplaced since a wake on CPU 0 at 0 ns \(sequence 2\): that needs one that is queued$")  # fmt: skip


class AllowedTest(unittest.TestCase):
    def test_a_suspension_leaves_no_record(self):
        life = [*LIFE[:4], (0, 450, "wake", word("unplaced", "resumed", 1, 5)), (0, 500, "commit", word("queued", "resumed", 1, 6))]
        self.assertEqual(complaints(life), [])
        life[4] = (0, 450, "wake", word("unplaced", "woken", 1, 5))  # a wake of a thread that waits rises by 1
        self.assertRegex(complaints(life)[0], "a wake .* it is waiting .*: the cause of a resume is not woken")

    def test_a_thread_that_a_kill_met_on_its_way_says_so_twice(self):
        left = (1, 400, "stop", word("running", "started", 1, 2, kill=True))
        gone = (1, 401, "gone", word("gone", "killed", 1, 3))
        self.assertEqual(complaints([*LIFE[:3], left, gone]), [])
        self.assertNotEqual(complaints([*LIFE[:3], (1, 400, "stop", word("running", "started", 1, 2)), gone]), [])

    def test_the_line_s_next_thread(self):
        first = [*LIFE, (0, 800, "wake", word("unplaced", "started", 0, 8))]
        self.assertEqual(complaints(first, generations=[1] * 9 + [2]), [])
        self.assertRegex(complaints(first)[0], "that needs one that is created")  # the same one
        early = [*LIFE[:3], (0, 350, "wake", word("unplaced", "started", 0, 4)), LIFE[3]]
        self.assertRegex(complaints(early, generations=[1] * 3 + [2, 1])[0], "it is waiting .*: that needs one that is created")

        many = (0, 800, "wake", word("unplaced", "started", 0, 4008))  # 2,000 that were taken back, without a record
        self.assertEqual(complaints([*LIFE, many], generations=[1] * 9 + [2002]), [])

    def test_the_end_may_have_come_between_a_transition_and_its_record(self):
        killed = (0, 500, "gone", word("gone", "killed", 1, 4))  # it had blocked, of which CPU 1 has not written yet
        self.assertEqual(complaints([*LIFE[:3], killed]), [])
        self.assertNotEqual(complaints([*LIFE[:3], killed, (1, 600, "dispatch", word("running", "woken", 1, 5))]), [])

    def test_what_is_not_traced_may_have_been(self):
        self.assertEqual(complaints([e for e in LIFE if e[2] in {"dispatch", "stop", "gone"}], classes=("dispatch", "stop")), [])
        some = [LIFE[2], LIFE[6]]
        self.assertRegex(complaints(some, classes=("dispatch", "stop"))[0], "a dispatch .* but it is running")

    def test_after_a_loss_a_line_is_followed_from_its_next_record_on(self):
        noise = [record(at, "ipi", 0, 0, 0) for at in range(350, 350 + CAPACITY + 5)]
        ring = [*noise, record(700, "stop", 3, 1, word("gone", "exited", 1, 6))]
        other = [record(at, kind, 3, 1, state) for cpu, at, kind, state in LIFE if cpu == 0 and at != 390]
        self.assertEqual(check(Timeline(decode(area([other, ring])))), [
            "thread:3.1 (3.1): at 600 ns on CPU 1 a stop (exited, sequence 7) makes it gone, but it is queued since a commit on CPU 0"
            " at 400 ns (sequence 6): that needs one that is running"
        ])  # fmt: skip
        self.assertEqual(check(Timeline(decode(area([other[:2], ring])))), [])


class TableTest(unittest.TestCase):
    """The table beside what it is about. That the model does the same is test/model/transitions.py."""

    def test_its_words_are_the_kernel_s(self):
        for row in TRANSITIONS:
            self.assertIn(row.before, STATES)
            self.assertIn(row.after, STATES)
            self.assertTrue(row.causes == KEPT or set(row.causes) <= set(CAUSES), row)

    def test_each_function_that_changes_a_word_is_a_row_or_is_known_not_to_be(self):
        text = (ROOT / "microkernel/core/thread_word.hpp").read_text()
        public = text[text.index("class ThreadStateWord") : text.index("private:")]
        functions = set(re.findall(r"^    (?:Transition|void) (\w+)\(", public, re.M))
        the_same_state = {"request", "clear_requests", "move_created"}
        short_forms = {"wake_waiting", "place_again", "requeue_placed", "block_placed", "block_in_call"}
        not_while_traced = {"continue_call", "place_and_dispatch"}
        rows = {row.name for row in TRANSITIONS} - {"take_back"}  # a kill, without a record
        self.assertEqual(functions - the_same_state - short_forms - not_while_traced, rows)


if __name__ == "__main__":
    unittest.main()
