#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dcoord::cli {

/// The unfinished line of a shell, up to the cursor, as that shell would understand it: enough for
/// completion, so nothing is expanded.
struct ShellLine {
  struct Word {
    std::string raw;    ///< as typed
    std::string text;   ///< without its quotes
    char quote = 0;     ///< ' or " when such a one is still open
    size_t opened = 0;  ///< where in `raw` what is quoted so begins
  };
  std::vector<Word> words;  ///< the last one is under the cursor; it may be empty
};
ShellLine split_shell_line(std::string_view line);

/// A word as typed, without its quotes.
std::string unquote(std::string_view raw);

/// What readline is to put in place of what it takes for the word under the cursor, so that the
/// whole word is `text`: quoted as the word has begun, and without what stands before the last of
/// `breaks` (bash's COMP_WORDBREAKS), where readline's word begins. `text` begins with the word's
/// own text.
std::string replacement(const ShellLine::Word& word, std::string_view text,
                        std::string_view breaks);

}  // namespace dcoord::cli
