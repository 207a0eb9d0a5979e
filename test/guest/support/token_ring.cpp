// SPDX-License-Identifier: MIT
#include "support/token_ring.hpp"

#include "support/patience.hpp"
#include "support/random.hpp"

namespace test {

namespace {

using abi::Error;
using abi::Op;

constexpr std::uint64_t kFailedExit = 0xbad;
constexpr std::int64_t kDone = 0;

constexpr bool is(std::int64_t result, Error error) { return result == static_cast<std::int64_t>(error); }

class Hand {
public:
    Hand(Station& station, cap::Ring& ring, Member& self)
        : bell_(station.bell),
          ring_(ring),
          self_(self),
          all_(*self.ring),
          patch_(*self.patch),
          random_(self.seed) {}

    std::uint64_t run() {
        for (;;) {
            if (!take_token() || !work()) {
                return kFailedExit;
            }
            all_.leaving += all_.leaving != 0 || all_.stop.load() ? 1 : 0;
            const bool leaves = all_.leaving != 0;
            if (all_.leaving != TokenRing::kMembers && !give_token()) {
                return kFailedExit;
            }
            if (leaves) {
                return self_.number;
            }
        }
    }

private:
    bool failed(int line) {
        self_.error_line = static_cast<std::uint64_t>(line);
        return false;
    }
    std::uint64_t any_time() {
        return random_.one_in(3) ? 1 + random_.below(kMillisecond / 2) : abi::kForever;
    }

    // The giver sets `token`, then reads `medium`; the taker sets `medium`, then reads `token`: one sees the other.
    bool take_token() {
        while (self_.token.exchange(0) == 0) {
            const auto medium = static_cast<Medium>(random_.below(self_.after_sibling ? 4 : 3));
            self_.medium = medium;
            if (self_.token.load() != 0) {
                continue;
            }
            ++self_.waits;
            const bool good = medium == Medium::kBell    ? wait(1)
                              : medium == Medium::kChain ? wait(3)
                                                         : park(medium);
            if (!good) {
                return false;
            }
        }
        return true;
    }

    bool park(Medium medium) {
        const auto address = reinterpret_cast<std::uint64_t>(&self_.token);
        const auto result =
            medium == Medium::kPrivate
                ? cap::cap_call(self_.process, Op::kPark, address, 0, any_time()).result
                : cap::cap_call(self_.commons, Op::kParkShared, address - all_.commons, 0, any_time()).result;
        self_.parked += result == kDone;
        self_.timeouts += is(result, Error::kTimedOut);
        const bool expected =
            result == kDone || is(result, Error::kTimedOut) || is(result, Error::kValueChanged);
        return expected || failed(__LINE__);
    }

    // For the bell: by one submission, or by the second of three that are linked.
    bool wait(std::uint64_t count) {
        const std::uint64_t tag = self_.submitted + 1;
        self_.submitted += count;
        self_.waits += count == 3;  // a chain that goes on is woken once more
        const std::uint64_t bell_tag = count == 1 ? tag : tag + 1;
        for (std::uint64_t each = tag; each < tag + count; ++each) {
            auto entry = each == bell_tag ? cap::submission(Op::kWaitBits, bell_.slot(), each)
                                          : cap::submission(Op::kNop, bell_.slot(), each);
            entry.flags = each + 1 < tag + count ? abi::kLink : 0;
            if (!ring_.prepare(entry)) {
                return failed(__LINE__);
            }
        }
        if (const auto entered = ring_.submit_and_wait(count, any_time()); !entered) {
            if (entered.error() != Error::kTimedOut) {
                return failed(__LINE__);
            }
            ++self_.timeouts;
            (void)bell_.cancel(bell_tag);  // or it is just completing
            ++self_.waits;
            if (!ring_.submit_and_wait(count)) {
                return failed(__LINE__);
            }
        }
        return take_completions(tag, count, bell_tag);
    }

    bool take_completions(std::uint64_t tag, std::uint64_t count, std::uint64_t bell_tag) {
        bool cancelled = false;
        for (std::uint64_t each = tag; each < tag + count; ++each) {
            const auto completion = ring_.next();
            if (!completion || completion->user_data != each) {
                return failed(__LINE__);
            }
            ++self_.completed;
            const std::int64_t result = completion->result;
            const bool is_cancelled = is(result, Error::kCancelled);
            if (each == bell_tag) {
                cancelled = is_cancelled;
            }
            const bool right = each < bell_tag ? result == kDone
                               : cancelled     ? is_cancelled
                                               : result == (each == bell_tag ? 1 : kDone);
            if (!right) {
                return failed(__LINE__);
            }
        }
        self_.cancelled += cancelled;
        return !ring_.next() || failed(__LINE__);
    }

