#include "cli/batch_words.h"

#include <fmt/format.h>

#include "base/error.h"

namespace dcoord::cli {
namespace {

Error not_ended(const char* what) {
  return usage_error(fmt::format("{} does not end on its line", what));
}

/// Reads a line, word by word.
class Splitter {
 public:
  explicit Splitter(std::string_view line) : line_(line) {}

  std::vector<std::string> run() {
    while (at_ < line_.size()) {
      const char c = line_[at_++];
      if (c == ' ' || c == '\t' || c == '\r') {
        end_word();
      } else if (c == '#' && !in_word_) {
        break;
      } else {
        in_word_ = true;
        take(c);
      }
    }
    end_word();
    return std::move(words_);
  }

 private:
  void take(char c) {
    if (c == '\'') {
      const size_t end = line_.find('\'', at_);
      if (end == line_.npos) throw not_ended("a ' quote");
      word_ += line_.substr(at_, end - at_);
      at_ = end + 1;
    } else if (c == '"') {
      take_double_quoted();
    } else if (c == '\\') {
      if (at_ == line_.size()) throw not_ended("what stands behind a backslash");
      word_ += line_[at_++];
    } else {
      refuse_special(c, "$`|&;<>()");
      word_ += c;
    }
  }

  void take_double_quoted() {
    while (at_ < line_.size()) {
      const char c = line_[at_++];
      if (c == '"') return;
      refuse_special(c, "$`");
      const bool escape = c == '\\' && at_ < line_.size() &&
                          std::string_view("\"\\$`").find(line_[at_]) != std::string_view::npos;
      word_ += escape ? line_[at_++] : c;
    }
    throw not_ended("a \" quote");
  }

  static void refuse_special(char c, std::string_view special) {
    if (special.find(c) == special.npos) return;
    throw usage_error(fmt::format("'{}' means nothing here: there is no shell", c),
                      "quote it with ' to have it as it is");
  }

  void end_word() {
    if (in_word_) words_.push_back(std::move(word_));
    word_.clear();
    in_word_ = false;
  }

  std::string_view line_;
  size_t at_ = 0;
  bool in_word_ = false;
  std::string word_;
  std::vector<std::string> words_;
};

}  // namespace

std::vector<std::string> split_batch_line(std::string_view line) { return Splitter(line).run(); }

}  // namespace dcoord::cli
