// SPDX-License-Identifier: MIT
//
// KernelModel: calls between threads (docs/scheduling.md, "Calls"). A server that waits to receive, and may run on its caller's CPU, goes
// on there at once, on the caller's time; so does the caller at the reply, if nobody else has called. Each other call is a wait and a wake.
#include "kernel_model.hpp"

#include <algorithm>
#include <utility>

namespace sim {

namespace {

constexpr std::uint32_t kMostLoans = 8;  // as in the kernel

}  // namespace

// The current thread has come to its call.
void KernelModel::call(std::uint32_t number) {
    SimThread& caller = *world_.cpus[number].current;
    caller.calls_now = false;
    caller.called_ns = world_.now_ns;
    caller.calling_at = world_.calling.size();
    world_.calling.push_back(&caller);
    Endpoint& endpoint = endpoints_[world_.scenario.crews[caller.crew].calls];
    if (endpoint.receivers.empty()) {
        caller.named = endpoint.last;
        endpoint.callers.push_back(&caller);
        return block(number, abi::Cause::kCalls);
    }
    SimThread& server = *endpoint.receivers.back();
    endpoint.receivers.pop_back();
    receive(server, caller);
    if (server.may_run_on(number) && caller.loan < kMostLoans) {
        caller.named = nullptr;
        caller.lends = true;
        server.loan = std::exchange(caller.loan, 0) + 1;
        return switch_straight(number, server, abi::Cause::kCalls);
    }
    wake(server);
    block(number, abi::Cause::kCalls);
}

// The server has that caller's message; it is the caller's line that names it.
void KernelModel::receive(SimThread& server, SimThread& caller) {
    world_.expect(server.serves == nullptr && caller.server == nullptr, [&] {
        return say(server) + " receives the call of " + say(caller) + " beside another one";
    });
    server.serves = &caller;
    caller.server = caller.named = &server;
    behaviour_.serve(server, caller);
}

// The current thread, a server, has done what it was called for, or has just been started.
void KernelModel::reply_and_receive(std::uint32_t number) {
    SimThread& server = *world_.cpus[number].current;
    Endpoint& endpoint = endpoints_[server.crew];
    endpoint.last = &server;
    SimThread* const caller = std::exchange(server.serves, nullptr);
    if (caller != nullptr && server.loan != 0 && endpoint.callers.empty()) {
        answer(*caller);
        endpoint.receivers.push_back(&server);
        caller->loan = std::exchange(server.loan, 0) - 1;
        return switch_straight(number, *caller, abi::Cause::kBlocked);
    }
    if (caller != nullptr) {
        server.serves = caller;
        end_loan(server);
        server.serves = nullptr;
        answer(*caller);
        wake(*caller);
    }
    if (endpoint.callers.empty()) {
        endpoint.receivers.push_back(&server);
        return block(number, abi::Cause::kBlocked);
    }
    SimThread& next = *endpoint.callers.front();
    endpoint.callers.pop_front();
    receive(server, next);
    arm(number);
}

void KernelModel::answer(SimThread& caller) {
    world_.expect(waits_for_reply(caller), [&] { return say(caller) + " has a reply, and waits for none"; });
    world_.call_times[caller.crew].add(world_.now_ns - caller.called_ns);
    caller.server = caller.named = nullptr;
    caller.lends = false;
    behaviour_.replied(caller);
    SimThread* const last = world_.calling.back();
    world_.calling.pop_back();
    if (last != &caller) {
        last->calling_at = caller.calling_at;
        world_.calling[caller.calling_at] = last;
    }
}

// The current thread waits, and the other one goes on in its place, with what is left of its slice. The server hears nothing of it.
void KernelModel::switch_straight(std::uint32_t number, SimThread& to, abi::Cause cause) {
    SimCpu& cpu = world_.cpus[number];
    SimThread& from = *cpu.current;
    world_.expect(to.state == abi::ThreadState::kWaiting,
                  [&] { return say(to) + " is to go on, and does not wait"; });
    from.stopped_service_ns = from.service_ns;
    to.state = abi::ThreadState::kRunning;
    to.cause = from.cause;
    to.word_cpu = to.ran_on = number;
    to.ran = true;
    to.slice_ns = from.slice_ns;
    to.slice_used_ns = from.slice_used_ns;
    from.state = abi::ThreadState::kWaiting;
    from.cause = cause;
    ++from.sequence;
    cpu.current = &to;
    world_.fold.add(world_.now_ns);
    world_.fold.add(std::uint64_t{number} << 32 | to.ref.index);
    arm(number);
}

// Whoever has lent its time waits from now on, for the one to which it has. The server hears of all of them.
void KernelModel::end_loan(SimThread& server) {
    if (server.loan == 0) {
        return;
    }
    post(server);
    for (SimThread* thread = &server; thread != nullptr && thread->serves != nullptr && thread->serves->lends;
         thread = thread->serves) {
        thread->serves->lends = false;
        thread->serves->named = thread;
        post(*thread->serves);
    }
    server.loan = 0;
}

void KernelModel::finish() const {
    std::uint64_t waiting = 0;
    for (const SimThread& thread : world_.threads) {
        if (!waits_for_reply(thread)) {
            continue;
        }
        ++waiting;
        const auto& callers = endpoints_[world_.scenario.crews[thread.crew].calls].callers;
        const auto queued = std::ranges::count(callers, &thread);
        const bool served = thread.server != nullptr && thread.server->serves == &thread;
        world_.expect(queued + (served ? 1 : 0) == 1, [&] {
            return say(thread) + " waits for a reply, and its call is in " +
                   std::to_string(queued + (served ? 1 : 0)) + " places";
        });
    }
    world_.expect(waiting == world_.calling.size(), [&] {
        return std::to_string(waiting) + " threads wait for a reply, and " +
               std::to_string(world_.calling.size()) + " have called";
    });
}

}  // namespace sim
