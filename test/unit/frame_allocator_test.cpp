// SPDX-License-Identifier: MIT
#include "core/frame_allocator.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "support/assert_failed.hpp"

using namespace cox::core;
using cox::test::AssertFailed;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kFrame = 4096;

MemoryRange usable(std::uint64_t base, std::uint64_t size) {
    return {.base = base, .size = size, .usable = true};
}
MemoryRange unusable(std::uint64_t base, std::uint64_t size) {
    return {.base = base, .size = size, .usable = false};
}

// Memory that notes which frames were touched.
struct Fixture {
    std::map<std::uint64_t, std::uint64_t> touched;
    struct FrameAt {
        std::map<std::uint64_t, std::uint64_t>* touched;
        std::uint64_t* operator()(std::uint64_t address) const { return &(*touched)[address]; }
    };
    FrameAllocator<FrameAt> frames{FrameAt{&touched}};
    bool complete = false;

    Fixture(std::vector<MemoryRange> map, std::vector<MemoryRange> reserved) {
        complete = frames.add_memory(map, reserved);
    }
    std::vector<std::uint64_t> take_all() {
        std::vector<std::uint64_t> result;
        while (const auto frame = frames.alloc()) {
            result.push_back(*frame);
        }
        return result;
    }
};

std::vector<std::uint64_t> addresses(std::initializer_list<std::pair<std::uint64_t, std::uint64_t>> runs) {
    std::vector<std::uint64_t> result;
    for (const auto& [first, end] : runs) {
        for (std::uint64_t at = first; at < end; at += kFrame) {
            result.push_back(at);
        }
    }
    return result;
}

}  // namespace

TEST_CASE("frames: usable minus reserved, in whole frames, above 1 MiB") {
    Fixture f({usable(0, 0x9fc00), unusable(0x9fc00, 0x400), usable(kMiB, 0x10000), usable(0x200800, 0x2000)},
              {usable(kMiB + 0x3000, 0x1001)});
    CHECK(f.complete);
    CHECK(f.frames.total_frames() == 16 - 2 + 1);
    CHECK(f.frames.free_frames() == 15);
    CHECK(f.take_all() ==
          addresses({{kMiB, kMiB + 0x3000}, {kMiB + 0x5000, kMiB + 0x10000}, {0x201000, 0x202000}}));
    CHECK(f.frames.free_frames() == 0);
    CHECK(f.frames.used_frames() == 15);
    CHECK(f.touched.empty());
}

TEST_CASE("frames: unusable ranges win over usable ones, overlaps and neighbours merge") {
    Fixture f({usable(kMiB, 0x8000), usable(kMiB + 0x4000, 0x8000), usable(kMiB + 0xc000, 0x4000),
               unusable(kMiB + 0x6000, 0x800), usable(kMiB + 0x6000, 0x1000)},
              {});
    CHECK(f.frames.alloc_contiguous(9) == kMiB + 0x7000);
    CHECK(f.frames.alloc_contiguous(6) == kMiB);
    CHECK(f.frames.free_frames() == 0);
}

TEST_CASE("frames: order of the map does not matter, and reserved ranges may cover everything or nothing") {
    CHECK(Fixture({usable(4 * kMiB, kFrame), usable(2 * kMiB, kFrame)}, {}).take_all() ==
          addresses({{2 * kMiB, 2 * kMiB + kFrame}, {4 * kMiB, 4 * kMiB + kFrame}}));
    CHECK(Fixture({usable(2 * kMiB, kMiB)}, {usable(0, 1ull << 40)}).take_all().empty());
    CHECK(Fixture({usable(2 * kMiB, 2 * kFrame)}, {usable(2 * kMiB + 5, 0), usable(9 * kMiB, 1)})
              .take_all()
              .size() == 2);
    CHECK(Fixture({}, {}).take_all().empty());
    CHECK(Fixture({usable(0, kMiB)}, {}).take_all().empty());
    CHECK(Fixture({usable(2 * kMiB, 4095), usable(4 * kMiB + 1, 8190)}, {}).take_all().empty());
    CHECK(Fixture({unusable(2 * kMiB, kMiB)}, {}).take_all().empty());
}

TEST_CASE("frames: ranges at the very end of the address space") {
    constexpr std::uint64_t kTop = ~std::uint64_t{0};
    Fixture f(
        {usable(kTop - 0x10000, 0x10000), usable((1ull << 52) - kFrame, 1ull << 60), unusable(kTop - 5, 5)},
        {usable(kTop - 0x3000, 0x3000)});
    CHECK(f.take_all() == std::vector<std::uint64_t>{(1ull << 52) - kFrame});
}

