// SPDX-License-Identifier: MIT
//
// The part of a fuzz target that libFuzzer calls. If its first argument is a directory, or nothing yet, that is made
// anew: the target's seeds are written there, and libFuzzer starts from them. A directory that no driver has made is
// left alone, and so is a file, which is one input to run.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/assert.hpp"
#include "fuzz.hpp"

namespace {

using namespace cox::fuzz;

constexpr const char* kMark = "seed-0";

void write_seeds(const std::filesystem::path& directory) {
    if (exists(directory) && !exists(directory / kMark)) {
        return;
    }
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    std::size_t number = 0;
    for (const ByteVector& seed : kTarget.seeds()) {
        if (!kTarget.check(seed)) {
            check_failed("every seed is accepted", "seed", static_cast<int>(number));
        }
        std::ofstream file(directory / ("seed-" + std::to_string(number++)), std::ios::binary);
        file.write(reinterpret_cast<const char*>(seed.data()), static_cast<std::streamsize>(seed.size()));
    }
    FUZZ_CHECK(number != 0);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
    if (*count > 1 && (*arguments)[1][0] != '-') {
        write_seeds((*arguments)[1]);
    }
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    (void)kTarget.check(std::as_bytes(std::span(data, size)));
    return 0;
}

void cox::assert_failed(const char* expression, const char* file, int line) {
    check_failed(expression, file, line);
}
