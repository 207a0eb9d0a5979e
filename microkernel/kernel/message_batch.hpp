// SPDX-License-Identifier: MIT
// Messages through a ring, many in one hold of the endpoint's lock: what run_operations tries before it takes an entry the ordinary way.
#pragma once
#include <cstdint>

namespace cox {

class Thread;

// After Ring::Stop::kOperation, as who takes from the thread's ring: takes calls, or replies with the next reception, as long as they name one
// slot and are plain (message_batch.cpp), `limit` at most -> how many. 0: the next entry is for take_operation().
std::uint32_t take_messages(Thread& thread, std::uint32_t limit);

}  // namespace cox
