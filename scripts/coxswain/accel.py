# SPDX-License-Identifier: MIT
"""Which accelerator a session uses, and why. A device file proves nothing: what counts is a verified short boot."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from . import host
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


def _kvm_candidates() -> list[Accelerator]:
    """KVM without hardware virtualisation under it is another thing, and never reported as KVM."""
    if host.has_hardware_virtualisation():
        return [Accelerator("kvm", ("-accel", "kvm"), "host", "")]
    return [Accelerator("kvm_pvm", ("-accel", "kvm"), "host,-arch-capabilities", "")]


def _obstacle() -> str:
    """What stands against KVM before any trial."""
    if not _DEVICE.exists():
        return f"there is no {_DEVICE}"
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return f"{_DEVICE} may not be opened by this user"
    return ""


def _try(candidate: Accelerator, options: RunOptions) -> str:
    """One short run of the default policy under it: "" if verified, else what went wrong."""
    plain = {"policy": "round_robin", "size": "smoke", "manifest": options.target.manifest}
    options = replace(options, **plain, append=(), extra=())
    line = qemu_command(options, candidate, _TRIAL)
    boot = run_qemu(line, min(_TRIAL_S, options.timeout_s))
    return judge_run(_TRIAL, boot, options.target, options.policy, 0.0).problem


def _kvm(options: RunOptions) -> tuple[Accelerator | None, str]:
    failures = [_obstacle()]
    if failures[0]:
        return None, failures[0]
    failures = []
    for candidate in _kvm_candidates():
        problem = _try(candidate, options)
        if not problem:
            return replace(candidate, reason="a short boot under it was verified"), ""
        failures.append(f"{candidate.name}: a short boot failed: {problem}")
    return None, "; ".join(failures)


def choose(options: RunOptions) -> Accelerator:
    if options.accel == "tcg":
        return replace(TCG, reason="asked for with --accel tcg")
    found, why_not = _kvm(options)
    if found is not None:
        return found
    if options.accel == "kvm":
        raise EnvironmentProblem(f"--accel kvm: {why_not}")
    return replace(TCG, reason=f"no KVM: {why_not}")
