// SPDX-License-Identifier: MIT
//
// Errors that docs/abi.md names and that need a scene of their own, or none: what the other tests leave out. lint.abi says
// which error of which operation has no test.
#include "cap/endpoint.hpp"
#include "cap/sched_domain.hpp"
#include "suite.hpp"
#include "support/crew.hpp"
#include "support/domain_server.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;
using abi::Error;
using abi::Op;

template <class T>
std::uint64_t address_of(const T& object) {
    return reinterpret_cast<std::uint64_t>(&object);
}

void buffers(Case& t) {
    const auto domain = *t.env.find_slot("domain");
    const abi::WakeLedger ledger{};
    REQUIRE_EQUAL(t, by_call({Op::kCpuStats, t.machine.slot(), {0, 8}}), Error::kBadAddress);
    REQUIRE_EQUAL(t, by_call({Op::kLogWrite, t.env.log.slot(), {8, 1}}), Error::kBadAddress);
    REQUIRE_EQUAL(t, by_call({Op::kWakeLedger, domain, {abi::kMaxThreads, address_of(ledger)}}),
                  Error::kBadArgument);
}

Error create_process_in(const cap::Env& env, abi::CapSlot domain) {
    abi::ProcessParams params{};
    params.domain_slot = domain.raw();
    return by_call({Op::kCreateProcess, env.process.slot(), {address_of(params)}});
}

void processes(Case& t) {
    const cap::Capability domain(*t.env.find_slot("domain"));
    const auto weak = MUST(t, derive(domain, abi::kAllRights & ~abi::kExecute));
    const auto stale = MUST(t, domain.derive(abi::kExecute));
    cap::Capability(stale).drop();
    REQUIRE_EQUAL(t, create_process_in(t.env, {4096, 1}), Error::kBadSlot);
    REQUIRE_EQUAL(t, create_process_in(t.env, stale), Error::kStaleSlot);
    REQUIRE_EQUAL(t, create_process_in(t.env, t.env.log.slot()), Error::kWrongType);
    REQUIRE_EQUAL(t, create_process_in(t.env, weak->slot()), Error::kNoRight);
}

// The memory's capability must have every right of the mapping's.
void maps(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const auto map = [&](abi::CapSlot slot, abi::Rights access) {
        const auto address = 0x6000'0000'0000;
        return by_call({Op::kMap, t.env.process.slot(), {slot.raw(), address, 0, abi::map_word(1, access)}});
    };
    const auto unreadable = MUST(t, derive(*memory, abi::kAllRights & ~abi::kRead));
    const auto unwritable = MUST(t, derive(*memory, abi::kAllRights & ~abi::kWrite));
    const auto no_code = MUST(t, derive(*memory, abi::kAllRights & ~abi::kExecute));
    REQUIRE_EQUAL(t, map(unreadable->slot(), abi::kRead), Error::kNoRight);
    REQUIRE_EQUAL(t, map(unwritable->slot(), abi::kRead | abi::kWrite), Error::kNoRight);
    REQUIRE_EQUAL(t, map(no_code->slot(), abi::kRead | abi::kExecute), Error::kNoRight);
}

void parking(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const std::uint32_t word = 5;
    const auto shared = [&](std::uint64_t offset, std::uint64_t value) {
        return by_call({Op::kParkShared, memory->slot(), {offset, value, 1}});
    };
    REQUIRE_EQUAL(t, by_call({Op::kPark, t.env.process.slot(), {address_of(word), 5, 1}}), Error::kTimedOut);
    REQUIRE_EQUAL(t, shared(0, 0), Error::kTimedOut);
    REQUIRE_EQUAL(t, shared(0, 1), Error::kValueChanged);
    REQUIRE_EQUAL(t, shared(0, std::uint64_t{1} << 32), Error::kBadArgument);
    REQUIRE_EQUAL(t, shared(abi::kPageSize, 0), Error::kBadArgument);
}

void pollers(Case& t) {
    const std::uint64_t absent = t.cpus() < abi::kMaxCpus ? ~std::uint64_t{0} << t.cpus() : 0;
    REQUIRE_EQUAL(t, by_call({Op::kPoll, t.env.thread.slot(), {0, absent}}), Error::kBadArgument);
}

std::uint64_t sleep_for_ever(cap::Ring& ring, void*) {
    (void)ring.submit_and_wait(1);
    return 0;
}

