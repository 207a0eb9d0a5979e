// SPDX-License-Identifier: MIT
//
// Long because it is the whole protocol, calls included, in one place.
#include "support/fake_kernel.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>

namespace test {
namespace {

using abi::Cause;
using abi::Error;
using abi::ThreadState;

std::uint64_t pack(ThreadState state, std::uint32_t cpu, std::uint32_t requests, bool by_kernel,
                   std::uint32_t sequence, Cause cause) {
    return static_cast<std::uint64_t>(state) | std::uint64_t{cpu} << 8 | std::uint64_t{requests} << 16 |
           std::uint64_t{by_kernel} << 25 | static_cast<std::uint64_t>(cause) << 26 |
           std::uint64_t{sequence} << 32;
}

void expect(bool condition, const char* what) {
    if (!condition) {
        throw std::logic_error(what);
    }
}

bool on_cpu(ThreadState state) { return state == ThreadState::kRunning || state == ThreadState::kQueued; }

}  // namespace

FakeKernel::FakeKernel(std::uint64_t cpus)
    : cpus_(cpus),
      agents_(cpus),
      lines_(new abi::StatusLine[abi::kStatusLines]()),
      stands_(abi::kStatusLines),
      calls_(abi::kMaxThreads) {
    for (std::uint32_t cpu = 0; cpu < abi::kMaxCpus; ++cpu) {
        lines_[abi::kMaxThreads + cpu].ref.store(cpu);
        lines_[abi::kMaxThreads + cpu].domain.store((cpus >> cpu & 1) != 0 ? 1 : 0);
    }
}

void FakeKernel::take_cpu(std::uint32_t cpu, bool told) {
    cpus_ &= ~(std::uint64_t{1} << cpu);
    while (const auto line = running(cpu)) {
        leave_cpu(*line);
        enter(*line, ThreadState::kUnplaced, Cause::kCpuLost, true);
    }
    if (told) {
        tell_cpus();
    }
}

void FakeKernel::return_cpu(std::uint32_t cpu) {
    cpus_ |= std::uint64_t{1} << cpu;
    tell_cpus();
}

void FakeKernel::tell_cpus() {
    for (std::uint32_t cpu = 0; cpu < abi::kMaxCpus; ++cpu) {
        auto& domain = lines_[abi::kMaxThreads + cpu].domain;
        if (const std::uint32_t now = cpus_ >> cpu & 1; domain.load() != now) {
            domain.store(now);
            post(abi::kMaxThreads + cpu, cpu);
        }
    }
}

std::uint32_t FakeKernel::create(std::uint64_t affinity, std::uint32_t domain, std::uint32_t cpu,
                                 std::uint64_t label) {
    std::uint32_t line = 0;
    while (word(line).state() != ThreadState::kFree) {
        ++line;
    }
    lines_[line].ref.store(abi::ThreadRef{line, ref(line).generation + 1}.raw());
    lines_[line].affinity.store(affinity);
    lines_[line].domain.store(domain);
    lines_[line].label.store(label);
    lines_[line].serves.store(0);
    calls_[line] = {};
    lines_[line].word.store(pack(ThreadState::kCreated, cpu, 0, false, word(line).sequence(), Cause::kNone));
    return line;
}

void FakeKernel::start(std::uint32_t line) {
    expect(word(line).state() == ThreadState::kCreated, "started twice");
    enter(line, ThreadState::kUnplaced, Cause::kStarted, true);
}

void FakeKernel::wake(std::uint32_t line) {
    expect(word(line).state() == ThreadState::kWaiting, "woken, but it does not wait");
    end_waits(line);
    enter(line, ThreadState::kUnplaced, Cause::kWoken, true);
}

void FakeKernel::suspend(std::uint32_t line) {
    const abi::ThreadWord now = word(line);
    if (on_cpu(now.state())) {
        leave_cpu(line);
    }
    enter(line, ThreadState::kSuspended, Cause::kSuspended, true);
    if (on_cpu(now.state())) {
        dispatch(now.cpu());
    }
}

void FakeKernel::resume(std::uint32_t line) {
    expect(word(line).state() == ThreadState::kSuspended, "resumed, but it is not suspended");
    enter(line, ThreadState::kUnplaced, Cause::kResumed, true);
}

void FakeKernel::set_affinity(std::uint32_t line, std::uint64_t affinity) {
    lines_[line].affinity.store(affinity);
    const abi::ThreadWord now = word(line);
    if (on_cpu(now.state()) && (affinity >> now.cpu() & 1) == 0) {
        leave_cpu(line);
        enter(line, ThreadState::kUnplaced, Cause::kAffinityChanged, true);
        dispatch(now.cpu());
    } else if (in_domain(line) && now.state() != ThreadState::kCreated) {
        post(line, now.cpu());
    }
}

void FakeKernel::kill(std::uint32_t line) {
    const abi::ThreadWord now = word(line);
    if (on_cpu(now.state())) {
        leave_cpu(line);
    }
    end_service(line);
    enter(line, ThreadState::kGone, Cause::kKilled, true);
    if (on_cpu(now.state())) {
        dispatch(now.cpu());
    }
}

void FakeKernel::free(std::uint32_t line) {
    expect(word(line).state() == ThreadState::kGone, "freed, but it lives");
    lines_[line].word.store(pack(ThreadState::kFree, 0, 0, false, word(line).sequence(), Cause::kNone));
}

void FakeKernel::place_by_kernel(std::uint32_t line, std::uint32_t cpu) { put_on(line, cpu, false, true); }

void FakeKernel::block(std::uint32_t cpu) {
    const std::uint32_t line = running(cpu).value();
    leave_cpu(line);
    enter(line, ThreadState::kWaiting, Cause::kBlocked, true);
    dispatch(cpu);
}

void FakeKernel::exit(std::uint32_t cpu) {
    const std::uint32_t line = running(cpu).value();
    leave_cpu(line);
    end_service(line);
    enter(line, ThreadState::kGone, Cause::kExited, true);
    dispatch(cpu);
}

void FakeKernel::slice_end(std::uint32_t cpu) {
    if (queues_[cpu].size() < 2) {
        return;
    }
    const std::uint32_t line = running(cpu).value();
    leave_cpu(line);
    enter(line, ThreadState::kUnplaced, Cause::kSliceEnd, true);
    dispatch(cpu);
}

void FakeKernel::receive(std::uint32_t cpu) {
    const std::uint32_t line = running(cpu).value();
    Calls& calls = calls_[line];
    if (!calls.queue.empty()) {
        const std::uint32_t caller = calls.queue.front();
        calls.queue.pop_front();
        return serve_caller(line, caller);
    }
    calls.receives = true;
    block(cpu);
}

void FakeKernel::call(std::uint32_t cpu, std::uint32_t server, bool directly) {
    const std::uint32_t line = running(cpu).value();
    Calls& calls = calls_[server];
    const abi::ThreadWord before = word(line);
    calls_[line].server = server;
    if (!calls.receives) {
        calls.queue.push_back(line);
    } else if (directly && before.requests() == 0 && (affinity(server) >> cpu & 1) != 0 &&
               calls_[line].lenders < 8) {
        // The caller waits and the server goes on in its place, with its cause and mark. Nobody is told.
        calls.receives = false;
        serve_caller(server, line);
        calls.lenders = calls_[line].lenders + 1;
        calls_[line].lenders = 0;
        lines_[line].word.store(
            pack(ThreadState::kWaiting, cpu, 0, false, before.sequence() + 1, Cause::kCalls));
        lines_[server].word.store(pack(ThreadState::kRunning, cpu, before.requests(),
                                       before.placed_by_kernel(), word(server).sequence(), before.cause()));
        queues_[cpu].front() = server;
        return;
    } else {
        calls.receives = false;
        serve_caller(server, line);
        enter(server, ThreadState::kUnplaced, Cause::kWoken, true);
    }
    lines_[line].runnable_since.store(abi::called_name(ref(server)));
    leave_cpu(line);
    enter(line, ThreadState::kWaiting, Cause::kCalls, true);
    dispatch(cpu);
}

void FakeKernel::reply_and_receive(std::uint32_t cpu) {
    const std::uint32_t line = running(cpu).value();
    Calls& calls = calls_[line];
    const auto caller = std::exchange(calls.caller, std::nullopt);
    lines_[line].serves.store(0);
    if (caller && calls.lenders != 0 && calls.queue.empty() && word(line).requests() == 0) {
        const abi::ThreadWord before = word(line);
        calls_[*caller].server.reset();
        calls_[*caller].lenders = calls.lenders - 1;
        calls.lenders = 0;
        calls.receives = true;
        lines_[line].word.store(
            pack(ThreadState::kWaiting, cpu, 0, false, before.sequence() + 1, Cause::kBlocked));
        lines_[*caller].word.store(pack(ThreadState::kRunning, cpu, before.requests(),
                                        before.placed_by_kernel(), word(*caller).sequence(), before.cause()));
        queues_[cpu].front() = *caller;
        return;
    }
    if (caller) {
        calls_[*caller].server.reset();
        enter(*caller, ThreadState::kUnplaced, Cause::kWoken, true);
    }
    receive(cpu);
}

void FakeKernel::serve_caller(std::uint32_t server, std::uint32_t caller) {
    calls_[server].caller = caller;
    lines_[server].serves.store(static_cast<std::uint16_t>(caller + 1));
}

// Its wait has ended, however: nobody serves it any more, and no call comes to it by itself.
void FakeKernel::end_waits(std::uint32_t line) {
    calls_[line].receives = false;
    if (const auto server = std::exchange(calls_[line].server, std::nullopt)) {
        std::erase(calls_[*server].queue, line);
        if (calls_[*server].caller == line) {
            calls_[*server].caller.reset();
            if (calls_[*server].lenders == 0) {
                lines_[*server].serves.store(0);
            } else {
                post(*server, word(*server).cpu());
            }
        }
    }
}

// It dies: whoever waits for it is told.
void FakeKernel::end_service(std::uint32_t line) {
    end_loan(line);
    end_waits(line);
    std::deque<std::uint32_t> told = std::exchange(calls_[line].queue, {});
    if (const auto caller = std::exchange(calls_[line].caller, std::nullopt)) {
        told.push_front(*caller);
    }
    for (const std::uint32_t caller : told) {
        calls_[caller].server.reset();
        enter(caller, ThreadState::kUnplaced, Cause::kWoken, true);
    }
}

// It stops otherwise than by a reply: those on whose time it ran wait, and that is news.
void FakeKernel::end_loan(std::uint32_t line) {
    std::uint32_t lender = lines_[line].serves.load();
    abi::ThreadRef server = ref(line);
    for (auto left = std::exchange(calls_[line].lenders, 0); left != 0 && lender != 0; --left) {
        if (sched::waits_for_reply(word(lender - 1))) {
            lines_[lender - 1].runnable_since.store(abi::called_name(server));
        }
        server = ref(lender - 1);
        if (in_domain(lender - 1)) {
            post(lender - 1, word(lender - 1).cpu());
        }
        lender = lines_[lender - 1].serves.load();
    }
}

// In the order of the table in docs/scheduling.md.
Error FakeKernel::commit(const sched::CommitRequest& request) {
    const std::uint32_t line = request.ref.index;
    const abi::ThreadWord now = word(line);
    if (ref(line) != request.ref || now.state() == ThreadState::kFree) {
        return Error::kStaleRef;
    }
    if (!in_domain(line)) {
        return Error::kNotInDomain;
    }
    if (now.state() == ThreadState::kGone) {
        return Error::kGone;
    }
    if (now.state() == ThreadState::kWaiting || now.state() == ThreadState::kCreated ||
        now.state() == ThreadState::kSuspended) {
        return Error::kNotRunnable;
    }
    if (request.recall()) {
        if (on_cpu(now.state())) {
            lines_[line].word.store(now.raw | std::uint64_t{abi::kRequestRecall} << 16);
        }
        return Error::kOk;
    }
    if (on_cpu(now.state())) {
        return Error::kRunningElsewhere;
    }
    Error refusal = Error::kOk;
    if (now.sequence() != request.sequence) {
        refusal = Error::kStaleSequence;
    } else if (request.cpu >= abi::kMaxCpus || (cpus_ >> request.cpu & 1) == 0) {
        refusal = Error::kCpuNotYours;
    } else if ((affinity(line) >> request.cpu & 1) == 0) {
        refusal = Error::kAffinity;
    }
    if (refusal != Error::kOk) {
        post(line, now.cpu());
        return refusal;
    }
    const auto victim = running(request.cpu);
    put_on(line, request.cpu, (request.flags & abi::kCommitHead) != 0, false);
    if (victim && (request.flags & abi::kCommitPreempt) != 0 && in_domain(*victim)) {
        leave_cpu(*victim);
        enter(*victim, ThreadState::kUnplaced, Cause::kRecalled, true);
        dispatch(request.cpu);
    }
    return Error::kOk;
}

void FakeKernel::serve(std::uint32_t cpu) {
    const std::deque<std::uint32_t> threads = queues_[cpu];
    for (const std::uint32_t line : threads) {
        if ((word(line).requests() & abi::kRequestRecall) != 0) {
            leave_cpu(line);
            enter(line, ThreadState::kUnplaced, Cause::kRecalled, true);
        }
    }
    dispatch(cpu);
}

std::optional<std::uint32_t> FakeKernel::take_event(std::uint32_t cpu) {
    if (events_[cpu].empty()) {
        return std::nullopt;
    }
    const std::uint32_t line = events_[cpu].front();
    events_[cpu].pop_front();
    stands_[line] = false;
    return line;
}

std::optional<std::uint32_t> FakeKernel::running(std::uint32_t cpu) const {
    return queues_[cpu].empty() ? std::nullopt : std::optional(queues_[cpu].front());
}

std::vector<std::uint32_t> FakeKernel::in_state(ThreadState state) const {
    std::vector<std::uint32_t> found;
    for (std::uint32_t line = 0; line < abi::kMaxThreads; ++line) {
        if (word(line).state() == state) {
            found.push_back(line);
        }
    }
    return found;
}

bool FakeKernel::has_requests(std::uint32_t cpu) const {
    return std::ranges::any_of(queues_[cpu],
                               [this](std::uint32_t line) { return word(line).requests() != 0; });
}

// To a state without a CPU. Requests are consumed.
void FakeKernel::enter(std::uint32_t line, ThreadState state, Cause cause, bool new_sequence) {
    end_loan(line);
    const abi::ThreadWord now = word(line);
    if (state == ThreadState::kUnplaced) {
        lines_[line].runnable_since.store(0);
    }
    lines_[line].word.store(pack(state, now.cpu(), 0, false, now.sequence() + (new_sequence ? 1 : 0), cause));
    if (in_domain(line)) {
        post(line, now.cpu());
    }
}

void FakeKernel::leave_cpu(std::uint32_t line) {
    auto& queue = queues_[word(line).cpu()];
    const auto found = std::ranges::find(queue, line);
    expect(found != queue.end(), "a thread is not where its word says");
    queue.erase(found);
}

void FakeKernel::put_on(std::uint32_t line, std::uint32_t cpu, bool at_head, bool by_kernel) {
    auto& queue = queues_[cpu];
    const std::uint32_t sequence = word(line).sequence() + (by_kernel ? 0 : 1);
    queue.insert(at_head && !queue.empty() ? queue.begin() + 1 : queue.end(), line);
    lines_[line].word.store(pack(ThreadState::kQueued, cpu, 0, by_kernel, sequence,
                                 by_kernel ? Cause::kNoServer : word(line).cause()));
    dispatch(cpu);
}

// The head of the queue runs; a CPU without a thread says so.
void FakeKernel::dispatch(std::uint32_t cpu) {
    if (const auto line = running(cpu)) {
        const std::uint64_t raw = word(*line).raw;
        lines_[*line].word.store((raw & ~std::uint64_t{0xff}) |
                                 static_cast<std::uint64_t>(ThreadState::kRunning));
    } else {
        post(abi::kMaxThreads + cpu, cpu);
    }
}

void FakeKernel::post(std::uint32_t line, std::uint32_t cpu) {
    if (!stands_[line]) {
        stands_[line] = true;
        const bool has_agent = (agents_ >> cpu & 1) != 0;
        events_[has_agent ? cpu : static_cast<std::uint32_t>(std::countr_zero(agents_))].push_back(line);
    }
}

}  // namespace test
