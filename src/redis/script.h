#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dcoord::redis {

/// One file of lua/, embedded at build: its path is its name.
struct Script {
  std::string_view name;    ///< "lock/acquire"
  std::string_view sha1;    ///< what SCRIPT LOAD answers for `source`
  std::string_view source;  ///< with its includes expanded
  bool writes;              ///< false: changes nothing, so it may ride along with AUTH and SELECT
};

/// A script with what it is run on. All keys share one hash tag.
struct Call {
  const Script* script = nullptr;
  std::vector<std::string> keys;
  std::vector<std::string> args;
  /// A reply with this first word counts only when replicas have what was written: see
  /// SessionOptions::replicas. "": never.
  std::string_view confirm{};
};

}  // namespace dcoord::redis
