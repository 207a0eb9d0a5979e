// SPDX-License-Identifier: MIT
#include "support/hostile_seat.hpp"

#include "core/cpio.hpp"
#include "support/patience.hpp"

namespace test {

namespace {

// Dead, and its frames about to come back. A thread of it may be waiting for the same end: kBusy, until it has gone.
bool kill_and_wait(const cap::Env& env, cap::Process process) {
    if (!process.kill(0)) {
        return false;
    }
    return eventually(env.clock, [&] {
        const auto code = process.wait_exit(env.ring, patience_ns);
        return code || code.error() != abi::Error::kBusy;
    });
}

}  // namespace

cap::Result<void> HostileSeat::build(cap::Process& puppet, cap::Process& puppet_in_domain) {
    const cap::Env& env = t_.env;
    const auto archive = cox::core::CpioArchive::open(env.archive());
    const auto image = archive ? archive->find("test/hostile") : std::nullopt;
    if (!image) {
        return cap::fail(abi::Error::kBadSlot);
    }
    const abi::CapSlot domain = *env.find_slot("domain");
    puppet = TRY(env.process.create_process("puppet"));
    puppet_in_domain = TRY(env.process.create_process("puppet", domain));
    cap::LineBuffer<64> arguments;
    arguments.print("seed={}", seed_ * 1'000'003 + lives_);
    const cap::GivenCap caps[] = {
        {"puppet", puppet.slot(), abi::kAllRights},
        {"puppet_in_domain", puppet_in_domain.slot(), abi::kAllRights},
        {"log", env.log.slot(), abi::kWrite},
        {"domain", domain, abi::kAllRights},
        {"machine", t_.machine.slot(), abi::kRead | abi::kGrant},  // not to switch it off
        {"bell", shared_.bell.slot(), abi::kAllRights},
        {"post", shared_.post.slot(), abi::kAllRights},
        {"shared", shared_.memory.slot(), abi::kAllRights},
        {"page", shared_.counters.slot(), abi::kRead | abi::kWrite},
    };
    hostile_ = TRY(
        cap::spawn(env, {.name = "hostile", .image = *image, .arguments = arguments.view(), .caps = caps}));
    return {};
}

cap::Result<void> HostileSeat::start() {
    if (const auto built = build(puppets_[0], puppets_[1]); !built) {
        for (cap::Process& puppet : puppets_) {
            if (puppet) {
                (void)kill_and_wait(t_.env, puppet);
                std::exchange(puppet, {}).drop();
            }
        }
        return built;
    }
    alive_ = true;
    ++lives_;
    born_ = t_.env.clock.now_ns();
    return hostile_.thread.start();
}

bool HostileSeat::tend() {
    const std::uint64_t now = t_.env.clock.now_ns();
    if (!alive_) {
        // There may be no memory for a moment, when others have it.
        if (const auto started = start(); !started) {
            first_failure_ = first_failure_ != 0 ? first_failure_ : now;
            if (now - first_failure_ > patience_ns) {
                t_.fail("cannot start: {}", started.error());
                return false;
            }
            return true;
        }
        first_failure_ = 0;
        return true;
    }
    const auto status = hostile_.thread.status();
    if (!status || status->word.state() == abi::ThreadState::kGone || now - born_ > kLifeNs) {
        end();
    } else if (status->word.state() == abi::ThreadState::kSuspended) {
        (void)hostile_.thread.resume();  // by itself, most likely
    }
    return !t_.failed();
}

void HostileSeat::end() {
    if (!std::exchange(alive_, false)) {
        return;
    }
    for (const cap::Process process : {hostile_.process, puppets_[0], puppets_[1]}) {
        if (!kill_and_wait(t_.env, process)) {
            t_.fail("a hostile process does not go");
        }
        process.drop();
    }
    hostile_.thread.drop();
    puppets_[0] = puppets_[1] = {};
}

}  // namespace test
