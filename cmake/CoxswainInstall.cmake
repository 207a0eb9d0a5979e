# SPDX-License-Identifier: MIT
# cmake --install: what others build on. docs/out-of-tree.md says what lies where. Below share/coxswain, cmake/ and scripts/
# lie as in this tree, since they refer to each other.
include(CMakePackageConfigHelpers)

set(include_dir include/coxswain)
set(lib_dir lib/coxswain)
set(share_dir share/coxswain)

# Headers. Of core/ those that programs use; the test install.headers sees when one is missing.
set(source_dir "${PROJECT_SOURCE_DIR}")
set(core_headers assert bytes command_line cpio elf event_consumer event_ring intrusive_queue result try)
list(TRANSFORM core_headers REPLACE "(.+)" "${source_dir}/microkernel/core/\\1.hpp")
install(DIRECTORY "${source_dir}/microkernel/abi" DESTINATION "${include_dir}" FILES_MATCHING PATTERN "*.hpp")
install(FILES ${core_headers} DESTINATION "${include_dir}/core")
install(DIRECTORY "${source_dir}/libcap/include/cap" DESTINATION "${include_dir}" FILES_MATCHING PATTERN "*.hpp")
set(policy_headers attributes augmented_tree machine parameter policy registry report task)
list(TRANSFORM policy_headers REPLACE "(.+)" "${source_dir}/sched-server/\\1.hpp")
install(FILES ${policy_headers} DESTINATION "${include_dir}/sched-server")
install(DIRECTORY "${source_dir}/sched-server/policies" DESTINATION "${include_dir}/sched-server"
    FILES_MATCHING PATTERN "*.hpp")

# Libraries, linker script, kernel, and the programs of which the manifests below speak.
install(TARGETS cox_core_user cox_libcap cox_sched_server ARCHIVE DESTINATION "${lib_dir}")
install(FILES "${source_dir}/libcap/program.ld" DESTINATION "${lib_dir}")
install(PROGRAMS "$<TARGET_FILE:kernel>" DESTINATION "${lib_dir}")
get_property(targets GLOBAL PROPERTY COXSWAIN_PROGRAM_TARGETS)
get_property(paths GLOBAL PROPERTY COXSWAIN_PROGRAM_PATHS)
set(programs "")
foreach(target path IN ZIP_LISTS targets paths)
    if(path MATCHES "^(workers/.*|sched-server)$")
        cmake_path(GET path PARENT_PATH folder)
        install(PROGRAMS "$<TARGET_FILE:${target}>" DESTINATION "${lib_dir}/programs/${folder}")
        list(APPEND programs "${path}")
    endif()
endforeach()
install(DIRECTORY "${source_dir}/workers/manifests" DESTINATION "${share_dir}" FILES_MATCHING PATTERN "*.manifest")

# CMake's side.
get_property(policies GLOBAL PROPERTY COXSWAIN_POLICIES)
configure_package_config_file(cmake/CoxswainConfig.cmake.in "${PROJECT_BINARY_DIR}/CoxswainConfig.cmake"
    INSTALL_DESTINATION "${share_dir}/cmake" NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/CoxswainConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/CoxswainConfig.cmake" "${PROJECT_BINARY_DIR}/CoxswainConfigVersion.cmake"
    cmake/CoxswainToolchain.cmake cmake/CoxswainTools.cmake cmake/CoxswainFlags.cmake cmake/CoxswainGuest.cmake
    cmake/CoxswainImage.cmake cmake/make_archive.py cmake/make_image.py cmake/run_target.py
    DESTINATION "${share_dir}/cmake")
install(PROGRAMS cmake/boot.sh DESTINATION "${share_dir}/cmake")
install(DIRECTORY cmake/template DESTINATION "${share_dir}")

# The scripts that boot and measure; scripts/test, bench and lint are about this tree.
install(PROGRAMS scripts/setup scripts/run scripts/guest-test scripts/boot-time DESTINATION "${share_dir}/scripts")
install(DIRECTORY scripts/coxswain scripts/gdb DESTINATION "${share_dir}/scripts" FILES_MATCHING PATTERN "*.py")
# From then on no repository says where a result's kernel came from.
install(CODE "
    execute_process(COMMAND \"${CMAKE_COMMAND}\" -E env \"PYTHONPATH=${source_dir}/scripts\" \"${COXSWAIN_PYTHON}\" -B -c
            \"from coxswain import provenance; print(provenance.git_state())\"
        OUTPUT_VARIABLE commit COMMAND_ERROR_IS_FATAL ANY)
    file(WRITE \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${share_dir}/scripts/installed-from\" \"\${commit}\")")
install(FILES LICENSE DESTINATION "${share_dir}")
