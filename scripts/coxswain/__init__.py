# SPDX-License-Identifier: MIT
"""The host's side of Coxswain: boots the kernel in QEMU, reads what it says, and judges it."""
