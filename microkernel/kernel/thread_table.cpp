// SPDX-License-Identifier: MIT
#include "kernel/thread_table.hpp"

#include <array>
#include <bit>
#include <new>

#include "arch/asm.hpp"
#include "arch/paging.hpp"
#include "kernel/process.hpp"
#include "kernel/quota.hpp"
#include "kernel/sched_domain.hpp"

namespace cox {

namespace {

using detail::high_water, detail::lines, detail::slots;

constexpr auto kSlotSize = kThreadSlotSize;

SpinLock lock(LockRank::kThreadTable);
std::array<std::uint16_t, abi::kMaxThreads> free_slots COX_GUARDED_BY(lock);
std::uint32_t free_count COX_GUARDED_BY(lock);
abi::HintLine* hints;
constinit const abi::HintLine kNoHints{};  // of threads about which no server has a say

Thread* slot(std::uint32_t index) { return reinterpret_cast<Thread*>(slots + index * kSlotSize); }

// A freed slot, else one never used. kMaxThreads: none.
std::uint32_t take_slot() {
    SpinGuard guard(lock);
    if (free_count) return free_slots[--free_count];
    const auto next = high_water.load(std::memory_order_relaxed);
    if (next == abi::kMaxThreads) return next;
    arch::fill_words(slot(next), 0, kSlotSize / 8);  // reference count 0: nobody lives there yet
    high_water.store(next + 1, std::memory_order_release);
    return next;
}

}  // namespace

std::atomic<std::uint32_t> detail::high_water;
std::byte* detail::slots;
abi::StatusLine* detail::lines;

void thread_table_init() {
    slots = static_cast<std::byte*>(allocate_permanent(kSlotSize * abi::kMaxThreads));
    const auto bytes = std::uint64_t{abi::kStatusTablePages} * abi::kPageSize;
    lines = static_cast<abi::StatusLine*>(allocate_permanent(bytes));
    arch::fill_words(lines, 0, bytes / 8);
    adopt_frames(status_table_frame(), abi::kStatusTablePages);
    hints = static_cast<abi::HintLine*>(allocate_permanent(sizeof(abi::HintLine) * abi::kMaxThreads));
    adopt_frames(hint_table_frame(), abi::kHintPages);
}

core::Result<RefPtr<Thread>> allocate_thread(Process& process, SchedDomain* domain, std::uint32_t cpu,
                                             std::uint64_t affinity, Thread* polled) {
    const auto index = take_slot();
    if (index == abi::kMaxThreads) return core::fail(abi::Error::kNoSlot);
    abi::StatusLine& line = lines[index];
    const auto generation = static_cast<std::uint32_t>(line.ref.load(std::memory_order_relaxed) >> 32) + 1;
    const abi::ThreadRef ref{index, generation ? generation : 1};
    line.ref.store(ref.raw(), std::memory_order_relaxed);
    line.runtime_ns.store(0, std::memory_order_relaxed);
    line.wakes.store(0, std::memory_order_relaxed);
    line.calls.store(0, std::memory_order_relaxed);
    line.runnable_since.store(0, std::memory_order_relaxed);
    line.affinity.store(affinity, std::memory_order_relaxed);
    line.label.store(0, std::memory_order_relaxed);
    line.domain.store(domain ? domain->number() : 0, std::memory_order_relaxed);
    line.serves.store(0, std::memory_order_relaxed);
    auto* thread = new (slot(index))
        Thread(line, domain ? domain->hint_line(index) : kNoHints, ref, process, domain, polled);
    thread->fpu.reset();
    thread->word().create(cpu);
    thread->publish(2);
    return RefPtr<Thread>::adopt(thread);
}

Thread::Thread(abi::StatusLine& status, const abi::HintLine& hint, abi::ThreadRef reference, Process& owner,
               SchedDomain* in_domain, Thread* polled)
    : Object(kType, Unborn{}),
      line(status),
      hint_line(hint),
      ref(reference),
      process(owner),
      domain(in_domain),
      agent_of(&root_domain),
      polls(polled ? RefPtr<Thread>(*polled) : RefPtr<Thread>()) {
    COX_ASSERT(reinterpret_cast<std::byte*>(&calls) - reinterpret_cast<std::byte*>(&frame) == FRAME_CALLS);
}

Thread::~Thread() {
    if (is_agent()) agent_of.load()->release();
}

void Thread::destroy() {
    const auto index = ref.index;
    Quota& payer = process->quota;  // until it has its thread back
    if (domain) domain->thread_ended(*this);
    word().free();
    this->~Thread();
    {
        SpinGuard guard(lock);
        free_slots[free_count++] = static_cast<std::uint16_t>(index);
    }
    payer.return_thread();
}

RefPtr<Thread> find_thread(abi::ThreadRef ref) { return RefPtr<Thread>::adopt(hold_thread(ref)); }

RefPtr<Thread> thread_at(std::uint32_t index) {
    if (index >= high_water.load(std::memory_order_acquire)) return {};
    Thread* thread = slot(index);
    return thread->retain_if_alive() ? RefPtr<Thread>::adopt(thread) : RefPtr<Thread>();
}

std::uint32_t thread_high_water() { return high_water.load(std::memory_order_acquire); }
abi::HintLine& hint_line(std::uint32_t index) { return hints[index]; }
Physical hint_table_frame() { return arch::virtual_to_physical(hints); }
Physical status_table_frame() { return arch::virtual_to_physical(lines); }

}  // namespace cox
