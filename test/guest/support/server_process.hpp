// SPDX-License-Identifier: MIT
//
// ServerProcess: the real sched-server, started by a test that wants to see it come and go.
#pragma once

#include "cap/sched_domain.hpp"
#include "cap/server_control.hpp"
#include "cap/spawn.hpp"
#include "suite.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace test {

class ServerProcess {
public:
    static constexpr std::size_t kMore = 4;

    // Started, with `more` capabilities, at most kMore; of the root domain, or of another one. If that fails the case has failed.
    ServerProcess(Case& t, std::string_view arguments, std::span<const cap::GivenCap> more = {},
                  cap::SchedDomain domain = {});
    // Killed, if it still lives.
    ~ServerProcess();
    ServerProcess(const ServerProcess&) = delete;
    ServerProcess& operator=(const ServerProcess&) = delete;

    // It has adopted what there was and serves.
    [[nodiscard]] bool is_ready() { return has_signalled(cap::kServerAtWork); }
    // It is prepared, and waits for its predecessor to leave.
    [[nodiscard]] bool stands_by() { return has_signalled(cap::kServerStandsBy); }
    void kill() const { (void)process_.kill(kKilled); }
    [[nodiscard]] cap::Result<std::uint64_t> wait_exit();
    // Of its main thread, in the status table.
    [[nodiscard]] std::uint32_t line() const { return line_; }

    static constexpr std::uint64_t kKilled = 77;  // its exit code then

private:
    cap::Result<void> start(std::string_view arguments, std::span<const cap::GivenCap> more,
                            cap::SchedDomain named);
    bool has_signalled(std::uint64_t bit);

    Case& t_;
    cap::Process process_;
    cap::Notification ready_;
    std::uint64_t signalled_ = 0;
    std::uint32_t line_ = 0;
    bool exited_ = false;
};

}  // namespace test
