# SPDX-License-Identifier: MIT
# Chooses the compiler, and nothing else: one configure makes code for the guest and for the host, so the flags are those
# of targets (CoxswainFlags). Only clang 19 is supported, so CC and CXX of the environment are not looked at;
# -DCMAKE_CXX_COMPILER=... is. To be included before project(), or to be given as CMAKE_TOOLCHAIN_FILE, which project()
# reads: a find_package(Coxswain) after it finds the package to which this file belongs.

if(NOT DEFINED CMAKE_CXX_COMPILER)
    find_program(COXSWAIN_CLANGXX NAMES clang++-19)
    mark_as_advanced(COXSWAIN_CLANGXX)
    if(COXSWAIN_CLANGXX)
        set(CMAKE_CXX_COMPILER "${COXSWAIN_CLANGXX}")
    endif()
endif()
if(EXISTS "${CMAKE_CURRENT_LIST_DIR}/CoxswainConfig.cmake")
    set(Coxswain_DIR "${CMAKE_CURRENT_LIST_DIR}")
endif()
