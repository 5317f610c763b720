#include "primitives/job.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <cstring>
#include <map>
#include <random>
#include <set>

#include "base/token.h"
#include "redis/session.h"
#include "support/server.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

std::string any_server() { return GENERATE(from_range(server_programs())); }

struct JobWorld {
  explicit JobWorld(const std::string& program)
      : server(ServerSettings{.program = program}),
        scripts(redis::make_session(loop, redis::parse_url(server.url(), "test"), {})),
        jobs(loop, *scripts, keys, "run") {}

  redis::Patience patience() { return {loop.now() + 20s, kNever}; }
  JobRequest request(const std::string& name, std::vector<JobDependency> after = {}) {
    JobRequest r;
    r.token = random_token();
    r.name = name;
    r.after = std::move(after);
    r.who.host = "host";
    return r;
  }
  JobAnswer ask(const JobRequest& r) { return loop.run(jobs.ask(r, patience())); }
  template <class T>
  std::optional<T> as(const JobAnswer& answer) {
    const auto* found = std::get_if<T>(&answer);
    return found == nullptr ? std::nullopt : std::optional(*found);
  }
  bool granted(const JobRequest& r) { return as<JobGranted>(ask(r)).has_value(); }
  bool waits(const JobRequest& r) { return as<JobWaiting>(ask(r)).has_value(); }
  bool finish(const JobRequest& r, int code = 0) {
    const JobState state = code == 0 ? JobState::succeeded : JobState::failed;
    return loop.run(jobs.finish(r.token, r.name, state, code, patience()));
  }
  JobView view(const std::string& name) {
    const auto views = loop.run(jobs.show(name, patience()));
    return views.empty() ? JobView() : views[0];
  }
  bool called(const JobRequest& r) {
    return !server.command({"LPOP", keys.mailbox("run", r.token)}).is_nil();
  }
  std::string stored() {
    std::map<std::string, std::string> fields;
    const redis::Reply all = server.command({"HGETALL", keys.jobs("run")});
    for (size_t i = 0; i + 1 < all.size(); i += 2) fields[all.at(i).text()] = all.at(i + 1).text();
    std::string text;
    for (const auto& [field, value] : fields) text += field + "=" + value + ";";
    return text;
  }

  SystemClock clock;
  Loop loop{clock};
  Keys keys{"test"};
  Server server;
  std::unique_ptr<redis::ScriptRunner> scripts;
  JobRun jobs;
};

JobDependency success(const std::string& name) { return {JobWant::success, name}; }

TEST_CASE("job: it runs once in its run, and the same request is the same run of it") {
  JobWorld w(any_server());
  auto a = w.request("a");
  REQUIRE(w.granted(a));
  REQUIRE(w.granted(a));
  CHECK(w.view("a").attempts == 1);
  CHECK(w.as<JobRunning>(w.ask(w.request("a"))));
  CHECK(w.finish(a));
  CHECK(w.finish(a));  // its reply was lost
  CHECK(w.as<JobDone>(w.ask(w.request("a"))));
  auto again = w.request("a");
  again.again = true;
  CHECK(w.granted(again));
  CHECK_FALSE(w.finish(a, 1));  // of an earlier request: refused
  CHECK(w.view("a").state == JobState::running);
}

TEST_CASE(
    "job: it waits for jobs that nobody has announced, is told, and starts after all of them") {
  JobWorld w(any_server());
  const auto c = w.request("c", {success("a"), success("b")});
  const auto first = w.as<JobWaiting>(w.ask(c));
  REQUIRE(first);
  CHECK(first->pending == std::vector<std::string>{"a", "b"});
  CHECK(first->unknown == std::vector<std::string>{"a", "b"});
  const auto a = w.request("a"), b = w.request("b");
  REQUIRE(w.granted(a));
  CHECK_FALSE(w.called(c));
  REQUIRE(w.finish(a));
  CHECK(w.called(c));
  const auto second = w.as<JobWaiting>(w.ask(c));
  REQUIRE(second);
  CHECK(second->pending == std::vector<std::string>{"b"});
  REQUIRE(w.granted(b));
  CHECK(w.as<JobWaiting>(w.ask(c))->unknown.empty());
  REQUIRE(w.finish(b));
  CHECK(w.called(c));
  CHECK(w.granted(c));
}

