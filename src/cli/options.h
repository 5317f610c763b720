#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace dcoord::cli {

/// Where an option's value came from, for error messages and `config show --origin`.
struct Origin {
  enum class Source { flag, environment, profile, user_file, system_file, fallback, built_in };
  Source source = Source::built_in;
  std::string where;  ///< "--ttl", "DCOORD_LOCK_TTL", "/etc/dcoord/config.toml:3: lock.ttl"; "" for
                      ///< built_in
};

/// `value` is no acceptable `what`: the error names where it came from, and is 64 or, for a
/// file, 78. The advice says what is accepted.
Error bad_value(std::string_view what, std::string_view value, const Origin& origin,
                std::string_view advice);

/// "true", "1", "yes", "on" and their opposites; throws bad_value for anything else.
bool parse_bool(std::string_view value, const Origin& origin);

/// One declared option or positional argument of a command.
struct Option {
  std::string long_name;   ///< "ttl", without dashes; for a positional its NAME in capitals
  char short_name = 0;     ///< 't'; 0: none
  std::string value_name;  ///< "DUR"; "" for a flag
  std::string help;        ///< lower case, no full stop
  std::vector<std::string> choices;
  std::string default_text;  ///< shown in help; "" for none
  std::string kind;          ///< what completion offers: "lock", "file", ... ; "" for nothing
  bool positional = false;
  bool required = false;
  bool repeatable = false;
  bool from_environment =
      true;  ///< also DCOORD_<NOUN>_<OPTION> (global: DCOORD_<OPTION>) and the configuration
  /// Takes one value (a flag gets "true" or "false"); throws Error that names `origin` when it is
  /// not acceptable.
  std::function<void(std::string_view value, const Origin& origin)> set;

  std::optional<std::string> given;  ///< the text that it was set to, by whoever applied precedence
  Origin origin;                     ///< and where that came from
};

/// The options of one command, bound to variables that outlive it. A variable keeps its initial
/// value unless a flag, the environment or the configuration names the option; that order of
/// precedence is applied by the caller.
///
/// Names are "-t,--ttl" or "--ttl". What the variable holds when it is declared is shown as its
/// default. The reference that a declaration returns holds until the next one.
class OptionSet {
 public:
  Option& flag(std::string_view names, bool& target, std::string help);
  Option& text(std::string_view names, std::string_view value_name, std::string& target,
               std::string help);
  Option& text(std::string_view names, std::string_view value_name,
               std::optional<std::string>& target, std::string help);
  /// Each occurrence adds one; commas do not split.
  Option& texts(std::string_view names, std::string_view value_name,
                std::vector<std::string>& target, std::string help);
  /// See parse_duration; negative or malformed is refused.
  Option& duration(std::string_view names, Duration& target, std::string help);
  Option& duration(std::string_view names, std::optional<Duration>& target, std::string help);
  Option& integer(std::string_view names, std::string_view value_name, long long& target,
                  long long least, long long most, std::string help);
  Option& integer(std::string_view names, std::string_view value_name,
                  std::optional<long long>& target, long long least, long long most,
                  std::string help);
  Option& choice(std::string_view names, std::string_view value_name, std::string& target,
                 std::initializer_list<const char*> choices, std::string help);
  /// What none of the others can do.
  Option& custom(std::string_view names, std::string_view value_name, std::string help,
                 std::function<void(std::string_view value, const Origin& origin)> set);
  /// A positional argument; `kind` tells completion what it names.
  Option& positional(std::string_view name, std::string_view kind, std::string& target,
                     std::string help, bool required = true);

  /// All further positional arguments, as they come; declared last.
  Option& positionals(std::string_view name, std::vector<std::string>& target, std::string help);

  std::vector<Option>& all() { return options_; }
  const std::vector<Option>& all() const { return options_; }

 private:
  Option& add(std::string_view names, std::string_view value_name, std::string help);
  std::vector<Option> options_;
};

}  // namespace dcoord::cli
