// SPDX-License-Identifier: MIT
//
// Frames go from owner to owner while others look, on all CPUs at once: nobody sees another's contents, though threads
// move from CPU to CPU, and die in the middle of it; and then every frame is free again.
#include "support/agents.hpp"
#include "support/free_pages.hpp"
#include "support/observe.hpp"
#include "support/option.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;
using abi::ThreadState;

constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite;
constexpr std::uint64_t kMaxWindows = 16;
constexpr std::uint64_t kWindowPages = 3;
constexpr std::uint64_t kWindows = 0x6000'0000;  // in the crew's space

// A worker's own pages. Nobody looks while they change: a look then would be a fault. `epoch` is odd meanwhile, and a
// page holds what tag() says of it.
struct alignas(64) Window {
    std::atomic<std::uint64_t> epoch;
    std::atomic<std::uint64_t> readers;
    [[nodiscard]] static std::uint64_t address(std::uint64_t number) {
        return kWindows + number * 2 * kWindowPages * abi::kPageSize;
    }
    [[nodiscard]] static std::uint64_t tag(std::uint64_t number, std::uint64_t epoch) {
        return epoch << 8 | (number + 1);
    }
};

struct Frames {
    std::uint64_t seed;
    std::uint64_t count;  // of windows, and workers
    std::uint64_t cpus;
    std::uint64_t rounds_to_move;  // until a worker goes elsewhere by itself, on average
    abi::CapSlot process;          // slots in the crew's table
    std::array<Window, kMaxWindows> windows;
    std::atomic<std::uint64_t> changes;
    std::atomic<std::uint64_t> looks;  // at a window that has changed since the worker's last look
    std::atomic<std::uint64_t> moves;  // of workers between CPUs
    std::atomic<std::uint64_t> failures;
    std::atomic<std::uint64_t> stale;  // what somebody found instead of a tag, and one
};

constexpr std::uint64_t kSharedPages = (sizeof(Frames) + abi::kPageSize - 1) / abi::kPageSize;
constexpr std::uint64_t kLives = 2;
constexpr std::uint64_t kEnough = 10;

// values[]
constexpr int kNumber = 0;
constexpr int kSelf = 1;

std::atomic<std::uint64_t>& word_at(std::uint64_t address, std::uint64_t page) {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(address + page * abi::kPageSize);
}

// Other frames for the window, whose old ones are anybody's at once. False: somebody looks at it.
bool change_window(Frames& frames, std::uint64_t number) {
    Window& window = frames.windows[number];
    const std::uint64_t epoch = window.epoch.load() | 1;
    window.epoch = epoch;
    if (window.readers != 0) {
        return false;
    }
    const cap::Process self(frames.process);
    const std::uint64_t address = Window::address(number);
    const auto memory = self.create_memory(kWindowPages);
    const bool done = memory && self.unmap(address, kWindowPages) &&
                      self.map(*memory, address, 0, kWindowPages, kReadWrite);
    if (done) {
        for (std::uint64_t page = 0; page < kWindowPages; ++page) {
            if (const auto before = word_at(address, page).exchange(Window::tag(number, epoch + 1));
                before != 0) {
                frames.stale = before + 1;  // a new page is not empty
            }
        }
    }
    if (memory) {
        memory->drop();
    }
    ++(done && self.protect(address, 1, abi::kRead) ? frames.changes : frames.failures);
    window.epoch = epoch + 1;
    return true;
}

void look_at(Frames& frames, std::uint64_t number, std::uint64_t& seen) {
    Window& window = frames.windows[number];
    ++window.readers;
    if (const std::uint64_t epoch = window.epoch.load(); epoch != 0 && epoch % 2 == 0) {
        for (std::uint64_t page = 0; page < kWindowPages; ++page) {
            if (const auto found = word_at(Window::address(number), page).load();
                found != Window::tag(number, epoch)) {
                frames.stale = found + 1;
            }
        }
        frames.looks += std::exchange(seen, epoch) != epoch;
    }
    --window.readers;
}

std::uint64_t change_and_look(Station& station, cap::Ring&) {
    Frames& frames = *static_cast<Frames*>(station.argument);
    const std::uint64_t number = station.values[kNumber];
    const cap::Thread self(abi::CapSlot::from_raw(station.values[kSelf].load()));
    Random random(frames.seed * kMaxWindows + number);
    std::array<std::uint64_t, kMaxWindows> seen{};
    for (std::uint32_t cpu = 0; station.order != Order::kExit;) {
        if (frames.windows[number].epoch % 2 != 0 || random.one_in(100)) {
            (void)change_window(frames, number);
            const auto status = self.status();
            frames.moves += status && std::exchange(cpu, status->word.cpu()) != status->word.cpu();
        }
        if (random.one_in(frames.rounds_to_move)) {
            (void)self.set_affinity(only(random.below(frames.cpus)));
        }
        const std::uint64_t other = random.below(frames.count);
        look_at(frames, other, seen[other]);
        ++station.beats;
    }
    return 0;
}

