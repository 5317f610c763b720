#pragma once

#include <charconv>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "base/task.h"
#include "primitives/keys.h"
#include "redis/script_runner.h"

namespace dcoord::primitives {

// What all primitives do with their scripts; lua/README.md describes it.

/// Stands between the fields of a packed text, which never have it.
constexpr char kFieldSeparator = '\x1f';

/// A number as the scripts write it; 0 for what is none.
template <typename T>
T to_number(std::string_view text) {
  T n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

/// A number of milliseconds in a reply.
inline Duration ms(const redis::Reply& reply) { return Millis(reply.number()); }

/// Runs a script about `what` ("lock 'deploy'"). Throws what ScriptRunner::run throws, and Error
/// for a script's own error reply: data for another layout, else internal. `confirm` as in
/// redis::Call.
Task<redis::Answer> run_script(redis::ScriptRunner& runner, const redis::Script& script,
                               std::vector<std::string> keys, std::vector<std::string> args,
                               redis::Patience patience, std::string what,
                               std::string_view confirm = {});

/// "only 1 of 2 replicas acknowledged it"; of an answer with too few.
std::string shortfall(const redis::Replicated& replicated);

/// Throws, as run_script does, for a script's own error reply about `what`.
void check_reply(const redis::Script& script, const redis::Reply& reply, const std::string& what);

/// Error (65): something, which the text names, is stored in a layout that this dcoord does not
/// know.
Error layout_error(const std::string& text);

/// A reply that is none of the script's.
Error unexpected_reply(const redis::Script& script, const redis::Reply& reply);

/// Pushes the messages that a script could not push itself: pairs of mailbox and text, from element
/// `from` of its reply. They are hints: that one could not be pushed is no failure.
Task<void> deliver(redis::ScriptRunner& runner, const redis::Reply& reply, size_t from,
                   redis::Patience patience);

/// The delay that a message, `look N`, asks for; nothing for other messages.
std::optional<Duration> look_delay(std::string_view message);

/// Waits until `look`, or until a message says to look again earlier.
Task<void> wait_for_look(Loop& loop, redis::ScriptRunner& runner, std::string mailbox,
                         TimePoint look);

/// The names in the indexes of a kind, one bucket after the other, read in pages. `wanted`, if
/// there is one, tells which of them to return.
Task<std::vector<std::string>> list_names(redis::ScriptRunner& runner, const Keys& keys,
                                          std::string kind, redis::Patience patience,
                                          std::function<bool(const std::string&)> wanted);

/// Takes names out of the indexes of a kind whose things, which `key_of` tells the keys of, are not
/// there any more.
Task<void> prune_index(redis::ScriptRunner& runner, const Keys& keys, std::string kind,
                       std::vector<std::string> names,
                       std::function<std::string(const std::string&)> key_of,
                       redis::Patience patience);

/// One thing of an index, and what the script that shows it answered.
struct Listed {
  std::string name;
  redis::Reply reply;
};

/// All things of a kind, in the order of their names: reads the indexes, then runs `show` for each
/// name, in pipelines. A thing whose reply is `absent` is left out and its name pruned from the
/// index; the first key of its call is the one that the index stands for. `wanted`, if there is
/// one, tells which names to ask for at all.
Task<std::vector<Listed>> list_all(redis::ScriptRunner& runner, const Keys& keys, std::string kind,
                                   std::function<redis::Call(const std::string&)> show,
                                   redis::Patience patience,
                                   std::function<bool(const std::string&)> wanted = nullptr);

}  // namespace dcoord::primitives
