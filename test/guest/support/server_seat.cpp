// SPDX-License-Identifier: MIT
#include "support/server_seat.hpp"

#include "support/patience.hpp"

namespace test {

ServerSeat::ServerSeat(Case& t) : t_(t) {
    const auto made = [&]() -> cap::Result<void> {
        const cap::Env& env = t.env;
        memory_ = Owned(TRY(env.process.create_memory(1)));
        call_ = Owned(TRY(env.process.create_notification()));
        answered_ = Owned(TRY(env.process.create_notification()));
        handover_ = Owned(TRY(env.process.create_notification()));
        const std::uint64_t address = TRY(env.space.reserve(1));
        TRY(env.process.map(*memory_, address, 0, 1, abi::kRead | abi::kWrite));
        page_ = reinterpret_cast<cap::ControlPage*>(address);
        return {};
    }();
    if (!made) {
        t.fail("the control page cannot be made: {}", made.error());
    }
}

ServerSeat::~ServerSeat() {
    for (auto& each : servers_) {
        each.reset();
    }
    (void)t_.env.process.unmap(reinterpret_cast<std::uint64_t>(page_), 1);
}

void ServerSeat::launch_into(std::size_t seat, std::string_view arguments) {
    const cap::GivenCap caps[] = {{"control", memory_->slot(), abi::kRead | abi::kWrite},
                                  {"call", call_->slot(), abi::kRead},
                                  {"answered", answered_->slot(), abi::kWrite},
                                  {"handover", handover_->slot(), abi::kRead | abi::kWrite}};
    servers_[seat].emplace(t_, arguments, caps);
}

void ServerSeat::launch(std::string_view arguments) { launch_into(current_, arguments); }

bool ServerSeat::start(std::string_view arguments) {
    launch(arguments);
    if (t_.failed() || !server().is_ready()) {
        t_.fail("a server does not come to work: {}", arguments);
    }
    return !t_.failed();
}

bool ServerSeat::kill() {
    const bool gone = leaves(server(), false);
    servers_[current_].reset();
    return gone;
}

bool ServerSeat::leaves(ServerProcess& old, bool retires) {
    if (retires) {
        const auto answer = ask("retire");
        if (!answer || !answer->accepted) {
            t_.fail("a server does not retire");
            return false;
        }
    } else {
        old.kill();
    }
    const auto code = old.wait_exit();
    if (!code || *code != (retires ? 0 : ServerProcess::kKilled)) {
        t_.fail("a server ends with {}", code.value_or(~std::uint64_t{0}));
    }
    return !t_.failed();
}

bool ServerSeat::replace(std::string_view arguments, bool retires) {
    const std::size_t next = 1 - current_;
    launch_into(next, arguments);
    if (t_.failed() || !servers_[next]->stands_by()) {
        t_.fail("a server does not stand by: {}", arguments);
        return false;
    }
    if (!leaves(server(), retires)) {
        return false;
    }
    if (!retires) {
        (void)handover_->signal(1);
    }
    servers_[current_].reset();
    current_ = next;
    if (!server().is_ready()) {
        t_.fail("a server does not take over: {}", arguments);
    }
    return !t_.failed();
}

bool ServerSeat::post(std::string_view command) {
    if (const auto asked = control().ask(command); !asked) {
        t_.fail("cannot ask the server to {}: {}", command, asked.error());
    }
    return !t_.failed();
}

std::optional<cap::ServerControl::Answer> ServerSeat::ask(std::string_view command) {
    if (!post(command)) {
        return std::nullopt;
    }
    if (!eventually(t_.env.clock, [&] { return answer().has_value(); })) {
        t_.fail("the server does not answer: {}", command);
    }
    return answer();
}

}  // namespace test
