# SPDX-License-Identifier: MIT
"""The text, the JSON and the picture of a trace say the same, and each says what was lost."""

import json
import re
import unittest
from xml.etree import ElementTree

from trace_case import DOMAIN, WORKER, known, record, word
from coxswain import trace_chrome, trace_svg, trace_text
from coxswain.trace_file import decode
from coxswain.trace_timeline import Timeline

SVG = "{http://www.w3.org/2000/svg}"
_SWITCH = re.compile(r"^ *(\S+)-(\d+) +\[(\d{3})\] d\.\.\.\. +(\d+)\.(\d{9}): sched_switch: prev_comm=(\S+) prev_pid=(\d+) "
                     r"prev_prio=120 prev_state=([RSX]) ==> next_comm=(\S+) next_pid=(\d+) next_prio=120 ")  # fmt: skip


def timeline_of(**changes):
    return Timeline(decode(known(**changes)))


def slices_of_text(text):
    """As a tool finds them that knows nothing but ftrace's sched_switch."""
    running, found = {}, []
    for line in text.splitlines():
        match = _SWITCH.match(line)
        if not match:
            continue
        cpu, at = int(match[3]), int(match[4]) * 10**9 + int(match[5])
        if match[7] != "0":
            name, start = running.pop(cpu)
            assert name == match[6], line
            found.append((cpu, name, start, at))
        if match[10] != "0":
            running[cpu] = (match[9], at)
    return sorted(found)


def slices_of_json(text):
    return sorted((event["tid"], event["name"], round(event["ts"] * 1000), round((event["ts"] + event["dur"]) * 1000))
                  for event in json.loads(text)["traceEvents"] if event["ph"] == "X" and event["pid"] == trace_chrome.CPUS)  # fmt: skip


def slices_of_svg(text):
    """By what each rectangle says of itself; `drawn_right` looks at where it is."""
    root = ElementTree.fromstring(text)
    return sorted((int(each.get("data-cpu")), each.get("data-thread"), int(each.get("data-start")), int(each.get("data-end")))
                  for each in root.iter(f"{SVG}rect") if each.get("class") == "slice")  # fmt: skip


def busy(count):
    """One CPU, on which a thread runs 60 of every 100 ns."""
    ring = []
    for turn in range(count):
        ring.append(record(100 * turn, "dispatch", *WORKER, word("running", "woken"), DOMAIN))
        ring.append(record(100 * turn + 60, "stop", *WORKER, word("unplaced", "slice_end")))
    return {"rings": [ring], "stats": None, "capacity": 32768, "classes": ("dispatch", "stop")}


