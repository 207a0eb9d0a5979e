# SPDX-License-Identifier: MIT
# The tools of this tree's own tests and checks; after CoxswainTools.
cox_find(COXSWAIN_OBJDUMP llvm-objdump-19 llvm-19)
cox_find(COXSWAIN_READELF llvm-readelf-19 llvm-19)
cox_find(COXSWAIN_CLANG_FORMAT clang-format-19 clang-format-19)
cox_find(COXSWAIN_CLANG_TIDY clang-tidy-19 clang-tidy-19)
cox_find(COXSWAIN_GRUB_FILE grub-file grub-common)
cox_find(COXSWAIN_GDB gdb gdb)
cox_find(COXSWAIN_SPIN spin spin)
cox_find(COXSWAIN_CLANG clang-19 clang-19)
cox_find_file(/usr/include/catch2/catch.hpp catch2)
cox_find_file(/usr/include/CLI/CLI.hpp libcli11-dev)
cox_find_file(/usr/include/nlohmann/json.hpp nlohmann-json3-dev)
