// SPDX-License-Identifier: MIT
#include "assert_failed.hpp"

#include "core/assert.hpp"

#include <string>

void cox::assert_failed(const char* expression, const char* file, int line) {
    throw sim::AssertFailed(std::string("assertion failed: ") + file + ":" + std::to_string(line) + ": " +
                            expression);
}
