// SPDX-License-Identifier: MIT
//
// Words: the words of one line of a scenario or trace, taken one after the other. What is wrong throws BadScenario,
// with the line's place before it.
#pragma once

#include "scenario.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace sim {

class Words {
public:
    // A # at the beginning or behind a space begins a comment.
    Words(std::string_view line, std::string place, std::uint32_t number = 0);

    [[nodiscard]] bool empty() const { return rest_.empty(); }
    // Its number.
    [[nodiscard]] std::uint32_t line() const { return number_; }
    // The next word, which must be there: it is `what`.
    std::string_view take(std::string_view what);

    std::uint64_t number(std::string_view what, std::uint64_t least, std::uint64_t most);
    std::uint64_t duration(std::string_view what);
    Distribution distribution(std::string_view what);
    // A list like 0,2-5 of CPUs below `count` -> their mask, kAnywhere if it is all of them.
    std::uint64_t cpus(std::uint32_t count);

    [[noreturn]] void fail(const std::string& what) const;

private:
    std::string_view rest_;
    std::string place_;
    std::uint32_t number_;
};

// Calls visit(words) for each line that is not empty.
template <class Visit>
void for_each_line(std::string_view text, const std::string& name, Visit visit) {
    for (std::uint32_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        Words words(text.substr(0, end), name + " line " + std::to_string(number), number);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!words.empty()) {
            visit(words);
        }
    }
}

}  // namespace sim
