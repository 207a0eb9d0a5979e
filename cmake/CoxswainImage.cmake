# SPDX-License-Identifier: MIT
# The archive, the ISO, and the targets that boot them.

get_property(program_targets GLOBAL PROPERTY COXSWAIN_PROGRAM_TARGETS)
get_property(program_paths GLOBAL PROPERTY COXSWAIN_PROGRAM_PATHS)

# Every program without its debug information, and every manifest, in one newc cpio archive.
set(archive "${CMAKE_BINARY_DIR}/archive.cpio")
set(stripped_dir "${CMAKE_BINARY_DIR}/stripped")
set(entries "")
set(inputs "")
foreach(target path IN ZIP_LISTS program_targets program_paths)
    cmake_path(GET path PARENT_PATH folder)
    add_custom_command(OUTPUT "${stripped_dir}/${path}"
        COMMAND "${CMAKE_COMMAND}" -E make_directory "${stripped_dir}/${folder}"
        COMMAND "${COXSWAIN_OBJCOPY}" --strip-debug "$<TARGET_FILE:${target}>" "${stripped_dir}/${path}"
        DEPENDS ${target} COMMENT "Stripping ${path}" VERBATIM)
    list(APPEND entries "${path}=${stripped_dir}/${path}")
    list(APPEND inputs "${stripped_dir}/${path}")
endforeach()
file(GLOB manifests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/workers/manifests/*.manifest"
    "${PROJECT_SOURCE_DIR}/test/guest/manifests/*.manifest" "${PROJECT_SOURCE_DIR}/test/refuse/*.manifest")
foreach(manifest IN LISTS manifests)
    cmake_path(GET manifest STEM name)
    list(APPEND entries "manifests/${name}=${manifest}")
    list(APPEND inputs "${manifest}")
endforeach()
set(archive_script "${CMAKE_CURRENT_LIST_DIR}/make_archive.py")
add_custom_command(OUTPUT "${archive}"
    COMMAND "${COXSWAIN_PYTHON}" "${archive_script}" "${archive}" ${entries}
    DEPENDS ${inputs} "${archive_script}" COMMENT "Making archive.cpio" VERBATIM)
add_custom_target(archive ALL DEPENDS "${archive}")

# The ISO gets a kernel without debug information, since GRUB would load that too.
set(COXSWAIN_CMDLINE "" CACHE STRING "Kernel arguments of the targets image, boot and debug")
separate_arguments(kernel_arguments UNIX_COMMAND "${COXSWAIN_CMDLINE}")
set(iso "${CMAKE_BINARY_DIR}/coxswain.iso")
set(image_script "${CMAKE_CURRENT_LIST_DIR}/make_image.py")
add_custom_command(OUTPUT "${stripped_dir}/coxswain.elf"
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${stripped_dir}"
    COMMAND "${COXSWAIN_OBJCOPY}" --strip-debug "$<TARGET_FILE:kernel>" "${stripped_dir}/coxswain.elf"
    DEPENDS kernel COMMENT "Stripping coxswain.elf" VERBATIM)
add_custom_command(OUTPUT "${iso}"
    COMMAND "${COXSWAIN_PYTHON}" "${image_script}" "${iso}" "${stripped_dir}/coxswain.elf" "${archive}"
        ${kernel_arguments}
    DEPENDS "${stripped_dir}/coxswain.elf" "${archive}" "${image_script}"
    COMMENT "Making coxswain.iso" VERBATIM)
add_custom_target(image ALL DEPENDS "${iso}")

foreach(mode IN ITEMS boot debug)
    add_custom_target(${mode}
        COMMAND "${CMAKE_CURRENT_LIST_DIR}/boot.sh" ${mode} "${CMAKE_BINARY_DIR}" ${kernel_arguments}
        USES_TERMINAL VERBATIM)
    add_dependencies(${mode} kernel archive)
endforeach()

# Ninja has built everything by then, so scripts/run does not.
set(run_targets run-smp-process-scale run-thread-scale)
set(run_what process-scale thread-scale)
foreach(name what IN ZIP_LISTS run_targets run_what)
    add_custom_target(${name}
        COMMAND "${COXSWAIN_PYTHON}" "${CMAKE_CURRENT_LIST_DIR}/run_target.py"
            "${PROJECT_SOURCE_DIR}/scripts/run" ${what} --build-dir "${CMAKE_BINARY_DIR}" --no-build
        USES_TERMINAL VERBATIM)
    add_dependencies(${name} archive image)
endforeach()
