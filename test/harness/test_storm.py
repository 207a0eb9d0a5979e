# SPDX-License-Identifier: MIT
"""scripts/run swap-storm: what it reads from the guest, and what it makes of it."""

import json
import unittest

import support  # noqa: F401  (puts the harness on the path)
from coxswain import storm_command
from coxswain.guest_log import Line, MalformedRecord

EVENT = "run: phase=event number={} kind={} policy=fifo blackout_ns={} took_ns=5"
RESULT = (
    "result: target=swap-storm swaps={} refused=1 kills=1 killed_at_start=0 replacements=1 quiet=0 threads=22 "
    "ledger_looks=5 lost_wakes=0 fallback_dispatches=7 watchdog_hits=0"
)


def log(*texts: str) -> list[Line]:
    return [Line(0, text) for text in texts]


def honest(swaps: int = 2) -> list[str]:
    kinds = ["swap"] * swaps + ["kill", "replace"]
    return ["run: phase=begin ns=1"] + [EVENT.format(i, kind, (i + 1) * 100) for i, kind in enumerate(kinds)] + [RESULT.format(swaps)]


class PercentileTest(unittest.TestCase):
    def test_nearest_rank(self):
        self.assertEqual(storm_command.percentile(list(range(1, 101)), 99), 99)
        self.assertEqual(storm_command.percentile(list(range(1, 101)), 50), 50)
        self.assertEqual(storm_command.percentile([3, 1, 2], 50), 2)
        self.assertEqual(storm_command.percentile([7], 99), 7)
        self.assertEqual(storm_command.percentile([], 50), 0)


class ReadTest(unittest.TestCase):
    def test_an_honest_log(self):
        storm = storm_command.read(log("domain: falls back cause=12", *honest(), "domain: falls back cause=12", "domain: falls back cause=13"))
        self.assertEqual(storm.blackouts("swap", "kill", "replace"), [100, 200, 300, 400])
        self.assertEqual(storm.falls, {"no_server": 1, "watchdog": 1})

    def test_what_does_not_agree_is_refused(self):
        texts = honest()
        for wrong, said in (
            (texts[2:], "numbers are not"),
            ([*texts[:4], texts[5]], "0 events of kind replace, but replacements=1"),
            (texts[:-1], "0 'result: "),
            ([*texts, texts[-1]], "2 'result: "),
            ([texts[0], texts[1] + " gar bled", *texts[2:]], "not a field"),
        ):
            with self.subTest(said), self.assertRaisesRegex(MalformedRecord, said):
                storm_command.read(log(*wrong))

    def test_result_json_has_the_promised_names(self):
        args = storm_command._parser().parse_args(["--seed", "9"])
        result = json.loads(storm_command.render(storm_command.read(log(*honest())), args, "ok"))
        self.assertEqual(result["context"]["target"], "swap-storm")
        self.assertEqual(result["context"]["seed"], 9)
        figures = {name: result[name] for name in ("swaps", "kills", "replacements", "lost_wakes", "blackout_p50_ns", "blackout_p99_ns")}
        self.assertEqual(figures, {"swaps": 2, "kills": 1, "replacements": 1, "lost_wakes": 0, "blackout_p50_ns": 200,
                                   "blackout_p99_ns": 400})  # fmt: skip
        self.assertEqual(result["by_kind"]["swap"]["count"], 2)
        self.assertEqual(len(result["events"]), 4)


if __name__ == "__main__":
    unittest.main()
