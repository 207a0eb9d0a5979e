# SPDX-License-Identifier: MIT
# The archive, the ISO, and the targets that boot them: docs/out-of-tree.md.

# cox_strip(<input> <output>): makes <output>, which is <input> without its debug information.
function(cox_strip input output)
    cmake_path(GET output PARENT_PATH folder)
    cmake_path(GET output FILENAME name)
    add_custom_command(OUTPUT "${output}"
        COMMAND "${CMAKE_COMMAND}" -E make_directory "${folder}"
        COMMAND "${COXSWAIN_OBJCOPY}" --strip-debug "${input}" "${output}"
        DEPENDS "${input}" COMMENT "Stripping ${name}" VERBATIM)
endfunction()

# cox_installed_programs(<variable>)
# Copies the programs that came with the package, but those whose place one of the project's own takes, to where the
# harness looks for programs with their debug information. Sets the variable to their paths in the archive.
function(cox_installed_programs variable)
    get_property(installed GLOBAL PROPERTY COXSWAIN_INSTALLED_PROGRAMS)
    get_property(own GLOBAL PROPERTY COXSWAIN_PROGRAM_PATHS)
    if(own)
        list(REMOVE_ITEM installed ${own})
    endif()
    foreach(path IN LISTS installed)
        add_custom_command(OUTPUT "${COXSWAIN_PROGRAM_DIR}/${path}"
            COMMAND "${CMAKE_COMMAND}" -E copy "${COXSWAIN_INSTALLED_DIR}/programs/${path}" "${COXSWAIN_PROGRAM_DIR}/${path}"
            DEPENDS "${COXSWAIN_INSTALLED_DIR}/programs/${path}" COMMENT "Copying ${path}" VERBATIM)
    endforeach()
    set(${variable} "${installed}" PARENT_SCOPE)
endfunction()

