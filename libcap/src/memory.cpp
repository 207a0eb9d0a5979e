// SPDX-License-Identifier: MIT
//
// The C functions that compilers call by themselves. Copying and clearing use 8-byte string instructions.
#include <cstddef>
#include <cstdint>

extern "C" void* memcpy(void* destination, const void* source, std::size_t size) {
    void* to = destination;
    std::size_t words = size / 8;
    std::size_t rest = size % 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(source), "+c"(words) : : "memory");
    asm volatile("rep movsb" : "+D"(to), "+S"(source), "+c"(rest) : : "memory");
    return destination;
}

extern "C" void* memmove(void* destination, const void* source, std::size_t size) {
    auto* to = static_cast<unsigned char*>(destination);
    const auto* from = static_cast<const unsigned char*>(source);
    if (reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(from) >= size) {
        return memcpy(destination, source, size);
    }
    while (size != 0) {
        --size;
        to[size] = from[size];
    }
    return destination;
}

extern "C" void* memset(void* destination, int value, std::size_t size) {
    void* to = destination;
    std::size_t words = size / 8;
    std::size_t rest = size % 8;
    const std::uint64_t pattern = 0x0101010101010101u * static_cast<unsigned char>(value);
    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    asm volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
    return destination;
}

extern "C" int memcmp(const void* left, const void* right, std::size_t size) {
    const auto* a = static_cast<const unsigned char*>(left);
    const auto* b = static_cast<const unsigned char*>(right);
    for (std::size_t i = 0; i < size; ++i) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}

extern "C" std::size_t strlen(const char* text) {
    std::size_t length = 0;
    while (text[length] != '\0') {
        ++length;
    }
    return length;
}

extern "C" void* memchr(const void* memory, int value, std::size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(memory);
    for (std::size_t i = 0; i < size; ++i) {
        if (bytes[i] == static_cast<unsigned char>(value)) {
            return const_cast<unsigned char*>(bytes + i);
        }
    }
    return nullptr;
}
