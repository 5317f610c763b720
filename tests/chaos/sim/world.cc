#include "chaos/sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/log.h"

namespace dcoord::testing::sim {

namespace {
constexpr Duration kAttempt = 1500ms;  // a client waits so long for an answer

/// Whether a message is lost now.
bool loses(World& w) {
  const bool lost = w.weather().losses && !w.healed() && w.chance(5);
  w.effects.lost += lost;
  return lost;
}

std::string text_of(const Reply& reply) {
  if (reply.is_nil()) return "nil";
  if (reply.type() == Reply::Type::integer) return std::to_string(reply.number());
  return reply.is_array() ? "[...]" : log::printable(reply.text());
}
}  // namespace

void Effects::add(const Effects& o) {
  lost += o.lost, late += o.late, refused += o.refused, crashes += o.crashes;
  outages += o.outages, data_losses += o.data_losses, jumps += o.jumps;
  scripts += o.scripts, mails += o.mails;
}

/// A request under way.
struct World::Exchange {
  explicit Exchange(Loop& loop) : answered(loop) {}
  std::string script;
  Words keys, args;
  std::vector<Words> commands;  // instead of a script
  Reply reply;
  bool refused = false;  // certainly not executed
  bool sent = false;     // it may have been
  Event answered;
};

/// What the client's own runner promises, over this network: the same request is sent again until
/// patience ends.
class SimRunner : public redis::ScriptRunner {
 public:
  explicit SimRunner(World& world) : w_(world) {}

  Task<redis::Answer> run(redis::Call call, redis::Patience patience) override {
    auto make = [this, call] {
      auto x = std::make_shared<World::Exchange>(w_.loop_);
      x->script = call.script->name;
      x->keys = call.keys;
      x->args = call.args;
      return x;
    };
    const bool writes = call.script->writes;
    Task<redis::Answer> trying = persist(std::move(make), writes, patience);
    co_return co_await trying;
  }

  Task<std::vector<redis::Answer>> run_all(std::vector<redis::Call> calls,
                                           redis::Patience patience) override {
    std::vector<redis::Answer> answers;
    for (redis::Call& call : calls) {
      Task<redis::Answer> running = run(std::move(call), patience);
      answers.push_back(co_await running);
    }
    co_return answers;
  }

  Task<std::vector<redis::Answer>> run_commands(std::vector<std::vector<std::string>> commands,
                                                redis::Patience patience) override {
    auto make = [this, commands] {
      auto x = std::make_shared<World::Exchange>(w_.loop_);
      x->commands = commands;
      return x;
    };
    Task<redis::Answer> trying = persist(std::move(make), false, patience);
    const redis::Answer all = co_await trying;
    std::vector<redis::Answer> answers;
    for (const Reply& reply : all.reply.elements()) answers.push_back({reply, all.sent});
    co_return answers;
  }

  Task<std::optional<std::string>> wait_message(std::string mailbox, TimePoint until) override {
    // A connection that breaks, or a message that is lost on the way, ends it early.
    if (w_.weather_.losses && !w_.healed_ && w_.chance(5))
      until = std::min(until, w_.now() + w_.upto(3s));
    co_await w_.loop_.sleep(w_.travel());
    while (w_.now() < until) {
      w_.sync_clock();
      if (w_.up_) {
        Words pop{"LPOP", mailbox};
        const Reply message = w_.model_.call(pop);
        if (!message.is_nil()) {
          const bool lost = w_.weather_.losses && !w_.healed_ && w_.chance(5);
          co_await w_.loop_.sleep(w_.travel());
          if (lost) {
            ++w_.effects.lost;
            co_return std::nullopt;
          }
          co_return message.text();
        }
      }
      auto event = std::make_shared<Event>(w_.loop_);
      const auto at = w_.listening_.emplace(mailbox, event);
      const Forget forget{w_, at};
      co_await event->wait(until);
    }
    co_return std::nullopt;
  }

 private:
  /// Takes a listener out, also when the waiting is cancelled.
  struct Forget {
    World& w;
    std::multimap<std::string, std::shared_ptr<Event>>::iterator at;
    Forget(World& world, decltype(at) where) : w(world), at(where) {}
    Forget(const Forget&) = delete;
    Forget& operator=(const Forget&) = delete;
    ~Forget() { w.listening_.erase(at); }
  };

  Task<redis::Answer> persist(std::function<std::shared_ptr<World::Exchange>()> make, bool writes,
                              redis::Patience patience) {
    bool may_be_done = false;
    while (true) {
      const std::shared_ptr<World::Exchange> x = make();
      const TimePoint sent = w_.now();
      w_.start(w_.exchange(x));
      const bool answered = co_await x->answered.wait(std::min(sent + kAttempt, patience.until));
      if (answered && !x->refused) {
        redis::Answer answer{x->reply, sent};
        co_return answer;
      }
      may_be_done = may_be_done || !x->refused;
      const TimePoint again = w_.now() + 20ms + w_.upto(100ms);
      const bool connects = may_be_done || again < patience.connect_until;
      if (again >= patience.until || !connects) {
        if (may_be_done && writes) throw Error(ExitCode::unknown, "unknown", "no answer in time");
        throw Error(ExitCode::unavailable, "unavailable", "cannot be reached");
      }
      co_await w_.loop_.sleep_until(again);
    }
  }

