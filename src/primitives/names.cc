#include "primitives/names.h"

#include <algorithm>

namespace dcoord::primitives {

Task<std::vector<std::string>> names_of(redis::ScriptRunner& runner, const Keys& keys,
                                        std::string kind,
                                        std::function<bool(std::string_view)> wanted, size_t most,
                                        redis::Patience patience) {
  constexpr const char* kLast = "999";  // of a bucket: none holds the server for long
  std::vector<std::vector<std::string>> reads;
  for (int bucket = 0; bucket < kBuckets; ++bucket)
    reads.push_back({"ZRANGE", keys.index(bucket, kind), "0", kLast});
  const std::vector<redis::Answer> indexes =
      co_await runner.run_commands(std::move(reads), patience);
  std::vector<std::string> names;
  for (const auto& index : indexes) {
    for (const auto& entry : index.reply.elements()) {
      if (wanted(entry.text())) names.push_back(entry.text());
    }
  }
  std::sort(names.begin(), names.end());
  if (names.size() > most) names.resize(most);
  co_return names;
}

}  // namespace dcoord::primitives
