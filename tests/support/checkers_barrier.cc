#include <algorithm>
#include <set>

#include "support/checkers.h"

namespace dcoord::testing {
namespace {

struct Generation {
  std::vector<const Operation*> passed, others;  // others: broken, or out
  int64_t first_pass = Operation::kNoReturn;
  int64_t parties = 0;
};

/// What one generation's answers say of each other.
void check_answers(int64_t number, const Generation& g, Violations& out) {
  const std::string which = "generation " + std::to_string(number);
  std::set<std::string> indexes;
  std::map<std::string, std::string> index_of;
  int leaders = 0;
  for (const Operation* o : g.passed) {
    leaders += o->number("leads") != 0;
    const std::string& index = o->value("index");
    if (o->number("index", -1) < 0) continue;
    const auto [at, fresh] = index_of.emplace(o->value("party"), index);
    if (!fresh && at->second != index)
      out.push_back({"barrier.counted_twice", which + ", " + at->first});
    if (fresh && !indexes.insert(index).second)
      out.push_back({"barrier.index_twice", which + ", index " + index});
  }
  if (leaders > 1) out.push_back({"barrier.two_leaders", which});
  if (!g.passed.empty() && !g.others.empty()) out.push_back({"barrier.passed_and_broken", which});
}

}  // namespace

Violations check_barrier(const History& history) {
  Violations out;
  std::map<int64_t, Generation> generations;
  std::map<std::string, const Operation*> last_of;
  for (const Operation& o : history) {
    if (o.what != "arrive" || o.outcome == Operation::Outcome::unknown || o.number("left") != 0)
      continue;
    const int64_t number = o.number("generation");
    Generation& g = generations[number];
    (o.done() ? g.passed : g.others).push_back(&o);
    if (o.done()) {
      g.first_pass = std::min(g.first_pass, o.returned);
      g.parties = o.number("parties");
    }
    const Operation*& last = last_of[o.value("party")];
    if (last != nullptr && last->returned <= o.invoke && number < last->number("generation"))
      out.push_back({"barrier.generation_fell", o.value("party")});
    last = &o;
  }
  for (const auto& [number, g] : generations) {
    check_answers(number, g, out);
    if (g.passed.empty()) continue;
    std::set<std::string> may_have_arrived, told;
    for (const Operation& o : history) {
      if (o.what != "arrive" || o.number("watches") != 0) continue;
      const bool of_it = o.value("generation").empty() || o.number("generation") == number;
      const bool silent = o.outcome == Operation::Outcome::unknown || o.number("stays") != 0;
      if (!of_it || o.invoke > g.first_pass || o.number("left") != 0) continue;
      may_have_arrived.insert(o.value("party"));
      if (silent || o.done()) told.insert(o.value("party"));
    }
    const auto parties = static_cast<size_t>(g.parties);
    const std::string which = "generation " + std::to_string(number);
    if (may_have_arrived.size() < parties) {
      out.push_back({"barrier.passed_early", which});
    } else if (told.size() < parties) {
      out.push_back({"barrier.not_told", which});
    }
  }
  return out;
}

}  // namespace dcoord::testing
