# SPDX-License-Identifier: MIT
"""scripts/run --trace: one more boot after those that were measured, so that no number comes from a traced one."""

from __future__ import annotations

import sys

from . import trace_run
from .boot import run_qemu
from .errors import ExitCode
from .host import FreeCpus
from .plan import Step
from .qemu import Machine
from .run import judge_run
from .session import Session, failure_code, qemu_command


def make(session: Session, steps: list[Step], to_stderr: bool) -> ExitCode:
    """Of the most workers under the server. OK, or what a boot that fails or a trace that is wrong makes of the command."""
    options, folder = session.options, session.folder
    step = max((each for each in steps if each.server), key=lambda each: each.workers)
    with trace_run.guest_memory(Machine.memory) as memory:
        words = (f"trace={options.trace}",)
        command = qemu_command(options, session.accelerator, step, memory_file=memory.path, words=words)
        meter = FreeCpus()
        boot = run_qemu(command, options.timeout_s, folder / "trace.log")
        run = judge_run(step, boot, options.target, options.policy, meter.since(boot.cpu_s), "trace.log")
        title = f"{options.target.name}: {step.workers} workers on {step.cpus} CPUs, {options.policy}, {session.accelerator.name}"
        report = trace_run.write(memory, boot.lines, folder / "trace", title)
    for text in report.texts():
        print(text, file=sys.stderr if to_stderr else sys.stdout, flush=True)
    if not run.verified:
        print(f"the traced run is wrong: {run.problem}; log: {folder / 'trace.log'}", file=sys.stderr)
        return failure_code(run)
    return ExitCode.REFUSED if report.complaints else ExitCode.OK
