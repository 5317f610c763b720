#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "cli/config.h"
#include "hold/start_state.h"
#include "output/printer.h"
#include "redis/script_runner.h"
#include "redis/session.h"

namespace dcoord::cli {

class TraceSink;
class Environment;
struct ConfigFile;
struct NounEntry;

/// What there is besides the command line: for the verb that runs other commands (batch).
struct Setup {
  const Environment& environment;
  const std::vector<ConfigFile>& files;
  const std::vector<NounEntry>& nouns;
  std::string profile;
};

/// What a verb gets to work with.
class Context {
 public:
  /// What the servers have to offer before scripts() runs anything there; see
  /// redis::SessionOptions.
  struct Storage {
    int replicas = 0;
    Duration replica_timeout{};
    bool refuse_eviction = false;
  };
  /// What the commands of a batch have in common, instead of each its own.
  struct Shared {
    Loop& loop;
    std::function<redis::ScriptRunner&(const Storage&)> scripts;
    output::Sink print;  ///< gets what they print
  };

  Context(Config config, std::optional<std::vector<std::string>> tail, hold::StartState start,
          std::optional<std::string> shell_command = std::nullopt);
  Context(Config config, std::optional<std::vector<std::string>> tail, hold::StartState start,
          Shared shared);
  ~Context();

  const Config& config() const { return config_; }
  /// Whether results are printed as JSON.
  bool json() const { return config_.format == Config::Format::json; }
  /// What stood after `--`, byte for byte; nothing when there was no `--`.
  const std::optional<std::vector<std::string>>& tail() const { return tail_; }
  /// What a verb that takes a command runs: the words after `--`, or /bin/sh -c STRING when -c was
  /// given. Not empty: whoever called the verb has checked that there is one.
  std::vector<std::string> command() const;
  const hold::StartState& start() const { return start_; }
  Loop& loop() { return shared_ ? shared_->loop : loop_; }
  /// Null in a command of a batch.
  const Setup* setup() const { return setup_ ? &*setup_ : nullptr; }
  void set_setup(Setup setup) { setup_.emplace(std::move(setup)); }
  /// Before a process is forked that others hang on: starts the server of `local:`, which must not
  /// become its child, and bounds one attempt to get an answer by `attempt`, so that several fit
  /// into a lease.
  void prepare_to_hold(Duration attempt);
  /// Prints results on stdout in the chosen format.
  output::Printer& printer();
  /// The server, connected to when first used. Reads passwords: see hold::Supervisor for what must
  /// come before. Throws Error (64) when there are several: only locks can be kept by a majority.
  redis::ScriptRunner& scripts();
  /// All of them, for what a majority can keep; usually there is one.
  std::vector<redis::ScriptRunner*> runners();
  /// What the servers have to offer. To be called before the first use of scripts().
  void require(const Storage& storage) { storage_ = storage; }
  /// For further runners beside scripts(), which has had a look at the servers.
  redis::SessionOptions session_options() const;
  /// From now on runners tell what they run, as --trace and its kin ask. To be called before the
  /// first use of scripts().
  void trace_to(std::shared_ptr<TraceSink> sink) { trace_sink_ = std::move(sink); }
  /// A runner that does so, of a loop of its own; as it is when nothing is to be told.
  std::unique_ptr<redis::ScriptRunner> traced(Loop& loop,
                                              std::unique_ptr<redis::ScriptRunner> runner);
  /// A second, independent connection to the same server.
  std::unique_ptr<redis::ScriptRunner> new_scripts();
  /// Further, independent connections to the same servers, for waiting on a mailbox while holding.
  std::vector<std::unique_ptr<redis::ScriptRunner>> new_runners();
  /// For a one-shot: give up connecting after --connect-timeout, and altogether after `limit` (or
  /// --command-timeout when none is given).
  redis::Patience patience(std::optional<Duration> limit = std::nullopt);

 private:
  Config config_;
  std::optional<std::vector<std::string>> tail_;
  hold::StartState start_;
  std::optional<std::string> shell_command_;
  std::optional<Setup> setup_;
  std::optional<Shared> shared_;
  SystemClock clock_;
  Loop loop_{clock_};
  Storage storage_;
  std::unique_ptr<output::Printer> printer_;
  std::vector<std::unique_ptr<redis::ScriptRunner>> runners_;
  std::shared_ptr<TraceSink> trace_sink_;
};

/// Runners for all servers of the configuration, on another loop than the context's.
std::vector<std::unique_ptr<redis::ScriptRunner>> make_runners(Loop& loop, const Config& config,
                                                               redis::SessionOptions options);

}  // namespace dcoord::cli
