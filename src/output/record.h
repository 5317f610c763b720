#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"

namespace dcoord::output {

/// A moment as RFC 3339 in UTC, with milliseconds.
std::string rfc3339(Millis since_epoch);
void append_rfc3339(std::string& out, Millis since_epoch);

/// A small result as named values in order: what a verb without a form of its own answers. Names
/// are JSON keys (lower case, words joined by _, times in _ms).
struct Record {
  /// A list of records of the same shape is a table of its own.
  using Value = std::variant<std::string, long long, bool, std::nullptr_t, std::vector<Record>>;
  std::vector<std::pair<std::string, Value>> fields;

  Record& add(std::string name, std::string value) {
    fields.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  Record& add(std::string name, const char* value) {
    return add(std::move(name), std::string(value));
  }
  Record& add(std::string name, long long value) {
    fields.emplace_back(std::move(name), value);
    return *this;
  }
  Record& add_bool(std::string name, bool value) {
    fields.emplace_back(std::move(name), value);
    return *this;
  }
  /// RFC 3339 in UTC, with milliseconds.
  Record& add_time(std::string name, Millis since_epoch) {
    return add(std::move(name), rfc3339(since_epoch));
  }
  Record& add_list(std::string name, std::vector<Record> records) {
    fields.emplace_back(std::move(name), std::move(records));
    return *this;
  }
  Record& add_null(std::string name) {
    fields.emplace_back(std::move(name), nullptr);
    return *this;
  }
};

}  // namespace dcoord::output
