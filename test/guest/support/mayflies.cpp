// SPDX-License-Identifier: MIT
#include "support/mayflies.hpp"

#include "support/patience.hpp"

namespace test {

namespace {

using Kind = MayflyLife::Kind;
using abi::Op;

constexpr std::uint64_t kKilledExit = std::uint64_t{1} << 40;
constexpr std::uint64_t kJoinTag = 0x10000;  // user_data of a join: with the seat

std::uint64_t live(Station& station, cap::Ring& ring) {
    MayflyLife& life = *static_cast<MayflyLife*>(station.argument);
    const auto park = [&](std::uint64_t timeout_ns) {
        (void)cap::cap_call(life.process, Op::kPark, reinterpret_cast<std::uint64_t>(&life.word), 0,
                            timeout_ns);
    };
    const auto begin_wait = [&](std::uint16_t flags) {
        auto entry = cap::submission(Op::kWaitBits, station.bell, 1);
        entry.flags = flags;
        (void)ring.prepare(entry);
    };
    switch (life.kind) {
        case Kind::kEnds: break;
        case Kind::kEndsWithWait:  // and leaves it in flight, with a chain behind it
            begin_wait(abi::kLink);
            begin_wait(0);
            (void)ring.submit_and_wait(0);
            break;
        case Kind::kSpins:
            for (;;) {
                __builtin_ia32_pause();
            }
        case Kind::kParks:
            for (;;) {
                park(abi::kForever);
            }
        case Kind::kParksShortly:
            for (;;) {
                park(10 * kMicrosecond);
            }
        case Kind::kWaits:
            for (;;) {
                begin_wait(0);
                (void)ring.submit_and_wait(1);
                (void)ring.next();
            }
        default:
            for (;;) {
                sleep_ns(abi::kForever);
            }
    }
    return life.number;
}

bool ends(Kind kind) { return kind == Kind::kEnds || kind == Kind::kEndsWithWait; }

}  // namespace

void Mayflies::add(Crew& crew, abi::CapSlot process, MayflyLife& life) {
    life.process = process;
    Worker& worker = crew.add();
    (void)worker.thread.kill(0);
    seats_[count_++] = {.crew = &crew, .worker = &worker, .life = &life};
}

void Mayflies::step() {
    Seat& seat = seats_[random_.below(count_)];
    if (!seat.alive) {
        make(seat);
    } else {
        trouble(seat);
    }
    take_joined();
}

void Mayflies::make(Seat& seat) {
    seat.crew->renew(*seat.worker, {.main = live, .argument = seat.life});
    REQUIRE(t_, !t_.failed());
    seat.life->kind = static_cast<Kind>(random_.below(static_cast<std::uint64_t>(Kind::kCount)));
    seat.life->number = ++made_;
    seat.alive = true;
    seat.kill_asked = seat.joining = false;
    if (random_.one_in(2)) {
        join(seat);
    }
    REQUIRE_OK(t_, seat.worker->thread.start());
}

// Of a thread that may have ended by itself meanwhile: what is refused then is no failure.
void Mayflies::trouble(Seat& seat) {
    const cap::Thread thread = seat.worker->thread;
    switch (random_.below(7)) {
        case 0: (void)thread.suspend(); break;
        case 1: (void)thread.resume(); break;
        case 2: (void)thread.set_affinity(1 + random_.below((std::uint64_t{1} << t_.cpus()) - 1)); break;
        case 3: seat.worker->ring_bell(); break;
        case 4:
            if (!seat.joining) {
                join(seat);
            }
            break;
        default:
            killed_ += !seat.kill_asked;
            seat.kill_asked = true;
            REQUIRE_OK(t_, thread.kill(kKilledExit + seat.life->number));
            break;
    }
}

void Mayflies::join(Seat& seat) {
    const auto tag = kJoinTag + static_cast<std::uint64_t>(&seat - seats_.data());
    seat.joining = true;
    REQUIRE_OK(t_, t_.env.ring.prepare(cap::submission(Op::kJoin, seat.worker->thread.slot(), tag)));
    REQUIRE_OK(t_, t_.env.ring.submit_and_wait(0));
}

void Mayflies::take_joined() {
    while (const auto completion = t_.env.ring.next()) {
        REQUIRE(t_, completion->user_data - kJoinTag < count_);
        Seat& seat = seats_[completion->user_data - kJoinTag];
        REQUIRE(t_, seat.alive && seat.joining);  // else it was joined twice
        const auto code = static_cast<std::uint64_t>(completion->result);
        const bool by_itself = ends(seat.life->kind) && code == seat.life->number;
        const bool by_kill = seat.kill_asked && code == kKilledExit + seat.life->number;
        if (!by_itself && !by_kill) {
            t_.fail("mayfly {} of kind {} ended with {:x}", seat.life->number,
                    static_cast<std::uint64_t>(seat.life->kind), code);
        }
        REQUIRE_EQUAL(t_, static_cast<std::uint64_t>(seat.worker->state()),
                      static_cast<std::uint64_t>(abi::ThreadState::kGone));
        // A waiter that has gone takes no bits with it.
        (void)seat.worker->bell.poll();
        seat.worker->ring_bell();
        REQUIRE_EQUAL(t_, seat.worker->bell.poll().value_or(0), 1u);
        seat.alive = false;
        ++joined_;
    }
}

void Mayflies::finish() {
    for (Seat& seat : std::span(seats_).first(count_)) {
        if (seat.alive) {
            seat.kill_asked = true;
            REQUIRE_OK(t_, seat.worker->thread.kill(kKilledExit + seat.life->number));
            if (!seat.joining) {
                join(seat);
            }
        }
    }
    REQUIRE(t_, eventually(t_.env.clock, [&] {
                take_joined();
                return t_.failed() || joined_ == made_;
            }));
}

}  // namespace test
