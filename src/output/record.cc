#include "output/record.h"

#include <cstdio>
#include <ctime>

namespace dcoord::output {

std::string rfc3339(Millis since_epoch) {
  const auto seconds = static_cast<time_t>(since_epoch.count() / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  char millis[8];
  std::snprintf(millis, sizeof millis, ".%03dZ", static_cast<int>(since_epoch.count() % 1000));
  return std::string(text, n) + millis;
}

}  // namespace dcoord::output
