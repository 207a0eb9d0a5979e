// SPDX-License-Identifier: MIT
//
// ServerProcess: the real sched-server, started by a test that wants to see it come and go.
#pragma once

#include "cap/spawn.hpp"
#include "suite.hpp"

#include <cstdint>
#include <string_view>

namespace test {

class ServerProcess {
public:
    // Started. If that fails the case has failed.
    ServerProcess(Case& t, std::string_view arguments);
    // Killed, if it still lives.
    ~ServerProcess();
    ServerProcess(const ServerProcess&) = delete;
    ServerProcess& operator=(const ServerProcess&) = delete;

    // It has adopted what there was and serves.
    [[nodiscard]] bool is_ready();
    void kill() const { (void)process_.kill(kKilled); }
    [[nodiscard]] cap::Result<std::uint64_t> wait_exit();

    static constexpr std::uint64_t kKilled = 77;  // its exit code then

private:
    cap::Result<void> start(std::string_view arguments);

    Case& t_;
    cap::Process process_;
    cap::Notification ready_;
    bool exited_ = false;
};

}  // namespace test
