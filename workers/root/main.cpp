// SPDX-License-Identifier: MIT
//
// The root task: the first program, with every initial capability. It reads a manifest, starts what that
// names, judges the outcome, and switches the machine off with it.
//
// Arguments are the kernel's command line: manifest=NAME (process-scale), and what override_option() takes.
#include "core/command_line.hpp"
#include "root/flows.hpp"
#include "root/manifest_check.hpp"

namespace root {

namespace {

constexpr std::string_view kDefaultManifest = "process-scale";

// Large, and zero at the start.
manifest::Manifest the_manifest;
Objects the_objects;

void print_error(const cap::Env& env, std::string_view name, const manifest::Error& error) {
    if (error.line == 0) {
        env.log.print("error: manifest {} with the command line: {}: {}", name, error.key, error.message);
    } else {
        env.log.print("error: manifest {} line {}: {}: {}", name, error.line, error.key, error.message);
    }
}

manifest::Result<void> apply(const cox::core::CommandLine& command_line, std::uint64_t cpu_count) {
    manifest::Result<void> result;
    command_line.for_each([&](const cox::core::CommandLineOption& option) {
        if (result) {
            result = manifest::override_option(the_manifest, option.key, option.value);
        }
    });
    if (result) {
        result = manifest::check(the_manifest);
    }
    return result ? manifest::check_machine(the_manifest, cpu_count) : result;
}

bool read_manifest(const cap::Env& env, const cox::core::CpioArchive& archive, std::string_view name,
                   const cox::core::CommandLine& command_line) {
    cap::LineBuffer<128> path;
    path.print("manifests/{}", name);
    const auto file = archive.find(path.view());
    if (!file) {
        env.log.print("error: no manifest {} in the archive", path.view());
        return false;
    }
    auto result = manifest::parse({reinterpret_cast<const char*>(file->data()), file->size()}, the_manifest);
    if (result) {
        result = apply(command_line, env.info.cpu_count);
    }
    if (!result) {
        print_error(env, name, result.error());
    }
    return result.has_value();
}

bool run(const cap::Env& env, cap::Machine machine) {
    const cox::core::CommandLine command_line(env.arguments());
    const std::string_view name = command_line.find("manifest").value_or(kDefaultManifest);
    const auto archive = cox::core::CpioArchive::open(env.archive());
    if (!archive) {
        env.log.print("error: the archive cannot be read: {}", cox::core::describe(archive.error()));
        return false;
    }
    if (!read_manifest(env, *archive, name, command_line)) {
        return false;
    }
    Context context{env, machine, *archive, name, the_manifest, the_objects};
    switch (the_manifest.run.flow) {
        case manifest::Flow::kPrograms: return run_programs(context);
        case manifest::Flow::kProcessScale:
        case manifest::Flow::kThreadScale: return run_scale(context);
    }
    return false;
}

}  // namespace

}  // namespace root

int cap_main(const cap::Env& env) {
    env.log.write("run: phase=first-user");
    const auto machine = env.find<cap::Machine>("machine");
    if (!machine) {
        env.log.write("error: the root task was given no capability machine");
        return 1;
    }
    const bool good = root::run(env, *machine);
    const auto off = machine->power_off(good ? cox::abi::ExitCode::kPass : cox::abi::ExitCode::kFail);
    env.log.print("error: the machine cannot be switched off: {}", off.error());
    return 1;
}
