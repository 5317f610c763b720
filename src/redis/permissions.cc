#include "redis/permissions.h"

#include <algorithm>
#include <set>

#include "redis/script_commands.h"
#include "redis/scripts.h"

namespace dcoord::redis {
namespace {

/// What reads streams does so without a script.
struct Reads {
  std::string_view part;
  std::vector<std::string> rules;
};

const std::vector<Reads>& stream_reads() {
  static const std::vector<Reads> list{{"lock", {"+xrange", "+xread"}},
                                       {"event", {"+xrange", "+xread", "+xrevrange"}},
                                       {"trace", {"+time", "+xrange"}}};
  return list;
}

}  // namespace

std::vector<std::string> permissions(const std::vector<std::string>& parts,
                                     const std::vector<Target>& targets) {
  const auto wanted = [&](std::string_view part) {
    return parts.empty() || std::find(parts.begin(), parts.end(), part) != parts.end();
  };
  // What is sent besides scripts: to run them, to push a hint that a script could not push, to
  // list; and what the servers are asked about themselves.
  std::set<std::string> rules{"+evalsha", "+script|load", "+client|setname", "+info",
                              "+wait",    "+rpush",       "+pexpire",        "+zrange"};
  for (unsigned long i = 0; i < scripts::kCount; ++i) {
    const Script& script = *scripts::kAll[i];
    if (!wanted(script.name) && !wanted(script.name.substr(0, script.name.find('/')))) continue;
    for (const std::string_view command : commands_of(script.name))
      rules.insert("+" + acl_name(command));
  }
  for (const Reads& reads : stream_reads()) {
    if (wanted(reads.part)) rules.insert(reads.rules.begin(), reads.rules.end());
  }
  for (const Target& target : targets) {
    if (target.server.db != 0) rules.insert("+select");
    if (target.topology == Target::Topology::sentinel) rules.insert("+role");
    if (target.topology == Target::Topology::cluster) rules.insert({"+cluster|slots", "+asking"});
  }
  if (targets.size() > 1) rules.insert("+config|get");
  return {rules.begin(), rules.end()};
}

}  // namespace dcoord::redis
