// SPDX-License-Identifier: MIT
//
// Operations as they are, through either door: cap_call or a submission on the main thread's ring.
#pragma once

#include "cap/env.hpp"
#include "support/patience.hpp"

#include <array>
#include <cstdint>

namespace test {

struct Request {
    cox::abi::Op op;
    cox::abi::CapSlot slot;
    std::array<std::uint64_t, 4> args = {};
};

inline cox::abi::Error error_of(std::int64_t result) {
    return result < 0 ? static_cast<cox::abi::Error>(result) : cox::abi::Error::kOk;
}

template <class T>
cox::abi::Error error_of(const cap::Result<T>& result) {
    return result ? cox::abi::Error::kOk : result.error();
}

inline cox::abi::Error by_call(const Request& request) {
    const auto& a = request.args;
    return error_of(cap::cap_call(request.slot, request.op, a[0], a[1], a[2], a[3]).result);
}

inline cox::abi::Error by_ring(const cap::Env& env, const Request& request) {
    const auto& a = request.args;
    return error_of(
        env.ring.call(cap::submission(request.op, request.slot, 0, a[0], a[1], a[2], a[3]), patience_ns));
}

// What came of a submission with its operation as its user_data. kBadCall: this is the completion of another one.
constexpr std::uint64_t tag_of(cox::abi::Op op) { return static_cast<std::uint64_t>(op); }
inline cox::abi::Error outcome(cox::abi::Op op, const cox::abi::Completion& completion) {
    return completion.user_data == tag_of(op) ? error_of(completion.result) : cox::abi::Error::kBadCall;
}

}  // namespace test
