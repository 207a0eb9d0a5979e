// SPDX-License-Identifier: MIT
#include "replay.hpp"

#include <cstring>
#include <fstream>
#include <iterator>

namespace sim {
namespace {

constexpr std::size_t kHeader = sizeof(sched::RecordPageHeader);

std::uint64_t number(std::span<const std::byte> page, std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    std::memcpy(&value, &page[at], size);
    return value;
}

}  // namespace

Recording parse_recording(std::span<const std::byte> bytes) {
    using sched::RecordPageHeader;
    const std::size_t pages = bytes.size() / cox::abi::kPageSize;
    if (pages == 0 || bytes.size() % cox::abi::kPageSize != 0) {
        throw BadRecording("it is not made of whole pages");
    }
    Recording recording;
    bool over = false;
    for (std::size_t count = 0; count < pages; ++count) {
        const auto page = bytes.subspan(count * cox::abi::kPageSize, cox::abi::kPageSize);
        const std::string name = "page " + std::to_string(count);
        const std::uint64_t entries = number(page, offsetof(RecordPageHeader, entries), 8);
        if (std::memcmp(page.data(), sched::kRecordMagic.data(), sched::kRecordMagic.size()) != 0) {
            throw BadRecording(name + " does not begin as one of a recording");
        }
        if (number(page, offsetof(RecordPageHeader, id), 8) !=
                number(bytes, offsetof(RecordPageHeader, id), 8) ||
            number(page, offsetof(RecordPageHeader, page), 4) != count ||
            number(page, offsetof(RecordPageHeader, pages), 4) != pages) {
            throw BadRecording(name + " is not page " + std::to_string(count) + " of " +
                               std::to_string(pages) + " of the recording");
        }
        if (entries > sched::kEntriesPerPage || (over && entries != 0)) {
            throw BadRecording(name + " has " + std::to_string(entries) + " entries");
        }
        over = entries < sched::kEntriesPerPage;
        for (std::uint64_t at = 0; at < entries; ++at) {
            std::memcpy(&recording.entries.emplace_back(), &page[kHeader + at * sizeof(sched::RecordEntry)],
                        sizeof(sched::RecordEntry));
        }
    }
    recording.not_kept = number(bytes, offsetof(RecordPageHeader, not_kept), 8);
    return recording;
}

Recording read_recording(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw BadRecording("cannot read " + path);
    }
    const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
    try {
        return parse_recording(std::as_bytes(std::span(bytes)));
    } catch (const BadRecording& bad) {
        throw BadRecording(path + ": " + bad.what());
    }
}

}  // namespace sim
