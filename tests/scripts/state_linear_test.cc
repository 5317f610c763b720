// Many that read and write one value at once, over connections that lose requests and replies: one
// order explains all.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <chrono>
#include <mutex>
#include <random>
#include <thread>

#include "base/error.h"
#include "base/token.h"
#include "primitives/state.h"
#include "redis/session.h"
#include "support/checkers.h"
#include "support/peer.h"
#include "support/server.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

constexpr int kClients = 8, kOperations = 30;

int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// What one client does, and what it saw.
class Worker {
 public:
  Worker(const std::string& server_socket, int number, unsigned seed)
      : peer_(server_socket),
        name_("p" + std::to_string(number)),
        random_(seed * 100 + static_cast<unsigned>(number)),
        scripts_(redis::make_session(loop_, redis::parse_url(peer_.url(), "test"), {})),
        state_(loop_, *scripts_, keys_, "key") {}

  void run() {
    for (int i = 0; i < kOperations; ++i) {
      if (pick(3) == 0) fault();
      switch (pick(5)) {
        case 0:
          set({});
          break;
        case 1:
          set(last_seen_);
          break;
        case 2:
          incr();
          break;
        default:
          get();
      }
    }
  }

  const History& history() const { return history_; }
  int faults() const { return peer_.faults(); }

 private:
  int pick(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  redis::Patience patience() { return {loop_.now() + 60s, kNever}; }

  /// The connection there is breaks, and the next one loses a request or a reply.
  void fault() {
    Fault fault;
    fault.kind = pick(2) == 0 ? Fault::Kind::reset_reply : Fault::Kind::reset_request;
    peer_.plan(0, fault);
    peer_.reset_all();
  }

  Operation& begin(const std::string& what) {
    Operation operation;
    operation.process = name_;
    operation.id = name_ + "." + std::to_string(history_.size());
    operation.what = what;
    operation.invoke = now_us();
    history_.push_back(std::move(operation));
    return history_.back();
  }

  StateGuard guard() {
    StateGuard g;
    g.token = random_token();
    return g;
  }

  void end(Operation& operation, const StateAnswer& answer) {
    operation.returned = now_us();
    const auto* written = std::get_if<StateWritten>(&answer);
    operation.outcome = written ? Operation::Outcome::done : Operation::Outcome::refused;
    if (written == nullptr) return;
    operation.with["version"] = written->version;
    if (!written->number.empty()) operation.with["number"] = written->number;
  }

  /// Unconditionally, or only if the value is still of that version.
  void set(const std::string& version) {
    Operation& operation = begin("set");
    StateChange change;
    change.bytes = std::to_string(pick(1000) * 10);
    change.if_version = version;
    operation.with["value"] = change.bytes;
    if (!version.empty()) operation.with["if_version"] = version;
    end(operation, loop_.run(state_.set(change, guard(), patience())));
  }

  void incr() {
    Operation& operation = begin("incr");
    operation.with["by"] = "1";
    end(operation, loop_.run(state_.incr(StateIncrement(), guard(), patience())));
  }

  void get() {
    Operation& operation = begin("get");
    const StateValue value = loop_.run(state_.get(patience()));
    operation.returned = now_us();
    operation.outcome = Operation::Outcome::done;
    if (value.present) {
      operation.with["value"] = value.bytes;
      operation.with["version"] = value.version;
    } else {
      operation.with["absent"] = "1";
    }
    last_seen_ = value.present ? value.version : "0";
  }

  Peer peer_;
  const std::string name_;
  std::mt19937 random_;
  SystemClock clock_;
  Loop loop_{clock_};
  Keys keys_{"test"};
  std::unique_ptr<redis::ScriptRunner> scripts_;
  State state_;
  std::string last_seen_ = "0";
  History history_;
};

TEST_CASE(
    "state: set, compare-and-set, incr and get of eight clients are linearizable under faults") {
  const std::string program = GENERATE(from_range(server_programs()));
  const unsigned seed = std::random_device()();
  CAPTURE(program, seed);
  Server server(program);
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < kClients; ++i)
    workers.push_back(std::make_unique<Worker>(server.socket(), i, seed));
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::vector<std::string> failures;
  for (auto& worker : workers) {
    threads.emplace_back([&] {
      try {
        worker->run();
      } catch (const std::exception& error) {
        const std::lock_guard lock(mutex);
        failures.emplace_back(error.what());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  REQUIRE(failures.empty());
  History all;
  int faults = 0;
  for (const auto& worker : workers) {
    all.insert(all.end(), worker->history().begin(), worker->history().end());
    faults += worker->faults();
  }
  std::sort(all.begin(), all.end(),
            [](const Operation& a, const Operation& b) { return a.invoke < b.invoke; });
  CHECK(all.size() == kClients * kOperations);
  CHECK(faults > kClients);
  const Violations violations = check_state(all);
  INFO(text(violations));
  CHECK(violations.empty());
  // The checker sees it if an answer is changed.
  for (Operation& operation : all) {
    if (operation.what != "get" || operation.number("absent") == 1) continue;
    operation.with["value"] += "1";
    CHECK_FALSE(check_state(all).empty());
    break;
  }
}

}  // namespace
}  // namespace dcoord::testing
