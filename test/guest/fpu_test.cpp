// SPDX-License-Identifier: MIT
//
// x87, SSE and AVX state: a new thread's is clean whoever ran before it, AVX is there when the kernel says so, and what
// race_migrate compares registers with sees each of them. (That they are kept is shown there.)
#include "suite.hpp"
#include "support/crew.hpp"
#include "support/float_control.hpp"
#include "support/observe.hpp"
#include "support/owned.hpp"
#include "support/registers.hpp"
#include "support/sibling.hpp"

#include <atomic>
#include <cstring>

namespace {

using namespace test;
using abi::ThreadState;

// What a thread found in its registers at its first instruction.
struct alignas(64) Birth {
    std::array<std::uint64_t, 14> general;  // all but RDI and RSP
    std::uint64_t avx;                      // written before: whether to look at YMM
    std::array<std::array<std::uint64_t, 2>, 16> ymm_high;
    alignas(64) std::array<std::uint8_t, 512> legacy;  // as FXSAVE writes it
};
static_assert(offsetof(Birth, avx) == 112 && offsetof(Birth, ymm_high) == 120 &&
              offsetof(Birth, legacy) == 384);

// First functions of threads; they use no stack.
extern "C" {
void store_at_birth(Birth* birth);
void use_avx();
// Load all of the state with something else than a thread begins with.
void fill_and_exit(std::uint64_t avx);
void fill_and_sleep(std::uint64_t avx);
void fill_and_store(Birth* birth);  // a newcomer as it must not be
}

asm(R"(
.macro EXIT
    mov $2, %eax
    xor %edi, %edi
    syscall
.endm
.macro FILL avx
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    pcmpeqd %xmm\i, %xmm\i
    .endr
    fninit
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
    fldpi
    .endr
    fldcw odd_x87(%rip)
    ldmxcsr odd_mxcsr(%rip)
    cmpq $0, \avx
    je 1f
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vinsertf128 $1, %xmm\i, %ymm\i, %ymm\i
    .endr
1:
.endm
    .text
fill_and_store:
    FILL 112(%rdi)
    # falls through
store_at_birth:
    mov %rax, (%rdi)
    mov %rbx, 8(%rdi)
    mov %rcx, 16(%rdi)
    mov %rdx, 24(%rdi)
    mov %rsi, 32(%rdi)
    mov %rbp, 40(%rdi)
    mov %r8, 48(%rdi)
    mov %r9, 56(%rdi)
    mov %r10, 64(%rdi)
    mov %r11, 72(%rdi)
    mov %r12, 80(%rdi)
    mov %r13, 88(%rdi)
    mov %r14, 96(%rdi)
    mov %r15, 104(%rdi)
    fxsave64 384(%rdi)
    cmpq $0, 112(%rdi)
    je 1f
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vextractf128 $1, %ymm\i, 120 + \i * 16(%rdi)
    .endr
1:  EXIT
use_avx:
    vzeroupper
    EXIT
fill_and_exit:
    mov %rdi, %rbx
    FILL %rbx
    EXIT
fill_and_sleep:
    mov %rdi, %rbx
    FILL %rbx
    mov $1, %eax
    mov $128, %edi
    mov $-1, %rsi
    syscall
    ud2
    .section .rodata
    .balign 4
odd_mxcsr: .long 0xffbf
odd_x87: .word 0xf7f
    .text
.purgem EXIT
.purgem FILL
)");

struct Field {
    std::string_view name;
    std::size_t offset, size;
    std::uint64_t value;  // of its first bytes; the others are 0
};
// The x87's last instruction and operand are left out: docs/abi.md, "Calls".
constexpr std::size_t kLegacy = offsetof(Birth, legacy);
constexpr Field kFields[] = {
    {"general", 0, sizeof(Birth::general), 0},
    {"ymm", offsetof(Birth, ymm_high), sizeof(Birth::ymm_high), 0},
    {"x87 control", kLegacy, 2, 0x37f},
    {"x87 status and tags", kLegacy + 2, 3, 0},
    {"mxcsr", kLegacy + 24, 4, 0x1f80},
    {"x87 0", kLegacy + 32, 10, 0},
    {"x87 1", kLegacy + 48, 10, 0},
    {"x87 2", kLegacy + 64, 10, 0},
    {"x87 3", kLegacy + 80, 10, 0},
    {"x87 4", kLegacy + 96, 10, 0},
    {"x87 5", kLegacy + 112, 10, 0},
    {"x87 6", kLegacy + 128, 10, 0},
    {"x87 7", kLegacy + 144, 10, 0},
    {"xmm", kLegacy + 160, 256, 0},
};

// "" or what is not as it should be.
std::string_view wrong_in(const Birth& birth) {
    std::array<std::uint8_t, sizeof(Birth)> bytes{};
    std::memcpy(bytes.data(), &birth, sizeof birth);
    for (const Field& field : kFields) {
        for (std::size_t i = 0; i < field.size; ++i) {
            if (bytes[field.offset + i] != (i < 8 ? field.value >> 8 * i & 0xff : 0)) {
                return field.name;
            }
        }
    }
    return {};
}

// A thread of its own process, on one CPU, that begins at `entry`.
struct Bare {
    cap::Process process;
    std::uint64_t ring;