    bool work() {
        all_.value = worked_on(all_.value, self_.number);
        if (!looks_right() || !change_patch()) {
            return false;
        }
        auto* const page = reinterpret_cast<volatile std::uint64_t*>(patch_.address);
        std::uint64_t& stamp = patch_.stamps[patch_.mapped];
        stamp += 2 + (stamp == 0 ? patch_.mapped : 0);  // even in the one, odd in the other
        *page = stamp;
        delay_ticks(random_.below(random_.one_in(50) ? 300'000 : 10'000));
        if (random_.one_in(30)) {
            sleep_ns(random_.below(100 * kMicrosecond));
            ++self_.waits;
        }
        return true;
    }
    bool looks_right() {
        const std::uint64_t seen = *reinterpret_cast<const volatile std::uint64_t*>(patch_.address);
        return seen == patch_.stamps[patch_.mapped] || failed(__LINE__);
    }
    bool change_patch() {
        constexpr std::uint64_t kBoth = abi::kRead | abi::kWrite;
        const auto call = [&](Op op, std::uint64_t a1, std::uint64_t a2 = 0) {
            return cap::cap_call(self_.process, op, patch_.address, a1, a2).result == kDone;
        };
        if (random_.one_in(4)) {
            patch_.mapped ^= 1;
            ++self_.remapped;
            return (call(Op::kUnmap, 1) &&
                    cap::cap_call(self_.process, Op::kMap, patch_.objects[patch_.mapped].raw(),
                                  patch_.address, 0, abi::map_word(1, kBoth))
                            .result == kDone &&
                    looks_right()) ||
                   failed(__LINE__);
        }
        if (random_.one_in(8)) {
            return (call(Op::kProtect, 1, abi::kRead) && looks_right() && call(Op::kProtect, 1, kBoth)) ||
                   failed(__LINE__);
        }
        return true;
    }

    bool give_token() {
        Member& next = *self_.next;
        const std::uint64_t hop = ++all_.hops;
        if (next.token.exchange(1) != 0) {
            return failed(__LINE__);  // there were two
        }
        if (all_.left_out_from != 0 && hop >= all_.left_out_from) {
            return true;
        }
        const auto medium = next.medium.load();
        const std::int64_t result =
            random_.one_in(3) ? wake_by_chain(next, medium)
                              : wake_member(next, medium, self_.process, self_.commons, self_.next_bell);
        if (result < 0) {
            return failed(__LINE__);
        }
        self_.unparked += static_cast<std::uint64_t>(result);
        return true;
    }

    // The same through the ring, behind a submission that it depends on.
    std::int64_t wake_by_chain(Member& next, Medium medium) {
        const std::uint64_t tag = self_.submitted + 1;
        self_.submitted += 2;
        const auto address = reinterpret_cast<std::uint64_t>(&next.token);
        auto first = cap::submission(Op::kNop, bell_.slot(), tag);
        first.flags = abi::kLink;
        const auto second =
            medium == Medium::kPrivate ? cap::submission(Op::kUnpark, self_.process, tag + 1, address, 1)
            : medium == Medium::kShared
                ? cap::submission(Op::kUnparkShared, self_.commons, tag + 1, address - all_.commons, 1)
                : cap::submission(Op::kSignal, self_.next_bell, tag + 1, 1);
        if (!ring_.prepare(first) || !ring_.prepare(second) || !ring_.submit_and_wait(2)) {
            return -1;
        }
        const auto nothing = ring_.next();
        const auto woken = ring_.next();
        if (!nothing || !woken || nothing->user_data != tag || woken->user_data != tag + 1) {
            return -1;
        }
        self_.completed += 2;
        return woken->result;
    }

    cap::Notification bell_;
    cap::Ring& ring_;
    Member& self_;
    TokenRing& all_;
    Patch& patch_;
    Random random_;
};

}  // namespace

std::uint64_t hand_on(Station& station, cap::Ring& ring) {
    return Hand(station, ring, *static_cast<Member*>(station.argument)).run();
}

std::int64_t wake_member(Member& member, Medium medium, abi::CapSlot process, abi::CapSlot commons,
                         abi::CapSlot bell) {
    const auto address = reinterpret_cast<std::uint64_t>(&member.token);
    switch (medium) {
        case Medium::kPrivate: return cap::cap_call(process, Op::kUnpark, address, 1).result;
        case Medium::kShared:
            return cap::cap_call(commons, Op::kUnparkShared, address - member.ring->commons, 1).result;
        default: return cap::cap_call(bell, Op::kSignal, 1).result;
    }
}

}  // namespace test