TEST_CASE("job: what is wanted of a dependency decides, and its other end is this job's, too") {
  JobWorld w(any_server());
  const auto bad = w.request("bad"), good = w.request("good");
  REQUIRE(w.granted(bad));
  REQUIRE(w.finish(bad, 7));
  REQUIRE(w.granted(good));
  REQUIRE(w.finish(good));
  const auto next = w.request("next", {success("bad")});
  const auto ended = w.as<JobDependencyEnded>(w.ask(next));
  REQUIRE(ended);
  CHECK(ended->name == "bad");
  CHECK(ended->state == JobState::failed);
  CHECK(ended->code == 7);
  CHECK(w.as<JobDependencyEnded>(w.ask(next))->code == 7);  // asked again after a lost reply
  CHECK(w.view("next").state == JobState::failed);
  CHECK(w.as<JobDependencyEnded>(w.ask(w.request("chained", {success("next")})))->code == 76);
  CHECK(w.granted(w.request("any", {{JobWant::end, "bad"}})));
  CHECK(w.granted(w.request("cleanup", {{JobWant::failure, "bad"}})));
  CHECK(w.as<JobDependencyEnded>(w.ask(w.request("no-cleanup", {{JobWant::failure, "good"}}))));
  auto skips = w.request("skips", {success("bad")});
  skips.on_failure = OnDependencyFailure::skip;
  CHECK(w.as<JobDependencyEnded>(w.ask(skips)));
  CHECK(w.view("skips").state == JobState::skipped);
  CHECK(w.granted(w.request("after-skipped", {success("skips")})));
  auto runs = w.request("runs", {success("bad")});
  runs.on_failure = OnDependencyFailure::run;
  CHECK(w.granted(runs));
}

TEST_CASE("job: a cycle is refused with its path, and nothing is changed; edges stay") {
  JobWorld w(any_server());
  REQUIRE(w.waits(w.request("b", {success("a")})));
  const auto c = w.request("c", {success("b")});
  REQUIRE(w.waits(c));
  w.loop.run(w.jobs.leave(c.token, "c", w.patience()));
  const std::string before = w.stored();
  const auto cycle = w.as<JobCycle>(w.ask(w.request("a", {success("c")})));
  REQUIRE(cycle);
  CHECK(cycle->path == std::vector<std::string>{"a", "c", "b", "a"});
  CHECK(w.as<JobCycle>(w.ask(w.request("x", {success("x")}))));
  CHECK(w.stored() == before);
  // Announced once, it counts without being said again.
  CHECK(w.waits(w.request("c")));
}

TEST_CASE(
    "job: a lost attempt is not brought back; another host may run the job, or it counts as lost") {
  JobWorld w(any_server());
  auto a = w.request("a");
  a.ttl = 1s;
  REQUIRE(w.granted(a));
  auto waits = w.request("waits", {success("a")});
  waits.lost_after = 1h;
  const auto waiting = w.as<JobWaiting>(w.ask(waits));
  REQUIRE(waiting);
  REQUIRE(wait_until([&] { return w.view("a").lost; }));
  CHECK(
      std::holds_alternative<LockLost>(w.loop.run(w.jobs.renew(a.token, "a", 30s, w.patience()))));
  CHECK_FALSE(w.finish(a));
  CHECK(w.waits(waits));
  const auto ended = w.as<JobDependencyEnded>(w.ask(w.request("gives-up", {success("a")})));
  REQUIRE(ended);
  CHECK(ended->state == JobState::running);
  const auto other = w.request("a");
  REQUIRE(w.granted(other));
  CHECK(w.view("a").attempts == 2);
  REQUIRE(w.finish(other));
  CHECK(w.granted(waits));
}

TEST_CASE("job: renewing raises the end of one's own lease only") {
  JobWorld w(any_server());
  const auto a = w.request("a");
  REQUIRE(w.granted(a));
  const auto renewed = w.loop.run(w.jobs.renew(a.token, "a", 60s, w.patience()));
  REQUIRE(std::holds_alternative<LockRenewed>(renewed));
  CHECK(w.view("a").ends - w.view("a").server_time > 50s);
  CHECK(std::holds_alternative<LockLost>(
      w.loop.run(w.jobs.renew(random_token(), "a", 60s, w.patience()))));
}

