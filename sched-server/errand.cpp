// SPDX-License-Identifier: MIT
#include "errand.hpp"

#include "cap/format.hpp"

namespace sched {
namespace {

class TextReport final : public Report {
public:
    explicit TextReport(cap::LineWriter& text) : text_(text) {}
    void number(std::string_view name, std::uint64_t value) override {
        text_.print("{}{}={}", text_.view().empty() ? "" : " ", name, value);
    }

private:
    cap::LineWriter& text_;
};

}  // namespace

void run_errand(Errand& errand, Dispatcher& dispatcher, std::uint64_t now_ns) {
    TextReport report(*errand.text);
    errand.accepted = true;
    switch (errand.kind) {
        case Command::Kind::kSwap: dispatcher.set_policy(*errand.next, now_ns); break;
        case Command::Kind::kSet:
            errand.accepted = set_all(dispatcher.policy(), errand.settings, *errand.text);
            dispatcher.parameters_changed(now_ns);
            break;
        case Command::Kind::kStatistics: dispatcher.policy().statistics(report); break;
        case Command::Kind::kDump:
            report.number("enqueued", dispatcher.enqueued());
            dispatcher.policy().dump(report);
            break;
        case Command::Kind::kPolicies:
        case Command::Kind::kRetire: errand.accepted = false; break;  // the main thread's own
    }
}

}  // namespace sched
