#include "output/payload.h"

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "output/encode.h"

namespace dcoord::output {

bool is_json(std::string_view text) { return nlohmann::json::accept(text); }

void add_payload(Record& record, std::string_view payload) {
  if (is_utf8(payload))
    record.add("payload", std::string(payload));
  else
    record.add("payload_base64", base64(payload));
}

std::string shown_payload(std::string_view payload, size_t width) {
  std::string text = log::printable(payload.substr(0, width));
  if (payload.size() > width) text += "...";
  return text;
}

}  // namespace dcoord::output
