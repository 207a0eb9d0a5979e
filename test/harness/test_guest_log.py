# SPDX-License-Identifier: MIT
"""Records are told from noise, and damaged ones from good ones."""

import unittest

import support  # noqa: F401  (puts the harness on the path)
from coxswain.guest_log import Line, MalformedRecord, last_text, parse_line, require_clean


def record(text: str):
    return parse_line(Line(0, text))


class RecordTest(unittest.TestCase):
    def test_reads_words_numbers_and_quoted_text(self):
        found = record('case: name=a result=fail message="expected \\"x=1\\", got \\\\"')
        self.assertEqual(found.fields, {"name": "a", "result": "fail", "message": 'expected "x=1", got \\'})
        self.assertEqual(record("worker: index=3 checksum=0x1F").integer("checksum"), 31)

    def test_strips_terminal_sequences_and_carriage_returns(self):
        self.assertEqual(record("\x1b[2J\x1b[01;01Hrun: phase=ready\r").fields, {"phase": "ready"})

    def test_kernel_line_may_follow_firmware_noise_on_its_line(self):
        self.assertEqual(record("Booting from DVD/CD...coxswain: kernel cpus=2").integer("cpus"), 2)

    def test_noise_and_quoted_records_are_not_records(self):
        for text in ("SeaBIOS (version 1.16)", "Booting result: verdict=ok", ' run: phase=end', "result:verdict=ok"):
            self.assertIsNone(record(text), text)

    def test_refuses_what_does_not_read_as_a_number(self):
        for value in ("-1", "1_0", "0x", "1.5", "twelve", "0b1"):
            with self.assertRaises(MalformedRecord, msg=value):
                record(f"cpu: index={value}").integer("index")
        with self.assertRaises(MalformedRecord):
            record("result: overlap=nan").number("overlap")
        with self.assertRaises(MalformedRecord):
            record("result: count=1").integer("expected")

    def test_refuses_lines_written_into_each_other(self):
        for text in ("worker: index=0 cou worker: index=1", "cpu: index=0 index=1", 'case: name=a message="half'):
            with self.assertRaises(MalformedRecord, msg=text):
                require_clean(record(text))

    def test_last_text_skips_empty_lines(self):
        self.assertEqual(last_text([Line(0, "waiting"), Line(1, "\x1b[0m\r"), Line(2, "  ")]), "waiting")
        self.assertEqual(last_text([]), "nothing at all")


if __name__ == "__main__":
    unittest.main()
