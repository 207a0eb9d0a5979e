// SPDX-License-Identifier: MIT
//
// Calls and receptions of endpoints through a ring, each with its place for the message as its user_data.
#pragma once

#include "cap/endpoint.hpp"
#include "suite.hpp"
#include "support/owned.hpp"
#include "support/patience.hpp"

namespace test {

inline constexpr std::uint32_t kIpcSlots = 32;  // calls and receptions of one ring at a time

inline cap::Result<Owned<cap::Endpoint>> create_endpoint(const Case& t) {
    return Owned<cap::Endpoint>(TRY(cap::Endpoint::create(t.env.process)));
}

inline cap::Result<void> submit(cap::Ring& ring, abi::Op op, cap::Endpoint endpoint, std::uint32_t place,
                                abi::MessageInfo info = {}) {
    return ring.prepare(cap::message_submission(op, endpoint, place, info, place));
}

// Waits for one.
inline cap::Result<abi::Completion> next(cap::Ring& ring) {
    TRY(ring.submit_and_wait(1, patience_ns));
    return *ring.next();
}

}  // namespace test
