// SPDX-License-Identifier: MIT
#include "kernel/selftest.hpp"

#include "arch/timer.hpp"
#include "kernel/address_space.hpp"
#include "kernel/cpu.hpp"
#include "kernel/log.hpp"
#include "kernel/panic.hpp"
#include "kernel/process.hpp"
#include "kernel/thread_table.hpp"

extern "C" char text_start[];

namespace cox {

namespace {

char data_byte = static_cast<char>(0xc3);  // `ret`: were data executable, calling it would return

// An instruction of the root task's: a page that users may read and execute.
std::uint64_t user_code() {
    const auto root = thread_at(0);
    load_space(this_cpu(), &root->process->space());
    return root->frame.rip;
}

[[gnu::noinline]] int overflow(volatile int* depth) {
    volatile int here[64]{};
    here[0] = *depth + 1;
    if (here[0] < 0) return 0;  // never: it only keeps the compiler from seeing through
    return overflow(here) + here[0];
}

// On the stack of this CPU's NMIs, as if one had come.
void overflow_nmi_stack() {
    const auto top = this_cpu().tables.task.ist[static_cast<unsigned>(arch::Ist::kNmi)];
    asm volatile("mov %0, %%rsp; xor %%ebp, %%ebp; lea -64(%%rsp), %%rdi; movl $0, (%%rdi); call *%1"
                 :
                 : "r"(top), "r"(&overflow)
                 : "memory", "rdi");
}

// Up to the return address, and so over the number that stands before it in a hardened build.
[[gnu::noinline]] void write_beyond(volatile std::uint64_t* words, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) words[i] = 0;
}
[[gnu::noinline]] void smash_stack() {
    volatile std::uint64_t here[4];
    write_beyond(here, std::size(here) + 4);
}

struct Kind {
    std::string_view name;
    void (*commit)();
};

constexpr Kind kKinds[] = {
    {"panic", [] { panic("selftest"); }},
    {"assert", [] { COX_ASSERT(data_byte == 0); }},
    {"write-text", [] { *static_cast<volatile char*>(text_start) = 0; }},
    {"execute-data", [] { reinterpret_cast<void (*)()>(&data_byte)(); }},
    {"read-user", [] { static_cast<void>(*reinterpret_cast<volatile char*>(user_code())); }},
    {"execute-user", [] { reinterpret_cast<void (*)()>(user_code())(); }},
    {"overflow-stack",
     [] {
         volatile int depth = 0;
         overflow(&depth);
     }},
    {"overflow-nmi-stack", overflow_nmi_stack},
    {"smash-stack", smash_stack},
    {"shift",
     [] {
         volatile std::uint64_t by = 64;
         volatile const auto shifted = by << by;
         static_cast<void>(shifted);
     }},
    {"index",
     [] {
         static const std::uint64_t kWords[4]{1, 2, 3, 4};
         volatile std::size_t beyond = 4;
         volatile const auto word = kWords[beyond];
         static_cast<void>(word);
     }},
    {"machine-check", [] { asm volatile("int $18"); }},
    {"triple-fault",
     [] {
         const struct [[gnu::packed]] {
             std::uint16_t limit = 0;
             std::uint64_t base = 0;
         } no_handlers;
         asm volatile("lidt %0; ud2" : : "m"(no_handlers));
     }},
};

constexpr std::uint64_t kClockFactor = 4;

const Kind* chosen;

}  // namespace

bool keeps_tlb, keeps_threads, keeps_derived, keeps_charge;

namespace {
std::atomic<bool> forgetful{false};
}

bool forgets_wake(const Thread& thread) {
    return forgetful.load(std::memory_order_relaxed) && thread.domain && forgetful.exchange(false);
}

void selftest_init(std::string_view name) {
    if (name.empty()) return;
    if (name == "fast-clock") {
        arch::falsify_clock(kClockFactor);
        print("selftest: the clock runs {} times too fast", kClockFactor);
        return;
    }
    if (name == "keep-tlb") {
        keeps_tlb = true;
        print("selftest: no CPU flushes its TLB for another");
        return;
    }
    if (name == "keep-threads") {
        keeps_threads = true;
        print("selftest: a CPU that is taken gives no thread back");
        return;
    }
    if (name == "keep-derived") {
        keeps_derived = true;
        print("selftest: what is derived from a capability that was just revoked stays");
        return;
    }
    if (name == "keep-charge") {
        keeps_charge = true;
        print("selftest: a memory object that could not be made has been paid for");
        return;
    }
    if (name == "forget-wake") {
        forgetful = true;
        print("selftest: one wake that the kernel places is not counted");
        return;
    }
    for (const Kind& kind : kKinds) {
        if (kind.name == name) chosen = &kind;
    }
    if (!chosen) panic(format("no selftest {}", name).text());
}

void selftest_run() {
    if (!chosen || this_cpu().number != online_cpus().size() - 1) return;
    print("selftest: {} on cpu {}", chosen->name, this_cpu().number);
    chosen->commit();
    print("selftest: {} was survived", chosen->name);
}

}  // namespace cox
