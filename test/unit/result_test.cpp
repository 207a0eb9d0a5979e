// SPDX-License-Identifier: MIT
#include "core/result.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <optional>

#include "core/assert.hpp"
#include "support/assert_failed.hpp"

using namespace cox;
using core::fail;
using core::Result;

namespace {

Result<int> half(int value) {
    if (value % 2 != 0) {
        return fail(abi::Error::kBadArgument);
    }
    return value / 2;
}

Result<int> quarter(int value, int& reached) {
    const int once = TRY(half(value));
    ++reached;
    const int twice = TRY(half(once));
    ++reached;
    return twice;
}

Result<void> check(int value) {
    TRY(half(value));
    return {};
}

Result<std::unique_ptr<int>> boxed(int value) {
    TRY(check(value));
    auto box = TRY(Result<std::unique_ptr<int>>(std::make_unique<int>(value)));
    return box;
}

Result<int> of_optional(std::optional<int> value) { return TRY_OR(value, abi::Error::kNoSlot) + 1; }

}  // namespace

TEST_CASE("result: TRY passes the value on, or the error at once") {
    int reached = 0;
    CHECK(quarter(12, reached) == 3);
    CHECK(reached == 2);
    reached = 0;
    CHECK(quarter(6, reached).error() == abi::Error::kBadArgument);
    CHECK(reached == 1);
    CHECK(check(2).has_value());
    CHECK(check(1).error() == abi::Error::kBadArgument);
    CHECK(*boxed(4).value() == 4);
    CHECK(boxed(3).error() == abi::Error::kBadArgument);
    CHECK(of_optional(1) == 2);
    CHECK(of_optional(std::nullopt).error() == abi::Error::kNoSlot);
}

TEST_CASE("assert: a false condition reports itself, a true one is evaluated once") {
    int evaluations = 0;
    COX_ASSERT(++evaluations == 1);
    CHECK(evaluations == 1);
    CHECK_THROWS_AS([&] { COX_ASSERT(evaluations == 2); }(), test::AssertFailed);
    CHECK_THROWS_WITH([&] { COX_ASSERT(evaluations == 2); }(),
                      Catch::Contains("evaluations == 2") && Catch::Contains("result_test.cpp:"));
}
