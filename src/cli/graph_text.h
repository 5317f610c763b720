#pragma once

#include <string>

namespace dcoord::cli {

/// `text` as a quoted string of Graphviz's language.
std::string dot_quoted(const std::string& text);

/// `text` as it may stand between the quotes of a Mermaid label.
std::string mermaid_label(const std::string& text);

}  // namespace dcoord::cli
