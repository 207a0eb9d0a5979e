# SPDX-License-Identifier: MIT
"""The commands from end to end, with a stand-in for QEMU: exit codes, files, and no QEMU left behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from xml.etree import ElementTree

from support import ROOT

FAKE = Path(__file__).with_name("fake_qemu.py")


def processes_of(build: Path) -> list[int]:
    """Every process that has the build tree on its command line, as each QEMU of a test has."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(build) in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


class CommandTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="coxswain, a test ")
        self.addCleanup(folder.cleanup)
        self.build = Path(folder.name) / "build"
        self.build.mkdir()
        for name in ("coxswain.elf", "archive.cpio"):
            (self.build / name).write_bytes(b"not a kernel")

    def environment(self, how, **more):
        return {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "PYTHONDONTWRITEBYTECODE": "1",
                "COXSWAIN_QEMU": str(FAKE), "FAKE_QEMU": how, **more}  # fmt: skip

    def command(self, name, *arguments):
        where = ["--no-build", "--build-dir", str(self.build)] if name == "run" else ["--build", str(self.build)]
        return [sys.executable, "-m", "coxswain", name, *where, *arguments]

    def call(self, name, *arguments, how="", **more):
        return subprocess.run(self.command(name, *arguments), env=self.environment(how, **more), timeout=60,
                              capture_output=True, text=True, check=False)  # fmt: skip

    def run_(self, *arguments, how="", **more):
        return self.call("run", "--accel", "tcg", *arguments, how=how, **more)

    @property
    def latest(self):
        return self.build / "results" / "smp-process-scale" / "latest"

    def context(self):
        return json.loads((self.latest / "result.json").read_text())["context"]


