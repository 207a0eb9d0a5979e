// SPDX-License-Identifier: MIT
//
// Child: a process that runs test/child (child.cpp), which does what its arguments say. It dies with this
// object.
#pragma once

#include "cap/spawn.hpp"
#include "core/cpio.hpp"
#include "support/patience.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>

namespace test {

inline constexpr std::uint64_t kFaultExitCode = 0xfa17;  // of a thread that an exception ended
inline constexpr std::uint64_t kDoneExitCode = 7;        // of a child that did what it should and lived

class Child {
public:
    struct Options {
        std::uint64_t affinity = 0;
        std::span<const cap::GivenCap> caps = {};  // at most 8, besides the log
        cox::abi::CapSlot quota = {};
    };

    // Not started yet. `arguments`: "mode=... value=...", see child.cpp.
    [[nodiscard]] static cap::Result<Child> create(const cap::Env& env, std::string_view arguments,
                                                   const Options& options) {
        const auto archive = cox::core::CpioArchive::open(env.archive());
        const auto image = archive ? archive->find("test/child") : std::nullopt;
        if (!image || options.caps.size() > 8) {
            return cox::core::fail(cox::abi::Error::kBadArgument);
        }
        std::array<cap::GivenCap, 9> caps = {{{"log", env.log.slot(), cox::abi::kWrite}}};
        std::ranges::copy(options.caps, caps.begin() + 1);
        return Child(TRY(cap::spawn(env, {.name = "child",
                                          .image = *image,
                                          .arguments = arguments,
                                          .caps = std::span(caps).first(1 + options.caps.size()),
                                          .quota = options.quota,
                                          .affinity = options.affinity})));
    }
    [[nodiscard]] static cap::Result<Child> create(const cap::Env& env, std::string_view arguments) {
        return create(env, arguments, {});
    }
    [[nodiscard]] static cap::Result<Child> start(const cap::Env& env, std::string_view arguments) {
        Child child = TRY(create(env, arguments));
        TRY(child->thread.start());
        return child;
    }

    Child(Child&& other) noexcept : spawned_(std::exchange(other.spawned_, {})) {}
    Child& operator=(Child&&) = delete;
    ~Child() {
        if (spawned_.process) {
            spawned_.discard(0);
        }
    }

    const cap::Spawned* operator->() const { return &spawned_; }

    [[nodiscard]] cap::Result<std::uint64_t> wait(const cap::Env& env) const {
        return spawned_.process.wait_exit(env.ring, patience_ns);
    }
    [[nodiscard]] cap::Result<std::uint64_t> run(const cap::Env& env) const {
        TRY(spawned_.thread.start());
        return wait(env);
    }

private:
    explicit Child(const cap::Spawned& spawned) : spawned_(spawned) {}

    cap::Spawned spawned_;
};

}  // namespace test
