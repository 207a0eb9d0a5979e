// SPDX-License-Identifier: MIT
//
// Which keys each section has. set_key() gives the key its value, or says what would be allowed.
#pragma once

#include "root/manifest.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace cox::manifest {

// One "key = value", and which keys the section has had: a key may stand once.
struct Assignment {
    std::uint32_t line;
    std::string_view key;
    std::string_view value;
};

template <class Section>
[[nodiscard]] Result<void> set_key(Section& section, const Assignment& assignment, std::uint64_t& seen);

extern template Result<void> set_key(Run&, const Assignment&, std::uint64_t&);
extern template Result<void> set_key(Server&, const Assignment&, std::uint64_t&);
extern template Result<void> set_key(Domain&, const Assignment&, std::uint64_t&);
extern template Result<void> set_key(Object&, const Assignment&, std::uint64_t&);
extern template Result<void> set_key(Program&, const Assignment&, std::uint64_t&);
extern template Result<void> set_key(Event&, const Assignment&, std::uint64_t&);

}  // namespace cox::manifest
