// SPDX-License-Identifier: MIT
#include "support/server_process.hpp"

#include "core/cpio.hpp"
#include "support/patience.hpp"

#include <algorithm>
#include <array>

namespace test {

ServerProcess::ServerProcess(Case& t, std::string_view arguments, std::span<const cap::GivenCap> more,
                             cap::SchedDomain domain)
    : t_(t) {
    if (const auto started = start(arguments, more, domain); !started) {
        t.fail("the scheduler server cannot be started: {}", started.error());
    }
}

ServerProcess::~ServerProcess() {
    if (process_ && !exited_) {
        kill();
        if (!wait_exit()) {
            t_.fail("the scheduler server does not go");
        }
    }
    process_.drop();
    ready_.drop();
}

bool ServerProcess::has_signalled(std::uint64_t bit) {
    return eventually(t_.env.clock, [&] {
        signalled_ |= ready_.poll().value_or(0);
        return (signalled_ & bit) != 0;
    });
}

cap::Result<std::uint64_t> ServerProcess::wait_exit() {
    const auto code = process_.wait_exit(t_.env.ring, patience_ns);
    exited_ = exited_ || code.has_value();
    return code;
}

cap::Result<void> ServerProcess::start(std::string_view arguments, std::span<const cap::GivenCap> more,
                                       cap::SchedDomain named) {
    const cap::Env& env = t_.env;
    const auto archive = cox::core::CpioArchive::open(env.archive());
    const auto image = archive ? archive->find("sched-server") : std::nullopt;
    const auto domain = named ? std::optional(named.slot()) : env.find_slot("domain");
    if (!image || !domain) {
        return cap::fail(abi::Error::kBadSlot);
    }
    ready_ = TRY(env.process.create_notification());
    std::array<cap::GivenCap, 3 + kMore> caps = {
        {{"log", env.log.slot(), abi::kWrite},
         {"domain", *domain, abi::kRead | abi::kWrite | abi::kManage},
         {"ready", ready_.slot(), abi::kWrite}}};
    const std::size_t count = 3 + std::min(more.size(), kMore);
    std::copy_n(more.begin(), count - 3, caps.begin() + 3);
    const auto spawned = TRY(cap::spawn(env, {.name = "sched-server",
                                              .image = *image,
                                              .arguments = arguments,
                                              .caps = std::span(caps).first(count)}));
    process_ = spawned.process;
    line_ = TRY(spawned.thread.ref()).index;
    const auto started = spawned.thread.start();
    spawned.thread.drop();
    return started;
}

}  // namespace test
