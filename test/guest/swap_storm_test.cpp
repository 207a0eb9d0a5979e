// SPDX-License-Identifier: MIT
//
// swaps=N kills=N replacements=N: so often, in random order and at random moments, the policy of the server under a load is
// changed, the server is killed and started again, and its binary is replaced. After each event all threads go on, and no wake
// is lost. docs/server-control.md says what is measured. drop_wake=N: each server forgets its Nth wake.
#include "support/free_pages.hpp"
#include "support/observe.hpp"
#include "support/option.hpp"
#include "support/server_seat.hpp"
#include "support/storm_load.hpp"
#include "support/wake_ledger.hpp"

#include <algorithm>
#include <optional>

namespace {

using namespace test;

enum class Kind : std::uint8_t { kSwap, kKill, kReplace, kQuiet };
constexpr std::string_view kNames[] = {"swap", "kill", "replace", "quiet"};
constexpr std::uint32_t kLinesOfAServer = 2 * (1 + abi::kMaxCpus);
// Frames that the kernel's heap may have taken nevertheless. Far fewer than servers die.
constexpr std::uint64_t kHeapPages = 4;
constexpr std::size_t kMaxEvents = 65536;
std::array<Kind, kMaxEvents> plan;  // too large for a stack

// The names of the policies that the server has.
class Policies {
public:
    bool ask(ServerSeat& seat) {
        const auto answer = seat.ask("policies");
        if (answer && answer->accepted) {
            text_.print("{}", answer->text);
        }
        cox::core::CommandLine(text_.view()).for_each([&](const auto& word) {
            if (count_ < names_.size()) {
                names_[count_++] = word.key;
            }
        });
        return count_ != 0;
    }
    std::string_view any(Random& random) const { return names_[random.below(count_)]; }
    // One that this machine has taken before. A server that starts with another one may end with an error.
    std::string_view any_taken(Random& random) const {
        for (;;) {
            const std::size_t i = random.below(count_);
            if (taken_[i]) {
                return names_[i];
            }
        }
    }
    void was_taken(std::string_view name) {
        const auto at = std::ranges::find(names_, name);
        if (at != names_.end()) {
            taken_[static_cast<std::size_t>(at - names_.begin())] = true;
        }
    }

private:
    cap::LineBuffer<500> text_;
    std::array<std::string_view, 32> names_;
    std::array<bool, 32> taken_{};
    std::size_t count_ = 0;
};

class Storm {
public:
    explicit Storm(Case& t)
        : t_(t),
          random_(t.seed),
          seat_(t),
          load_(t),
          ledger_(t.env.find<cap::SchedDomain>("domain").value_or(cap::SchedDomain()), t.env.clock) {}

    void run() {
        const std::size_t events = make_plan();
        Left before{};
        bool begun = warm_up() && left_behind(before) && started(seat_.start(arguments("round_robin")));
        const std::uint32_t line = begun ? seat_.server().line() : 0;
        before_ = sum_of_stats(t_).value_or(abi::CpuStats{});
        t_.env.log.print("run: phase=begin ns={}", t_.env.clock.now_ns());
        for (std::size_t i = 0; begun && i < events && !t_.failed(); ++i) {
            one(i, plan[i]);
        }
        if (!t_.failed()) {
            come_to_rest();
        }
        report();
        REQUIRE(t_, begun && !t_.failed());
        // A line comes back when no CPU holds a record of its thread any more, so the next server may get others.
        REQUIRE(t_, seat_.server().line() <= line + kLinesOfAServer);
        Left after{};
        REQUIRE(t_, left_behind(after));
        REQUIRE_EQUAL(t_, after.slot, before.slot);
        const auto as_before = [&] {
            return (after.pages = free_pages(t_.env)) + kHeapPages >= before.pages;
        };
        REQUIRE(t_, eventually(t_.env.clock, as_before) || (say_pages(before, after), false));
    }

private:
    // A Fisher-Yates shuffle of what is asked for, and of quiet windows to compare with.
    std::size_t make_plan() {
        std::size_t count = 0;
        const auto add = [&](Kind kind, std::uint64_t times) {
            for (; times != 0 && count < kMaxEvents; --times) {
                plan[count++] = kind;
            }
        };
        const std::uint64_t swaps = option(t_, "swaps", 20);
        add(Kind::kSwap, swaps);
        add(Kind::kKill, option(t_, "kills", 4));
        add(Kind::kReplace, option(t_, "replacements", 2));
        add(Kind::kQuiet, option(t_, "quiet", swaps / 10 + 1));
        for (std::size_t i = count; i > 1; --i) {
            std::swap(plan[i - 1], plan[random_.below(i)]);
        }
        return count;
    }

