#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/batch_funnel.h"
#include "cli/invocation.h"
#include "cli/parser.h"

namespace dcoord::cli {

/// A line of a batch, split into words.
struct BatchLine {
  long long number = 0;
  std::vector<std::string> words;                ///< before `--`
  std::optional<std::vector<std::string>> tail;  ///< behind it
};

/// The line in words; nothing when there is none in it. Throws Error (64), with the line's number.
std::optional<BatchLine> read_batch_line(long long number, std::string_view text);

/// One command of a batch: found, its options set as for a command of its own, and run by its own
/// verb.
class BatchCommand {
 public:
  /// All must outlive it. `globals` are those of the batch, which hold for all of its commands.
  BatchCommand(Context& context, Globals& globals, const BatchLine& line)
      : context_(context), globals_(globals), line_(line) {}

  /// Throws Error (64) with the line's number for what no batch may have: no such command, one that
  /// waits or runs another.
  void check();
  /// Finds the verb and sets its options; throws Error as a command of its own would.
  void prepare();
  bool several_steps() const {
    return invocation_.verb->several_steps && invocation_.verb->several_steps();
  }
  /// Runs it, after prepare(). Its code; what it printed and its error are to be had afterwards.
  Task<int> run(BatchFunnel& funnel);

  long long number() const { return line_.number; }
  const std::string& printed() const { return printed_; }

 private:
  void find();

  Context& context_;
  Globals& globals_;
  const BatchLine& line_;
  Invocation invocation_;
  OptionSet options_;
  std::optional<Context> own_;
  std::string printed_;
};

}  // namespace dcoord::cli
