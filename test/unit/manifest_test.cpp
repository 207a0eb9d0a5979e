// SPDX-License-Identifier: MIT
#include "manifest_parsed.hpp"

#include "abi/sched_label.hpp"

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

namespace {

using namespace cox;
using namespace test;
using manifest::Event;
using manifest::Manifest;

constexpr const char* kGood = R"(# comment
[run]
flow = process-scale
workers = 4       # trailing comment
size = smoke
seed = 0x10
server = on
fault = none
run_timeout_s = 5

[server]
program = sched-server
policy = fifo
cpus = 1,3-4
arguments = policy={policy} x#y
cap.log = write
cap.domain = read write manage
cap.ready = server-ready write

[notification server-ready]
[notification go]
each = instance
[memory result]
each = instance
pages = 3

[program worker]
program = workers/primes
count = workers
domain = no
label = priority:200 weight:50 group:1 period_us:10000 budget_us:2000
quota = 4M 8
arguments = index={index} of={workers} size={size} seed={seed} fault={fault}
exit = 7
cap.log = write
cap.go = read
cap.page = result read write
[program helper]
program = workers/hello
count = 3
)";

}  // namespace

TEST_CASE("manifest: everything that a manifest can say", "[manifest]") {
    const Parsed parsed(kGood);
    REQUIRE(parsed.result.has_value());
    const Manifest& m = *parsed.manifest;
    CHECK(m.run.flow == manifest::Flow::kProcessScale);
    CHECK(m.run.workers == 4);
    CHECK(m.run.size == "smoke");
    CHECK(m.run.seed == 16);
    CHECK(m.run.server);
    CHECK(m.run.run_timeout_s == 5);
    CHECK(m.server.program == "sched-server");
    CHECK(m.server.policy == "fifo");
    CHECK(m.server.cpus == 0b11010);
    CHECK(m.server.arguments == "policy={policy} x#y");
    REQUIRE(m.server.grants.size() == 3);
    CHECK(m.server.grants[1].rights == (abi::kRead | abi::kWrite | abi::kManage));
    CHECK(m.server.grants[2].name == "ready");
    CHECK(m.server.grants[2].object == "server-ready");
    REQUIRE(m.objects.size() == 3);
    CHECK_FALSE(m.objects[0].each_instance);
    CHECK(m.objects[1].each_instance);
    CHECK(m.find_object("result")->kind == manifest::ObjectKind::kMemory);
    CHECK(m.find_object("result")->pages == 3);
    CHECK(m.find_object("nothing") == nullptr);
    const manifest::Program& worker = *m.find_program("worker");
    CHECK(worker.program == "workers/primes");
    CHECK(worker.instances(m.run) == 4);
    CHECK_FALSE(worker.domain);
    CHECK(
        abi::SchedLabel::unpack(worker.label) ==
        abi::SchedLabel{.priority = 200, .weight = 50, .group = 1, .period_us = 10'000, .budget_us = 2'000});
    CHECK(worker.exit_code == 7);
    CHECK(worker.quota.memory == 4 << 20);
    CHECK(worker.quota.threads == 8);
    CHECK(worker.grants[2].name == "page");
    CHECK(worker.grants[2].object == "result");
    const manifest::Program& helper = *m.find_program("helper");
    CHECK(helper.instances(m.run) == 3);
    CHECK(helper.domain);
    CHECK(helper.label == 0);
    CHECK(helper.quota.threads == 0);
    CHECK(helper.cpus == 0);
}

TEST_CASE("manifest: line ends, spaces and comments", "[manifest]") {
    const Parsed parsed(
        "\t[ run ]\r\n  server=off\r\n#[server]\r\n\tsize\t=\tsmall # = x\r\n[notification  bell ]");
    REQUIRE(parsed.result.has_value());
    CHECK_FALSE(parsed.manifest->run.server);
    CHECK(parsed.manifest->run.size == "small");
    CHECK(parsed.manifest->objects[0].name == "bell");
}

