// SPDX-License-Identifier: MIT
//
// Domains in the manifest.
#include "manifest_parsed.hpp"
#include "root/manifest_check.hpp"

#include <array>
#include <string>

namespace {

using namespace cox;
using namespace test;
using manifest::Manifest;

}  // namespace

TEST_CASE("manifest: domains", "[manifest]") {
    const std::string server =
        "[server]\nprogram = s\npolicy = fifo\ncap.ready = b write\n[notification b]\n";  // 5 lines
    const Parsed parsed(server +
                        "[domain one]\ncpus = 1,4-5\n[domain two]\ncpus = 2\nprogram = t\npolicy = fair\n"
                        "arguments = policy={policy} cpus={cpus} index={index}\n"
                        "[program p]\nprogram = x\ndomain = two\ncpus = 0-2\n"
                        "[program q]\nprogram = x\ndomain = yes\n[program r]\nprogram = x\ndomain = no\n");
    REQUIRE(parsed.result);
    const Manifest& m = *parsed.manifest;
    REQUIRE(m.domains.size() == 2);
    CHECK(m.domains[0].cpus == 0b110010);
    CHECK(m.domains[0].program.empty());
    CHECK(m.domains[1].program == "t");
    CHECK(m.find_domain("two") == &m.domains[1]);
    CHECK(m.find_domain("three") == nullptr);
    CHECK(m.lent_cpus() == 0b110110);
    CHECK(m.find_program("p")->domain);
    CHECK(m.find_program("p")->domain_name == "two");
    CHECK(m.find_program("q")->domain);
    CHECK(m.find_program("q")->domain_name.empty());
    CHECK_FALSE(m.find_program("r")->domain);
    std::array<char, 64> buffer{};
    CHECK(*manifest::expand_arguments(m.domains[0], m, buffer) == "policy=fifo");  // the server's
    CHECK(*manifest::expand_arguments(m.domains[1], m, buffer) == "policy=fair cpus=4 index=0");
    CHECK_FALSE(manifest::expand_arguments(m.domains[1], m, std::span(buffer).first(9)));
    CHECK(manifest::check_machine(m, 64));
    CHECK(manifest::check_machine(m, 6));
    const auto small = manifest::check_machine(m, 5);
    REQUIRE_FALSE(small);
    CHECK(small.error().line == 7);
    CHECK(small.error().key == "cpus");
}

TEST_CASE("manifest: errors of domains", "[manifest]") {
    const std::string server = "[server]\nprogram = s\ncap.ready = b write\n[notification b]\n";  // 4 lines
    const std::string one = server + "[domain one]\ncpus = 1,4-5\n";
    check_error(server + "[domain one]\n", 5, "one", "needs the key cpus");
    for (const char* cpus : {"0", "0-3", "all", "64", "3-2", "", "1,,2"}) {
        check_error(server + "[domain one]\ncpus = " + cpus + "\n", 6, "cpus",
                    "CPU 0 stays with the root domain");
    }
    check_error(one + "[domain one]\ncpus = 2\n", 7, "one", "must differ");
    check_error(one + "[domain two]\npolicy = x\ncpus = 3-4\n", 9, "cpus", "an earlier domain has");
    check_error(one + "colour = red\n", 7, "colour", "[domain NAME] has cpus program policy arguments");
    check_error(one + "cpus = 2\n", 7, "cpus", "twice");
    check_error(one + "arguments = {name}\n", 7, "arguments", "{index}");
    check_error(one + "policy = a b\n", 7, "policy", "one word");
    check_error(one + "program = a b\n", 7, "program", "one word");
    check_error(one + "cap.log = write\n", 7, "cap.log", "[domain NAME] has");
    check_error("[domain]\n", 1, "[domain]", "needs a name");
    check_error("[domain yes]\n", 1, "[domain yes]", "no names");
    check_error("[domain no]\n", 1, "[domain no]", "no names");
    check_error(one + "[program p]\nprogram = x\ndomain = two\n", 9, "domain", "no such domain");
    check_error(one + "[program p]\nprogram = x\ndomain = a b\n", 9, "domain", "the name of a domain");
    check_error(one + "[program p]\nprogram = x\ndomain =\n", 9, "domain", "the name of a domain");
    check_error(one + "[program p]\ncpus = 0,2\nprogram = x\ndomain = one\n", 8, "cpus",
                "no CPU of the program's domain");
    check_error(one + "[program p]\nprogram = x\ncpus = 4-5\n", 9, "cpus", "no CPU of the program's domain");
    CHECK(Parsed(one + "[program p]\nprogram = x\ncpus = 4-5\ndomain = no\n").result);
    check_error(
        "[server]\nprogram = s\ncpus = 1,4\ncap.ready = b write\n[notification b]\n[domain one]\n"
        "cpus = 1,4-5\n",
        3, "cpus", "left to the root domain");
    check_error("[run]\nflow = process-scale\n" + one, 7, "one", "flow programs");
    check_error(with("[domain one]\ncpus = 1"), 3, "one", "with a server");
}
