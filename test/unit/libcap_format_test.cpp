// SPDX-License-Identifier: MIT
#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "cap/format.hpp"

using namespace cap;

namespace {

template <class... Args>
std::string formatted(FormatString<std::type_identity_t<Args>...> text, const Args&... args) {
    LineBuffer<96> line;
    line.print(text, args...);
    return std::string(line.view());
}

}  // namespace

TEST_CASE("libcap format: text, integers, hexadecimal, braces") {
    CHECK(formatted("plain") == "plain");
    CHECK(formatted("") == "");
    CHECK(formatted("a={} b={:x} c={}", 1, 255u, "x") == "a=1 b=ff c=x");
    CHECK(formatted("{}{}", std::string_view("one"), 't') == "onet");
    CHECK(formatted("{{{}}}", 5) == "{5}");
    CHECK(formatted("{} {}", true, false) == "true false");
    CHECK(formatted("{}", abi::Error::kNoRight) == "NoRight");
}

TEST_CASE("libcap format: the ends of every integer type") {
    CHECK(formatted("{}", 0) == "0");
    CHECK(formatted("{:x}", 0) == "0");
    CHECK(formatted("{}", std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
    CHECK(formatted("{}", std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
    CHECK(formatted("{:x}", std::numeric_limits<std::uint64_t>::max()) == "ffffffffffffffff");
    CHECK(formatted("{:x}", -255) == "-ff");
    CHECK(formatted("{} {}", std::uint8_t{200}, std::int8_t{-128}) == "200 -128");
}

TEST_CASE("libcap format: what does not fit is cut, visibly and once") {
    LineBuffer<8> exact;
    exact.print("{}", "12345678");
    CHECK(exact.view() == "12345678");
    CHECK(!exact.truncated());

    LineBuffer<8> over;
    over.print("{}", "123456789");
    CHECK(over.view() == "12345...");
    CHECK(over.truncated());
    over.print("more");
    CHECK(over.view() == "12345...");

    LineBuffer<8> second;
    second.append("1234567");
    second.append("89");
    CHECK(second.view() == "12345...");
}

TEST_CASE("libcap errors: every one has its name") {
    for (std::int64_t raw = 0; raw >= static_cast<std::int64_t>(abi::kLastError); --raw) {
        if (raw < static_cast<std::int64_t>(abi::Error::kNoCaller) &&
            raw > static_cast<std::int64_t>(abi::Error::kQuota)) {
            continue;  // not given out
        }
        CHECK(error_name(static_cast<abi::Error>(raw)) != "?");
    }
    CHECK(error_name(static_cast<abi::Error>(-1000)) == "?");
    CHECK(to_result(-4).error() == abi::Error::kNoRight);
    CHECK(to_result(4) == 4);
}
