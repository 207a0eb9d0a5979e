# SPDX-License-Identifier: MIT
# Functions that declare what runs in the guest, for this tree and for others: docs/out-of-tree.md.

set(COXSWAIN_PROGRAM_DIR "${CMAKE_BINARY_DIR}/programs")
# Begins the command of a test that keeps one CPU busy and nobody waiting. Guests with several CPUs come before it: one of theirs
# that is kept from the host makes the others wait for it.
set(COXSWAIN_BESIDE nice -n 5)
cmake_path(SET COXSWAIN_SCRIPTS NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../scripts")

# coxswain_program(<name> <source>... [FOLDER <folder>])
# A user program, linked with libcap. It is <build>/programs/[<folder>/]<name>, and [<folder>/]<name> in the archive.
# The CMake target is [<folder>_]<name>.
function(coxswain_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "FOLDER" "")
    set(target "${name}")
    set(path "${name}")
    if(arg_FOLDER)
        set(target "${arg_FOLDER}_${name}")
        set(path "${arg_FOLDER}/${name}")
    endif()
    if(NOT TARGET cox_user_flags) # out of the tree: only now has the project enabled its language
        include("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/CoxswainFlags.cmake")
    endif()
    add_executable(${target} ${arg_UNPARSED_ARGUMENTS})
    target_link_libraries(${target} PRIVATE cox_user_flags Coxswain::libcap)
    set_target_properties(${target} PROPERTIES
        CXX_STANDARD 23 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
        OUTPUT_NAME "${name}"
        RUNTIME_OUTPUT_DIRECTORY "${COXSWAIN_PROGRAM_DIR}/${arg_FOLDER}")
    set_property(GLOBAL APPEND PROPERTY COXSWAIN_PROGRAM_TARGETS ${target})
    set_property(GLOBAL APPEND PROPERTY COXSWAIN_PROGRAM_PATHS "${path}")
endfunction()

# coxswain_policy_table(<variable> <policy>...)
# Writes the table of these policies, known_policies() of sched-server/registry.hpp, and sets the variable to its path.
# Each policy is defined by a function sched::make_<policy>().
function(coxswain_policy_table variable)
    set(policies ${ARGN})
    list(REMOVE_DUPLICATES policies)
    list(SORT policies)
    set(declarations "")
    set(entries "")
    foreach(policy IN LISTS policies)
        if(NOT policy MATCHES "^[a-z][a-z0-9_]*$")
            message(FATAL_ERROR "A policy is called as its file, and that is part of a function's name: small letters, "
                                "digits and _ only, not \"${policy}\".")
        endif()
        string(APPEND declarations "Policy& make_${policy}(PolicyStorage& storage);\n")
        string(APPEND entries "    {\"${policy}\", make_${policy}},\n")
    endforeach()
    string(MD5 key "${policies}") # a folder may have several
    string(SUBSTRING "${key}" 0 8 key)
    set(table "${CMAKE_CURRENT_BINARY_DIR}/policy_table_${key}.cpp")
    file(CONFIGURE OUTPUT "${table}" @ONLY CONTENT [[
// SPDX-License-Identifier: MIT
// Written by coxswain_policy_table().
#include "registry.hpp"

namespace sched {

@declarations@
namespace {

constexpr PolicyEntry kPolicies[] = {
@entries@};

}  // namespace

std::span<const PolicyEntry> known_policies() { return kPolicies; }

}  // namespace sched
]])
    set(${variable} "${table}" PARENT_SCOPE)
endfunction()

# coxswain_server(<name> [POLICIES <source>...] [FOLDER <folder>])
# A scheduler server, as a program of that name: with the policies of sched-server/policies, and with those in the given
# files, each called as its file. One that is called like one of these takes its place.
function(coxswain_server name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "FOLDER" "POLICIES")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "coxswain_server(${name}): ${arg_UNPARSED_ARGUMENTS} is behind no keyword.")
    endif()
    list(TRANSFORM arg_POLICIES REPLACE "^(.*/)?(.*)\\.cpp$" "\\2" OUTPUT_VARIABLE own)
    get_property(policies GLOBAL PROPERTY COXSWAIN_POLICIES)
    coxswain_policy_table(table ${policies} ${own})
    coxswain_program(${name} "${table}" ${arg_POLICIES} FOLDER "${arg_FOLDER}")
    set(target "${name}")
    if(arg_FOLDER)
        set(target "${arg_FOLDER}_${name}")
    endif()
    target_link_libraries(${target} PRIVATE Coxswain::sched_server)