TEST_CASE("manifest: the flows are told apart", "[manifest]") {
    using manifest::Flow;
    CHECK(Parsed(with("flow = thread-scale")).manifest->run.flow == Flow::kThreadScale);
    CHECK(Parsed(with("flow = process-scale")).manifest->run.flow == Flow::kProcessScale);
    CHECK(Parsed(with("flow = programs")).manifest->run.flow == Flow::kPrograms);
}

TEST_CASE("manifest: errors name line and key and what is allowed", "[manifest]") {
    check_error("workers = 2\n", 1, "workers", "before the first [section]");
    check_error("[run]\nworkers = 0\n", 2, "workers", "from 1 to 64");
    check_error("[run]\nworkers = 65\n", 2, "workers", "from 1 to 64");
    check_error("[run]\nworkers = two\n", 2, "workers", "from 1 to 64");
    check_error("[run]\nworkers =\n", 2, "workers", "from 1 to 64");
    check_error("[run]\nsize = a b\n", 2, "size", "one word");
    check_error("[run]\nserver = yes\n", 2, "server", "on or off");
    check_error("[run]\nflow = x\n", 2, "flow", "process-scale, thread-scale or programs");
    check_error("[run]\nspeed = 1\n", 2, "speed", "[run] has flow workers");
    check_error("[run]\npolicy = fifo\n", 2, "policy", "[run] has");
    check_error("[run]\nseed = 1\nseed = 1\n", 3, "seed", "twice");
    check_error("[run]\nseed = 99999999999999999999\n", 2, "seed", "a number");
    check_error("[run]\nseed\n", 2, "seed", "[section] or key = value");
    check_error("[run]\n[run]\n", 2, "[run]", "twice");
    check_error("[run x]\n", 1, "[run x]", "no name");
    check_error("[run\n", 1, "[run", "end with ]");
    check_error("[]\n", 1, "[]", "must be [run]");
    check_error("[thread x]\n", 1, "[thread x]", "must be [run]");
    check_error("[program]\n", 1, "[program]", "needs a name");
    check_error("[program a b]\n", 1, "[program a b]", "needs a name");
    check_error("[memory read]\n", 1, "[memory read]", "needs a name");
    check_error("[memory abcdefghijklmnopqrstuvwx]\n", 1, "[memory abcdefghijklmnopqrstuvwx]", "1 to 23");
    check_error("[run]\nsize = \x01\n", 2, "text", "printable");
    check_error(with("[notification n]\npages = 2"), 4, "pages", "only memory");
    check_error(with("[memory m]\npages = 0"), 4, "pages", "from 1 to 512");
    check_error(with("[memory m]\neach = worker"), 4, "each", "run or instance");
    check_error(with("[memory log]"), 3, "log", "from the start");
    check_error(with("[memory m]\n[notification m]"), 4, "m", "must differ");
    check_error(with("[program p]\ncount = 1"), 3, "p", "needs the key program");
    check_error(with("[program p]\nprogram = x\n[program p]\nprogram = x"), 5, "p", "must differ");
    check_error(with("[program p]\ncap.log = fly"), 4, "cap.log", "among read write");
    check_error(with("[program p]\ncap.log = write write"), 4, "cap.log", "each right once");
    check_error(with("[program p]\ncap.log ="), 4, "cap.log", "among read write");
    check_error(with("[program p]\ncap. = write"), 4, "cap.", "1 to 23");
    check_error(with("[program p]\ncap.log = write\ncap.log = write"), 5, "cap.log", "twice");
    check_error(with("[program p]\nprogram = x\ncap.bell = write"), 5, "bell", "no such object");
    check_error(with("[program p]\ncpus = 64"), 4, "cpus", "below 64");
    check_error(with("[program p]\ncpus = 3-1"), 4, "cpus", "below 64");
    check_error(with("[program p]\ncpus = 1,,2"), 4, "cpus", "below 64");
    check_error(with("[program p]\ncount = 0"), 4, "count", "from 1 to 64, or workers");
    for (const char* label :
         {"", "urgent", "priority", "priority:", "priority:0", "priority:256", "priority:-1", "colour:1",
          "priority:1 priority:2", "weight:4096", "group:4096", "period_us:150", "period_us:6553600",
          "budget_us:5", "budget_us:655360", "priority:1,weight:2"}) {
        check_error(with(std::string("[program p]\nlabel = ") + label), 4, "label", "ATTRIBUTE:NUMBER");
    }
    for (const char* quota : {"", "4M", "4M 0", "0 8", "4M 8 1", "4M eight", "-1 8", "2000000M 8"}) {
        check_error(with(std::string("[program p]\nquota = ") + quota), 4, "quota", "BYTES THREADS");
    }
    check_error(with("[program p]\narguments = {name}"), 4, "arguments", "{index}");
    check_error(with("[program p]\narguments = {index"), 4, "arguments", "{index}");
    check_error(with("[program p]\narguments = index}"), 4, "arguments", "no other brace");
}

