// SPDX-License-Identifier: MIT
#include "kernel/calls.hpp"
#include "kernel/memory_object.hpp"

namespace cox {

core::Result<Reply> invoke_memory(const Invocation& call, const Cap& cap) {
    const auto memory = TRY(as<MemoryObject>(cap, abi::kRead));
    if (call.op != abi::Op::kGetSize) return core::fail(abi::Error::kBadOperation);
    return Reply{static_cast<std::int64_t>(memory->pages())};
}

}  // namespace cox
