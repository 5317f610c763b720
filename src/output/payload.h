#pragma once

#include <string>
#include <string_view>

#include "output/record.h"

namespace dcoord::output {

/// Whether `text` is one whole JSON value.
bool is_json(std::string_view text);

/// Adds bytes to a record: as "payload" when they are UTF-8, else as "payload_base64".
void add_payload(Record& record, std::string_view payload);

/// Bytes for a line of text: escaped, and cut to about `width` characters.
std::string shown_payload(std::string_view payload, size_t width);

}  // namespace dcoord::output
