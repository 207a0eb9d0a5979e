// SPDX-License-Identifier: MIT
//
// What a failed COX_ASSERT throws in the unit tests, so that a test can ask for it.
#pragma once

#include <stdexcept>

namespace cox::test {

class AssertFailed : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

}  // namespace cox::test
