// SPDX-License-Identifier: MIT
//
// What operations check of their arguments, most of all the addresses in them: docs/abi.md, "Operations".
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/patience.hpp"

namespace {

using namespace test;
using abi::Error;
using abi::Op;

constexpr std::uint64_t kPage = abi::kPageSize;

// A mapped page between two that are not.
class Page {
public:
    [[nodiscard]] static cap::Result<Page> make(const cap::Env& env, abi::Rights access) {
        const Owned memory(TRY(env.process.create_memory(1)));
        const std::uint64_t address = TRY(env.space.reserve(1));
        TRY(env.process.map(*memory, address, 0, 1, access));
        return Page(env, address);
    }
    Page(Page&& other) noexcept : env_(other.env_), address_(std::exchange(other.address_, 0)) {}
    Page& operator=(Page&&) = delete;
    ~Page() {
        if (address_ != 0) {
            (void)env_.process.unmap(address_, 1);
        }
    }
    [[nodiscard]] std::uint64_t begin() const { return address_; }
    [[nodiscard]] std::uint64_t end() const { return address_ + kPage; }

private:
    Page(const cap::Env& env, std::uint64_t address) : env_(env), address_(address) {}

    const cap::Env& env_;
    std::uint64_t address_;
};

// Operations that take an address, with what they touch there.
struct Taker {
    Op op;
    abi::CapSlot slot;
    std::size_t which;  // argument
    std::uint64_t bytes;
    bool writes;
    std::array<std::uint64_t, 4> args = {};
};

std::array<Taker, 5> takers(const cap::Env& env) {
    const auto machine = *env.find_slot("machine");
    return {{{Op::kCreateProcess, env.process.slot(), 0, sizeof(abi::ProcessParams), false},
             {Op::kCreateThread, env.process.slot(), 0, sizeof(abi::ThreadParams), false},
             {Op::kLogWrite, env.log.slot(), 0, 64, false, {0, 64}},
             {Op::kGetStatus, env.thread.slot(), 0, sizeof(abi::StatusLine), true},
             {Op::kCpuStats, machine, 1, sizeof(abi::CpuStats), true, {0}}}};
}

void bad_addresses(Case& t) {
    const auto page = MUST(t, Page::make(t.env, abi::kRead | abi::kWrite));
    const auto read_only = MUST(t, Page::make(t.env, abi::kRead));
    for (Taker taker : takers(t.env)) {
        const auto error = [&](std::uint64_t address) {
            Request request{taker.op, taker.slot, taker.args};
            request.args[taker.which] = address;
            const Error called = by_call(request);
            const Error submitted = by_ring(t.env, request);
            return called == submitted ? called : Error::kBadCall;
        };
        const std::uint64_t bad[] = {
            0,
            8,
            page.begin() - 8,              // starts on a page that is not there
            page.end() - taker.bytes + 8,  // ends on one
            page.end() - 1,
            page.end(),
            abi::kUserBottom,
            abi::kUserTop - 8,
            abi::kUserTop,
            0x8000'0000'0000'0000,
            0xffff'7fff'ffff'fff8,
            0xffff'8000'0000'0000,
            0xffff'ffff'8020'0000,
            0xffff'ffff'ffff'fff8,
            ~0ull,
        };
        for (const std::uint64_t address : bad) {
            REQUIRE_EQUAL(t, error(address), Error::kBadAddress);
        }
        if (taker.writes) {
            REQUIRE_EQUAL(t, error(read_only.begin()), Error::kBadAddress);
            REQUIRE_EQUAL(t, error(page.begin()), Error::kOk);
            REQUIRE_EQUAL(t, error(page.end() - taker.bytes), Error::kOk);
            REQUIRE_EQUAL(t, error(page.begin() + 1), Error::kOk);  // no alignment is asked for
        }
    }
}

// A buffer over two pages that are not neighbours in memory.
void across_pages(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(4)));
    const std::uint64_t address = MUST(t, t.env.space.reserve(2));
    REQUIRE_OK(t, t.env.process.map(*memory, address, 3, 1, abi::kRead | abi::kWrite));
    REQUIRE_OK(t, t.env.process.map(*memory, address + kPage, 0, 1, abi::kRead | abi::kWrite));
    const std::uint64_t at = address + kPage - 24;
    REQUIRE_EQUAL(t, by_call({Op::kGetStatus, t.env.thread.slot(), {at}}), Error::kOk);
    cap::ThreadStatus status{};
    __builtin_memcpy(&status, reinterpret_cast<const void*>(at), sizeof status);
    REQUIRE(t, status.ref == MUST(t, t.env.thread.ref()));
    REQUIRE_EQUAL(t, status.affinity, MUST(t, t.env.thread.status()).affinity);
    REQUIRE_OK(t, t.env.process.unmap(address, 2));
}

