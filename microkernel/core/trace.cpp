// SPDX-License-Identifier: MIT
#include "core/trace.hpp"

#include <algorithm>
#include <iterator>

namespace cox::core {

std::optional<std::uint32_t> parse_trace_classes(std::string_view text) {
    std::uint32_t classes = 0;
    while (!text.empty()) {
        const auto name = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), name.size() + 1));
        const auto* found = std::ranges::find(kTraceClassNames, name);
        if (found != std::end(kTraceClassNames))
            classes |= 1u << (found - kTraceClassNames);
        else if (name == "names")
            classes |= kTraceNames;
        else if (name == "all")
            classes |= (1u << std::size(kTraceClassNames)) - 1;
        else
            return std::nullopt;
    }
    return classes;
}

}  // namespace cox::core
