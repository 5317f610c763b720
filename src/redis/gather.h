#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/loop.h"
#include "redis/script_runner.h"

namespace dcoord::redis {

/// Lets several readers, which run at the same time, share one pipeline: what all of them wait for
/// is sent at once. For a screen that is refreshed: what the indexes held the last time is answered
/// at once, and read anew with the rest, so that a refresh is one pipeline.
///
/// It reads only: scripts that write are not run, and answered with nothing.
class Gather final : public ScriptRunner {
 public:
  /// `runner` must outlive it.
  Gather(Loop& loop, ScriptRunner& runner) : loop_(loop), runner_(runner), progress_(loop) {}

  /// Runs readers, which use this runner, to their end. Throws what they or the runner throw.
  Task<void> run_readers(std::vector<std::function<Task<void>()>> readers, Patience patience);
  /// How many pipelines the last run_readers took.
  int pipelines() const { return pipelines_; }

  Task<Answer> run(Call call, Patience patience) override;
  Task<std::vector<Answer>> run_all(std::vector<Call> calls, Patience patience) override;
  Task<std::vector<Answer>> run_commands(std::vector<std::vector<std::string>> commands,
                                         Patience patience) override;
  Task<std::optional<std::string>> wait_message(std::string mailbox, TimePoint until) override;

 private:
  struct Pending {
    explicit Pending(Loop& loop) : answered(loop) {}
    std::vector<Call> calls;
    std::vector<Answer> answers;
    Event answered;
  };
  Task<std::vector<Answer>> ask(std::vector<Call> calls);
  Task<void> flush(Patience patience);

  Loop& loop_;
  ScriptRunner& runner_;
  Event progress_;
  std::vector<Pending*> pending_;
  std::map<std::vector<std::string>, Answer> known_;  // what commands were answered the last time
  std::vector<std::vector<std::string>> to_refresh_;
  int pipelines_ = 0;
};

}  // namespace dcoord::redis
