#include "support/operations.h"

#include <fmt/format.h>

#include "primitives/barrier.h"
#include "primitives/job.h"
#include "primitives/lock.h"
#include "primitives/queue.h"
#include "primitives/state.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;
using Thing = const std::string&;

const std::string kA(32, 'a'), kB(32, 'b'), kC(32, 'c');

LockRequest lock_request(const std::string& token) {
  LockRequest r;
  r.token = token;
  r.ttl = 60s;
  r.who.owner = token;
  return r;
}

struct Locks {
  Locks(Side& side, Thing thing, LockKind kind)
      : s(side), lock(side.loop, *side.runner, side.keys, thing, kind) {}
  std::string acquire(const std::string& token, bool wait = true) {
    const LockAnswer answer = s.loop.run(lock.ask(lock_request(token), wait, "", s.patience()));
    return std::holds_alternative<LockGranted>(answer)   ? "granted"
           : std::holds_alternative<LockWaiting>(answer) ? "in line"
           : std::holds_alternative<LockHeld>(answer)    ? "held"
                                                         : "refused";
  }
  std::string renew(const std::string& token) {
    const auto answer = s.loop.run(lock.renew(token, 60s, s.patience()));
    return std::holds_alternative<LockRenewed>(answer) ? "renewed" : "lost";
  }
  std::string release(const std::string& token) {
    const auto released = s.loop.run(lock.release(token, 0s, false, s.patience()));
    return released.what == LockReleased::What::gone ? "gone" : "ended";
  }
  std::string revoke(const std::string& token) {
    const auto revoked = s.loop.run(lock.revoke(token, "", s.patience()));
    return revoked.what == Lock::Revoked::What::revoked ? "revoked" : "not revoked";
  }
  std::string forget() {
    const auto what = s.loop.run(lock.forget(s.patience())).what;
    return what == Lock::Forgotten::What::held || what == Lock::Forgotten::What::waited
               ? "kept"
               : "forgotten";
  }
  std::string look() {
    const LockView v = s.loop.run(lock.show(10, s.patience()));
    std::string text =
        fmt::format("{} acquired {} contended {} lost {} waiting {} term {}",
                    static_cast<int>(v.state), v.acquired, v.contended, v.lost, v.waiting, v.term);
    for (const auto& h : v.holders)
      text += fmt::format(" {}{}{}", h.token[0], h.offered ? "o" : "", h.revoked ? "r" : "");
    return text;
  }

  Side& s;
  Lock lock;
};

void add_locks(std::vector<KnownOperation>& all, LockKind kind, const std::string& noun) {
  const auto add = [&](const std::string& verb, auto prepare, auto run) {
    all.push_back({noun + " " + verb,
                   [=](Side& s, Thing t) {
                     Locks l(s, t, kind);
                     prepare(l);
                   },
                   [=](Side& s, Thing t) {
                     Locks l(s, t, kind);
                     return run(l);
                   },
                   [=](Side& s, Thing t) { return Locks(s, t, kind).look(); }});
  };
  const auto nothing = [](Locks&) {};
  const auto held = [](Locks& l) { l.acquire(kB); };
  const auto mine = [](Locks& l) { l.acquire(kA); };
  const auto acquire = [](Locks& l) { return l.acquire(kA); };
  const auto release = [](Locks& l) { return l.release(kA); };
  add("acquire", nothing, acquire);
  add("acquire without waiting", held, [](Locks& l) { return l.acquire(kA, false); });
  add("join the line", held, acquire);
  add(
      "claim", [](Locks& l) { l.acquire(kB), l.acquire(kA), l.release(kB); }, acquire);
  add("renew", mine, [](Locks& l) { return l.renew(kA); });
  add("release", mine, release);
  add(
      "release and hand over", [](Locks& l) { l.acquire(kA), l.acquire(kB); }, release);
  add(
      "leave the line", [](Locks& l) { l.acquire(kB), l.acquire(kA); }, release);
  add("revoke", mine, [](Locks& l) { return l.revoke(kA); });
  add(
      "forget", [](Locks& l) { l.acquire(kB), l.release(kB); },
      [](Locks& l) { return l.forget(); });
}

