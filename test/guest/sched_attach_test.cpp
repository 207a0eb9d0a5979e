// SPDX-License-Identifier: MIT
//
// Becoming the domain's server, its agents, and ceasing to be it (docs/scheduling.md, "Attaching, and
// adoption").
#include "support/domains.hpp"
#include "support/observe.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::Error;
using abi::ThreadState;

std::uint64_t nothing(cap::Ring&, void*) { return 0; }

void cpus_of_the_domain(Case& t) {
    const auto reply = cap::cap_call(root_domain(t).slot(), abi::Op::kGetCpus);
    REQUIRE_EQUAL(t, reply.result, t.cpus());
    REQUIRE_EQUAL(t, reply.result2, (std::uint64_t{1} << t.cpus()) - 1);
}

// A refused attach leaves the domain free for the next one.
void attach_refused(Case& t) {
    const cap::SchedDomain domain = root_domain(t);
    REQUIRE_ERROR(t, domain.detach(), Error::kNotAttached);
    REQUIRE_ERROR(t, domain.attach(0x1'2345'6789), Error::kMisaligned);
    REQUIRE_ERROR(t, domain.attach(abi::kUserTop), Error::kBadAddress);
    REQUIRE_ERROR(t, domain.attach(t.env.info.archive_address), Error::kOverlap);
    const auto weak = domain.derive(abi::kRead | abi::kWrite | abi::kExecute);
    REQUIRE_OK(t, weak);
    REQUIRE_ERROR(t, cap::SchedDomain(*weak).attach(0x5000'0000'0000), Error::kNoRight);
    REQUIRE_ERROR(t, cap::SchedDomain(*weak).detach(), Error::kNoRight);
    cap::SchedDomain(*weak).drop();
    DomainServer server(t);
}

void attached_twice(Case& t) {
    {
        DomainServer server(t);
        const auto elsewhere = t.env.space.reserve(abi::kStatusTablePages);
        REQUIRE_OK(t, elsewhere);
        REQUIRE_ERROR(t, server.domain().attach(*elsewhere), Error::kBusy);
        REQUIRE_OK(t, server.domain().detach());
        REQUIRE_ERROR(t, server.domain().detach(), Error::kNotAttached);
    }
    DomainServer again(t);
}

// Another process is a server like any other: while it is, nobody else; its end is a detach; and the table is
// read-only to it. values[0]: the domain's slot, then what came of the attach.
std::uint64_t attach_and_write(Station& station, cap::Ring& ring) {
    constexpr std::uint64_t kTable = 0x5000'0000'0000;
    const cap::SchedDomain domain(abi::CapSlot::from_raw(station.values[0].load()));
    const auto attached = domain.attach(kTable);
    station.values[1] = attached ? 1 : 2;
    (void)cap::Notification(station.bell).wait(ring);
    const_cast<volatile std::uint64_t&>(*reinterpret_cast<std::uint64_t*>(kTable)) = 0;
    return 0;
}

void table_is_read_only(Case& t) {
    Crew crew(t);
    const auto slot = crew.process().give(root_domain(t).slot(), abi::kManage);
    REQUIRE_OK(t, slot);
    const Worker& other = crew.add({.main = attach_and_write});
    other.station->values[0] = slot->raw();
    REQUIRE_OK(t, other.thread.start());
    REQUIRE(t, eventually(t.env.clock, [&] { return other.station->values[1].load() != 0; }));
    REQUIRE_EQUAL(t, other.station->values[1].load(), 1);
    REQUIRE_ERROR(t, root_domain(t).attach(0x5000'0000'0000), Error::kBusy);
    other.ring_bell();
    REQUIRE(t, comes_to(t, other, ThreadState::kGone));
    REQUIRE_EQUAL(t, other.thread.status()->word.cause(), Cause::kFaulted);
    (void)crew.process().kill(0);
    REQUIRE_OK(t, crew.process().wait_exit(t.env.ring, patience_ns));
    DomainServer server(t);
}

void add_agent_refused(Case& t) {
    const auto thread = cap::create_sibling(t.env, nothing, nullptr, {.stack_pages = 2});
    const auto ring = t.env.space.reserve(abi::kEventRingPages);
    REQUIRE_OK(t, thread);
    REQUIRE_OK(t, ring);
    REQUIRE_ERROR(t, root_domain(t).add_agent(*thread, 0, *ring), Error::kNotAttached);

    DomainServer server(t, 0);
    Crew crew(t);
    const cap::SchedDomain domain = server.domain();
    const Worker& worker = crew.add();
    for (const std::uint32_t cpu : {t.cpus(), abi::kMaxCpus, ~0U}) {
        REQUIRE_ERROR(t, domain.add_agent(*thread, cpu, *ring), Error::kCpuNotYours);
    }
    REQUIRE_ERROR(t, domain.add_agent(cap::Thread(t.env.log.slot()), 0, *ring), Error::kWrongType);
    REQUIRE_ERROR(t, domain.add_agent(cap::Thread(), 0, *ring), Error::kBadSlot);
    REQUIRE_ERROR(t, domain.add_agent(worker.thread, 0, *ring), Error::kBadArgument);  // of another process
    REQUIRE_ERROR(t, domain.add_agent(t.env.thread, 0, *ring), Error::kWrongState);    // runs
    REQUIRE_ERROR(t, domain.add_agent(*thread, 0, *ring + 1), Error::kMisaligned);
    REQUIRE_ERROR(t, domain.add_agent(*thread, 0, t.env.info.archive_address), Error::kOverlap);
    const auto weak = domain.derive(abi::kRead | abi::kWrite | abi::kExecute);
    REQUIRE_OK(t, weak);
    REQUIRE_ERROR(t, cap::SchedDomain(*weak).add_agent(*thread, 0, *ring), Error::kNoRight);
    cap::SchedDomain(*weak).drop();

    REQUIRE_OK(t, server.add_agent(0, nothing, nullptr));
    REQUIRE_ERROR(t, domain.add_agent(*thread, 0, *ring), Error::kBusy);
    REQUIRE_ERROR(t, domain.add_agent(server.agent(0).thread, last_cpu(t), *ring),
                  Error::kBadArgument);  // is one already
    REQUIRE_ERROR(t, server.agent(0).thread.set_affinity(1), Error::kWrongState);
    REQUIRE_ERROR(t, server.agent(0).thread.set_fault_handler(cap::Notification(), 0), Error::kWrongState);
    (void)thread->kill(0);
    thread->drop();
}

