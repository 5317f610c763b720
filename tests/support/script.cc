#include "support/script.h"

#include <openssl/sha.h>

#include <utility>

namespace dcoord::testing {
namespace {

std::string sha1(const std::string& text) {
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string out;
  for (const unsigned char byte : digest) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

}  // namespace

TestScript::TestScript(std::string source, bool writes)
    : source_(std::move(source)),
      sha1_(sha1(source_)),
      script_{"test/script", sha1_, source_, writes} {}

redis::Call TestScript::call(std::vector<std::string> keys, std::vector<std::string> args) const {
  return redis::Call{&script_, std::move(keys), std::move(args)};
}

}  // namespace dcoord::testing
