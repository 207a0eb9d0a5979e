// SPDX-License-Identifier: MIT
#include "kernel/sched_domain.hpp"

#include <bit>

#include "arch/asm.hpp"
#include "arch/features.hpp"
#include "arch/paging.hpp"
#include "core/event_token.hpp"
#include "kernel/completion.hpp"
#include "kernel/cpu.hpp"
#include "kernel/inbox_records.hpp"
#include "kernel/log.hpp"
#include "kernel/quota.hpp"
#include "kernel/thread_table.hpp"
#include "kernel/trace.hpp"
#include "kernel/wake.hpp"

namespace cox {

using abi::Cause;
using abi::Error;

SchedDomain domains[abi::kMaxDomains];
std::atomic<std::uint32_t> SchedDomain::attached_count{0};

core::Result<void> SchedDomain::attach(Process& server, abi::CapSlot slot, std::uint64_t table_address,
                                       std::uint64_t hints_address) {
    auto table = TRY(MemoryObject::view(server.quota, status_table_frame(), abi::kStatusTablePages));
    if (server_.load()) return core::fail(Error::kBusy);
    TRY(server.space().map(*table, 0, table_address, abi::kStatusTablePages, abi::kRead, abi::kRead));
    auto mapped = map_hints(server, hints_address);
    if (mapped && become_server(server, slot)) {
        capability_emptied();  // it may have been emptied before there was somebody to lose by that
        return {};
    }
    TRY(server.space().unmap(table_address, abi::kStatusTablePages));
    if (mapped && hints_address) TRY(server.space().unmap(hints_address, abi::kHintPages));
    return mapped ? core::fail(Error::kBusy) : mapped;
}

core::Result<void> SchedDomain::map_hints(Process& server, std::uint64_t address) {
    if (address == 0) return {};
    auto hints = hints_ ? hints_ : TRY(MemoryObject::view(server.quota, hint_table_frame(), abi::kHintPages));
    constexpr abi::Rights kAccess = abi::kRead | abi::kWrite;
    return server.space().map(*hints, 0, address, abi::kHintPages, kAccess, kAccess);
}

// A new server begins without hints; its predecessor may still write some, which are checked like its own.
bool SchedDomain::become_server(const Process& server, abi::CapSlot slot) {
    SpinGuard guard(lock_);
    if (server_.load()) return false;
    for (std::uint32_t i = 0; i < abi::kMaxThreads; ++i)
        const_cast<abi::HintLine&>(hint_line(i)).word.store(0, std::memory_order_relaxed);
    known_slot.store(0);  // of its predecessor's table
    server_.store(&server);
    attached_by_ = slot.raw();
    return true;
}

// Pairs with attach(): who empties the slot finds the server there, or that finds the slot emptied.
void SchedDomain::capability_emptied() {
    const Process* server;
    {
        SpinGuard guard(lock_);
        server = server_.load();
        if (!server || server->caps.names(abi::CapSlot::from_raw(attached_by_), *this, 0)) return;
    }
    fall_back(server, Cause::kNoServer);
}

core::Result<void> SchedDomain::make_ring(Agent& agent) {
    if (agent.memory) return {};
    agent.memory = TRY(MemoryObject::create(payer_ ? *payer_ : root_quota, abi::kEventRingPages));
    agent.header = arch::physical_to_virtual<abi::EventRingHeader>(agent.memory->frame(0));
    EntryAt at;
    for (std::uint32_t i = 1; i < abi::kEventRingPages; ++i) {
        at.pages[i - 1] = arch::physical_to_virtual<std::atomic<std::uint64_t>>(agent.memory->frame(i));
    }
    agent.ring.emplace(at, 0);
    return {};
}

void SchedDomain::set_mode(Mode mode) {
    constexpr auto kSeen = core::kTraceStop | core::kTraceDispatch | core::kTraceWake | core::kTraceCommit;
    if (mode_.exchange(mode) != mode) attached_count.fetch_add(mode == Mode::kServer ? 1 : ~0u);
    direct_.store(mode == Mode::kServer && arch::features.xsaveopt && !tracing(kSeen));
}

// What may have changed since the caller's checks is checked again.
core::Result<void> SchedDomain::install(const Process& server, Thread& thread, std::uint32_t cpu) {
    SpinGuard guard(lock_);
    Agent& agent = agents_[cpu];
    if (server_.load() != &server) return core::fail(Error::kNotAttached);
    if (agent.ref.load()) return core::fail(Error::kBusy);
    auto none = Thread::kNoCpu;  // unless another domain is just making it its own agent
    if (!thread.agent_cpu.compare_exchange_strong(none, cpu)) return core::fail(Error::kBadArgument);
    retain();
    thread.agent_of.store(this);
    if (!thread.word().move_created(cpu).done) {
        thread.agent_of.store(&root_domain);
        thread.agent_cpu = Thread::kNoCpu;
        release();  // not the last: the caller has another
        return core::fail(Error::kWrongState);
    }
    thread.line.affinity.store(std::uint64_t{1} << cpu);
    // What stands in the ring is of no interest any more: the server reads the whole table after this.
    const auto first = agent.ring->tail();
    agent.first.store(first);
    agent.header->base.store(first);
    agent.header->head.store(first);
    agent.ref.store(thread.ref.raw());
    agent_mask_.fetch_or(std::uint64_t{1} << cpu);
    set_mode(Mode::kServer);
    return {};
}

core::Result<void> SchedDomain::add_agent(Process& server, Thread& thread, std::uint32_t cpu,
                                          std::uint64_t ring_address) {
    if (server_.load() != &server) return core::fail(Error::kNotAttached);
    if (cpu >= online_cpus().size()) return core::fail(Error::kCpuNotYours);
    if (thread.process.get() != &server || thread.domain || thread.is_agent())
        return core::fail(Error::kBadArgument);
    if (thread.word().load().state() != abi::ThreadState::kCreated) return core::fail(Error::kWrongState);
    {
        SpinGuard guard(lock_);
        if (agents_[cpu].ref.load()) return core::fail(Error::kBusy);
        TRY(make_ring(agents_[cpu]));
    }
    constexpr abi::Rights kAccess = abi::kRead | abi::kWrite;
    TRY(server.space().map(*agents_[cpu].memory, 0, ring_address, abi::kEventRingPages, kAccess, kAccess));
    const auto installed = install(server, thread, cpu);
    if (!installed) {
        TRY(server.space().unmap(ring_address, abi::kEventRingPages));
        return installed;
    }
    for (Cpu& each : online_cpus()) {
        each.return_fallback.store(true);
        send_attention(each);
    }
    return {};
}

core::Result<void> SchedDomain::detach(const Process& server) {
    if (server_.load() != &server) return core::fail(Error::kNotAttached);
    fall_back(&server, Cause::kNoServer);
    return {};
}

void SchedDomain::server_gone(const Process& server) { fall_back(&server, Cause::kNoServer); }

void SchedDomain::agent_gone(Thread& agent) {
    bool present;
    {
        SpinGuard guard(lock_);
        const auto cpu = agent.agent_cpu.load();  // none: it went while it was being made an agent
        present = cpu != Thread::kNoCpu && agents_[cpu].ref.load() == agent.ref.raw();
    }
    if (present) fall_back(agent.process.get(), Cause::kNoServer);
}

std::uint32_t SchedDomain::agent_for(std::uint32_t cpu, std::uint64_t mask) const {
    return mask >> cpu & 1 ? cpu : static_cast<std::uint32_t>(std::countr_zero(mask));
}

bool SchedDomain::agent_kept_away(std::uint32_t cpu) {
    const auto mask = agent_mask_.load();
    if (!mask) return false;
    const auto agent = find_thread(abi::ThreadRef::from_raw(agents_[agent_for(cpu, mask)].ref.load()));
    return agent && agent->word().load().state() == abi::ThreadState::kQueued && !agent->agent_overrun.load();
}

void SchedDomain::starved(Thread& thread, std::uint32_t cpu, std::uint64_t waited_ns) {
    const auto state = thread.word().load().state();
    if (!attached() || !fall_back(server_.load(), Cause::kWatchdog)) return;  // another CPU was first
    ++this_cpu().stats.watchdog_hits;
    print("watchdog: thread={} label={} cpu={} waited_ns={} state={}", thread.ref.index,
          thread.line.label.load(), cpu, waited_ns, static_cast<unsigned>(state));
}

PendingOp SchedDomain::Agent::take_waiter() {
    SpinGuard guard(lock);
    waits.store(false);
    return std::exchange(waiter, {});
}

// Who ends the wait wakes the agent, which sleeps no more.
[[gnu::always_inline]] inline void SchedDomain::wake_sleeper(Agent& agent, std::uint64_t ref) {
    Thread* const thread = hold_thread(abi::ThreadRef::from_raw(ref));
    if (!thread) return;
    if (!thread->ring.end_event_wait()) return thread->release();
    agent.sleeps.store(false, std::memory_order_relaxed);
    wake_agent(*thread);
}

bool SchedDomain::fall_back(const Process* server, Cause cause) {
    std::uint64_t agents;
    std::array<std::uint64_t, abi::kMaxCpus> refs;
    {
        SpinGuard guard(lock_);
        if (!server || server_.load() != server) return false;
        server_.store(nullptr);
        set_mode(Mode::kKernel);
        agents = agent_mask_.exchange(0);
        for (std::uint32_t cpu = 0; cpu < abi::kMaxCpus; ++cpu) refs[cpu] = agents_[cpu].ref.exchange(0);
    }
    print("domain: falls back cause={}", static_cast<unsigned>(cause));
    for (; agents; agents &= agents - 1) {
        Agent& agent = agents_[std::countr_zero(agents)];
        if (agent.sleeps.load()) wake_sleeper(agent, refs[std::countr_zero(agents)]);
        const auto waiter = agent.take_waiter();
        if (waiter) complete(waiter, static_cast<std::int64_t>(Error::kNotAttached));
    }
    look_at_every_thread(cause);
    for (Cpu& cpu : online_cpus()) send_attention(cpu);  // turns are the kernel's from now on
    return true;
}

void SchedDomain::look_at_every_thread(Cause cause) {
    arch::full_fence();  // pairs with the fence in became_unplaced
    for_each_thread([&](Thread& thread) {
        const auto word = thread.word().load();
        if (thread.domain == this && word.state() == abi::ThreadState::kUnplaced)
            place_by_kernel(thread, word, cause);
    });
}

// Apart, so that the common case saves no registers for them.
namespace {
[[gnu::noinline]] void post_again(SchedDomain& domain, std::uint32_t line, std::uint32_t cpu) {
    domain.post_event(line, cpu);
}
[[gnu::noinline]] void trace_event(std::uint32_t line, std::uint32_t agent) {
    trace(core::TraceEvent::kEvent, {}, line, agent);
}
}  // namespace

void SchedDomain::post_event(std::uint32_t line, std::uint32_t cpu) {
    const auto head_of = [this](std::uint32_t a) {
        return agent_mask_.load() >> a & 1 ? agents_[a].header->head.load() : ~std::uint64_t{0};
    };
    const auto mask = agent_mask_.load();
    if (!mask) return;
    const auto index = agent_for(cpu, mask);
    Agent& agent = agents_[index];
    arch::full_fence();
    const auto position = core::post_event(tokens_[line], index, *agent.ring, line, head_of);
    if (!position) return;
    ++this_cpu().stats.events_posted;
    if (tracing(core::kTraceEvent)) [[unlikely]]
        trace_event(line, index);
    arch::full_fence();  // pairs with the fence in wait_events
    // Others have relied on this entry for their changes since it was reserved; so somebody must be there to read it. Else a server was
    // lost meanwhile, and its successor, which does not read what was posted before it, may have come.
    if (!(agent_mask_.load() >> index & 1) || *position < agent.first.load()) [[unlikely]]
        return post_again(*this, line, cpu);
    if (agent.waits.load()) [[unlikely]]
        if (const auto waiter = agent.take_waiter()) complete(waiter, 1);
    if (agent.sleeps.load()) wake_sleeper(agent, agent.ref.load());
}

bool SchedDomain::begin_sleep(Thread& thread, std::uint64_t deadline) {
    const auto cpu = thread.agent_cpu.load();
    return cpu != Thread::kNoCpu && thread.agent_of.load() == this &&
           sleep_as(agents_[cpu], thread, deadline);
}

PendingOp SchedDomain::withdraw(Thread& thread, std::uint64_t user_data) {
    const auto cpu = thread.agent_cpu.load();
    if (cpu == Thread::kNoCpu || thread.agent_of.load() != this) return {};
    Agent& agent = agents_[cpu];
    SpinGuard guard(agent.lock);
    const auto op = withdraw_if(agent.waiter, thread.ref, user_data);
    if (op) agent.waits.store(false);
    return op;
}

core::Result<bool> SchedDomain::wait_events(Thread& thread, PendingOp waiter) {
    const auto cpu = thread.agent_cpu.load();  // once: an add_agent that fails takes it back
    if (cpu == Thread::kNoCpu || thread.agent_of.load() != this) return core::fail(Error::kWrongState);
    Agent& agent = agents_[cpu];
    {
        SpinGuard guard(agent.lock);
        if (agent.ref.load() != thread.ref.raw()) return core::fail(Error::kNotAttached);
        if (agent.waiter) return core::fail(Error::kBusy);
        agent.waiter = waiter;
        agent.waits.store(true);
    }
    // Pairs with the fence in post_event, and with fall_back, which clears `ref` before it takes the waiter.
    arch::full_fence();
    const bool lost = agent.ref.load() != thread.ref.raw();
    if (!lost && !agent.ring->pending(agent.header->head.load())) return false;
    if (!agent.take_waiter()) return false;  // completed by somebody else
    if (lost) return core::fail(Error::kNotAttached);
    return true;
}

void SchedDomain::init_cpu_line(std::uint32_t cpu, abi::TopologyWord place) {
    auto& line = status_line(abi::kMaxThreads + cpu);
    line.label.store(place.raw, std::memory_order_relaxed);
    line.domain.store(number(), std::memory_order_relaxed);
    line.ref.store(cpu, std::memory_order_relaxed);
    line.word.store(std::uint64_t{cpu} << 8);
    cpus_.fetch_or(std::uint64_t{1} << cpu);
    has_cpu_[cpu].store(true);
    set_cpu_line(cpu, abi::ThreadState::kWaiting);
}

const abi::HintLine& SchedDomain::hint_line(std::uint32_t line) const {
    if (!hints_) return cox::hint_line(line);
    constexpr std::uint32_t kPerPage = abi::kPageSize / sizeof(abi::HintLine);
    return arch::physical_to_virtual<abi::HintLine>(hints_->frame(line / kPerPage))[line % kPerPage];
}

}  // namespace cox
