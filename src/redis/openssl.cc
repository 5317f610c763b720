#include "redis/openssl.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "base/error.h"

namespace dcoord::redis {
namespace {

void* library = nullptr;

}  // namespace

void load_openssl() {
  if (kOpensslLinked || library != nullptr) return;
  for (const char* name : {"libssl.so.3", "libssl.3.dylib"}) {
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) return;
  }
  throw config_error("TLS needs OpenSSL 3, and libssl.so.3 cannot be loaded",
                     "install the package libssl3 (libssl3t64 on newer systems)");
}

void* find_in_openssl(const char* name) {
  void* const found = library == nullptr ? nullptr : dlsym(library, name);
  if (found == nullptr) throw internal_error(fmt::format("{} is not in libssl.so.3", name));
  return found;
}

}  // namespace dcoord::redis
