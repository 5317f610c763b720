#include "cli/within.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "cli/held.h"

namespace dcoord::cli {
namespace {

constexpr size_t kMost = 15;  // what a record of a holder has room for
constexpr size_t kStep = primitives::kTokenStart + 1;

void add(std::string& chain, const std::string& token) {
  const std::string start = token.substr(0, primitives::kTokenStart);
  if (chain.find(start) != std::string::npos) return;
  chain += (chain.empty() ? "" : " ") + start;
  if (chain.size() >= kMost * kStep) chain.erase(0, kStep);
}

}  // namespace

std::string within() {
  const char* const inherited = std::getenv("DCOORD_WITHIN");
  std::string chain;
  std::string_view starts = inherited == nullptr ? "" : inherited;
  while (starts.size() >= primitives::kTokenStart) {
    add(chain, std::string(starts.substr(0, primitives::kTokenStart)));
    starts.remove_prefix(std::min(kStep, starts.size()));
  }
  for (const auto& token : HeldLocks::from_environment().tokens()) add(chain, token);
  return chain;
}

void tie_to_guard(primitives::Holder& who, long guard) {
  who.guard = guard;
  who.guard_start = primitives::start_time_of(guard);
}

std::string within(const std::string& token) {
  std::string chain = within();
  add(chain, token);
  return chain;
}

}  // namespace dcoord::cli
