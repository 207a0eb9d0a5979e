// SPDX-License-Identifier: MIT
//
// The scheduler server's arguments. Accepted ones, written again, mean the same; of others exactly one line says what is
// wrong.
#include "options.hpp"

#include <string>

#include "fuzz.hpp"

namespace cox::fuzz {
namespace {

bool check(Bytes input) {
    cap::LineBuffer<160> error;
    const auto options = sched::parse_options(core::as_text(input), error);
    if (!options) {
        FUZZ_CHECK(error.view().starts_with("error: "));
        return false;
    }
    FUZZ_CHECK(error.view().empty());
    FUZZ_CHECK(options->policy != nullptr && options->cpus != 0);
    FUZZ_CHECK(sched::find_policy(options->policy->name) == options->policy);
    std::string again =
        "policy=" + std::string(options->policy->name) + " cpus=" + std::to_string(options->cpus);
    if (options->fault.ignore) {
        again += " fault=ignore";
    } else if (options->fault.exit_after != 0) {
        again += " fault=exit_after=" + std::to_string(options->fault.exit_after);
    } else if (options->fault.drop_wake != 0) {
        again += " fault=drop_wake=" + std::to_string(options->fault.drop_wake);
    }
    const auto reread = sched::parse_options(again, error);
    FUZZ_CHECK(reread && reread->policy == options->policy && reread->cpus == options->cpus);
    FUZZ_CHECK(reread->fault.ignore == options->fault.ignore &&
               reread->fault.exit_after == options->fault.exit_after &&
               reread->fault.drop_wake == options->fault.drop_wake);
    return true;
}

std::vector<ByteVector> seeds() {
    return {bytes_of(""), bytes_of("policy=fifo cpus=0x3"),
            bytes_of("fault=exit_after=100 policy=round_robin"), bytes_of("fault=ignore cpus=1K"),
            bytes_of("fault=drop_wake=7")};
}

}  // namespace

const Target kTarget{check, seeds};

}  // namespace cox::fuzz