// Threads that the kernel has placed are handed back to the first agent: those that run, those that queue;
// and those that waited meanwhile are unplaced when they wake.
void handed_back(Case& t) {
    Crew crew(t);
    std::array<const Worker*, 3 * 8> spinning{};
    const std::uint32_t count = std::min<std::uint32_t>(3 * t.cpus(), spinning.size());
    for (std::uint32_t i = 0; i < count; ++i) {
        spinning[i] = &crew.add({.first_cpu = i % t.cpus()});
        REQUIRE_OK(t, spinning[i]->thread.start());
    }
    const Worker& waiting = crew.add({.order = Order::kWait, .first_cpu = last_cpu(t)});
    REQUIRE_OK(t, waiting.thread.start());
    REQUIRE(t, comes_to(t, waiting, ThreadState::kWaiting));
    for (std::uint32_t i = 0; i < count; ++i) {
        REQUIRE(t, makes_progress(t, *spinning[i]));
        REQUIRE(t, spinning[i]->word().placed_by_kernel());
    }

    DomainServer server(t);
    for (std::uint32_t i = 0; i < count; ++i) {
        REQUIRE(t, becomes(t, server, *spinning[i], ThreadState::kUnplaced));
        REQUIRE_EQUAL(t, server.line(*spinning[i]).word.cause(), Cause::kReturned);
        REQUIRE(t, !server.line(*spinning[i]).word.placed_by_kernel());
    }
    REQUIRE_EQUAL(t, server.line(waiting).word.state(), ThreadState::kWaiting);
    waiting.ring_bell();
    REQUIRE(t, becomes(t, server, waiting, ThreadState::kUnplaced));
    const auto before = sum_of_stats(t);
    REQUIRE_OK(t, before);
    for (std::uint32_t i = 0; i < count; ++i) {
        REQUIRE_OK(t, server.place(*spinning[i], i % t.cpus()));
        REQUIRE(t, makes_progress(t, *spinning[i]));
        REQUIRE_OK(t, spinning[i]->thread.kill(0));
    }
    const auto after = sum_of_stats(t);
    REQUIRE_OK(t, after);
    REQUIRE_EQUAL(t, after->fallback_dispatches, before->fallback_dispatches);
}

// Without a server, and when the server goes, the kernel places what is unplaced, and what a commit had
// placed stays so.
void detach_places_all(Case& t) {
    Crew crew(t);
    const Worker& unplaced = crew.add({.first_cpu = last_cpu(t)});
    const Worker& placed = crew.add();
    const Worker& waiting = crew.add({.order = Order::kWait});
    {
        DomainServer server(t);
        REQUIRE_OK(t, unplaced.thread.start());
        REQUIRE_OK(t, server.start(placed, last_cpu(t)));
        REQUIRE_OK(t, server.start(waiting, 0));
        REQUIRE(t, makes_progress(t, placed));
        REQUIRE(t, comes_to(t, waiting, ThreadState::kWaiting));
        REQUIRE_EQUAL(t, unplaced.state(), ThreadState::kUnplaced);
        REQUIRE_EQUAL(t, unplaced.beats(), 0);
    }
    REQUIRE(t, makes_progress(t, unplaced));
    REQUIRE(t, unplaced.word().placed_by_kernel());
    REQUIRE_EQUAL(t, unplaced.word().cpu(), last_cpu(t));
    REQUIRE(t, makes_progress(t, placed));
    REQUIRE(t, makes_progress(t, unplaced));
    waiting.order(Order::kSpin);
    waiting.ring_bell();
    REQUIRE(t, makes_progress(t, waiting));
    REQUIRE_ERROR(t, root_domain(t).commit(unplaced.ref, 0, 0, 0, 0), Error::kNotAttached);
}

// The end of one agent is the end of the server's rule.
void end_of_an_agent(Case& t) {
    Crew crew(t);
    const Worker& worker = crew.add();
    {
        DomainServer server(t);
        REQUIRE_OK(t, worker.thread.start());
        REQUIRE_OK(t, server.agent(last_cpu(t)).thread.kill(0));
        const Line line = server.line(worker);
        REQUIRE(t, line.word.placed_by_kernel());
        REQUIRE(t, line.word.cause() == Cause::kNoServer ||
                       line.word.cause() == Cause::kFallbackSlice);  // or it has run already
        REQUIRE(t, makes_progress(t, worker));
        REQUIRE_ERROR(t, server.place(worker, 0), Error::kNotAttached);
    }
    DomainServer server(t);
    REQUIRE(t, becomes(t, server, worker, ThreadState::kUnplaced));
}

constexpr Entry kCases[] = {
    {"cpus_of_the_domain", cpus_of_the_domain}, {"attach_refused", attach_refused},
    {"attached_twice", attached_twice},         {"table_is_read_only", table_is_read_only},
    {"add_agent_refused", add_agent_refused},   {"handed_back", handed_back},
    {"detach_places_all", detach_places_all},   {"end_of_an_agent", end_of_an_agent},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "sched_attach", kCases); }