  World& w_;
};

World::World(Scripts& scripts, uint64_t seed, Weather weather, bool trace)
    : scripts_(scripts), random_(seed), weather_(weather), trace_(trace) {
  sync_clock();
  if (weather_.outages || weather_.data_loss || weather_.clock_jumps) start(trouble());
}

World::~World() {
  tasks_.clear();
  listening_.clear();
}

std::unique_ptr<redis::ScriptRunner> World::new_runner() {
  return std::make_unique<SimRunner>(*this);
}

std::string World::token() { return fmt::format("{:016x}{:016x}", random_(), random_()); }

Operation& World::record(std::string what, const std::string& process, const std::string& id) {
  Operation o;
  o.what = std::move(what);
  o.process = process;
  o.id = id;
  o.invoke = now_us();
  operations_.push_back(std::move(o));
  return operations_.back();
}

void World::note(const std::string& text) {
  if (trace_) fmt::print("{:>12.3f} {}\n", static_cast<double>(now_us()) / 1e6 - 1000, text);
}

void World::violate(const std::string& name, const std::string& text) {
  note("VIOLATION " + name + ": " + text);
  violations_.push_back({name, text});
}

void World::sync_clock() { model_.now_us = now_us() + server_ahead_us_; }

Duration World::travel() {
  if (healed_ || !weather_.losses) return 1ms + upto(3ms);
  if (!chance(6)) return 1ms + upto(20ms);
  ++effects.late;
  return chance(50) ? upto(500ms) : upto(8s);
}

void World::start(Task<void> task) {
  std::erase_if(tasks_, [](const Task<void>& t) { return t.done(); });
  tasks_.push_back(std::move(task));
  loop_.start(tasks_.back());
}

Task<void> World::sentinel(TimePoint end) { co_await loop_.sleep_until(end); }

void World::run_until(TimePoint end) {
  Task<void> bound = sentinel(end);
  loop_.start(bound);
  while (!bound.done() && violations_.empty()) loop_.turn();
}

void World::heal() {
  healed_ = true;
  up_ = true;
  note("all is well from now on");
}

/// Carries a request to the server and its answer back, and either may not arrive. It goes on
/// though nobody waits for it any more.
Task<void> World::exchange(std::shared_ptr<Exchange> x) {
  co_await loop_.sleep(travel());
  if (!up_) {
    ++effects.refused;
    x->refused = true;
    x->answered.set();
    co_return;
  }
  if (loses(*this)) co_return;
  if (x->commands.empty()) {
    x->reply = execute(x->script, x->keys, x->args);
  } else {
    sync_clock();
    std::vector<Reply> replies;
    for (const Words& words : x->commands) replies.push_back(model_.call(words));
    x->reply = Reply::array(std::move(replies));
  }
  if (loses(*this)) co_return;
  co_await loop_.sleep(travel());
  x->answered.set();
}

Reply World::execute(const std::string& name, const Words& keys, const Words& args) {
  sync_clock();
  if (weather_.data_loss && chance(10)) keep_snapshot();
  ++effects.scripts;
  Reply reply = scripts_.run(model_, name, keys, args);
  const ScriptTrace& trace = scripts_.trace();
  if (tracing()) {
    std::string words;
    for (const Reply& e : reply.is_array() ? reply.elements() : std::vector<Reply>{reply})
      words += " " + text_of(e);
    note(fmt::format("{} {} ->{}", name, args.empty() ? "" : args[0].substr(0, 6), words));
  }
  if (!trace.lua_error.empty())
    violate("script.runtime_error", name + ": " + trace.lua_error);
  else if (reply.is_error())
    violate("script.error", name + ": " + reply.text());
  if (!trace.foreign_key.empty()) violate("script.foreign_key", name + ": " + trace.foreign_key);
  for (const Words& mail : trace.mails) {
    ++effects.mails;
    const auto [from, to] = listening_.equal_range(mail[0]);
    for (auto at = from; at != to; ++at) at->second->set();
  }
  if (invariant) invariant({name, args, reply});
  return reply;
}

void World::keep_snapshot() {
  snapshots_.push_back(model_.data);
  if (snapshots_.size() > 8) snapshots_.erase(snapshots_.begin());
}

/// As after a failover to a replica that lagged, or a restart without persistence.
void World::lose_data() {
  ++effects.data_losses;
  if (snapshots_.empty() || chance(30)) {
    model_.data.clear();
    note("the server lost all its data");
  } else {
    model_.data = snapshots_[pick(snapshots_.size())];
    snapshots_.clear();
    note("the server lost its latest writes");
  }
  if (on_data_loss) on_data_loss();
}

/// What happens to the server.
Task<void> World::trouble() {
  while (true) {
    co_await loop_.sleep(500ms + upto(15s));
    if (healed_) co_return;
    if (weather_.clock_jumps && chance(50)) {
      ++effects.jumps;
      // Back by an hour, a lock of somebody who died would stay for an hour: only little.
      const bool back = chance(50);
      const Duration by = upto(back || chance(50) ? Duration(30s) : Duration(1h));
      server_ahead_us_ += (back ? -1 : 1) * (by / 1us);
      note("the server's clock jumped");
      sync_clock();
      continue;
    }
    if (!weather_.outages && !weather_.data_loss) continue;
    up_ = false;
    ++effects.outages;
    note("the server is away");
    co_await loop_.sleep(upto(8s));
    if (weather_.data_loss && !healed_) lose_data();
    up_ = true;
    note("the server is back");
  }
}

}  // namespace dcoord::testing::sim
