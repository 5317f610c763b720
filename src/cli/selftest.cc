#include "cli/selftest.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "base/token.h"
#include "cli/context.h"
#include "primitives/barrier.h"
#include "primitives/lock.h"
#include "primitives/queue.h"
#include "primitives/state.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

constexpr const char* kThing = "selftest";

/// One client: a connection that may be thrown away at any time.
struct Client {
  std::unique_ptr<redis::ScriptRunner> runner;
};

class SelfTest {
 public:
  SelfTest(Context& context, SelfTestSettings settings)
      : context_(context),
        settings_(settings),
        namespace_(fmt::format("{}:selftest-{}", context.config().key_namespace,
                               random_token().substr(0, 8))),
        keys_(namespace_) {
    clients_.resize(static_cast<size_t>(settings.clients));
    for (Client& client : clients_) client.runner = context_.new_scripts();
  }

  Task<std::vector<SelfTestPart>> run() {
    using Life = Task<void> (SelfTest::*)(Client&, SelfTestPart&);
    const struct {
      const char *name, *promise;
      Life life;
    } parts[] = {
        {"lock", "never two hold an exclusive lock, and fencing tokens rise", &SelfTest::locks},
        {"queue", "every item that was pushed is delivered, and done once", &SelfTest::queues},
        {"state", "every increment counts once", &SelfTest::states},
        {"barrier", "nobody passes before all have arrived", &SelfTest::barriers},
    };
    for (const auto& part : parts) {
      SelfTestPart result{part.name, part.promise, 0, 0, {}};
      Task<void> together = all(part.life, result);
      co_await together;
      finish(result);
      results_.push_back(std::move(result));
    }
    Task<void> removing = clean_up();
    co_await removing;
    co_return std::move(results_);
  }

 private:
  redis::Patience patience() {
    return {add(context_.loop().now(), 30s), add(context_.loop().now(), 10s)};
  }
  size_t pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

  /// All clients at once; the first failure of one ends it.
  Task<void> all(Task<void> (SelfTest::*life)(Client&, SelfTestPart&), SelfTestPart& part) {
    Event finished(context_.loop());
    std::vector<detail::RaceLane<int>> lanes(clients_.size());
    std::vector<Task<void>> running;
    for (size_t i = 0; i < clients_.size(); ++i) {
      Task<int> one = whole(life, clients_[i], part);
      running.push_back(detail::run_lane(std::move(one), lanes[i], finished));
      context_.loop().start(running.back());
    }
    const auto done = [](const Task<void>& task) { return task.done(); };
    while (!std::all_of(running.begin(), running.end(), done)) {
      co_await finished.wait();
      for (const auto& lane : lanes) {
        if (lane.error) std::rethrow_exception(lane.error);
      }
    }
    for (const auto& lane : lanes) {
      if (lane.error) std::rethrow_exception(lane.error);
    }
  }

  Task<int> whole(Task<void> (SelfTest::*life)(Client&, SelfTestPart&), Client& client,
                  SelfTestPart& part) {
    Task<void> running = (this->*life)(client, part);
    co_await running;
    co_return 0;
  }