TEST_CASE("manifest: what the server needs", "[manifest]") {
    check_error("[run]\n", 0, "server", "no [server]");
    check_error("", 0, "server", "no [server]");
    check_error("[server]\npolicy = fifo\n", 1, "server", "program");
    check_error("[server]\nprogram = s\n", 1, "server", "cap.ready");
    check_error("[server]\nprogram = s\ncap.ready = bell write\n", 1, "server", "to a notification");
    check_error("[server]\nprogram = s\ncap.ready = m write\n[memory m]\n", 1, "server", "to a notification");
    check_error("[server]\nprogram = s\ncap.ready = b write\n[notification b]\neach = instance\n", 3, "b",
                "each instance");
    check_error("[server]\nfavourite = x\n", 2, "favourite", "[server] has program");
}

TEST_CASE("manifest: events", "[manifest]") {
    const std::string controlled =
        "[server]\nprogram = s\ncap.ready = b write\ncap.control = m read write\ncap.call = b read\n"
        "cap.answered = b write\n[notification b]\n[memory m]\n";
    const Parsed good(
        controlled +
        "[event one]\nat_ms = 20\ndo = swap policy=fifo\nexpect = refused\n[event two]\ndo = kill\n");
    REQUIRE(good.result);
    const auto& events = good.manifest->events;
    REQUIRE(events.size() == 2);
    CHECK(events[0].at_ms == 20);
    CHECK(events[0].kind == Event::Kind::kCommand);
    CHECK(events[0].text == "swap policy=fifo");
    CHECK(events[0].refused);
    CHECK(events[1].kind == Event::Kind::kKill);
    const std::string bare = "[server]\nprogram = s\ncap.ready = b write\n[notification b]\n";
    CHECK(Parsed(bare + "[event e]\ndo = kill\n").result);
    check_error(bare + "[event e]\ndo = dump\n", 5, "e", "cap.control to memory");
    check_error(controlled + "[event e]\ndo = replace\n", 9, "e", "cap.handover");
    check_error(controlled + "[event e]\nat_ms = 1\n", 9, "e", "needs the key do");
    check_error(controlled + "[event e]\ndo = dance\n", 10, "do", "must be kill, replace");
    check_error(controlled + "[event e]\ndo = kill it\n", 10, "do", "must be kill, replace");
    check_error(controlled + "[event e]\ndo = replace a b\n", 10, "do", "must be kill, replace");
    check_error(controlled + "[event e]\nat_ms = -1\n", 10, "at_ms", "milliseconds");
    check_error(controlled + "[event e]\nexpect = both\n", 10, "expect", "accepted or refused");
    check_error(controlled + "[event e]\nday = 1\n", 10, "day", "[event NAME] has at_ms");
    check_error(controlled + "[event e]\ndo = kill\n[event e]\ndo = kill\n", 11, "e", "must differ");
    check_error("[run]\nflow = process-scale\n" + bare + "[event e]\ndo = kill\n", 7, "e", "flow programs");
    check_error(with("[event e]\ndo = kill"), 3, "e", "with a server");
}

