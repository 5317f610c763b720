#pragma once

#include <functional>
#include <string>

#include "base/loop.h"
#include "base/task.h"
#include "cli/config.h"

namespace dcoord::cli {

/// Tells somebody who waits for over a second what for: on a terminal one line that is rewritten,
/// elsewhere a line at once and then one every minute. Destroying it takes the line away.
class WaitingLine {
 public:
  /// Says "waiting for `what`", then what `state` returns at that moment (": held by ...");
  /// `at_length` is false where the line is rewritten.
  WaitingLine(Loop& loop, const Config& config, std::string what,
              std::function<std::string(bool at_length)> state);
  ~WaitingLine();

 private:
  Task<void> tell();
  std::string line() const;

  Loop& loop_;
  bool rewrite_;
  bool silent_;
  std::string what_;
  std::function<std::string(bool at_length)> state_;
  TimePoint started_;
  Task<void> telling_;
};

}  // namespace dcoord::cli
