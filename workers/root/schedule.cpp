// SPDX-License-Identifier: MIT
#include "root/schedule.hpp"

#include "root/launch.hpp"

namespace root {

namespace {

constexpr std::uint64_t kKilled = 77;  // the killed server's exit code
constexpr std::uint64_t kNsPerMs = 1'000'000;

// As the value of a field: without quotes of its own.
void append_quoted(cap::LineWriter& line, std::string_view text) {
    line.append("\"");
    for (const char c : text) {
        line.append(c == '"' || c == '\\' ? "'" : std::string_view(&c, 1));
    }
    line.append("\"");
}

}  // namespace

bool Schedule::open() {
    const auto opened = [&]() -> cap::Result<void> {
        const auto memory = server_object(context_, "control");
        if (!memory || cases() == 0) {
            return {};  // the manifest has been checked: no event needs it
        }
        const std::uint64_t address = TRY(env_.space.reserve(1));
        TRY(env_.process.map(cap::Memory(*memory), address, 0, 1, abi::kRead | abi::kWrite));
        page_ = reinterpret_cast<cap::ControlPage*>(address);
        return {};
    }();
    if (!opened) {
        env_.log.print("error: the server's control page cannot be mapped: {}", opened.error());
    }
    return opened.has_value();
}

// The earliest that is left; their number if there is none.
std::size_t Schedule::next() const {
    const auto& events = context_.manifest.events;
    std::size_t found = events.size();
    for (std::size_t i = 0; i < events.size(); ++i) {
        if (!done_[i] && (found == events.size() || events[i].at_ms < events[found].at_ms)) {
            found = i;
        }
    }
    return found;
}

std::uint64_t Schedule::wait_ns() const {
    const std::size_t event = next();
    if (doing_ != Doing::kNothing || event == cases()) {
        return abi::kForever;
    }
    const std::uint64_t due = begin_ns_ + context_.manifest.events[event].at_ms * kNsPerMs;
    const std::uint64_t now = env_.clock.now_ns();
    return due > now ? due - now : 0;
}

void Schedule::step() {
    while (doing_ == Doing::kNothing && wait_ns() == 0) {
        current_ = next();
        start(event());
    }
}

void Schedule::start(const manifest::Event& event) {
    at_work_ = old_gone_ = false;
    cap::Result<void> started;
    switch (event.kind) {
        case manifest::Event::Kind::kCommand:
            doing_ = Doing::kAsking;
            started = ask(event.text);
            break;
        case manifest::Event::Kind::kKill:
            doing_ = Doing::kKilling;
            started = context_.server.process.kill(kKilled);
            break;
        case manifest::Event::Kind::kReplace:
            doing_ = Doing::kPreparing;
            old_ = context_.server;
            started = launch(event.text);
            break;
        case manifest::Event::Kind::kNone: break;
    }
    if (!started) {
        fail("cannot be begun", started.error());
    }
}

cap::Result<void> Schedule::ask(std::string_view command) {
    const cap::Notification call(TRY(server_object(context_, "call")));
    const abi::CapSlot answered = TRY(server_object(context_, "answered"));
    TRY(env_.ring.prepare(cap::submission(abi::Op::kWaitBits, answered, kAnswered)));
    return cap::ServerControl(*page_, call).ask(command);
}

cap::Result<void> Schedule::launch(std::string_view program) {
    return launch_server(context_, program.empty() ? context_.manifest.server.program : program);
}

bool Schedule::take(const abi::Completion& completion) {
    switch (completion.user_data) {
        case kAnswered: return take_answer();
        case kServerReady: return take_ready(completion.result);
        case kServerExit:
        case kNextServerExit:
            return take_exit(completion.user_data == context_.server_exit_tag, completion.result);
        default: return false;
    }
}

bool Schedule::take_answer() {
    const auto answer = cap::ServerControl(*page_, {}).answer();
    if (!answer) {
        fail("is not answered", abi::Error::kWrongState);
    } else if (doing_ == Doing::kAsking) {
        answer->accepted ? succeed(answer->text) : fail_unless_refused(answer->text);
    } else if (!answer->accepted) {
        fail_unless_refused(answer->text);
    }
    return true;
}

bool Schedule::take_exit(bool of_the_new_one, std::int64_t code) {
    if (doing_ == Doing::kKilling) {
        context_.server.thread.drop();
        context_.server.process.drop();
        doing_ = Doing::kStarting;
        if (const auto started = launch({}); !started) {
            fail("the next server cannot be started", started.error());
        }
        return true;
    }
    const bool replacing = doing_ == Doing::kPreparing || doing_ == Doing::kRetiring;
    if (!replacing || of_the_new_one) {
        return false;
    }
    old_.thread.drop();
    old_.process.drop();
    old_gone_ = true;
    if (code != 0) {  // it has not handed over
        const auto handover = server_object(context_, "handover");
        if (!handover || !cap::Notification(*handover).signal(1)) {
            return false;
        }
    }
    if (at_work_) {
        succeed("");
    }
    return true;
}

bool Schedule::take_ready(std::int64_t result) {
    const auto bits = static_cast<std::uint64_t>(result);
    at_work_ = at_work_ || (bits & cap::kServerAtWork) != 0;
    if (doing_ == Doing::kStarting) {
        succeed("");
        return true;
    }
    if (doing_ == Doing::kPreparing && !old_gone_ && !at_work_) {
        doing_ = Doing::kRetiring;
        if (const auto asked = ask("retire"); !asked) {
            fail("the old server cannot be asked", asked.error());
        }
    }
    if (at_work_ && old_gone_) {
        succeed("");
    } else if (const auto awaited = at_work_ ? cap::Result<void>() : await_ready(context_); !awaited) {
        fail("the new server is not to be waited for", awaited.error());
    }
    return true;
}

void Schedule::succeed(std::string_view text) { finish(!event().refused, "accepted", text); }
void Schedule::fail_unless_refused(std::string_view text) { finish(event().refused, "refused", text); }
void Schedule::fail(std::string_view text, cap::abi::Error error) {
    cap::LineBuffer<128> why;
    why.print("{}: {}", text, error);
    finish(false, "failed", why.view());
}

void Schedule::finish(bool right, std::string_view outcome, std::string_view text) {
    doing_ = Doing::kNothing;
    done_[current_] = true;
    right_[current_] = right;
    cap::LogLine line;
    line.print("run: phase=event name={} ns={} outcome={} text=", event().name,
               env_.clock.now_ns() - begin_ns_, outcome);
    append_quoted(line, text);
    env_.log.write(line.view());
}

std::uint64_t Schedule::report() const {
    std::uint64_t passed = 0;
    for (std::size_t i = 0; i < cases(); ++i) {
        cap::LogLine line;
        line.print("case: name=event.{} result={}", context_.manifest.events[i].name,
                   right_[i] ? "pass" : "fail");
        if (!right_[i]) {
            line.print(" message=\"{}\"",
                       done_[i] ? "not the outcome that is expected" : "the programs had ended before");
        }
        env_.log.write(line.view());
        passed += right_[i] ? 1 : 0;
    }
    return passed;
}

}  // namespace root
