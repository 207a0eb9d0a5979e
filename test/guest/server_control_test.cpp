// SPDX-License-Identifier: MIT
//
// Commands to the running server, its retirement and its replacement (docs/server-control.md). What happens to a load meanwhile is
// the storm's matter (swap_storm_test.cpp).
#include "support/load.hpp"
#include "support/observe.hpp"
#include "support/server_seat.hpp"

namespace {

using namespace test;

constexpr std::string_view kArguments = "policy=round_robin slice_us=1000";

// The answer as one text: "accepted round_robin: ...".
struct Reply : cap::LineBuffer<200> {
    Reply(ServerSeat& seat, std::string_view command) {
        if (const auto answer = seat.ask(command)) {
            print("{} {}: {}", answer->accepted ? "accepted" : "refused", answer->policy, answer->text);
        }
    }
};

#define REQUIRE_REPLY(t, seat, command, expected)                                               \
    do {                                                                                        \
        const Reply reply(seat, command);                                                       \
        if (!reply.view().starts_with(expected)) {                                              \
            (t).fail("{}:{}: \"{}\" -> {}", __FILE_NAME__, __LINE__, std::string_view(command), \
                     reply.view());                                                             \
            return;                                                                             \
        }                                                                                       \
    } while (false)

void swaps_and_refusals(Case& t) {
    Load load(t, 1, 1);
    ServerSeat seat(t);
    REQUIRE(t, seat.start(kArguments));
    REQUIRE_REPLY(t, seat, "policies", "accepted round_robin: ");
    REQUIRE_REPLY(t, seat, "policies", "accepted round_robin: ");
    REQUIRE_REPLY(t, seat, "swap policy=nosuch",
                  "refused round_robin: error: policy \"nosuch\" unknown; known: ");
    REQUIRE_REPLY(t, seat, "swap policy=fifo slice_us=9",
                  "refused round_robin: error: policy fifo has no parameter \"slice_us\"; known: none");
    REQUIRE_REPLY(t, seat, "swap policy=round_robin slice_us=7",
                  "refused round_robin: error: parameter slice_us=7 is not a number from 100 to 1000000");
    REQUIRE_REPLY(t, seat, "swap", "refused round_robin: error: swap needs policy=NAME");
    REQUIRE(t, load.all_progress());
    REQUIRE_REPLY(t, seat, "swap policy=fifo", "accepted fifo: ");
    REQUIRE_REPLY(t, seat, "set slice_us=500", "refused fifo: error: policy fifo has no parameter");
    REQUIRE_REPLY(t, seat, "swap policy=round_robin slice_us=400", "accepted round_robin: ");
    REQUIRE_REPLY(t, seat, "set slice_us=500", "accepted round_robin: ");
    REQUIRE_REPLY(t, seat, "set slice_us=500 slice_us=1",
                  "refused round_robin: error: parameter slice_us=1 ");
    REQUIRE_REPLY(t, seat, "dump", "accepted round_robin: enqueued=");
    REQUIRE_REPLY(t, seat, "statistics", "accepted round_robin: ");
    REQUIRE_REPLY(t, seat, "", "refused round_robin: error: command \"\" unknown; known: swap set ");
    REQUIRE(t, load.all_progress());
    REQUIRE(t, load.pairs_in_step());
}

void one_command_at_a_time(Case& t) {
    ServerSeat seat(t);
    REQUIRE(t, seat.start(kArguments));
    std::array<char, cap::ControlPage::kMaxCommand + 1> long_one{};
    long_one.fill('x');
    const Owned call(MUST(t, t.env.process.create_notification()));
    const cap::ServerControl control(seat.page(), *call);  // a bell that nobody hears
    REQUIRE_ERROR(t, control.ask({long_one.data(), long_one.size()}), abi::Error::kBadArgument);
    REQUIRE_OK(t, control.ask("dump"));
    REQUIRE_ERROR(t, control.ask("dump"), abi::Error::kBusy);
    REQUIRE(t, !control.answer());
}

// Whatever stands in the page, the server answers, and serves on.
void nonsense_in_the_page(Case& t) {
    Load load(t, 1, 1);
    ServerSeat seat(t);
    REQUIRE(t, seat.start(kArguments));
    Random random(t.seed);
    for (int round = 0; round < 50 && !t.failed(); ++round) {
        cap::ControlPage& page = seat.page();
        REQUIRE(t, seat.post("dump"));
        page.command_size = static_cast<std::uint32_t>(random.next());
        for (char& c : page.command) {
            c = static_cast<char>(random.next());
        }
        page.policy_size = page.text_size = static_cast<std::uint32_t>(random.next());
        REQUIRE(t, eventually(t.env.clock, [&] { return seat.answer().has_value(); }));
    }
    REQUIRE_REPLY(t, seat, "dump", "accepted round_robin: enqueued=");
    REQUIRE(t, load.all_progress());
}

void retires(Case& t) {
    Load load(t, 1, 1);
    ServerSeat seat(t);
    REQUIRE(t, seat.start(kArguments));
    REQUIRE_REPLY(t, seat, "retire", "accepted round_robin: ");
    const auto code = seat.server().wait_exit();
    REQUIRE_OK(t, code);
    REQUIRE_EQUAL(t, *code, 0U);
    REQUIRE(t, load.all_progress());
}

void replaced(Case& t) {
    Load load(t, 1, 1);
    ServerSeat seat(t);
    REQUIRE(t, seat.start(kArguments));
    for (int round = 0; round < 6 && !t.failed(); ++round) {
        REQUIRE(t, seat.replace(round % 2 == 0 ? "policy=round_robin agents=central" : kArguments,
                                round % 3 != 2));
        REQUIRE_REPLY(t, seat, "dump", "accepted round_robin: enqueued=");
        REQUIRE(t, load.all_progress());
    }
    REQUIRE(t, load.pairs_in_step());
}

// The next server says what it does not know.
void asked_of_one_that_died(Case& t) {
    ServerSeat seat(t);
    REQUIRE(t, seat.start(kArguments));
    REQUIRE(t, seat.kill());
    REQUIRE(t, seat.post("swap policy=fifo"));
    REQUIRE(t, seat.start(kArguments));
    REQUIRE(t, eventually(t.env.clock, [&] { return seat.answer().has_value(); }));
    REQUIRE(t, !seat.answer()->accepted);
    REQUIRE(t, seat.answer()->text == "error: the server has started anew; ask again");
    REQUIRE(t, seat.answer()->policy == "round_robin");
    REQUIRE_REPLY(t, seat, "swap policy=fifo", "accepted fifo: ");
}

constexpr Entry kCases[] = {
    {"swaps_and_refusals", swaps_and_refusals},
    {"one_command_at_a_time", one_command_at_a_time},
    {"nonsense_in_the_page", nonsense_in_the_page},
    {"retires", retires},
    {"replaced", replaced},
    {"asked_of_one_that_died", asked_of_one_that_died},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "server_control", kCases); }