TEST_CASE("job: marking tells those that wait, and is refused while somebody runs it") {
  JobWorld w(any_server());
  const auto a = w.request("a"), b = w.request("b", {success("a")});
  REQUIRE(w.granted(a));
  REQUIRE(w.waits(b));
  using What = JobRun::Marked::What;
  const auto mark = [&](JobState state) {
    Holder who;
    return w.loop.run(w.jobs.mark("a", state, who, 1h, w.patience())).what;
  };
  CHECK(mark(JobState::succeeded) == What::running);
  REQUIRE(w.finish(a, 1));
  while (w.called(b)) {
  }
  CHECK(mark(JobState::unknown) == What::marked);
  CHECK(mark(JobState::unknown) == What::absent);
  CHECK(w.waits(b));
  CHECK(mark(JobState::skipped) == What::marked);
  CHECK(w.called(b));
  CHECK(w.granted(b));
}

TEST_CASE("job: once in a window of the server's clock") {
  JobWorld w(any_server());
  auto a = w.request("a");
  a.once_per = 24h * 3650;  // no test runs over its end
  REQUIRE(w.granted(a));
  REQUIRE(w.finish(a));
  auto b = w.request("a");
  b.once_per = a.once_per;
  CHECK(w.as<JobDone>(w.ask(b)));
  b.once_per = 1s;  // another window
  CHECK(w.granted(b));
}

TEST_CASE("job: a thousand that wait for one are all told, 500 by each that comes") {
  JobWorld w(any_server());
  std::vector<JobRequest> waiting;
  for (int i = 0; i < 1000; ++i) {
    waiting.push_back(w.request("w" + std::to_string(i), {success("a")}));
    REQUIRE(w.waits(waiting.back()));
  }
  const auto a = w.request("a");
  REQUIRE(w.granted(a));
  REQUIRE(w.finish(a));
  size_t started = 0;
  std::vector<bool> done(waiting.size());
  for (bool progress = true; progress;) {
    progress = false;
    for (size_t i = 0; i < waiting.size(); ++i) {
      if (done[i] || !w.called(waiting[i])) continue;
      REQUIRE(w.granted(waiting[i]));
      done[i] = progress = true;
      ++started;
    }
  }
  CHECK(started == waiting.size());
}

TEST_CASE("job: the dead among those that wait keep nobody else from being told") {
  JobWorld w(any_server());
  std::vector<JobRequest> dead;
  // The order of being told is that of the tokens: the dead stand before the one that lives.
  for (int i = 0; i < 700; ++i) {
    dead.push_back(w.request("w" + std::to_string(i), {success("a")}));
    dead.back().token[0] = '0';
    REQUIRE(w.waits(dead.back()));
  }
  auto lives = w.request("lives", {success("a")});
  lives.token[0] = 'f';
  REQUIRE(w.waits(lives));
  for (int i = 0; i < 700; ++i) {
    const JobRequest& one = dead[static_cast<size_t>(i)];
    if (i % 2 == 0) {  // gave up
      w.loop.run(w.jobs.leave(one.token, one.name, w.patience()));
    } else {  // killed, and not heard of for as long as waiters live
      w.server.command({"HSET", w.keys.job_waiters("run"), one.token, "1 mailbox"});
    }
  }
  const auto a = w.request("a");
  REQUIRE(w.granted(a));
  REQUIRE(w.finish(a));
  CHECK(w.called(lives));
  CHECK(w.server.command({"HLEN", w.keys.job_waiters("run")}).number() <= 1);
}

