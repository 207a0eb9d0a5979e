// SPDX-License-Identifier: MIT
#include "kernel/quota.hpp"

#include "kernel/heap.hpp"

namespace cox {

using abi::Error;

Quota root_quota;

void Quota::open(std::uint64_t bytes, std::uint64_t threads) {
    memory_.limit = bytes;
    memory_.left = bytes;
    threads_.limit = threads;
    threads_.left = threads;
}

Error Quota::no_memory() const { return this == &root_quota ? Error::kNoMemory : Error::kQuota; }
Error Quota::no_thread() const { return this == &root_quota ? Error::kNoSlot : Error::kQuota; }

core::Result<RefPtr<Quota>> Quota::split(std::uint64_t bytes, std::uint64_t threads) {
    auto part = TRY(make_object<Quota>(*this));
    // What the part gives back when it goes is what it has: so it has something only once that was charged. A part of nothing
    // must not hold anything of its own.
    if (bytes && !charge(memory_, bytes)) return core::fail(Error::kQuota);
    part->memory_.limit = bytes;
    part->memory_.left = bytes;
    if (threads && !charge(threads_, threads)) return core::fail(Error::kQuota);
    part->threads_.limit = threads;
    part->threads_.left = threads;
    return part;
}

abi::QuotaStatus Quota::status() const {
    return {memory_.limit, memory_.limit - memory_.left.load(), threads_.limit,
            threads_.limit - threads_.left.load()};
}

// The quota that it came from may have been waiting for this alone, and so on: one after the other, not one in the other.
void Quota::destroy() {
    for (Quota* quota = this; quota;) {
        Quota& parent = quota->payer();
        const auto threads = quota->threads_.limit;
        const auto bytes = quota->memory_.limit + heap_size(sizeof(Quota));
        quota->~Quota();
        heap_free(quota, sizeof(Quota));
        // Its memory is charged, so that the first does not end the parent before the second.
        const bool last = (threads && parent.give_back(parent.threads_, threads));
        COX_ASSERT(!last);
        quota = parent.give_back(parent.memory_, bytes) ? &parent : nullptr;
    }
}

}  // namespace cox
