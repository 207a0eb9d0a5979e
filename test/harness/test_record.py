# SPDX-License-Identifier: MIT
"""Recordings found in a made-up memory."""

import struct
import tempfile
import unittest
from pathlib import Path

import support  # noqa: F401  (puts the harness on the path)
from coxswain.record_file import NoRecording, assemble, counts, write

PAGE = 4096


def page(number, pages, name=7, entries=63, not_kept=0):
    return struct.pack("<16sQIIQQ", b"COXSWAIN-RECORD1", name, number, pages, entries, not_kept).ljust(PAGE, b"\xee")


class Record(unittest.TestCase):
    def test_pages_are_found_wherever_they_lie(self):
        memory = b"\0" * PAGE + page(1, 3) + page(2, 3, entries=5) + b"\1" * 3 * PAGE + page(0, 3, not_kept=9)
        recording = assemble(memory)
        self.assertEqual(recording, page(0, 3, not_kept=9) + page(1, 3) + page(2, 3, entries=5))
        self.assertEqual(counts(recording), (131, 9))

    def test_what_only_looks_like_a_page_is_none(self):
        memory = (b"x" * 100 + page(0, 1))[:PAGE] + page(0, 1)
        self.assertEqual(assemble(memory), page(0, 1))

    def test_every_reason_why_there_is_none(self):
        for memory, text in (
            (b"\0" * PAGE, "0 recordings"),
            (page(0, 1) + page(0, 1, name=8), "2 recordings"),
            (page(0, 2) + page(0, 2), "page 0 of 2 of a recording is there twice"),
            (page(2, 2) + page(2, 2), "page 2 of 2 of a recording is there twice, or is none"),
            (page(1, 2) + b"\0" * PAGE, "page 0 of the recording is missing"),
            (page(0, 9), "a recording of 9 pages in a memory of 1"),
        ):
            with self.assertRaisesRegex(NoRecording, text):
                assemble(memory)

    def test_absence_is_a_line_and_no_exception(self):
        with tempfile.TemporaryDirectory() as folder:
            memory, out = Path(folder) / "memory", Path(folder) / "record"
            memory.write_bytes(b"\0" * PAGE)
            self.assertEqual(write(str(memory), out), ("record: none: 0 recordings in the guest's memory", False))
            self.assertFalse(out.exists())
            memory.write_bytes(page(0, 1, entries=4, not_kept=2))
            self.assertEqual(write(str(memory), out), (f"record: {out}: 4 entries, 2 not kept", True))
            self.assertEqual(out.read_bytes(), memory.read_bytes())


if __name__ == "__main__":
    unittest.main()
