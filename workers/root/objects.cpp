// SPDX-License-Identifier: MIT
#include "root/objects.hpp"

namespace root {

namespace {

using cox::manifest::Object;
using cox::manifest::ObjectKind;

cap::Result<cap::abi::CapSlot> create(const cap::Env& env, const Object& object) {
    if (object.kind == ObjectKind::kMemory) {
        return TRY(env.process.create_memory(object.pages)).slot();
    }
    return TRY(env.process.create_notification()).slot();
}

}  // namespace

cap::Result<cap::abi::CapSlot> Objects::get(const cap::Env& env, const cox::manifest::Manifest& manifest,
                                            std::string_view name, std::uint64_t index) {
    const Object* const object = manifest.find_object(name);
    if (object == nullptr) {
        return TRY_OR(env.find_slot(name), cap::abi::Error::kBadSlot);
    }
    const auto number = static_cast<std::size_t>(object - manifest.objects.begin());
    cap::abi::CapSlot& slot = slots_[number][object->each_instance ? index : 0];
    if (!slot) {
        slot = TRY(create(env, *object));
    }
    return slot;
}

}  // namespace root
