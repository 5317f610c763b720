#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dcoord::redis {

/// The Redis commands that a script ("lock/acquire") calls, and what waits at the mailbox that it
/// is given, in capitals, each once; none of a script that is not of lua/.
std::vector<std::string_view> commands_of(std::string_view script);

/// Those of all scripts.
std::vector<std::string_view> commands_of_all();

/// A command as the rules of an ACL spell it: "hset" of "HSET".
std::string acl_name(std::string_view command);

}  // namespace dcoord::redis
