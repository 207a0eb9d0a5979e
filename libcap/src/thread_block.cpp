// SPDX-License-Identifier: MIT
//
// The pool: a bit for each block says whether it is taken, another whether it is free and still mapped, ring and stack. A
// bit that is changed decides who has the block.
#include "thread_block.hpp"

#include "tls.hpp"

#include <array>
#include <atomic>
#include <bit>

namespace cap {

namespace {

constexpr std::uint64_t kBlocks = abi::kMaxThreads;
constexpr std::uint64_t kBlockPages = abi::kRingPages + 1 + kDefaultStackPages + 1;  // the last is unmapped
constexpr std::uint64_t kBlockSize = kBlockPages * abi::kPageSize;
constexpr std::uint32_t kKept = 32;  // free blocks that stay mapped

// Bits that are set by taking them. seq_cst: a block is seen as whoever had it left it.
class Bits {
public:
    static constexpr std::uint64_t kNone = kBlocks;

    // Finds a bit that is `from` and turns it.
    std::uint64_t turn_one(bool from) {
        for (std::uint64_t i = 0; i < words_.size(); ++i) {
            std::uint64_t free = from ? words_[i].load() : ~words_[i].load();
            for (; free != 0; free &= free - 1) {
                const std::uint64_t bit = free & -free;
                const bool was = ((from ? words_[i].fetch_and(~bit) : words_[i].fetch_or(bit)) & bit) != 0;
                if (was == from) {
                    return i * 64 + static_cast<std::uint64_t>(std::countr_zero(bit));
                }
            }
        }
        return kNone;
    }
    void set(std::uint64_t index) { words_[index / 64].fetch_or(std::uint64_t{1} << index % 64); }
    void clear(std::uint64_t index) { words_[index / 64].fetch_and(~(std::uint64_t{1} << index % 64)); }

private:
    std::array<std::atomic<std::uint64_t>, kBlocks / 64> words_{};
};

constinit Bits taken;
constinit Bits kept;  // of those that are taken: nobody's, and mapped
constinit std::atomic<std::uint32_t> kept_count{0};
constinit std::atomic<std::uint64_t> pool_base{0};

// Reserved by whoever comes first.
Result<std::uint64_t> pool(const Env& env) {
    std::uint64_t base = pool_base.load();
    if (base == 0) {
        const std::uint64_t mine = TRY(env.space.reserve(kBlocks * kBlockPages));
        if (pool_base.compare_exchange_strong(base, mine)) {
            base = mine;
        }
    }
    return base;
}

Result<void> map_stack(const Env& env, const ThreadBlock& block) {
    const Memory memory = TRY(env.process.create_memory(block.stack_pages));
    const auto mapped =
        env.process.map(memory, block.bottom(), 0, block.stack_pages, abi::kRead | abi::kWrite);
    memory.drop();  // the mapping keeps it alive
    return mapped;
}

Result<ThreadBlock> take_pooled(const Env& env) {
    const std::uint64_t base = TRY(pool(env));
    ThreadBlock block{.stack_pages = kDefaultStackPages, .pooled = true};
    if (const std::uint64_t index = kept.turn_one(true); index != Bits::kNone) {
        --kept_count;
        block.base = base + index * kBlockSize;
        block.has_ring = true;
        return block;
    }
    const std::uint64_t index = taken.turn_one(false);
    if (index == Bits::kNone) {
        return fail(abi::Error::kNoSlot);
    }
    block.base = base + index * kBlockSize;
    if (const auto mapped = map_stack(env, block); !mapped) {
        taken.clear(index);
        return fail(mapped.error());
    }
    return block;
}

Result<ThreadBlock> take_own(const Env& env, std::uint64_t stack_pages) {
    const ThreadBlock block{.base = TRY(env.space.reserve(abi::kRingPages + 1 + stack_pages)),
                            .stack_pages = stack_pages};
    TRY(map_stack(env, block));
    return block;
}

}  // namespace

Result<ThreadBlock> take_thread_block(const Env& env, std::uint64_t stack_pages, bool pooled) {
    ThreadBlock block =
        TRY(pooled && stack_pages <= kDefaultStackPages ? take_pooled(env) : take_own(env, stack_pages));
    set_up_local(block.tcb());
    block.stack = local_of(block.tcb());
    return block;
}

void give_back(const Env& env, const ThreadBlock& block) {
    const std::uint64_t index = block.pooled ? (block.base - pool_base.load()) / kBlockSize : 0;
    if (block.pooled && block.has_ring) {
        if (kept_count.fetch_add(1) < kKept) {
            kept.set(index);
            return;
        }
        --kept_count;
    }
    (void)env.process.unmap(block.base, abi::kRingPages + 1 + block.stack_pages);  // holes are allowed
    if (block.pooled) {
        taken.clear(index);
    }
}

}  // namespace cap
