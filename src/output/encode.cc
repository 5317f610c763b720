#include "output/encode.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace dcoord::output {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDeepest = 200;  // printing recurses

Json parse(std::string_view text, const char* what) {
  try {
    return Json::parse(text, [&](int depth, Json::parse_event_t, Json&) {
      if (depth > kDeepest) throw Error(ExitCode::data, "json", "");
      return true;
    });
  } catch (const Error&) {
    throw Error(ExitCode::data, "json",
                fmt::format("--json-merge: {} is nested more than {} deep", what, kDeepest));
  } catch (const Json::exception& error) {
    throw Error(ExitCode::data, "json", fmt::format("--json-merge: {} is no JSON", what),
                error.what());
  }
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* end = p + bytes.size();
  while (p < end) {
    if (*p < 0x80) {
      ++p;
      continue;
    }
    const int more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
    if (*p < 0xc2 || *p > 0xf4 || end - p <= more) return false;
    const unsigned char second = p[1];
    // Overlong forms, surrogates, beyond U+10FFFF.
    if ((*p == 0xe0 && second < 0xa0) || (*p == 0xed && second > 0x9f) ||
        (*p == 0xf0 && second < 0x90) || (*p == 0xf4 && second > 0x8f))
      return false;
    for (int i = 1; i <= more; ++i) {
      if ((p[i] & 0xc0) != 0x80) return false;
    }
    p += more + 1;
  }
  return true;
}

std::string base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    unsigned group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (size_t k = 0; k < 4; ++k) out += k <= n ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string merge_json(std::string_view current, std::string_view patch) {
  Json merged = current.empty() ? Json() : parse(current, "the value there is");
  merged.merge_patch(parse(patch, "the value given"));
  return merged.dump();
}

}  // namespace dcoord::output
