#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <map>
#include <random>
#include <set>

#include "support/barrier_world.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using Why = BarrierRefused::Why;
using Outcome = BarrierView::Outcome;

std::string any_server() { return GENERATE(from_range(server_programs())); }

TEST_CASE("barrier: all pass when the last arrives, each with an index of its own") {
  BarrierWorld w(any_server());
  const auto a = w.request(3), b = w.request(3), c = w.request(3);
  REQUIRE(w.waits(a));
  const auto place = w.waits(b);
  REQUIRE(place);
  CHECK(place->arrived == 2);
  CHECK(place->parties == 3);
  CHECK_FALSE(w.called(a));
  const auto last = w.passed(c);
  REQUIRE(last);
  CHECK(w.called(a));
  CHECK(w.called(b));
  CHECK_FALSE(w.called(c));
  const auto first = w.passed(a), second = w.passed(b);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(std::set<int>{*first->index, *second->index, *last->index} == std::set<int>{0, 1, 2});
  CHECK(first->generation == last->generation);
  const BarrierView view = w.view();
  CHECK(view.generation == last->generation + 1);
  CHECK(view.parties == 0);
  CHECK(view.tripped == 1);
  CHECK(view.last == Outcome::tripped);
}

TEST_CASE("barrier: a wake-up that means nothing passes nobody, and looking again counts once") {
  BarrierWorld w(any_server());
  const auto a = w.request(3);
  for (int i = 0; i < 5; ++i) {
    const auto place = w.waits(a, i == 0 ? 0 : 1);
    REQUIRE(place);
    CHECK(place->arrived == 1);
  }
  w.server.command({"RPUSH", w.barrier.mailbox(a.token), "look 0"});
  CHECK(w.waits(a, 1));
  CHECK(w.view().arrived == 1);
}

TEST_CASE("barrier: who asks again after passing is told the same, whatever came meanwhile") {
  BarrierWorld w(any_server());
  const auto a = w.request(2), b = w.request(2);
  REQUIRE(w.waits(a));
  const auto last = w.passed(b);
  REQUIRE(last);
  for (int round = 0; round < 3; ++round) {
    const auto c = w.request(2), d = w.request(2);
    REQUIRE(w.waits(c));
    REQUIRE(w.passed(d));
    const auto again = w.passed(b);
    REQUIRE(again);
    CHECK(again->generation == last->generation);
    CHECK(again->index == last->index);
    const auto first = w.passed(a);  // told late, and told again
    REQUIRE(first);
    CHECK(first->generation == last->generation);
    CHECK(first->index != last->index);
    REQUIRE(w.passed(c));
  }
}

TEST_CASE("barrier: the next N make the next generation, and those of the last one do not count") {
  BarrierWorld w(any_server());
  for (int generation = 1; generation <= 20; ++generation) {
    const auto a = w.request(2, "a"), b = w.request(2, "b");
    const auto place = w.waits(a);
    REQUIRE(place);
    CHECK(place->generation == generation);
    REQUIRE(w.passed(b));
    REQUIRE(w.passed(a));
    CHECK(w.view().arrived == 0);
  }
}

TEST_CASE("barrier: an id that arrives again is the same party") {
  BarrierWorld w(any_server());
  REQUIRE(w.waits(w.request(3, "a")));
  const auto again = w.request(3, "a");
  const auto place = w.waits(again);
  REQUIRE(place);
  CHECK(place->arrived == 1);
  const auto b = w.request(3, "b");
  REQUIRE(w.arrived(b)->index == 1);
  CHECK(w.arrived(w.request(3, "b"))->arrived == 2);
  CHECK(w.arrived(w.request(3, "b"))->index == 1);
  REQUIRE(w.passed(w.request(3, "c")));
  CHECK(w.called(again));
  CHECK(*w.passed(again)->index == 0);
}

TEST_CASE("barrier: a party that was killed and came back at once passes with its generation") {
  BarrierWorld w(any_server());
  REQUIRE(w.waits(w.request(2, "a")));
  REQUIRE(w.passed(w.request(2, "b")));
  const auto back = w.passed(w.request(2, "a"));
  REQUIRE(back);
  CHECK(back->generation == 1);
  CHECK(*back->index == 0);
  CHECK(w.waits(w.request(2, "a")));  // it has been told: this is the next generation
}

