// SPDX-License-Identifier: MIT
// Two threads of one process that wake each other in turn, on one CPU, placed by the kernel: what a switch costs by itself.
#include "bench.hpp"

#include "cap/threads.hpp"

namespace {

namespace abi = cox::abi;
using bench::Operation;

struct Pair {
    cap::Notification ping, pong;
};

std::uint64_t answer(cap::Ring& ring, void* argument) {
    const Pair& pair = *static_cast<const Pair*>(argument);
    for (;;) {
        if (!pair.ping.wait(ring) || !pair.pong.signal(1)) {
            return 1;
        }
    }
}

cap::Result<void> ping_pong(const cap::Env& env, std::uint64_t count) {
    Pair pair{TRY(env.process.create_notification()), TRY(env.process.create_notification())};
    const cap::Thread other = TRY(cap::create_sibling(env, answer, &pair));
    TRY(other.start());
    for (std::uint64_t i = 0; i < count; ++i) {
        TRY(pair.ping.signal(1));
        TRY(pair.pong.wait(env.ring));
    }
    TRY(other.kill(0));
    other.drop();
    pair.ping.drop();
    pair.pong.drop();
    return {};
}

constexpr Operation kOperations[] = {{"notification_ping_pong", 5'000, ping_pong}};

}  // namespace

int cap_main(const cap::Env& env) { return bench::run(env, kOperations); }
