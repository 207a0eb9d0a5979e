// SPDX-License-Identifier: MIT
//
// Commits that are refused although the thread is runnable: the rest of the list in docs/scheduling.md, in
// its order, old sequence numbers, batches, two commits for one thread.
#include "support/observe.hpp"

namespace {

using namespace test;
using abi::Error;
using abi::ThreadState;

// Refused; the thread stays unplaced, its event is posted again, and nothing else changes.
void refused(Case& t, DomainServer& server, const Worker& worker, Error expected, std::uint64_t word) {
    server.forget();
    const Line before = server.line(worker);
    const auto commit = cap::cap_call(server.domain().slot(), abi::Op::kCommit, worker.ref.raw(), word, 0);
    REQUIRE_ERROR(t, cap::to_result(commit.result), expected);
    REQUIRE_EQUAL(t, before.word.state(), ThreadState::kUnplaced);
    REQUIRE(t, server.line(worker) == before);
    REQUIRE(t, server.heard(worker));
}

void running_elsewhere(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& running = crew.add();
    const Worker& queued = crew.add();
    const std::uint32_t cpu = last_cpu(t);
    REQUIRE_OK(t, server.start(running, cpu));
    REQUIRE(t, makes_progress(t, running));
    REQUIRE_OK(t, server.start(queued, cpu));
    for (const Worker* worker : {&running, &queued}) {
        server.forget();
        const std::uint32_t sequence = server.line(*worker).word.sequence();
        for (const std::uint32_t flags : {0U, abi::kCommitHead, abi::kCommitPreempt, 0xf0U}) {
            REQUIRE_ERROR(t, server.commit(*worker, sequence, cpu, flags), Error::kRunningElsewhere);
            REQUIRE_ERROR(t, server.commit(*worker, sequence - 1, 255, flags), Error::kRunningElsewhere);
        }
        REQUIRE(t, is_placed(server.line(*worker).word));
        REQUIRE_EQUAL(t, server.line(*worker).word.sequence(), sequence);
        REQUIRE(t, !server.heard(*worker));
    }
}

void stale_sequence(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, worker.thread.start());
    const std::uint32_t sequence = server.line(worker).word.sequence();
    for (const std::uint32_t wrong : {sequence - 1, sequence + 1, sequence ^ 0x8000'0000U, 0U, ~0U}) {
        refused(t, server, worker, Error::kStaleSequence, abi::commit_word(wrong, 0, 0));
    }
    REQUIRE_OK(t, server.commit(worker, sequence, 0));
}

void cpu_not_yours(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, worker.thread.start());
    const std::uint32_t sequence = server.line(worker).word.sequence();
    for (const std::uint32_t cpu : {t.cpus(), 63U, 64U, 128U, 255U}) {
        if (cpu >= t.cpus()) {
            refused(t, server, worker, Error::kCpuNotYours, abi::commit_word(sequence, cpu, 0));
        }
    }
    for (unsigned bit = 43; bit < 64; ++bit) {  // what follows the three flags
        refused(t, server, worker, Error::kCpuNotYours,
                abi::commit_word(sequence, 0, 0) | std::uint64_t{1} << bit);
    }
    REQUIRE_OK(t, server.commit(worker, sequence, 0));
}

void affinity(Case& t) {
    if (t.cpus() == 1) {
        return;  // a thread may run on one CPU at least, so this needs a second one
    }
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add({.affinity = 1});
    REQUIRE_OK(t, worker.thread.start());
    const std::uint32_t sequence = server.line(worker).word.sequence();
    refused(t, server, worker, Error::kAffinity, abi::commit_word(sequence, 1, 0));
    REQUIRE_OK(t, worker.thread.set_affinity(2));
    refused(t, server, worker, Error::kAffinity, abi::commit_word(sequence, 0, abi::kCommitHead));
    REQUIRE_OK(t, server.commit(worker, sequence, 1));
    REQUIRE(t, makes_progress(t, worker));
}

// Of two reasons the one that stands first in the list is given.
void order_of_checks(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add({.affinity = 1});
    REQUIRE_OK(t, worker.thread.start());
    const std::uint32_t sequence = server.line(worker).word.sequence();
    const std::uint32_t nowhere = t.cpus();
    refused(t, server, worker, Error::kStaleSequence, abi::commit_word(sequence + 1, nowhere, 0x80));
    refused(t, server, worker, Error::kStaleSequence, abi::commit_word(sequence + 1, last_cpu(t), 0));
    if (t.cpus() > 1) {
        refused(t, server, worker, Error::kCpuNotYours, abi::commit_word(sequence, 1, 0x80));
        refused(t, server, worker, Error::kAffinity, abi::commit_word(sequence, 1, 0));
    }
}

