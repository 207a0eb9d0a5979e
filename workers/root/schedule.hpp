// SPDX-License-Identifier: MIT
//
// Schedule: the manifest's events, one after the other: commands to the server, its death and new start, its replacement
// (docs/server-control.md). It does a step when it is due or when a completion of its own has come, and never waits itself.
#pragma once

#include "cap/server_control.hpp"
#include "root/context.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace root {

class Schedule {
public:
    explicit Schedule(Context& context) : context_(context), env_(context.env) {}

    // Before the programs are started: maps the control page, if an event needs it.
    [[nodiscard]] bool open();
    // The events' times count from here.
    void begin() { begin_ns_ = env_.clock.now_ns(); }
    // Starts the event that is due, if none is under way.
    void step();
    // For how long nothing is due; abi::kForever while an event is under way, and when none is left.
    [[nodiscard]] std::uint64_t wait_ns() const;
    // False: the completion is not part of what is under way.
    [[nodiscard]] bool take(const abi::Completion& completion);

    // A case for each event: `event.NAME`.
    [[nodiscard]] std::uint64_t cases() const { return context_.manifest.events.size(); }
    // Writes them -> how many passed.
    [[nodiscard]] std::uint64_t report() const;

private:
    enum class Doing : std::uint8_t { kNothing, kAsking, kKilling, kStarting, kPreparing, kRetiring };

    [[nodiscard]] const manifest::Event& event() const { return context_.manifest.events[current_]; }
    [[nodiscard]] std::size_t next() const;
    void start(const manifest::Event& event);
    cap::Result<void> ask(std::string_view command);
    cap::Result<void> launch(std::string_view program);
    bool take_answer();
    bool take_exit(bool of_the_new_one, std::int64_t code);
    bool take_ready(std::int64_t bits);
    void succeed(std::string_view text);
    void fail_unless_refused(std::string_view text);
    void fail(std::string_view text, cap::abi::Error error);
    void finish(bool right, std::string_view outcome, std::string_view text);

    Context& context_;
    const cap::Env& env_;
    cap::ControlPage* page_ = nullptr;
    std::uint64_t begin_ns_ = 0;
    Doing doing_ = Doing::kNothing;
    std::size_t current_ = 0;
    bool at_work_ = false;  // of the server that is being started
    bool old_gone_ = false;
    cap::Spawned old_;
    std::array<bool, manifest::kMaxEvents> done_{};
    std::array<bool, manifest::kMaxEvents> right_{};
};

}  // namespace root
