#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dcoord::cli {

/// DCOORD_HELD: the locks that the chain of dcoords around this process holds, name and token,
/// innermost last. In the environment as `name=token name=token`, names percent-encoded.
class HeldLocks {
 public:
  static HeldLocks from_environment();
  static HeldLocks parse(std::string_view text);

  /// The token of the innermost hold of that lock.
  std::optional<std::string> token_of(std::string_view name) const;
  /// Of all holds, innermost last.
  std::vector<std::string> tokens() const;
  HeldLocks with(std::string name, std::string token) const;
  std::string text() const;

 private:
  std::vector<std::pair<std::string, std::string>> locks_;
};

/// A name as one word without spaces, and back.
std::string percent_encode(std::string_view text);
std::string percent_decode(std::string_view text);

/// DCOORD_OWNER if a dcoord around this process made one, else a new one.
std::string owner_id();

/// The token for a request: that of --request-id, or a new one. An id in another form than a token
/// stands for a token made from it, so the same id is the same request.
std::string request_token(const std::string& request_id);

}  // namespace dcoord::cli