    template <class... Args>
    [[nodiscard]] cap::Result<cap::Thread> start(void (*entry)(Args...), std::uint64_t argument,
                                                 std::uint64_t cpu) const {
        const cap::Thread thread = TRY(process.create_thread({
            .entry = reinterpret_cast<std::uint64_t>(entry),
            .stack = ring,
            .argument = argument,
            .ring_address = ring,
            .fs_base = 0,
            .affinity = only(cpu),
            .label = 0,
            .first_cpu = cpu,
        }));
        TRY(thread.start());
        return thread;
    }
    [[nodiscard]] bool comes_to(Case& t, const cap::Thread& thread, ThreadState state) const {
        return eventually(t.env.clock, [&] {
            const auto status = thread.status();
            return status && status->word.state() == state;
        });
    }
    // The thread ends, if it has not yet, and the next one may start.
    [[nodiscard]] bool clear(Case& t, const cap::Thread& thread) const {
        if (!thread.kill(0) || !comes_to(t, thread, ThreadState::kGone)) {
            return false;
        }
        thread.drop();
        return process.unmap(ring, abi::kRingPages).has_value();
    }
};

Birth unborn() {
    Birth birth{};
    std::memset(&birth, 0xee, sizeof birth);
    birth.avx = avx_is_on();
    birth.ymm_high = {};
    return birth;
}

struct Tour {
    static constexpr std::uint64_t kRounds = 1000;
    std::uint64_t from = 0, to = 0;  // neighbours; with one CPU the same
    std::atomic<std::uint64_t> self{0};
    std::uint64_t refused = 0, wrong = 0;
};

// Two threads stand in the queue of a CPU: one that fills all registers, then ends or sleeps, and a new one.
void clean_start(Case& t) {
    Crew crew(t);
    auto* const birth = crew.share<Birth>();
    REQUIRE(t, birth != nullptr);
    const std::uint64_t one = MUST(t, t.env.space.reserve(abi::kRingPages));
    const std::uint64_t two = MUST(t, t.env.space.reserve(abi::kRingPages));
    const cap::Process own = t.env.process;
    const std::pair<Bare, Bare> pairs[] = {
        {{own, one}, {own, two}}, {{own, one}, {crew.process(), two}}, {{crew.process(), one}, {own, two}}};
    for (std::uint64_t round = 0; round < 6; ++round) {
        for (std::uint64_t cpu = 0; cpu < t.cpus(); ++cpu) {
            for (const auto& [before, after] : pairs) {
                const bool sleeps = round % 2 != 0;
                *birth = unborn();
                const auto filler =
                    MUST(t, before.start(sleeps ? fill_and_sleep : fill_and_exit, birth->avx, cpu));
                const auto newcomer =
                    MUST(t, after.start(store_at_birth, reinterpret_cast<std::uint64_t>(birth), cpu));
                REQUIRE(t, after.comes_to(t, newcomer, ThreadState::kGone));
                REQUIRE(t, before.comes_to(t, filler, sleeps ? ThreadState::kWaiting : ThreadState::kGone));
                REQUIRE_EQUAL(t, wrong_in(*birth), std::string_view());
                REQUIRE(t, before.clear(t, filler));
                REQUIRE(t, after.clear(t, newcomer));
            }
        }
    }
}

// What clean_start looks with sees each bit, and would have seen the filler's registers.
void unclean_is_noticed(Case& t) {
    const Bare bare{t.env.process, MUST(t, t.env.space.reserve(abi::kRingPages))};
    static Birth birth;
    for (const bool clean : {true, false}) {
        birth = unborn();
        const auto thread = MUST(t, bare.start(clean ? store_at_birth : fill_and_store,
                                               reinterpret_cast<std::uint64_t>(&birth), 0));
        REQUIRE(t, bare.comes_to(t, thread, ThreadState::kGone));
        REQUIRE(t, bare.clear(t, thread));
        REQUIRE_EQUAL(t, wrong_in(birth).empty(), clean);
        if (clean) {
            auto* const bytes = reinterpret_cast<std::uint8_t*>(&birth);
            for (const Field& field : kFields) {
                for (std::size_t bit = 0; bit < 8 * field.size; ++bit) {
                    bytes[field.offset + bit / 8] ^= 1 << bit % 8;
                    REQUIRE_EQUAL(t, wrong_in(birth), field.name);
                    bytes[field.offset + bit / 8] ^= 1 << bit % 8;
                }
            }
        }
    }
}

// Sends itself to the next CPU, again and again, each time with new numbers in its registers.
std::uint64_t travel(cap::Ring&, void* argument) {
    auto& tour = *static_cast<Tour*>(argument);
    for (std::uint64_t round = 0; round < Tour::kRounds; ++round) {
        Registers in = Registers::pattern(round);
        in.rax = static_cast<std::uint64_t>(abi::Call::kCapCall);
        in.rdi = tour.self.load();
        in.rsi = static_cast<std::uint64_t>(abi::Op::kSetAffinity);
        in.rdx = only(round % 2 ? tour.from : tour.to);
        const Registers out = kept(in, keep_through_call, keep_through_call_avx, 0);
        tour.refused += out.rax != 0;
        tour.wrong += in.xmm != out.xmm || in.ymm_high != out.ymm_high || in.x87 != out.x87;
    }
    return 0;
}

// Nothing else has run on a CPU when a thread comes back to it with other registers than it had there last.
void comes_back(Case& t) {
    Tour tour;
    const auto thread = MUST(t, Sibling::create(t.env, travel, &tour));
    tour.to = last_cpu(t);
    tour.from = tour.to ? tour.to - 1 : 0;
    tour.self = thread->slot().raw();
    REQUIRE_OK(t, thread->start());
    REQUIRE(t, thread.wait());
    REQUIRE_EQUAL(t, tour.refused, 0u);
    REQUIRE_EQUAL(t, tour.wrong, 0u);
}

// Of each register it is noticed, and it alone, when it is not what it was: what race_migrate relies on.
void damage_is_noticed(Case& t) {
    const Registers in = Registers::pattern(t.seed);
    constexpr std::uint64_t kLoops = 1'000'000;
    const std::uint64_t begin = cap::read_tsc();
    const auto through_loop = kept(in, keep_through_loop, keep_through_loop_avx, kLoops);
    REQUIRE(t, cap::read_tsc() - begin > kLoops / 8);  // it is a loop
    REQUIRE(t, in == through_loop);
    const std::size_t count = avx_is_on() ? 54 : 38;
    for (std::size_t number = 0; number < count; ++number) {
        const Registers out = kept(in, keep_through_damage, keep_through_damage_avx, damage(number));
        REQUIRE(t, !(in == out));
        const std::size_t general = 14, xmm = general + 16, x87 = xmm + 8;
        std::array<std::uint64_t, sizeof(Registers) / 8> was{}, is{};
        std::memcpy(was.data(), &in, sizeof in);
        std::memcpy(is.data(), &out, sizeof out);
        for (std::size_t i = 0; i < was.size(); ++i) {
            const std::size_t owner = i < 14   ? i
                                      : i < 46 ? general + (i - 14) / 2
                                      : i < 54 ? xmm + (i - 46)
                                               : x87 + (i - 54) / 2;
            REQUIRE_EQUAL(t, was[i] != is[i], owner == number);
        }
    }
    const Control before = Control::now();
    for (std::uint64_t number = 0; number < 32; ++number) {
        Control::pattern(number).set();
        const bool same = Control::now() == Control::pattern(number);
        const bool other = Control::now() == Control::pattern(number ^ 1 << number % 5);
        before.set();
        REQUIRE(t, same && !other);
    }
}

// Without the kernel's leave AVX is no instruction.
void avx_as_announced(Case& t) {
    const Bare bare{t.env.process, MUST(t, t.env.space.reserve(abi::kRingPages))};
    const auto thread = MUST(t, bare.start(use_avx, 0, t.cpus() - 1));
    REQUIRE(t, bare.comes_to(t, thread, ThreadState::kGone));
    REQUIRE_EQUAL(t, MUST(t, thread.status()).word.cause(),
                  avx_is_on() ? abi::Cause::kExited : abi::Cause::kFaulted);
    REQUIRE(t, bare.clear(t, thread));
    t.env.log.print("test: avx={}", avx_is_on());
}

constexpr Entry kCases[] = {
    {"clean_start", clean_start},
    {"unclean_is_noticed", unclean_is_noticed},
    {"comes_back", comes_back},
    {"damage_is_noticed", damage_is_noticed},
    {"avx_as_announced", avx_as_announced},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "fpu", kCases); }
