#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dcoord::testing {

/// One operation of a client as the client saw it, on one steady clock for all clients.
struct Operation {
  enum class Outcome {
    done,
    refused,  ///< certainly not done
    unknown,  ///< it may have been done, at any time from its invocation on
  };
  static constexpr int64_t kNoReturn = std::numeric_limits<int64_t>::max();

  std::string process;
  std::string id;    ///< of the request: the same one sent again is the same operation
  std::string what;  ///< "hold", "wait", "push", "take", "ack", "get", ...; checkers.h has them
  int64_t invoke = 0;
  int64_t returned = kNoReturn;  ///< us
  Outcome outcome = Outcome::unknown;
  std::map<std::string, std::string> with;  ///< what the checkers look at: fence, item, receipt

  bool done() const { return outcome == Outcome::done; }
  /// "" if there is none.
  const std::string& value(const std::string& key) const;
  /// A whole number; `otherwise` if there is none.
  int64_t number(const std::string& key, int64_t otherwise = 0) const;
};

/// In the order of invocation.
using History = std::vector<Operation>;

/// What a history shows that must not be. The name is stable: tests and mutants ask for it.
struct Violation {
  std::string name;
  std::string text;
};
using Violations = std::vector<Violation>;

/// Whether one of them has the name.
bool has(const Violations& violations, std::string_view name);
/// Each on a line of its own.
std::string text(const Violations& violations);

/// Reads the lines that workloads append, each in one write:
///     begin ID PROCESS WHAT MICROSECONDS [KEY=VALUE...]
///     end ID MICROSECONDS done|refused|unknown [KEY=VALUE...]
/// One that did not end (its process died) is unknown. Throws std::runtime_error for a line that is
/// neither.
History parse_history(std::string_view lines);

}  // namespace dcoord::testing
