#include "redis/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "redis/channel.h"
#include "redis/protocol.h"
#include "redis/retrying_runner.h"
#include "redis/session_errors.h"
#include "redis/slots.h"

namespace dcoord::redis {
namespace {

constexpr int kMostRedirects = 5;
// A runner that is in use for longer has to know more nodes than the ones that it speaks to: they
// may die.
constexpr Duration kLongLived = std::chrono::milliseconds(100);
constexpr Duration kLaneWaits = std::chrono::hours(1);

/// One node that was spoken to.
struct Node {
  Node(Loop& loop, Server s, const SessionOptions& options)
      : server(std::move(s)), channel(loop, server, options) {}
  Server server;
  Channel channel;
};

/// What one node gets of a batch.
struct Share {
  Node* node = nullptr;
  Batch part;
  std::vector<size_t> places;  // of its requests in the batch
  Step step;
};

/// The worst of two outcomes decides what comes next.
bool is_worse(const Step& a, const Step& b) {
  const auto rank = [](const Step& step) {
    switch (step.next) {
      case Step::Next::fail:
        return 4;
      case Step::Next::back_off:
        return 3;
      case Step::Next::redirect:
        return 2;
      case Step::Next::again:
        return 1;
      case Step::Next::go_on:
        break;
    }
    return 0;
  };
  return rank(a) > rank(b);
}

/// A wait for the streams of one slot, over connections of its own: it goes on while its owner does
/// something else.
struct WaitLane {
  std::vector<ScriptRunner::StreamPlace> places;
  std::unique_ptr<ScriptRunner> runner;
  Task<void> task;
  bool over = false;
  std::vector<std::string> found;
  std::optional<Error> error;
};

Task<void> wait_on(WaitLane& lane, TimePoint until, Event& ended) {
  try {
    Task<std::vector<std::string>> waiting = lane.runner->wait_entries(lane.places, until);
    lane.found = co_await waiting;
  } catch (const Error& error) {
    lane.error = error;
  }
  lane.over = true;
  ended.set();
}

class Cluster final : public RetryingRunner {
 public:
  Cluster(Loop& loop, Target target, SessionOptions options)
      : RetryingRunner(loop, std::move(options)), target_(std::move(target)) {}

 private:
  Task<Step> attempt(Batch& batch, TimePoint connect_until, TimePoint until) override;
  Task<Step> attempt_wait(Batch& batch, Blocking command, TimePoint until) override;
  Task<std::vector<std::string>> wait_entries(std::vector<StreamPlace> places,
                                              TimePoint until) override;
  void ask_password() override { any_node(); }
  void abandon() override {
    for (const auto& node : nodes_) node->channel.abandon();
  }
  const Server& last_server() const override { return last_ ? last_->server : target_.server; }

  Node& node_at(const HostPort& address);
  Node& any_node();
  Node& node_for(const Request& request);
  bool needs_map(const Batch& batch);
  Task<Step> load_map(const Batch& batch, TimePoint until);
  std::vector<Share> split(Batch& batch);
  Task<void> carry_out_all(std::vector<Share>& shares, TimePoint connect_until, TimePoint until);
  Task<void> carry_out_one(Share& share, TimePoint connect_until, TimePoint until);
  Task<void> carry_out_lane(Share& share, TimePoint connect_until, TimePoint until, Event& done);
  Step gather(Batch& batch, std::vector<Share>& shares);
  void doubt(Node& node, const Step& step);
  void learn(Node& node, Request& request, const Step& step);