TEST_CASE("job: one that looks whether jobs have ended passes the word on") {
  JobWorld w(any_server());
  std::vector<JobRequest> waiting;
  for (int i = 0; i < 550; ++i) {
    waiting.push_back(w.request("w" + std::to_string(i), {success("a")}));
    REQUIRE(w.waits(waiting.back()));
  }
  const auto a = w.request("a");
  REQUIRE(w.granted(a));
  REQUIRE(w.finish(a));  // 500 are told
  const auto looks = w.loop.run(w.jobs.wait(random_token(), {"a", "b"}, Duration::zero(),
                                            w.loop.now(), w.patience(), nullptr));
  CHECK(std::holds_alternative<JobWaiting>(looks));
  for (const auto& one : waiting) CHECK(w.called(one));
}

TEST_CASE("job: a request that gave up does nothing any more, however late the server gets it") {
  JobWorld w(any_server());
  const auto early = w.request("early"), b = w.request("b", {success("a")});
  w.loop.run(w.jobs.leave(early.token, "early", w.patience()));
  CHECK(w.as<JobGone>(w.ask(early)));
  CHECK(w.view("early").state == JobState::unknown);
  REQUIRE(w.waits(b));
  for (int i = 0; i < 2; ++i) w.loop.run(w.jobs.leave(b.token, "b", w.patience()));
  CHECK(w.as<JobGone>(w.ask(b)));
  CHECK(w.view("b").lost);  // nobody is there
  CHECK(w.waits(w.request("b")));
}

TEST_CASE("job: who wants the place of one that waits has it asked for a sign of life") {
  JobWorld w(any_server());
  const auto a = w.request("a", {success("b")}), other = w.request("a", {success("b")});
  REQUIRE(w.waits(a));
  /// As if it had last looked so much earlier.
  const auto age = [&](Duration by) {
    std::string record = w.server.command({"HGET", w.keys.jobs("run"), "ja"}).text();
    double ends = 0;
    std::memcpy(&ends, record.data() + 10, sizeof ends);
    ends -= static_cast<double>(by / 1ms);
    std::memcpy(record.data() + 10, &ends, sizeof ends);
    w.server.command({"HSET", w.keys.jobs("run"), "ja", record});
  };
  const auto left = [&] { return w.view("a").ends - w.view("a").server_time; };
  CHECK(w.as<JobRunning>(w.ask(other)));
  CHECK_FALSE(w.called(a));  // it has just looked
  age(20s);
  CHECK(w.as<JobRunning>(w.ask(other)));
  CHECK(w.called(a));
  CHECK(left() <= 5s);
  CHECK(w.waits(a));
  CHECK(left() > 30s);
  age(20s);
  CHECK(w.as<JobRunning>(w.ask(other))->waits);
  CHECK(w.as<JobRunning>(w.ask(other)));
  age(5s);
  CHECK(w.waits(other));
  CHECK(w.as<JobRunning>(w.ask(a)));
}

TEST_CASE("job: a grant that was given up before it was known of is no attempt") {
  JobWorld w(any_server());
  const auto a = w.request("a");
  REQUIRE(w.granted(a));
  w.loop.run(w.jobs.leave(a.token, "a", w.patience()));
  const auto again = w.request("a");
  CHECK(w.as<JobGranted>(w.ask(again))->attempt == 1);
}

TEST_CASE("job: joining ends with the run that it joins, or when nobody is there") {
  JobWorld w(any_server());
  const auto join = [&](const std::string& token) {
    return w.loop.run(w.jobs.join(token, "a", w.loop.now(), w.patience(), nullptr));
  };
  const auto state_of = [](const JobsAnswer& answer) {
    const auto* ended = std::get_if<JobDependencyEnded>(&answer);
    return ended == nullptr ? std::nullopt : std::optional(ended->state);
  };
  CHECK(state_of(join(random_token())) == JobState::unknown);
  const auto first = w.request("a", {success("b")});
  REQUIRE(w.waits(first));
  auto second = w.request("a");
  CHECK(std::holds_alternative<JobWaiting>(join(second.token)));
  w.loop.run(w.jobs.leave(first.token, "a", w.patience()));
  CHECK(w.called(second));
  CHECK(state_of(join(second.token)) == JobState::waiting);
  REQUIRE(w.waits(second));
  const auto b = w.request("b");
  REQUIRE(w.granted(b));
  REQUIRE(w.finish(b));
  REQUIRE(w.granted(second));
  REQUIRE(w.finish(second, 5));
  CHECK(state_of(join(random_token())) == JobState::failed);
}

