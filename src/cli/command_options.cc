#include "cli/command_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "hold/hook.h"

namespace dcoord::cli {
namespace {

using namespace std::chrono_literals;

/// What a nested dcoord needs to connect, and nobody else needs to see.
constexpr const char* kSecretVariables[] = {"DCOORD_PASSWORD",
                                            "DCOORD_PASS",
                                            "DCOORD_PASS_FILE",
                                            "DCOORD_SENTINEL_PASSWORD",
                                            "DCOORD_SENTINEL_PASS_FILE",
                                            "DCOORD_URL",
                                            "REDISCLI_AUTH",
                                            "VALKEYCLI_AUTH",
                                            "REDIS_URL"};

// What a dcoord around this one told its command, and this one's may not take for its own.
constexpr const char* kToldVariables[] = {"DCOORD_SLOT",   "DCOORD_RESOURCE", "DCOORD_UNPROTECTED",
                                          "DCOORD_TERM",   "DCOORD_ELECTION", "DCOORD_CANDIDATE",
                                          "DCOORD_QUEUE",  "DCOORD_ITEM_ID",  "DCOORD_ATTEMPT",
                                          "DCOORD_RECEIPT"};

}  // namespace

Error not_started(const std::string& command, int error) {
  const bool missing = error == ENOENT;
  return Error(missing ? ExitCode::not_found : ExitCode::not_executable,
               missing ? "not_found" : "not_executable",
               fmt::format("cannot run '{}': {}", command, std::strerror(error)));
}

void CommandOptions::declare_of_command(OptionSet& set) {
  set.duration("--max-time", max_time, "stop the command after this time, exit 124");
  set.choice(
      "--tree", "WHAT", tree, {"leave", "wait", "kill"},
      "what the command leaves in the background when it ends: leave it, wait for it, or kill it");
  set.flag("--scrub-env", scrub_env,
           "take Redis URLs and passwords out of the command's environment");
  set.text("-c,--command", "STRING", shell, "run STRING with /bin/sh -c").from_environment = false;
}

void CommandOptions::declare(OptionSet& set, bool leased) {
  declare_of_command(set);
  if (leased) {
    set.text("--on-lost", "CMD", on_lost,
             "shell command to run, for at most 10s, after the lease was lost");
  }
  set.integer("--status-fd", "N", status_fd, 0, 1 << 20,
              "write one line there that tells dcoord's outcome from the command's: command, "
              "refused, lost, ... and code");
}

void CommandOptions::check() const {
  if (max_time <= Duration::zero()) throw usage_error("--max-time must be longer than 0");
}

hold::Command CommandOptions::command(const Context& context) const {
  hold::Command command;
  command.argv = context.command();
  command.unset.assign(std::begin(kToldVariables), std::end(kToldVariables));
  if (scrub_env) {
    command.unset.insert(command.unset.end(), std::begin(kSecretVariables),
                         std::end(kSecretVariables));
  }
  return command;
}

hold::Options CommandOptions::hold_options(const LeaseTimes& times,
                                           std::optional<Duration> kill_after) const {
  hold::Options options;
  options.tree = tree == "wait"   ? hold::Tree::wait
                 : tree == "kill" ? hold::Tree::kill
                                  : hold::Tree::leave;
  options.grace = times.grace;
  options.margin = times.margin;
  options.kill_after = kill_after.value_or(kForever);
  options.max_time = max_time;
  return options;
}

void CommandOptions::tell_status(const char* word, int code) const {
  if (!status_fd) return;
  const std::string line = fmt::format("{} {}\n", word, code);
  if (write(static_cast<int>(*status_fd), line.data(), line.size()) < 0) {
    log::warning(
        fmt::format("cannot write to --status-fd {}: {}", *status_fd, std::strerror(errno)));
  }
}

Finish CommandOptions::finish(const Context& context, const hold::Outcome& outcome,
                              const std::optional<LossReason>& loss,
                              const std::string& what) const {
  if (outcome.ending == hold::Ending::not_started) {
    const Error error = not_started(context.command()[0], outcome.exec_errno);
    tell_status("not-started", to_int(error.code()));
    throw error;
  }
  if (outcome.ending == hold::Ending::lost) {
    tell_status("lost", to_int(ExitCode::lost));
    const std::string then = outcome.tree_ended
                                 ? "the command was stopped"
                                 : "not all of the command could be stopped: " + outcome.survivors;
    throw Error(ExitCode::lost, "lost",
                fmt::format("lost {}: {}; {}", what, loss ? loss->text : "its lease ended", then),
                outcome.tree_ended ? "" : "only the fencing token protects now");
  }
  if (outcome.ending == hold::Ending::max_time) {
    tell_status("max-time", to_int(ExitCode::timed_out));
    throw Error(ExitCode::timed_out, "max_time",
                fmt::format("the command ran longer than --max-time {} and was stopped",
                            format_duration(max_time)));
  }
  if (const int signal = outcome.status & 0x7f; signal != 0) {
    tell_status("command", 128 + signal);
    return {0, signal};
  }
  const int code = (outcome.status >> 8) & 0xff;
  tell_status("command", code);
  return {code, 0};
}

Task<void> CommandOptions::run_on_lost(Context& context,
                                       std::vector<std::pair<std::string, std::string>> env,
                                       const LossReason& loss) const {
  if (on_lost.empty()) co_return;
  env.emplace_back("DCOORD_LOST_REASON", loss.text);
  Task<int> hook = hold::run_hook(context.loop(), context.start(), on_lost, std::move(env), 10s);
  const int status = co_await hook;
  if (status != 0) log::warning("the --on-lost command failed or took over 10s");
}

std::string shown_command(const std::vector<std::string>& argv) {
  std::string text;
  for (const auto& word : argv) text += (text.empty() ? "" : " ") + output::shell_quote(word);
  return text;
}

int end_as(const Finish& finish) {
  if (finish.signal == 0) return finish.code;
  std::fflush(stdout);
  hold::die_of_signal(finish.signal);
}

}  // namespace dcoord::cli
