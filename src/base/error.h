#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "base/exit_code.h"

namespace dcoord {

/// A failure: something is broken, as opposed to a refusal, which is a value. Thrown where it is
/// known, caught once, by cli::run, which prints it and exits with its code.
///
/// The message is lower case, without a full stop, and names what was wrong and where it came from;
/// the hint says what to do about it.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, std::string kind, const std::string& message, std::string hint = {})
      : std::runtime_error(message), code_(code), kind_(std::move(kind)), hint_(std::move(hint)) {}

  ExitCode code() const { return code_; }
  /// A stable word for programs, e.g. "unreachable" or "wrong_type".
  const std::string& kind() const { return kind_; }
  const std::string& hint() const { return hint_; }

 private:
  ExitCode code_;
  std::string kind_;
  std::string hint_;
};

/// The command line is wrong (64).
inline Error usage_error(const std::string& message, std::string hint = {}) {
  return Error(ExitCode::usage, "usage", message, std::move(hint));
}

/// The configuration is wrong (78).
inline Error config_error(const std::string& message, std::string hint = {}) {
  return Error(ExitCode::config, "config", message, std::move(hint));
}

/// Must not happen (70).
inline Error internal_error(const std::string& message) {
  return Error(ExitCode::internal, "internal", message, "this is a bug in dcoord");
}

}  // namespace dcoord
