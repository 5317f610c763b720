#include "cli/batch_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/batch_words.h"
#include "cli/context.h"
#include "cli/help.h"
#include "cli/resolve.h"
#include "cli/usage.h"

namespace dcoord::cli {
namespace {

Error at_line(long long number, const Error& error) {
  return Error(error.code(), error.kind(), fmt::format("line {}: {}", number, error.what()),
               error.hint());
}

}  // namespace

std::optional<BatchLine> read_batch_line(long long number, std::string_view text) {
  BatchLine line;
  line.number = number;
  try {
    line.words = split_batch_line(text);
  } catch (const Error& error) {
    throw at_line(number, error);
  }
  if (line.words.empty()) return std::nullopt;
  if (line.words.front() == "dcoord") line.words.erase(line.words.begin());
  const auto dashes = std::find(line.words.begin(), line.words.end(), "--");
  if (dashes != line.words.end()) {
    line.tail.emplace(dashes + 1, line.words.end());
    line.words.erase(dashes, line.words.end());
  }
  return line;
}

void BatchCommand::find() {
  const Words words(line_.words.begin(), line_.words.end());
  invocation_ = find_command(words, globals_, context_.setup()->nouns);
  if (invocation_.verb == nullptr || invocation_.help || invocation_.version)
    throw usage_error("a command is needed: a noun and its verb", "state set KEY VALUE");
}

void BatchCommand::check() {
  try {
    find();
    const Verb& verb = *invocation_.verb;
    const std::string name = command_name(*invocation_.noun, verb);
    if (!verb.task) {
      throw usage_error(fmt::format("'{}' is not for a batch", name),
                        "it waits, or runs another command, or is about this machine");
    }
    if (!verb.batch_refusal) return;
    prepare();
    if (const std::string why = verb.batch_refusal(); !why.empty())
      throw usage_error(fmt::format("'{}' is not for a batch like this: {}", name, why));
  } catch (const Error& error) {
    throw at_line(line_.number, error);
  }
}

void BatchCommand::prepare() {
  if (invocation_.verb == nullptr) find();
  if (invocation_.verb->declare) invocation_.verb->declare(options_);
  const Argv argv{Words(line_.words.begin(), line_.words.end()), line_.tail};
  const Parsed parsed = parse(invocation_.rest, globals_.options, options_);
  check_usage(argv, invocation_, globals_.options, options_, parsed);
  const auto& all = globals_.options.all();
  for (const Given& given : parsed.given) {
    if (given.option >= &all.front() && given.option <= &all.back()) {
      throw usage_error(
          fmt::format("{} is not for one command of a batch", option_name(*given.option)),
          "it stands behind `dcoord batch`, for all of them");
    }
  }
  const Setup& setup = *context_.setup();
  const Sources sources{parsed.given, setup.environment, setup.files, setup.profile};
  resolve(options_, invocation_.noun->name, sources);
  check_required(invocation_, options_);
}

Task<int> BatchCommand::run(BatchFunnel& funnel) {
  Config config = context_.config();
  config.format = Config::Format::json;
  Context::Shared shared{context_.loop(),
                         [&funnel](const Context::Storage& storage) -> redis::ScriptRunner& {
                           return funnel.runner(storage);
                         },
                         [this](const std::string& text) { printed_ += text; }};
  own_.emplace(std::move(config), line_.tail, context_.start(), std::move(shared));
  return invocation_.verb->task(*own_);
}

}  // namespace dcoord::cli
