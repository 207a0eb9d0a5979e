// SPDX-License-Identifier: MIT
//
// ServerSeat: a scheduler server that can be controlled, replaced, killed and started again, one after the other over the
// same control page (docs/server-control.md). What fails here fails the case.
#pragma once

#include "cap/server_control.hpp"
#include "support/owned.hpp"
#include "support/server_process.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace test {

class ServerSeat {
public:
    explicit ServerSeat(Case& t);
    ~ServerSeat();
    ServerSeat(const ServerSeat&) = delete;
    ServerSeat& operator=(const ServerSeat&) = delete;

    // There is none; then there is one that serves.
    bool start(std::string_view arguments);
    // There is none then, nor anything left of it. Started `at once`, the next one may still be at its beginning.
    bool kill();
    // A new one is prepared, then the old one retires, or is killed instead, and the new one serves.
    bool replace(std::string_view arguments, bool retires);

    // Waits for the answer; none, and the case has failed, if there is none to be had.
    std::optional<cap::ServerControl::Answer> ask(std::string_view command);
    // Only asks.
    bool post(std::string_view command);
    [[nodiscard]] std::optional<cap::ServerControl::Answer> answer() const { return control().answer(); }

    // Of the policy in charge by the last answer.
    [[nodiscard]] ServerProcess& server() { return *servers_[current_]; }
    // The same arguments to start with, but nobody waits for it.
    void launch(std::string_view arguments);
    [[nodiscard]] cap::ControlPage& page() const { return *page_; }

private:
    [[nodiscard]] cap::ServerControl control() const { return {*page_, *call_}; }
    void launch_into(std::size_t seat, std::string_view arguments);
    bool leaves(ServerProcess& old, bool retires);

    Case& t_;
    Owned<cap::Memory> memory_;
    Owned<cap::Notification> call_;
    Owned<cap::Notification> answered_;
    Owned<cap::Notification> handover_;
    cap::ControlPage* page_ = nullptr;
    std::array<std::optional<ServerProcess>, 2> servers_;
    std::size_t current_ = 0;
};

}  // namespace test
