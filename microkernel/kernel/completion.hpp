// SPDX-License-Identifier: MIT
// An operation in flight: whom it belongs to and how its completion is marked. Whoever finishes it calls complete(); the
// completion finds the thread by its generation-checked reference, and is dropped and counted if that has gone.
#pragma once
#include <cstdint>

#include "abi/types.hpp"

namespace cox {

struct PendingOp {
    abi::ThreadRef thread;  // none: nobody waits
    std::uint64_t user_data = 0;

    explicit operator bool() const { return static_cast<bool>(thread); }
};

// Any CPU, holding no lock: it may wake the thread.
void complete(const PendingOp& op, std::int64_t result);

}  // namespace cox
