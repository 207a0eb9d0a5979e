// SPDX-License-Identifier: MIT
#include "kernel/completion.hpp"

#include "kernel/cpu.hpp"
#include "kernel/poller.hpp"
#include "kernel/thread_table.hpp"
#include "kernel/wake.hpp"

namespace cox {

bool complete(const PendingOp& op, std::int64_t result, std::uint64_t second) {
    bool dropped = true;
    if (const auto thread = find_thread(op.owner())) {
        if (thread->ring.post({op.user_data, result, second, 0}, op.linked(), dropped)) wake(*thread);
        if (op.linked()) wake_poller(*thread);  // what it has held back
    }
    this_cpu().stats.dropped_completions += dropped;
    return !dropped;
}

bool waits_still(const PendingOp& op) {
    const auto thread = find_thread(op.owner());
    return thread && thread->word().load().state() != abi::ThreadState::kGone;
}

}  // namespace cox
