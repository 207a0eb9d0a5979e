# SPDX-License-Identifier: MIT
# Interface targets that carry the flags of the three worlds: cox_kernel_flags, cox_user_flags, cox_host_flags.

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
    message(FATAL_ERROR "Coxswain needs clang 19 or newer (package clang-19; scripts/setup installs it), found "
                        "\"${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}\". find_package(Coxswain) before "
                        "project(), or --toolchain .../CoxswainToolchain.cmake, chooses it.")
endif()

# For a bare target clang knows no C++ headers. The host's libstdc++ headers serve: take the host's search path, in its
# order. (As -isystem by hand, since CMake drops implicit directories from include_directories.) <atomic> and
# <string_view> reach headers that want _GNU_SOURCE, which clang defines by itself for a Linux target only.
execute_process(
    COMMAND "${CMAKE_CXX_COMPILER}" -E -v -x c++ /dev/null
    ERROR_VARIABLE search_path OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE ".*#include <[^\n]*\n(.*)End of search list.*" "\\1" search_path "${search_path}")
string(REGEX MATCHALL "[^\n]+" search_path "${search_path}")
set(guest_headers -nostdinc -D_GNU_SOURCE)
set(libstdcxx_found FALSE)
foreach(directory IN LISTS search_path)
    string(STRIP "${directory}" directory)
    file(REAL_PATH "${directory}" directory)
    if(EXISTS "${directory}/expected")
        set(libstdcxx_found TRUE)
    endif()
    if(NOT directory STREQUAL "/usr/local/include")
        list(APPEND guest_headers "SHELL:-isystem \"${directory}\"")
    endif()
endforeach()
if(NOT libstdcxx_found)
    message(FATAL_ERROR "No C++23 standard headers: package libstdc++-12-dev. scripts/setup installs it.")
endif()

# What all code is held to. Thread-safety analysis is on everywhere: core/ is compiled in all three worlds.
set(warnings_are_errors "")
if(COXSWAIN_WARNINGS_ARE_ERRORS)
    set(warnings_are_errors "-Werror;")
endif()
add_library(cox_common_flags INTERFACE)
target_compile_options(cox_common_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;${warnings_are_errors}-Wthread-safety;-Werror=thread-safety>)
target_compile_definitions(cox_common_flags INTERFACE
    COX_DEBUG_CHECKS=$<BOOL:${COXSWAIN_DEBUG_CHECKS}>)

# What the kernel and user programs share. Frame pointers are kept for backtraces, but for functions that call none. abort()
# stays undefined, so that a misuse of std::expected::value() is a link error. -O2 in every build type: unoptimised code is
# too slow under TCG.
add_library(cox_guest_flags INTERFACE)
target_link_libraries(cox_guest_flags INTERFACE cox_common_flags)
target_compile_options(cox_guest_flags INTERFACE
    --target=x86_64-unknown-none-elf
    ${guest_headers}
    -ffreestanding -fno-pic -fno-omit-frame-pointer -momit-leaf-frame-pointer
    -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -O2 -g
    $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions;-fno-rtti;-fno-threadsafe-statics;-fno-c++-static-destructors>)
# Linked as a Linux target because clang 19 would hand a bare x86-64 target to the system's g++.
target_link_options(cox_guest_flags INTERFACE
    --target=x86_64-unknown-linux-gnu "--ld-path=${COXSWAIN_LLD}" -nostdlib -static
    -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--fatal-warnings)

# The kernel uses general registers only. (-mgeneral-regs-only would break the standard headers; lint checks the result.)
add_library(cox_kernel_flags INTERFACE)
target_link_libraries(cox_kernel_flags INTERFACE cox_guest_flags)
target_compile_options(cox_kernel_flags INTERFACE
    -mcmodel=kernel -mno-red-zone -mno-mmx -mno-sse -msoft-float -fno-strict-aliasing -falign-loops=1)

# Two ways to harden it (docs/security.md), each an option, and both in cox_hardened_flags. The guard is one variable, and
# undefined behaviour a trap: neither needs a library.
set(stack_protector -fstack-protector-strong -mstack-protector-guard=global)
set(ubsan -fsanitize=undefined -fno-sanitize=function,vptr -fsanitize-trap=undefined)
if(COXSWAIN_STACK_PROTECTOR)
    target_compile_options(cox_kernel_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${stack_protector}>)
endif()
if(COXSWAIN_UBSAN)
    target_compile_options(cox_kernel_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${ubsan}>)
endif()
add_library(cox_hardened_flags INTERFACE)
target_link_libraries(cox_hardened_flags INTERFACE cox_kernel_flags)
target_compile_options(cox_hardened_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${stack_protector};${ubsan}>)

add_library(cox_user_flags INTERFACE)
target_link_libraries(cox_user_flags INTERFACE cox_guest_flags)

add_library(cox_host_flags INTERFACE)
target_link_libraries(cox_host_flags INTERFACE cox_common_flags)
if(COXSWAIN_SANITIZE)
    target_compile_options(cox_host_flags INTERFACE
        -fsanitize=${COXSWAIN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(cox_host_flags INTERFACE -fsanitize=${COXSWAIN_SANITIZE})
endif()
