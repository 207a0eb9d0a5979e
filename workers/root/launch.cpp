// SPDX-License-Identifier: MIT
#include "root/launch.hpp"

#include <array>

namespace root {

namespace {

// What of a program or of the server makes a process.
struct Image {
    std::string_view name;
    std::string_view program;
    std::string_view arguments;
    const manifest::Grants& grants;
    std::uint64_t index;
    std::uint64_t label;
    manifest::Allowance quota;
};

cap::Result<cap::Spawned> spawn(Context& context, const Image& image, const Placement& placement) {
    const cap::Env& env = context.env;
    std::array<cap::GivenCap, manifest::kMaxGrants> caps;
    std::size_t count = 0;
    for (const manifest::Grant& grant : image.grants) {
        const abi::CapSlot slot = TRY(context.objects.get(env, context.manifest, grant.object, image.index));
        caps[count++] = {grant.name, slot, grant.rights};
    }
    std::array<char, sizeof(abi::StartInfo::arguments)> buffer;
    const auto arguments = manifest::expand_arguments(image.arguments, context.manifest, image.index, buffer);
    if (!arguments) {
        return cap::fail(abi::Error::kBadArgument);
    }
    abi::CapSlot domain = placement.child;
    if (placement.domain && !domain) {
        domain = TRY_OR(env.find_slot("domain"), abi::Error::kBadSlot);
    }
    const auto file = TRY_OR(context.archive.find(image.program), abi::Error::kBadArgument);
    cap::Quota quota;  // the process keeps it; the root task has no further use for it
    if (image.quota.threads != 0) {
        quota = TRY(env.process.create_quota(image.quota.memory, image.quota.threads));
    }
    // Named by its program, so that a fault's address can be looked up in the right file.
    const auto spawned = cap::spawn(env, {.name = image.program,
                                          .image = file,
                                          .arguments = *arguments,
                                          .caps = std::span(caps).first(count),
                                          .domain = domain,
                                          .quota = quota.slot(),
                                          .affinity = placement.affinity,
                                          .label = image.label,
                                          .first_cpu = placement.first_cpu});
    if (quota) {
        quota.drop();
    }
    return spawned;
}

cap::Result<cap::Spawned> spawn_watched(Context& context, const Image& image, const Placement& placement,
                                        std::uint64_t exit_tag) {
    auto spawned = spawn(context, image, placement);
    if (spawned) {
        TRY(context.env.ring.prepare(cap::submission(abi::Op::kWaitExit, spawned->process.slot(), exit_tag)));
    } else {
        context.env.log.print("error: cannot start {} ({}, number {}): {}", image.name, image.program,
                              image.index, spawned.error());
    }
    return spawned;
}

}  // namespace

cap::Result<cap::Spawned> launch(Context& context, const manifest::Program& program, std::uint64_t index,
                                 const Placement& placement, std::uint64_t exit_tag) {
    const Image image{program.name, program.program, program.arguments, program.grants,
                      index,        program.label,   program.quota};
    return spawn_watched(context, image, placement, exit_tag);
}

cap::Result<abi::CapSlot> server_object(Context& context, std::string_view name) {
    for (const manifest::Grant& grant : context.manifest.server.grants) {
        if (grant.name == name) {
            return context.objects.get(context.env, context.manifest, grant.object, 0);
        }
    }
    return cap::fail(abi::Error::kBadSlot);
}

cap::Result<void> await_ready(Context& context) {
    const abi::CapSlot ready = TRY(server_object(context, "ready"));
    return context.env.ring.prepare(cap::submission(abi::Op::kWaitBits, ready, kServerReady));
}

cap::Result<void> launch_server(Context& context, std::string_view program) {
    const manifest::Server& server = context.manifest.server;
    const Image image{"sched-server", program, server.arguments, server.grants, 0, 0, {}};
    context.server_exit_tag = context.server_exit_tag == kServerExit ? kNextServerExit : kServerExit;
    // Where there are other domains, on the root domain's CPUs only, as theirs are on theirs.
    const std::uint64_t lent = context.manifest.lent_cpus();
    const std::uint64_t cpus = lent != 0 ? ~std::uint64_t{0} >> (64 - context.env.info.cpu_count) & ~lent : 0;
    context.server =
        TRY(spawn_watched(context, image, {.domain = false, .affinity = cpus}, context.server_exit_tag));
    TRY(await_ready(context));
    return context.server.thread.start();
}

bool start_server(Context& context) {
    constexpr std::uint64_t kSaidWhy = 2;
    const cap::Env& env = context.env;
    if (const auto launched = launch_server(context, context.manifest.server.program); !launched) {
        env.log.print("error: the scheduler server cannot be started: {}", launched.error());
        return false;
    }
    Waiting waiting(env, context.manifest.run.ready_timeout_s);
    bool ready = false;
    while (!ready) {
        const auto completion = waiting.next();
        if (!completion) {
            env.log.print("error: the scheduler server is not ready: {}", completion.error());
            return false;
        }
        if (completion->user_data == kServerExit) {
            if (completion->result != static_cast<std::int64_t>(kSaidWhy)) {
                env.log.print("error: the scheduler server ended with code {} before it was ready",
                              completion->result);
            }
            return false;
        }
        ready = completion->user_data == kServerReady;
    }
    return true;
}

}  // namespace root
