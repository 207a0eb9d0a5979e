// SPDX-License-Identifier: MIT
//
// bench/switches under the real scheduler server, with round_robin and an agent on every CPU, all on CPU 0: each wake is an event, the
// agent's round, the policy's decision, a commit and a dispatch.
#include "child.hpp"

#include "cap/machine.hpp"

namespace {

namespace abi = cox::abi;

cap::Result<cap::Process> start_server(const cap::Env& env, cap::SchedDomain domain) {
    const auto image = TRY(bench::image_of(env, "sched-server"));
    const auto ready = TRY(env.process.create_notification());
    const cap::GivenCap caps[] = {{"log", env.log.slot(), abi::kWrite},
                                  {"domain", domain.slot(), abi::kRead | abi::kWrite | abi::kManage},
                                  {"ready", ready.slot(), abi::kWrite}};
    const auto server = TRY(cap::spawn(
        env, {.name = "sched-server", .image = image, .arguments = "policy=round_robin", .caps = caps}));
    TRY(server.thread.start());
    TRY(ready.wait(env.ring));
    return server.process;
}

cap::Result<std::uint64_t> run(const cap::Env& env) {
    const auto domain = env.find<cap::SchedDomain>("domain").value_or(cap::SchedDomain());
    TRY(start_server(env, domain));
    return bench::run_child(env, domain, "bench/switches", "served_");
}

}  // namespace

int cap_main(const cap::Env& env) {
    const auto ended = run(env);
    if (!ended) {
        env.log.print("error: served: {}", ended.error());
    }
    const bool good = ended && *ended == 0;
    if (const auto machine = env.find<cap::Machine>("machine")) {
        (void)machine->power_off(good ? abi::ExitCode::kPass : abi::ExitCode::kFail);
    }
    return good ? 0 : 1;
}