// One operation waits, so a second one may not: each kind of thing that can be waited for.
void second_waits(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const auto thread = MUST(t, Sibling::start(t.env, sleep_for_ever, nullptr));
    const Owned process(MUST(t, t.env.process.create_process("waited for")));
    const auto begin = [&](Op op, abi::CapSlot slot) {
        return t.env.ring.prepare(cap::submission(op, slot, tag_of(op))) && t.env.ring.submit_and_wait(0);
    };
    REQUIRE(t, begin(Op::kWaitBits, bell->slot()));
    REQUIRE_EQUAL(t, by_ring(t.env, {Op::kWaitBits, bell->slot()}), Error::kBusy);
    REQUIRE(t, begin(Op::kJoin, thread->slot()));
    REQUIRE_EQUAL(t, by_ring(t.env, {Op::kJoin, thread->slot()}), Error::kBusy);
    REQUIRE(t, begin(Op::kWaitExit, process->slot()));
    REQUIRE_EQUAL(t, by_ring(t.env, {Op::kWaitExit, process->slot()}), Error::kBusy);
    REQUIRE_EQUAL(t, by_call({Op::kCancel, bell->slot(), {tag_of(Op::kWaitBits)}}), Error::kOk);
    REQUIRE_EQUAL(t, by_call({Op::kCancel, thread->slot(), {tag_of(Op::kJoin)}}), Error::kOk);
    REQUIRE_EQUAL(t, by_call({Op::kCancel, process->slot(), {tag_of(Op::kWaitExit)}}), Error::kOk);
    REQUIRE_OK(t, t.env.ring.submit_and_wait(3));
    const auto first = *t.env.ring.next(), second = *t.env.ring.next(), third = *t.env.ring.next();
    REQUIRE_EQUAL(t, outcome(Op::kWaitBits, first), Error::kCancelled);
    REQUIRE_EQUAL(t, outcome(Op::kJoin, second), Error::kCancelled);
    REQUIRE_EQUAL(t, outcome(Op::kWaitExit, third), Error::kCancelled);
}

// What is waited for goes without having happened.
void gone(Case& t) {
    Owned bell(MUST(t, t.env.process.create_notification()));
    Owned process(MUST(t, t.env.process.create_process("dropped")));
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(Op::kWaitBits, bell->slot(), tag_of(Op::kWaitBits))));
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(Op::kWaitExit, process->slot(), tag_of(Op::kWaitExit))));
    REQUIRE_OK(t, t.env.ring.submit_and_wait(0));
    bell = {};
    process = {};
    REQUIRE_OK(t, t.env.ring.submit_and_wait(2));
    const auto first = *t.env.ring.next(), second = *t.env.ring.next();
    REQUIRE_EQUAL(t, outcome(Op::kWaitBits, first), Error::kGone);
    REQUIRE_EQUAL(t, outcome(Op::kWaitExit, second), Error::kGone);
}

// Calls and messages that are waited for through the ring.
void endpoints(Case& t) {
    Owned<cap::Endpoint> endpoint(MUST(t, cap::Endpoint::create(t.env.process)));
    const auto begin = [&](Op op, std::uint64_t place) {
        const auto info = abi::MessageInfo{}.with_place(place).raw;
        return t.env.ring.prepare(cap::submission(op, endpoint->slot(), tag_of(op), info)) &&
               t.env.ring.submit_and_wait(0);
    };
    REQUIRE(t, begin(Op::kCall, 0));
    REQUIRE_EQUAL(t, by_call({Op::kCancel, endpoint->slot(), {tag_of(Op::kCall)}}), Error::kOk);
    const auto called = t.env.ring.next();
    REQUIRE(t, called.has_value());
    REQUIRE_EQUAL(t, outcome(Op::kCall, *called), Error::kCancelled);
    REQUIRE(t, begin(Op::kReceive, 1));
    REQUIRE_EQUAL(t, by_call({Op::kCancel, endpoint->slot(), {tag_of(Op::kReceive)}}), Error::kOk);
    const auto received = t.env.ring.next();
    REQUIRE(t, received.has_value());
    REQUIRE_EQUAL(t, outcome(Op::kReceive, *received), Error::kCancelled);
    REQUIRE(t, begin(Op::kReceive, 1));
    endpoint = {};
    REQUIRE_OK(t, t.env.ring.submit_and_wait(1));
    const auto ended = t.env.ring.next();
    REQUIRE(t, ended.has_value());
    REQUIRE_EQUAL(t, outcome(Op::kReceive, *ended), Error::kGone);
}

struct Waits {
    DomainServer& server;
    std::array<abi::Completion, 2> refusals{};
    std::atomic<std::uint32_t> seen{0};  // release by the agent when it has written one; acquire by the test
};

// An agent that waits for events twice at once, until that and then its wait is refused. What comes meanwhile it takes.
std::uint64_t wait_twice(cap::Ring& ring, void* argument) {
    auto& waits = *static_cast<Waits*>(argument);
    const auto slot = waits.server.domain().slot();
    for (std::uint32_t seen = 0; seen < 2;) {
        if (seen == 0) {  // later one is in flight
            (void)ring.prepare(cap::submission(Op::kWaitEvents, slot, tag_of(Op::kWaitEvents)));
        }
        (void)ring.submit_and_wait(1, kMillisecond);
        while (const auto completion = ring.next()) {
            if (completion->result < 0) {
                waits.refusals[seen] = *completion;
                waits.seen.store(++seen, std::memory_order_release);
            } else {
                while (waits.server.agent(0).events->take()) {
                }
                (void)ring.prepare(cap::submission(Op::kWaitEvents, slot, tag_of(Op::kWaitEvents)));
            }
        }
    }
    return 0;
}

