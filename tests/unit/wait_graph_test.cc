#include "primitives/wait_graph.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>

namespace dcoord::primitives {
namespace {

/// Things put together by hand; tokens are what parties are called, long enough to be told apart.
class Scene {
 public:
  Scene& lock(const std::string& name, int limit = 0) {
    things_.push_back({});
    things_.back().view.name = name;
    things_.back().view.limit = limit;
    return *this;
  }
  Scene& held(const std::string& token, LockMode mode = LockMode::exclusive) {
    things_.back().view.holders.push_back(party(token, "", mode));
    things_.back().view.holders.back().lease_left = Millis(1000);
    return *this;
  }
  Scene& job(const std::string& name, const std::vector<std::string>& after = {}) {
    lock(name);
    things_.back().kind = ThingKind::job;
    things_.back().after = after;
    return *this;
  }
  /// `within` are the tokens of the holds around it.
  Scene& waits(const std::string& token, const std::vector<std::string>& within = {},
               LockMode mode = LockMode::exclusive) {
    std::string starts;
    for (const auto& one : within)
      starts += (starts.empty() ? "" : " ") + name_of(one).substr(0, kTokenStart);
    things_.back().view.waiters.push_back(party(token, starts, mode));
    return *this;
  }
  std::vector<WaitGraph::Cycle> cycles() const { return WaitGraph(things_).cycles(); }
  std::vector<Thing>& things() { return things_; }