  Task<int> moment() {
    co_await context_.loop().sleep(
        Duration(static_cast<int64_t>(pick(pick(2) == 0 ? 200'000 : 3'000'000))));
    co_return 0;
  }

  /// Makes a request. In chaos it may be thrown away with its connection at any time, and is then
  /// made again: nobody knows whether it was done.
  template <class T>
  Task<T> ask(Client& client, SelfTestPart& part, std::function<Task<T>()> make) {
    ++part.operations;
    while (settings_.chaos && pick(3) == 0) {
      Task<T> request = make();
      Task<int> patience_ends = moment();
      Task<std::variant<T, int>> either =
          race(context_.loop(), std::move(request), std::move(patience_ends));
      std::variant<T, int> outcome = co_await either;
      if (T* answer = std::get_if<0>(&outcome)) co_return std::move(*answer);
      ++part.interrupted;
      client.runner = context_.new_scripts();
    }
    Task<T> request = make();
    co_return co_await request;
  }

  Task<void> locks(Client& client, SelfTestPart& part) {
    for (int round = 0; round < settings_.rounds; ++round) {
      LockRequest request;
      request.token = random_token();
      request.ttl = 30s;
      std::function<Task<LockAnswer>()> acquire = [this, &client, &request] {
        return held_by(client, request);
      };
      const LockAnswer answer = co_await ask(client, part, std::move(acquire));
      const auto* granted = std::get_if<LockGranted>(&answer);
      if (granted == nullptr) {
        part.violations.push_back("a lock was not granted though every holder released it");
        co_return;
      }
      if (++inside_ != 1) part.violations.push_back("two held an exclusive lock at once");
      if (granted->fence <= fence_) part.violations.push_back("a fencing token did not rise");
      fence_ = granted->fence;
      co_await context_.loop().sleep(500us);
      --inside_;
      std::function<Task<LockReleased>()> release = [this, &client, &request] {
        return released_by(client, request.token);
      };
      co_await ask(client, part, std::move(release));
    }
  }
  Task<LockAnswer> held_by(Client& client, LockRequest request) {
    Lock lock(context_.loop(), *client.runner, keys_, kThing);
    const redis::Patience first = patience();
    Task<LockAnswer> acquiring =
        lock.acquire(std::move(request), add(context_.loop().now(), 60s), first, nullptr);
    co_return co_await acquiring;
  }
  Task<LockReleased> released_by(Client& client, std::string token) {
    Lock lock(context_.loop(), *client.runner, keys_, kThing);
    Task<LockReleased> releasing =
        lock.release(std::move(token), Duration::zero(), false, patience());
    co_return co_await releasing;
  }

  Task<void> queues(Client& client, SelfTestPart& part) {
    for (int round = 0; round < settings_.rounds; ++round) {
      const std::string producer = random_token();
      const std::string item = fmt::format("item {}", ++items_);
      std::function<Task<int>()> push = [this, &client, &producer, &item] {
        return pushed_by(client, producer, item);
      };
      co_await ask(client, part, std::move(push));
      const std::string token = random_token();
      std::function<Task<std::vector<QueueItem>>()> take = [this, &client, &token] {
        return taken_by(client, token);
      };
      const std::vector<QueueItem> taken = co_await ask(client, part, std::move(take));
      for (const QueueItem& one : taken) {
        ++deliveries_[one.payload];
        const std::string receipt = one.receipt, request = random_token();
        std::function<Task<bool>()> ack = [this, &client, &receipt, &request] {
          return acknowledged_by(client, request, receipt);
        };
        if (co_await ask(client, part, std::move(ack))) ++done_[one.payload];
      }
    }
  }
  Task<int> pushed_by(Client& client, std::string producer, std::string item) {
    Queue queue(context_.loop(), *client.runner, keys_, kThing);
    std::vector<PushBatch> batches(1);
    batches[0].items.push_back(std::move(item));
    Task<std::vector<Pushed>> pushing =
        queue.push(std::move(producer), {}, std::move(batches), patience());
    co_await pushing;
    co_return 0;
  }
  Task<std::vector<QueueItem>> taken_by(Client& client, std::string token) {
    Queue queue(context_.loop(), *client.runner, keys_, kThing);
    TakeRequest request;
    request.token = std::move(token);
    request.lease = 60s;
    const redis::Patience first = patience();
    Task<TakeAnswer> taking =
        queue.take(std::move(request), add(context_.loop().now(), 60s), first);
    const TakeAnswer answer = co_await taking;
    const auto* taken = std::get_if<Taken>(&answer);
    co_return taken == nullptr ? std::vector<QueueItem>() : taken->items;
  }
  Task<bool> acknowledged_by(Client& client, std::string request, std::string receipt) {
    Queue queue(context_.loop(), *client.runner, keys_, kThing);
    std::vector<std::string> receipts{std::move(receipt)};
    Task<Acked> acking = queue.ack(std::move(request), std::move(receipts), patience());
    const Acked acked = co_await acking;
    co_return acked.again || acked.count == 1;
  }

  Task<void> states(Client& client, SelfTestPart& part) {
    for (int round = 0; round < settings_.rounds; ++round) {
      const std::string token = random_token();
      std::function<Task<std::string>()> add_one = [this, &client, &token] {
        return incremented_by(client, token);
      };
      const std::string number = co_await ask(client, part, std::move(add_one));
      ++increments_;
      if (!numbers_.insert(number).second)
        part.violations.push_back(fmt::format("two increments made {}", number));
    }
  }
  Task<std::string> incremented_by(Client& client, std::string token) {
    State state(context_.loop(), *client.runner, keys_, kThing);
    StateGuard guard;
    guard.token = std::move(token);
    Task<StateAnswer> adding = state.incr({}, std::move(guard), patience());
    const StateAnswer answer = co_await adding;
    const auto* written = std::get_if<StateWritten>(&answer);
    co_return written == nullptr ? "" : written->number;
  }

  Task<void> barriers(Client& client, SelfTestPart& part) {
    const auto parties = static_cast<int>(clients_.size());
    for (int round = 0; round < settings_.rounds; ++round) {
      BarrierRequest request;
      request.token = random_token();
      request.id = fmt::format("party {}", &client - clients_.data());
      request.parties = parties;
      ++arrived_[round];
      std::function<Task<BarrierAnswer>()> wait = [this, &client, &request] {
        return passed_by(client, request);
      };
      const BarrierAnswer answer = co_await ask(client, part, std::move(wait));
      if (!std::holds_alternative<BarrierPassed>(answer))
        part.violations.push_back("a party did not pass though all had arrived");
      if (arrived_[round] < parties)
        part.violations.push_back(
            fmt::format("one passed when {} of {} had arrived", arrived_[round], parties));
    }
  }
  Task<BarrierAnswer> passed_by(Client& client, BarrierRequest request) {
    Barrier barrier(context_.loop(), *client.runner, keys_, kThing);
    const redis::Patience first = patience();
    Task<BarrierAnswer> waiting =
        barrier.wait(std::move(request), add(context_.loop().now(), 60s), first, nullptr);
    co_return co_await waiting;
  }

  /// What only the whole of it shows.
  void finish(SelfTestPart& part) {
    if (part.name == "queue") {
      if (static_cast<int>(done_.size()) != items_)
        part.violations.push_back(
            fmt::format("{} items were pushed, {} are done", items_, done_.size()));
      for (const auto& [item, times] : done_) {
        if (times != 1) part.violations.push_back(fmt::format("{} was done {} times", item, times));
      }
      for (const auto& [item, times] : deliveries_) {
        if (times != 1)
          part.violations.push_back(fmt::format("{} was delivered {} times", item, times));
      }
    }
    if (part.name == "state" && !numbers_.contains(std::to_string(increments_)))
      part.violations.push_back(
          fmt::format("after {} increments the value is another number", increments_));
  }

  Task<void> clean_up() {
    std::vector<std::string> words{"UNLINK"};
    for (const char* part : {"", "r", "l", "b", "t", "d", "q", "w", "p", "o", "i"})
      words.push_back(keys_.queue_part(kThing, part));
    for (const auto& key : {keys_.lock(kThing), keys_.lock_line(kThing), keys_.lock_waiters(kThing),
                            keys_.state(kThing), keys_.state_watching(kThing),
                            keys_.barrier(kThing), keys_.barrier_parties(kThing),
                            keys_.barrier_waking(kThing), keys_.barrier_settled(kThing)}) {
      words.push_back(key);
    }
    for (const char* kind : {"lock", "queue", "state", "barrier"})
      words.push_back(keys_.index_of(kThing, kind));
    std::vector<std::vector<std::string>> commands{std::move(words)};
    bool left = false;
    try {
      const auto answers =
          co_await clients_[0].runner->run_commands(std::move(commands), patience());
      left = answers[0].reply.is_error();
    } catch (const Error&) {
      left = true;
    }
    if (left)
      log::warning("could not remove the keys of the self-test: they begin with " + namespace_);
  }

  Context& context_;
  SelfTestSettings settings_;
  std::string namespace_;
  Keys keys_;
  std::vector<Client> clients_;
  std::vector<SelfTestPart> results_;
  std::mt19937 random_{std::random_device{}()};
  int inside_ = 0;
  long long fence_ = 0;
  int items_ = 0;
  std::map<std::string, int> deliveries_, done_;
  int increments_ = 0;
  std::set<std::string> numbers_;
  std::map<int, int> arrived_;
};

}  // namespace

Task<std::vector<SelfTestPart>> self_test(Context& context, SelfTestSettings settings) {
  SelfTest test(context, settings);
  Task<std::vector<SelfTestPart>> running = test.run();
  co_return co_await running;
}

}  // namespace dcoord::cli
