// SPDX-License-Identifier: MIT
#include "tls.hpp"

#include "cap/threads.hpp"

#include <cstring>

// program.ld: the variables that do not begin as zero.
extern "C" const std::byte cap_tls_image_start[];
extern "C" const std::byte cap_tls_image_end[];

namespace cap {

namespace {
constinit thread_local Ring* current_ring = nullptr;
}

void set_up_local(std::uint64_t tcb) {
    const auto size = reinterpret_cast<std::uint64_t>(cap_tls_size_end);
    const auto image_size = static_cast<std::uint64_t>(cap_tls_image_end - cap_tls_image_start);
    auto* const local = reinterpret_cast<std::byte*>(local_of(tcb));
    std::memcpy(local, cap_tls_image_start, image_size);
    std::memset(local + image_size, 0, size - image_size);
    *reinterpret_cast<std::uint64_t*>(tcb) = tcb;
}

Ring& this_ring() { return *current_ring; }
void set_this_ring(Ring& ring) { current_ring = &ring; }

}  // namespace cap
