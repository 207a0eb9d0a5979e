// SPDX-License-Identifier: MIT
#include "support/meddler.hpp"

#include "support/patience.hpp"
#include "support/random.hpp"

namespace test {

namespace {

void suspend_a_while(Meddler& self, cap::Thread target, Random& random) {
    self.suspended += target.suspend().has_value();
    if (random.one_in(4)) {
        sleep_ns(random.below(300 * kMicrosecond));
    } else {
        delay_ticks(random.below(20'000));
    }
    self.refused += !target.resume();
}

void recall_or_hint(Meddler& self, cap::Thread target, Random& random) {
    const auto ref = target.ref();
    if (!ref) {
        ++self.refused;
    } else if (random.one_in(2)) {
        self.recalled +=
            self.server->domain().commit(*ref, 0, 0, abi::kCommitRecall, abi::kNoSlice).has_value();
    } else {
        abi::HintLine& hint = self.server->hint_line(ref->index);
        hint.slice_ns = 1 + random.below(kMillisecond);
        // Of this thread or of one that was or will be there, for a CPU that may not be, with any flags; or none.
        const auto cpu = static_cast<std::uint32_t>(random.below(self.cpus + 1));
        const auto generation = ref->generation + (random.one_in(4) ? 1 : 0);
        hint.word = random.one_in(3)
                        ? 0
                        : abi::hint_word(generation, cpu, static_cast<std::uint32_t>(random.below(8)));
        ++self.hinted;
    }
}

void run(Meddler& self) {
    Random random(self.seed);
    while (!self.stop.load()) {
        const cap::Thread target(self.targets[random.below(self.count)]);
        const std::uint64_t act = random.below(self.server != nullptr ? 4 : 3);
        if (act < 2) {
            suspend_a_while(self, target, random);
        } else if (act == 2) {
            self.moved +=
                target.set_affinity(1 + random.below((std::uint64_t{1} << self.cpus) - 1)).has_value();
        } else {
            recall_or_hint(self, target, random);
        }
        sleep_ns(random.below(kMillisecond));
    }
    for (std::size_t i = 0; i < self.count; ++i) {
        cap::Thread(self.targets[i]).drop();
    }
    self.stopped = true;
}

}  // namespace

std::uint64_t meddle(Station& station, cap::Ring&) {
    run(*static_cast<Meddler*>(station.argument));
    return 0;
}

std::uint64_t meddle_as_sibling(cap::Ring&, void* argument) {
    run(*static_cast<Meddler*>(argument));
    return 0;
}

}  // namespace test
