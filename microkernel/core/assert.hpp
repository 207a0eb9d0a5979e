// SPDX-License-Identifier: MIT
//
// COX_ASSERT(condition): states what must hold if the kernel's own code is right. It stays on in release
// builds and is never used for anything that a user program, the firmware or a file can cause: those get a
// named error. Whoever links core/ defines assert_failed: the kernel panics, a user program exits, the unit
// tests throw.
#pragma once

namespace cox {

[[noreturn]] void assert_failed(const char* expression, const char* file, int line);

}  // namespace cox

#define COX_ASSERT(condition)                                          \
    do {                                                               \
        if (!(condition)) [[unlikely]] {                               \
            ::cox::assert_failed(#condition, __FILE_NAME__, __LINE__); \
        }                                                              \
    } while (false)