  const Target target_;
  std::vector<std::unique_ptr<Node>> nodes_;
  SlotMap map_;
  bool outdated_ = true;  // of the map as a whole
  std::optional<TimePoint> first_used_;
  size_t any_ = 0;  // which one to ask when the map does not tell
  Node* last_ = nullptr;
  Event lane_ended_{loop_};
  std::map<int, WaitLane> lanes_;  // by slot; last, for their tasks use the rest
};

Node& Cluster::node_at(const HostPort& address) {
  for (const auto& node : nodes_) {
    if (node->server.address() == address) return *node;
  }
  Server server = target_.server;  // with its user, password and TLS
  server.set_address(address);
  server.part = "cluster";
  nodes_.push_back(std::make_unique<Node>(loop_, std::move(server), options_));
  nodes_.back()->channel.ask_password();
  return *nodes_.back();
}

/// One of the URL's, or of those that they told of; another one after each that failed.
Node& Cluster::any_node() {
  const size_t given = target_.nodes.size();
  const size_t i = any_ % (given + map_.nodes().size());
  return node_at(i < given ? target_.nodes[i] : map_.nodes()[i - given]);
}

Node& Cluster::node_for(const Request& request) {
  if (request.ask) return node_at(*request.ask);
  const HostPort* const owner = map_.owner(request.slot);
  return owner != nullptr ? node_at(*owner) : any_node();
}

/// A single slot is found by a redirection as fast as by the map, and often without either.
bool Cluster::needs_map(const Batch& batch) {
  if (!outdated_) return false;
  const TimePoint now = loop_.now();
  if (!first_used_) first_used_ = now;
  if (now - *first_used_ > kLongLived) return true;
  const int slot = batch.requests[batch.first].slot;
  const auto rest = batch.requests.begin() + static_cast<std::ptrdiff_t>(batch.first);
  return std::any_of(rest, batch.requests.end(),
                     [&](const Request& request) { return request.slot != slot; });
}

/// Asks a node that the batch is for: one that does not answer would have held it up anyway.
Task<Step> Cluster::load_map(const Batch& batch, TimePoint until) {
  Share share;
  share.node = &node_for(batch.requests[batch.first]);
  Request request;
  request.name = "CLUSTER SLOTS";
  append_command(request.wire, {"CLUSTER", "SLOTS"});
  share.part.requests.push_back(std::move(request));
  co_await carry_out_one(share, until, until);
  if (share.step.next == Step::Next::go_on) {
    map_.load(share.part.requests.front().answer->reply, share.node->server.address());
    outdated_ = false;
  }
  co_return share.step;
}

/// Moves what is left of the batch into shares.
std::vector<Share> Cluster::split(Batch& batch) {
  std::vector<Share> shares;
  for (size_t i = batch.first; i < batch.requests.size(); ++i) {
    Request& request = batch.requests[i];
    if (request.answer) continue;
    Node* const node = &node_for(request);
    auto share =
        std::find_if(shares.begin(), shares.end(), [&](const Share& s) { return s.node == node; });
    if (share == shares.end()) {
      share = shares.emplace(shares.end());
      share->node = node;
      share->part.writes = batch.writes;
      share->part.load = batch.load;
      share->part.each = batch.each;
      share->part.confirm = batch.confirm;
    }
    share->part.requests.push_back(std::move(request));
    share->places.push_back(i);
  }
  return shares;
}

Task<void> Cluster::carry_out_one(Share& share, TimePoint connect_until, TimePoint until) {
  Node& node = *share.node;
  last_ = &node;
  share.step = co_await attempt_on(node.channel, share.part, connect_until, until);
  if (share.step.next == Step::Next::back_off) doubt(node, share.step);
}

/// After an attempt that failed: the node may be gone, and another one serve its slots.
void Cluster::doubt(Node& node, const Step& step) {
  last_ = &node;
  if (!step.in_doubt) return;
  map_.forget(node.server.address());
  outdated_ = true;
  ++any_;
}

Task<void> Cluster::carry_out_lane(Share& share, TimePoint connect_until, TimePoint until,
                                   Event& done) {
  try {
    Task<void> one = carry_out_one(share, connect_until, until);
    co_await one;
  } catch (const Error& error) {
    share.step.next = Step::Next::fail;
    share.step.error = error;
  }
  done.set();
}

Task<void> Cluster::carry_out_all(std::vector<Share>& shares, TimePoint connect_until,
                                  TimePoint until) {
  if (shares.size() == 1) {
    co_await carry_out_one(shares.front(), connect_until, until);
    co_return;
  }
  Event done(loop_);
  std::vector<Task<void>> lanes;
  for (Share& share : shares) {
    lanes.push_back(carry_out_lane(share, connect_until, until, done));
    loop_.start(lanes.back());
  }
  const auto finished = [](const Task<void>& lane) { return lane.done(); };
  while (!std::all_of(lanes.begin(), lanes.end(), finished)) co_await done.wait();
}

void Cluster::learn(Node& node, Request& request, const Step& step) {
  HostPort there = step.node;
  if (there.host.empty()) there.host = node.server.host;
  if (step.once) {
    request.ask = there;
    return;
  }
  map_.assign(request.slot, there);
  outdated_ = true;
}

/// Puts the requests back, with what became of them.
Step Cluster::gather(Batch& batch, std::vector<Share>& shares) {
  Step worst;
  for (Share& share : shares) {
    Batch& part = share.part;
    for (Request& request : part.requests) request.ask.reset();
    if (share.step.next == Step::Next::redirect)
      learn(*share.node, part.requests[part.first], share.step);
    batch.load |= part.load;
    batch.sent |= part.sent;
    batch.may_be_done |= part.may_be_done;
    for (size_t i = 0; i < part.requests.size(); ++i)
      batch.requests[share.places[i]] = std::move(part.requests[i]);
    if (is_worse(share.step, worst)) worst = std::move(share.step);
  }
  while (!batch.done() && batch.requests[batch.first].answer) ++batch.first;
  return worst;
}

Task<Step> Cluster::attempt(Batch& batch, TimePoint connect_until, TimePoint until) {
  for (int redirects = 0;; ++redirects) {
    if (needs_map(batch)) {
      Step step = co_await load_map(batch, connect_until);
      if (step.next != Step::Next::go_on) co_return step;
    }
    std::vector<Share> shares = split(batch);
    co_await carry_out_all(shares, connect_until, until);
    Step step = gather(batch, shares);
    if (step.next != Step::Next::redirect) co_return step;
    if (redirects < kMostRedirects) continue;
    // The nodes do not agree yet.
    step.next = Step::Next::back_off;
    step.why = step.error->what();
    step.error.reset();
    co_return step;
  }
}

Task<Step> Cluster::attempt_wait(Batch& batch, Blocking command, TimePoint until) {
  Request& request = batch.requests.front();
  Step step;
  for (int redirects = 0; redirects <= kMostRedirects; ++redirects) {
    Node& node = node_for(request);
    last_ = &node;
    step = co_await block(node.channel, batch, command, until);
    node.channel.abandon();
    if (step.next == Step::Next::back_off) doubt(node, step);
    if (step.next != Step::Next::redirect) co_return step;
    request.ask.reset();
    learn(node, request, step);
  }
  step.next = Step::Next::back_off;
  step.why = step.error->what();
  co_return step;
}

/// A connection that blocks does nothing else, and a command is about one slot only. The waits of
/// slots where nothing has changed are left alone, so that an event in one costs nothing in the
/// others.
Task<std::vector<std::string>> Cluster::wait_entries(std::vector<StreamPlace> places,
                                                     TimePoint until) {
  std::map<int, std::vector<StreamPlace>> slots;
  for (StreamPlace& place : places) slots[slot_of(place.stream)].push_back(std::move(place));
  if (slots.size() == 1) {
    lanes_.clear();
    Task<std::vector<std::string>> waiting =
        RetryingRunner::wait_entries(std::move(slots.begin()->second), until);
    co_return co_await waiting;
  }
  std::erase_if(lanes_, [&](const auto& lane) { return !slots.contains(lane.first); });
  for (auto& [slot, wanted] : slots) {
    WaitLane& lane = lanes_[slot];
    if (lane.task && !lane.over && lane.places == wanted) continue;
    lane.task.cancel();
    if (!lane.runner) lane.runner = make_cluster(loop_, target_, options_);
    lane.places = std::move(wanted);
    lane.over = false;
    lane.found.clear();
    lane.task = wait_on(lane, add(loop_.now(), kLaneWaits), lane_ended_);
    loop_.start(lane.task);
  }
  const auto any_over = [&] {
    return std::any_of(lanes_.begin(), lanes_.end(),
                       [](const auto& lane) { return lane.second.over; });
  };
  while (!any_over()) {
    const bool ended = co_await lane_ended_.wait(until);
    if (!ended) break;
  }
  std::vector<std::string> found;
  bool unknown = false;
  for (auto& [slot, lane] : lanes_) {
    if (!lane.over) continue;
    if (lane.error) throw *lane.error;
    unknown = unknown || lane.found.empty();
    found.insert(found.end(), lane.found.begin(), lane.found.end());
  }
  if (unknown) found.clear();
  co_return found;
}

}  // namespace

std::unique_ptr<ScriptRunner> make_cluster(Loop& loop, Target target, SessionOptions options) {
  return std::make_unique<Cluster>(loop, std::move(target), std::move(options));
}

}  // namespace dcoord::redis
