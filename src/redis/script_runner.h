#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/task.h"
#include "redis/reply.h"
#include "redis/script.h"

namespace dcoord::redis {

/// How many replicas have what a script wrote.
struct Replicated {
  int64_t acknowledged = 0;
  int64_t wanted = 0;
  std::string why;  ///< they could not be asked
  bool enough() const { return acknowledged >= wanted; }
};

/// A script's reply. Whatever time it tells counts from `sent`, when the request that was answered
/// was sent.
struct Answer {
  Reply reply;
  TimePoint sent;
  std::optional<Replicated> replicated{};  ///< of a reply that its Call wanted to be confirmed
  std::optional<Error> error{};  ///< of run_each: why there is no reply, or none that can be used
};

/// How long to try; kNever: without a limit.
struct Patience {
  TimePoint until;          ///< give up: what was sent by then and not answered is unknown (74)
  TimePoint connect_until;  ///< give up connecting, while nothing could be sent at all (69)
};

/// Runs scripts: the seam between the primitives and the servers. Every script is safe to send
/// again (its header's Retry line), so a lost reply is asked for again with the same arguments
/// until patience ends.
class ScriptRunner {
 public:
  virtual ~ScriptRunner() = default;

  /// Runs one. Throws Error: unavailable (nothing of this request can have been executed, or it
  /// writes nothing), unknown (it may have been), permission, config, data (a key of another type),
  /// internal. A script's own error reply that is none of these is returned as a reply.
  virtual Task<Answer> run(Call call, Patience patience) = 0;

  /// Runs all in one pipeline, answers in the same order; throws as run does.
  virtual Task<std::vector<Answer>> run_all(std::vector<Call> calls, Patience patience) = 0;

  /// As run_all, but what happens to one is told in its answer alone, and the others go on; throws
  /// nothing. For requests that have nothing to do with each other.
  virtual Task<std::vector<Answer>> run_each(std::vector<Call> calls, Patience patience) {
    (void)calls;
    (void)patience;
    throw internal_error("this runner runs no batch");
  }

  /// Runs plain commands, each a list of words, in one pipeline; answers in the same order, throws
  /// as run does. In a cluster the second word, which is the key, decides where each one goes. Only
  /// for commands that may be sent twice and change nothing that matters (reads, or a hint pushed
  /// to a mailbox): one whose reply was lost fails as unavailable.
  virtual Task<std::vector<Answer>> run_commands(std::vector<std::vector<std::string>> commands,
                                                 Patience patience) {
    (void)commands;
    (void)patience;
    throw internal_error("this runner runs no plain commands");
  }

  /// Waits for a message in a mailbox (a list key) until a moment. Nothing when there was none, and
  /// whenever waiting was cut short (connection lost, server demoted): a message is only a hint to
  /// run the script again. Cancelling the task gives the waiting up.
  virtual Task<std::optional<std::string>> wait_message(std::string mailbox, TimePoint until) = 0;

  /// A place in a stream: what comes behind the id `after`.
  struct StreamPlace {
    std::string stream;
    std::string after;
    bool operator==(const StreamPlace&) const = default;
  };
  /// Waits until one of the streams has an entry behind its place, or until a moment, or until
  /// waiting was cut short. Returns the streams that are known to have one, none when it is not
  /// known: a hint, as above; whoever waits reads the streams then.
  virtual Task<std::vector<std::string>> wait_entries(std::vector<StreamPlace> places,
                                                      TimePoint until) {
    (void)places;
    (void)until;
    throw internal_error("this runner waits for no stream");
  }
};

}  // namespace dcoord::redis