TEST_CASE("barrier: a request that the server runs after its party came again does not count") {
  BarrierWorld w(any_server());
  const auto a = w.request(2, "a"), b = w.request(2, "b");
  REQUIRE(w.waits(a));
  REQUIRE(w.passed(b));
  REQUIRE(w.passed(a));
  const auto a2 = w.request(2, "a");
  REQUIRE(w.waits(a2));
  REQUIRE(w.passed(w.request(2, "b")));
  REQUIRE(w.passed(a2));
  // The network delivers another copy of a's first request only now.
  const auto late = w.refused(a);
  REQUIRE(late);
  CHECK(late->why == Why::gone);
  CHECK(w.view().arrived == 0);
  CHECK(w.passed(a2)->generation == 2);  // and it has not forgotten what it was told
  const auto c = w.request(2, "c"), c2 = w.request(2, "c");
  REQUIRE(w.arrived(c));
  REQUIRE(w.passed(w.request(2, "d")));
  REQUIRE(w.arrived(c2));
  REQUIRE(w.passed(w.request(2, "d")));
  CHECK(w.arrive_refused(c)->why == Why::gone);
  CHECK(w.view().arrived == 0);
}

TEST_CASE("barrier: one that died takes its arrival back") {
  BarrierWorld w(any_server());
  const auto a = w.request(2), b = w.request(2), c = w.request(2);
  REQUIRE(w.waits(a));
  w.kill(a);
  CHECK(w.view().arrived == 0);
  const auto place = w.waits(b);
  REQUIRE(place);
  CHECK(place->arrived == 1);
  CHECK(w.view().dropped == 1);
  const auto last = w.passed(c);
  REQUIRE(last);
  CHECK(last->index.value() + w.passed(b)->index.value() == 1);
  // It was none of the two that passed: it arrives anew.
  const auto late = w.waits(a, 1);
  REQUIRE(late);
  CHECK(late->generation == 2);
}

TEST_CASE("barrier: more dead than one call drops, and none of them passes") {
  BarrierWorld w(any_server());
  std::vector<BarrierWorld::Request> dead;
  for (int i = 0; i < 250; ++i) {
    dead.push_back(w.request(251));
    REQUIRE(w.waits(dead.back()));
  }
  for (const auto& one : dead) w.kill(one);
  std::set<int> indexes;
  std::vector<BarrierWorld::Request> living;
  for (int i = 0; i < 250; ++i) {
    living.push_back(w.request(251));
    REQUIRE(w.waits(living.back()));
  }
  const auto last = w.passed(w.request(251));
  REQUIRE(last);
  indexes.insert(*last->index);
  for (const auto& one : living) {
    const auto result = w.passed(one);
    REQUIRE(result);
    indexes.insert(*result->index);
  }
  CHECK(indexes.size() == 251);
  CHECK(*indexes.rbegin() == 250);
  CHECK(w.waits(dead[0], 1));
}

TEST_CASE("barrier: who leaves is not counted, and its index is used again") {
  BarrierWorld w(any_server());
  const auto a = w.request(3), b = w.request(3);
  REQUIRE(w.waits(a));
  REQUIRE(w.waits(b));
  CHECK(w.left(a));
  CHECK(w.view().arrived == 1);
  CHECK(w.refused(a)->why == Why::gone);  // the server ran an old request late
  CHECK(w.left(a));
  CHECK(w.arrived(w.request(3))->index == 0);
  CHECK(w.passed(w.request(3)));
  CHECK(*w.passed(b)->index == 1);
}

TEST_CASE("barrier: who gives up when all have arrived has passed") {
  BarrierWorld w(any_server());
  const auto a = w.request(2);
  REQUIRE(w.waits(a));
  REQUIRE(w.passed(w.request(2)));
  for (int i = 0; i < 2; ++i) {
    const auto farewell = w.leave(a, 1, "timeout");
    const auto* result = std::get_if<BarrierPassed>(&farewell);
    REQUIRE(result != nullptr);
    CHECK(*result->index == 0);
  }
  CHECK(w.view().broken == 0);
}

