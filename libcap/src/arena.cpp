// SPDX-License-Identifier: MIT
#include "cap/arena.hpp"

namespace cap {

Result<Arena> Arena::create(const Env& env, std::uint64_t pages) {
    const std::uint64_t address = TRY(env.space.reserve(pages));
    const Memory memory = TRY(env.process.create_memory(pages));
    const auto mapped = env.process.map(memory, address, 0, pages, abi::kRead | abi::kWrite);
    memory.drop();  // the mapping keeps it alive
    if (!mapped) {
        return fail(mapped.error());
    }
    return Arena(std::span(reinterpret_cast<std::byte*>(address), pages * abi::kPageSize));
}

}  // namespace cap
