# SPDX-License-Identifier: MIT
"""scripts/run compare and workload from end to end, with a stand-in for QEMU."""

import json
import unittest

from command_case import CommandTest, processes_of

AB = ("--policy", "fifo", "--policy", "round_robin", "--workload", "messaging")


class CompareTest(CommandTest):
    target = "compare"

    def compare(self, *arguments, how="", **more):
        return self.run_("compare", *arguments, how=how, **more)

    def result(self):
        return json.loads((self.latest / "result.json").read_text())

    def test_a_session_ends_with_a_table_a_result_and_a_plot(self):
        done = self.compare(*AB, "--repeats", "2", "--icount")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("compare: A = fifo, B = round_robin; 2 CPUs, size default, seed 1, 2 repetitions", done.stdout)
        self.assertRegex(done.stdout, r"wake p50 +10 us +20 us +\+100\.0 % .*\(B worse\)")
        self.assertRegex(done.stdout, r"instructions, counted on one CPU:\n +wake p50 +20000 +40000 +\+100\.0 %")
        self.assertIn("claim: none: 2 pairs, 15 are needed", done.stdout)
        self.assertIn("[6/6] messaging/round_robin-icount", done.stderr)
        names = sorted(each.name for each in self.latest.iterdir())
        logs = [f"{n:03}-messaging-{side}.log" for n, side in enumerate(("A", "B", "B", "A", "A-icount", "B-icount"))]
        self.assertEqual(names, sorted([*logs, "commands.txt", "plot.svg", "result.json"]))
        commands = (self.latest / "commands.txt").read_text().splitlines()
        self.assertEqual([("icount" in line, "-smp 1" in line) for line in commands], [(False, False)] * 4 + [(True, True)] * 2)

    def test_result_json_has_the_promised_names(self):
        done = self.compare(*AB, "--repeats", "15", "--seed", "7", "--cpus", "3")
        self.assertIn("claim: 5 differences", done.stdout)
        result = self.result()
        context = result["context"]
        self.assertEqual((context["target"], context["policies"], context["pairs"], context["seed"], context["cpus"]),
                         ("compare", ["fifo", "round_robin"], 15, 7, 3))  # fmt: skip
        self.assertLessEqual({"accelerator", "accelerator_reason", "qemu", "host_cpus", "git", "host_free_cpus_median"}, context.keys())
        rows = result["benchmarks"]
        self.assertEqual([row["name"] for row in rows[:4]],
                         ["messaging/fifo", "messaging/round_robin", "messaging/round_robin", "messaging/fifo"])  # fmt: skip
        self.assertLessEqual({"wake_p50_ns", "wake_p50_ticks", "per_second", "real_time", "verified", "free_cpus"}, rows[0].keys())
        claims = {each["metric"]: each["claim"] for each in result["comparisons"]}
        self.assertEqual((claims["wake_p99_ns"], claims["per_second"]), ("worse", "none"))

    def test_the_same_policy_twice(self):
        done = self.compare("--policy", "fifo", "--policy", "fifo", "--workload", "messaging", "--repeats", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotRegex(done.stdout, "B (better|worse)")

    def test_one_policy_alone(self):
        self.target = "workload"
        done = self.run_("workload", "--workload", "messaging", "--repeats", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"workload: policy round_robin; (.|\n)* wake p50 +20 us +20 us … 20 us\n")
        self.assertEqual(self.result()["comparisons"], [])

    def test_what_proves_nothing_is_not_compared(self):
        for how, code, text in (("wrong", 1, "its result is wrong: made so"), ("hang", 124, "hang: no end after 1 s"),
                                ("panic", 3, "panic: panic: cpu=0"), ("fallback", 1, "5 fallback dispatches")):  # fmt: skip
            with self.subTest(how):
                done = self.compare(*AB, "--timeout", "1", how=how)
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                self.assertIn(f"not compared: A, repetition 0: {text}", done.stdout)
                self.assertEqual([row["verified"] for row in self.result()["benchmarks"]], [False])
                self.assertEqual(processes_of(self.build), [])

    def test_usage(self):
        for arguments, text in (
            (("compare", "--policy", "fifo"), "compare takes --policy twice"),
            (("compare",), "compare takes --policy twice"),
            (("workload",), "workload needs --workload"),
            (("workload", "--workload", "messaging", "--policy", "a", "--policy", "b"), "workload takes one --policy"),
            (("compare", *AB, "--workload", "nosuch"), "invalid choice: 'nosuch'"),
            (("compare", *AB, "--cpus", "65"), "not a number from 1 to 64"),
        ):
            with self.subTest(arguments):
                done = self.run_(*arguments)
                self.assertEqual(done.returncode, 2)
                self.assertIn(text, done.stderr)

    def test_an_unknown_policy_shows_the_guests_list(self):
        done = self.compare("--policy", "nosuch", "--policy", "fifo", "--workload", "messaging")
        self.assertEqual(done.returncode, 2)
        self.assertIn('policy "nosuch" unknown; known: fifo round_robin', done.stderr)
        self.assertFalse(self.latest.exists())

    def test_dry_run_boots_nothing(self):
        done = self.compare(*AB, "--repeats", "1", "--dry-run", how="panic")
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 2))
        self.assertIn("manifest=messaging policy=fifo size=default seed=1", done.stdout)


if __name__ == "__main__":
    unittest.main()