TEST_CASE("manifest: lists have their limits", "[manifest]") {
    std::string objects = "[run]\nserver = off\n";
    std::string programs = objects;
    std::string events = objects;
    std::string domains = objects;
    std::string grants = objects + "[program p]\nprogram = x\n";
    for (int i = 0; i < 17; ++i) {
        objects += "[memory m" + std::to_string(i) + "]\n";
        programs += "[program p" + std::to_string(i) + "]\nprogram = x\n";
        domains += "[domain d" + std::to_string(i) + "]\n";
        events += "[event e" + std::to_string(i) + "]\n";
        grants += "cap.c" + std::to_string(i) + " = log write\n";
    }
    check_error(objects, 19, "m16", "at most 16");
    check_error(programs, 19, "p8", "at most 8");
    check_error(domains, 10, "d7", "at most 7");
    check_error(events, 19, "e16", "at most 16");
    check_error(grants, 21, "cap.c16", "at most 16");
}

TEST_CASE("manifest: the command line overrides", "[manifest]") {
    Parsed parsed(kGood);
    Manifest& m = *parsed.manifest;
    CHECK(manifest::override_option(m, "workers", "1").has_value());
    CHECK(manifest::override_option(m, "policy", "round_robin").has_value());
    CHECK(manifest::override_option(m, "server", "off").has_value());
    CHECK(manifest::override_option(m, "console", "whatever, it is the kernel's").has_value());
    CHECK(manifest::override_option(m, "flow", "no option of the command line").has_value());
    CHECK(m.run.workers == 1);
    CHECK(m.server.policy == "round_robin");
    CHECK_FALSE(m.run.server);
    const auto wrong = manifest::override_option(m, "workers", "1000");
    REQUIRE_FALSE(wrong.has_value());
    CHECK(wrong.error().line == 0);
    CHECK(wrong.error().key == "workers");
}

TEST_CASE("manifest: arguments", "[manifest]") {
    Parsed parsed(kGood);
    Manifest& m = *parsed.manifest;
    std::array<char, 64> buffer{};
    const auto text = manifest::expand_arguments(m.find_program("worker")->arguments, m, 3, buffer);
    REQUIRE(text.has_value());
    CHECK(*text == "index=3 of=4 size=smoke seed=16 fault=none");
    CHECK(*manifest::expand_arguments(m.server.arguments, m, 0, buffer) == "policy=fifo x#y");
    CHECK(*manifest::expand_arguments("{cpus}", m, 0, buffer) == "26");
    CHECK(*manifest::expand_arguments("", m, 0, buffer) == "");
    const auto cut = manifest::expand_arguments("{size}{size}", m, 0, std::span(buffer).first(9));
    REQUIRE_FALSE(cut.has_value());
    CHECK_THAT(std::string(cut.error().message), Catch::Contains("too long"));
}

TEST_CASE("manifest: the ones that are shipped", "[manifest]") {
    const auto folder = std::filesystem::path(__FILE__).parent_path() / "../../workers/manifests";
    std::size_t found = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        std::ifstream file(entry.path());
        const Parsed parsed({std::istreambuf_iterator<char>(file), {}});
        CAPTURE(entry.path());
        if (!parsed.result) {
            CAPTURE(parsed.result.error().line, parsed.result.error().key, parsed.result.error().message);
            FAIL("does not parse");
        }
        ++found;
    }
    CHECK(found >= 2);
}

TEST_CASE("manifest: garbage gives an error, never anything worse", "[manifest]") {
    std::mt19937 random(1);
    const std::string good = kGood;
    const std::string alphabet = "[]=#{}., \n\t-read write cap.x = 0123456789 program server run";
    for (int round = 0; round < 4000; ++round) {
        std::string text = good;
        if (round % 4 == 0) {
            text.resize(random() % 300);
            for (char& c : text) {
                c = static_cast<char>(random());
            }
        } else if (round % 4 == 1) {
            text.resize(random() % 300);
            for (char& c : text) {
                c = alphabet[random() % alphabet.size()];
            }
        } else {
            for (int i = 0; i < round % 4; ++i) {
                const std::size_t at = random() % text.size();
                random() % 2 == 0 ? text.erase(at, random() % 20)
                                  : text.insert(at, 1, alphabet[random() % alphabet.size()]);
            }
        }
        const Parsed parsed(text);
        if (!parsed.result) {
            REQUIRE_FALSE(parsed.result.error().message.empty());
            REQUIRE_FALSE(parsed.result.error().key.empty());
        }
    }
}
