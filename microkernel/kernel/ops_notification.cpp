// SPDX-License-Identifier: MIT
#include "kernel/calls.hpp"
#include "kernel/notification.hpp"

namespace cox {

using abi::Error;
using abi::Op;

core::Result<Reply> invoke_notification(const Invocation& call, const Cap& cap) {
    const auto notification = TRY(as<Notification>(cap, call.op == Op::kSignal ? abi::kWrite : abi::kRead));
    switch (call.op) {
        case Op::kSignal:
            if (call.args[0] >> 63) return core::fail(Error::kBadArgument);  // results are positive
            notification->signal(call.args[0]);
            return Reply{};
        case Op::kPollBits: return Reply{static_cast<std::int64_t>(notification->poll())};
        case Op::kWaitBits: {
            if (!call.pending) return core::fail(Error::kBadOperation);
            const auto bits = TRY(notification->wait(*call.pending));
            return Reply{static_cast<std::int64_t>(bits), 0, bits == 0};
        }
        default: return core::fail(Error::kBadOperation);
    }
}

}  // namespace cox
