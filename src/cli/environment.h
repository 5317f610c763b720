#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"

namespace dcoord::cli {

/// The variables that dcoord looks at, as they were at the start; empty ones count as unset.
class Environment {
 public:
  /// `environ`-like: "NAME=VALUE" strings, ended by a null pointer.
  explicit Environment(char** variables);

  /// Of a variable with any name, "DCOORD_URL" or "TERM".
  std::optional<std::string_view> get(std::string_view name) const;

  struct Variable {
    std::string_view name;
    std::string_view value;
  };
  /// Those that begin with DCOORD_.
  const std::vector<Variable>& own() const { return own_; }

 private:
  char** variables_;
  std::vector<Variable> own_;
};

/// DCOORD_URL for the global option `url`, DCOORD_LOCK_TTL for `ttl` of the noun `lock`.
std::string variable_name(std::string_view noun, std::string_view option);

/// A variable that dcoord sets for the commands that it runs. A nested dcoord inherits them all.
struct ToldVariable {
  std::string_view name;
  std::string_view meaning;  ///< lower case, no full stop
};
/// All of them: a new one gets its line here, from where the manual has it.
const std::vector<ToldVariable>& told_variables();

/// Whether dcoord itself sets this variable for the commands that it runs, so that it never is an
/// option.
bool is_for_children(std::string_view name);

}  // namespace dcoord::cli
