// SPDX-License-Identifier: MIT
//
// chain: two chains of four threads. The first makes tokens, each hands what it gets to the next after some work, through a queue of
// four places in which both sides wait by park. Later stages have higher priorities.
//
// Series `through`: from a token's making to its arrival at the end. Operations: tokens. Fault `spoil_token`: a stage hands
// one on without working on it.
#include "workload/frame.hpp"
#include "workload/team.hpp"
#include "workload/work.hpp"

namespace {

using workload::Histogram;

constexpr std::uint32_t kChains = 2;
constexpr std::uint32_t kStages = 4;
constexpr std::uint64_t kTokens = 100;  // of a chain, times scale
constexpr std::uint64_t kSteps = 4'000;
constexpr std::uint32_t kPlaces = 4;

struct Token {
    std::uint64_t value;
    std::uint64_t made;  // TSC
};

// One thread puts, one takes.
class Queue {
public:
    void put(const Token& token) {
        vacant_.acquire();
        places_[put_++ % kPlaces] = token;
        filled_.release();
    }
    Token take() {
        filled_.acquire();
        const Token token = places_[taken_++ % kPlaces];
        vacant_.release();
        return token;
    }

private:
    std::array<Token, kPlaces> places_{};
    cap::Semaphore vacant_{kPlaces};
    cap::Semaphore filled_{0};
    std::uint64_t put_ = 0;
    std::uint64_t taken_ = 0;
};

struct Chain {
    std::array<Queue, kStages - 1> queues;  // behind each stage but the last
    Histogram through;
    std::uint64_t right = 0;  // tokens that have arrived in their order, with their values
};

std::array<Chain, kChains> chains;

void run_stage(Chain& chain, std::uint32_t stage, std::uint64_t first, std::uint64_t tokens, bool spoil) {
    for (std::uint64_t i = 0; i < tokens; ++i) {
        Token token = stage == 0 ? Token{first + i, cap::read_tsc()} : chain.queues[stage - 1].take();
        if (!spoil || i != tokens / 2) {
            token.value = workload::work(token.value, kSteps);
        }
        if (stage != kStages - 1) {
            chain.queues[stage].put(token);
            continue;
        }
        chain.through.add(cap::read_tsc() - token.made);
        chain.right += token.value == workload::outcome(first + i, kStages * kSteps) ? 1 : 0;
    }
}

cap::Result<void> chain(workload::Context& context) {
    const std::uint64_t tokens = kTokens * context.scale;
    workload::Team<kChains * kStages> team(context.env);
    for (std::uint32_t c = 0; c < kChains; ++c) {
        const std::uint64_t first = context.seed + c * tokens;
        for (std::uint32_t stage = 0; stage < kStages; ++stage) {
            const bool spoil = context.faulty && c == 0 && stage == 1;
            TRY(team.add(
                [c, stage, first, tokens, spoil] { run_stage(chains[c], stage, first, tokens, spoil); },
                {.priority = 128 + stage}));
        }
    }
    TRY(team.begin(context.report));
    TRY(team.join());
    TRY(context.report.end(kChains * tokens));

    static Histogram all;
    for (std::uint32_t c = 0; c < kChains; ++c) {
        context.report.check(chains[c].right == tokens,
                             "chain {}: {} of {} tokens arrived in order and whole", c, chains[c].right,
                             tokens);
        all.merge(chains[c].through);
    }
    context.report.series("through", all);
    return {};
}

}  // namespace

int cap_main(const cap::Env& env) { return workload::run(env, {"chain", "spoil_token", chain}); }
