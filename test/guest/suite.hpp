// SPDX-License-Identifier: MIT
//
// The frame of a guest test: a program that is the root task, runs its cases one after the other, reports
// each and switches the machine off.
//
//     void addition(test::Case& t) { REQUIRE_EQUAL(t, 1 + 1, 2); }
//     constexpr test::Entry kCases[] = {{"addition", addition}};
//     int cap_main(const cap::Env& env) { return test::run(env, "arithmetic", kCases); }
//
// A REQUIRE that is not met notes where and why, and returns from the function that it stands in; the case
// has failed then, whatever follows. What a case builds is therefore taken down by destructors.
#pragma once

#include "cap/env.hpp"
#include "cap/machine.hpp"
#include "core/command_line.hpp"
#include "support/patience.hpp"

#include <concepts>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace test {

namespace abi = cox::abi;

// What a case's function is given.
class Case {
public:
    Case(const cap::Env& environment, cap::Machine its_machine, std::uint64_t its_seed)
        : env(environment), machine(its_machine), seed(its_seed) {}

    const cap::Env& env;
    const cap::Machine machine;
    const std::uint64_t seed;  // `seed=` of the kernel's command line

    [[nodiscard]] std::uint32_t cpus() const { return static_cast<std::uint32_t>(env.info.cpu_count); }

    // The first one counts.
    template <class... Args>
    void fail(cap::FormatString<std::type_identity_t<Args>...> text, const Args&... args) {
        if (!failed_) {
            failed_ = true;
            message_.print(text, args...);
        }
    }
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] std::string_view message() const { return message_.view(); }

private:
    bool failed_ = false;
    cap::LineBuffer<300> message_;
};

struct Entry {
    std::string_view name;
    void (*body)(Case&);
};

// A value as a failure shows it: numbers, enumerators by number, errors by name, results as "ok" or their
// error.
inline void show(cap::LineWriter& line, abi::Error error) { line.print("{}", error); }
template <class T>
void show(cap::LineWriter& line, const T& value) {
    if constexpr (std::is_enum_v<T>) {
        line.print("{}", static_cast<std::uint64_t>(value));
    } else {
        line.print("{}", value);
    }
}
template <class T>
void show(cap::LineWriter& line, const cap::Result<T>& result) {
    result ? line.append("ok") : line.print("{}", result.error());
}

struct Place {
    std::string_view file;
    int line;
};

template <class A, class B>
bool require_equal(Case& t, Place place, std::string_view expression, const A& actual, const B& expected) {
    if constexpr (std::integral<A> && std::integral<B> && !std::same_as<A, B>) {
        if (std::cmp_equal(actual, expected)) {
            return true;
        }
    } else if (actual == expected) {
        return true;
    }
    cap::LineBuffer<64> is;
    cap::LineBuffer<64> should_be;
    show(is, actual);
    show(should_be, expected);
    t.fail("{}:{}: {} is {}, should be {}", place.file, place.line, expression, is.view(), should_be.view());
    return false;
}

template <class T>
bool require_error(Case& t, Place place, std::string_view expression, const cap::Result<T>& result,
                   abi::Error expected) {
    if (!result && result.error() == expected) {
        return true;
    }
    cap::LineBuffer<64> is;
    show(is, result);
    t.fail("{}:{}: {} is {}, should be {}", place.file, place.line, expression, is.view(), expected);
    return false;
}

// A message as the value of a record's field: no quotes of its own.
inline void append_quotable(cap::LineWriter& line, std::string_view text) {
    for (const char c : text) {
        line.append(c == '"' || c == '\\' ? "'" : std::string_view(&c, 1));
    }
}

inline bool run_case(const cap::Env& env, cap::Machine machine, std::uint64_t seed, const Entry& entry) {
    Case t(env, machine, seed);
    entry.body(t);
    cap::LogLine line;
    line.print("case: name={} result={}", entry.name, t.failed() ? "fail" : "pass");
    if (t.failed()) {
        line.append(" message=\"");
        append_quotable(line, t.message());
        line.append("\"");
    }
    env.log.write(line.view());
    return !t.failed();
}

// Returns only if the machine cannot be switched off.
inline int run(const cap::Env& env, std::string_view suite, std::span<const Entry> cases) {
    const auto machine = env.find<cap::Machine>("machine");
    if (!machine) {
        env.log.write("error: a guest test must be the root task: it was given no capability machine");
        return 1;
    }
    const cox::core::CommandLine arguments(env.arguments());
    const std::uint64_t seed = cox::core::parse_u64(arguments.find("seed").value_or("1")).value_or(1);
    if (const auto text = arguments.find("patience_ms")) {
        patience_ns = cox::core::parse_u64(*text).value_or(0) * kMillisecond;
    }
    env.log.print("suite: name={} cases={}", suite, cases.size());
    env.log.print("test: seed={} cpus={}", seed, env.info.cpu_count);
    std::uint64_t passed = 0;
    for (const Entry& entry : cases) {
        passed += run_case(env, *machine, seed, entry);
    }
    const std::uint64_t failed = cases.size() - passed;
    env.log.print("suite: name={} passed={} failed={} verdict={}", suite, passed, failed,
                  failed == 0 ? "ok" : "failed");
    (void)machine->power_off(failed == 0 ? abi::ExitCode::kPass : abi::ExitCode::kFail);
    return 1;
}

}  // namespace test

#define TEST_PLACE (test::Place{__FILE_NAME__, __LINE__})

#define REQUIRE(t, condition)                                           \
    do {                                                                \
        if (!(condition)) {                                             \
            (t).fail("{}:{}: {}", __FILE_NAME__, __LINE__, #condition); \
            return;                                                     \
        }                                                               \
    } while (false)

#define REQUIRE_EQUAL(t, actual, expected)                                          \
    do {                                                                            \
        if (!test::require_equal(t, TEST_PLACE, #actual, actual, expected)) return; \
    } while (false)

// Of a result: that it is no error.
#define REQUIRE_OK(t, result)                                                               \
    do {                                                                                    \
        if (const auto& outcome = (result); !outcome) {                                     \
            (t).fail("{}:{}: {} is {}", __FILE_NAME__, __LINE__, #result, outcome.error()); \
            return;                                                                         \
        }                                                                                   \
    } while (false)

#define REQUIRE_ERROR(t, result, expected)                                          \
    do {                                                                            \
        if (!test::require_error(t, TEST_PLACE, #result, result, expected)) return; \
    } while (false)

// The value of a result; of an error, the case has failed and the function returns.
#define MUST(t, ...)                                                                                  \
    __extension__({                                                                                   \
        auto must_result_ = (__VA_ARGS__);                                                            \
        if (!must_result_) {                                                                          \
            (t).fail("{}:{}: {} is {}", __FILE_NAME__, __LINE__, #__VA_ARGS__, must_result_.error()); \
            return;                                                                                   \
        }                                                                                             \
        cox::core::detail::value_of(std::move(must_result_));                                         \
    })
