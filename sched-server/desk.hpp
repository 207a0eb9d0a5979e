// SPDX-License-Identifier: MIT
//
// Desk: the server's side of the control page (cap/server_control.hpp). The main thread alone uses it; the answer to "retire"
// is the last agent's, while the main thread waits for it.
#pragma once

#include "cap/server_control.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sched {

class Desk {
public:
    Desk() = default;  // nobody can ask
    Desk(cap::ControlPage& page, cap::Notification answered) : page_(&page), answered_(answered) {}

    // The command that is to be answered, if there is one, as it was when it was copied.
    [[nodiscard]] std::optional<std::string_view> take() {
        if (page_ == nullptr) {
            return std::nullopt;
        }
        // Acquire: pairs with the asker's release.
        number_ = page_->asked.load(std::memory_order_acquire);
        if (number_ == page_->answered.load(std::memory_order_relaxed)) {
            return std::nullopt;
        }
        command_ = page_->command;
        return cap::ControlPage::clamped(command_, page_->command_size);
    }
    void answer(bool accepted, std::string_view text) {
        page_->accepted = accepted ? 1 : 0;
        page_->policy_size = cap::ControlPage::put(page_->policy, policy_);
        page_->text_size = cap::ControlPage::put(page_->text, text);
        page_->answered.store(number_, std::memory_order_release);  // pairs with the asker's acquire
        (void)answered_.signal(1);
    }
    // Which policy answers are to name.
    void in_charge(std::string_view policy) { policy_ = policy; }

private:
    cap::ControlPage* page_ = nullptr;
    cap::Notification answered_;
    std::uint32_t number_ = 0;
    decltype(cap::ControlPage::command) command_{};
    std::string_view policy_;
};

}  // namespace sched
