// SPDX-License-Identifier: MIT
//
// What compiled code and the standard headers refer to where a C++ library would stop the program: here it is
// a failed assertion. The names are theirs.
#include "core/assert.hpp"

extern "C" [[noreturn]] void __cxa_pure_virtual() {  // NOLINT
    cox::assert_failed("no call of a pure virtual function", "libcap", 0);
}

namespace std {

[[noreturn]] void __throw_out_of_range_fmt(const char* format, ...);  // NOLINT

// string_view::substr() and copy() with a position beyond the end.
void __throw_out_of_range_fmt(const char* format, ...) {  // NOLINT
    cox::assert_failed(format, "string_view", 0);
}

}  // namespace std
