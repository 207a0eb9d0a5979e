// SPDX-License-Identifier: MIT
//
// Explores every interleaving of a few actors on shared memory as x86 orders it: each actor's plain stores
// wait in its own buffer, first in first out, and reach memory at any later moment; its loads see its own
// buffer first; a fence and every read-modify-write empty the buffer before they act. Without a fence, a load
// may so overtake an earlier store.
//
// An actor is a function that touches shared memory only through its Port. It is started again from the
// beginning for every step, with the answers that it got so far, and stopped by an exception at the first
// operation beyond them; so it must be deterministic. States that two interleavings share are visited once,
// which keeps the count small.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace cox::test {

inline constexpr std::size_t kCells = 16;

class TsoExplorer {
public:
    using Cells = std::array<std::uint64_t, kCells>;
    struct Buffered {
        std::size_t cell;
        std::uint64_t value;
        auto operator<=>(const Buffered&) const = default;
    };
    struct ActorState {
        std::vector<std::uint64_t> answers;
        std::vector<Buffered> buffer;
        bool done = false;
        auto operator<=>(const ActorState&) const = default;
    };
    struct State {
        Cells memory{};
        std::vector<ActorState> actors;
        auto operator<=>(const State&) const = default;
    };

    // An actor's door to memory. Every operation is one step.
    class Port {
    public:
        std::uint64_t load(std::size_t cell) {
            return step([&] {
                for (auto entry = self_.buffer.rbegin(); entry != self_.buffer.rend(); ++entry) {
                    if (entry->cell == cell) {
                        return entry->value;
                    }
                }
                return memory_[cell];
            });
        }
        void store(std::size_t cell, std::uint64_t value) {
            step([&] {
                self_.buffer.push_back({cell, value});
                return std::uint64_t{0};
            });
        }
        bool compare_exchange(std::size_t cell, std::uint64_t expected, std::uint64_t desired) {
            return step([&] {
                       flush_all();
                       const bool equal = memory_[cell] == expected;
                       memory_[cell] = equal ? desired : memory_[cell];
                       return std::uint64_t{equal};
                   }) != 0;
        }
        std::uint64_t fetch_add(std::size_t cell, std::uint64_t value) {
            return step([&] {
                flush_all();
                return std::exchange(memory_[cell], memory_[cell] + value);
            });
        }
        void fence() {
            step([&] {
                flush_all();
                return std::uint64_t{0};
            });
        }

    private:
        friend class TsoExplorer;
        struct Stop {};

        Port(ActorState& self, Cells& memory) : self_(self), memory_(memory) {}

        template <class Operation>
        std::uint64_t step(Operation operation) {
            if (next_ == self_.answers.size()) {
                if (stepped_) {
                    throw Stop{};
                }
                stepped_ = true;
                self_.answers.push_back(operation());
            }
            return self_.answers[next_++];
        }
        void flush_all() {
            for (const Buffered& entry : self_.buffer) {
                memory_[entry.cell] = entry.value;
            }
            self_.buffer.clear();
        }

        ActorState& self_;
        Cells& memory_;
        std::size_t next_ = 0;
        bool stepped_ = false;
    };

    using Actor = std::function<void(Port&)>;
    using Check = std::function<bool(const Cells&)>;

    // `at_end` is asked about memory once all actors have finished and all buffers are empty.
    TsoExplorer(std::vector<Actor> actors, Check at_end)
        : actors_(std::move(actors)), at_end_(std::move(at_end)) {}

    // Whether at_end holds after every interleaving.
    bool holds(const Cells& initial) {
        State start{.memory = initial, .actors = std::vector<ActorState>(actors_.size())};
        visited_.clear();
        failures_ = 0;
        ends_ = 0;
        std::vector<State> open{std::move(start)};
        while (!open.empty()) {
            const State state = std::move(open.back());
            open.pop_back();
            if (visited_.insert(state).second) {
                expand(state, open);
            }
        }
        return failures_ == 0;
    }

    [[nodiscard]] std::size_t states() const { return visited_.size(); }
    [[nodiscard]] std::size_t ends() const { return ends_; }

private:
    void expand(const State& state, std::vector<State>& open) {
        bool finished = true;
        for (std::size_t i = 0; i < actors_.size(); ++i) {
            if (!state.actors[i].buffer.empty()) {
                finished = false;
                State next = state;
                ActorState& actor = next.actors[i];
                next.memory[actor.buffer.front().cell] = actor.buffer.front().value;
                actor.buffer.erase(actor.buffer.begin());
                open.push_back(std::move(next));
            }
            if (!state.actors[i].done) {
                finished = false;
                State next = state;
                run(i, next);
                open.push_back(std::move(next));
            }
        }
        if (finished) {
            ++ends_;
            failures_ += at_end_(state.memory) ? 0 : 1;
        }
    }

    void run(std::size_t index, State& state) {
        Port port(state.actors[index], state.memory);
        try {
            actors_[index](port);
            state.actors[index].done = true;
        } catch (const Port::Stop&) {
        }
    }

    std::vector<Actor> actors_;
    Check at_end_;
    std::set<State> visited_;
    std::size_t failures_ = 0;
    std::size_t ends_ = 0;
};

}  // namespace cox::test
