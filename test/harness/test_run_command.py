# SPDX-License-Identifier: MIT
"""scripts/run from end to end, with a stand-in for QEMU: exit codes, files, words."""

import json
import os
import unittest

from command_case import CommandTest, processes_of


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

    def test_a_trace_comes_from_one_more_boot(self):
        done = self.run_("--repeats", "1", "--workers", "1,2", "--trace")
        self.assertEqual(done.returncode, 0, done.stderr)
        for suffix in ("txt", "json", "svg"):
            self.assertIn(f"trace: {self.latest.resolve()}/trace.{suffix}\n", done.stdout)
            self.assertTrue((self.latest / f"trace.{suffix}").exists())
        self.assertIn("sound, 22 counters of 2 CPUs compared", done.stdout)
        self.assertIn("smp-process-scale: 2 workers on 2 CPUs, round_robin, tcg", (self.latest / "trace.svg").read_text())
        self.assertNotIn("memory-backend", (self.latest / "commands.txt").read_text())
        self.assertIn("run: phase=end", (self.latest / "trace.log").read_text())

    def test_top_says_what_each_cpu_does_and_makes_no_claim(self):
        done = self.run_("--repeats", "1", "--workers", "1", "--top", FAKE_QEMU_NS="1500000000")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"top: [0-9.]+s cpu0=primes/0\+1 cpu1=idle\+0 unplaced=1 wakes/s=0 ")
        self.assertIn("claim: none\nreason: watched with --top", done.stdout)

    def test_a_trace_that_is_wrong_or_missing_fails(self):
        for how, code, text in (("odd-trace", 1, "trace is wrong: "), ("bad-trace", 1, "trace is wrong: CPU 1, record 3"),
                                ("no-trace", 1, "trace is wrong: the kernel did not say where its trace is")):  # fmt: skip
            with self.subTest(how):
                done = self.run_("--repeats", "1", "--workers", "1", "--trace=dispatch,stop,wake,commit,event,ipi", how=how)
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                self.assertIn(text, done.stdout + done.stderr)
                self.assertIn("claim: none", done.stdout)
        done = self.run_("--trace=colour")
        self.assertEqual((done.returncode, self.latest.exists()), (2, True))

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

    def test_threads_are_a_target_of_their_own(self):
        self.assertEqual(self.run_("--repeats", "1", "--workers", "1,2").returncode, 0)
        self.target = "thread-scale"
        self.assertFalse(self.latest.exists())
        done = self.run_("thread-scale", "--repeats", "1", "--workers", "1,2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("[4/4] ceiling/2", done.stderr)
        result = json.loads((self.latest / "result.json").read_text())
        self.assertEqual((result["context"]["target"], result["context"]["threshold"]), ("thread-scale", 1.6))
        rows = result["benchmarks"]
        self.assertEqual([row["name"] for row in rows], ["thread/1", "thread/2", "thread/1_speedup", "thread/2_speedup"])
        self.assertEqual([row["calls_per_thread"] for row in rows[:2]], [[0], [0, 0]])
        self.target = "smp-process-scale"
        rows = json.loads((self.latest / "result.json").read_text())["benchmarks"]
        self.assertNotIn("calls_per_thread", rows[0])

    def test_processes_are_refused_as_threads(self):
        done = self.run_("thread-scale", "--manifest", "process-scale", "--repeats", "1", "--workers", "1,2")
        self.assertEqual(done.returncode, 1)
        self.assertIn("target=smp-process-scale instead of thread-scale", done.stdout)

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
        done = self.run_("--timeout", "3", how="hang")  # the stand-in must have come to its line by then
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
            ["--policy", "a b"], ["nosuch-target"], ["--append", "x='y'"], ["--", "-accel", "kvm"], ["--", "-smp", "4"],
            ["--timeout", "0"], ["--json", "--csv"], ["--rep", "3"],
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


if __name__ == "__main__":
    unittest.main()