// Both sides of each race: a CPU has the space when another shoots, or not; a worker stays where it is, or moves.
bool enough(Case& t, const Frames& frames, const abi::CpuStats& before) {
    const auto now = sum_of_stats(t);
    return !now || frames.stale != 0 || frames.failures != 0 ||
           (any_amount_is_enough(t, "stale") && frames.changes >= kEnough && frames.looks >= kEnough &&
            frames.moves >= kEnough / 2 && now->shootdown_ipis - before.shootdown_ipis >= 3 * kEnough &&
            now->shootdown_ipis_avoided - before.shootdown_ipis_avoided >= kEnough);
}

// One crew, killed in the middle of it.
void one_life(Case& t, const cap::Memory& shared, Frames& frames) {
    Crew crew(t);
    REQUIRE_OK(
        t, crew.process().map(shared, reinterpret_cast<std::uint64_t>(&frames), 0, kSharedPages, kReadWrite));
    const auto process = crew.process().give(crew.process().slot(), abi::kManage);
    REQUIRE_OK(t, process);
    frames.process = *process;
    for (std::uint64_t i = 0; i < frames.count; ++i) {
        const Worker& worker =
            crew.add({.main = change_and_look, .argument = &frames, .first_cpu = i % t.cpus()});
        const auto self = crew.process().give(worker.thread.slot(), abi::kRead | abi::kManage);
        REQUIRE_OK(t, self);
        worker.station->values[kNumber] = i;
        worker.station->values[kSelf] = self->raw();
        REQUIRE_OK(t, worker.thread.start());
    }
    const auto before = MUST(t, sum_of_stats(t));
    REQUIRE(t, eventually(t.env.clock, [&] { return enough(t, frames, before); }, 3 * patience_ns));
    REQUIRE_OK(t, crew.process().kill(0));
    REQUIRE(t, eventually(t.env.clock, [&] {
                return std::ranges::all_of(crew.workers(),
                                           [](const Worker& w) { return w.state() == ThreadState::kGone; });
            }));
    if (frames.stale != 0) {
        t.fail("stale: found 0x{:x}", frames.stale - 1);
    }
    REQUIRE_EQUAL(t, frames.failures.load(), 0);
    const auto after = MUST(t, sum_of_stats(t));
    t.env.log.print("race: changes={} looks={} moves={} ipis={} avoided={}", frames.changes.load(),
                    frames.looks.load(), frames.moves.load(), after.shootdown_ipis - before.shootdown_ipis,
                    after.shootdown_ipis_avoided - before.shootdown_ipis_avoided);
}

// Page tables stay; so those that the addresses of the next 64 MiB will need are made now.
void make_tables(Case& t, const cap::Memory& memory) {
    constexpr std::uint64_t kTableSpan = abi::kPageSize * 512;
    const std::uint64_t here = MUST(t, t.env.space.reserve(1));
    for (std::uint64_t address = here; address < here + 32 * kTableSpan; address += kTableSpan) {
        REQUIRE_OK(t, t.env.process.map(memory, address, 0, 1, abi::kRead));
        REQUIRE_OK(t, t.env.process.unmap(address, 1));
    }
}

void lives(Case& t, Manner manner, std::uint64_t rounds_to_move) {
    const std::uint64_t address = MUST(t, t.env.space.reserve(kSharedPages));
    const Owned memory(MUST(t, t.env.process.create_memory(kSharedPages)));
    REQUIRE_OK(t, t.env.process.map(*memory, address, 0, kSharedPages, kReadWrite));
    make_tables(t, *memory);
    Agents agents(t, manner);
    std::uint64_t pages = 0;
    for (std::uint64_t life = 0; life < kLives && !t.failed(); ++life) {
        auto& frames = *new (reinterpret_cast<void*>(address)) Frames();
        frames.seed = t.seed + life * 1000;
        frames.count = std::min<std::uint64_t>(t.cpus(), kMaxWindows);
        frames.cpus = t.cpus();
        frames.rounds_to_move = rounds_to_move;
        one_life(t, *memory, frames);
        pages = life == 0 ? free_pages(t.env) : pages;
    }
    REQUIRE(t, !t.failed());
    // More, if the first crew's were on their way still.
    REQUIRE(t, eventually(t.env.clock, [&] { return free_pages(t.env) >= pages; }));
}

// Nothing but a shootdown flushes a TLB until its thread moves on.
void frames_change_hands(Case& t) { lives(t, Manner::kPlain, 2000); }
void also_under_chaos(Case& t) { lives(t, Manner::kChaos, 20000); }

constexpr Entry kCases[] = {
    {"frames_change_hands", frames_change_hands},
    {"also_under_chaos", also_under_chaos},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_frames", kCases); }
