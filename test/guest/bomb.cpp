// SPDX-License-Identifier: MIT
//
// Bombs: programs that make as many of themselves as they can, and go on trying when their quota says no. They say so by a
// bit of "bell" each time, which costs them nothing: kRefused for kQuota, kBroken for anything else.
//
// mode=threads: each thread makes another, and spins. mode=processes: each process starts another from "archive".
#include "bomb.hpp"

#include "cap/spawn.hpp"
#include "cap/threads.hpp"
#include "core/command_line.hpp"
#include "core/cpio.hpp"

namespace test {

namespace {

namespace abi = cox::abi;

void tell(const cap::Notification& bell, abi::Error error) {
    (void)bell.signal(error == abi::Error::kQuota ? kBombRefused : kBombBroken);
}

struct ThreadBomb {
    const cap::Env& env;
    cap::Notification bell;

    static std::uint64_t run(cap::Ring&, void* argument) {
        const auto& bomb = *static_cast<const ThreadBomb*>(argument);
        for (;;) {
            const auto thread = cap::create_sibling(bomb.env, run, argument);
            if (!thread) {
                tell(bomb.bell, thread.error());
            } else if (!thread->start()) {
                tell(bomb.bell, abi::Error::kWrongState);
            } else {
                (void)bomb.bell.signal(kBombGrown);
            }
        }
    }
};

cap::Result<std::span<const std::byte>> map_archive(const cap::Env& env, cap::Memory archive) {
    const std::uint64_t pages = TRY(archive.pages());
    const std::uint64_t address = TRY(env.space.reserve(pages));
    TRY(env.process.map(archive, address, 0, pages, abi::kRead));
    return std::span(reinterpret_cast<const std::byte*>(address), pages * abi::kPageSize);
}

// The first that could not be started is the last: nothing of it is left, and it is tried again.
std::uint64_t processes(const cap::Env& env, cap::Notification bell) {
    const auto memory = env.find<cap::Memory>("archive");
    const auto bytes = map_archive(env, *memory);
    if (!bytes) {
        tell(bell, bytes.error());
    }
    const auto archive = cox::core::CpioArchive::open(bytes ? *bytes : std::span<const std::byte>());
    const auto image = archive ? archive->find("test/bomb") : std::nullopt;
    for (;;) {
        if (!image) {
            continue;  // even this much was refused
        }
        const cap::GivenCap caps[] = {{"bell", bell.slot(), abi::kWrite | abi::kGrant},
                                      {"archive", memory->slot(), abi::kRead | abi::kGrant}};
        const auto child =
            cap::spawn(env, {.name = "bomb", .image = *image, .arguments = "mode=processes", .caps = caps});
        if (!child) {
            tell(bell, child.error());
        } else if (!child->thread.start()) {
            tell(bell, abi::Error::kWrongState);
        } else {
            (void)bell.signal(kBombGrown);
        }
    }
}

}  // namespace

}  // namespace test

int cap_main(const cap::Env& env) {
    const auto bell = env.find<cap::Notification>("bell");
    if (!bell) {
        return 1;
    }
    if (cox::core::CommandLine(env.arguments()).find("mode") == "processes") {
        return static_cast<int>(test::processes(env, *bell));
    }
    test::ThreadBomb bomb{.env = env, .bell = *bell};
    return static_cast<int>(test::ThreadBomb::run(env.ring, &bomb));
}