// The server knows an unplaced thread; meanwhile it has run, blocked and woken. It is unplaced as before, and
// yet the decision is an old one.
void blocked_and_woken_meanwhile(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add({.order = Order::kWait});
    REQUIRE_OK(t, worker.thread.start());
    for (int i = 0; i < 20; ++i) {
        const std::uint32_t old = server.line(worker).word.sequence();
        REQUIRE_OK(t, server.commit(worker, old, last_cpu(t)));
        REQUIRE(t, becomes(t, server, worker, ThreadState::kWaiting));
        worker.ring_bell();
        REQUIRE_EQUAL(t, server.line(worker).word.state(), ThreadState::kUnplaced);
        refused(t, server, worker, Error::kStaleSequence, abi::commit_word(old, last_cpu(t), 0));
        if (t.failed()) {
            return;
        }
        REQUIRE_EQUAL(t, server.line(worker).word.sequence(), old + 3);  // commit, waiting, unplaced
    }
}

// Two agents place one thread: the first one wins, the other is told why.
void placed_twice(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, worker.thread.start());
    const std::uint32_t sequence = server.line(worker).word.sequence();
    REQUIRE_OK(t, server.commit(worker, sequence, 0));
    REQUIRE_ERROR(t, server.commit(worker, sequence, last_cpu(t)), Error::kRunningElsewhere);
    REQUIRE_EQUAL(t, server.line(worker).word.sequence(), sequence + 1);
    REQUIRE_EQUAL(t, server.line(worker).word.cpu(), 0);
    REQUIRE(t, makes_progress(t, worker));
}

abi::Submission commit_of(const DomainServer& server, const Worker& worker, std::uint32_t sequence,
                          std::uint32_t cpu, std::uint64_t user_data) {
    return cap::submission(abi::Op::kCommit, server.domain().slot(), user_data, worker.ref.raw(),
                           abi::commit_word(sequence, cpu, 0), abi::kNoSlice);
}

// Each entry succeeds or fails by itself, in order.
void batch_with_bad_entries(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    cap::Ring& ring = t.env.ring;
    std::array<const Worker*, 5> workers{};
    for (const Worker*& worker : workers) {
        worker = &crew.add();
        REQUIRE_OK(t, worker->thread.start());
    }
    server.forget();
    const auto sequence = [&](int i) { return server.line(*workers[i]).word.sequence(); };
    Worker forged = *workers[2];
    ++forged.ref.generation;
    REQUIRE_OK(t, ring.prepare(commit_of(server, *workers[0], sequence(0), 0, 100)));
    REQUIRE_OK(t, ring.prepare(commit_of(server, *workers[1], sequence(1) + 1, 0, 101)));
    REQUIRE_OK(t, ring.prepare(commit_of(server, forged, sequence(2), 0, 102)));
    REQUIRE_OK(t, ring.prepare(commit_of(server, *workers[3], sequence(3), t.cpus(), 103)));
    auto quiet = commit_of(server, *workers[4], sequence(4), 0, 104);
    quiet.flags = abi::kQuietSuccess;
    REQUIRE_OK(t, ring.prepare(quiet));
    REQUIRE_OK(t, ring.prepare(commit_of(server, *workers[0], sequence(0), 0, 105)));
    REQUIRE_OK(t, ring.submit_and_wait(5));

    struct Expected {
        std::uint64_t user_data;
        Error error;
    };
    constexpr Expected kExpected[] = {{100, Error::kOk},
                                      {101, Error::kStaleSequence},
                                      {102, Error::kStaleRef},
                                      {103, Error::kCpuNotYours},
                                      {105, Error::kRunningElsewhere}};
    for (const Expected& expected : kExpected) {
        const auto completion = ring.next();
        REQUIRE(t, completion.has_value());
        REQUIRE_EQUAL(t, completion->user_data, expected.user_data);
        REQUIRE_EQUAL(t, completion->result, static_cast<std::int64_t>(expected.error));
    }
    REQUIRE(t, !ring.next());
    for (const int i : {1, 2, 3}) {
        REQUIRE_EQUAL(t, server.line(*workers[i]).word.state(), ThreadState::kUnplaced);
        REQUIRE_EQUAL(t, server.heard(*workers[i]), i != 2);
    }
    REQUIRE(t, makes_progress(t, *workers[0]));
    REQUIRE(t, makes_progress(t, *workers[4]));
}

void counted(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    REQUIRE_OK(t, worker.thread.start());
    const std::uint32_t sequence = server.line(worker).word.sequence();
    const auto before = sum_of_stats(t);
    REQUIRE_OK(t, before);
    for (int i = 1; i <= 7; ++i) {
        REQUIRE_ERROR(t, server.commit(worker, sequence + 1, 0), Error::kStaleSequence);
    }
    REQUIRE_OK(t, server.commit(worker, sequence, last_cpu(t)));
    const auto after = sum_of_stats(t);
    REQUIRE_OK(t, after);
    REQUIRE_EQUAL(t, after->commits_refused - before->commits_refused, 7);
    REQUIRE_EQUAL(t, after->commits_accepted - before->commits_accepted, 1);
}

constexpr Entry kCases[] = {
    {"running_elsewhere", running_elsewhere},
    {"stale_sequence", stale_sequence},
    {"cpu_not_yours", cpu_not_yours},
    {"affinity", affinity},
    {"order_of_checks", order_of_checks},
    {"blocked_and_woken_meanwhile", blocked_and_woken_meanwhile},
    {"placed_twice", placed_twice},
    {"batch_with_bad_entries", batch_with_bad_entries},
    {"counted", counted},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "sched_refusal", kCases); }