    // What there is when the server has gone.
    struct Left {
        std::uint64_t pages;
        std::uint64_t slot;
    };
    bool left_behind(Left& left) {
        const bool gone = seat_.kill();
        left = {free_pages(t_.env), highest_slot()};
        return gone;
    }

    void say_pages(const Left& before, const Left& after) {
        t_.env.log.print("storm: free pages before {} after {}", before.pages, after.pages);
    }

    // What a dead server's objects need while they linger on a CPU that the host has stopped there. The heap keeps what it once took.
    bool take_in_advance() {
        std::array<Owned<cap::Memory>, 256> held;
        std::array<Owned<cap::Process>, 16> processes;
        for (auto& each : held) {
            each = Owned(t_.env.process.create_memory(1).value_or(cap::Memory()));
        }
        for (auto& each : processes) {
            each = Owned(t_.env.process.create_process("advance").value_or(cap::Process()));
            (void)each->kill(0);
        }
        return static_cast<bool>(*held.back()) && static_cast<bool>(*processes.back());
    }

    // What the kernel's heap and tables take once, and keep: with as many agents as there can be, and two servers at once.
    bool warm_up() {
        return take_in_advance() && seat_.start("policy=round_robin agents=per_cpu") &&
               policies_.ask(seat_) && (policies_.was_taken("round_robin"), true) &&
               goes_on("at the start") && kill_and_start() && replace(true) && replace(false) &&
               goes_on("while warming up");
    }

    // Of the next server. Some have one agent for all CPUs.
    std::string_view arguments(std::string_view policy) {
        arguments_.clear();
        arguments_.print("policy={} agents={}", policy, random_.one_in(4) ? "central" : "per_cpu");
        if (const std::uint64_t wake = option(t_, "drop_wake", 0); wake != 0) {
            arguments_.print(" fault=drop_wake={}", wake);
        }
        return arguments_.view();
    }

    // The highest slot with so many more in use that all holes are filled: it tells how many are in use.
    std::uint64_t highest_slot() {
        std::array<cap::Notification, 64> held;
        std::uint64_t highest = 0;
        for (cap::Notification& each : held) {
            each = t_.env.process.create_notification().value_or(cap::Notification());
            highest = std::max<std::uint64_t>(highest, each.slot().index);
        }
        for (const cap::Notification& each : held) {
            each.drop();
        }
        return highest;
    }

    void one(std::size_t number, Kind kind) {
        sleep_ns(random_.below(3 * kMillisecond));
        load_.open_window();
        const std::uint64_t begin = t_.env.clock.now_ns();
        bool done = true;
        switch (kind) {
            case Kind::kSwap: done = swap(); break;
            case Kind::kKill: done = kill_and_start(); break;
            case Kind::kReplace: done = replace(!random_.one_in(4)); break;
            case Kind::kQuiet: break;
        }
        const std::uint64_t took = t_.env.clock.now_ns() - begin;
        if (!done) {
            t_.fail("event {}, {}, cannot be made", number, kNames[static_cast<std::size_t>(kind)]);
            return;
        }
        ++counts_[static_cast<std::size_t>(kind)];
        check(number, kind, took);
    }

    // Conservation: by the load's own numbers, and by the kernel's ledger.
    bool goes_on(std::string_view when) {
        if (!load_.all_step()) {
            lost_wakes_ += load_.count_lost();
            t_.fail("{}: some threads stand still", when);
        }
        if (!ledger_.look()) {
            ledger_.report(t_);
        }
        return !t_.failed() && load_.in_order();
    }

    void check(std::size_t number, Kind kind, std::uint64_t took) {
        if (!goes_on("after an event")) {
            return;
        }
        t_.env.log.print("run: phase=event number={} kind={} policy={} blackout_ns={} took_ns={}", number,
                         kNames[static_cast<std::size_t>(kind)], policy_.view(), load_.longest_wait_ns(),
                         took);
    }

