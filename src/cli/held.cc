#include "cli/held.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "base/token.h"

namespace dcoord::cli {
namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_./:").find(c) != std::string_view::npos;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

}  // namespace

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_plain(c))
      out += c;
    else
      out += fmt::format("%{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                        hex_value(text[i + 2]) >= 0;
    if (escape) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

HeldLocks HeldLocks::from_environment() { return parse(environment("DCOORD_HELD")); }

HeldLocks HeldLocks::parse(std::string_view text) {
  HeldLocks held;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view item = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos || !is_token(item.substr(equals + 1))) continue;
    held.locks_.emplace_back(percent_decode(item.substr(0, equals)), item.substr(equals + 1));
  }
  return held;
}

std::optional<std::string> HeldLocks::token_of(std::string_view name) const {
  const auto found = std::find_if(locks_.rbegin(), locks_.rend(),
                                  [&](const auto& lock) { return lock.first == name; });
  if (found == locks_.rend()) return std::nullopt;
  return found->second;
}

std::vector<std::string> HeldLocks::tokens() const {
  std::vector<std::string> all;
  for (const auto& lock : locks_) all.push_back(lock.second);
  return all;
}

HeldLocks HeldLocks::with(std::string name, std::string token) const {
  HeldLocks more = *this;
  more.locks_.emplace_back(std::move(name), std::move(token));
  return more;
}

std::string HeldLocks::text() const {
  std::string out;
  for (const auto& [name, token] : locks_) {
    if (!out.empty()) out += ' ';
    out += percent_encode(name) + "=" + token;
  }
  return out;
}

std::string owner_id() {
  const std::string_view inherited = environment("DCOORD_OWNER");
  return is_token(inherited) ? std::string(inherited) : random_token();
}

std::string request_token(const std::string& request_id) {
  if (request_id.empty()) return random_token();
  if (is_token(request_id)) return request_id;
  // FNV-1a, 64 bits, twice from different starts: not a secret, only a name of fixed form.
  const auto hash = [&](uint64_t h) {
    for (const char c : request_id) {
      h ^= static_cast<unsigned char>(c);
      h *= 1099511628211u;
    }
    return h;
  };
  return fmt::format("{:016x}{:016x}", hash(14695981039346656037u), hash(0x9e3779b97f4a7c15u));
}

}  // namespace dcoord::cli
