# SPDX-License-Identifier: MIT
"""In a test, a claim that fails for its speed alone gets more pairs: as many again, all counting, and not for ever."""

import unittest
from types import SimpleNamespace

from support import session
from coxswain import run_command

PAIRS = 15


class Sessions:
    """What a session makes of each round: lists of runs."""

    def __init__(self, *rounds):
        self.rounds = list(rounds)
        self.runs = self.rounds.pop(0)
        self.steps = []
        self.interrupted = self.settled = None

    def make_more(self, steps, _progress):
        self.steps.append(steps)
        self.runs = self.runs + self.rounds.pop(0)


def slow(**changes):
    return session(two_ns=1_500_000_000, **changes)


def planned(sessions, ctest=True):
    steps = [run.step for run in sessions.runs]
    return run_command._make_more(sessions, SimpleNamespace(ctest=ctest, repeats=PAIRS), steps) // len(steps)


class MorePairsTest(unittest.TestCase):
    def test_what_is_proved_needs_no_more(self):
        self.assertEqual(planned(Sessions(session())), 1)

    def test_a_slow_round_is_not_the_last_word(self):
        sessions = Sessions(slow(), session(first=PAIRS))
        self.assertEqual(planned(sessions), 2)
        self.assertEqual([step.repetition for step in sessions.steps[0]], [run.step.repetition for run in session(first=PAIRS)])

    def test_what_is_slow_stays_slow(self):
        self.assertEqual(planned(Sessions(slow(), slow(first=PAIRS))), run_command.MOST_ROUNDS)

    def test_another_reason_gets_no_more(self):
        self.assertEqual(planned(Sessions(slow(worker_changes={1: {"cpu": 0}}))), 1)

    def test_nor_does_a_measurement_that_is_no_test(self):
        self.assertEqual(planned(Sessions(slow()), ctest=False), 1)


if __name__ == "__main__":
    unittest.main()
