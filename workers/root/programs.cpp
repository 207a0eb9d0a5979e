// SPDX-License-Identifier: MIT
#include "cap/format.hpp"
#include "root/domains.hpp"
#include "root/flows.hpp"
#include "root/launch.hpp"
#include "root/schedule.hpp"

#include <array>

namespace root {

namespace {

constexpr std::size_t kMaxChildren = 64;

struct Child {
    const manifest::Program* program = nullptr;
    std::uint64_t index = 0;
    bool exited = false;
    std::uint64_t exit_code = 0;
};

std::array<Child, kMaxChildren> children;

class Programs {
public:
    explicit Programs(Context& context)
        : context_(context), env_(context.env), domains_(context), schedule_(context) {}

    void announce() {
        std::uint64_t cases = schedule_.cases() + domains_.cases() + (context_.manifest.run.server ? 1 : 0);
        for (const manifest::Program& program : context_.manifest.programs) {
            cases += program.instances(context_.manifest.run);
        }
        env_.log.print("suite: name={} cases={}", context_.name, cases);
    }

    // Of each domain.
    bool start_servers() {
        if (!context_.manifest.run.server) {
            return true;
        }
        if (!domains_.lend() || !start_server(context_)) {
            return false;
        }
        ++passed_;
        env_.log.write("case: name=server result=pass");
        return domains_.start();
    }

    bool launch_all() {
        if (!schedule_.open()) {
            return false;
        }
        for (const manifest::Program& program : context_.manifest.programs) {
            for (std::uint64_t i = 0; i < program.instances(context_.manifest.run); ++i) {
                if (!launch_one(program, i)) {
                    return false;
                }
            }
        }
        return true;
    }

    bool wait_for_all() {
        Waiting waiting(env_, context_.manifest.run.run_timeout_s);
        schedule_.begin();
        for (left_ = count_; left_ != 0;) {
            schedule_.step();
            const auto completion = waiting.next_for(schedule_.wait_ns());
            if (!completion) {
                env_.log.print("error: waited for {} programs to end: {}", left_, completion.error());
                return false;
            }
            if (*completion && !take(**completion)) {
                return false;
            }
        }
        return true;
    }

    bool end_domains() { return domains_.end(); }

    bool report() {
        domains_.report();
        passed_ += domains_.cases();
        const std::uint64_t right_events = schedule_.report();
        passed_ += right_events;
        failed_ += schedule_.cases() - right_events;
        for (std::size_t i = 0; i < count_; ++i) {
            const Child& child = children[i];
            const bool right = child.exit_code == child.program->exit_code;
            cap::LogLine line;
            line.print("case: name={}.{} result={}", child.program->name, child.index,
                       right ? "pass" : "fail");
            if (!right) {
                line.print(" message=\"ended with code {}, expected {}\"", child.exit_code,
                           child.program->exit_code);
            }
            env_.log.write(line.view());
            ++(right ? passed_ : failed_);
        }
        env_.log.print("suite: name={} passed={} failed={} verdict={}", context_.name, passed_, failed_,
                       failed_ == 0 ? "ok" : "failed");
        return failed_ == 0;
    }

private:
    bool take(const abi::Completion& completion) {
        if (Domains::concerns(completion)) {
            return domains_.take(completion);
        }
        if (completion.user_data < kChildExit) {
            const bool expected = schedule_.take(completion);
            if (!expected) {
                env_.log.print("error: the scheduler server ended with code {}", completion.result);
            }
            return expected;
        }
        Child& child = children[completion.user_data - kChildExit];
        child.exited = true;
        child.exit_code = static_cast<std::uint64_t>(completion.result);
        --left_;
        return true;
    }

    bool launch_one(const manifest::Program& program, std::uint64_t index) {
        if (count_ == kMaxChildren) {
            env_.log.print("error: more than {} instances of all programs together", kMaxChildren);
            return false;
        }
        const auto child =
            launch(context_, program, index, domains_.placement(program, index), kChildExit + count_);
        if (!child || !child->thread.start()) {
            return false;
        }
        children[count_++] = {&program, index, false, 0};
        return true;
    }

    Context& context_;
    const cap::Env& env_;
    Domains domains_;
    Schedule schedule_;
    std::size_t count_ = 0;
    std::size_t left_ = 0;  // programs that have not ended
    std::uint64_t passed_ = 0;
    std::uint64_t failed_ = 0;
};

}  // namespace

bool run_programs(Context& context) {
    Programs programs(context);
    programs.announce();
    return programs.start_servers() && programs.launch_all() && programs.wait_for_all() &&
           programs.end_domains() && programs.report();
}

}  // namespace root
