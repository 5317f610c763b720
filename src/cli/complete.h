#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/environment.h"

namespace dcoord::cli {

/// What may stand under the cursor.
struct Completion {
  enum class What {
    words,        ///< those listed, nothing else
    files,        ///< a file, or one of those listed
    directories,  ///< a directory
    command       ///< whatever the command after `--` completes
  } what = What::words;
  struct Word {
    std::string text;
    std::string help;
  };
  std::vector<Word> words;
  bool open = false;  ///< what was completed goes on: no space after it
};

/// Walks the command tree. `before` is what stands before the cursor's word, without the program's
/// name; `current` is that word up to the cursor. All words that may stand there are listed, also
/// such as do not begin with `current`: shells differ in how they match. Names of locks and so on
/// are asked for, for 300 ms at most; whatever goes wrong, there are none.
Completion complete(const std::vector<std::string>& before, const std::string& current,
                    const Environment& environment, const std::vector<NounEntry>& nouns);

/// `dcoord __complete SHELL ...`, for the adaptors in completions/, which say what they pass and
/// get. Prints on stdout, nothing on stderr; never fails.
int run_complete(int argc, char** argv, const std::vector<NounEntry>& nouns);

}  // namespace dcoord::cli
