// SPDX-License-Identifier: MIT
//
//     line     = [ section | key "=" value ] [ "#" comment ]       a comment begins the line or follows a
//     space section  = "[" kind [ name ] "]"
#include "root/manifest.hpp"

#include "root/manifest_check.hpp"
#include "root/manifest_keys.hpp"
#include "root/manifest_values.hpp"

#include <algorithm>

namespace cox::manifest {

namespace {

class Parser {
public:
    explicit Parser(Manifest& out) : out_(out) {}

    Result<void> parse_line(std::string_view line) {
        ++line_;
        if (!std::all_of(line.begin(), line.end(), is_printable)) {
            return wrong("text", "only printable ASCII characters and tabs are allowed");
        }
        const std::string_view text = trim(without_comment(line));
        if (text.empty()) {
            return {};
        }
        return text.front() == '[' ? open_section(text) : assign(text);
    }

private:
    enum class Section : std::uint8_t { kNone, kRun, kServer, kDomain, kObject, kProgram, kEvent };

    static bool is_printable(char c) { return (c >= ' ' && c <= '~') || c == '\t' || c == '\r'; }

    static std::string_view without_comment(std::string_view line) {
        for (std::size_t i = 0; i < line.size(); ++i) {
            if (line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) {
                return line.substr(0, i);
            }
        }
        return line;
    }

    [[nodiscard]] std::unexpected<Error> wrong(std::string_view key, std::string_view message) const {
        return std::unexpected(Error{line_, key, message});
    }

    Result<void> open_section(std::string_view text) {
        if (!text.ends_with(']')) {
            return wrong(text, "a section must end with ] and nothing may follow");
        }
        std::string_view rest = after(text.substr(0, text.size() - 1), 1);
        const std::string_view kind = take_word(rest);
        const std::string_view name = trim(rest);
        seen_ = 0;
        if (kind == "run" || kind == "server") {
            return open_single(text, kind == "run", name);
        }
        if (kind != "notification" && kind != "memory" && kind != "program" && kind != "event" &&
            kind != "domain") {
            return wrong(text,
                         "must be [run], [server], [domain NAME], [notification NAME], [memory NAME], "
                         "[program NAME] or [event NAME]");
        }
        if (!is_name(name)) {
            return wrong(text, "needs a name of 1 to 23 letters, digits, - or _, which is no right");
        }
        if (kind == "event") {
            return open_event(name);
        }
        if (kind == "domain") {
            return open_domain(text, name);
        }
        return kind == "program" ? open_program(name) : open_object(kind == "memory", name);
    }

    Result<void> open_single(std::string_view text, bool run, std::string_view name) {
        bool& had = run ? had_run_ : had_server_;
        if (had || !name.empty()) {
            return wrong(text, had ? "stands twice" : "takes no name");
        }
        had = true;
        section_ = run ? Section::kRun : Section::kServer;
        if (!run) {
            out_.server.line = line_;
        }
        return {};
    }

    Result<void> open_domain(std::string_view text, std::string_view name) {
        if (name == "yes" || name == "no") {
            return wrong(text, "yes and no are no names: a program's key domain may have these values");
        }
        Domain* const domain = out_.domains.add();
        if (domain == nullptr) {
            return wrong(name, "at most 7 domains");
        }
        domain->line = line_;
        domain->name = name;
        section_ = Section::kDomain;
        return {};
    }

    Result<void> open_object(bool memory, std::string_view name) {
        Object* const object = out_.objects.add();
        if (object == nullptr) {
            return wrong(name, "at most 16 objects");
        }
        object->line = line_;
        object->name = name;
        object->kind = memory ? ObjectKind::kMemory : ObjectKind::kNotification;
        section_ = Section::kObject;
        return {};
    }

    Result<void> open_program(std::string_view name) {
        Program* const program = out_.programs.add();
        if (program == nullptr) {
            return wrong(name, "at most 8 programs");
        }
        program->line = line_;
        program->name = name;
        section_ = Section::kProgram;
        return {};
    }

    Result<void> open_event(std::string_view name) {
        Event* const event = out_.events.add();
        if (event == nullptr) {
            return wrong(name, "at most 16 events");
        }
        event->line = line_;
        event->name = name;
        section_ = Section::kEvent;
        return {};
    }

    Result<void> assign(std::string_view text) {
        const std::size_t equals = text.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            return wrong(text, "must be a [section] or key = value");
        }
        const Assignment assignment{line_, trim(text.substr(0, equals)), trim(after(text, equals + 1))};
        switch (section_) {
            case Section::kRun: return set_key(out_.run, assignment, seen_);
            case Section::kServer: return set_key(out_.server, assignment, seen_);
            case Section::kDomain: return set_key(out_.domains.back(), assignment, seen_);
            case Section::kObject: return set_key(out_.objects.back(), assignment, seen_);
            case Section::kProgram: return set_key(out_.programs.back(), assignment, seen_);
            case Section::kEvent: return set_key(out_.events.back(), assignment, seen_);
            case Section::kNone: break;
        }
        return wrong(assignment.key, "stands before the first [section]");
    }

    Manifest& out_;
    std::uint32_t line_ = 0;
    Section section_ = Section::kNone;
    std::uint64_t seen_ = 0;
    bool had_run_ = false;
    bool had_server_ = false;
};

template <class List>
auto find_named(const List& list, std::string_view name) {
    const auto* const found =
        std::find_if(list.begin(), list.end(), [&](const auto& item) { return item.name == name; });
    return found != list.end() ? found : nullptr;
}

}  // namespace

const Object* Manifest::find_object(std::string_view name) const { return find_named(objects, name); }
const Program* Manifest::find_program(std::string_view name) const { return find_named(programs, name); }

const Domain* Manifest::find_domain(std::string_view name) const { return find_named(domains, name); }

std::uint64_t Manifest::lent_cpus() const {
    std::uint64_t lent = 0;
    for (const Domain& domain : domains) {
        lent |= domain.cpus;
    }
    return lent;
}

Result<void> parse(std::string_view text, Manifest& out) {
    Parser parser(out);
    while (!text.empty()) {
        const std::size_t length = std::min(text.find('\n'), text.size());
        if (auto parsed = parser.parse_line(text.substr(0, length)); !parsed) {
            return parsed;
        }
        text.remove_prefix(std::min(length + 1, text.size()));
    }
    return check(out);
}

Result<void> override_option(Manifest& manifest, std::string_view key, std::string_view value) {
    std::uint64_t seen = 0;
    if (key == "policy") {
        return set_key(manifest.server, Assignment{0, key, value}, seen);
    }
    constexpr std::string_view kOptions[] = {"workers",         "size",         "seed", "server", "fault",
                                             "ready_timeout_s", "run_timeout_s"};
    if (std::find(std::begin(kOptions), std::end(kOptions), key) == std::end(kOptions)) {
        return {};
    }
    return set_key(manifest.run, Assignment{0, key, value}, seen);
}

}  // namespace cox::manifest
