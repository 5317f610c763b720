#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"

namespace dcoord::cli {

/// The words before `--`; they point into argv, which outlives everything.
using Words = std::vector<std::string_view>;

/// argv without the program's name, cut at the first `--`.
struct Argv {
  Words words;
  std::optional<std::vector<std::string>> tail;  ///< nothing when there was no `--`
};
Argv split_argv(int argc, char** argv);

/// A part of a word with one meaning.
struct Piece {
  enum class Kind { option, positional, unknown };
  Kind kind = Kind::positional;
  size_t word = 0;                        ///< index of the word that it begins in
  const Option* option = nullptr;         ///< for Kind::option
  std::string_view text;                  ///< the positional; "--ttl" or "t" as it was typed
  std::optional<std::string_view> value;  ///< of an option that takes one; nothing: it is missing
};

/// Tells the meaning of words one by one, given the options that there are. It finds the noun and
/// the verb before their options can be known, and afterwards explains what the parser refused.
class Scanner {
 public:
  Scanner(const Words& words, std::initializer_list<const OptionSet*> sets);
  std::optional<Piece> next();

 private:
  Piece long_option(std::string_view word);
  Piece short_option();
  void take_value(Piece& piece, std::optional<std::string_view> attached);

  const Words& words_;
  std::vector<const OptionSet*> sets_;
  size_t next_ = 0;           // word
  std::string_view cluster_;  // the letters of "-qv" that are still to come
};

/// `--ttl`, or `-c` for an option without a long name.
std::string option_name(const Option& option);
const Option* find_long(const OptionSet& set, std::string_view name);
const Option* find_short(const OptionSet& set, char letter);

}  // namespace dcoord::cli
