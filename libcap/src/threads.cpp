// SPDX-License-Identifier: MIT
#include "cap/joining_thread.hpp"

#include "core/assert.hpp"
#include "thread_block.hpp"
#include "tls.hpp"

#include <new>

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
    set_this_ring(ring);
    thread_exit(start->function(ring, start->argument));
}

namespace {

Result<Thread> create_in(const Env& env, ThreadBlock& block, ThreadFunction function, void* argument,
                         const ThreadOptions& options) {
    auto* const start = new (block.carve(sizeof(ThreadStart), alignof(ThreadStart)))
        ThreadStart{function, argument, block.ring_address()};
    return env.process.create_thread({
        .entry = reinterpret_cast<std::uint64_t>(&cap_thread_entry),
        .stack = block.stack,
        .argument = reinterpret_cast<std::uint64_t>(start),
        .ring_address = block.ring_address() | (block.has_ring ? abi::kRingInPlace : 0),
        .fs_base = block.tcb(),
        .affinity = options.affinity,
        .label = options.label,
        .first_cpu = options.first_cpu,
    });
}

}  // namespace

Result<Thread> create_sibling(const Env& env, ThreadFunction function, void* argument,
                              const ThreadOptions& options) {
    ThreadBlock block = TRY(take_thread_block(env, options.stack_pages, false));
    auto thread = create_in(env, block, function, argument, options);
    if (!thread) {
        give_back(env, block);
    }
    return thread;
}

Result<JoiningThread> JoiningThread::create_with(const Env& env, ThreadFunction run,
                                                 void (*copy)(void* to, void* from), void* function,
                                                 std::size_t size, std::size_t alignment,
                                                 const ThreadOptions& options) {
    ThreadBlock block = TRY(take_thread_block(env, options.stack_pages, true));
    void* const argument = block.carve(size, alignment);
    copy(argument, function);
    const auto created = create_in(env, block, run, argument, options);
    if (!created) {
        give_back(env, block);
        return fail(created.error());
    }
    JoiningThread thread;
    thread.env_ = &env;
    thread.thread_ = *created;
    thread.block_ = block.base;
    thread.stack_pages_ = block.stack_pages;
    thread.pooled_ = block.pooled;
    return thread;
}

void JoiningThread::end() {
    // One that was never started would not end.
    if (const auto status = thread_.status(); status && status->word.state() == abi::ThreadState::kCreated) {
        (void)thread_.kill(0);
    }
    COX_ASSERT(join(this_ring()).has_value());
}

Result<std::uint64_t> JoiningThread::join(Ring& ring) {
    const std::uint64_t code = TRY(thread_.join(ring));
    thread_.drop();
    thread_ = {};
    give_back(*env_, {.base = block_, .stack_pages = stack_pages_, .pooled = pooled_, .has_ring = true});
    return code;
}

}  // namespace cap