TEST_CASE("barrier: a broken generation ends for all, the next one is whole") {
  BarrierWorld w(any_server());
  auto a = w.request(3);
  const auto b = w.request(3), c = w.watcher(3);
  a.who.host = "breaker";
  REQUIRE(w.waits(a));
  REQUIRE(w.waits(b));
  REQUIRE(w.waits(c));
  CHECK(std::holds_alternative<BarrierLeft>(w.leave(a, 1, "timeout")));
  CHECK(w.called(b));
  CHECK(w.called(c));
  for (const auto& one : {b, c}) {
    const auto result = w.broken(one, 1);
    REQUIRE(result);
    CHECK(result->why == "timeout");
    CHECK(result->who.host == "breaker");
  }
  const auto farewell = w.leave(b, 1);
  CHECK(std::holds_alternative<BarrierBroken>(farewell));
  const auto fresh = w.waits(w.request(5));
  REQUIRE(fresh);
  CHECK(fresh->generation == 2);
  CHECK(fresh->arrived == 1);
  CHECK(w.view().broken == 1);
}

TEST_CASE("barrier: another number of parties is refused, unless nobody is there") {
  BarrierWorld w(any_server());
  const auto a = w.request(3);
  REQUIRE(w.waits(a));
  const auto refused = w.refused(w.request(4));
  REQUIRE(refused);
  CHECK(refused->why == Why::parties);
  CHECK(refused->parties == 3);
  CHECK(w.refused(w.watcher(2))->parties == 3);
  CHECK(w.arrive_refused(w.request(2))->parties == 3);
  CHECK(w.view().arrived == 1);
  REQUIRE(w.left(a));
  const auto b = w.request(4, "b");
  REQUIRE(w.waits(b));
  REQUIRE(w.waits(w.request(5, "b")));  // the only one may think again
  CHECK(w.view().parties == 5);
  w.kill(b);
  CHECK(w.passed(w.request(1)));
}

TEST_CASE("barrier: arrivals alone stay complete until one that waits comes, even last") {
  BarrierWorld w(any_server());
  const auto a = w.request(2), b = w.request(2);
  CHECK(w.arrived(a)->index == 0);
  CHECK(w.arrived(b)->arrived == 2);
  CHECK(w.view().complete);
  CHECK(w.arrived(b)->index == 1);  // sent again
  const auto refused = w.arrive_refused(w.request(2));
  REQUIRE(refused);
  CHECK(refused->why == Why::complete);
  CHECK(w.view().arrived == 2);
  const auto c = w.watcher(2);
  const auto result = w.passed(c);
  REQUIRE(result);
  CHECK_FALSE(result->index);
  CHECK(w.passed(c)->generation == result->generation);
  CHECK(w.view().generation == 2);
  CHECK(w.view().arrived == 0);
  CHECK(w.waits(w.watcher(2)));     // only one gets it
  CHECK(w.arrived(a)->index == 0);  // still of the first generation
  CHECK(w.view().arrived == 0);
}

TEST_CASE("barrier: a watcher that died does not take what was completed with it") {
  BarrierWorld w(any_server());
  const auto dead = w.watcher(1), other = w.watcher(1);
  REQUIRE(w.waits(dead));
  REQUIRE(w.waits(other));
  REQUIRE(w.arrived(w.request(1)));
  CHECK(w.called(dead));  // and never comes
  CHECK(w.called(other));
  REQUIRE(w.passed(other));
  CHECK(w.called(dead));  // let go with the generation
  const auto late = w.watcher(1);
  CHECK(w.waits(late));
}

TEST_CASE("barrier: arrivals complete what others wait for") {
  BarrierWorld w(any_server());
  const auto a = w.request(3), watcher = w.watcher(3);
  REQUIRE(w.waits(a));
  REQUIRE(w.waits(watcher));
  REQUIRE(w.arrived(w.request(3)));
  CHECK_FALSE(w.called(a));
  REQUIRE(w.arrived(w.request(3))->arrived == 3);
  CHECK(w.called(a));
  CHECK(w.called(watcher));
  CHECK(*w.passed(a)->index == 0);
  CHECK_FALSE(w.passed(watcher)->index);
  CHECK(w.view().arrived == 0);
}

TEST_CASE("barrier: an arrival that stays outlives its waiter") {
  BarrierWorld w(any_server());
  const auto staying = w.request(2, "a"), waiting = w.request(2, "a");
  REQUIRE(w.arrived(staying));
  REQUIRE(w.waits(waiting));
  REQUIRE(w.left(waiting));
  CHECK(w.view().arrived == 1);
  CHECK(w.passed(w.request(2, "b")));
  const auto c = w.request(2, "c"), made_to_stay = w.request(2, "c");
  REQUIRE(w.waits(c));
  CHECK(w.arrived(made_to_stay)->arrived == 1);
  CHECK(w.view().members[0].stays);
  CHECK(w.view().waiting == 1);
  REQUIRE(w.arrived(w.request(2, "d")));
  CHECK(w.called(c));
  CHECK(*w.passed(c, 2)->index == 0);
}

