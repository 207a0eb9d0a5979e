// SPDX-License-Identifier: MIT
#include "workload/frame.hpp"

#include "core/command_line.hpp"

#include <optional>

namespace workload {

namespace {

constexpr int kExitWrong = 1;
constexpr int kExitUsage = 2;
constexpr std::string_view kSizes = "smoke, default, large";

std::optional<std::uint64_t> scale_of(std::string_view size) {
    if (size == "smoke") {
        return 1;
    }
    if (size == "default") {
        return 5;
    }
    return size == "large" ? std::optional<std::uint64_t>(50) : std::nullopt;
}

}  // namespace

int run(const cap::Env& env, const Workload& workload) {
    const cox::core::CommandLine arguments(env.arguments());
    const std::string_view size = arguments.find("size").value_or("default");
    const std::string_view fault = arguments.find("fault").value_or("none");
    const auto scale = scale_of(size);
    const auto seed = cox::core::parse_u64(arguments.find("seed").value_or("0"));
    const auto machine = env.find<cap::Machine>("machine");
    if (!scale) {
        env.log.print("error: size \"{}\" unknown; known: {}", size, kSizes);
        return kExitUsage;
    }
    if (fault != "none" && fault != workload.fault) {
        env.log.print("error: fault \"{}\" unknown; known: none {}", fault, workload.fault);
        return kExitUsage;
    }
    if (!seed || !machine) {
        env.log.write("error: a workload needs a number as seed=, and the capability machine");
        return kExitUsage;
    }
    Report report(env, *machine);
    Context context{env,   static_cast<std::uint32_t>(env.info.cpu_count), *scale, *seed, fault != "none",
                    report};
    if (const auto done = workload.body(context); !done) {
        report.wrong("{}", done.error());
    }
    return report.write(workload.name, size, *seed) ? 0 : kExitWrong;
}

}  // namespace workload
