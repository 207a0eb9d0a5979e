// SPDX-License-Identifier: MIT
#include "root/crew.hpp"

#include <algorithm>

namespace root {

namespace {

using cox::sieve::WorkerState;

constexpr std::uint64_t kSettleNs = 1'000'000;

}  // namespace

bool Crew::wait_until_ready() {
    Waiting waiting(env_, context_.manifest.run.ready_timeout_s);
    while (!all_ready()) {
        if (!listen_for_bell() || !take(waiting.next(), "until all workers were ready")) {
            return false;
        }
    }
    while (!all_waiting()) {
        if (const auto slept = waiting.sleep(kSettleNs); !slept) {
            return gave_up(slept.error(), "until all workers waited for the release");
        }
        while (const auto completion = env_.ring.next()) {
            if (!take(*completion, "")) {
                return false;
            }
        }
    }
    return silence_bell(waiting);
}

bool Crew::release_and_wait() {
    for (const ProcessSlot& process : run_.processes()) {
        auto signal = cap::submission(abi::Op::kSignal, process.go, kSignalled, 1);
        signal.flags = abi::kQuietSuccess;
        if (const auto prepared = env_.ring.prepare(signal); !prepared) {
            env_.log.print("error: the release cannot be prepared: {}", prepared.error());
            return false;
        }
    }
    Waiting waiting(env_, context_.manifest.run.run_timeout_s);
    released_ = true;
    run_.release = cap::read_tsc();
    for (std::uint64_t left = run_.process_count(); left != 0; left = still_running()) {
        if (!take(waiting.next_of(left), "for all workers to end")) {
            return false;
        }
    }
    return true;
}

bool Crew::take(const cap::Result<abi::Completion>& completion, std::string_view waited_for) {
    if (!completion) {
        return gave_up(completion.error(), waited_for);
    }
    switch (completion->user_data) {
        case kBell: listening_ = false; return true;
        case kSignalled:  // one that failed; the others complete quietly
            env_.log.print("error: a worker could not be released: {}",
                           static_cast<abi::Error>(completion->result));
            return false;
        case kServerExit:
            env_.log.print("error: the scheduler server ended with code {}", completion->result);
            return false;
        default: return take_exit(completion->user_data - kChildExit, completion->result);
    }
}

bool Crew::take_exit(std::uint64_t index, std::int64_t code) {
    run_.slots[index].exited = true;
    run_.slots[index].exit_code = code;
    if (!released_) {
        env_.log.print("error: worker {} ended with code {} before the release", index, code);
    }
    return released_;
}

bool Crew::gave_up(abi::Error error, std::string_view waited_for) {
    env_.log.print("error: waited {}: {}", waited_for, error);
    for (std::uint64_t i = 0; i < run_.process_count(); ++i) {
        const auto status = run_.slots[i].child.thread.status();
        if (status) {
            env_.log.print("  worker {}: exited={} state={} cpu={} cause={} runtime_ns={}", i,
                           run_.slots[i].exited, static_cast<unsigned>(status->word.state()),
                           status->word.cpu(), static_cast<unsigned>(status->word.cause()),
                           status->runtime_ns);
        }
    }
    return false;
}

cap::Result<abi::CapSlot> Crew::bell() { return context_.objects.get(env_, context_.manifest, "ready", 0); }

bool Crew::listen_for_bell() {
    if (listening_) {
        return true;
    }
    const auto slot = bell();
    listening_ = slot && env_.ring.prepare(cap::submission(abi::Op::kWaitBits, *slot, kBell));
    if (!listening_) {
        env_.log.write("error: cannot wait for the notification ready");
    }
    return listening_;
}

// All workers have rung. A wait that is still in flight would complete at the next ring and must not do so in
// the timed section, so it is rung for here.
bool Crew::silence_bell(Waiting& waiting) {
    const auto slot = bell();
    if (listening_ && (!slot || !cap::Notification(*slot).signal(1))) {
        env_.log.write("error: cannot signal the notification ready");
        return false;
    }
    while (listening_) {
        if (!take(waiting.next(), "for the notification ready")) {
            return false;
        }
    }
    return true;
}

bool Crew::all_ready() const {
    // Pairs with the worker's release.
    return std::ranges::all_of(run_.worker_lines(), [](const cox::sieve::ResultLine* line) {
        return line->state.load(std::memory_order_acquire) != WorkerState::kNothing;
    });
}

bool Crew::all_waiting() const {
    return std::ranges::all_of(run_.processes(), [](const ProcessSlot& process) {
        const auto status = process.child.thread.status();
        return status && status->word.state() == abi::ThreadState::kWaiting;
    });
}

std::uint64_t Crew::still_running() const {
    return static_cast<std::uint64_t>(
        std::ranges::count_if(run_.processes(), [](const ProcessSlot& process) { return !process.exited; }));
}

}  // namespace root
