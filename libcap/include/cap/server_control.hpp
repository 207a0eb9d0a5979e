// SPDX-License-Identifier: MIT
//
// ServerControl: asks the scheduler server to change its policy and the like, by a page of memory that both have mapped.
// docs/server-control.md says which commands there are. One command at a time; one asker.
#pragma once

#include "cap/process.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cap {

inline constexpr std::uint64_t kServerAtWork = 1;    // bits of the server's notification "ready"
inline constexpr std::uint64_t kServerStandsBy = 2;  // it waits for its predecessor to leave

// Zeroed at first. Each half is written by one side, before it stores the number at its head with release.
struct ControlPage {
    static constexpr std::size_t kMaxCommand = 511;
    static constexpr std::size_t kMaxText = 3000;

    // Whoever asks.
    alignas(64) std::atomic<std::uint32_t> asked;
    std::uint32_t command_size;
    std::array<char, kMaxCommand + 1> command;
    // The server.
    alignas(64) std::atomic<std::uint32_t> answered;
    std::uint32_t accepted;
    std::uint32_t policy_size;
    std::uint32_t text_size;
    std::array<char, 24> policy;
    std::array<char, kMaxText> text;

    // What the other side wrote, whatever it says of its size.
    template <std::size_t N>
    static std::string_view clamped(const std::array<char, N>& text, std::uint32_t size) {
        return {text.data(), std::min<std::size_t>(size, N)};
    }
    // Cut where the room ends.
    template <std::size_t N>
    static std::uint32_t put(std::array<char, N>& text, std::string_view what) {
        return static_cast<std::uint32_t>(what.copy(text.data(), N));
    }
};
static_assert(sizeof(ControlPage) <= abi::kPageSize);

class ServerControl {
public:
    // Texts are in the page: they change with the next answer.
    struct Answer {
        bool accepted;
        std::string_view policy;  // in charge
        std::string_view text;
    };

    ServerControl(ControlPage& page, Notification call) : page_(&page), call_(call) {}

    // kBusy: the last command is not answered yet; kBadArgument: too long.
    [[nodiscard]] Result<void> ask(std::string_view command) const {
        const std::uint32_t number = page_->asked.load(std::memory_order_relaxed);
        if (page_->answered.load(std::memory_order_relaxed) != number) {
            return fail(abi::Error::kBusy);
        }
        if (command.size() > ControlPage::kMaxCommand) {
            return fail(abi::Error::kBadArgument);
        }
        page_->command_size = ControlPage::put(page_->command, command);
        page_->asked.store(number + 1, std::memory_order_release);  // pairs with the server's acquire
        return call_.signal(1);
    }
    // To the last command, once it is there. (The server signals "answered" then.)
    [[nodiscard]] std::optional<Answer> answer() const {
        // Acquire: pairs with the server's release.
        if (page_->answered.load(std::memory_order_acquire) != page_->asked.load(std::memory_order_relaxed)) {
            return std::nullopt;
        }
        return Answer{page_->accepted != 0, ControlPage::clamped(page_->policy, page_->policy_size),
                      ControlPage::clamped(page_->text, page_->text_size)};
    }

private:
    ControlPage* page_;
    Notification call_;
};

}  // namespace cap
