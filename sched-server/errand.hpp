// SPDX-License-Identifier: MIT
//
// Errand: what the main thread has an agent do for it, in the server's lock: the main thread is of lower standing than the
// agents, so it never holds what they spin for. Made by the main thread, done once by one agent, then the main
// thread's again; the notifications between them order that.
#pragma once

#include "command.hpp"
#include "dispatcher.hpp"

#include <span>

namespace sched {

struct Errand {
    Command::Kind kind = Command::Kind::kDump;  // kSwap, kSet, kStatistics or kDump
    Policy* next = nullptr;                     // kSwap: ready
    std::span<const Setting> settings;          // kSet
    cap::LineWriter* text = nullptr;            // where the answer goes
    bool accepted = false;
};

void run_errand(Errand& errand, Dispatcher& dispatcher, std::uint64_t now_ns);

}  // namespace sched
