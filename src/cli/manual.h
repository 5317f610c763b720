#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dcoord::cli {

/// What `dcoord help TOPIC` explains beside nouns.
struct HelpTopic {
  const char* name;
  const char* page;  ///< "dcoord-url.7"; "" for what is printed
  const char* summary;
};
const std::vector<HelpTopic>& help_topics();
/// Null for a word that is none.
const HelpTopic* find_topic(std::string_view name);

/// Where that page of the manual is installed with this program: "dcoord-lock.1"; "" if it is not.
std::string manual_page(std::string_view page);

/// Becomes `man` showing that file. Returns if that is not possible.
void open_manual(const std::string& file);

}  // namespace dcoord::cli
