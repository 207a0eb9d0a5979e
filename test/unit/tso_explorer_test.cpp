// SPDX-License-Identifier: MIT
#include "support/tso_explorer.hpp"

#include <catch2/catch.hpp>

using cox::test::TsoExplorer;
using Port = TsoExplorer::Port;
using Cells = TsoExplorer::Cells;

// Store buffering: the one reordering that x86 allows, and the reason for full fences.
TEST_CASE("explorer: both loads may miss both stores without fences, never with them") {
    const auto both_zero_happens = [](bool fenced) {
        const auto actor = [fenced](std::size_t mine, std::size_t other, std::size_t result) {
            return [=](Port& port) {
                port.store(mine, 1);
                if (fenced) {
                    port.fence();
                }
                port.store(result, port.load(other) + 1);
            };
        };
        TsoExplorer explorer({actor(0, 1, 2), actor(1, 0, 3)},
                             [](const Cells& cells) { return !(cells[2] == 1 && cells[3] == 1); });
        return !explorer.holds({});
    };
    CHECK(both_zero_happens(false));
    CHECK_FALSE(both_zero_happens(true));
}

TEST_CASE("explorer: stores of one actor stay in order, and read-modify-writes are atomic") {
    TsoExplorer order({[](Port& port) {
                           port.store(0, 1);
                           port.store(1, 1);
                       },
                       [](Port& port) {
                           const std::uint64_t second = port.load(1);
                           port.store(2, second > port.load(0) ? 1 : 0);
                       }},
                      [](const Cells& cells) { return cells[2] == 0; });
    CHECK(order.holds({}));

    const auto add = [](Port& port) { port.fetch_add(0, 1); };
    TsoExplorer atomic({add, add, add}, [](const Cells& cells) { return cells[0] == 3; });
    CHECK(atomic.holds({}));
    const auto torn = [](Port& port) { port.store(0, port.load(0) + 1); };
    TsoExplorer lost({torn, torn}, [](const Cells& cells) { return cells[0] == 2; });
    CHECK_FALSE(lost.holds({}));
}