void agents(Case& t) {
    DomainServer server(t, 0);
    Waits waits{server};
    const auto thread = MUST(t, Sibling::create(t.env, sleep_for_ever, nullptr));
    const auto stale = MUST(t, thread->derive(abi::kManage));
    cap::Capability(stale).drop();
    const auto add = [&](abi::CapSlot slot, std::uint64_t ring) {
        return by_call({Op::kAddAgent, server.domain().slot(), {slot.raw(), 0, ring}});
    };
    REQUIRE_EQUAL(t, add(stale, 0x6000'0000'0000), Error::kStaleSlot);
    REQUIRE_EQUAL(t, add(thread->slot(), 0), Error::kBadAddress);
    REQUIRE_OK(t, server.add_agent(0, wait_twice, &waits));
    REQUIRE_OK(t, server.agent(0).thread.start());
    const auto comes = [&](std::uint32_t count) {
        return eventually(t.env.clock, [&] { return waits.seen.load(std::memory_order_acquire) == count; });
    };
    REQUIRE(t, comes(1));
    REQUIRE_EQUAL(t, outcome(Op::kWaitEvents, waits.refusals[0]), Error::kBusy);
    REQUIRE_OK(t, server.domain().detach());
    REQUIRE(t, comes(2));
    REQUIRE_EQUAL(t, outcome(Op::kWaitEvents, waits.refusals[1]), Error::kNotAttached);
}

// In an agent, whose CPU does nothing else meanwhile: a commit that is refused is told at once, one of nothing waits for its time.
// `unplaced`: of the domain, has just been started. `created`, `ended`: has not been, has gone.
void commit_and_wait(Case& t, DomainServer& server, const Worker& unplaced, const Worker& created,
                     const Worker& ended) {
    const auto commit = [&](abi::ThreadRef ref, std::uint32_t sequence, std::uint32_t cpu) {
        for (;;) {
            const Error error = by_call({Op::kCommitAndWait,
                                         server.domain().slot(),
                                         {ref.raw(), abi::commit_word(sequence, cpu, 0), abi::kNoSlice, 1}});
            if (error != Error::kOk) return error;
            while (
                server.agent(0).events->take()) {  // something came: it has to be taken before one can wait
            }
        }
    };
    const auto sequence = server.line(unplaced).word.sequence();
    const auto ref = unplaced.ref;
    const auto outsider = MUST(t, t.env.thread.ref());
    REQUIRE_EQUAL(t, commit({ref.index, ref.generation + 1}, sequence, 0), Error::kStaleRef);
    REQUIRE_EQUAL(t, commit(outsider, 0, 0), Error::kNotInDomain);
    REQUIRE_EQUAL(t, commit(ended.ref, 0, 0), Error::kGone);
    REQUIRE_EQUAL(t, commit(created.ref, 0, 0), Error::kNotRunnable);
    REQUIRE_EQUAL(t, commit(ref, sequence + 1, 0), Error::kStaleSequence);
    REQUIRE_EQUAL(t, commit(ref, sequence, abi::kMaxCpus), Error::kCpuNotYours);
    REQUIRE_EQUAL(t, commit({}, 0, 0), Error::kTimedOut);
    if (t.cpus() > 1) {
        REQUIRE_OK(t, unplaced.thread.set_affinity(1));
        REQUIRE_EQUAL(t, commit(ref, sequence, 1), Error::kAffinity);
    }
    REQUIRE_OK(t, server.place(unplaced, 0));
    REQUIRE_EQUAL(t, commit(ref, sequence, 0), Error::kRunningElsewhere);  // queued behind this agent
}

struct Round {
    Case& t;
    DomainServer& server;
    const Worker &unplaced, &created, &ended;
    std::atomic<bool> done{false};  // release by the agent, acquire by the test: whether the case has failed
};

void commits_by_agents(Case& t) {
    DomainServer server(t, 0);
    Crew crew(t);
    const Worker& unplaced = crew.add();
    const Worker& created = crew.add();
    const Worker& ended = crew.add();
    REQUIRE_OK(t, ended.thread.kill(0));
    REQUIRE_OK(t, unplaced.thread.start());
    Round round{t, server, unplaced, created, ended};
    const auto run = [](cap::Ring&, void* argument) -> std::uint64_t {
        auto& its = *static_cast<Round*>(argument);
        commit_and_wait(its.t, its.server, its.unplaced, its.created, its.ended);
        its.done.store(true, std::memory_order_release);
        return 0;
    };
    REQUIRE_OK(t, server.add_agent(0, run, &round));
    REQUIRE_OK(t, server.agent(0).thread.start());
    REQUIRE(t, eventually(t.env.clock, [&] { return round.done.load(std::memory_order_acquire); }));
}

constexpr Entry kCases[] = {
    {"buffers", buffers}, {"processes", processes},
    {"maps", maps},       {"parking", parking},
    {"pollers", pollers}, {"second_waits", second_waits},
    {"gone", gone},       {"endpoints", endpoints},
    {"agents", agents},   {"commits_by_agents", commits_by_agents},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "errors", kCases); }
