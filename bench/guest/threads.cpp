// SPDX-License-Identifier: MIT
// The life of a thread, on one CPU: made, started, ended and joined by another of its process, which has joined some before.
#include "bench.hpp"

#include "cap/joining_thread.hpp"

namespace {

using bench::Operation;

cap::Result<void> create_exit_join(const cap::Env& env, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        auto thread = TRY(cap::JoiningThread::start(env, [] {}));
        TRY(thread.join(env.ring));
    }
    return {};
}

constexpr Operation kOperations[] = {{"create_exit_join", 1'000, create_exit_join}};

}  // namespace

int cap_main(const cap::Env& env) { return bench::run(env, kOperations); }