endfunction()

# coxswain_guest_test(<name> <source>... [CPUS <n>...] [LABELS <label>...] [TIMEOUT <seconds>] [MACHINE <machine>]
#                     [MEMORY <size>] [APPEND <word>...] [MATCH <regex>...])
# A test program test/<name>, and for each CPU count a test guest.<name>.cpus<n>. Default: 1 and 2 CPUs, 60 s.
# Labels: guest, smp on more than one CPU, and LABELS. APPEND: more kernel arguments. MATCH: lines that must come.
function(coxswain_guest_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT;MACHINE;MEMORY" "CPUS;LABELS;APPEND;MATCH")
    if(NOT arg_CPUS)
        set(arg_CPUS 1 2)
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    coxswain_program(${name} ${arg_UNPARSED_ARGUMENTS} FOLDER test)
    foreach(cpus IN LISTS arg_CPUS)
        coxswain_guest_run(guest.${name}.cpus${cpus} PROGRAM test/${name} CPUS ${cpus}
            TIMEOUT ${arg_TIMEOUT} MACHINE ${arg_MACHINE} MEMORY ${arg_MEMORY} LABELS guest ${arg_LABELS} APPEND ${arg_APPEND}
            MATCH ${arg_MATCH})
    endforeach()
endfunction()

# coxswain_guest_run(<test> PROGRAM <program> CPUS <n> TIMEOUT <seconds> [MACHINE <machine>] [MODEL <CPU model>] [MEMORY <size>]
#                    [LABELS <label>...] [NAME <name>] [APPEND <word>...] [MATCH <regex>...] [EXPECT <verdict>] [KERNEL <file>] [QEMU <argument>...])
# One more run of a program that exists already, under the test name <test>. NAME: of its log, where another run of the
# program with as many CPUs has the usual one. KERNEL: in place of the build tree's. QEMU: more arguments for it.
function(coxswain_guest_run test)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "PROGRAM;CPUS;TIMEOUT;MACHINE;MODEL;MEMORY;NAME;EXPECT;KERNEL;ACCEL"
        "LABELS;APPEND;MATCH;QEMU")
    set(command "${COXSWAIN_PYTHON}" "${COXSWAIN_SCRIPTS}/guest-test" --build "${CMAKE_BINARY_DIR}"
        --program ${arg_PROGRAM} --cpus ${arg_CPUS} --timeout ${arg_TIMEOUT})
    if(arg_KERNEL)
        list(APPEND command --kernel "${arg_KERNEL}")
    endif()
    if(arg_MACHINE)
        list(APPEND command --machine ${arg_MACHINE})
    endif()
    if(arg_MEMORY)
        list(APPEND command --memory ${arg_MEMORY})
    endif()
    if(arg_MODEL)
        list(APPEND command --cpu-model ${arg_MODEL})
    endif()
    if(arg_ACCEL)
        list(APPEND command --accel ${arg_ACCEL})
    endif()
    if(arg_NAME)
        list(APPEND command --name ${arg_NAME})
    endif()
    if(arg_EXPECT)
        list(APPEND command --expect ${arg_EXPECT})
    endif()
    if(arg_APPEND)
        list(JOIN arg_APPEND " " words)
        list(APPEND command --append "${words}")
    endif()
    foreach(pattern IN LISTS arg_MATCH)
        list(APPEND command --match "${pattern}")
    endforeach()
    if(arg_QEMU)
        list(APPEND command -- ${arg_QEMU})
    endif()
    if(arg_CPUS GREATER 1)
        list(APPEND arg_LABELS smp)
    else()
        list(PREPEND command ${COXSWAIN_BESIDE})
    endif()
    add_test(NAME ${test} COMMAND ${command})
    # The runner kills QEMU itself at its time-out and says what happened; CTest's limit is only the net below it.
    # PROCESSORS is what a run takes of the host: hardly more than two CPUs, since most of its time few of the guest's have work.
    # A race has no other such guest beside it (of four places): its threads wait for one another all the time.
    math(EXPR net "${arg_TIMEOUT} + 30")
    set(processors 1)
    if(arg_CPUS GREATER 1 AND test MATCHES "^guest\\.races?[._]")
        set(processors 3)
    elseif(arg_CPUS GREATER 1)
        set(processors 2)
    endif()
    set_tests_properties(${test} PROPERTIES
        LABELS "${arg_LABELS}" TIMEOUT ${net} PROCESSORS ${processors} SKIP_RETURN_CODE 77)
endfunction()