struct Queues {
  Queues(Side& side, Thing thing) : s(side), queue(side.loop, *side.runner, side.keys, thing) {}
  std::string push(const std::string& producer, int items, PushOptions options = {}) {
    std::vector<PushBatch> batches(1);
    for (int i = 0; i < items; ++i) batches[0].items.push_back("item" + std::to_string(i));
    const Pushed p = s.loop.run(queue.push(producer, options, batches, s.patience()))[0];
    return p.what == Pushed::What::pushed || p.what == Pushed::What::again
               ? fmt::format("pushed {}", p.count)
               : "not pushed";
  }
  std::string take(const std::string& token, int count, bool wait = false,
                   std::vector<std::string> done = {}) {
    TakeRequest r;
    r.token = token;
    r.count = count;
    r.lease = 60s;
    r.done = std::move(done);
    const TakeAnswer answer = s.loop.run(queue.ask(r, wait, "", s.patience()));
    if (const auto* taken = std::get_if<Taken>(&answer))
      return fmt::format("taken {}", taken->items.size());
    return std::holds_alternative<QueueWaiting>(answer) ? "in line" : "nothing";
  }
  std::string ack(const std::string& receipt) {
    const Acked a = s.loop.run(queue.ack(kC, {receipt}, s.patience()));
    return a.again || a.count == 1 ? "done" : "gone";
  }
  std::string nack(const std::string& receipt, Fate fate, Duration delay = {}) {
    const auto n = s.loop.run(queue.nack(kC, {receipt}, fate, delay, {}, s.patience()));
    return !n || *n == 1 ? "returned" : "gone";
  }
  std::string extend(const std::string& receipt) {
    const auto ends = s.loop.run(queue.extend({receipt}, 90s, s.patience()));
    return ends[0] ? "extended" : "gone";
  }
  std::string look() {
    const QueueView v = s.loop.run(queue.show(s.patience()));
    return fmt::format(
        "ready {} delayed {} flight {} dead {} waiting {} pushed {} done {} returned {} buried {}",
        v.ready, v.delayed, v.in_flight, v.dead, v.waiting, v.pushed, v.done, v.returned, v.buried);
  }

  Side& s;
  Queue queue;
};

void add_queue(std::vector<KnownOperation>& all) {
  const auto add = [&](const std::string& verb, auto prepare, auto run) {
    all.push_back({"queue " + verb,
                   [=](Side& s, Thing t) {
                     Queues q(s, t);
                     prepare(q);
                   },
                   [=](Side& s, Thing t) {
                     Queues q(s, t);
                     return run(q);
                   },
                   [](Side& s, Thing t) { return Queues(s, t).look(); }});
  };
  const auto three = [](Queues& q) { q.push(kB, 3); };
  const auto taken = [](Queues& q) { q.push(kB, 3), q.take(kA, 1); };
  add(
      "push", [](Queues&) {}, [](Queues& q) { return q.push(kA, 3); });
  add(
      "push to one that waits", [](Queues& q) { q.take(kB, 1, true); },
      [](Queues& q) { return q.push(kA, 2); });
  add("push with priority", three, [](Queues& q) {
    PushOptions o;
    o.priority = 9;
    return q.push(kA, 2, o);
  });
  add("push delayed", three, [](Queues& q) {
    PushOptions o;
    o.delay = 60s;
    return q.push(kA, 2, o);
  });
  add("take", three, [](Queues& q) { return q.take(kA, 1); });
  add("take several", three, [](Queues& q) { return q.take(kA, 2); });
  add(
      "take and acknowledge", [](Queues& q) { q.push(kB, 3), q.take(kB, 1); },
      [](Queues& q) { return q.take(kA, 1, false, {kB}); });
  add(
      "join the line", [](Queues&) {}, [](Queues& q) { return q.take(kA, 1, true); });
  add("ack", taken, [](Queues& q) { return q.ack(kA); });
  add("nack", taken, [](Queues& q) { return q.nack(kA, Fate::retry); });
  add("nack later", taken, [](Queues& q) { return q.nack(kA, Fate::retry, 60s); });
  add("nack to the dead", taken, [](Queues& q) { return q.nack(kA, Fate::dead); });
  add("extend", taken, [](Queues& q) { return q.extend(kA); });
  add("leave", taken, [](Queues& q) {
    q.s.loop.run(q.queue.leave(kA, q.s.patience()));
    return "left";
  });
  add("purge", three, [](Queues& q) {
    q.s.loop.run(q.queue.purge(Queue::Part::ready, {}, q.s.patience()));
    return "purged";
  });
  add(
      "revive", [](Queues& q) { q.push(kB, 3), q.take(kA, 1), q.nack(kA, Fate::dead); },
      [](Queues& q) {
        q.s.loop.run(q.queue.revive({}, q.s.patience()));
        return "revived";
      });
}

