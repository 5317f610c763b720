// CLI11's own reader is not used: it cuts a value at a '#' inside quotes (a password loses its
// end), skips lines that it does not understand, and knows no line numbers.
#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "cli/config_file.h"

namespace dcoord::cli {
namespace {

void append_utf8(std::string& out, unsigned long code) {
  const auto put = [&out](unsigned long byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

class Reader {
 public:
  Reader(std::string_view text, std::string_view path) : text_(text), path_(path) {
    if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
  }

  std::vector<Entry> read() {
    for (skip_lines(); !done(); skip_lines()) {
      if (peek() == '[') {
        table_header();
      } else {
        key_value();
      }
      end_of_line();
    }
    return std::move(entries_);
  }

 private:
  bool done() const { return at_ == text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  bool take(char c) {
    if (peek() != c || done()) return false;
    ++at_;
    return true;
  }
  [[noreturn]] void fail(std::string_view what, std::string hint = {}) const {
    throw config_error(fmt::format("{}:{}: {}", path_, line_, what), std::move(hint));
  }

  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\r') ++at_;
  }
  void skip_comment() {
    if (peek() != '#') return;
    while (!done() && peek() != '\n') ++at_;
  }
  void skip_lines() {
    for (;;) {
      skip_blanks();
      skip_comment();
      if (!take('\n')) return;
      ++line_;
    }
  }
  void end_of_line() {
    skip_blanks();
    skip_comment();
    if (!done() && peek() != '\n') fail("something follows the value on its line");
  }

  void table_header() {
    take('[');
    if (peek() == '[') fail("arrays of tables are not supported");
    table_ = key_path();
    if (!take(']')) fail("a ']' is missing");
  }

  /// a.b."c d"
  std::vector<std::string> key_path() {
    std::vector<std::string> path;
    do {
      skip_blanks();
      path.push_back(key());
      skip_blanks();
    } while (take('.'));
    return path;
  }

  std::string key() {
    if (peek() == '"' || peek() == '\'') return string();
    std::string name;
    while (is_bare(peek())) name += text_[at_++];
    if (name.empty()) fail("a key is expected");
    return name;
  }

  void key_value() {
    Entry entry;
    entry.line = line_;
    auto path = key_path();
    if (!take('=')) fail(fmt::format("a '=' is missing after '{}'", path.back()));
    entry.key = std::move(path.back());
    path.pop_back();
    entry.table = table_;
    entry.table.insert(entry.table.end(), path.begin(), path.end());
    skip_blanks();
    if (take('[')) {
      entry.array = true;
      array(entry.values);
    } else {
      entry.values.push_back(value());
    }
    auto full = entry.table;
    full.push_back(entry.key);
    if (!seen_.insert(std::move(full)).second) {
      fail(fmt::format("{} is set a second time", dotted(entry)));
    }
    entries_.push_back(std::move(entry));
  }

  void array(std::vector<std::string>& values) {
    for (;;) {
      skip_lines();
      if (take(']')) return;
      if (peek() == '[') fail("arrays in arrays are not supported");
      values.push_back(value());
      skip_lines();
      if (take(']')) return;
      if (!take(',')) fail("a ',' or ']' is missing");
    }
  }

  std::string value() {
    if (peek() == '"' || peek() == '\'') return string();
    if (peek() == '{') fail("inline tables are not supported");
    std::string word;
    while (is_bare(peek()) || peek() == '.' || peek() == '+' || peek() == ':') word += text_[at_++];
    if (word == "true" || word == "false" || word == "inf") return word;
    const bool number = !word.empty() && word.find_first_not_of("+-_.0123456789") == word.npos;
    if (!number) {
      const auto rest = text_.substr(at_, text_.find_first_of("\r\n#", at_) - at_);
      fail(word.empty() && rest.empty() ? "a value is missing" : "a text needs quotes",
           fmt::format("write \"{}{}\"", word, rest));
    }
    std::erase(word, '_');
    if (word[0] == '+') word.erase(0, 1);
    return word;
  }

  std::string string() {
    const char quote = text_[at_++];
    if (text_.substr(at_, 2) == std::string(2, quote))
      fail("texts over several lines are not supported");
    std::string out;
    while (!take(quote)) {
      if (done() || peek() == '\n') fail(fmt::format("a closing {} is missing", quote));
      const char c = text_[at_++];
      if (c == '\\' && quote == '"') {
        escape(out);
      } else {
        out += c;
      }
    }
    return out;
  }

  void escape(std::string& out) {
    constexpr std::string_view kNames = "btnfr\"\\";
    constexpr std::string_view kMeanings = "\b\t\n\f\r\"\\";
    const char c = done() ? '\0' : text_[at_++];
    const auto index = kNames.find(c);
    if (index != kNames.npos) {
      out += kMeanings[index];
      return;
    }
    if (c != 'u' && c != 'U')
      fail(fmt::format("'\\{}' is no escape sequence", c), "'...' takes backslashes as they are");
    const size_t length = c == 'u' ? 4 : 8;
    const std::string digits(text_.substr(at_, length));
    if (digits.size() != length ||
        digits.find_first_not_of("0123456789abcdefABCDEF") != digits.npos) {
      fail(fmt::format("'\\{}' needs {} hexadecimal digits", c, length));
    }
    const auto code = std::stoul(digits, nullptr, 16);
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) fail("no such Unicode character");
    append_utf8(out, code);
    at_ += length;
  }

  std::string_view text_;
  std::string_view path_;
  size_t at_ = 0;
  int line_ = 1;
  std::vector<std::string> table_;
  std::vector<Entry> entries_;
  std::set<std::vector<std::string>> seen_;
};

}  // namespace

std::vector<Entry> parse_toml(std::string_view text, std::string_view path) {
  return Reader(text, path).read();
}

}  // namespace dcoord::cli
