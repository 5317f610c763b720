#pragma once

#include <functional>
#include <string>

#include "base/loop.h"
#include "base/task.h"
#include "cli/queue_input.h"

namespace dcoord::cli {

/// Reads items and hands them over in groups: as large as they may be of input that comes fast, and
/// of other input what has come.
struct ItemFeed {
  long long enough = 50;                              ///< so many go at once when no more have come
  Duration timeout = std::chrono::milliseconds(100);  ///< what has come goes after so long
  /// Takes an item; true: the group is full.
  std::function<bool(std::string item)> take;
  /// Sends the group; it may be empty at the end.
  std::function<Task<void>()> send;

  Task<void> run(Loop& loop, ItemReader& reader) const;
};

}  // namespace dcoord::cli
