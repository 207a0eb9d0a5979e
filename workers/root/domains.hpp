// SPDX-License-Identifier: MIT
//
// Domains: the manifest's child domains, each with CPUs that the root domain lends it and a scheduler server of its own. In this
// order: lend(), the root domain's server, start(), programs, end(). Each returns false when it has said why the run
// cannot go on, and does nothing where the manifest has no domain.
#pragma once

#include "cap/sched_domain.hpp"
#include "root/context.hpp"
#include "root/launch.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace root {

class Domains {
public:
    explicit Domains(Context& context) : context_(context), env_(context.env) {}

    // Makes them, and returns when their CPUs are theirs. Before any server, which would have agents on these CPUs.
    [[nodiscard]] bool lend();
    // Starts their servers, and returns when all are at work.
    [[nodiscard]] bool start();
    // Ends their servers, and returns when their CPUs are the root domain's again. When all programs have ended:
    // what else completes meanwhile is nobody's.
    [[nodiscard]] bool end();

    // What completes because of a domain's server is for take().
    [[nodiscard]] static bool concerns(const abi::Completion& completion);
    [[nodiscard]] bool take(const abi::Completion& completion);

    // Where instance `index` of a program begins, whatever domain it belongs to.
    [[nodiscard]] Placement placement(const manifest::Program& program, std::uint64_t index) const;

    // A case for each, `domain.NAME`: it has passed when end() has come to its end.
    [[nodiscard]] std::uint64_t cases() const { return context_.manifest.domains.size(); }
    void report() const;

private:
    enum class Server : std::uint8_t { kNone, kStarting, kAtWork, kEnding, kGone };

    struct Seat {
        cap::SchedDomain domain;
        cap::Notification ready;
        cap::Spawned spawned;
        Server server = Server::kNone;
    };

    [[nodiscard]] const auto& list() const { return context_.manifest.domains; }
    cap::Result<void> make(std::size_t number);
    cap::Result<void> lend_cpus(std::size_t number);
    cap::Result<void> start_server(std::size_t number);
    cap::Result<void> end_server(std::size_t number);
    cap::Result<void> reclaim_cpus(std::size_t number);

    // `action` for each domain; what fails is said with the step's name.
    [[nodiscard]] bool each(std::string_view step, cap::Result<void> (Domains::*action)(std::size_t));
    // Takes completions until `done` of each domain, as long as a server may take to be ready.
    template <class Done>
    [[nodiscard]] bool wait_for_each(std::string_view step, Done done);
    [[nodiscard]] bool take_any(const abi::Completion& completion);
    bool failed(std::size_t number, std::string_view step, abi::Error error) const;

    Context& context_;
    const cap::Env& env_;
    bool ending_ = false;
    std::array<Seat, manifest::kMaxDomains> seats_;
};

}  // namespace root
