// SPDX-License-Identifier: MIT
//
// The timed section begins with the look at the TSC right before the batch of signals, and ends with the last
// worker's own last look. Accounting is read right before and right after it, while nobody works.
#include "root/crew.hpp"
#include "root/flows.hpp"
#include "root/launch.hpp"
#include "root/report.hpp"

namespace root {

namespace {

ScaleRun the_run;  // large, and zero at the start

}  // namespace

bool run_scale(Context& context) {
    const cap::Env& env = context.env;
    const bool server = context.manifest.run.server;
    Crew crew(context, the_run);
    if (!crew.check() || (server && !start_server(context)) || !crew.launch() || !crew.wait_until_ready()) {
        return false;
    }
    env.log.print("run: phase=ready workers={} policy={} server={}", the_run.workers,
                  context.manifest.server.policy, server ? "on" : "off");
    const auto before = take(context, the_run, the_run.before);
    env.log.print("run: phase=begin ns={}", env.clock.now_ns());
    if (!crew.release_and_wait()) {
        return false;
    }
    const auto after = take(context, the_run, the_run.after);
    env.log.print("run: phase=end ns={}", env.clock.now_ns());
    if (!before || !after) {
        env.log.print("error: the kernel's accounting cannot be read: {}",
                      before ? after.error() : before.error());
        return false;
    }
    return report(context, the_run);
}

}  // namespace root
