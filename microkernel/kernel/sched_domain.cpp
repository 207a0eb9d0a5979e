// SPDX-License-Identifier: MIT
#include "kernel/sched_domain.hpp"

#include <bit>

#include "arch/paging.hpp"
#include "core/event_token.hpp"
#include "kernel/completion.hpp"
#include "kernel/cpu.hpp"
#include "kernel/inbox_records.hpp"
#include "kernel/log.hpp"
#include "kernel/thread_table.hpp"
#include "kernel/wake.hpp"

namespace cox {

using abi::Cause;
using abi::Error;

SchedDomain root_domain;

core::Result<void> SchedDomain::attach(Process& server, std::uint64_t table_address) {
    auto table = TRY(MemoryObject::view(status_table_frame(), abi::kStatusTablePages));
    Process* nobody = nullptr;
    if (!server_.compare_exchange_strong(nobody, &server)) return core::fail(Error::kBusy);
    const auto mapped = server.space().map(*table, 0, table_address, abi::kStatusTablePages, abi::kRead);
    if (!mapped) server_.store(nullptr);
    return mapped;
}

core::Result<void> SchedDomain::make_ring(Agent& agent) {
    if (agent.memory) return {};
    agent.memory = TRY(MemoryObject::create(abi::kEventRingPages));
    agent.header = arch::physical_to_virtual<abi::EventRingHeader>(agent.memory->frame(0));
    EntryAt at;
    for (std::uint32_t i = 1; i < abi::kEventRingPages; ++i) {
        at.pages[i - 1] = arch::physical_to_virtual<std::atomic<std::uint64_t>>(agent.memory->frame(i));
    }
    agent.ring.emplace(at, core::EventRingShape{std::countr_zero(abi::kEventEntries)}, 0);
    return {};
}

core::Result<void> SchedDomain::add_agent(Process& server, Thread& thread, std::uint32_t cpu, std::uint64_t ring_address) {
    if (server_.load() != &server) return core::fail(Error::kNotAttached);
    if (cpu >= online_cpus().size()) return core::fail(Error::kCpuNotYours);
    if (thread.process.get() != &server || thread.domain || thread.is_agent()) return core::fail(Error::kBadArgument);
    if (thread.word().load().state() != abi::ThreadState::kCreated) return core::fail(Error::kWrongState);
    RefPtr<MemoryObject> memory;
    {
        SpinGuard guard(lock_);
        if (agents_[cpu].thread) return core::fail(Error::kBusy);
        TRY(make_ring(agents_[cpu]));
        memory = agents_[cpu].memory;
    }
    TRY(server.space().map(*memory, 0, ring_address, abi::kEventRingPages, abi::kRead | abi::kWrite));
    {
        SpinGuard guard(lock_);
        Agent& agent = agents_[cpu];
        if (agent.thread) return core::fail(Error::kBusy);
        agent.thread = RefPtr(thread);
        agent.ref.store(thread.ref.raw());
        agent.waits.store(false);
        // What stands in the ring is of no interest any more: the server reads the whole table after this.
        agent.header->base.store(agent.ring->tail());
        agent.header->head.store(agent.ring->tail());
        thread.agent_cpu = cpu;
        thread.line.affinity.store(std::uint64_t{1} << cpu);
        thread.word().move_created(cpu);
    }
    agent_mask_.fetch_or(std::uint64_t{1} << cpu);
    if (mode_.exchange(Mode::kServer) == Mode::kServer) return {};
    for (Cpu& each : online_cpus()) {
        each.return_fallback.store(true);
        send_attention(each);
    }
    return {};
}

core::Result<void> SchedDomain::detach(Process& server) {
    if (server_.load() != &server) return core::fail(Error::kNotAttached);
    fall_back(Cause::kNoServer);
    return {};
}

void SchedDomain::server_gone(Process& server) {
    if (server_.load() == &server) fall_back(Cause::kNoServer);
}

void SchedDomain::agent_gone(Thread& agent) {
    if (attached() && agents_[agent.agent_cpu].ref.load() == agent.ref.raw()) fall_back(Cause::kNoServer);
}

bool SchedDomain::agent_kept_away(std::uint32_t cpu) {
    const auto mask = agent_mask_.load();
    if (!mask) return false;
    const auto index = mask >> cpu & 1 ? cpu : static_cast<std::uint32_t>(std::countr_zero(mask));
    const auto agent = find_thread(abi::ThreadRef::from_raw(agents_[index].ref.load()));
    return agent && agent->word().load().state() == abi::ThreadState::kQueued;
}

void SchedDomain::starved(Thread& thread, std::uint32_t cpu, std::uint64_t waited_ns) {
    ++this_cpu().stats.watchdog_hits;
    print("watchdog: thread={} label={} cpu={} waited_ns={} state={}: falling back", thread.ref.index,
          thread.line.label.load(), cpu, waited_ns, static_cast<unsigned>(thread.word().load().state()));
    fall_back(Cause::kWatchdog);
}

void SchedDomain::fall_back(Cause cause) {
    if (mode_.exchange(Mode::kKernel) == Mode::kServer) print("domain: falls back cause={}", static_cast<unsigned>(cause));
    agent_mask_.store(0);
    for (Agent& agent : agents_) {
        RefPtr<Thread> thread;
        abi::ThreadRef ref;
        {
            SpinGuard guard(lock_);
            std::swap(thread, agent.thread);
            ref = abi::ThreadRef::from_raw(agent.ref.exchange(0));
        }
        if (agent.waits.exchange(false)) complete({ref, agent.user_data.load()}, static_cast<std::int64_t>(Error::kNotAttached));
    }
    server_.store(nullptr);
    std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with the fence in became_unplaced
    for_each_thread([&](Thread& thread) {
        const auto word = thread.word().load();
        if (thread.domain == this && word.state() == abi::ThreadState::kUnplaced) place_by_kernel(thread, word, cause);
    });
    for (Cpu& cpu : online_cpus()) send_attention(cpu);  // turns are the kernel's from now on
}

void SchedDomain::post_event(std::uint32_t line, std::uint32_t cpu) {
    const auto mask = agent_mask_.load();
    if (!mask) return;
    const auto index = mask >> cpu & 1 ? cpu : static_cast<std::uint32_t>(std::countr_zero(mask));
    Agent& agent = agents_[index];
    const auto head_of = [this](std::uint32_t a) {
        return agents_[a].header && agent_mask_.load() >> a & 1 ? agents_[a].header->head.load() : ~std::uint64_t{0};
    };
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!core::post_event(event_token(line), index, *agent.ring, line, head_of)) return;
    ++this_cpu().stats.events_posted;
    std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with the fence in wait_events
    if (agent.waits.exchange(false)) complete({abi::ThreadRef::from_raw(agent.ref.load()), agent.user_data.load()}, 1);
}

