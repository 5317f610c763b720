#pragma once

#include <cmath>
#include <stdexcept>
#include <vector>

#include "chaos/sim/model.h"

namespace dcoord::testing::sim {

/// Becomes an error reply.
struct CommandError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct CommandEntry {
  const char* name;
  int arity;  ///< of the words; negative: at least so many
  bool writes;
  Reply (*run)(Model&, const Words&);
};

const std::vector<CommandEntry>& command_table();
std::vector<CommandEntry> key_commands();
std::vector<CommandEntry> hash_commands();
std::vector<CommandEntry> list_commands();
std::vector<CommandEntry> sorted_set_commands();

/// The value of a key; null if there is none. Throws when it is of another type.
template <class T>
T* typed(Model& m, const std::string& key) {
  Entry* entry = m.entry_of(key);
  if (entry == nullptr) return nullptr;
  T* value = std::get_if<T>(&entry->value);
  if (value == nullptr)
    throw CommandError("WRONGTYPE Operation against a key holding the wrong kind of value");
  return value;
}
template <class T>
T& made(Model& m, const std::string& key) {
  if (T* value = typed<T>(m, key)) return *value;
  return std::get<T>(m.data.insert_or_assign(key, Entry{T{}, 0}).first->second.value);
}

int64_t whole_number(const std::string& text);
double score_number(const std::string& text);

}  // namespace dcoord::testing::sim
