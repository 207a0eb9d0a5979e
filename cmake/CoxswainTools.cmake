# SPDX-License-Identifier: MIT
# Finds the tools that make programs and images, and names the Debian package of each one that is missing. What this
# tree's own tests need besides is in CoxswainTestTools.

include("${CMAKE_CURRENT_LIST_DIR}/CoxswainToolchain.cmake")

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

# Ends the configuration if something was missing.
function(cox_require_found)
    if(missing_packages)
        list(JOIN missing_packages "\n  " missing_packages)
        message(FATAL_ERROR "Missing:\n  ${missing_packages}\nscripts/setup installs everything that is needed.")
    endif()
endfunction()

if(NOT DEFINED CMAKE_CXX_COMPILER)
    cox_find(COXSWAIN_CLANGXX clang++-19 clang-19) # which the toolchain file has not found
endif()
cox_find(COXSWAIN_LLD ld.lld-19 lld-19)
cox_find(COXSWAIN_OBJCOPY llvm-objcopy-19 llvm-19)
cox_find(COXSWAIN_GRUB_MKRESCUE grub-mkrescue grub-common)
cox_find(COXSWAIN_XORRISO xorriso xorriso)
cox_find(COXSWAIN_MFORMAT mformat mtools)
cox_find(COXSWAIN_QEMU qemu-system-x86_64 qemu-system-x86)
cox_find_file(/usr/lib/grub/i386-pc/moddep.lst grub-pc-bin)
cox_find_file(/usr/lib/grub/x86_64-efi/moddep.lst grub-efi-amd64-bin)

# Debian's own python3 has the Debian Python packages; another python3 may come first on PATH.
set(COXSWAIN_PYTHON /usr/bin/python3)
cox_find_file("${COXSWAIN_PYTHON}" python3)
