#pragma once

#include <memory>

#include "output/printer.h"

namespace dcoord::output {

std::unique_ptr<Printer> make_text_printer(const Style& style);  ///< table and plain
std::unique_ptr<Printer> make_json_printer(Sink sink);

/// A record as one line of JSON, without the line's end.
std::string json_text(const Record& record);

/// Writes to stdout through stdio; that it arrived is checked once, when the program ends.
void write_out(const std::string& text);
/// Writes and empties `text` once there is enough of it for a write of its own.
void write_full(std::string& text);

}  // namespace dcoord::output
