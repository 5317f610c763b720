#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "primitives/barrier.h"
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
};

struct SurveyWish {
  std::set<ThingKind> kinds{ThingKind::lock, ThingKind::elect, ThingKind::job, ThingKind::barrier,
                            ThingKind::queue};
  /// Of locks and elections: how many waiters, whether histograms, pools and logs too, and which
  /// names of all kinds; of jobs it is asked with "RUN/NAME".
  LockListing listing;
};

/// Reads the indexes, never the whole database, in pipelines of calls none of which takes long.
Task<Survey> survey(Loop& loop, redis::ScriptRunner& scripts, const Keys& keys, SurveyWish wish,
                    redis::Patience patience);

/// Locks and elections as they are. Of jobs those that have not ended: held while they run, stale
/// when their host is lost. Barriers are held while parties have arrived, queues while items are in
/// flight; those that wait for them are counted.
std::vector<Thing> things_of(Survey survey);

}  // namespace dcoord::primitives
