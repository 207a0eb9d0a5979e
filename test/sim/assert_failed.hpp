// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>

namespace sim {

// An assertion of a policy, or of what it uses.
class AssertFailed : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

}  // namespace sim
