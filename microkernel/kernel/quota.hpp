// SPDX-License-Identifier: MIT
// Quota: how much kernel memory (frames, and pieces of the heap) and how many threads those who share it may have. What is made is
// charged to a quota, and remembers which; when it dies, that has it back, whoever held it last. A quota that is split off is
// charged to the one that it came from, and given back as a whole.
//
// A quota lives while somebody refers to it or anything is charged to it: each of its two counts holds one reference as long as
// it is not whole. So those who are charged keep a bare pointer.
#pragma once
#include "abi/calls.hpp"
#include "abi/error.hpp"
#include "core/result.hpp"
#include "kernel/object.hpp"

namespace cox {

class Quota final : public Object {
public:
    static constexpr abi::ObjectType kType = abi::ObjectType::kQuota;

    // Any CPU. False: less is left, and nothing has changed.
    [[nodiscard]] bool charge_memory(std::uint64_t bytes) { return charge(memory_, bytes); }
    [[nodiscard]] bool charge_thread() { return charge(threads_, 1); }
    // Holding no lock: it may be the end of the quota.
    void return_memory(std::uint64_t bytes) {
        if (give_back(memory_, bytes)) [[unlikely]]
            destroy();
    }
    void return_thread() {
        if (give_back(threads_, 1)) [[unlikely]]
            destroy();
    }

    // What a charge that was refused is to its user: kQuota; but of the whole, the machine has no more: kNoMemory, kNoSlot.
    abi::Error no_memory() const;
    abi::Error no_thread() const;

    // A part of what is left: kQuota, kNoMemory.
    core::Result<RefPtr<Quota>> split(std::uint64_t bytes, std::uint64_t threads);
    abi::QuotaStatus status() const;

    Quota() : Object(kType) {}
    // All that there is, at boot; of one that was split off, what it has.
    void open(std::uint64_t bytes, std::uint64_t threads);

private:
    struct Count {
        std::atomic<std::uint64_t> left{0};
        std::uint64_t limit = 0;
    };

    [[gnu::always_inline]] bool charge(Count& count, std::uint64_t amount) {
        auto left = count.left.load(std::memory_order_relaxed);
        do {
            if (left < amount) [[unlikely]]
                return false;
        } while (!count.left.compare_exchange_weak(left, left - amount, std::memory_order_relaxed));
        // The caller refers to it, by a process or a capability: so it does not go before this.
        if (left == count.limit) [[unlikely]]
            retain();
        return true;
    }
    // True: it was the last reference.
    [[gnu::always_inline]] bool give_back(Count& count, std::uint64_t amount) {
        // acq_rel: who destroys it comes after all that gave back
        const auto before = count.left.fetch_add(amount, std::memory_order_acq_rel);
        return before + amount == count.limit && drop();
    }
    void destroy() override;

    Count memory_, threads_;
};

extern Quota root_quota;  // the root task's, and the kernel's own

}  // namespace cox
