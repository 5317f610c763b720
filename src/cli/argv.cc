#include "cli/argv.h"

#include <algorithm>
#include <utility>

namespace dcoord::cli {

Argv split_argv(int argc, char** argv) {
  Argv result;
  int i = 1;
  for (; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") break;
    result.words.push_back(word);
  }
  if (i < argc) result.tail.emplace(argv + i + 1, argv + argc);
  return result;
}

const Option* find_long(const OptionSet& set, std::string_view name) {
  for (const auto& option : set.all()) {
    if (!option.positional && !name.empty() && option.long_name == name) return &option;
  }
  return nullptr;
}

const Option* find_short(const OptionSet& set, char letter) {
  for (const auto& option : set.all()) {
    if (!option.positional && option.short_name != 0 && option.short_name == letter) return &option;
  }
  return nullptr;
}

std::string option_name(const Option& option) {
  if (option.positional) return option.long_name;
  return option.long_name.empty() ? std::string("-") + option.short_name : "--" + option.long_name;
}

Scanner::Scanner(const Words& words, std::initializer_list<const OptionSet*> sets)
    : words_(words), sets_(sets) {}

std::optional<Piece> Scanner::next() {
  if (!cluster_.empty()) return short_option();
  if (next_ == words_.size()) return std::nullopt;
  const auto word = words_[next_++];
  if (word.size() > 2 && word.starts_with("--")) return long_option(word);
  // `-5` is a number, unless there is an option of that name.
  const bool number = word.size() > 1 && word[1] >= '0' && word[1] <= '9' &&
                      std::none_of(sets_.begin(), sets_.end(), [&](const OptionSet* set) {
                        return find_short(*set, word[1]) != nullptr;
                      });
  if (word.size() > 1 && word[0] == '-' && !number) {
    cluster_ = word.substr(1);
    return short_option();
  }
  Piece piece;
  piece.word = next_ - 1;
  piece.text = word;
  return piece;
}

Piece Scanner::long_option(std::string_view word) {
  Piece piece;
  piece.kind = Piece::Kind::unknown;
  piece.word = next_ - 1;
  const auto equals = word.find('=');
  piece.text = word.substr(0, equals);
  for (const auto* set : sets_) {
    piece.option = find_long(*set, piece.text.substr(2));
    if (piece.option != nullptr) break;
  }
  if (piece.option == nullptr) return piece;
  piece.kind = Piece::Kind::option;
  take_value(piece, equals == std::string_view::npos ? std::nullopt
                                                     : std::optional(word.substr(equals + 1)));
  return piece;
}

Piece Scanner::short_option() {
  Piece piece;
  piece.kind = Piece::Kind::unknown;
  piece.word = next_ - 1;
  piece.text = cluster_.substr(0, 1);
  cluster_.remove_prefix(1);
  for (const auto* set : sets_) {
    piece.option = find_short(*set, piece.text[0]);
    if (piece.option != nullptr) break;
  }
  if (piece.option == nullptr) {
    cluster_ = {};
    return piece;
  }
  piece.kind = Piece::Kind::option;
  if (piece.option->value_name.empty()) return piece;
  const auto rest = std::exchange(cluster_, {});
  take_value(piece, rest.empty() ? std::nullopt : std::optional(rest));
  return piece;
}

void Scanner::take_value(Piece& piece, std::optional<std::string_view> attached) {
  piece.value = attached;
  if (attached || piece.option->value_name.empty() || next_ == words_.size()) return;
  piece.value = words_[next_++];
}

}  // namespace dcoord::cli
