#include "output/payload.h"

#include <nlohmann/json.hpp>

#include "base/log.h"

namespace dcoord::output {
namespace {

bool is_utf8(std::string_view text) {
  try {
    nlohmann::json(text).dump();
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

std::string base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    unsigned n = 0;
    for (size_t k = 0; k < 3; ++k)
      n = n << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k)
      out += i + k > bytes.size() ? '=' : kDigits[n >> (18 - 6 * k) & 63];
  }
  return out;
}

}  // namespace

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
