#pragma once

#include <string>

#include "base/loop.h"
#include "base/task.h"

namespace dcoord::cli {

/// Where one item ends in a stream of bytes.
enum class Framing { lines, nul, whole };

/// Reads items from a descriptor, a buffer at a time.
class ItemReader {
 public:
  ItemReader(Loop& loop, int fd, Framing framing, size_t max_size);

  /// Takes the next item out of what was read; false: read on, or it is the end. Throws Error (65)
  /// for one that is larger than it may be.
  bool pop(std::string& item);
  /// Reads on; false when `until` came first. Throws Error (65) when it cannot be read.
  Task<bool> fill(TimePoint until);
  /// Whether all has been read (not: popped).
  bool at_end() const { return at_end_; }
  /// Whether reading on would not have to wait.
  bool ready() const;
  /// How many items were popped.
  long long count() const { return count_; }

 private:
  Loop& loop_;
  int fd_;
  Framing framing_;
  size_t max_size_;
  std::string buffer_;
  size_t start_ = 0;    // of the next item
  size_t scanned_ = 0;  // no end of an item before this
  bool at_end_ = false;
  long long count_ = 0;
};

/// Throws Error (65): item `number`, counted from 1, has more bytes than it may.
[[noreturn]] void refuse_large_item(long long number, size_t size, size_t max_size);

}  // namespace dcoord::cli
