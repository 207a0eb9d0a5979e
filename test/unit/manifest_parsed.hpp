// SPDX-License-Identifier: MIT
//
// What the tests of the manifest share: a text that is parsed when it is made, and the error that one must give.
#pragma once

#include "root/manifest.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace test {

using cox::manifest::Manifest;

struct Parsed {
    std::string text;  // what the manifest refers to
    std::unique_ptr<Manifest> manifest = std::make_unique<Manifest>();
    cox::manifest::Result<void> result;

    explicit Parsed(std::string from)
        : text(std::move(from)), result(cox::manifest::parse(text, *manifest)) {}
};

inline std::string with(const std::string& line) { return "[run]\nserver = off\n" + line + "\n"; }

inline void check_error(const std::string& text, std::uint32_t line, const std::string& key,
                        const std::string& part) {
    const Parsed parsed(text);
    CAPTURE(text);
    REQUIRE_FALSE(parsed.result.has_value());
    CHECK(parsed.result.error().line == line);
    CHECK(parsed.result.error().key == key);
    CHECK_THAT(std::string(parsed.result.error().message), Catch::Contains(part));
}

}  // namespace test
