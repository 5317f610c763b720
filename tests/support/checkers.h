#pragma once

#include "support/history.h"

namespace dcoord::testing {

// Each checker looks at the operations that it knows and passes the others over. A history is of
// one name: one lock, one queue, one value.

/// "hold": from the moment the holder believed in its hold (invoke) until it had let go, or its
/// lease was over by its own clock (returned). with: mode x|s|slot, slot, limit, nested 1, fence.
///     exclusion.two_writers  exclusion.reader_and_writer  exclusion.too_many  exclusion.same_slot
Violations check_exclusion(const History& history);

/// "hold", "grant": with fence. Of two of which one was over before the other began, the later has
/// the larger; none has the same, but for those that are nested.
///     fence.not_rising  fence.reused  fence.missing  fence.inexact
Violations check_fence(const History& history);

/// "wait": invoke and with `placed` (when it was told its place), returned when it was granted
/// (done) or left (refused); unknown: it died. with shared 1: readers may go in together; slow 1:
/// it did not answer in time and may have lost its place; fence: says the order of grants exactly.
///     fifo.overtaken
Violations check_fifo(const History& history);

/// "push" (item), "take" (item, receipt, attempt, lease_end: by the consumer's clock), "ack"
/// (receipt), "nack" (receipt), "leave" (receipt), "found" (item, place ready|delayed|flight|dead:
/// what the queue had in the end).
///     queue.lost  queue.invented  queue.in_two_places  queue.done_twice  queue.done_and_kept
///     queue.delivered_after_done  queue.delivered_early  queue.acked_without_delivery
///     queue.same_receipt  queue.attempt_fell  queue.attempt_not_counted  queue.refused_but_there
Violations check_queue(const History& history);

/// "set" (value, version; if_version, if_value: its conditions), "delete", "incr" (by, number),
/// "get" (value, version; none: absent 1). There must be one order of all, in which each took
/// effect between its invocation and its return, that explains every answer. An unknown one took
/// effect at some time or never.
///     state.not_linearizable  state.version_reused  state.version_fell
Violations check_state(const History& history);

/// "arrive" (party, generation, index, leads 1; with parties): returned when it passed (done), was
/// broken or left (refused); unknown: it died or gave up without an answer.
///     barrier.passed_early  barrier.index_twice  barrier.two_leaders  barrier.counted_twice
///     barrier.passed_and_broken  barrier.generation_fell  barrier.not_told
/// with stays 1: it did not wait; watches 1: it did not arrive; left 1: it was told that it is out.
Violations check_barrier(const History& history);

/// "run" (job, attempt; result success|failure when it was recorded, perhaps: a success whose
/// recording had no answer), with after: the jobs that had to succeed before, separated by commas.
///     job.two_at_once  job.succeeded_twice  job.before_dependency  job.attempt_reused
Violations check_jobs(const History& history);

/// "wait" and all others with `bound`: when it has to be over at the latest, us. "left" (key): a
/// key that was there when all was over and everything's time had passed.
///     liveness.stuck  liveness.late  liveness.key_left
/// with died 1: it ended because its process did.
Violations check_liveness(const History& history);

/// All of them.
Violations check_all(const History& history);

}  // namespace dcoord::testing