void log_lengths(Case& t) {
    static std::array<char, abi::kMaxLogLine + 1> text;
    text.fill('.');
    const auto address = reinterpret_cast<std::uint64_t>(text.data());
    const auto write = [&](std::uint64_t length) {
        return by_call({Op::kLogWrite, t.env.log.slot(), {address, length}});
    };
    REQUIRE_EQUAL(t, write(0), Error::kOk);
    REQUIRE_EQUAL(t, write(abi::kMaxLogLine), Error::kOk);
    REQUIRE_EQUAL(t, write(abi::kMaxLogLine + 1), Error::kBadArgument);
    REQUIRE_EQUAL(t, write(~0ull), Error::kBadArgument);
    // An empty line needs no memory.
    REQUIRE_EQUAL(t, by_call({Op::kLogWrite, t.env.log.slot(), {0, 0}}), Error::kOk);
}

// Nobody can write a line that looks like the kernel's, or like a second one: the runner would take it for a panic.
void log_is_one_line(Case& t) {
    t.env.log.write("test: the next line\npanic: cpu=0 cause=\"log\"\r\x1b[2Kpanic: not this one");
    t.env.log.write(std::string_view("test: \0 \x7f \t", 11));
    const Owned process(MUST(t, t.env.process.create_process("x\npanic: name")));
    abi::ThreadParams params{};
    params.ring_address = 0x20'0000;
    const Owned thread(MUST(t, process->create_thread(params)));
    REQUIRE_OK(t, thread->start());  // at address 0: a fault that names the process
    REQUIRE_EQUAL(t, MUST(t, process->wait_exit(t.env.ring, patience_ns)), 0xfa17u);
}

void process_domain(Case& t) {
    abi::ProcessParams params{};
    const auto create = [&](std::uint64_t slot) {
        params.domain_slot = slot;
        const auto reply =
            cap::cap_call(t.env.process.slot(), Op::kCreateProcess, reinterpret_cast<std::uint64_t>(&params));
        if (reply.result > 0) {
            cap::Capability(abi::CapSlot::from_raw(static_cast<std::uint64_t>(reply.result))).drop();
        }
        return error_of(reply.result);
    };
    const cap::Capability domain(*t.env.find_slot("domain"));
    const auto weak = MUST(t, derive(domain, abi::kAllRights & ~abi::kExecute));
    const auto just = MUST(t, derive(domain, abi::kExecute));
    const abi::CapSlot stale = MUST(t, domain.derive(abi::kExecute));
    cap::Capability(stale).drop();
    REQUIRE_EQUAL(t, create(0), Error::kOk);
    REQUIRE_EQUAL(t, create(just->slot().raw()), Error::kOk);
    REQUIRE_EQUAL(t, create(weak->slot().raw()), Error::kNoRight);
    REQUIRE_EQUAL(t, create(t.env.log.slot().raw()), Error::kWrongType);
    REQUIRE_EQUAL(t, create(stale.raw()), Error::kStaleSlot);
    REQUIRE_EQUAL(t, create(~0ull), Error::kBadSlot);
}

void machine_arguments(Case& t) {
    for (const std::uint64_t code :
         {std::uint64_t{0}, std::uint64_t{0x12}, std::uint64_t{0x13}, std::uint64_t{1} << 32 | 0x10}) {
        REQUIRE_EQUAL(t, by_call({Op::kPowerOff, t.machine.slot(), {code}}), Error::kBadArgument);
    }
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        // The host may not have let it run yet.
        REQUIRE(t, eventually(t.env.clock, [&] {
                    const auto stats = t.machine.cpu_stats(cpu);
                    return !stats || stats->idle_ticks + stats->system_ticks != 0;
                }));
        MUST(t, t.machine.cpu_stats(cpu));
    }
    REQUIRE_ERROR(t, t.machine.cpu_stats(t.cpus()), Error::kBadArgument);
    REQUIRE_ERROR(t, t.machine.cpu_stats(~0u), Error::kBadArgument);
}

void start_info(Case& t) {
    const abi::StartInfo& info = t.env.info;
    REQUIRE_EQUAL(t, info.magic, abi::kStartMagic);
    REQUIRE_EQUAL(t, info.abi_version, abi::kAbiVersion);
    REQUIRE_EQUAL(t, info.ring_address % kPage, 0u);
    REQUIRE_EQUAL(t, info.free_address % kPage, 0u);
    REQUIRE(t, info.tsc_hz > 1'000'000);
    REQUIRE(t, info.archive_address != 0 && info.archive_size != 0);
    REQUIRE(t, t.env.arguments().find("root=test/arguments") != std::string_view::npos);
    const auto archive = MUST(t, t.env.find<cap::Memory>("archive")->pages());
    REQUIRE_EQUAL(t, archive, (info.archive_size + kPage - 1) / kPage);
}

constexpr Entry kCases[] = {
    {"bad_addresses", bad_addresses},   {"across_pages", across_pages},
    {"log_lengths", log_lengths},       {"log_is_one_line", log_is_one_line},
    {"process_domain", process_domain}, {"machine_arguments", machine_arguments},
    {"start_info", start_info},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "arguments", kCases); }
