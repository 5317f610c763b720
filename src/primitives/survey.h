#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "primitives/barrier.h"
#include "primitives/breaker.h"
#include "primitives/job.h"
#include "primitives/lock.h"
#include "primitives/queue.h"
#include "primitives/thing.h"

namespace dcoord::primitives {

/// Everything of some kinds in the namespace, each list in the order of its names.
struct Survey {
  std::vector<LockView> locks, elections;
  std::vector<JobView> jobs;  ///< by run, then by name
  std::vector<BarrierView> barriers;
  std::vector<QueueView> queues;
  std::vector<BreakerView> breakers;
};

struct SurveyWish {
  std::set<ThingKind> kinds{ThingKind::lock,    ThingKind::elect, ThingKind::job,
                            ThingKind::barrier, ThingKind::queue, ThingKind::breaker};
  /// Of locks and elections: whether histograms, pools and logs too; of these and of barriers: how
  /// many waiters; of all kinds: which names. Of jobs it is asked with "RUN/NAME".
  LockListing listing;
};

/// Reads the indexes, never the whole database, in pipelines of calls none of which takes long.
Task<Survey> survey(Loop& loop, redis::ScriptRunner& scripts, const Keys& keys, SurveyWish wish,
                    redis::Patience patience);

/// Locks and elections as they are. Of jobs those that have not ended: held while they run, stale
/// when their host is lost. Barriers are held while parties have arrived, queues while items are in
/// flight; those that wait for them are counted. Breakers are held while they are not closed, by
/// whoever opened them, until the next try.
std::vector<Thing> things_of(Survey survey);

}  // namespace dcoord::primitives
