// SPDX-License-Identifier: MIT
// COM1, polled. The caller serialises (kernel/log.hpp).
#pragma once
#include <string_view>

namespace cox::arch {

void serial_init();
void serial_write(std::string_view text);  // "\n" goes out as "\r\n"

}  // namespace cox::arch
