#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace hold_test {

/// A terminal with a program on it, which leads its session, and somebody who types and reads.
class Pty {
 public:
  explicit Pty(const std::vector<std::string>& command);
  /// Hangs up, and ends the program.
  ~Pty();
  Pty(const Pty&) = delete;
  Pty& operator=(const Pty&) = delete;

  void type(const std::string& text);
  /// Waits until `text` comes, after what was expected before; throws when it does not.
  void expect(const std::string& text);
  /// Everything that has come.
  const std::string& output();
  /// As when the line drops.
  void hang_up() { master_.reset(); }
  /// Whether what is typed is echoed and edited as usual.
  bool cooked() const;
  pid_t pid() const { return pid_; }

 private:
  void read_more(int limit_ms);

  dcoord::UniqueFd master_;
  pid_t pid_ = 0;
  std::string output_;
  size_t seen_ = 0;
};

/// A bash to type at, whose prompt is "ready> ".
std::vector<std::string> interactive_bash();

}  // namespace hold_test
