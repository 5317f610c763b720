#include "output/printer.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "base/duration.h"
#include "output/printers.h"

namespace dcoord::output {

std::unique_ptr<Printer> make_printer(const Style& style) {
  return style.format == Format::json ? make_json_printer(style.sink) : make_text_printer(style);
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

std::string stale_text(const primitives::Thing& thing) {
  std::string text;
  const auto& holders = thing.view.holders;
  if (!holders.empty() && holders[0].lease_left <= Millis(0))
    text = "lease over for " + format_age(-holders[0].lease_left);
  if (!thing.why.empty()) text += (text.empty() ? "" : "; ") + thing.why;
  return text;
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

const primitives::LockParty* Election::leader() const {
  if (view.holders.empty()) return nullptr;
  const auto& first = view.holders[0];
  return first.offered || first.resting ? nullptr : &first;
}

const char* Election::state() const {
  if (leader() != nullptr) return view.state == primitives::LockView::State::held ? "led" : "stale";
  return !view.holders.empty() && view.holders[0].resting ? "resting" : "free";
}

const char* change_word(primitives::ElectionChange::What what) {
  switch (what) {
    case primitives::ElectionChange::What::elected:
      return "elected";
    case primitives::ElectionChange::What::revoked:
      return "revoked";
    case primitives::ElectionChange::What::resigned:
      return "resigned";
    case primitives::ElectionChange::What::lost:
      return "lost";
  }
  return "";
}

std::string holder_id(const primitives::LockParty& party) { return party.token.substr(0, 12); }

}  // namespace dcoord::output
