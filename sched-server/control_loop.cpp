// SPDX-License-Identifier: MIT
#include "control_loop.hpp"

#include <bit>

namespace sched {
namespace {

constexpr std::uint64_t kBellTag = 1;
constexpr std::uint64_t kCallTag = 2;

}  // namespace

cap::Result<void> ControlLoop::run() {
    for (;;) {
        TRY(wait());
        if ((bits_ & Server::kFailed) != 0) {
            return cap::fail(static_cast<abi::Error>(server_.error.load(std::memory_order_relaxed)));
        }
        if ((bits_ & Server::kLeft) != 0) {
            return {};
        }
        if ((bits_ & Server::kErrandDone) != 0) {
            finish_errand();
        }
        bits_ = 0;
        if (!under_way_) {
            serve();
        }
    }
}

// Until something has rung.
cap::Result<void> ControlLoop::wait() {
    cap::Ring& ring = server_.env.ring;
    if (!bell_armed_) {
        TRY(ring.prepare(cap::submission(abi::Op::kWaitBits, server_.main_bell.slot(), kBellTag)));
        bell_armed_ = true;
    }
    if (!call_armed_ && call_ && !retiring_) {
        TRY(ring.prepare(cap::submission(abi::Op::kWaitBits, call_.slot(), kCallTag)));
        call_armed_ = true;
    }
    TRY(ring.submit_and_wait(1));
    while (const auto completion = ring.next()) {
        TRY(take_completion(*completion));
    }
    return {};
}

cap::Result<void> ControlLoop::take_completion(const abi::Completion& completion) {
    if (completion.user_data == kCallTag && retiring_) {
        return {};
    }
    if (completion.result < 0) {
        return cap::fail(static_cast<abi::Error>(completion.result));
    }
    if (completion.user_data == kBellTag) {
        bell_armed_ = false;
        bits_ |= static_cast<std::uint64_t>(completion.result);
    } else {
        call_armed_ = false;
    }
    return {};
}

void ControlLoop::serve() {
    const auto text = server_.desk.take();
    if (!text) {
        return;
    }
    text_.clear();
    const auto command = parse_command(*text, text_);
    if (!command) {
        answer(false);
        return;
    }
    command_ = *command;
    switch (command_.kind) {
        case Command::Kind::kSwap: swap(command_); break;
        case Command::Kind::kSet:
        case Command::Kind::kStatistics:
        case Command::Kind::kDump: send(command_.kind); break;
        case Command::Kind::kRetire: retire(); break;
        case Command::Kind::kPolicies:
            for (const PolicyEntry& entry : known_policies()) {
                text_.print("{}{}", text_.view().empty() ? "" : " ", entry.name);
            }
            answer(true);
            break;
    }
}

void ControlLoop::swap(const Command& command) {
    errand_.next = seat_.prepare(*command.policy, command.parameters(), machine_, text_);
    if (errand_.next == nullptr) {
        answer(false);
    } else {
        send(command.kind);
    }
}

void ControlLoop::send(Command::Kind kind) {
    under_way_ = true;
    errand_.kind = kind;
    errand_.settings = command_.parameters();
    errand_.text = &text_;
    server_.errand.store(&errand_, std::memory_order_release);  // pairs with the agent's acquire
    (void)server_.nudges[static_cast<std::size_t>(std::countr_zero(server_.agents))].signal(1);
}

void ControlLoop::finish_errand() {
    under_way_ = false;
    if (errand_.kind == Command::Kind::kSwap) {
        seat_.accept();
        server_.desk.in_charge(errand_.next->name());
        nudge_all();  // what they have committed before is recalled in a round after that
    }
    answer(errand_.accepted);
}

// The agents stop; the last one answers (Server::stop_agent). By then the next server may wait for calls.
void ControlLoop::retire() {
    under_way_ = retiring_ = true;
    (void)call_.cancel(kCallTag);
    server_.retiring.store(true, std::memory_order_release);  // pairs with the agents' acquire
    nudge_all();
}

void ControlLoop::nudge_all() {
    for (std::uint64_t rest = server_.agents; rest != 0; rest &= rest - 1) {
        (void)server_.nudges[static_cast<std::size_t>(std::countr_zero(rest))].signal(1);
    }
}

void ControlLoop::answer(bool accepted) { server_.desk.answer(accepted, text_.view()); }

}  // namespace sched
