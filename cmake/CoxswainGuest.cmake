# SPDX-License-Identifier: MIT
# Functions that declare what runs in the guest.

set(COXSWAIN_PROGRAM_DIR "${CMAKE_BINARY_DIR}/programs")

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
    set(script "${PROJECT_SOURCE_DIR}/libcap/program.ld")
    add_executable(${target} ${arg_UNPARSED_ARGUMENTS})
    target_link_libraries(${target} PRIVATE cox_user_flags cox_libcap)
    target_link_options(${target} PRIVATE "-Wl,-T,${script}")
    set_target_properties(${target} PROPERTIES
        OUTPUT_NAME "${name}"
        RUNTIME_OUTPUT_DIRECTORY "${COXSWAIN_PROGRAM_DIR}/${arg_FOLDER}"
        LINK_DEPENDS "${script}")
    set_property(GLOBAL APPEND PROPERTY COXSWAIN_PROGRAM_TARGETS ${target})
    set_property(GLOBAL APPEND PROPERTY COXSWAIN_PROGRAM_PATHS "${path}")
endfunction()

# coxswain_guest_test(<name> <source>... [CPUS <n>...] [LABELS <label>...] [TIMEOUT <seconds>] [MACHINE <machine>]
#                     [APPEND <word>...] [MATCH <regex>...])
# A test program test/<name>, and for each CPU count a test guest.<name>.cpus<n>. Default: 1 and 2 CPUs, 60 s.
# Labels: guest, smp on more than one CPU, and LABELS. APPEND: more kernel arguments. MATCH: lines that must come.
function(coxswain_guest_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT;MACHINE" "CPUS;LABELS;APPEND;MATCH")
    if(NOT arg_CPUS)
        set(arg_CPUS 1 2)
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    coxswain_program(${name} ${arg_UNPARSED_ARGUMENTS} FOLDER test)
    foreach(cpus IN LISTS arg_CPUS)
        coxswain_guest_run(guest.${name}.cpus${cpus} PROGRAM test/${name} CPUS ${cpus}
            TIMEOUT ${arg_TIMEOUT} MACHINE ${arg_MACHINE} LABELS guest ${arg_LABELS} APPEND ${arg_APPEND}
            MATCH ${arg_MATCH})
    endforeach()
endfunction()

# coxswain_guest_run(<test> PROGRAM <program> CPUS <n> TIMEOUT <seconds> [MACHINE <machine>] [MODEL <CPU model>] [LABELS <label>...]
#                    [NAME <name>] [APPEND <word>...] [MATCH <regex>...] [EXPECT <verdict>] [QEMU <argument>...])
# One more run of a program that exists already, under the test name <test>. NAME: of its log, where another run of the
# program with as many CPUs has the usual one. QEMU: more arguments for it.
function(coxswain_guest_run test)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "PROGRAM;CPUS;TIMEOUT;MACHINE;MODEL;NAME;EXPECT"
        "LABELS;APPEND;MATCH;QEMU")
    set(command "${COXSWAIN_PYTHON}" "${PROJECT_SOURCE_DIR}/scripts/guest-test" --build "${CMAKE_BINARY_DIR}"
        --program ${arg_PROGRAM} --cpus ${arg_CPUS} --timeout ${arg_TIMEOUT})
    if(arg_MACHINE)
        list(APPEND command --machine ${arg_MACHINE})
    endif()
    if(arg_MODEL)
        list(APPEND command --cpu-model ${arg_MODEL})
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
    endif()
    add_test(NAME ${test} COMMAND ${command})
    # The runner kills QEMU itself at its time-out and says what happened; CTest's limit is only the net below it.
    # PROCESSORS keeps a parallel ctest from starting more virtual CPUs than it was given jobs.
    math(EXPR net "${arg_TIMEOUT} + 30")
    set_tests_properties(${test} PROPERTIES
        LABELS "${arg_LABELS}" TIMEOUT ${net} PROCESSORS ${arg_CPUS} SKIP_RETURN_CODE 77)
endfunction()
