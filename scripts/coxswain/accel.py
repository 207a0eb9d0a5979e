# SPDX-License-Identifier: MIT
"""Which accelerator a session uses, and why. A device file proves nothing: what counts is a verified short boot.

Tried in this order: KVM; KVM with the kernel's quirk for hosts whose KVM interprets kernel mode (direct boot only, since
that interpreter takes minutes over a boot loader); multi-threaded TCG. KVM is called `kvm` only where the host's CPU has
virtualisation, and `kvm_pvm` elsewhere. The answer is kept (accel_cache.py) until something it depends on changes.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from . import accel_cache, host
from .boot import run_qemu
from .errors import EnvironmentProblem
from .options import RunOptions
from .plan import Step
from .qemu import TCG, Accelerator
from .run import judge_run
from .session import qemu_command

_DEVICE = Path("/dev/kvm")
_TRIAL_S = 20.0
_TRIAL = Step(repetition=0, workers=1, cpus=1, server=True, oversubscribed=False)
_KVM = ("-accel", "kvm")
_QUIRK = "quirk=pvm"
_NATIVE_SIZE = "giant"
_SOFTWARE_MODEL = "host,-arch-capabilities"  # plain `host` is refused there


def _candidates(options: RunOptions) -> list[Accelerator]:
    hardware = host.has_hardware_virtualisation()
    name, model = ("kvm", "host") if hardware else ("kvm_pvm", _SOFTWARE_MODEL)
    found = [Accelerator(name, _KVM, model, "", size=_NATIVE_SIZE)]
    if options.boot == "pvh":
        found.append(Accelerator("kvm_pvm", _KVM, _SOFTWARE_MODEL, "", (_QUIRK,), _NATIVE_SIZE))
    return found


def _obstacle() -> str:
    """What stands against KVM before any trial."""
    if not _DEVICE.exists():
        return f"there is no {_DEVICE}"
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return f"{_DEVICE} may not be opened by this user"
    return ""


def _title(candidate: Accelerator) -> str:
    return " with ".join(["KVM", *candidate.kernel_arguments])


def _try(candidate: Accelerator, options: RunOptions) -> str:
    """One short run of the default policy under it: "" if verified, else what went wrong."""
    plain = {"policy": "round_robin", "size": "smoke", "manifest": options.target.manifest}
    options = replace(options, **plain, append=(), extra=())
    line = qemu_command(options, candidate, _TRIAL)
    boot = run_qemu(line, min(_TRIAL_S, options.timeout_s))
    return judge_run(_TRIAL, boot, options.target, options.policy, 0.0).problem


def _find(options: RunOptions) -> tuple[Accelerator | None, str]:
    failures = []
    for candidate in _candidates(options):
        problem = _try(candidate, options)
        if not problem:
            reason = "; ".join([*failures, f"{_title(candidate)}: a short boot was verified"])
            return replace(candidate, reason=reason), ""
        failures.append(f"{_title(candidate)}: a short boot failed: {problem}")
    return None, "; ".join(failures)


def _kvm(options: RunOptions) -> tuple[Accelerator | None, str]:
    obstacle = _obstacle()
    if obstacle:
        return None, obstacle
    cache = accel_cache.Cache(options, _DEVICE)
    known = cache.load()
    if known is None:
        known = _find(options)
        cache.store(known)
    return known


def choose(options: RunOptions) -> Accelerator:
    if options.accel == "tcg":
        return replace(TCG, reason="asked for with --accel tcg")
    found, why_not = _kvm(options)
    if found is not None:
        return found
    if options.accel == "kvm":
        raise EnvironmentProblem(f"--accel kvm: {why_not}")
    return replace(TCG, reason=f"no KVM: {why_not}")
