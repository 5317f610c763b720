#include "primitives/elect.h"

#include <fmt/format.h>

#include <map>

#include "base/error.h"
#include "primitives/protocol.h"

namespace dcoord::primitives {
namespace {

ElectionChange decode(const redis::Reply& entry) {
  ElectionChange change;
  change.id = entry.at(0).text();
  std::map<std::string, std::string> fields;
  const redis::Reply& list = entry.at(1);
  for (size_t i = 0; i + 1 < list.size(); i += 2) fields[list.at(i).text()] = list.at(i + 1).text();
  using What = ElectionChange::What;
  static const std::map<std::string, What> words{{"elected", What::elected},
                                                 {"revoked", What::revoked},
                                                 {"resigned", What::resigned},
                                                 {"lost", What::lost}};
  const auto word = words.find(fields["what"]);
  if (word == words.end()) {
    throw Error(ExitCode::data, "layout",
                fmt::format("this dcoord knows no change '{}' of an election", fields["what"]),
                "update dcoord on all hosts to the same version");
  }
  change.what = word->second;
  change.term = to_number<long long>(fields["term"]);
  change.fence = to_number<long long>(fields["fence"]);
  change.at = Millis(to_number<long long>(fields["at"]));
  change.who = decode_holder(fields["who"]);
  return change;
}

}  // namespace

ElectionChanges::ElectionChanges(redis::ScriptRunner& scripts, const Keys& keys,
                                 const std::string& name)
    : scripts_(scripts), key_(keys.elect_changes(name)) {}

Task<std::vector<ElectionChange>> ElectionChanges::after(std::string id, redis::Patience patience) {
  std::vector<std::vector<std::string>> commands{
      {"XRANGE", key_, id.empty() ? "-" : "(" + id, "+"}};
  const std::vector<redis::Answer> answers =
      co_await scripts_.run_commands(std::move(commands), patience);
  const redis::Reply& reply = answers.front().reply;
  if (reply.is_error()) throw internal_error("XRANGE answered " + reply.text());
  std::vector<ElectionChange> changes;
  for (const redis::Reply& entry : reply.elements()) changes.push_back(decode(entry));
  co_return changes;
}

Task<void> ElectionChanges::wait(std::string id, TimePoint until) {
  std::vector<redis::ScriptRunner::StreamPlace> places{{key_, id.empty() ? "0" : std::move(id)}};
  co_await scripts_.wait_entries(std::move(places), until);
}

}  // namespace dcoord::primitives