TEST_CASE("job: a run has at most 10,000 jobs, however many edges") {
  JobWorld w(any_server());
  REQUIRE(w.granted(w.request("first")));
  w.server.command({"HSET", w.keys.jobs("run"), "n", "9999"});
  REQUIRE(w.granted(w.request("last")));
  CHECK(w.as<JobRunFull>(w.ask(w.request("too-many"))));
  CHECK(w.waits(w.request("last-but-one")) == false);
  Holder who;
  w.loop.run(w.jobs.mark("other", JobState::skipped, who, 1h, w.patience()));
  w.loop.run(w.jobs.mark("other", JobState::unknown, who, 1h, w.patience()));
  CHECK(w.server.command({"HGET", w.keys.jobs("run"), "n"}).text() == "10000");
}

TEST_CASE("job: a run is kept for as long as one of its jobs is renewed") {
  JobWorld w(any_server());
  auto a = w.request("a");
  a.keep = 1s;
  a.ttl = 1s;
  REQUIRE(w.granted(a));
  const auto ttl = [&] { return w.server.command({"PTTL", w.keys.jobs("run")}).number(); };
  CHECK(ttl() <= 2000);
  w.loop.run(w.jobs.renew(a.token, "a", 60s, w.patience()));
  CHECK(ttl() > 60000);
  CHECK(w.view("a").state == JobState::running);
}

TEST_CASE("job: random graphs in random order: each job runs once, after all that it depends on") {
  JobWorld w(any_server());
  constexpr int kJobs = 120;
  std::mt19937 random(4711);
  std::vector<JobRequest> requests;
  std::vector<std::set<int>> after(kJobs);
  for (int i = 0; i < kJobs; ++i) {
    std::vector<JobDependency> edges;
    for (int n = 0; i > 0 && n < 3; ++n) {
      const int other = static_cast<int>(random() % static_cast<unsigned>(i));
      if (after[static_cast<size_t>(i)].insert(other).second)
        edges.push_back(success("j" + std::to_string(other)));
    }
    requests.push_back(w.request("j" + std::to_string(i), edges));
  }
  std::vector<int> order(kJobs);
  for (int i = 0; i < kJobs; ++i) order[static_cast<size_t>(i)] = i;
  std::shuffle(order.begin(), order.end(), random);
  std::set<int> running, ended;
  std::vector<int> ready = order;  // to ask: all once, then whoever was called
  while (ended.size() < kJobs) {
    for (const int i : ready) {
      if (!w.granted(requests[static_cast<size_t>(i)])) continue;
      for (const int other : after[static_cast<size_t>(i)]) REQUIRE(ended.contains(other));
      running.insert(i);
    }
    ready.clear();
    REQUIRE_FALSE(running.empty());
    const int end = *std::next(running.begin(), static_cast<long>(random() % running.size()));
    running.erase(end);
    REQUIRE(w.finish(requests[static_cast<size_t>(end)]));
    ended.insert(end);
    for (int i = 0; i < kJobs; ++i) {
      if (running.contains(i) || ended.contains(i)) continue;
      bool called = false;
      while (w.called(requests[static_cast<size_t>(i)])) called = true;
      if (called) ready.push_back(i);
    }
  }
  for (int i = 0; i < kJobs; ++i) CHECK(w.view("j" + std::to_string(i)).attempts == 1);
}

TEST_CASE("job: runs are listed, and expire after they are kept") {
  JobWorld w(any_server());
  auto a = w.request("a");
  a.keep = 1h;
  REQUIRE(w.granted(a));
  CHECK(w.loop.run(list_job_runs(*w.scripts, w.keys, w.patience())) ==
        std::vector<std::string>{"run"});
  const auto left = w.server.command({"PTTL", w.keys.jobs("run")}).number();
  CHECK(left > 3600000);
  CHECK(left <= 3600000 + 30000);
  w.server.command({"DEL", w.keys.jobs("run")});
  CHECK(w.loop.run(list_job_runs(*w.scripts, w.keys, w.patience())).empty());
}

}  // namespace
}  // namespace dcoord::testing
