#include "output/batch_line.h"

#include <nlohmann/json.hpp>

namespace dcoord::output {

std::string batch_line(long long line, int code, const std::string& printed,
                       const std::optional<Error>& error) {
  nlohmann::ordered_json head;
  head["line"] = line;
  head["code"] = code;
  if (error) {
    head["error"]["kind"] = error->kind();
    head["error"]["message"] = error->what();
    if (!error->hint().empty()) head["error"]["hint"] = error->hint();
  }
  std::string text = head.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (printed.empty()) return text + "\n";
  // It is JSON already, each value on a line that ends.
  std::string result = printed.substr(0, printed.size() - 1);
  const bool several = result.find('\n') != std::string::npos;
  for (char& c : result) c = c == '\n' ? ',' : c;
  text.back() = ',';
  return text + "\"result\":" + (several ? "[" + result + "]" : result) + "}\n";
}

}  // namespace dcoord::output
