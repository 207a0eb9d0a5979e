// SPDX-License-Identifier: MIT
//
// ControlLoop: what the main thread does while the agents work. It waits for commands, has agents do them, and for the end.
// docs/server-control.md is the specification.
#pragma once

#include "errand.hpp"
#include "server.hpp"

#include <cstdint>

namespace sched {

class ControlLoop {
public:
    // `call`: rung with each command; none: there is no control.
    ControlLoop(Server& server, PolicySeat& seat, const Machine& machine, cap::Notification call)
        : server_(server), seat_(seat), machine_(machine), call_(call) {}

    // Until the server must end: it has retired, or the reason is the error.
    [[nodiscard]] cap::Result<void> run();

private:
    [[nodiscard]] cap::Result<void> wait();
    [[nodiscard]] cap::Result<void> take_completion(const abi::Completion& completion);
    void serve();
    void swap(const Command& command);
    void finish_errand();
    void send(Command::Kind kind);
    void retire();
    void nudge_all();
    void answer(bool accepted);

    Server& server_;
    PolicySeat& seat_;
    const Machine& machine_;
    cap::Notification call_;
    bool bell_armed_ = false;
    bool call_armed_ = false;
    std::uint64_t bits_ = 0;  // that have rung and are to be dealt with
    bool under_way_ = false;  // a command that others do
    bool retiring_ = false;
    Command command_;
    Errand errand_;
    cap::LineBuffer<cap::ControlPage::kMaxText> text_;
};

}  // namespace sched
