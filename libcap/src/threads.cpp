// SPDX-License-Identifier: MIT
//
//     address              reserved range of the thread
//     ring                 kRingPages, mapped by the kernel
//     one page             unmapped: running over the stack faults
//     stack                grows down from the end of the range; the ThreadStart record is at its top
#include "cap/threads.hpp"

namespace cap {

namespace {

struct alignas(16) ThreadStart {
    ThreadFunction function;
    void* argument;
    std::uint64_t ring_address;
};

}  // namespace

extern "C" void cap_thread_entry();  // crt0.S

extern "C" [[noreturn]] void cap_thread_start(const ThreadStart* start) {
    Ring ring(start->ring_address);
    thread_exit(start->function(ring, start->argument));
}

Result<Thread> create_sibling(const Env& env, ThreadFunction function, void* argument,
                              const ThreadOptions& options) {
    const std::uint64_t pages = options.stack_pages;
    const std::uint64_t ring_address = TRY(env.space.reserve(abi::kRingPages + 1 + pages));
    const std::uint64_t stack = ring_address + (abi::kRingPages + 1) * abi::kPageSize;
    const std::uint64_t top = stack + pages * abi::kPageSize;

    const Memory memory = TRY(env.process.create_memory(pages));
    const auto mapped = env.process.map(memory, stack, 0, pages, abi::kRead | abi::kWrite);
    memory.drop();  // the mapping keeps it alive
    if (!mapped) {
        return fail(mapped.error());
    }
    auto* start = new (reinterpret_cast<void*>(top - sizeof(ThreadStart)))
        ThreadStart{function, argument, ring_address};
    const abi::ThreadParams params{
        .entry = reinterpret_cast<std::uint64_t>(&cap_thread_entry),
        .stack = reinterpret_cast<std::uint64_t>(start),
        .argument = reinterpret_cast<std::uint64_t>(start),
        .ring_address = ring_address,
        .fs_base = 0,
        .affinity = options.affinity,
        .label = options.label,
        .first_cpu = options.first_cpu,
    };
    auto thread = env.process.create_thread(params);
    if (!thread) {
        (void)env.process.unmap(stack, pages);
    }
    return thread;
}

}  // namespace cap
