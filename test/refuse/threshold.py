#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A speedup just below the threshold is refused, one just above it is proved: 15 pairs of recorded logs.

recorded/ holds the serial output of one real pair and its ceilings. For each pair of the session their times are
stretched, everything that depends on them alike, so that the median speedup is what the test wants; a pair lies up to
4 % beside the median. Nothing else is changed, and each log goes the harness's whole way.
"""

import re
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from coxswain.aggregate import aggregate  # noqa: E402
from coxswain.boot import Boot  # noqa: E402
from coxswain.claim import decide  # noqa: E402
from coxswain.guest_log import Line  # noqa: E402
from coxswain.plan import TARGETS, Step  # noqa: E402
from coxswain.run import judge_run  # noqa: E402

PAIRS = 15
TIMES = re.compile(r"\b(start|end|runtime_ns|domain_ticks|system_ticks|idle_ticks|ticks|ns)=(\d+)")
PHASE = re.compile(r"run: phase=(begin|end) ns=(\d+)")


def recorded(name):
    return (Path(__file__).with_name("recorded") / f"{name}.log").read_text(encoding="utf-8").splitlines()


def section_ns(texts):
    return int(re.search(r"^result: .* ns=(\d+)", "\n".join(texts), re.MULTILINE)[1])


def stretched(texts, factor):
    """The lines of a run that took `factor` times as long from the release to the end, and when each arrives."""
    lines, now, begin = [], 0, {}
    for text in texts:
        now += 1_000_000
        phase = PHASE.match(text)
        if phase and phase[1] == "begin":
            begin = {"guest": int(phase[2]), "host": now}
        elif phase:
            took = round((int(phase[2]) - begin["guest"]) * factor)
            text, now = f"run: phase=end ns={begin['guest'] + took}", begin["host"] + took
        else:
            text = TIMES.sub(lambda match: f"{match[1]}={round(int(match[2]) * factor)}", text)
        lines.append(Line(now, text))
    return lines


def run_of(name, repetition, ns):
    kind, workers = name.split("-")
    step = Step(repetition, int(workers), int(workers), kind == "process", False)
    texts = recorded(name)
    lines = stretched(texts, ns / section_ns(texts))
    boot = Boot(["qemu"], 33, False, 60.0, lines, "", 0, lines[-1].at_ns, 1.0)
    return judge_run(step, boot, TARGETS["process-scale"], "round_robin", 2.0)


def claim_of(speedup, ceiling=1.7):
    one = section_ns(recorded("process-1"))
    runs = []
    for repetition in range(PAIRS):
        beside = 1 + 0.04 * (repetition - PAIRS // 2) / (PAIRS // 2)
        times = {"process-1": one, "process-2": one / (speedup * beside), "ceiling-1": one, "ceiling-2": one / ceiling}
        runs += [run_of(name, repetition, ns) for name, ns in times.items()]
    return decide(runs, aggregate(runs), PAIRS)


class ThresholdTest(unittest.TestCase):
    def test_just_below(self):
        claim = claim_of(1.59)
        self.assertEqual((claim.verdict, claim.exit_code), ("refused", 1), claim.reason)
        self.assertRegex(claim.reason, r"2 workers: median speedup 1\.590, below the threshold 1\.60 ")

    def test_just_above(self):
        claim = claim_of(1.61)
        self.assertEqual((claim.verdict, claim.exit_code), ("proved", 0), claim.reason)
        self.assertIn("2 workers: median speedup 1.61 of 15 pairs, threshold 1.60, ceiling 1.70", claim.reason)

    def test_above_the_threshold_but_below_what_the_host_gives(self):
        claim = claim_of(1.61, ceiling=1.9)
        self.assertEqual(claim.verdict, "refused")
        self.assertIn("below 0.90 of the ceiling 1.900", claim.reason)


if __name__ == "__main__":
    unittest.main()