struct Barriers {
  Barriers(Side& side, Thing thing) : s(side), barrier(side.loop, *side.runner, side.keys, thing) {}
  static BarrierRequest request(const std::string& token) {
    BarrierRequest r;
    r.token = r.id = token;
    r.parties = 2;
    return r;
  }
  static std::string text(const BarrierAnswer& answer) {
    return std::holds_alternative<BarrierPassed>(answer)    ? "passed"
           : std::holds_alternative<BarrierWaiting>(answer) ? "waiting"
           : std::holds_alternative<BarrierBroken>(answer)  ? "broken"
                                                            : "refused";
  }
  std::string wait(const std::string& token) {
    return text(s.loop.run(barrier.ask(request(token), 0, s.patience())));
  }
  std::string arrive(const std::string& token) {
    const auto answer = s.loop.run(barrier.arrive(request(token), s.patience()));
    return std::holds_alternative<BarrierArrived>(answer) ? "arrived" : "refused";
  }
  std::string leave(const std::string& token, const std::string& broken) {
    const auto answer = s.loop.run(barrier.leave(request(token), 0, broken, s.patience()));
    return std::holds_alternative<BarrierLeft>(answer) ? "left" : "told";
  }
  std::string reset() {
    const BarrierReset r = s.loop.run(barrier.reset(kA, {}, s.patience()));
    return fmt::format("reset {} {}", r.generation, r.arrived);
  }
  std::string look() {
    const BarrierView v = s.loop.run(barrier.show(10, s.patience()));
    return fmt::format("generation {} arrived {} waiting {} tripped {} broken {} dropped {}",
                       v.generation, v.arrived, v.waiting, v.tripped, v.broken, v.dropped);
  }

  Side& s;
  Barrier barrier;
};

void add_barrier(std::vector<KnownOperation>& all) {
  const auto add = [&](const std::string& verb, auto prepare, auto run) {
    all.push_back({"barrier " + verb,
                   [=](Side& s, Thing t) {
                     Barriers b(s, t);
                     prepare(b);
                   },
                   [=](Side& s, Thing t) {
                     Barriers b(s, t);
                     return run(b);
                   },
                   [](Side& s, Thing t) { return Barriers(s, t).look(); }});
  };
  const auto nothing = [](Barriers&) {};
  const auto other = [](Barriers& b) { b.wait(kB); };
  add("wait", nothing, [](Barriers& b) { return b.wait(kA); });
  add("wait, as the last", other, [](Barriers& b) { return b.wait(kA); });
  add("arrive", nothing, [](Barriers& b) { return b.arrive(kA); });
  add("arrive, as the last", other, [](Barriers& b) { return b.arrive(kA); });
  add(
      "leave", [](Barriers& b) { b.wait(kA); }, [](Barriers& b) { return b.leave(kA, ""); });
  add(
      "break",
      [](Barriers& b) {
        BarrierRequest r = Barriers::request(kA);
        r.parties = 3;
        b.s.loop.run(b.barrier.ask(r, 0, b.s.patience()));
        r = Barriers::request(kB);
        r.parties = 3;
        b.s.loop.run(b.barrier.ask(r, 0, b.s.patience()));
      },
      [](Barriers& b) { return b.leave(kA, "timeout"); });
  add("reset", other, [](Barriers& b) { return b.reset(); });
}

struct States {
  States(Side& side, Thing thing) : s(side), state(side.loop, *side.runner, side.keys, thing) {}
  std::string set(const std::string& token, StateChange change) {
    StateGuard guard;
    guard.token = token;
    return text(s.loop.run(state.set(std::move(change), guard, s.patience())));
  }
  std::string incr(const std::string& token) {
    StateGuard guard;
    guard.token = token;
    return text(s.loop.run(state.incr({}, guard, s.patience())));
  }
  static std::string text(const StateAnswer& answer) {
    const auto* written = std::get_if<StateWritten>(&answer);
    return written == nullptr ? "refused" : "written " + written->number;
  }
  std::string look() {
    const StateValue v = s.loop.run(state.get(s.patience()));
    return fmt::format("{} '{}' changes {}", v.present, v.bytes, v.changes);
  }

