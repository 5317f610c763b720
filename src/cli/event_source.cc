#include "cli/event_source.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"

namespace dcoord::cli {

using namespace primitives;
using namespace std::chrono_literals;

namespace {

// Who publishes to a new topic tells of it right away; only if it died in between is it found by
// looking.
constexpr Duration kLookAtAll = 30s;

}  // namespace

TopicSet::TopicSet(Context& context, std::vector<std::string> names, bool patterns)
    : context_(context),
      keys_(context.config().key_namespace),
      words_(std::move(names)),
      patterns_(patterns) {}

Task<std::vector<TopicSet::Found>> TopicSet::look(redis::Patience patience) {
  std::vector<Found> found;
  if (!patterns_) {
    if (!std::exchange(looked_, true)) found.push_back({words_, "", false});
    co_return found;
  }
  std::vector<std::string> names;
  // The news first: what appears while the names are read is news.
  Task<void> reading = read_news(patience, names);
  co_await reading;
  if (context_.loop().now() >= look_at_all_) {
    look_at_all_ = add(context_.loop().now(), kLookAtAll);
    Task<std::vector<std::string>> listing = topic_names(context_.scripts(), keys_, patience);
    names = co_await listing;
  }
  std::sort(names.begin(), names.end());
  for (const std::string& pattern : words_) {
    Found matching{{}, pattern, looked_};
    for (const std::string& name : names) {
      if (fnmatch(pattern.c_str(), name.c_str(), 0) == 0 && known_.insert(name).second)
        matching.names.push_back(name);
    }
    if (!matching.names.empty()) found.push_back(std::move(matching));
  }
  looked_ = true;
  co_return found;
}

Task<void> TopicSet::read_news(redis::Patience patience, std::vector<std::string>& names) {
  std::vector<std::vector<std::string>> commands;
  if (news_.empty())
    commands.push_back({"XREVRANGE", keys_.event_news(), "+", "-", "COUNT", "1"});
  else if (has_news_)
    commands.push_back({"XRANGE", keys_.event_news(), "(" + news_, "+"});
  else
    co_return;
  const std::vector<redis::Answer> answers =
      co_await context_.scripts().run_commands(std::move(commands), patience);
  const redis::Reply& reply = answers.front().reply;
  if (reply.is_error()) throw internal_error("the stream of new topics: " + reply.text());
  for (const redis::Reply& entry : reply.elements()) {
    if (!news_.empty()) names.push_back(entry.at(1).at(1).text());
  }
  if (news_.empty())
    news_ = reply.size() == 0 ? "0-0" : reply.at(0).at(0).text();
  else if (reply.size() > 0)
    news_ = reply.at(reply.size() - 1).at(0).text();
  has_news_ = false;
}

Task<std::set<std::string>> TopicSet::wait(std::vector<redis::ScriptRunner::StreamPlace> places,
                                           TimePoint until) {
  if (patterns_) {
    places.push_back({keys_.event_news(), news_});
    until = std::min(until, look_at_all_);
  }
  Task<std::vector<std::string>> waiting =
      context_.scripts().wait_entries(std::move(places), until);
  const std::vector<std::string> streams = co_await waiting;
  std::set<std::string> found(streams.begin(), streams.end());
  has_news_ = found.erase(keys_.event_news()) > 0;
  if (streams.empty()) {
    has_news_ = true;
    // A connection that was lost may have cost news.
    if (context_.loop().now() < until) look_at_all_ = context_.loop().now();
  } else if (has_news_ && found.empty()) {
    found.insert(keys_.event_news());  // not: any
  }
  co_return found;
}

void warn_of_missed(const std::string& topic, long long missed, const std::string& before) {
  log::warning(fmt::format("missed {} event{} of topic '{}' before {}: the topic keeps no more",
                           missed, missed == 1 ? "" : "s", topic, before));
}

void warn_of_anew(const std::string& topic) {
  log::warning(
      fmt::format("topic '{}' began anew: it was forgotten, or the server lost data", topic));
}

}  // namespace dcoord::cli
