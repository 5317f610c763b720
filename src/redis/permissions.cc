#include "redis/permissions.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "redis/script_commands.h"
#include "redis/scripts.h"

namespace dcoord::redis {
namespace {

std::string rule(std::string_view command) {
  std::string text = "+";
  for (const char c : command)
    text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::vector<std::string> permissions(const std::vector<std::string>& folders,
                                     const std::vector<Target>& targets) {
  // What is sent besides scripts: to run them, to wait, to push a hint that a script could not
  // push, to list, to watch an election; and what the servers are asked about themselves.
  std::set<std::string> rules{"+evalsha", "+script|load", "+client|setname", "+info",  "+wait",
                              "+blpop",   "+rpush",       "+pexpire",        "+zrange"};
  for (unsigned long i = 0; i < scripts::kCount; ++i) {
    const Script& script = *scripts::kAll[i];
    const std::string folder(script.name.substr(0, script.name.find('/')));
    const bool wanted =
        folders.empty() || std::find(folders.begin(), folders.end(), folder) != folders.end();
    if (!wanted) continue;
    for (const std::string_view command : commands_of(script)) rules.insert(rule(command));
    if (folder == "lock") rules.insert({"+xrange", "+xread"});
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
