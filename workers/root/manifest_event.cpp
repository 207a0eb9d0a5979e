// SPDX-License-Identifier: MIT
//
// What an event does.
#include "root/manifest_values.hpp"

#include <algorithm>

namespace cox::manifest {

bool read_event(std::string_view text, Event& out) {
    constexpr std::string_view kCommands[] = {"swap", "set", "statistics", "dump", "policies"};
    constexpr std::size_t kMaxCommand = 500;  // docs/server-control.md
    std::string_view rest = text;
    const std::string_view verb = take_word(rest);
    rest = trim(rest);
    if (verb == "kill" && rest.empty()) {
        out.kind = Event::Kind::kKill;
        return true;
    }
    if (verb == "replace") {
        const std::string_view program = take_word(rest);
        if (!trim(rest).empty()) {
            return false;
        }
        out.kind = Event::Kind::kReplace;
        out.text = program;
        return true;
    }
    if (text.size() > kMaxCommand || std::ranges::find(kCommands, verb) == std::end(kCommands)) {
        return false;
    }
    out.kind = Event::Kind::kCommand;
    out.text = text;
    return true;
}

}  // namespace cox::manifest