class RunTest(CommandTest):
    def test_a_short_session_ends_with_a_table_and_no_claim(self):
        done = self.run_("--repeats", "2", "--workers", "1,2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("claim: none", done.stdout)
        self.assertIn("accelerator: tcg", done.stdout)
        self.assertIn("[8/8] ceiling/2", done.stderr)
        names = sorted(each.name for each in self.latest.iterdir())
        self.assertEqual(names, sorted(["commands.txt", "plot.svg", "result.json", "runs.csv",
                         *(f"{n:03}-{kind}-{w}.log" for n, (kind, w) in enumerate(
                             [("process", 1), ("process", 2), ("ceiling", 1), ("ceiling", 2)] * 2))]))  # fmt: skip
        self.assertIn(f"plot: {self.latest.resolve()}/plot.svg", done.stdout)

    def test_result_json_has_the_promised_names(self):
        self.run_("--repeats", "2", "--workers", "1,2", "--seed", "7")
        result = json.loads((self.latest / "result.json").read_text())
        wanted = {"target", "accelerator", "accelerator_reason", "boot", "qemu", "host_cpus", "policy", "seed",
                  "pairs", "threshold", "claim", "claim_reason", "git"}  # fmt: skip
        self.assertLessEqual(wanted, result["context"].keys())
        self.assertEqual((result["context"]["pairs"], result["context"]["seed"]), (2, 7))
        self.assertEqual(result["context"]["threshold"], 1.6)
        rows = [row for row in result["benchmarks"] if row["run_type"] == "iteration"]
        wanted = {"name", "repetition_index", "workers", "cpus", "real_time", "time_unit", "ticks", "count",
                  "expected_count", "checksum", "commits", "fallback_dispatches", "overlap",
                  "oversubscribed"}  # fmt: skip
        self.assertTrue(all(wanted <= row.keys() for row in rows))
        self.assertEqual([(row["name"], row["repetition_index"]) for row in rows],
                         [("process/1", 0), ("process/2", 0), ("process/1", 1), ("process/2", 1)])  # fmt: skip
        sums = [row for row in result["benchmarks"] if row["run_type"] == "aggregate"]
        wanted = {"workers", "cpus", "speedup_median", "speedup_q1", "speedup_q3", "ideal", "ceiling_median"}
        self.assertTrue(all(wanted <= row.keys() for row in sums))
        self.assertEqual([(row["workers"], row["speedup_median"], row["ceiling_median"]) for row in sums],
                         [(1, 1.0, 1.0), (2, 2.0, 2.0)])  # fmt: skip

    def test_copies_to_files_and_to_stdout(self):
        copy = self.build / "copy.csv"
        done = self.run_("--repeats", "1", "--workers", "1", "--json", "--csv", str(copy))
        self.assertEqual(json.loads(done.stdout)["context"]["claim"], "none")
        self.assertIn("claim: none", done.stderr)
        self.assertEqual(copy.read_text(), (self.latest / "runs.csv").read_text())
        self.assertEqual(len(copy.read_text().splitlines()), 1 + 2)

    def test_out_names_the_folder_and_latest_points_to_it(self):
        out = self.build.parent / "my results"
        self.assertEqual(self.run_("--repeats", "1", "--workers", "1", "--out", str(out)).returncode, 0)
        self.assertEqual(self.latest.resolve(), out.resolve())
        again = self.run_("--repeats", "1", "--workers", "1", "--out", str(out))
        self.assertEqual(again.returncode, 2)
        self.assertIn("not an empty folder", again.stderr)

    def test_an_unknown_policy_shows_the_guests_list(self):
        done = self.run_("--policy", "nosuch")
        self.assertEqual(done.returncode, 2)
        self.assertIn('policy "nosuch" unknown; known: fifo round_robin', done.stderr)
        self.assertFalse(self.latest.exists())

    def test_exit_codes(self):
        for how, code, text in (
            ("wrong@on/2", 1, "count 5, expected 664579"),
            ("short@off/1", 1, "phases are first-user ready begin, not"),
            ("panic@on/2", 3, "panic: frame=0xffffffff80001234"),
            ("triple-fault", 3, "triple fault"),
            ("qemu-error", 2, "could not do it"),
        ):
            with self.subTest(how):
                done = self.run_("--repeats", "1", "--workers", "1,2", how=how)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(text, done.stdout + done.stderr)
                self.assertEqual(self.context()["claim"], "refused")

    def test_a_guest_that_hangs(self):
        done = self.run_("--timeout", "0.5", how="hang")
        self.assertEqual(done.returncode, 124)
        self.assertIn("the last line was: waiting for what never comes", done.stdout)
        self.assertEqual(processes_of(self.build), [])

    def test_kvm_is_never_claimed_without_a_boot_that_works(self):
        for mode, code in (("kvm", 2), ("auto", 0)):
            done = self.call("run", "--accel", mode, "--repeats", "1", "--workers", "1", how="qemu-error@on/1"
                             if mode == "kvm" else "")  # fmt: skip
            self.assertEqual(done.returncode, code, done.stderr)
            if mode == "auto" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
                self.assertEqual(self.context()["accelerator"], "tcg")
                self.assertIn("/dev/kvm", self.context()["accelerator_reason"])

    def test_usage_errors(self):
        for arguments in (
            ["--workers", "2,2"], ["--workers", "0"], ["--workers", "1,2,4", "--cpus", "1,2"], ["--repeats", "0"],
            ["--policy", "a b"], ["nosuch-target"], ["--append", "x='y'"], ["--", "-accel", "kvm"], ["--", "-smp", "4"], ["--timeout", "0"],
            ["--json", "--csv"], ["--rep", "3"],
        ):  # fmt: skip
            with self.subTest(arguments):
                self.assertEqual(self.run_(*arguments).returncode, 2)

    def test_a_missing_kernel_is_named(self):
        (self.build / "coxswain.elf").unlink()
        done = self.run_()
        self.assertEqual(done.returncode, 2)
        self.assertIn("coxswain.elf is missing: build first", done.stderr)

    def test_a_missing_qemu_is_named_with_its_package(self):
        done = self.run_(COXSWAIN_QEMU="no-such-qemu")
        self.assertEqual(done.returncode, 2)
        self.assertIn("package qemu-system-x86", done.stderr)

    def test_dry_run_boots_nothing(self):
        done = self.run_("--dry-run", "--", "-d", "int", how="qemu-error")
        self.assertEqual(done.returncode, 0)
        self.assertIn("manifest=process-scale workers=4 policy=round_robin seed=1 server=off", done.stdout)
        self.assertIn("-d int", done.stdout)
        self.assertFalse((self.build / "results").exists())

    def test_ctest_mode_skips_on_a_host_too_small(self):
        done = self.run_("--ctest", "--repeats", "15", "--workers", "1,64")
        self.assertEqual(done.returncode, 77)
        self.assertRegex(done.stderr, "skipped: 64 CPUs are needed, this host has|skipped: busy host")


class InterruptTest(CommandTest):
    def interrupt(self, number, how):
        command = self.command("run", "--accel", "tcg", "--repeats", "1000", "--workers", "1,2")
        child = subprocess.Popen(command, env=self.environment(how), stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)  # fmt: skip
        try:
            deadline = time.monotonic() + 30
            while len(processes_of(self.build)) < 2 and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(0.5)
            child.send_signal(number)
            out, err = child.communicate(timeout=30)
        finally:
            child.kill()
        return child.returncode, out + err

    def test_what_was_kept_is_named_and_no_qemu_is_left(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                code, said = self.interrupt(number, "")
                self.assertEqual(code, 130, said)
                self.assertRegex(said, rf"interrupted: kept [1-9]\d* runs in {self.build}/results/.*no QEMU is left")
                self.assertIn(f"reason: {number.name} after", said)
                self.assertTrue((self.latest / "result.json").exists())
                self.assertEqual(processes_of(self.build), [])

    def test_a_guest_that_hangs_is_ended_too(self):
        code, said = self.interrupt(signal.SIGINT, "hang")
        self.assertEqual(code, 130)
        self.assertIn("kept 0 runs", said)
        self.assertEqual(processes_of(self.build), [])

    def test_even_a_harness_that_is_killed_leaves_no_qemu(self):
        code, _ = self.interrupt(signal.SIGKILL, "hang")
        self.assertEqual(code, -signal.SIGKILL)
        deadline = time.monotonic() + 5
        while processes_of(self.build) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(processes_of(self.build), [])


class GuestTestTest(CommandTest):
    def guest(self, *arguments, how=""):
        return self.call("guest-test", "--program", "test/ring", *arguments, how=how)

    def test_verdicts_and_exit_codes(self):
        for how, code, text in (
            ("", 0, "ring.2: pass: 3 cases"),
            ("fail", 1, "failed case case1: it broke"),
            ("short", 1, "ring.2: short output: 0 verdict lines"),
            ("panic", 3, "ring.2: panic: panic: cpu=0"),
            ("triple-fault", 3, "ring.2: triple fault"),
            ("qemu-error", 2, "QEMU says: qemu: could not do it"),
            ("hang", 124, "ring.2: hang: no end after 1 s"),
        ):
            with self.subTest(how):
                done = self.guest("--timeout", "1", how=how)
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                self.assertIn(text, done.stdout)
                self.assertTrue((self.build / "logs" / "guest" / "ring.2.log").exists())
        self.assertEqual(processes_of(self.build), [])

    def test_expectations(self):
        self.assertEqual(self.guest("--expect", "panic", how="panic").returncode, 0)
        self.assertEqual(self.guest("--expect", "panic").returncode, 1)
        self.assertEqual(self.guest("--match", "^panic: .*page_fault", "--expect", "panic", how="panic").returncode, 0)
        done = self.guest("--match", "no such line")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no line matches no such line", done.stdout)

    def test_reports_case_by_case(self):
        self.guest("--cpus", "1", how="fail")
        root = ElementTree.parse(self.build / "junit" / "ring.1.xml").getroot()
        self.assertEqual([case.get("name") for case in root.findall("testcase[failure]")], ["case1", "boot"])


if __name__ == "__main__":
    unittest.main()
