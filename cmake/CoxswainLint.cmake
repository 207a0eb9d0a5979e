# SPDX-License-Identifier: MIT
# The checks of style and of the images, each a CTest test labelled lint, and a self-test of each with a planted mistake.

function(cox_lint name)
    add_test(NAME lint.${name} COMMAND ${COXSWAIN_BESIDE} ${ARGN})
    set_tests_properties(lint.${name} PROPERTIES LABELS lint TIMEOUT 120)
endfunction()

set(lint_dir "${PROJECT_SOURCE_DIR}/scripts/lint")
foreach(checker IN ITEMS abi layers format sizes spdx)
    cox_lint(${checker} "${COXSWAIN_PYTHON}" "${lint_dir}/${checker}.py" --root "${PROJECT_SOURCE_DIR}")
endforeach()
cox_lint(security "${COXSWAIN_PYTHON}" "${lint_dir}/security.py" --root "${PROJECT_SOURCE_DIR}" --build "${CMAKE_BINARY_DIR}")
cox_lint(tidy "${COXSWAIN_PYTHON}" "${lint_dir}/tidy.py" --root "${PROJECT_SOURCE_DIR}" --build "${CMAKE_BINARY_DIR}")
set_tests_properties(lint.tidy PROPERTIES RUN_SERIAL ON TIMEOUT 900 LABELS "lint;nightly") # it takes every core itself, for minutes

get_property(program_images GLOBAL PROPERTY COXSWAIN_PROGRAM_TARGETS)
list(TRANSFORM program_images REPLACE "(.+)" "$<TARGET_FILE:\\1>")
cox_lint(registers "${COXSWAIN_PYTHON}" "${lint_dir}/registers.py" "$<TARGET_FILE:kernel>")
cox_lint(segments "${COXSWAIN_PYTHON}" "${lint_dir}/segments.py" "$<TARGET_FILE:kernel>" ${program_images})
cox_lint(multiboot "${COXSWAIN_GRUB_FILE}" --is-x86-multiboot2 "$<TARGET_FILE:kernel>")

foreach(class IN ITEMS Abi Security Registers Segments Multiboot Layers Format Sizes Spdx Compiled)
    string(TOLOWER ${class} name)
    cox_lint(selftest.${name} "${COXSWAIN_PYTHON}" "${lint_dir}/selftest.py" "${CMAKE_BINARY_DIR}" ${class})
endforeach()
