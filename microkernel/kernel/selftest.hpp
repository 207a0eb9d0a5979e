// SPDX-License-Identifier: MIT
// Kernel bugs on purpose: the boot parameter selftest=KIND makes the last CPU commit one, so that tests can see what becomes of
// it. The kinds are in selftest.cpp.
#pragma once
#include <string_view>

namespace cox {

void selftest_init(std::string_view kind);  // "": none; an unknown kind is a panic that names it
void selftest_run();                        // every CPU, once, before it dispatches

}  // namespace cox
