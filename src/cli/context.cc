#include "cli/context.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/terminal.h"
#include "cli/trace_sink.h"
#include "redis/local.h"
#include "redis/runner.h"

namespace dcoord::cli {

Context::Context(Config config, std::optional<std::vector<std::string>> tail,
                 hold::StartState start, std::optional<std::string> shell_command)
    : config_(std::move(config)),
      tail_(std::move(tail)),
      start_(std::move(start)),
      shell_command_(std::move(shell_command)) {}

Context::Context(Config config, std::optional<std::vector<std::string>> tail,
                 hold::StartState start, Shared shared)
    : config_(std::move(config)),
      tail_(std::move(tail)),
      start_(std::move(start)),
      shared_(std::move(shared)) {}

Context::~Context() = default;

std::vector<std::string> Context::command() const {
  if (shell_command_) return {"/bin/sh", "-c", *shell_command_};
  if (!tail_ || tail_->empty()) throw internal_error("there is no command to run");
  return *tail_;
}

void Context::prepare_to_hold(Duration attempt) {
  config_.command_timeout = std::min(config_.command_timeout, attempt);
  if (config_.target.server.kind != redis::Server::Kind::local) return;
  Loop& loop = this->loop();
  loop.run(redis::ensure_local_server(loop, add(loop.now(), config_.connect_timeout)));
}

output::Printer& Context::printer() {
  if (!printer_) {
    const auto format = config_.format == Config::Format::json    ? output::Format::json
                        : config_.format == Config::Format::plain ? output::Format::plain
                                                                  : output::Format::table;
    output::Style style{format, config_.headers, config_.color, terminal_width(), nullptr};
    if (shared_) style.sink = shared_->print;
    printer_ = output::make_printer(style);
  }
  return *printer_;
}

redis::ScriptRunner& Context::scripts() {
  if (shared_) return shared_->scripts(storage_);
  if (config_.targets.size() > 1) {
    throw usage_error(
        "several servers keep locks and elections alone, each by its name: lists, and what else "
        "there is, are about one server",
        fmt::format("name one of them, as in `dcoord -u {} ...`; what the majority says of a name "
                    "is told by `lock show` and `elect show`; for locks, the list of servers can "
                    "be a profile of the configuration file",
                    server_name(config_.target)));
  }
  return *runners().front();
}

std::vector<redis::ScriptRunner*> Context::runners() {
  if (shared_) return {&shared_->scripts(storage_)};
  if (runners_.empty()) {
    redis::SessionOptions options = session_options();
    options.refuse_eviction = storage_.refuse_eviction;
    for (auto& runner : make_runners(loop_, config_, options))
      runners_.push_back(traced(loop_, std::move(runner)));
  }
  std::vector<redis::ScriptRunner*> all;
  for (const auto& runner : runners_) all.push_back(runner.get());
  return all;
}

std::unique_ptr<redis::ScriptRunner> Context::traced(Loop& loop,
                                                     std::unique_ptr<redis::ScriptRunner> runner) {
  if (!trace_sink_) return runner;
  return primitives::trace(loop, std::move(runner), primitives::Keys(config_.key_namespace),
                           trace_sink_->options());
}

redis::SessionOptions Context::session_options() const {
  redis::SessionOptions options;
  options.connect_timeout = config_.connect_timeout;
  options.command_timeout = config_.command_timeout;
  options.replicas = storage_.replicas;
  options.replica_timeout = storage_.replica_timeout;
  return options;
}

std::unique_ptr<redis::ScriptRunner> Context::new_scripts() {
  return redis::make_runner(loop(), config_.target, session_options());
}

std::vector<std::unique_ptr<redis::ScriptRunner>> Context::new_runners() {
  return make_runners(loop_, config_, session_options());
}

std::vector<std::unique_ptr<redis::ScriptRunner>> make_runners(Loop& loop, const Config& config,
                                                               redis::SessionOptions options) {
  std::vector<std::unique_ptr<redis::ScriptRunner>> runners;
  for (const redis::Target& target : config.targets)
    runners.push_back(redis::make_runner(loop, target, options));
  return runners;
}

redis::Patience Context::patience(std::optional<Duration> limit) {
  const auto now = loop().now();
  redis::Patience patience;
  patience.until = add(now, limit.value_or(config_.command_timeout));
  patience.connect_until = std::min(patience.until, add(now, config_.connect_timeout));
  return patience;
}

}  // namespace dcoord::cli
