#include "redis/sentinel.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "redis/classify.h"
#include "redis/connection.h"
#include "redis/session_errors.h"

namespace dcoord::redis {
namespace {

// One that has not answered by then may be stopped or cut off: another one is asked besides.
constexpr Duration kAskNextAfter = std::chrono::milliseconds(300);

constexpr const char* kCredentials =
    "the sentinels' password comes from --sentinel-pass-file or DCOORD_SENTINEL_PASSWORD, their "
    "user from --sentinel-user";

}  // namespace

struct Sentinels::Search {
  struct Lane {
    bool finished = false;
    bool unknown = false;  // it does not know a master of that name
    std::string why;
    std::optional<Error> lasting;
    std::optional<HostPort> master;
  };
  Search(Loop& loop, size_t nodes) : lanes(nodes), progress(loop) {}
  size_t finished() const {
    return static_cast<size_t>(
        std::count_if(lanes.begin(), lanes.end(), [](const Lane& lane) { return lane.finished; }));
  }
  std::vector<Lane> lanes;  // by the number of the sentinel
  Event progress;
};

Sentinels::Sentinels(Loop& loop, const Target& target) : loop_(loop), target_(target) {}

void Sentinels::ask_password() {
  if (std::exchange(asked_, true)) return;
  if (target_.sentinel_password) password_ = target_.sentinel_password();
  if (password_ && password_->empty()) password_.reset();
}

Task<Sentinels::Found> Sentinels::find(TimePoint until) {
  const size_t nodes = target_.nodes.size();
  Search search(loop_, nodes);
  std::vector<Task<void>> tasks;
  TimePoint last_start;
  while (true) {
    for (size_t i = 0; i < tasks.size(); ++i) {
      const size_t node = (first_ + i) % nodes;
      if (!search.lanes[node].master) continue;
      Found found;
      found.master = search.lanes[node].master;
      first_ = node;
      co_return found;
    }
    const TimePoint now = loop_.now();
    const bool all = tasks.size() == nodes;
    const size_t finished = search.finished();
    if ((all && finished == nodes) || now >= until) co_return failure(search);
    if (!all && (finished == tasks.size() || now >= add(last_start, kAskNextAfter))) {
      last_start = now;
      tasks.push_back(ask((first_ + tasks.size()) % nodes, search, until));
      loop_.start(tasks.back());
      continue;
    }
    co_await search.progress.wait(all ? until : std::min(until, add(last_start, kAskNextAfter)));
  }
}

Task<void> Sentinels::ask(size_t node, Search& search, TimePoint until) {
  Search::Lane& lane = search.lanes[node];
  try {
    Task<void> querying = query(node, search, until);
    co_await querying;
  } catch (const Error& error) {  // TLS files that cannot be used
    lane.lasting = error;
  }
  lane.finished = true;
  search.progress.set();
}

Task<void> Sentinels::query(size_t node, Search& search, TimePoint until) {
  Search::Lane& lane = search.lanes[node];
  Server server;
  server.set_address(target_.nodes[node]);
  server.tls = target_.server.tls;
  server.part = "a sentinel";
  Connection connection(loop_, server);
  const std::optional<Failure> failed = co_await connection.open(until);
  if (failed) {
    lane.why = failed->text;
    const bool refused =
        failed->kind == Failure::Kind::verification || failed->kind == Failure::Kind::no_tls;
    if (refused) lane.lasting = cannot_connect(server, *failed);
    co_return;
  }
  std::string wire;
  size_t replies = 1;
  if (password_ || !target_.sentinel_user.empty()) {
    std::vector<std::string_view> words{"AUTH"};
    if (!target_.sentinel_user.empty()) words.push_back(target_.sentinel_user);
    words.push_back(password_ ? std::string_view(*password_) : std::string_view());
    append_command(wire, words);
    ++replies;
  }
  append_command(wire, {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", target_.master});
  connection.queue(wire, replies);
  for (; replies > 0; --replies) {
    const Connection::Received received = co_await connection.receive(until);
    if (received.failure) {
      lane.why = received.failure->text;
      co_return;
    }
    const Reply& reply = *received.reply;
    if (reply.is_error()) {
      const ErrorInfo info = classify(reply.text());
      lane.why = info.text;
      if (info.verdict == Verdict::authentication || info.verdict == Verdict::permission) {
        lane.lasting = Error(ExitCode::permission, "authentication",
                             fmt::format("the sentinel at {} does not let us in: {}",
                                         to_string(server.address()), info.text),
                             kCredentials);
      } else if (info.verdict == Verdict::unsupported) {
        lane.lasting =
            config_error(fmt::format("Redis at {} is not a sentinel: {}",
                                     to_string(server.address()), info.text),
                         fmt::format("the URL ({}) names the sentinels, which listen at port 26379 "
                                     "unless told otherwise",
                                     target_.server.origin));
      }
      co_return;
    }
    if (replies > 1) continue;  // that of AUTH
    if (reply.is_array() && reply.size() == 2) {
      lane.master = HostPort{reply.at(0).text(), static_cast<int>(reply.at(1).number())};
    } else {
      lane.unknown = true;
      lane.why = "it knows no master of that name";
    }
  }
}

/// What to say when none of them named a master: first what only the user can mend.
Sentinels::Found Sentinels::failure(const Search& search) const {
  Found found;
  std::string all;
  bool unknown = true;
  for (size_t i = 0; i < search.lanes.size(); ++i) {
    const Search::Lane& lane = search.lanes[i];
    if (lane.lasting && !found.error) {
      found.error = lane.lasting;
      found.lasting = true;
    }
    unknown = unknown && lane.unknown;
    all += fmt::format("{}{}: {}", all.empty() ? "" : "; ", to_string(target_.nodes[i]),
                       lane.why.empty() ? "no answer in time" : lane.why);
  }
  if (found.error) return found;
  const std::string& origin = target_.server.origin;
  found.lasting = unknown;
  found.error = Error(
      ExitCode::unavailable, "unreachable",
      fmt::format("no sentinel names a master '{}': {}", target_.master, all),
      unknown ? fmt::format("the URL ({}) ends with the name that the sentinels give it: SENTINEL "
                            "MASTERS lists them",
                            origin)
              : fmt::format("the sentinels are those of the URL ({})", origin));
  return found;
}

}  // namespace dcoord::redis
