// SPDX-License-Identifier: MIT
//
// A recording of sched-server/recorder.hpp, read back, and given to the simulator's copy of the same policy: does it answer
// as the one in the server did?
#pragma once

#include "policy_seat.hpp"
#include "recording.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace sim {

class BadRecording : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct Recording {
    std::vector<sched::RecordEntry> entries;
    std::uint64_t not_kept = 0;  // calls that came when it was full
};

// The pages of one recording, in their order, as scripts/guest-test --record leaves them.
[[nodiscard]] Recording parse_recording(std::span<const std::byte> bytes);
[[nodiscard]] Recording read_recording(const std::string& path);

struct Replay {
    std::string policy;
    std::uint64_t calls = 0;
    std::uint64_t decisions = 0;            // answers that were compared
    std::uint64_t picks = 0;                // of these, threads picked
    std::optional<std::string> difference;  // the first, with its entry and time
};

// `settings` come after the recorded parameters. Throws BadRecording where the recording contradicts itself.
[[nodiscard]] Replay replay(const Recording& recording, std::span<const sched::Setting> settings = {});

}  // namespace sim
