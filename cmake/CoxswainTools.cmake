# SPDX-License-Identifier: MIT
# Finds every tool of the build, and names the Debian package of each one that is missing.
# Included before project(), because it also chooses the compiler: only clang 19 is supported, so CC and CXX of
# the environment are not looked at; -DCMAKE_CXX_COMPILER=... is.

set(missing_packages "")

function(cox_find variable program package)
    find_program(${variable} NAMES ${program})
    mark_as_advanced(${variable})
    if(NOT ${variable})
        list(APPEND missing_packages "${program}: package ${package}")
        set(missing_packages "${missing_packages}" PARENT_SCOPE)
    endif()
endfunction()

function(cox_find_file path package)
    if(NOT EXISTS "${path}")
        list(APPEND missing_packages "${path}: package ${package}")
        set(missing_packages "${missing_packages}" PARENT_SCOPE)
    endif()
endfunction()

if(NOT DEFINED CMAKE_CXX_COMPILER)
    cox_find(COXSWAIN_CLANGXX clang++-19 clang-19)
    if(COXSWAIN_CLANGXX)
        set(CMAKE_CXX_COMPILER "${COXSWAIN_CLANGXX}")
    endif()
endif()

cox_find(COXSWAIN_LLD ld.lld-19 lld-19)
cox_find(COXSWAIN_OBJCOPY llvm-objcopy-19 llvm-19)
cox_find(COXSWAIN_OBJDUMP llvm-objdump-19 llvm-19)
cox_find(COXSWAIN_READELF llvm-readelf-19 llvm-19)
cox_find(COXSWAIN_CLANG_FORMAT clang-format-19 clang-format-19)
cox_find(COXSWAIN_CLANG_TIDY clang-tidy-19 clang-tidy-19)
cox_find(COXSWAIN_GRUB_MKRESCUE grub-mkrescue grub-common)
cox_find(COXSWAIN_GRUB_FILE grub-file grub-common)
cox_find(COXSWAIN_XORRISO xorriso xorriso)
cox_find(COXSWAIN_MFORMAT mformat mtools)
cox_find(COXSWAIN_QEMU qemu-system-x86_64 qemu-system-x86)
cox_find(COXSWAIN_GDB gdb gdb)
cox_find(COXSWAIN_SPIN spin spin)
cox_find(COXSWAIN_CLANG clang-19 clang-19)
cox_find_file(/usr/lib/grub/i386-pc/moddep.lst grub-pc-bin)
cox_find_file(/usr/lib/grub/x86_64-efi/moddep.lst grub-efi-amd64-bin)
cox_find_file(/usr/include/catch2/catch.hpp catch2)
cox_find_file(/usr/include/CLI/CLI.hpp libcli11-dev)
cox_find_file(/usr/include/nlohmann/json.hpp nlohmann-json3-dev)

# Debian's own python3 has the Debian Python packages; another python3 may come first on PATH.
set(COXSWAIN_PYTHON /usr/bin/python3)
cox_find_file("${COXSWAIN_PYTHON}" python3)

if(missing_packages)
    list(JOIN missing_packages "\n  " missing_packages)
    message(FATAL_ERROR "Missing:\n  ${missing_packages}\nscripts/setup installs everything that is needed.")
endif()
