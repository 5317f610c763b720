#include "output/printer.h"

#include <algorithm>

#include "output/printers.h"

namespace dcoord::output {

std::unique_ptr<Printer> make_printer(const Style& style) {
  return style.format == Format::json ? make_json_printer() : make_text_printer(style);
}

std::string shell_quote(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-+=./:,@%").find(c) != std::string_view::npos;
  });
  if (plain) return text;
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

const char* state_word(primitives::LockView::State state) {
  switch (state) {
    case primitives::LockView::State::free:
      return "free";
    case primitives::LockView::State::held:
      return "held";
    case primitives::LockView::State::stale:
      return "stale";
  }
  return "";
}

const char* mode_word(primitives::LockMode mode) {
  switch (mode) {
    case primitives::LockMode::exclusive:
      return "exclusive";
    case primitives::LockMode::shared:
      return "shared";
    case primitives::LockMode::slot:
      return "slots";
  }
  return "";
}

std::string holder_id(const primitives::LockParty& party) { return party.token.substr(0, 12); }

}  // namespace dcoord::output