    bool swap() {
        if (random_.one_in(8) && !refused_swap()) {
            return false;
        }
        // A policy may refuse this machine; then another one.
        for (int tries = 0; tries < 100; ++tries) {
            const std::string_view name = policies_.any(random_);
            cap::LineBuffer<64> command;
            command.print("swap policy={}", name);
            const auto answer = seat_.ask(command.view());
            if (!answer) {
                return false;
            }
            if (answer->accepted) {
                policies_.was_taken(name);
                return now(*answer, name);
            }
            ++refused_;
        }
        return false;
    }

    // It leaves the old policy in charge.
    bool refused_swap() {
        cap::LineBuffer<64> command;
        command.print("swap policy={} nosuch_parameter=1", policies_.any(random_));
        const auto answer = seat_.ask(random_.one_in(2) ? "swap policy=nosuch" : command.view());
        ++refused_;
        if (answer && (answer->accepted || answer->policy != policy_.view())) {
            t_.fail("a swap that must be refused was not: {} is in charge", answer->policy);
        }
        return answer && !t_.failed();
    }

    bool now(const cap::ServerControl::Answer& answer, std::string_view expected) {
        policy_.clear();
        policy_.append(answer.policy);
        if (answer.policy != expected) {
            t_.fail("policy {} should be in charge, {} is", expected, answer.policy);
        }
        return !t_.failed();
    }

    // Killed while it serves; now and then the next one at any moment of its start, too.
    bool kill_and_start() {
        if (!seat_.kill()) {
            return false;
        }
        if (random_.one_in(4)) {
            seat_.launch(arguments(policies_.any(random_)));
            sleep_ns(random_.below(5 * kMillisecond));
            if (!seat_.kill()) {
                return false;
            }
            ++killed_at_start_;
        }
        return started(seat_.start(arguments(policies_.any_taken(random_))));
    }
    bool replace(bool retires) {
        return started(seat_.replace(arguments(policies_.any_taken(random_)), retires));
    }

    bool started(bool done) {
        const auto answer = done ? seat_.ask("dump") : std::nullopt;
        if (answer) {
            policy_.clear();
            policy_.append(answer->policy);
        }
        return answer.has_value();
    }

    void come_to_rest() {
        if (!load_.comes_to_rest()) {
            lost_wakes_ += load_.count_lost();
            t_.fail("wakes were sent and not heard");
        }
        (void)load_.in_order();
    }

    void report() {
        const auto stats = sum_of_stats(t_);
        const auto count = [&](Kind kind) { return counts_[static_cast<std::size_t>(kind)]; };
        t_.env.log.print(
            "result: target=swap-storm swaps={} refused={} kills={} killed_at_start={} replacements={} "
            "quiet={} threads={} "
            "ledger_looks={} lost_wakes={} fallback_dispatches={} watchdog_hits={}",
            count(Kind::kSwap), refused_, count(Kind::kKill), killed_at_start_, count(Kind::kReplace),
            count(Kind::kQuiet), load_.size(), ledger_.looks(), lost_wakes_,
            stats ? stats->fallback_dispatches - before_.fallback_dispatches : 0,
            stats ? stats->watchdog_hits - before_.watchdog_hits : 0);
    }

    Case& t_;
    Random random_;
    ServerSeat seat_;
    StormLoad load_;
    WakeLedgerCheck ledger_;
    Policies policies_;
    cap::LineBuffer<32> policy_;  // in charge
    cap::LineBuffer<128> arguments_;
    std::array<std::uint64_t, 4> counts_{};
    abi::CpuStats before_{};  // when the events began
    std::uint64_t refused_ = 0;
    std::uint64_t killed_at_start_ = 0;
    std::uint64_t lost_wakes_ = 0;
};

void storm(Case& t) {
    static std::optional<Storm> the_storm;  // too large for a stack
    the_storm.emplace(t);
    if (!t.failed()) {
        the_storm->run();
    }
    the_storm.reset();
}

constexpr Entry kCases[] = {{"storm", storm}};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "swap_storm", kCases); }