TEST_CASE("barrier: one of those that want to leads") {
  BarrierWorld w(any_server());
  const bool last_wants = GENERATE(false, true);
  std::vector<BarrierWorld::Request> all;
  for (int i = 0; i < 5; ++i) {
    all.push_back(w.request(5));
    all.back().leads = i > 0 && (i < 4 || last_wants);
    w.ask(all.back());
  }
  int leaders = 0;
  for (int again = 0; again < 2; ++again) {
    for (size_t i = 0; i < all.size(); ++i) {
      const auto result = w.passed(all[i]);
      REQUIRE(result);
      leaders += result->leader;
      if (result->leader) CHECK(i == (last_wants ? 4 : 1));
    }
  }
  CHECK(leaders == 2);  // the same one, twice
}

TEST_CASE("barrier: a reset lets those that wait go, once for each request") {
  BarrierWorld w(any_server());
  CHECK(w.reset().generation == 0);
  const auto a = w.request(3);
  REQUIRE(w.waits(a));
  REQUIRE(w.arrived(w.request(3)));
  const std::string token = random_token();
  CHECK(w.reset(token).arrived == 2);
  CHECK(w.called(a));
  CHECK(w.broken(a, 1)->why == "reset");
  const auto b = w.request(4);
  REQUIRE(w.waits(b));
  CHECK(w.reset(token).arrived == 2);  // sent again: what it did
  CHECK(w.waits(b, 2));
  CHECK(w.view().last == Outcome::reset);
}

TEST_CASE("barrier: wake-ups go out 200 a script, and those that come run the next") {
  BarrierWorld w(any_server());
  std::vector<BarrierWorld::Request> all;
  for (int i = 0; i < 500; ++i) {
    all.push_back(w.request(501));
    REQUIRE(w.waits(all.back()));
  }
  REQUIRE(w.passed(w.request(501)));
  const auto called = [&] {
    return std::count_if(all.begin(), all.end(), [&](const auto& one) {
      return w.server.command({"EXISTS", w.barrier.mailbox(one.token)}).number() == 1;
    });
  };
  CHECK(called() == 200);
  REQUIRE(w.passed(all[0]));
  CHECK(called() >= 399);
  REQUIRE(w.passed(all[1]));
  CHECK(called() >= 498);
  for (const auto& one : all) REQUIRE(w.passed(one));
  // A generation leaves nothing but what it must: its records end by themselves.
  CHECK(w.server.command({"EXISTS", w.keys.barrier_waking("phase")}).number() == 0);
  CHECK(w.server.command({"PTTL", w.keys.barrier_settled("phase")}).number() > 0);
  CHECK(w.server.command({"PTTL", w.keys.barrier("phase")}).number() > 86400000);
}

TEST_CASE("barrier: what was told is forgotten after a while, and its generation with it") {
  BarrierWorld w(any_server());
  const auto a = w.request(2), b = w.request(2);
  REQUIRE(w.waits(a));
  REQUIRE(w.passed(b));
  REQUIRE(w.passed(a));
  const std::string settled = w.keys.barrier_settled("phase");
  for (const auto& one : {a, b}) w.server.command({"ZADD", settled, "XX", "1", "p" + one.id});
  const auto c = w.request(2);
  REQUIRE(w.waits(c));
  CHECK(w.server.command({"EXISTS", settled}).number() == 0);
  CHECK(w.server.command({"HEXISTS", w.keys.barrier("phase"), "g1"}).number() == 0);
  CHECK(w.server.command({"HLEN", w.keys.barrier("phase")}).number() == 2);  // the state and c
}

TEST_CASE("barrier: all barriers are listed, and those that are gone are not") {
  BarrierWorld w(any_server());
  REQUIRE(w.waits(w.request(2)));
  Barrier other(w.loop, *w.scripts, w.keys, "another");
  REQUIRE(
      std::holds_alternative<BarrierArrived>(w.loop.run(other.arrive(w.request(3), w.patience()))));
  auto views = w.loop.run(list_barriers(*w.scripts, w.keys, 0, w.patience()));
  REQUIRE(views.size() == 2);
  CHECK(views[0].name == "another");
  CHECK(views[0].parties == 3);
  w.server.command({"DEL", w.keys.barrier("another")});
  views = w.loop.run(list_barriers(*w.scripts, w.keys, 0, w.patience()));
  REQUIRE(views.size() == 1);
  CHECK(w.server.command({"EXISTS", w.keys.index_of("another", "barrier")}).number() == 0);
}