  Side& s;
  State state;
};

void add_state(std::vector<KnownOperation>& all) {
  const auto add = [&](const std::string& verb, auto prepare, auto run) {
    all.push_back({"state " + verb,
                   [=](Side& s, Thing t) {
                     States v(s, t);
                     prepare(v);
                   },
                   [=](Side& s, Thing t) {
                     States v(s, t);
                     return run(v);
                   },
                   [](Side& s, Thing t) { return States(s, t).look(); }});
  };
  const auto nothing = [](States&) {};
  const auto there = [](States& v) { v.set(kB, {.bytes = "old"}); };
  add("set", nothing, [](States& v) { return v.set(kA, {.bytes = "new"}); });
  add("set if absent", nothing,
      [](States& v) { return v.set(kA, {.bytes = "new", .if_absent = true}); });
  add("set if it is", there,
      [](States& v) { return v.set(kA, {.bytes = "new", .if_value = "old"}); });
  add("delete", there, [](States& v) { return v.set(kA, {.deletes = true}); });
  add("incr", nothing, [](States& v) { return v.incr(kA); });
}

struct Jobs {
  Jobs(Side& side, Thing thing) : s(side), run(side.loop, *side.runner, side.keys, thing) {}
  std::string start(const std::string& token, const std::string& name,
                    std::vector<JobDependency> after = {}) {
    JobRequest r;
    r.token = token;
    r.name = name;
    r.after = std::move(after);
    r.ttl = 60s;
    const JobAnswer answer = s.loop.run(run.ask(std::move(r), s.patience()));
    return std::holds_alternative<JobGranted>(answer)   ? "granted"
           : std::holds_alternative<JobWaiting>(answer) ? "waiting"
                                                        : "other";
  }
  std::string finish(const std::string& token, JobState state) {
    return s.loop.run(run.finish(token, "j", state, 0, s.patience())) ? "recorded" : "lost";
  }
  std::string look() {
    std::string text;
    for (const JobView& v : s.loop.run(run.show("", s.patience())))
      text += fmt::format("{} {} attempts {} code {};", v.name, job_state_word(v.state), v.attempts,
                          v.code);
    return text;
  }

  Side& s;
  JobRun run;
};

void add_job(std::vector<KnownOperation>& all) {
  const auto add = [&](const std::string& verb, auto prepare, auto run) {
    all.push_back({"job " + verb,
                   [=](Side& s, Thing t) {
                     Jobs j(s, t);
                     prepare(j);
                   },
                   [=](Side& s, Thing t) {
                     Jobs j(s, t);
                     return run(j);
                   },
                   [](Side& s, Thing t) { return Jobs(s, t).look(); }});
  };
  const auto nothing = [](Jobs&) {};
  const auto runs = [](Jobs& j) { j.start(kA, "j"); };
  add("start", nothing, [](Jobs& j) { return j.start(kA, "j"); });
  add("start and wait", nothing, [](Jobs& j) {
    return j.start(kA, "j", {{JobWant::success, "before"}});
  });
  add("renew", runs, [](Jobs& j) {
    const auto answer = j.s.loop.run(j.run.renew(kA, "j", 60s, j.s.patience()));
    return std::holds_alternative<LockRenewed>(answer) ? "renewed" : "lost";
  });
  add("finish", runs, [](Jobs& j) { return j.finish(kA, JobState::succeeded); });
  add("fail", runs, [](Jobs& j) { return j.finish(kA, JobState::failed); });
  add(
      "leave",
      [](Jobs& j) {
        j.start(kA, "j", {{JobWant::success, "before"}});
      },
      [](Jobs& j) {
        j.s.loop.run(j.run.leave(kA, "j", j.s.patience()));
        return "left";
      });
  add("mark", nothing, [](Jobs& j) {
    j.s.loop.run(j.run.mark("j", JobState::skipped, {}, 60s, j.s.patience()));
    return "marked";
  });
}

}  // namespace

std::vector<KnownOperation> known_operations() {
  std::vector<KnownOperation> all;
  add_locks(all, LockKind::lock, "lock");
  add_locks(all, LockKind::elect, "elect");
  add_queue(all);
  add_barrier(all);
  add_state(all);
  add_job(all);
  return all;
}

}  // namespace dcoord::testing