core::Result<bool> SchedDomain::wait_events(Thread& thread, std::uint64_t user_data) {
    if (!thread.is_agent()) return core::fail(Error::kWrongState);
    Agent& agent = agents_[thread.agent_cpu];
    if (agent.ref.load() != thread.ref.raw()) return core::fail(Error::kNotAttached);
    if (agent.waits.load()) return core::fail(Error::kBusy);
    agent.user_data.store(user_data);
    agent.waits.store(true);
    std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with the fence in post_event
    return agent.ring->pending(agent.header->head.load()) && agent.waits.exchange(false);
}

namespace {
void set_cpu_line(std::uint32_t cpu, abi::ThreadState state) {
    auto& line = status_line(abi::kMaxThreads + cpu);
    const auto sequence = (line.word.load() >> 32) + 1;
    line.ref.store(cpu, std::memory_order_relaxed);
    line.word.store(sequence << 32 | std::uint64_t{cpu} << 8 | static_cast<std::uint8_t>(state));
}
}  // namespace

void SchedDomain::cpu_busy(std::uint32_t cpu) { set_cpu_line(cpu, abi::ThreadState::kRunning); }

void SchedDomain::cpu_idle(std::uint32_t cpu) {
    set_cpu_line(cpu, abi::ThreadState::kWaiting);
    if (attached()) post_event(abi::kMaxThreads + cpu, cpu);
}

}  // namespace cox
