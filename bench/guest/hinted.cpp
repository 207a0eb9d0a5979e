// SPDX-License-Identifier: MIT
//
// Under the smallest scheduler server (hint_server.hpp) the program bench/switches counts what switches cost so.
#include "child.hpp"
#include "hint_server.hpp"

#include "cap/machine.hpp"

namespace {
namespace abi = cox::abi;
}  // namespace

int cap_main(const cap::Env& env) {
    bench::HintServer server;
    server.domain = env.find<cap::SchedDomain>("domain").value_or(cap::SchedDomain());
    const auto attached = bench::attach(env, server);
    const auto ended = attached ? bench::run_child(env, server.domain, "bench/switches", "hinted_")
                                : cap::fail(attached.error());
    const bool good = ended && *ended == 0;
    if (!ended) {
        env.log.print("error: hinted: {}", ended.error());
    }
    if (const auto machine = env.find<cap::Machine>("machine")) {
        (void)machine->power_off(good ? abi::ExitCode::kPass : abi::ExitCode::kFail);
    }
    return good ? 0 : 1;
}