# cox_archive(<output> <manifest>...): every program without its debug information, and every manifest, in one newc cpio
# archive.
function(cox_archive output)
    set(stripped_dir "${CMAKE_BINARY_DIR}/stripped")
    cox_installed_programs(paths)
    set(entries "")
    set(inputs "")
    foreach(path IN LISTS paths)
        cox_strip("${COXSWAIN_PROGRAM_DIR}/${path}" "${stripped_dir}/${path}")
        list(APPEND entries "${path}=${stripped_dir}/${path}")
        list(APPEND inputs "${stripped_dir}/${path}")
    endforeach()
    get_property(targets GLOBAL PROPERTY COXSWAIN_PROGRAM_TARGETS)
    get_property(paths GLOBAL PROPERTY COXSWAIN_PROGRAM_PATHS)
    foreach(target path IN ZIP_LISTS targets paths)
        cox_strip("$<TARGET_FILE:${target}>" "${stripped_dir}/${path}")
        list(APPEND entries "${path}=${stripped_dir}/${path}")
        list(APPEND inputs "${stripped_dir}/${path}")
    endforeach()
    foreach(manifest IN LISTS ARGN)
        cmake_path(GET manifest STEM name)
        cmake_path(ABSOLUTE_PATH manifest BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
        list(APPEND entries "manifests/${name}=${manifest}") # of two with one name the later one counts
        list(APPEND inputs "${manifest}")
    endforeach()
    set(script "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/make_archive.py")
    add_custom_command(OUTPUT "${output}"
        COMMAND "${COXSWAIN_PYTHON}" "${script}" "${output}" ${entries}
        DEPENDS ${inputs} "${script}" COMMENT "Making archive.cpio" VERBATIM)
endfunction()

# coxswain_image([MANIFESTS <file>...] [ARGUMENTS <kernel argument>...])
# Once, after all programs: the archive of all programs and of these and the installed manifests, and an ISO of kernel and
# archive. Targets: archive, image; boot and debug, which start QEMU; run-smp-process-scale, run-thread-scale. ARGUMENTS
# are those with which the ISO, boot and debug start the kernel; COXSWAIN_CMDLINE in the cache overrides them.
function(coxswain_image)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "MANIFESTS;ARGUMENTS")
    list(JOIN arg_ARGUMENTS " " words)
    set(COXSWAIN_CMDLINE "${words}" CACHE STRING "Kernel arguments of the targets image, boot and debug")
    separate_arguments(words UNIX_COMMAND "${COXSWAIN_CMDLINE}")

    get_property(manifests GLOBAL PROPERTY COXSWAIN_INSTALLED_MANIFESTS)
    set(archive "${CMAKE_BINARY_DIR}/archive.cpio")
    cox_archive("${archive}" ${manifests} ${arg_MANIFESTS})
    add_custom_target(archive ALL DEPENDS "${archive}")

    # The harness wants the kernel in the build tree, and the ISO one without debug information, since GRUB would load
    # that too.
    set(kernel "${CMAKE_BINARY_DIR}/coxswain.elf")
    if(DEFINED COXSWAIN_INSTALLED_DIR)
        add_custom_command(OUTPUT "${kernel}"
            COMMAND "${CMAKE_COMMAND}" -E copy "$<TARGET_FILE:Coxswain::kernel>" "${kernel}"
            DEPENDS "$<TARGET_FILE:Coxswain::kernel>" COMMENT "Copying coxswain.elf" VERBATIM)
        add_custom_target(kernel ALL DEPENDS "${kernel}")
    endif()
    set(stripped_kernel "${CMAKE_BINARY_DIR}/stripped/coxswain.elf")
    cox_strip("$<TARGET_FILE:Coxswain::kernel>" "${stripped_kernel}")
    set(iso "${CMAKE_BINARY_DIR}/coxswain.iso")
    set(script "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/make_image.py")
    add_custom_command(OUTPUT "${iso}"
        COMMAND "${COXSWAIN_PYTHON}" "${script}" "${iso}" "${stripped_kernel}" "${archive}" ${words}
        DEPENDS "${stripped_kernel}" "${archive}" "${script}" COMMENT "Making coxswain.iso" VERBATIM)
    add_custom_target(image ALL DEPENDS "${iso}")

    foreach(mode IN ITEMS boot debug)
        add_custom_target(${mode}
            COMMAND "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/boot.sh" ${mode} "${CMAKE_BINARY_DIR}" ${words}
            USES_TERMINAL VERBATIM)
        add_dependencies(${mode} kernel archive)
    endforeach()
    # Ninja has built everything by then, so scripts/run does not.
    foreach(what IN ITEMS process-scale thread-scale)
        string(REPLACE "process" "smp-process" name "run-${what}")
        cox_harness_target(${name} run ${what} --build-dir "${CMAKE_BINARY_DIR}" --no-build)
    endforeach()
endfunction()

# cox_harness_target(<target> <script> <argument>...): runs it, with the words of COXSWAIN_RUN_ARGS added.
function(cox_harness_target target script)
    add_custom_target(${target}
        COMMAND "${COXSWAIN_PYTHON}" "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/run_target.py"
            "${COXSWAIN_SCRIPTS}/${script}" ${ARGN}
        USES_TERMINAL VERBATIM)
    add_dependencies(${target} kernel archive image)
endfunction()

# coxswain_run(<target> MANIFEST <name> [CPUS <n>] [TIMEOUT <seconds>])
# A target that boots the archive's manifest of that name on so many CPUs (2), shows the guest's output, and fails unless
# everything in it ended as the manifest says, within so many seconds (60).
function(coxswain_run target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "MANIFEST;CPUS;TIMEOUT" "")
    if(NOT arg_MANIFEST)
        message(FATAL_ERROR "coxswain_run(${target}): which MANIFEST?")
    endif()
    if(NOT arg_CPUS)
        set(arg_CPUS 2)
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    cox_harness_target(${target} guest-test --build "${CMAKE_BINARY_DIR}" --program workers/root --name ${target}
        --cpus ${arg_CPUS} --timeout ${arg_TIMEOUT} --append manifest=${arg_MANIFEST})
endfunction()
