# SPDX-License-Identifier: MIT
"""KVM, KVM with the quirk, TCG, in that order; each with its reason; asked once."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

import support  # noqa: F401  (puts the harness on the path)
from coxswain import accel
from coxswain.errors import EnvironmentProblem
from coxswain.options import parse


class AccelTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="coxswain-accel-")
        self.addCleanup(folder.cleanup)
        self.build = Path(folder.name)
        for name in ("coxswain.elf", "archive.cpio", "kvm"):
            (self.build / name).write_bytes(b"not really")
        self.trials = []
        self.failing = {}
        self.patch(accel, "_DEVICE", self.build / "kvm")
        self.patch(accel, "_try", self.trial)
        self.patch(accel.host, "has_hardware_virtualisation", lambda: self.hardware)
        self.patch(accel.accel_cache.qemu, "version", lambda: self.version)
        self.hardware, self.version = False, "QEMU 7.2"

    def patch(self, where, name, value):
        patcher = mock.patch.object(where, name, value)
        patcher.start()
        self.addCleanup(patcher.stop)

    def trial(self, candidate, _options):
        quirk = bool(candidate.kernel_arguments)
        self.trials.append(quirk)
        return self.failing.get(quirk, "")

    def choose(self, *arguments):
        return accel.choose(parse(["--build-dir", str(self.build), *arguments]))

    def test_hardware(self):
        self.hardware = True
        found = self.choose()
        self.assertEqual((found.name, found.kernel_arguments), ("kvm", ()))
        self.assertEqual(self.trials, [False])

    def test_without_hardware_it_is_never_called_kvm(self):
        self.assertEqual(self.choose().name, "kvm_pvm")

    def test_the_quirk_is_second(self):
        self.failing = {False: "no verdict"}
        found = self.choose()
        self.assertEqual((found.name, found.kernel_arguments), ("kvm_pvm", ("quirk=pvm",)))
        self.assertIn("KVM: a short boot failed: no verdict", found.reason)
        self.assertIn("KVM with quirk=pvm: a short boot was verified", found.reason)

    def test_a_quirky_host_with_hardware_flags_is_still_not_kvm(self):
        self.hardware, self.failing = True, {False: "no verdict"}
        self.assertEqual(self.choose().name, "kvm_pvm")

    def test_tcg_is_last_and_says_why(self):
        self.failing = {False: "a hang", True: "a crash"}
        found = self.choose()
        self.assertEqual(found.name, "tcg")
        self.assertIn("KVM: a short boot failed: a hang; KVM with quirk=pvm: a short boot failed: a crash", found.reason)

    def test_kvm_alone_fails_where_none_works(self):
        self.failing = {False: "a hang", True: "a crash"}
        with self.assertRaisesRegex(EnvironmentProblem, "a hang.*a crash"):
            self.choose("--accel", "kvm")

    def test_the_quirk_is_for_direct_boot(self):
        self.failing = {False: "a hang"}
        self.assertEqual(self.choose("--boot", "iso").name, "tcg")
        self.assertEqual(self.trials, [False])

    def test_the_answer_is_kept_with_its_reason(self):
        for failing in ({}, {False: "a hang"}, {False: "a hang", True: "a crash"}):
            with self.subTest(failing):
                self.failing, self.version = failing, f"QEMU for {failing}"
                first = self.choose()
                asked = len(self.trials)
                again = self.choose()
                self.assertEqual(len(self.trials), asked)
                self.assertEqual((again.name, again.kernel_arguments), (first.name, first.kernel_arguments))
                self.assertIn(first.reason, again.reason)
                self.assertIn("kept from an earlier run", again.reason)

    def test_another_kernel_or_qemu_is_asked_anew(self):
        self.choose()
        (self.build / "coxswain.elf").write_bytes(b"another kernel")
        self.choose()
        self.version = "QEMU 8"
        self.choose()
        (self.build / "accelerator-pvh.json").write_text("{")
        self.choose()
        self.assertEqual(len(self.trials), 4)


if __name__ == "__main__":
    unittest.main()
