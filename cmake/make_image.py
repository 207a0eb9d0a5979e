#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes an ISO that boots under BIOS and UEFI: make_image.py OUT KERNEL ARCHIVE [KERNEL ARGUMENT...]

GRUB runs the configuration as it stands, without a menu.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

# GRUB is silent on the serial line, which is the kernel's, unless the kernel cannot be started.
CONFIGURATION = """\
if multiboot2 /boot/coxswain.elf {arguments}; then
    if module2 /boot/archive.cpio archive; then
        boot
    fi
fi
serial --unit=0 --speed=115200
terminal_output serial
echo GRUB cannot start Coxswain:
multiboot2 /boot/coxswain.elf {arguments}
module2 /boot/archive.cpio archive
boot
"""


def main() -> int:
    out, kernel, archive, *arguments = sys.argv[1:]
    for argument in arguments:
        if not re.fullmatch(r"[\w./,:=+@%-]+", argument):  # anything else would need GRUB's quoting
            print(f"make_image.py: not a kernel argument: {argument!r}", file=sys.stderr)
            return 2
    with tempfile.TemporaryDirectory(prefix="coxswain-image-") as tree:
        grub = os.path.join(tree, "boot", "grub")
        os.makedirs(grub)
        shutil.copyfile(kernel, os.path.join(tree, "boot", "coxswain.elf"))
        shutil.copyfile(archive, os.path.join(tree, "boot", "archive.cpio"))
        with open(os.path.join(grub, "grub.cfg"), "w") as file:
            file.write(CONFIGURATION.format(arguments=" ".join(arguments)))
        command = ["grub-mkrescue", "--fonts=", "--locales=", "--themes=", "-o", out + ".tmp", tree]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode != 0:
            print(result.stdout, file=sys.stderr)
            return 1
    os.replace(out + ".tmp", out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
