// SPDX-License-Identifier: MIT
#include "kernel/calls.hpp"
#include "kernel/process.hpp"
#include "kernel/quota.hpp"
#include "kernel/user_memory.hpp"

namespace cox {

using abi::Error;
using abi::Op;

core::Result<Reply> tell_quota(const Invocation& call, const Quota& quota) {
    const auto status = quota.status();
    TRY(copy_to_user(call.caller.process->space(), call.args[0], &status, sizeof status));
    return Reply{};
}

core::Result<Reply> split_quota(const Invocation& call, Quota& quota) {
    auto part = TRY(quota.split(call.args[0], call.args[1]));
    const auto slot = TRY(call.caller.process->caps.add({RefPtr<Object>(*part), abi::kAllRights}));
    return Reply{static_cast<std::int64_t>(slot.raw())};
}

core::Result<Reply> invoke_quota(const Invocation& call, const Cap& cap) {
    const auto quota = TRY(as<Quota>(cap, call.op == Op::kSplitQuota ? abi::kManage : abi::kRead));
    switch (call.op) {
        case Op::kQuotaStatus: return tell_quota(call, *quota);
        case Op::kSplitQuota: return split_quota(call, *quota);
        default: return core::fail(Error::kBadOperation);
    }
}

}  // namespace cox
