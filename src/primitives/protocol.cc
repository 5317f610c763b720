#include "primitives/protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>
#include <string_view>

#include "redis/scripts.h"

namespace dcoord::primitives {
namespace {

using redis::Answer;
using redis::Patience;
using redis::Reply;

constexpr int kPage = 1000;  // names a call, so that none holds the server for long

}  // namespace

std::optional<Duration> look_delay(std::string_view message) {
  if (!message.starts_with("look ")) return std::nullopt;
  message.remove_prefix(5);
  long long n = 0;
  std::from_chars(message.data(), message.data() + message.size(), n);
  return Millis(std::max(0LL, n));
}

std::string shortfall(const redis::Replicated& replicated) {
  std::string text = fmt::format("only {} of {} replicas acknowledged it", replicated.acknowledged,
                                 replicated.wanted);
  if (!replicated.why.empty()) text += ": " + replicated.why;
  return text;
}

Error layout_error(const std::string& text) {
  return Error(ExitCode::data, "layout", text, "update dcoord on all hosts to the same version");
}

void check_reply(const redis::Script& script, const Reply& reply, const std::string& what) {
  if (!reply.is_error()) return;
  const std::string& text = reply.text();
  if (text.starts_with("LAYOUT ")) {
    throw layout_error(fmt::format("{}: {}", what, text.substr(7)));
  }
  throw internal_error(fmt::format("script {} failed on {}: {}", script.name, what, text));
}

Task<Answer> run_script(redis::ScriptRunner& runner, const redis::Script& script,
                        std::vector<std::string> keys, std::vector<std::string> args,
                        Patience patience, std::string what, std::string_view confirm) {
  redis::Call call{&script, std::move(keys), std::move(args), confirm};
  Answer answer = co_await runner.run(std::move(call), patience);
  check_reply(script, answer.reply, what);
  co_return answer;
}

Error unexpected_reply(const redis::Script& script, const Reply& reply) {
  return internal_error(fmt::format("script {} answered '{}', which is none of its replies",
                                    script.name,
                                    reply.is_array() ? std::string(reply.word()) : "not an array"));
}

Task<void> deliver(redis::ScriptRunner& runner, const Reply& reply, size_t from,
                   Patience patience) {
  if (reply.size() <= from) co_return;
  std::vector<std::vector<std::string>> commands;
  for (size_t i = from; i + 1 < reply.size(); i += 2) {
    commands.push_back({"RPUSH", reply.at(i).text(), reply.at(i + 1).text()});
    commands.push_back({"PEXPIRE", reply.at(i).text(), "60000"});
  }
  try {
    co_await runner.run_commands(std::move(commands), patience);
  } catch (const Error&) {  // what the script did is done all the same
  }
}

Task<void> wait_for_look(Loop& loop, redis::ScriptRunner& runner, std::string mailbox,
                         TimePoint look) {
  while (loop.now() < look) {
    const auto message = co_await runner.wait_message(mailbox, look);
    if (!message) break;
    const auto delay = look_delay(*message);
    if (!delay || *delay == Duration::zero()) break;
    look = std::min(look, loop.now() + *delay);
  }
}

Task<std::vector<std::string>> list_names(redis::ScriptRunner& runner, const Keys& keys,
                                          std::string kind, Patience patience,
                                          std::function<bool(const std::string&)> wanted) {
  std::array<std::vector<std::string>, kBuckets> found;
  std::vector<int> buckets(kBuckets);
  for (int i = 0; i < kBuckets; ++i) buckets[static_cast<size_t>(i)] = i;
  for (int page = 0; !buckets.empty(); ++page) {
    std::vector<std::vector<std::string>> reads;
    for (const int bucket : buckets) {
      reads.push_back({"ZRANGE", keys.index(bucket, kind), std::to_string(page * kPage),
                       std::to_string((page + 1) * kPage - 1)});
    }
    const std::vector<Answer> indexes = co_await runner.run_commands(std::move(reads), patience);
    std::vector<int> full;
    for (size_t i = 0; i < indexes.size(); ++i) {
      if (indexes[i].reply.size() == static_cast<size_t>(kPage)) full.push_back(buckets[i]);
      for (const Reply& entry : indexes[i].reply.elements()) {
        if (!wanted || wanted(entry.text()))
          found[static_cast<size_t>(buckets[i])].push_back(entry.text());
      }
    }
    buckets = std::move(full);
  }
  std::vector<std::string> names;
  for (auto& some : found) std::move(some.begin(), some.end(), std::back_inserter(names));
  co_return names;
}

Task<void> prune_index(redis::ScriptRunner& runner, const Keys& keys, std::string kind,
                       std::vector<std::string> names,
                       std::function<std::string(const std::string&)> key_of, Patience patience) {
  if (names.empty()) co_return;
  std::vector<redis::Call> prunes;
  for (auto& name : names) {
    redis::Call prune;
    prune.script = &redis::scripts::index_prune;
    prune.keys = {keys.index_of(name, kind), key_of(name)};
    prune.args = {std::move(name)};
    prunes.push_back(std::move(prune));
  }
  co_await runner.run_all(std::move(prunes), patience);
}

Task<std::vector<Listed>> list_all(redis::ScriptRunner& runner, const Keys& keys, std::string kind,
                                   std::function<redis::Call(const std::string&)> show,
                                   Patience patience,
                                   std::function<bool(const std::string&)> wanted) {
  std::vector<std::string> names =
      co_await list_names(runner, keys, kind, patience, std::move(wanted));
  std::vector<redis::Call> calls;
  for (const auto& name : names) calls.push_back(show(name));
  std::vector<Answer> answers = co_await runner.run_all(std::move(calls), patience);
  std::vector<Listed> things;
  std::vector<std::string> absent;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].reply.is_error()) {
      throw internal_error(fmt::format("{} '{}': {}", kind, names[i], answers[i].reply.text()));
    }
    if (answers[i].reply.word() == "absent")
      absent.push_back(std::move(names[i]));
    else
      things.push_back({std::move(names[i]), std::move(answers[i].reply)});
  }
  std::function<std::string(const std::string&)> key_of = [&](const std::string& name) {
    return show(name).keys.front();
  };
  co_await prune_index(runner, keys, std::move(kind), std::move(absent), std::move(key_of),
                       patience);
  std::sort(things.begin(), things.end(),
            [](const Listed& a, const Listed& b) { return a.name < b.name; });
  co_return things;
}

}  // namespace dcoord::primitives
