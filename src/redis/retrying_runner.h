#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "redis/backoff.h"
#include "redis/channel.h"
#include "redis/script_runner.h"
#include "redis/session.h"

namespace dcoord::redis {

/// What runners over connections have in common: they make attempts until one works or patience
/// ends, and never leave a request behind on a connection that is used again.
class RetryingRunner : public ScriptRunner {
 public:
  Task<Answer> run(Call call, Patience patience) final;
  Task<std::vector<Answer>> run_all(std::vector<Call> calls, Patience patience) final;
  Task<std::vector<Answer>> run_each(std::vector<Call> calls, Patience patience) final;
  Task<std::vector<Answer>> run_commands(std::vector<std::vector<std::string>> commands,
                                         Patience patience) final;
  Task<std::optional<std::string>> wait_message(std::string mailbox, TimePoint until) final;
  /// All places are in one slot, where there are slots.
  Task<std::vector<std::string>> wait_entries(std::vector<StreamPlace> places,
                                              TimePoint until) override;

 protected:
  /// A command that blocks, given for how long it may, in ms.
  using Blocking = std::function<std::vector<std::string>(long long ms)>;

  RetryingRunner(Loop& loop, SessionOptions options);

  /// Tries once to get done what is left of the batch.
  virtual Task<Step> attempt(Batch& batch, TimePoint connect_until, TimePoint until) = 0;
  /// Tries once to have a server wait for something: see block().
  virtual Task<Step> attempt_wait(Batch& batch, Blocking command, TimePoint until) = 0;
  /// Such an attempt over one connection.
  Task<Step> attempt_on(Channel& channel, Batch& batch, TimePoint connect_until, TimePoint until);
  virtual void ask_password() = 0;
  /// Closes every connection that still owes replies.
  virtual void abandon() = 0;
  /// The one that was spoken to last, for messages.
  virtual const Server& last_server() const = 0;

  /// Has the server at the other end of `channel` wait for something; go_on when it answered, with
  /// nil when nothing came.
  Task<Step> block(Channel& channel, Batch& batch, Blocking command, TimePoint until);

  Loop& loop_;
  SessionOptions options_;

 private:
  /// Marks the runner as in use, and whatever way the use ends leaves no reply behind to be taken
  /// for another's.
  class Use {
   public:
    explicit Use(RetryingRunner& runner);
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use();

   private:
    RetryingRunner& runner_;
  };

  Task<Step> confirm(Channel& channel, Batch& batch, std::string wire, TimePoint until);
  Task<void> carry_out(Batch& batch, Patience patience);
  Task<std::optional<Reply>> wait(Blocking command, std::string key, TimePoint until);
  Error give_up(const Batch& batch, const Step& step) const;
  Duration time_to_ask_password();

  Backoff wait_backoff_;   // grows over waits that fail one after the other
  bool answered_ = false;  // something has been, since this runner was made
  bool in_use_ = false;
};

}  // namespace dcoord::redis
