// SPDX-License-Identifier: MIT
//
// The log. print() formats one line and writes it in one call, so lines of different threads never mix. What
// does not fit into kMaxLogLine is cut, and the line then ends in "...".
//
//     log.print("worker: index={} count={} mask={:x}", index, count, mask);
#pragma once

#include "abi/calls.hpp"
#include "cap/capability.hpp"
#include "cap/format.hpp"

#include <string_view>
#include <type_traits>

namespace cap {

using LogLine = LineBuffer<abi::kMaxLogLine>;

class Log : public Capability {
public:
    using Capability::Capability;

    // A log that was not given swallows everything; nobody could be told.
    template <class... Args>
    void print(FormatString<std::type_identity_t<Args>...> text, const Args&... args) const {
        LogLine line;
        line.print(text, args...);
        write(line.view());
    }

    // One line as it is, without its line end.
    void write(std::string_view line) const;
};

}  // namespace cap