TEST_CASE("frames: freed frames come back first, and only they are touched") {
    Fixture f({usable(2 * kMiB, 1ull << 40)}, {});
    CHECK(f.frames.total_frames() == 1ull << 28);
    const std::uint64_t a = *f.frames.alloc();
    const std::uint64_t b = *f.frames.alloc();
    CHECK(f.touched.empty());
    f.frames.free(a);
    f.frames.free(b);
    CHECK(f.frames.used_frames() == 0);
    CHECK(f.touched.size() == 2);
    CHECK(f.frames.alloc() == b);
    CHECK(f.frames.alloc() == a);
    CHECK(f.frames.alloc() == 2 * kMiB + 2 * kFrame);
    CHECK(f.touched.size() == 2);
}

TEST_CASE("frames: contiguous ones come from fresh memory, wherever enough is left") {
    Fixture f({usable(2 * kMiB, 4 * kFrame), usable(4 * kMiB, 8 * kFrame)}, {});
    CHECK(f.frames.alloc_contiguous(5) == 4 * kMiB);
    CHECK_FALSE(f.frames.alloc_contiguous(5));
    CHECK_FALSE(f.frames.alloc_contiguous(~std::uint64_t{0}));
    CHECK(f.frames.alloc_contiguous(4) == 2 * kMiB);
    CHECK(f.frames.alloc_contiguous(3) == 4 * kMiB + 5 * kFrame);
    CHECK_FALSE(f.frames.alloc());
    f.frames.free(2 * kMiB);
    CHECK_FALSE(f.frames.alloc_contiguous(1));
    CHECK(f.frames.alloc() == 2 * kMiB);
}

TEST_CASE("frames: misuse is caught") {
    Fixture f({usable(2 * kMiB, 4 * kFrame)}, {});
    const std::uint64_t frame = *f.frames.alloc();
    CHECK_THROWS_AS(f.frames.free(frame + 1), AssertFailed);
    CHECK_THROWS_AS(f.frames.free(frame + kFrame), AssertFailed);  // never handed out
    CHECK_THROWS_AS(f.frames.free(0), AssertFailed);
    CHECK_THROWS_AS(f.frames.alloc_contiguous(0), AssertFailed);
    const std::uint64_t other = *f.frames.alloc();
    f.frames.free(frame);
    f.frames.free(other);
    CHECK_THROWS_AS(f.frames.free(frame), AssertFailed);  // more came back than went out
    CHECK_THROWS_AS(f.frames.add_memory({}, {}), AssertFailed);
    f.touched[other] = 12345;  // somebody wrote to a frame that he had freed
    CHECK_THROWS_AS(f.frames.alloc(), AssertFailed);
}

TEST_CASE("frames: more regions than fit are reported, not mixed up") {
    std::vector<MemoryRange> map;
    for (std::uint64_t i = 0; i < 200; ++i) {
        map.push_back(usable((2 + i) * kMiB, kFrame));
    }
    Fixture f(map, {});
    CHECK_FALSE(f.complete);
    CHECK(f.frames.total_frames() == 128);
    CHECK(f.take_all().size() == 128);
}

TEST_CASE("frames: random maps agree with a frame-by-frame model, random use never doubles a frame") {
    std::mt19937_64 random(17);
    for (int round = 0; round < 200; ++round) {
        std::vector<MemoryRange> map;
        std::vector<MemoryRange> reserved;
        const auto range = [&](bool is_usable) {
            return MemoryRange{.base = random() % (kMiB / 2) + kMiB * 3 / 4,
                               .size = random() % 0x20000,
                               .usable = is_usable};
        };
        for (int i = 0; i < 8; ++i) {
            map.push_back(range(random() % 3 != 0));
            if (i < 3) {
                reserved.push_back(range(true));
            }
        }
        // A frame is free if usable ranges, cut to whole frames, cover it, and no other range touches it.
        std::set<std::uint64_t> model;
        for (std::uint64_t at = kMiB; at < 2 * kMiB; at += kFrame) {
            bool covered = false;
            bool blocked = false;
            for (const MemoryRange& r : map) {
                covered |= r.usable && r.base <= at && at + kFrame <= r.end();
                blocked |= !r.usable && r.size != 0 && r.base < at + kFrame && at < r.end();
            }
            for (const MemoryRange& r : reserved) {
                blocked |= r.size != 0 && r.base < at + kFrame && at < r.end();
            }
            if (covered && !blocked) {
                model.insert(at);
            }
        }
        Fixture f(map, reserved);
        REQUIRE(f.complete);
        REQUIRE(f.frames.total_frames() == model.size());
        std::set<std::uint64_t> held;
        for (int step = 0; step < 500; ++step) {
            if (random() % 3 != 0) {
                if (const auto frame = f.frames.alloc()) {
                    REQUIRE(model.contains(*frame));
                    REQUIRE(held.insert(*frame).second);
                } else {
                    REQUIRE(held.size() == model.size());
                }
            } else if (!held.empty()) {
                const auto victim = held.begin();
                f.frames.free(*victim);
                held.erase(victim);
            }
            REQUIRE(f.frames.used_frames() == held.size());
        }
    }
}