class OutputTest(unittest.TestCase):
    WANTED = [(0, "root", 500, 8000), (1, "primes/0", 2100, 6000), (1, "sched-server/agent1", 1500, 2000)]

    def test_all_three_show_the_same_slices(self):
        timeline = timeline_of()
        self.assertEqual(slices_of_text(trace_text.render(timeline)), self.WANTED)
        self.assertEqual(slices_of_json(trace_chrome.render(timeline)), self.WANTED)
        self.assertEqual(slices_of_svg(trace_svg.render(timeline, "x")), self.WANTED)

    def test_the_picture_draws_each_slice_where_it_says(self):
        root = ElementTree.fromstring(trace_svg.render(timeline_of(), "<a & b>"))
        scale = (trace_svg.WIDTH - trace_svg.LEFT - trace_svg.RIGHT) / 8000
        for each in root.iter(f"{SVG}rect"):
            if each.get("class") == "slice":
                start, end, cpu = (int(each.get(f"data-{name}")) for name in ("start", "end", "cpu"))
                self.assertAlmostEqual(float(each.get("x")), trace_svg.LEFT + start * scale, delta=0.01)
                self.assertAlmostEqual(float(each.get("width")), (end - start) * scale, delta=0.01)
                self.assertEqual(float(each.get("y")), trace_svg.TOP + cpu * (trace_svg.LANE + trace_svg.GAP))
        texts = [each.text for each in root.iter(f"{SVG}text")]
        for wanted in ("<a & b>", "3 wakes, as arrows", "CPU 0", "CPU 1", "0 ms", "exited  1", "blocked  2"):
            self.assertIn(wanted, texts)
        self.assertTrue(any(text.startswith("primes/0  ") for text in texts))
        self.assertEqual(len([each for each in root.iter(f"{SVG}line") if each.get("class") == "wake"]), 3)

    def test_what_is_below_a_pixel_keeps_its_area(self):
        root = ElementTree.fromstring(trace_svg.render(timeline_of(**busy(10_000)), "x"))
        columns = [each for each in root.iter(f"{SVG}rect") if each.get("class") == "column"]
        self.assertEqual([each for each in root.iter(f"{SVG}rect") if each.get("class") == "slice"], [])
        self.assertLess(len(columns), trace_svg.WIDTH + 2)
        area = sum(float(each.get("width")) * float(each.get("height")) for each in columns)
        whole = trace_svg.LANE * (trace_svg.WIDTH - trace_svg.LEFT - trace_svg.RIGHT)
        self.assertAlmostEqual(area / whole, 0.6, delta=0.01)

    def test_the_text_is_as_ftrace_writes_it(self):
        text = trace_text.render(timeline_of())
        lines = text.splitlines()
        self.assertEqual(lines[:3], ["# tracer: coxswain", "#", "# entries-in-buffer/entries-written: 14/14   #P:2"])
        for line in lines:
            self.assertRegex(line, r"^#|^ *\S+-\d+ +\[\d{3}\] d\.\.\.\. +\d+\.\d{9}: \w+: ")
        for wanted in (
            "primes/0-10003 [001] d....     0.000006000: sched_switch: prev_comm=primes/0 prev_pid=10003 prev_prio=120 prev_state=X ==> "
            "next_comm=swapper next_pid=0 next_prio=120 cause=exited now=gone",
            "root-10000 [000] d....     0.000001000: sched_wakeup_new: comm=primes/0 pid=10003 prio=120 target_cpu=001 now=unplaced",
            "sched-server/agent1-10001 [001] d....     0.000001800: cox_commit: comm=primes/0 pid=10003 prio=120 target_cpu=001 flags=0 slice_us=5000.0",
            "<idle>-0 [001] d....     0.000006001: sched_process_exit: comm=primes/0 pid=10003 prio=120 cause=exited code=0x0",
            "cox_event: line=3 agent=1", "ipi_raise: target_mask=00000002", "sys_enter: NR 0 (0x7, 0x200)",
        ):  # fmt: skip
            self.assertIn(wanted, text)

    def test_every_kind_of_record_has_a_line(self):
        of_all = [
            record(1, "wake", *WORKER, word("unplaced", "woken")), record(2, "return", *WORKER, word("unplaced", "recalled")),
            record(3, "event", 0, 0, 2049, 1), record(4, "recall", *WORKER), record(5, "refuse", 0, 0, 7 << 32 | 3, 2**64 - 22),
            record(6, "place", *WORKER, word("queued", "no_server", 1)), record(7, "shootdown", 0, 0, 2, 5),
            record(8, "shot_down", 0, 0, 2, 5), record(9, "interrupt", 0, 0, 0xE0), record(10, "interrupt", 0, 0, 0xE1),
            record(11, "interrupt", 0, 0, 0xFF),
        ]  # fmt: skip
        text = trace_text.render(timeline_of(rings=[of_all], stats=None))
        for wanted in ("sched_wakeup: comm=primes/0", "cox_return: .* cause=recalled", "cox_event: cpu=1 agent=1", "cox_recall: ",
                       "cox_refuse: line=3 generation=7 error=-22", "cox_place: .* target_cpu=001 cause=no_server",
                       "cox_shootdown: waits_for=0x2 generation=5", "cox_shot_down: ", "local_timer_entry: vector=224",
                       "reschedule_entry: vector=225", "cox_interrupt: vector=255"):  # fmt: skip
            self.assertRegex(text, wanted)

    def test_the_json_is_what_perfetto_reads(self):
        whole = json.loads(trace_chrome.render(timeline_of()))
        events = whole["traceEvents"]
        for event in events:
            self.assertIn(event["ph"], "MXsfi")
            self.assertIsInstance(event["pid"], int)
            if event["ph"] != "M":
                self.assertGreaterEqual(event["ts"], 0)
                self.assertIsInstance(event["tid"], int)
        tracks = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
        self.assertEqual(tracks[(1, 0)], "CPU 0")
        self.assertEqual(tracks[(2, 10003)], "primes/0 3.1")
        self.assertTrue(all((e["pid"], e["tid"]) in tracks for e in events if e["ph"] != "M"))
        # A flow begins in the slice that wakes and ends at the beginning of the one that follows. Here root wakes primes/0;
        # the wakes of root and the agent came from no slice.
        begin, end = ([e for e in events if e["ph"] == ph] for ph in "sf")
        self.assertEqual([(e["id"], e["tid"], e["ts"]) for e in begin], [(2, 0, 1.0)])
        self.assertEqual([(e["id"], e["tid"], e["ts"], e["bp"]) for e in end], [(2, 1, 2.1, "e")])
        self.assertEqual({e["name"] for e in events if e["ph"] == "i"}, {"wake", "event", "commit", "call", "ipi", "gone"})

    def test_what_was_lost_is_said_in_each(self):
        timeline = timeline_of(**{**busy(50), "capacity": 16})
        self.assertIn("CPU:0 [LOST 85 EVENTS]", trace_text.render(timeline))
        self.assertIn("entries-in-buffer/entries-written: 15/100", trace_text.render(timeline))
        self.assertEqual(json.loads(trace_chrome.render(timeline))["otherData"]["lost_records"], {"CPU 0": 85})
        self.assertIn("85 RECORDS LOST, the oldest (CPU 0: 85)", trace_svg.render(timeline, "x"))

    def test_a_trace_without_slices_says_so(self):
        timeline = timeline_of(classes=("ipi",), rings=[[record(5, "ipi", 0, 0, 1)], []], stats=None)
        self.assertIn("that needs the classes dispatch and stop", trace_svg.render(timeline, "x"))
        self.assertEqual(slices_of_text(trace_text.render(timeline)), [])

    def test_an_empty_trace_is_drawn_too(self):
        timeline = timeline_of(rings=[[], []], stats=None)
        ElementTree.fromstring(trace_svg.render(timeline, "x"))
        self.assertEqual(slices_of_json(trace_chrome.render(timeline)), [])
        self.assertIn("0/0   #P:2", trace_text.render(timeline))


if __name__ == "__main__":
    unittest.main()
