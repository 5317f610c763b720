#pragma once

#include <optional>
#include <string>

#include "base/loop.h"
#include "base/task.h"
#include "cli/config.h"
#include "primitives/lock.h"

namespace dcoord::cli {

/// Tells somebody who waits for over a second what for: on a terminal one line that is rewritten,
/// elsewhere a line at once and then one every minute. Destroying it takes the line away.
class WaitingLine {
 public:
  WaitingLine(Loop& loop, const Config& config, std::string what);
  ~WaitingLine();

  /// The latest of what the server said.
  void update(const primitives::LockWaiting& waiting);

 private:
  Task<void> tell();
  std::string line() const;

  Loop& loop_;
  bool rewrite_;
  bool silent_;
  std::string what_;
  TimePoint started_;
  std::optional<primitives::LockWaiting> latest_;
  TimePoint latest_at_;
  Task<void> telling_;
};

}  // namespace dcoord::cli
