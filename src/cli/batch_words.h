#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dcoord::cli {

/// The words of one line, quoted as for a POSIX shell: '...', "...", backslash, and # for a comment
/// at the start of a word. Nothing is expanded and there is no shell: what one would act on ($, `,
/// |, &, ;, <, >, parentheses) has to be quoted. Throws Error (64) for what is not, and for a quote
/// that does not end.
std::vector<std::string> split_batch_line(std::string_view line);

}  // namespace dcoord::cli
