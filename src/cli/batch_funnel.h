#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.h"
#include "cli/context.h"
#include "redis/script_runner.h"

namespace dcoord::cli {

/// Where the commands of a batch meet: what they ask of the servers is gathered, and goes in one
/// pipeline, in the order in which they asked.
class BatchFunnel {
 public:
  explicit BatchFunnel(Context& context);
  ~BatchFunnel();

  /// What one command gets to run its scripts with. Throws Error (64) for what a batch cannot have.
  redis::ScriptRunner& runner(const Context::Storage& storage);
  bool empty() const { return asked_.empty(); }
  /// Set whenever something is asked.
  Event& asked() { return event_; }
  /// Sends what was asked until now, and answers.
  Task<void> flush();

 private:
  /// Something that a command asked.
  struct Question {
    explicit Question(Loop& loop) : answered(loop) {}
    std::vector<redis::Call> calls;                  // either
    std::vector<std::vector<std::string>> commands;  // or
    bool checked = false;                            // of a server that drops nothing
    redis::Patience patience{};
    std::vector<redis::Answer> answers;
    Event answered;
  };
  class Mouth;

  Task<std::vector<redis::Answer>> ask(std::vector<redis::Call> calls,
                                       std::vector<std::vector<std::string>> commands, bool checked,
                                       redis::Patience patience);
  std::vector<Question*> next_pipeline();
  Task<void> send(std::vector<Question*> questions);
  redis::ScriptRunner& server(bool checked);

  Context& context_;
  Event event_;
  std::deque<Question*> asked_;
  std::unique_ptr<Mouth> plain_, checked_;
  std::unique_ptr<redis::ScriptRunner> server_;
  bool server_checked_ = false;
};

}  // namespace dcoord::cli
