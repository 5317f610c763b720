#pragma once

#include <string>

#include "base/loop.h"
#include "base/task.h"
#include "base/unique_fd.h"

namespace dcoord::cli {

/// What commands write to standard error: it goes on to ours, and its end is kept for whoever wants
/// to know why one failed.
class CommandErrors {
 public:
  /// Throws Error when there can be no pipe.
  explicit CommandErrors(Loop& loop);

  /// For hold::Command::errors.
  int descriptor() const { return write_end_.get(); }
  /// A command begins.
  void begin() { tail_.clear(); }
  /// It has ended: passes on what it left.
  Task<void> finish();
  /// The end of what it wrote, from a line's start on if that is near.
  std::string tail() const;

 private:
  Task<void> pass_on();
  bool read_some(std::string& bytes);

  Loop& loop_;
  UniqueFd read_end_, write_end_;
  std::string tail_;
  Task<void> passing_;
};

}  // namespace dcoord::cli
