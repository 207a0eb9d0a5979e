// SPDX-License-Identifier: MIT
//
// The workers of a scaling run as a group: started, prepared, released together, waited for. In this order;
// each step returns false when it has said why the run cannot go on.
#pragma once

#include "root/scale_run.hpp"

#include <cstdint>
#include <string_view>

namespace root {

class Crew {
public:
    Crew(Context& context, ScaleRun& run) : context_(context), env_(context.env), run_(run) {}

    // What is asked for makes sense.
    [[nodiscard]] bool check();
    [[nodiscard]] bool launch();
    // Until all have prepared their shares and wait for the release, and nothing is in flight but their
    // exits.
    [[nodiscard]] bool wait_until_ready();
    // The timed section. The root task sleeps from the batch of signals to the last exit.
    [[nodiscard]] bool release_and_wait();

private:
    [[nodiscard]] bool manifest_complete() const;
    cap::Result<void> launch_process(std::uint64_t index);
    // One completion that has come. False: it means that the run has failed.
    bool take(const cap::Result<abi::Completion>& completion, std::string_view waited_for);
    bool take_exit(std::uint64_t index, std::int64_t code);
    bool gave_up(abi::Error error, std::string_view waited_for);

    [[nodiscard]] cap::Result<abi::CapSlot> bell();
    bool listen_for_bell();
    bool silence_bell(Waiting& waiting);

    [[nodiscard]] std::uint64_t result_pages() const { return run_.threads ? cox::sieve::kResultPages : 1; }
    [[nodiscard]] bool all_ready() const;
    [[nodiscard]] bool all_waiting() const;
    [[nodiscard]] std::uint64_t still_running() const;

    Context& context_;
    const cap::Env& env_;
    ScaleRun& run_;
    const manifest::Program* program_ = nullptr;
    bool listening_ = false;  // a wait for the bell is in flight
    bool released_ = false;
};

}  // namespace root