 private:
  static std::string name_of(const std::string& token) {
    return token + std::string(32 - token.size(), '0');
  }
  static LockParty party(const std::string& token, const std::string& within, LockMode mode) {
    LockParty p;
    p.token = name_of(token);
    p.mode = mode;
    p.who.within = within;
    return p;
  }
  std::vector<Thing> things_;
};

TEST_CASE("circles of 2 to 10 are found, each once and in their order") {
  for (size_t n = 2; n <= 10; ++n) {
    Scene scene;
    for (size_t i = 0; i < n; ++i) {
      const std::string next = std::to_string((i + n - 1) % n);
      scene.lock("l" + std::to_string(i))
          .held("h" + std::to_string(i))
          .waits("w" + next, {"h" + next});
    }
    // A tail that waits for the circle, and a pair that only waits, are in none.
    scene.lock("tail").held("t").waits("plain");
    scene.things()[0].view.waiters.push_back(scene.things()[0].view.waiters[0]);
    scene.things()[0].view.waiters.back().token = std::string(32, 'f');
    scene.things()[0].view.waiters.back().who.within = "t00000000000";
    const auto cycles = scene.cycles();
    REQUIRE(cycles.size() == 1);
    REQUIRE(cycles[0].size() == n);
    const WaitGraph graph(scene.things());
    for (size_t i = 0; i < n; ++i) {
      const auto& step = cycles[0][i];
      const auto& next = graph.waits()[cycles[0][(i + 1) % n].wait];
      REQUIRE(step.hold != nullptr);
      CHECK(next.request->who.within == step.hold->token.substr(0, kTokenStart));
    }
  }
}

TEST_CASE("a hold whose command waits for nothing ends, whoever else of its family waits") {
  // Both run under one outer hold: the first waits for the second's lock, the second runs.
  CHECK(Scene().lock("outer").held("o").lock("a").held("h").waits("w", {"o"}).cycles().empty());
  // The chain ends with one that runs.
  CHECK(Scene()
            .lock("a")
            .held("h1")
            .waits("w2", {"h2"})
            .lock("b")
            .held("h2")
            .waits("w3")
            .cycles()
            .empty());
}

TEST_CASE("the place in line counts: a reader behind a writer waits for it") {
  Scene scene;
  scene.lock("l")
      .held("x", LockMode::shared)
      .waits("writer")
      .waits("reader", {"y"}, LockMode::shared);
  CHECK(scene.cycles().empty());
  scene.lock("m").held("y").waits("w", {"x"});
  const auto cycles = scene.cycles();
  REQUIRE(cycles.size() == 1);
  CHECK(cycles[0].size() == 3);
  CHECK(std::count_if(cycles[0].begin(), cycles[0].end(),
                      [](const auto& step) { return step.hold == nullptr; }) == 1);
}

TEST_CASE("readers do not wait for readers") {
  Scene scene;
  scene.lock("l").held("x", LockMode::shared).waits("r", {"y"}, LockMode::shared);
  scene.lock("m").held("y").waits("w", {"x"});
  CHECK(scene.cycles().empty());
}

TEST_CASE("of slots all must be stuck, since one that is given back is enough") {
  Scene scene;
  scene.lock("pool", 2).held("s1", LockMode::slot).held("s2", LockMode::slot);
  scene.waits("p", {"h"}, LockMode::slot);
  scene.lock("l").held("h").waits("w1", {"s1"});
  CHECK(scene.cycles().empty());
  scene.waits("w2", {"s2"});
  CHECK_FALSE(scene.cycles().empty());
}

TEST_CASE("an upgrade does not wait for the hold that it is nested in") {
  Scene scene;
  scene.lock("l").held("r", LockMode::shared).held("other", LockMode::shared).waits("up", {"r"});
  scene.things()[0].view.waiters[0].parent = scene.things()[0].view.holders[0].token;
  CHECK(scene.cycles().empty());
  scene.lock("m").held("z").waits("w", {"other"});
  scene.things()[1].view.holders[0].token = scene.things()[0].view.holders[0].token;
  CHECK(scene.cycles().size() == 1);
}

TEST_CASE("a job waits for those that it comes after, whether they run or wait") {
  // Whoever has the lock wants the last job, which comes after one that wants the lock.
  Scene scene;
  scene.lock("l").held("h").waits("w", {"j1"});
  scene.job("r/1").held("j1");
  scene.job("r/2", {"r/1", "r/unknown"}).waits("j2");
  scene.job("r/3", {"r/2"}).waits("j3", {"h"});
  const auto cycles = scene.cycles();
  REQUIRE(cycles.size() == 1);
  REQUIRE(cycles[0].size() == 3);
  const WaitGraph graph(scene.things());
  size_t held = 0;
  for (const auto& step : cycles[0]) {
    if (step.hold == nullptr) {
      CHECK(graph.waits()[step.wait].thing->view.name == "r/3");  // r/2 has to go first
      continue;
    }
    ++held;
    REQUIRE(step.held != nullptr);
    CHECK(step.held->view.name == (step.held->kind == ThingKind::job ? "r/1" : "l"));
  }
  CHECK(held == 2);
  scene.things()[1].view.holders[0].lease_left = Millis(0);  // it is lost
  CHECK(scene.cycles().empty());
}

TEST_CASE(
    "a job that nobody asked for yet, and who is missing at a barrier, end no hold and no hope") {
  Scene scene;
  scene.job("r/2", {"r/1"}).waits("j2", {"h"}).lock("l").held("h").waits("w");
  CHECK(scene.cycles().empty());
  scene.lock("b").waits("p1", {"h"}).waits("p2", {"x"});
  scene.things().back().kind = ThingKind::barrier;
  scene.lock("m").held("x").waits("p3", {"h"});
  CHECK(scene.cycles().empty());
  const WaitGraph graph(scene.things());
  CHECK(graph.waits_of(scene.things()[1].view.holders[0]).size() == 3);
}

TEST_CASE("a circle has the same identity whenever it is read, another one another") {
  const auto identity = [](const std::string& waiter) {
    Scene scene;
    scene.lock("a").held("h1").waits("w2", {"h2"}).lock("b").held("h2").waits(waiter, {"h1"});
    const WaitGraph graph(scene.things());
    REQUIRE(graph.cycles().size() == 1);
    return graph.identity(graph.cycles()[0]);
  };
  CHECK(identity("w1") == identity("w1"));
  CHECK(identity("w1") != identity("w9"));
}

TEST_CASE("a lease that is over, an offer and a rest keep nobody waiting") {
  for (const int what : {0, 1, 2}) {
    Scene scene;
    scene.lock("a").held("h1").waits("w2", {"h2"}).lock("b").held("h2").waits("w1", {"h1"});
    LockParty& hold = scene.things()[0].view.holders[0];
    REQUIRE(scene.cycles().size() == 1);
    if (what == 0) hold.lease_left = Millis(0);
    if (what == 1) hold.offered = true;
    if (what == 2) hold.resting = true;
    CHECK(scene.cycles().empty());
  }
}

}  // namespace
}  // namespace dcoord::primitives
