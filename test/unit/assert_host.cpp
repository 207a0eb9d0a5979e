// SPDX-License-Identifier: MIT
#include <string>

#include "core/assert.hpp"
#include "support/assert_failed.hpp"

void cox::assert_failed(const char* expression, const char* file, int line) {
    throw test::AssertFailed(std::string(file) + ":" + std::to_string(line) + ": " + expression);
}
