#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "cli/health.h"

namespace dcoord::cli {
namespace {

bool answers(const HealthReport& report) {
  return std::none_of(report.findings.begin(), report.findings.end(), [](const Finding& finding) {
    return finding.check == "connect" && finding.level == Level::critical;
  });
}

template <class T>
void append(std::vector<T>& all, std::vector<T>& some) {
  std::move(some.begin(), some.end(), std::back_inserter(all));
}

void keep_slowest(HealthReport& all, const HealthReport& one) {
  if (one.lock) {
    if (!all.lock) all.lock.emplace();
    all.lock->acquire = std::max(all.lock->acquire, one.lock->acquire);
    all.lock->renew = std::max(all.lock->renew, one.lock->renew);
    all.lock->release = std::max(all.lock->release, one.lock->release);
  }
  if (one.hand_over)
    all.hand_over = std::max(all.hand_over.value_or(Duration::zero()), *one.hand_over);
}

}  // namespace

HealthReport judge_quorum(std::vector<HealthReport> reports) {
  const auto answering =
      static_cast<size_t>(std::count_if(reports.begin(), reports.end(), answers));
  const size_t needed = reports.size() / 2 + 1;
  const bool enough = answering >= needed;
  HealthReport all;
  for (HealthReport& one : reports) {
    const bool spared = enough && !answers(one);  // the others do its work
    for (Finding& finding : one.findings) {
      if (finding.server.empty()) finding.server = one.target;
      if (spared) finding.level = std::min(finding.level, Level::warning);
    }
    keep_slowest(all, one);
    all.target += (all.target.empty() ? "" : " ") + one.target;
    all.origin = one.origin;
    append(all.findings, one.findings);
    append(all.masters, one.masters);
    append(all.replicas, one.replicas);
  }
  all.findings.push_back(
      {enough ? Level::ok : Level::critical, "quorum", "",
       fmt::format("{} of {} servers answer, {} have to", answering, reports.size(), needed),
       enough ? ""
              : "nobody gets a lock before more of them are back: each of them says what is wrong "
                "with it"});
  return all;
}

}  // namespace dcoord::cli
