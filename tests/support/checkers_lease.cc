#include <algorithm>
#include <set>

#include "support/checkers.h"

namespace dcoord::testing {
namespace {

std::vector<const Operation*> of_kind(const History& history,
                                      std::initializer_list<const char*> kinds) {
  std::vector<const Operation*> found;
  for (const Operation& o : history) {
    if (std::find(kinds.begin(), kinds.end(), o.what) != kinds.end()) found.push_back(&o);
  }
  return found;
}

std::string both(const Operation& a, const Operation& b) {
  return a.process + "/" + a.id + " and " + b.process + "/" + b.id;
}

/// Of two holds that overlap.
void check_pair(const Operation& a, const Operation& b, Violations& out) {
  const std::string mode_a = a.value("mode"), mode_b = b.value("mode");
  const bool nested = a.number("nested") != 0 || b.number("nested") != 0;
  if (nested && a.process == b.process) return;
  if (mode_a == "x" && mode_b == "x") {
    out.push_back({"exclusion.two_writers", both(a, b) + " hold at once"});
  } else if (mode_a == "x" || mode_b == "x") {
    out.push_back({"exclusion.reader_and_writer", both(a, b) + " hold at once"});
  } else if (mode_a == "slot" && a.value("slot") == b.value("slot")) {
    out.push_back({"exclusion.same_slot", both(a, b) + " hold slot " + a.value("slot")});
  }
}

}  // namespace

Violations check_exclusion(const History& history) {
  Violations out;
  std::vector<const Operation*> open;
  std::vector<const Operation*> holds = of_kind(history, {"hold"});
  std::stable_sort(holds.begin(), holds.end(),
                   [](const auto* a, const auto* b) { return a->invoke < b->invoke; });
  for (const Operation* hold : holds) {
    // One that was over before its holder heard of it held nothing.
    if (hold->returned <= hold->invoke) continue;
    std::erase_if(open, [&](const Operation* o) { return o->returned <= hold->invoke; });
    for (const Operation* other : open) check_pair(*other, *hold, out);
    open.push_back(hold);
    const int64_t limit = hold->number("limit");
    const auto slots = std::count_if(open.begin(), open.end(), [](const Operation* o) {
      return o->value("mode") == "slot" && o->number("nested") == 0;
    });
    if (limit > 0 && slots > limit) {
      out.push_back({"exclusion.too_many", std::to_string(slots) + " hold " +
                                               std::to_string(limit) + " slots at " + hold->id});
    }
  }
  return out;
}

Violations check_fence(const History& history) {
  constexpr int64_t kExact = int64_t{1} << 53;
  Violations out;
  std::vector<const Operation*> grants = of_kind(history, {"hold", "grant"});
  std::erase_if(grants, [](const Operation* o) { return o->number("nested") != 0; });
  std::map<int64_t, const Operation*> by_fence;
  for (const Operation* o : grants) {
    const int64_t fence = o->number("fence");
    if (fence <= 0) out.push_back({"fence.missing", o->id + " has none"});
    if (fence >= kExact) out.push_back({"fence.inexact", o->id + " is not below 2^53"});
    const auto [at, fresh] = by_fence.emplace(fence, o);
    if (!fresh && at->second->id != o->id) {
      out.push_back({"fence.reused", both(*at->second, *o) + " have " + o->value("fence")});
    }
  }
  // In the order of the fences, nobody's grant was over before that of one with a smaller fence
  // began.
  int64_t latest_begin = 0;
  const Operation* latest = nullptr;
  for (const auto& [fence, o] : by_fence) {
    if (latest != nullptr && o->number("granted", o->invoke) < latest_begin)
      out.push_back({"fence.not_rising", both(*latest, *o) + ": the later one has the smaller"});
    if (o->number("asked", o->invoke) >= latest_begin) {
      latest_begin = o->number("asked", o->invoke);
      latest = o;
    }
  }
  return out;
}

Violations check_fifo(const History& history) {
  Violations out;
  const std::vector<const Operation*> waits = of_kind(history, {"wait"});
  for (const Operation* first : waits) {
    if (first->value("placed").empty() || !first->done() || first->number("slow") != 0) continue;
    for (const Operation* later : waits) {
      if (!later->done() || later->invoke <= first->number("placed")) continue;
      if (first->number("shared") != 0 && later->number("shared") != 0) continue;
      const bool by_fence = !first->value("fence").empty() && !later->value("fence").empty();
      const bool overtaken = by_fence ? later->number("fence") < first->number("fence")
                                      : later->returned < first->returned;
      if (overtaken)
        out.push_back({"fifo.overtaken", both(*later, *first) + ": the first came later"});
    }
  }
  return out;
}

Violations check_jobs(const History& history) {
  Violations out;
  const std::vector<const Operation*> runs = of_kind(history, {"run"});
  std::map<std::string, int64_t> succeeded;  // job -> when that was being recorded
  std::set<std::string> attempts, certain;
  for (const Operation* run : runs) {
    const std::string& job = run->value("job");
    if (!attempts.insert(job + "/" + run->value("attempt")).second)
      out.push_back({"job.attempt_reused", job + ", attempt " + run->value("attempt")});
    const bool perhaps = run->value("result") == "perhaps";
    if (run->value("result") != "success" && !perhaps) continue;
    const int64_t recorded = run->number("recorded", run->returned);
    const auto [at, fresh] = succeeded.emplace(job, recorded);
    at->second = std::min(at->second, recorded);
    if (!perhaps && !certain.insert(job).second) out.push_back({"job.succeeded_twice", job});
  }
  for (const Operation* run : runs) {
    for (const Operation* other : runs) {
      if (other != run && other->value("job") == run->value("job") &&
          run->invoke <= other->invoke && other->invoke < run->returned &&
          (run->invoke < other->invoke || run < other)) {
        out.push_back({"job.two_at_once", both(*run, *other)});
      }
    }
    std::string after = run->value("after");
    while (!after.empty()) {
      const std::string name = after.substr(0, after.find(','));
      after.erase(0, std::min(after.size(), name.size() + 1));
      if (!succeeded.contains(name) || succeeded[name] > run->invoke) {
        out.push_back({"job.before_dependency", run->value("job") + " ran before " + name});
      }
    }
  }
  return out;
}

Violations check_liveness(const History& history) {
  Violations out;
  for (const Operation& o : history) {
    if (o.what == "left") {
      out.push_back({"liveness.key_left", o.value("key")});
      continue;
    }
    if (o.value("bound").empty() || o.number("died") != 0) continue;
    if (o.returned == Operation::kNoReturn) {
      out.push_back({"liveness.stuck", o.process + "/" + o.id + " never ended"});
    } else if (o.returned > o.number("bound")) {
      out.push_back({"liveness.late", o.process + "/" + o.id + " ended " +
                                          std::to_string(o.returned - o.number("bound")) +
                                          " us late"});
    }
  }
  return out;
}

Violations check_all(const History& history) {
  Violations all;
  for (const auto check : {check_exclusion, check_fence, check_fifo, check_queue, check_state,
                           check_barrier, check_jobs, check_liveness}) {
    const Violations found = check(history);
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

}  // namespace dcoord::testing
