#include "output/record.h"

#include <fmt/format.h>

#include <chrono>
#include <iterator>

namespace dcoord::output {

void append_rfc3339(std::string& out, Millis since_epoch) {
  const auto day = std::chrono::floor<std::chrono::days>(since_epoch);
  const std::chrono::year_month_day date{std::chrono::sys_days(day)};
  const auto of_day = static_cast<unsigned>((since_epoch - day).count());
  char text[] = "0000-00-00T00:00:00.000Z";
  const auto put = [&](size_t end, unsigned number, int digits) {
    for (; digits > 0; --digits, number /= 10) text[--end] = static_cast<char>('0' + number % 10);
  };
  const int year = static_cast<int>(date.year());
  put(4, static_cast<unsigned>(year), 4);
  put(7, static_cast<unsigned>(date.month()), 2);
  put(10, static_cast<unsigned>(date.day()), 2);
  put(13, of_day / 3'600'000, 2);
  put(16, of_day / 60'000 % 60, 2);
  put(19, of_day / 1000 % 60, 2);
  put(23, of_day % 1000, 3);
  if (year >= 0 && year <= 9999)
    out.append(text, 24);
  else  // what a record says that nobody sane has written
    fmt::format_to(std::back_inserter(out), "{}{}", year, text + 4);
}

std::string rfc3339(Millis since_epoch) {
  std::string text;
  append_rfc3339(text, since_epoch);
  return text;
}

}  // namespace dcoord::output
