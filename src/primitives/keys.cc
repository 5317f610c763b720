#include "primitives/keys.h"

#include <fmt/format.h>

#include <cstdint>

#include "base/error.h"
#include "base/log.h"

namespace dcoord::primitives {

int bucket_of(std::string_view name) {
  uint32_t hash = 2166136261u;
  for (const char c : name) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 16777619u;
  }
  return static_cast<int>(hash % kBuckets);
}

std::string Keys::key(std::string_view name, std::string_view kind) const {
  return fmt::format("{}:{{{}}}:{}:{}", namespace_, bucket_of(name), kind, name);
}

std::string Keys::mailbox(std::string_view name, std::string_view token) const {
  return fmt::format("{}:{{{}}}:mail:{}", namespace_, bucket_of(name), token);
}

// The group's length before it: no two pairs of names make the same key, whatever is in them.
std::string Keys::event_group(std::string_view topic, std::string_view part,
                              std::string_view group) const {
  return fmt::format("{}:{{{}}}:event{}:{}:{}:{}", namespace_, bucket_of(topic), part, group.size(),
                     group, topic);
}

std::string Keys::event_beginning(std::string_view group, std::string_view pattern) const {
  return fmt::format("{}:{{{}}}:eventb:{}:{}:{}", namespace_, bucket_of(group), group.size(), group,
                     pattern);
}

std::string Keys::index(int bucket, std::string_view kind) const {
  return fmt::format("{}:{{{}}}:index:{}", namespace_, bucket, kind);
}

KeyParts parts_of(std::string_view key) {
  const size_t bucket = key.find("}:");
  if (bucket == std::string_view::npos) return {};
  key.remove_prefix(bucket + 2);
  const size_t colon = key.find(':');
  if (colon == std::string_view::npos) return {};
  return {key.substr(0, colon), key.substr(colon + 1)};
}

void check_name(std::string_view name, std::string_view what) {
  const auto refuse = [&](std::string_view why) {
    throw usage_error(fmt::format("invalid {}: {}", what, why),
                      "a name is 1 to 255 bytes of UTF-8 without control characters");
  };
  if (name.empty()) refuse("it is empty");
  if (name.size() > 255)
    refuse(fmt::format("it has {} bytes, 255 at most are allowed", name.size()));
  if (log::printable(name) != name) {
    refuse(fmt::format("'{}' has a control character or is not UTF-8", log::printable(name)));
  }
}

}  // namespace dcoord::primitives
