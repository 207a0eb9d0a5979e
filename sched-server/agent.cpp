// SPDX-License-Identifier: MIT
#include "agent.hpp"

namespace sched {
namespace {

constexpr std::uint64_t kNudgeTag = 2;
constexpr std::uint64_t kErrandTag = 3;
constexpr std::uint64_t kFaultExit = 9;
// Ticks come at least so far apart, so that a policy that never gets ahead of its tick leaves something to others.
constexpr std::uint64_t kMinTickNs = 20'000;

// Refusals that the dispatcher deals with. Any other error of a commit means that this server cannot go on.
bool is_refusal(abi::Error error) {
    switch (error) {
        case abi::Error::kStaleRef:
        case abi::Error::kNotInDomain:
        case abi::Error::kGone:
        case abi::Error::kNotRunnable:
        case abi::Error::kRunningElsewhere:
        case abi::Error::kStaleSequence:
        case abi::Error::kCpuNotYours:
        case abi::Error::kAffinity: return true;
        default: return false;
    }
}

abi::EventRingHeader& header_at(std::uint64_t address) {
    return *reinterpret_cast<abi::EventRingHeader*>(address);
}

}  // namespace

Agent::Agent(Server& server, cap::Ring& ring, std::uint64_t event_ring_address, cap::Notification nudge)
    : server_(server),
      ring_(ring),
      events_(header_at(event_ring_address).head, {event_ring_address}),
      nudge_(nudge),
      faulty_(server.fault.planned()) {}

void Agent::run() {
    for (;;) {
        // Acquire: pairs with the main thread's release.
        if (told_ && server_.retiring.load(std::memory_order_acquire)) [[unlikely]] {
            server_.stop_agent();
            for (;;) {  // an agent that ends ends the server
                (void)cap::cap_enter(abi::kCqEntries, abi::kForever);
            }
        }
        batch_.clear();
        std::uint64_t wait_ns = 0;
        {
            const SpinGuard guard(server_.lock);
            wait_ns = take_and_decide();
        }
        if (fatal_ == abi::Error::kOk) [[likely]] {
            send(wait_ns);
            if (faulty_ && server_.fault.time_to_exit(batch_.requests().size())) [[unlikely]] {
                server_.env.exit(kFaultExit);
            }
            if (!told_) [[likely]] {
                continue;
            }
            if (fatal_ == abi::Error::kOk) {
                continue;
            }
        }
        if (!server_.fault.ignores_events()) {
            server_.fail(fatal_);
        }
        return;
    }
}

[[gnu::always_inline]] inline std::uint64_t Agent::take_and_decide() {
    const std::uint64_t now_ns = server_.env.clock.now_ns();
    if (told_) [[unlikely]] {
        hear(now_ns);
    }
    Dispatcher& dispatcher = server_.dispatcher;
    int room = kEventsPerRound;
    while (const auto line = room != 0 ? events_.take() : std::nullopt) {
        --room;
        if (!(faulty_ && passes_over(*line))) {
            dispatcher.observe(*line, now_ns);
        }
    }
    const bool drained = room != 0;
    if (faulty_ && server_.fault.ignores_events()) [[unlikely]] {
        return drained ? abi::kForever : 0;
    }
    return dispatcher.fill(batch_, now_ns) && drained ? await_tick(now_ns) : 0;
}

// Whatever the main thread wants comes with the completion of a nudge.
void Agent::hear(std::uint64_t now_ns) {
    told_ = false;
    while (const auto completion = ring_.next()) {
        take_completion(*completion, now_ns);
    }
    if (refused_) {
        take_refusal(refused_->tag, refused_->error, now_ns);
        refused_.reset();
    }
    // Acquire: pairs with the main thread's release.
    if (Errand* const errand = server_.errand.exchange(nullptr, std::memory_order_acquire)) {
        sched::run_errand(*errand, server_.dispatcher, now_ns);
        errand_done_ = true;
    }
}

std::uint64_t Agent::await_tick(std::uint64_t now_ns) {
    if (awaits_tick_) {
        awaits_tick_ = false;
        server_.tick_awaited_ns = kNever;
    }
    const std::uint64_t next_ns = server_.dispatcher.next_tick_ns();
    if (next_ns >= server_.tick_awaited_ns) {
        return abi::kForever;
    }
    awaits_tick_ = true;
    server_.tick_awaited_ns = next_ns;
    return next_ns > now_ns + kMinTickNs ? next_ns - now_ns : kMinTickNs;
}

void Agent::take_completion(const abi::Completion& completion, std::uint64_t now_ns) {
    const bool is_commit = CommitTag::is_commit(completion.user_data);
    if (!is_commit && completion.user_data == kNudgeTag) {
        nudge_under_way_ = false;
    }
    if (completion.result >= 0) {
        return;
    }
    const auto error = static_cast<abi::Error>(completion.result);
    if (is_commit) {
        take_refusal(CommitTag::from_raw(completion.user_data), error, now_ns);
    } else {
        fatal_ = error;
    }
}

void Agent::take_refusal(CommitTag tag, abi::Error error, std::uint64_t now_ns) {
    if (is_refusal(error)) {
        server_.dispatcher.refused(tag, error, now_ns);
    } else {
        fatal_ = error;
    }
}

bool Agent::passes_over(std::uint32_t line) {
    return server_.fault.ignores_events() ||
           (server_.fault.forgets_wakes() && line < abi::kStatusLines &&
            server_.fault.forgets({server_.table[line].word.load(std::memory_order_acquire)}));
}

// The queue is empty here and holds a whole batch, the wait and the message, since the call before took everything.
cap::Result<void> Agent::submit() {
    const auto requests = batch_.requests();
    const abi::CapSlot domain = server_.domain.slot();
    TRY(ring_.prepare_row(static_cast<std::uint32_t>(requests.size()), [&](std::uint32_t i) {
        const CommitRequest& request = requests[i];
        auto entry = cap::submission(abi::Op::kCommit, domain, request.tag().raw(), request.ref.raw(),
                                     request.word(), request.slice_ns);
        entry.flags = abi::kQuietSuccess;
        return entry;
    }));
    if (!nudge_under_way_) {
        TRY(ring_.prepare(cap::submission(abi::Op::kWaitBits, nudge_.slot(), kNudgeTag)));
        nudge_under_way_ = true;
    }
    if (errand_done_) {
        auto done =
            cap::submission(abi::Op::kSignal, server_.main_bell.slot(), kErrandTag, Server::kErrandDone);
        done.flags = abi::kQuietSuccess;
        TRY(ring_.prepare(done));
        errand_done_ = false;
    }
    TRY(ring_.submit_and_wait(0, 0));
    return {};
}

// Sets `told_` if there is more to look at than events, and then `fatal_`, if the server cannot go on.
[[gnu::always_inline]] inline void Agent::send(std::uint64_t wait_ns) {
    static constexpr CommitRequest kNone;
    const CommitRequest* last = &kNone;
    const auto requests = batch_.requests();
    if (requests.size() == 1 && nudge_under_way_ && !errand_done_) [[likely]] {
        last = &requests.front();
    } else if (!requests.empty() || !nudge_under_way_ || errand_done_) {
        told_ = true;
        if (const auto submitted = submit(); !submitted) {
            fatal_ = submitted.error();
            return;
        }
    }
    const auto waited = server_.domain.commit_and_wait(last->ref, last->word(), last->slice_ns, wait_ns);
    if (waited && *waited == 0) [[likely]] {
        return;
    }
    told_ = true;
    if (!waited && waited.error() != abi::Error::kTimedOut) {
        if (last == &kNone) {
            fatal_ = waited.error();
        } else {
            refused_ = Refusal{last->tag(), waited.error()};
        }
    }
}

}  // namespace sched
