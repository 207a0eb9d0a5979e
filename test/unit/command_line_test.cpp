// SPDX-License-Identifier: MIT
#include "core/command_line.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <vector>

#include "support/mutate.hpp"

using namespace cox::core;

namespace {

std::vector<std::string> options(std::string_view text) {
    std::vector<std::string> result;
    CommandLine(text).for_each([&](const CommandLineOption& option) {
        result.push_back(std::string(option.key) + "|" + std::string(option.value));
    });
    return result;
}

using Options = std::vector<std::string>;

}  // namespace

TEST_CASE("command line: splitting") {
    CHECK(options("").empty());
    CHECK(options("  \t ").empty());
    CHECK(options("a") == Options{"a|"});
    CHECK(options("  a=1   b  c=x=y ") == Options{"a|1", "b|", "c|x=y"});
    CHECK(options("a= =b =") == Options{"a|", "|b", "|"});
    CHECK(options("one\ttwo\nthree") == Options{"one|", "two|", "three|"});
}

TEST_CASE("command line: quotes") {
    CHECK(options(R"(name="a b" x)") == Options{"name|a b", "x|"});
    CHECK(options(R"("name=a b" x)") == Options{"name|a b", "x|"});
    CHECK(options(R"("a b")") == Options{"a b|"});
    CHECK(options(R"(a="" b)") == Options{"a|", "b|"});
    CHECK(options(R"(a="open to the end)") == Options{"a|open to the end"});
    CHECK(options(R"(")") == Options{"|"});
    CHECK(options(R"(a=")") == Options{"a|"});
}

TEST_CASE("command line: find") {
    const CommandLine line("policy=fifo cpus=4 verbose policy=round_robin");
    CHECK(line.find("policy") == "round_robin");  // the last one wins
    CHECK(line.find("cpus") == "4");
    CHECK(line.find("verbose") == "");
    CHECK_FALSE(line.find("poli"));
    CHECK_FALSE(line.find("fifo"));
    CHECK_FALSE(line.find("policyx"));
    static_assert(CommandLine("a=b").find("a") == "b");
}

TEST_CASE("command line: numbers") {
    CHECK(parse_u64("0") == 0u);
    CHECK(parse_u64("007") == 7u);
    CHECK(parse_u64("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
    CHECK(parse_u64("0xFf") == 0xffu);
    CHECK(parse_u64("0XFFFFFFFFFFFFFFFF") == std::numeric_limits<std::uint64_t>::max());
    CHECK(parse_u64("32K") == 32u << 10);
    CHECK(parse_u64("3m") == 3u << 20);
    CHECK(parse_u64("0x10G") == std::uint64_t{16} << 30);
    CHECK(parse_u64("0xabc") == 0xabcu);
    static_assert(parse_u64("12") == 12u);

    for (const char* empty : {"", "K", "0x", "0xM"}) {
        CHECK(parse_u64(empty).error() == NumberError::kEmpty);
    }
    for (const char* bad :
         {"-1", "+1", " 1", "1 ", "1.5", "0b1", "1KK", "k1", "a", "1f", "0xz", "1T", "--"}) {
        INFO(bad);
        CHECK(parse_u64(bad).error() == NumberError::kBadDigit);
    }
    for (const char* large : {"18446744073709551616", "99999999999999999999", "0x10000000000000000",
                              "18014398509481984K", "17179869184G", "0x400000000G"}) {
        INFO(large);
        CHECK(parse_u64(large).error() == NumberError::kOverflow);
    }
    CHECK(parse_u64("17179869183G") == std::uint64_t{17179869183} << 30);
}

TEST_CASE("command line: no text makes it read outside or hang") {
    const std::string text = R"(policy=fifo "name=a b" slice=5 key="x y" 0x12K verbose)";
    const cox::test::ByteVector sample(reinterpret_cast<const std::byte*>(text.data()),
                                       reinterpret_cast<const std::byte*>(text.data()) + text.size());
    const auto walk = [](std::span<const std::byte> bytes) {
        const std::string_view view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        std::size_t total = 0;
        CommandLine(view).for_each([&](const CommandLineOption& option) {
            total += option.key.size() + option.value.size();
            (void)parse_u64(option.value);
            (void)parse_u64(option.key);
        });
        CHECK(total <= view.size());
    };
    cox::test::for_each_truncation(sample, [&](auto cut, std::size_t) { walk(cut); });
    cox::test::for_each_mutation(sample, 5, 5000, walk);
}
