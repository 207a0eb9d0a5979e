// SPDX-License-Identifier: MIT
//
// Looks at what it was given, and ends with 7 if that is exactly what the smoke manifest says: "log" and
// "bell" to write to, "scratch" as memory to read and write, itself, and nothing else.
#include "cap/env.hpp"

namespace hello {
namespace {

namespace abi = cox::abi;

constexpr int kExitRight = 7;

// "" or what is wrong.
std::string_view check(const cap::Env& env, std::string_view name, abi::ObjectType type, abi::Rights rights) {
    const auto capability = env.find<cap::Capability>(name);
    if (!capability) {
        return "is missing";
    }
    const auto identity = capability->identify();
    if (!identity || identity->type != type) {
        return "is of another type";
    }
    return identity->rights == rights ? "" : "has other rights than it should have";
}

std::string_view use(const cap::Env& env) {
    const auto address = env.space.reserve(1);
    const cap::Memory memory(*env.find_slot("scratch"));
    if (!address || !env.process.map(memory, *address, 0, 1, abi::kRead | abi::kWrite)) {
        return "scratch cannot be mapped";
    }
    auto& word = *reinterpret_cast<volatile std::uint64_t*>(*address);
    if (word != 0) {
        return "scratch is not zeroed";
    }
    word = 42;
    if (env.process.map(memory, *address + abi::kPageSize, 0, 1, abi::kExecute)) {
        return "scratch can be mapped executable";
    }
    const cap::Notification bell(*env.find_slot("bell"));
    if (bell.poll()) {
        return "bell can be read";
    }
    return bell.signal(1) ? "" : "bell cannot be signalled";
}

}  // namespace
}  // namespace hello

int cap_main(const cap::Env& env) {
    struct Expected {
        std::string_view name;
        cox::abi::ObjectType type;
        cox::abi::Rights rights;
    };
    using cox::abi::ObjectType;
    constexpr Expected kExpected[] = {
        {"process", ObjectType::kProcess, cox::abi::kAllRights},
        {"thread", ObjectType::kThread, cox::abi::kAllRights},
        {"log", ObjectType::kLog, cox::abi::kWrite},
        {"bell", ObjectType::kNotification, cox::abi::kWrite},
        {"scratch", ObjectType::kMemory, cox::abi::kRead | cox::abi::kWrite},
    };
    for (const Expected& expected : kExpected) {
        const auto wrong = hello::check(env, expected.name, expected.type, expected.rights);
        if (!wrong.empty()) {
            env.log.print("hello: capability {} {}", expected.name, wrong);
            return 1;
        }
    }
    if (env.info.cap_count != std::size(kExpected)) {
        env.log.print("hello: {} capabilities instead of {}", env.info.cap_count, std::size(kExpected));
        return 1;
    }
    if (const auto wrong = hello::use(env); !wrong.empty()) {
        env.log.print("hello: {}", wrong);
        return 1;
    }
    env.log.print("hello: {}", env.arguments());
    return hello::kExitRight;
}
