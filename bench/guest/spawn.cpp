// SPDX-License-Identifier: MIT
//
// The smallest process from its spawn to its end: read from the archive, loaded and started by libcap, in which it does nothing but return, and
// waited for; its slots are dropped, and its memory is returned. The program is its own child.
#include "bench.hpp"
#include "child.hpp"

namespace {

namespace abi = cox::abi;

// The child has found this among its arguments, and ends.
constexpr std::string_view kEnds = "ends";

cap::Result<void> spawn_and_exit(const cap::Env& env, std::uint64_t count) {
    const auto image = TRY(bench::image_of(env, "bench/spawn"));
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto child = TRY(cap::spawn(env, {.name = "ends", .image = image, .arguments = kEnds}));
        TRY(child.thread.start());
        const auto code = TRY(child.process.wait_exit(env.ring));
        child.discard(0);
        if (code != 0) {
            return cap::fail(abi::Error::kWrongState);
        }
    }
    return {};
}

constexpr bench::Operation kOperations[] = {{"spawn_exit", 100, spawn_and_exit}};

}  // namespace

int cap_main(const cap::Env& env) { return env.arguments() == kEnds ? 0 : bench::run(env, kOperations); }
