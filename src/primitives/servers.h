#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "base/task.h"
#include "redis/script_runner.h"

namespace dcoord::primitives {

/// What became of one server's part of a round.
struct ServerAnswer {
  bool asked = false;
  std::optional<redis::Answer> answer;
  std::optional<Error> error;

  bool done() const { return !asked || answer || error; }
  /// The first word of its reply, or "".
  std::string_view word() const { return answer ? answer->reply.word() : std::string_view(); }
};

/// Several servers that know nothing of each other and are asked at the same time. A round does not
/// wait for those that make no difference any more; their answers are dropped when they come.
class Servers {
 public:
  using Answers = std::vector<ServerAnswer>;
  using Calls = std::vector<std::optional<redis::Call>>;

  /// The runners must outlive it; `names` are for messages.
  Servers(Loop& loop, std::vector<redis::ScriptRunner*> runners, std::vector<std::string> names);

  size_t size() const { return runners_.size(); }
  size_t majority() const { return runners_.size() / 2 + 1; }
  const std::string& name(size_t i) const { return names_[i]; }
  redis::ScriptRunner& runner(size_t i) { return *runners_[i]; }

  /// Runs a script about `what` on each server that there is a call for, each for as long as
  /// `until` at most. Returns when all have answered; and when `enough` (may be null) says that the
  /// answers so far decide it, after as long again as they took, so that the others are not left
  /// out because they are a little slower.
  Task<Answers> ask(Calls calls, std::string what, TimePoint until,
                    std::function<bool(const Answers&)> enough);

  /// Waits until `look`, or until a message in that mailbox on one of them says to look earlier.
  Task<void> wait_for_look(std::string mailbox, TimePoint look);
  /// Whether that word came to the mailbox on one of them until a moment.
  Task<bool> hear(std::string mailbox, std::string word, TimePoint until);

 private:
  struct Round;
  Task<void> run_on(size_t i, redis::Call call, std::string what, TimePoint until,
                    std::shared_ptr<Round> round);
  /// Says of each message until when to go on listening.
  using OnMessage = std::function<TimePoint(const std::string& message, TimePoint until)>;
  Task<void> listen_on(size_t i, std::string mailbox, TimePoint until, OnMessage on_message,
                       std::shared_ptr<Round> round);
  /// Returns when one of them has heard enough, or at `until`.
  Task<void> listen(std::string mailbox, TimePoint until, OnMessage on_message);

  Loop& loop_;
  std::vector<redis::ScriptRunner*> runners_;
  std::vector<std::string> names_;
  std::vector<Task<void>> lanes_;  // one a server: a new one cancels the one before
};

}  // namespace dcoord::primitives