TEST_CASE("barrier: data that is lost passes nobody") {
  BarrierWorld w(any_server());
  const auto a = w.request(2);
  REQUIRE(w.waits(a));
  w.server.command({"FLUSHALL"});
  REQUIRE(w.passed(w.request(1)));  // another generation 1
  const auto place = w.waits(a, 1);
  REQUIRE(place);
  CHECK(place->arrived == 1);
}

/// What a barrier is, without leases, messages and lost replies.
struct Model {
  enum class Fate { waits, passed, broken, left, dead };
  struct Party {
    BarrierWorld::Request request;
    Fate fate = Fate::waits;
    bool stays = false;
    long long generation = 0;
    std::optional<int> index;
  };
  std::vector<Party> parties;
  long long generation = 1;

  int arrived() const {
    return static_cast<int>(std::count_if(parties.begin(), parties.end(), [&](const Party& p) {
      return p.generation == generation && p.request.arrives &&
             (p.fate == Fate::waits || (p.stays && p.fate != Fate::left));
    }));
  }
  void end(Fate fate) {
    for (Party& p : parties) {
      if (p.generation == generation && p.fate == Fate::waits) p.fate = fate;
    }
    ++generation;
  }
};

TEST_CASE("barrier: random parties that arrive, look, die, leave, break agree with a model") {
  const std::string program = any_server();
  const unsigned seed = GENERATE(1u, 2u, 3u, 4u);
  CAPTURE(program, seed);
  BarrierWorld w(program);
  std::mt19937 random(seed);
  const auto pick = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  constexpr int kParties = 4;
  Model model;
  long long passes = 0;
  std::map<long long, std::set<int>> indexes;
  for (int step = 0; step < 600; ++step) {
    CAPTURE(step);
    const size_t what = pick(8);
    if (what < 3 || model.parties.empty()) {
      Model::Party p;
      p.request = w.request(kParties);
      p.generation = model.generation;
      p.stays = pick(3) == 0 && model.arrived() < kParties - 1;
      if (p.stays) {
        REQUIRE(w.arrived(p.request)->generation == model.generation);
        model.parties.push_back(p);
      } else {
        const bool trips = model.arrived() + 1 == kParties;
        model.parties.push_back(p);
        REQUIRE(w.passed(p.request).has_value() == trips);
        if (trips) model.end(Model::Fate::passed);
      }
      continue;
    }
    Model::Party& p = model.parties[pick(model.parties.size())];
    if (p.stays) continue;
    if (what < 6) {
      if (p.fate == Model::Fate::left) {
        CHECK(w.refused(p.request)->why == Why::gone);
      } else if (p.fate == Model::Fate::passed) {
        const auto result = w.passed(p.request, p.generation);
        REQUIRE(result);
        REQUIRE(result->generation == p.generation);
        if (!p.index) {
          REQUIRE(indexes[p.generation].insert(*result->index).second);
          ++passes;
        }
        if (p.index) REQUIRE(p.index == result->index);
        p.index = result->index;
      } else if (p.fate == Model::Fate::broken) {
        REQUIRE(w.broken(p.request, p.generation));
      } else if (p.fate == Model::Fate::waits) {
        REQUIRE(w.waits(p.request, p.generation)->arrived == model.arrived());
      }
    } else if (p.fate == Model::Fate::waits && pick(4) == 0) {
      const bool breaks = pick(4) == 0 && model.arrived() > 1;
      REQUIRE(std::holds_alternative<BarrierLeft>(
          w.leave(p.request, p.generation, breaks ? "signal" : "")));
      p.fate = Model::Fate::left;
      if (breaks) model.end(Model::Fate::broken);
    } else if (p.fate == Model::Fate::waits && pick(4) == 0) {
      w.kill(p.request);
      p.fate = Model::Fate::dead;
    }
    REQUIRE(w.view().arrived == model.arrived());
  }
  CHECK(passes > 50);
}

}  // namespace
}  // namespace dcoord::testing
