#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/argv.h"
#include "cli/command.h"
#include "cli/globals.h"

namespace dcoord::cli {

/// What a command line asks for, before the verb's options are looked at.
struct Invocation {
  std::optional<Noun> noun;     ///< nothing: `dcoord` alone
  const Verb* verb = nullptr;   ///< of `noun`; null: `dcoord lock` alone
  Words rest;                   ///< the words without noun and verb
  std::vector<size_t> rest_at;  ///< where each of them stands among all words
  bool help = false;            ///< -h or --help anywhere, or `dcoord help ...`
  bool by_word = false;         ///< `dcoord help ...`: the manual, where it can be opened
  std::string topic;            ///< of `dcoord help TOPIC`: one of help_topics()
  bool version = false;
  std::string host;  ///< with help: the word after -h that looks like redis-cli's -h HOST
};

/// Finds noun and verb among the words; only the noun found is built. Throws Error (64) with a
/// suggestion for words that are none.
Invocation find_command(const Words& words, const Globals& globals,
                        const std::vector<NounEntry>& nouns);

}  // namespace dcoord::cli
