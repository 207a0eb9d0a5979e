// SPDX-License-Identifier: MIT
#include "kernel/calls.hpp"
#include "kernel/memory_object.hpp"
#include "kernel/process.hpp"

namespace cox {

using abi::Error;
using abi::Op;

core::Result<Reply> invoke_memory(const Invocation& call, const Cap& cap) {
    const auto memory = TRY(as<MemoryObject>(cap, call.op == Op::kUnparkShared ? abi::kWrite : abi::kRead));
    switch (call.op) {
        case Op::kGetSize: return Reply{static_cast<std::int64_t>(memory->pages()), memory->resident()};
        case Op::kSplit: {
            auto part = TRY(MemoryObject::part(*memory, call.args[0], call.args[1]));
            const auto slot = TRY(call.caller.process->caps.add({RefPtr<Object>(*part), cap.rights}));
            return Reply{static_cast<std::int64_t>(slot.raw())};
        }
        case Op::kPin:
            if (call.args[1] == 0 || call.args[1] > abi::kMaxPagesPerCall ||
                !memory->has(call.args[0], call.args[1]))
                return core::fail(Error::kBadArgument);
            TRY(memory->touch_all(call.args[0], call.args[1]));
            return Reply{};
        case Op::kParkShared:
            if (call.pending) return core::fail(Error::kBadOperation);
            return to_reply(park_shared(call.caller, *memory, call.args[0], call.args[1], call.args[2]));
        case Op::kUnparkShared: return to_reply(memory->parked.unpark(call.args[0], call.args[1]));
        default: return core::fail(Error::kBadOperation);
    }
}

}  // namespace cox
