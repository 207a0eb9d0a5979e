// SPDX-License-Identifier: MIT
//
// HostileSeat: test/hostile, started again with another seed whenever it has died, hung, or lived long enough. With it
// live two processes that it may put threads into, one of them in the domain. Nothing is left when the seat has gone.
#pragma once

#include "cap/endpoint.hpp"
#include "cap/spawn.hpp"
#include "suite.hpp"
#include "support/hostile_page.hpp"
#include "support/owned.hpp"

#include <cstdint>

namespace test {

class HostileSeat {
public:
    // What all seats have in common.
    struct Shared {
        cap::Notification bell;
        cap::Endpoint
            post;  // they call each other there, receive and reply, and give each other what they have
        cap::Memory memory;
        cap::Memory counters;
    };
    HostileSeat(Case& t, const Shared& shared, std::uint64_t seed) : t_(t), shared_(shared), seed_(seed) {}
    ~HostileSeat() { end(); }
    HostileSeat(const HostileSeat&) = delete;
    HostileSeat& operator=(const HostileSeat&) = delete;

    // To be called again and again: starts it, or ends it, if it is time. False: it cannot be started, or ended.
    [[nodiscard]] bool tend();
    void end();
    [[nodiscard]] std::uint64_t lives() const { return lives_; }

private:
    static constexpr std::uint64_t kLifeNs = 400'000'000;

    [[nodiscard]] cap::Result<void> start();
    [[nodiscard]] cap::Result<void> build(cap::Process& puppet, cap::Process& puppet_in_domain);

    Case& t_;
    Shared shared_;
    std::uint64_t seed_;
    std::uint64_t lives_ = 0;
    std::uint64_t born_ = 0;
    std::uint64_t first_failure_ = 0;
    cap::Spawned hostile_{};
    cap::Process puppets_[2];
    bool alive_ = false;
};

}  // namespace test
