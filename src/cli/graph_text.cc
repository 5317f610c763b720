#include "cli/graph_text.h"

#include "base/log.h"

namespace dcoord::cli {

std::string dot_quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? "\\n" : std::string(1, c);
  }
  return out + "\"";
}

std::string mermaid_label(const std::string& text) {
  std::string label = log::printable(text);
  for (size_t at = 0; (at = label.find('"', at)) != std::string::npos; at += 6)
    label.replace(at, 1, "&quot;");
  return label;
}

}  // namespace dcoord::cli
