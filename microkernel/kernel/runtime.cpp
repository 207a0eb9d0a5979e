// SPDX-License-Identifier: MIT
// What the compiler calls without being asked.
#include <cstddef>

#include "core/assert.hpp"

extern "C" {

void* memcpy(void* to, const void* from, std::size_t n) {
    void* const result = to;
    std::size_t words = n / 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)::"memory");
    std::size_t rest = n % 8;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest)::"memory");
    return result;
}

void* memset(void* to, int value, std::size_t n) {
    void* const result = to;
    const auto word = 0x0101010101010101 * static_cast<unsigned char>(value);
    std::size_t words = n / 8;
    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(word) : "memory");
    std::size_t rest = n % 8;
    asm volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(word) : "memory");
    return result;
}

void* memmove(void* to, const void* from, std::size_t n) {
    auto* d = static_cast<volatile unsigned char*>(to);
    const auto* s = static_cast<const unsigned char*>(from);
    if (d <= s || d >= s + n) return memcpy(to, from, n);
    while (n--) d[n] = s[n];
    return to;
}

int memcmp(const void* a, const void* b, std::size_t n) {
    const auto* x = static_cast<const volatile unsigned char*>(a);
    const auto* y = static_cast<const volatile unsigned char*>(b);
    for (std::size_t i = 0; i < n; ++i) {
        if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}

const void* memchr(const void* s, int c, std::size_t n) {
    const auto* p = static_cast<const volatile unsigned char*>(s);
    for (std::size_t i = 0; i < n; ++i) {
        if (p[i] == static_cast<unsigned char>(c)) return const_cast<const unsigned char*>(&p[i]);
    }
    return nullptr;
}

std::size_t strlen(const char* s) {
    const volatile char* p = s;
    while (*p) ++p;
    return static_cast<std::size_t>(p - s);
}

[[noreturn]] void __cxa_pure_virtual() { cox::assert_failed("pure virtual call", __FILE_NAME__, __LINE__); }
}

namespace std {
// string_view::substr beyond the end: a kernel bug.
[[noreturn]] void __throw_out_of_range_fmt(const char* text, ...) {
    cox::assert_failed(text, __FILE_NAME__, __LINE__);
}
}  // namespace std
