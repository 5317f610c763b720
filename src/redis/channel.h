#pragma once

#include <deque>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "redis/classify.h"
#include "redis/connection.h"
#include "redis/script_runner.h"
#include "redis/sentinel.h"
#include "redis/session.h"

namespace dcoord::redis {

/// Where a request ends that is not queued on the connection.
constexpr uint64_t kNotQueued = std::numeric_limits<uint64_t>::max();

/// One command on its way.
struct Request {
  const Script* script = nullptr;  ///< none: a plain command
  std::string name;                ///< for messages
  std::string key;                 ///< the first one of a script
  int slot = 0;                    ///< of its keys in a cluster
  std::optional<HostPort> ask;     ///< where its slot is on its way to
  std::string wire;                ///< as it is sent
  uint64_t end = kNotQueued;       ///< position behind it on the connection it was queued on
  TimePoint sent;                  ///< when it was queued
  std::optional<Answer> answer;
};

/// Commands that are sent in one pipeline, in order, and what became of them so far.
struct Batch {
  std::vector<Request> requests;
  size_t first =
      0;  ///< the first without an answer: this one and all behind it are still to be done
  std::string_view confirm;  ///< see Call::confirm; of the only request
  bool writes = false;       ///< at least one of them changes something
  bool each = false;         ///< an error that lasts is its request's alone: Answer::error
  bool load = false;         ///< load the scripts that the server is not known to have, first
  bool sent = false;         ///< bytes of it were sent
  bool may_be_done = false;  ///< something of it may have been executed

  bool done() const { return first == requests.size(); }
};

/// What an attempt came to.
struct Step {
  enum class Next {
    go_on,     ///< all is well
    again,     ///< try again at once
    back_off,  ///< try again later
    redirect,  ///< of a cluster: ask `node`; `error` is what a single server's user is told
    fail,      ///< trying again is of no use: `error`
  };
  Next next = Next::go_on;
  bool turned_away = false;        ///< the server executed nothing of what was sent
  bool leave = false;              ///< this is not the server that was meant
  bool in_doubt = false;           ///< back_off: another server may be the one to ask by now
  HostPort node;                   ///< redirect; without a host: the one that was asked
  bool once = false;               ///< redirect: for this request only, the slot is on its way
  std::optional<Failure> failure;  ///< back_off: the connection could not be made
  std::string why;                 ///< back_off
  std::optional<Error> error;      ///< fail; back_off: what to say if that was the last attempt

  static Step failed(Error error);
  static Step try_later(std::string why);
};

/// A connection with what belongs to it: who we are there, and which scripts the server has. Makes
/// single attempts; whether to try again is its user's decision.
class Channel {
 public:
  /// All must outlive it. With sentinels it connects to the master that they name, and writes where
  /// that is into `server`.
  Channel(Loop& loop, Server& server, const SessionOptions& options, Sentinels* sentinels = nullptr)
      : loop_(loop),
        server_(server),
        options_(options),
        sentinels_(sentinels),
        connection_(loop, server) {}

  const Server& server() const { return server_; }

  /// Reads the password, once: this may take as long as a person does.
  void ask_password();

  /// Opens the connection unless it is open and of use. With `alone`, AUTH and SELECT have been
  /// answered OK when this is done; otherwise they are sent with what comes next. With the key of a
  /// script that writes it is known, too, what whoever logged in may not do.
  Task<Step> prepare(bool alone, TimePoint until, std::string_view key = {});

  /// Sends what is left of the batch and takes the answers; each has to come within `reply_within`
  /// of the one before. A server that has said nothing by `nudge` is sent a word: an idle one ends
  /// what blocks up to a tenth of a second late, unless something comes in.
  Task<Step> exchange(Batch& batch, Duration reply_within, TimePoint until,
                      TimePoint nudge = kNever);

  /// Closes the connection if it still owes replies. To be called whenever an attempt was left half
  /// way.
  void abandon();

 private:
  enum class Greeting { none, auth, select, permissions, role, memory, asking, name, nudge };
  /// A reply that is to come: to a greeting, to SCRIPT LOAD, or (neither) to the batch's next
  /// request.
  struct Expected {
    Greeting greeting = Greeting::none;
    const Script* load = nullptr;
  };

  Task<Step> connect(TimePoint until);
  Task<Step> locate(TimePoint until);
  void greet();
  bool logs_in() const { return password_ || !server_.user.empty(); }
  void ask_permissions(std::string_view key);
  void expect(Expected expected, const std::vector<std::string_view>& words);
  void queue_loads(const Batch& batch);
  void queue_requests(Batch& batch, size_t& next);
  Task<Step> take_greetings(TimePoint until);
  Task<bool> drain(Batch& batch, Duration reply_within, TimePoint until);
  void note_sent(Batch& batch, uint64_t start) const;
  Step on_reply(Batch& batch, const Expected& expected, Reply reply);
  Step on_greeting(Greeting greeting, const Reply& reply);
  Step on_role(const Reply& reply);
  Step on_memory(const Reply& reply);
  void on_permissions(const Reply& reply);
  std::optional<Error> not_permitted(const Request& request) const;
  Step on_load(const Script& script, const Reply& reply);
  Step on_error(Batch& batch, const Request& request, const ErrorInfo& info);
  Step on_failure(const Failure& failure);
  Step later(const ErrorInfo& info);

  Loop& loop_;
  Server& server_;
  const SessionOptions& options_;
  Sentinels* sentinels_;
  Connection connection_;
  bool was_connected_ = false;
  bool asked_ = false;
  std::optional<std::string> password_;
  std::deque<Expected> expected_;
  std::set<std::string, std::less<>> loaded_;  // SHA1s that the server is known to have
  bool permissions_asked_ = false;
  bool permissions_wanted_ = false;            // a script was stopped, and it is not known why
  std::set<std::string, std::less<>> denied_;  // commands that the user may not run
  std::optional<std::string> load_refusal_;    // it does not let us load scripts
  bool just_loaded_ = false;                   // in this attempt
};

}  // namespace dcoord::redis
