#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <deque>
#include <optional>
#include <random>
#include <set>

#include "support/breaker_world.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;
using Outcome = BreakerOutcome;
using State = BreakerState;

/// What a breaker shall do, in the plainest way: every call of the window is kept.
class Model {
 public:
  explicit Model(const BreakerSettings& settings) : s_(settings) {}

  enum class Answer { allowed, probe, refused };
  struct Call {
    Answer answer;
    long long epoch;
  };
  Call ask(Millis now, const std::string& token, Millis lease) {
    if (state_ == State::open && now >= retry_) turn(State::half_open);
    if (state_ == State::closed) return {Answer::allowed, epoch_};
    if (state_ == State::open) return {Answer::refused, epoch_};
    std::erase_if(permits_, [&](const auto& p) { return p.second <= now; });
    if (static_cast<long long>(permits_.size()) + successes_ >= s_.probes)
      return {Answer::refused, epoch_};
    permits_.emplace_back(token, now + lease);
    return {Answer::probe, epoch_};
  }

  /// Whether it counts.
  bool tell(Millis now, const std::string& token, long long epoch, Outcome outcome,
            const std::string& reporter) {
    if (epoch != epoch_) return false;
    std::erase_if(permits_, [&](const auto& p) { return p.first == token; });
    if (outcome == Outcome::ignored) return true;
    const bool failed = outcome == Outcome::failure;
    if (state_ == State::half_open) {
      successes_ += failed ? 0 : 1;
      if (failed) {
        open(now);
      } else if (successes_ >= s_.probes) {
        turn(State::closed);
        closed_ = now;
      }
      return true;
    }
    calls_.push_back({now, failed, reporter});
    const long long failures = count(now);
    const auto calls = static_cast<long long>(calls_.size());
    const bool opens = (s_.failures > 0 && failures >= s_.failures) ||
                       (s_.rate > 0 && calls >= s_.min_calls && failures * 100 >= s_.rate * calls);
    if (opens && reporters() >= s_.reporters) open(now);
    return true;
  }

  State state(Millis now) const {
    return state_ == State::open && now >= retry_ ? State::half_open : state_;
  }
  /// Failures in the window; forgets what is out of it.
  long long count(Millis now) {
    const auto width = s_.window / 20;
    const auto bucket = [&](Millis at) { return at / width; };
    std::erase_if(calls_, [&](const Done& c) { return bucket(c.at) + 20 <= bucket(now); });
    return std::count_if(calls_.begin(), calls_.end(), [](const Done& c) { return c.failed; });
  }
  Millis retry() const { return retry_; }

 private:
  struct Done {
    Millis at;
    bool failed;
    std::string reporter;
  };
  long long reporters() const {
    std::set<std::string> all;
    for (const auto& c : calls_) {
      if (c.failed) all.insert(c.reporter);
    }
    return static_cast<long long>(all.size());
  }
  void turn(State state) {
    state_ = state;
    ++epoch_;
    permits_.clear();
    successes_ = 0;
    if (state != State::half_open) calls_.clear();
  }
  void open(Millis now) {
    const bool again = state_ == State::half_open || (closed_ && now - *closed_ < s_.window);
    row_ = again ? row_ + 1 : 0;
    turn(State::open);
    Duration wait = s_.recovery;
    for (long long i = 0; i < row_ && wait < s_.longest_recovery; ++i) wait *= 2;
    wait = std::min(wait, s_.longest_recovery);
    retry_ = now + std::chrono::duration_cast<Millis>(wait);
  }

  BreakerSettings s_;
  State state_ = State::closed;
  long long epoch_ = 0, successes_ = 0, row_ = 0;
  Millis retry_{};
  std::optional<Millis> closed_;
  std::deque<Done> calls_;
  std::vector<std::pair<std::string, Millis>> permits_;
};

struct Flying {
  std::string token;
  std::string epoch;
  long long model_epoch;
  Outcome outcome;
  std::string reporter;
  bool told = false;
};

/// Calls that begin, end late, never, or are told twice, while time goes on by steps that meet the
/// ends of buckets, time-outs and leases exactly.
void follow(const std::string& program, unsigned seed) {
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  BreakerWorld w(program);
  BreakerSettings& s = w.wanted.settings;
  s.failures = below(3) == 0 ? 0 : 1 + below(6);
  s.rate = s.failures == 0 || below(2) == 0 ? 20 + below(80) : 0;
  s.min_calls = 1 + below(8);
  s.probes = 1 + below(4);
  s.reporters = 1 + below(3);
  s.longest_recovery = 10s * (1 + below(5));
  Model model(s);
  std::vector<Flying> flying;
  for (int step = 0; step < 400; ++step) {
    const Millis now = w.time.now();
    const int what = below(10);
    if (what < 4) {
      const auto call = w.ask();
      const auto expected = model.ask(now, call.token, 5s);
      REQUIRE(static_cast<int>(call.answer.what) == static_cast<int>(expected.answer));
      if (call.refused()) continue;
      const Outcome outcome = below(8) == 0   ? Outcome::ignored
                              : below(2) == 0 ? Outcome::failure
                                              : Outcome::success;
      flying.push_back({call.token, call.answer.epoch, expected.epoch, outcome,
                        "host" + std::to_string(below(3))});
    } else if (what < 8 && !flying.empty()) {
      Flying& one = flying[static_cast<size_t>(below(static_cast<int>(flying.size())))];
      const auto told = w.tell(one.token, one.epoch, one.outcome, one.reporter);
      const bool before = one.told && one.outcome != Outcome::ignored;
      if (!before) {
        const bool counts = model.tell(now, one.token, one.model_epoch, one.outcome, one.reporter);
        REQUIRE(told.counted == counts);
        one.told = counts;
      } else {
        REQUIRE(told.counted);
      }
      if (flying.size() > 20) flying.erase(flying.begin());
    } else {
      const Millis steps[] = {1ms, 999ms, 1000ms, 4999ms, 5000ms, 9999ms, 10000ms, 20000ms};
      w.time.advance(steps[below(8)]);
    }
    const BreakerView view = w.view();
    if (!view.known) continue;
    REQUIRE(view.state == model.state(w.time.now()));
    if (view.state == State::closed) REQUIRE(view.window_failures == model.count(w.time.now()));
    if (view.state == State::open) REQUIRE(*view.next_try == model.retry() - w.time.now());
    REQUIRE(view.probes_out <= s.probes);
  }
}

TEST_CASE("breaker: whatever comes in whatever order, it does what a plain model does") {
  const std::string program = GENERATE(from_range(server_programs()));
  for (unsigned seed = 1; seed <= 5; ++seed) follow(program, seed);
}

}  // namespace
}  // namespace dcoord::testing
