#include "cli/complete_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <optional>

#include "base/clock.h"
#include "base/loop.h"
#include "cli/argv.h"
#include "cli/config.h"
#include "output/printer.h"
#include "primitives/job.h"
#include "primitives/lock.h"
#include "primitives/names.h"
#include "redis/local.h"
#include "redis/runner.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

constexpr Duration kBudget = 300ms;
constexpr size_t kMost = 1000;  // nobody reads more

bool begins(std::string_view text, std::string_view prefix) {
  if (text.size() < prefix.size()) return false;
  return std::equal(prefix.begin(), prefix.end(), text.begin(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  });
}

/// What indexes call the things of a kind.
std::string index_of(const std::string& kind) {
  if (kind == "election") return "elect";
  if (kind == "run") return "job";
  if (kind == "topic") return "event";
  return kind;
}

class Asker {
 public:
  Asker(const CompletionLine& line, const std::string& prefix)
      : line_(line),
        prefix_(prefix),
        config_(make_config(line.globals, line.environment)),
        keys_(config_.key_namespace) {
    const TimePoint until = loop_.now() + kBudget;
    patience_ = {until, until};
  }

  std::vector<Completion::Word> ask(const std::string& kind) {
    if (line_.globals.askpass || !server_is_there()) return {};
    redis::SessionOptions options;
    options.connect_timeout = options.command_timeout = kBudget;
    scripts_ = redis::make_runner(loop_, config_.target, options);
    if (kind == "job" || kind == "jobs") return jobs();
    if (kind == "holder") return holders();
    if (kind == "candidate") return candidates();
    std::vector<Completion::Word> words;
    const auto wanted = [this](std::string_view name) { return begins(name, prefix_); };
    for (auto& name :
         loop_.run(names_of(*scripts_, keys_, index_of(kind), wanted, kMost, patience_))) {
      words.push_back({std::move(name), ""});
    }
    return words;
  }

 private:
  /// The server of `local:` is not to be started by a TAB.
  bool server_is_there() {
    if (config_.target.server.kind != redis::Server::Kind::local) return true;
    return loop_.run(redis::local_status(loop_, patience_.until)).running;
  }

  std::string value_of(std::string_view option, const char* variable) const {
    const auto* found = find_long(line_.options, option);
    if (found != nullptr && found->given) return *found->given;
    const auto value = line_.environment.get(variable);
    return std::string(value.value_or(""));
  }

  std::vector<Completion::Word> jobs() {
    const auto name = value_of("run", "DCOORD_RUN");
    if (name.empty()) return {};
    JobRun run(loop_, *scripts_, keys_, name);
    std::vector<Completion::Word> words;
    for (const auto& job : loop_.run(run.show("", patience_)))
      if (begins(job.name, prefix_)) words.push_back({job.name, job_state_word(job.state)});
    return words;
  }

  LockView view(LockKind kind) {
    Lock lock(loop_, *scripts_, keys_, line_.arguments.at(0), kind);
    return loop_.run(lock.show(100, patience_));
  }

  std::vector<Completion::Word> holders() {
    std::vector<Completion::Word> words;
    if (line_.arguments.empty()) return words;
    for (const auto& party : view(LockKind::lock).holders) {
      words.push_back({output::holder_id(party),
                       fmt::format("{}:{} {}", party.who.host, party.who.pid, party.who.command)});
    }
    return words;
  }

  std::vector<Completion::Word> candidates() {
    std::vector<Completion::Word> words;
    if (line_.arguments.empty()) return words;
    for (const auto& party : view(LockKind::elect).waiters)
      if (begins(party.who.label, prefix_)) words.push_back({party.who.label, ""});
    return words;
  }

  const CompletionLine& line_;
  const std::string& prefix_;
  Config config_;
  Keys keys_;
  SystemClock clock_;
  Loop loop_{clock_};
  redis::Patience patience_;
  std::unique_ptr<redis::ScriptRunner> scripts_;
};

}  // namespace

std::vector<Completion::Word> live_names(const std::string& kind, const std::string& prefix,
                                         const CompletionLine& line) {
  return Asker(line, prefix).ask(kind);
}

}  // namespace dcoord::cli
