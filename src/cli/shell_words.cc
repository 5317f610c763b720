#include "cli/shell_words.h"

#include <algorithm>

namespace dcoord::cli {
namespace {

constexpr std::string_view kBlank = " \t\n";

/// Reads one word from `line` at `at`, which it leaves behind it.
ShellLine::Word read_word(std::string_view line, size_t& at) {
  ShellLine::Word word;
  const size_t start = at;
  for (; at < line.size(); ++at) {
    const char c = line[at];
    if (word.quote != 0) {
      const bool escapes = word.quote == '"' && c == '\\' && at + 1 < line.size() &&
                           std::string_view("\"\\$`").find(line[at + 1]) != std::string_view::npos;
      if (escapes)
        word.text += line[++at];
      else if (c == word.quote)
        word.quote = 0;
      else
        word.text += c;
    } else if (c == '\'' || c == '"') {
      word.quote = c;
      word.opened = at + 1 - start;
    } else if (c == '\\') {
      if (at + 1 < line.size()) word.text += line[++at];
    } else if (kBlank.find(c) != std::string_view::npos) {
      break;
    } else {
      word.text += c;
    }
  }
  word.raw = line.substr(start, at - start);
  return word;
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         static_cast<unsigned char>(c) >= 0x80 ||
         std::string_view("-_./:=,@%+^").find(c) != std::string_view::npos;
}

/// `text` as it stands where that quote is open.
std::string quoted(std::string_view text, char quote) {
  std::string out;
  for (const char c : text) {
    if (quote == '\'' && c == '\'') {
      out += "'\\''";
      continue;
    }
    const bool special = quote == '"' ? std::string_view("\"\\$`").find(c) != std::string_view::npos
                                      : quote == 0 && !is_plain(c);
    if (special) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

ShellLine split_shell_line(std::string_view line) {
  ShellLine result;
  size_t at = 0;
  while (at < line.size()) {
    if (kBlank.find(line[at]) != std::string_view::npos) {
      ++at;
      continue;
    }
    result.words.push_back(read_word(line, at));
    if (at == line.size()) return result;
  }
  result.words.emplace_back();
  return result;
}

std::string unquote(std::string_view raw) {
  std::string text;
  size_t at = 0;
  while (at < raw.size()) {
    text += read_word(raw, at).text;
    if (at < raw.size()) text += raw[at++];  // a blank that the shell itself does not mind
  }
  return text;
}

std::string replacement(const ShellLine::Word& word, std::string_view text,
                        std::string_view breaks) {
  size_t begin = word.quote != 0 ? word.opened : 0;
  if (word.quote == 0) {
    for (size_t i = word.raw.size(); i > 0; --i) {
      const bool escaped = i > 1 && word.raw[i - 2] == '\\';
      if (escaped || breaks.find(word.raw[i - 1]) == std::string_view::npos) continue;
      begin = i;
      break;
    }
  }
  const std::string before = unquote(std::string_view(word.raw).substr(0, begin));
  return quoted(text.substr(std::min(before.size(), text.size())), word.quote);
}

}  // namespace dcoord::cli
