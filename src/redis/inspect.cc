#include "redis/inspect.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <utility>

namespace dcoord::redis {
namespace {

using Words = std::vector<std::vector<std::string>>;

// What CONFIG GET is asked for: 6.2 takes one name a call.
constexpr const char* kSettings[] = {"appendfsync",
                                     "save",
                                     "timeout",
                                     "tcp-keepalive",
                                     "lua-time-limit",
                                     "stop-writes-on-bgsave-error",
                                     "min-replicas-to-write",
                                     "min-replicas-max-lag"};

long long to_number(std::string_view text) {
  long long n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

/// Lines of "name:value", as INFO and CLUSTER INFO write them.
std::map<std::string, std::string, std::less<>> parse_info(std::string_view text) {
  std::map<std::string, std::string, std::less<>> fields;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || line.starts_with('#')) continue;
    fields.emplace(line.substr(0, colon), line.substr(colon + 1));
  }
  return fields;
}

Millis wall_clock() {
  return std::chrono::duration_cast<Millis>(std::chrono::system_clock::now().time_since_epoch());
}

/// Round trips: TIME, so that the fastest tells how far the clocks are apart.
Task<void> measure(Loop& loop, ScriptRunner& session, Inspection& result, int round_trips,
                   Patience patience) {
  for (int i = 0; i < round_trips; ++i) {
    Words command{{"TIME"}};
    const TimePoint start = loop.now();
    const Millis before = wall_clock();
    const std::vector<Answer> answers = co_await session.run_commands(std::move(command), patience);
    const Duration took = loop.now() - start;
    result.slowest = std::max(result.slowest, took);
    // The first one opens the connection; what it took counts as slow, never as fast.
    if (i == 1 || (i > 1 && took < result.fastest) || round_trips == 1) {
      const Reply& time = answers.front().reply;
      const Millis server(time.at(0).number() * 1000 + time.at(1).number() / 1000);
      result.fastest = took;
      result.clock_ahead = server - before - std::chrono::duration_cast<Millis>(took / 2);
      result.clock_error = took / 2 + Millis(1);
    }
    if (i == 0) result.slowest = Duration::zero();
  }
}

Task<void> ask(Loop& loop, ScriptRunner& session, Inspection& result, int round_trips,
               Patience patience) {
  Task<void> measuring = measure(loop, session, result, round_trips, patience);
  co_await measuring;
  try {
    Words command{{"INFO"}};
    const std::vector<Answer> answers = co_await session.run_commands(std::move(command), patience);
    result.info = parse_info(answers.front().reply.text());
  } catch (const Error& error) {
    if (error.code() == ExitCode::unavailable) throw;
    result.info_refused = error.what();
  }
  try {
    Words commands;
    for (const char* name : kSettings) commands.push_back({"CONFIG", "GET", name});
    const std::vector<Answer> answers =
        co_await session.run_commands(std::move(commands), patience);
    for (const Answer& answer : answers) {
      if (answer.reply.size() == 2)
        result.config.emplace(answer.reply.at(0).text(), answer.reply.at(1).text());
    }
  } catch (const Error& error) {
    if (error.code() == ExitCode::unavailable) throw;
    result.config_refused = error.what();
  }
}

Server server_at(const Server& like, const HostPort& address, std::string part) {
  Server server = like;
  server.kind = Server::Kind::tcp;
  server.set_address(address);
  server.part = std::move(part);
  return server;
}

/// What a sentinel says, over a connection of its own.
Task<SentinelView> ask_sentinel(Loop& loop, const Target& target, HostPort address,
                                SessionOptions options, Patience patience) {
  SentinelView view;
  view.address = address;
  Server server;
  server.set_address(address);
  server.tls = target.server.tls;
  server.user = target.sentinel_user;
  server.password = target.sentinel_password;
  server.part = "a sentinel";
  try {
    const std::unique_ptr<ScriptRunner> session =
        make_session(loop, std::move(server), std::move(options));
    Words where{{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", target.master}};
    const std::vector<Answer> answers = co_await session->run_commands(std::move(where), patience);
    const Reply& master = answers.front().reply;
    if (master.is_array() && master.size() == 2) {
      view.master = HostPort{master.at(0).text(), static_cast<int>(master.at(1).number())};
      Words quorum{{"SENTINEL", "CKQUORUM", target.master}};
      try {
        co_await session->run_commands(std::move(quorum), patience);
      } catch (const Error& error) {
        view.quorum = error.what();
      }
    }
  } catch (const Error& error) {
    view.error = error;
  }
  co_return view;
}

Task<void> find_by_sentinels(Loop& loop, const Target& target, const SessionOptions& options,
                             TimePoint until, Members& members) {
  const Patience patience{until, until};
  std::vector<std::optional<SentinelView>> views(target.nodes.size());
  Event done(loop);
  std::vector<Task<void>> lanes;
  auto lane = [&](size_t i) -> Task<void> {
    Task<SentinelView> asking = ask_sentinel(loop, target, target.nodes[i], options, patience);
    views[i] = co_await asking;
    done.set();
  };
  for (size_t i = 0; i < target.nodes.size(); ++i) {
    lanes.push_back(lane(i));
    loop.start(lanes.back());
  }
  const auto finished = [](const Task<void>& one) { return one.done(); };
  while (!std::all_of(lanes.begin(), lanes.end(), finished)) co_await done.wait();
  for (auto& view : views) members.sentinels.push_back(std::move(*view));
  for (const SentinelView& view : members.sentinels) {
    if (!view.master || !members.masters.empty()) continue;
    members.masters.push_back(
        {server_at(target.server, *view.master, "master '" + target.master + "'")});
  }
}

Task<void> find_in_cluster(Loop& loop, const Target& target, const SessionOptions& options,
                           TimePoint until, Members& members) {
  for (const HostPort& node : target.nodes) {
    // Each gets its share of what is left, so that one which hangs does not hide the others.
    const Duration left = std::max<Duration>(until - loop.now(), Duration::zero());
    const TimePoint mine = loop.now() + (&node == &target.nodes.back() ? left : left / 2);
    const Patience patience{mine, mine};
    try {
      const std::unique_ptr<ScriptRunner> session =
          make_session(loop, server_at(target.server, node, "cluster"), options);
      Words commands{{"CLUSTER", "INFO"}, {"CLUSTER", "SLOTS"}};
      const std::vector<Answer> answers =
          co_await session->run_commands(std::move(commands), patience);
      members.cluster = parse_info(answers[0].reply.text());
      for (const Reply& range : answers[1].reply.elements()) {
        const Reply& entry = range.at(2);
        HostPort address{entry.at(0).is_nil() ? "" : entry.at(0).text(),
                         static_cast<int>(entry.at(1).number())};
        if (address.host.empty()) address.host = node.host;  // it does not know its own
        auto& masters = members.masters;
        auto at = std::find_if(masters.begin(), masters.end(),
                               [&](const Master& m) { return m.server.address() == address; });
        if (at == masters.end())
          at = masters.insert(at, {server_at(target.server, address, "cluster")});
        at->slots.emplace_back(range.at(0).number(), range.at(1).number());
      }
      members.error.reset();
      co_return;
    } catch (const Error& error) {
      members.error = error;
    }
  }
}

}  // namespace

std::string_view Inspection::get(std::string_view field) const {
  const auto found = info.find(field);
  return found == info.end() ? std::string_view() : found->second;
}

long long Inspection::number(std::string_view field) const { return to_number(get(field)); }

std::optional<std::string_view> Inspection::setting(std::string_view name) const {
  const auto found = config.find(name);
  if (found == config.end()) return std::nullopt;
  return found->second;
}

bool Master::serves(int slot) const {
  return slots.empty() || std::any_of(slots.begin(), slots.end(), [&](const auto& range) {
           return slot >= range.first && slot <= range.second;
         });
}

Task<Inspection> inspect(Loop& loop, Server server, SessionOptions options, int round_trips,
                         TimePoint until) {
  Inspection result;
  result.server = server;
  try {
    const std::unique_ptr<ScriptRunner> session =
        make_session(loop, std::move(server), std::move(options));
    const Patience patience{until, until};
    Task<void> asking = ask(loop, *session, result, round_trips, patience);
    co_await asking;
  } catch (const Error& error) {
    result.error = error;
  }
  co_return result;
}

Task<Members> find_members(Loop& loop, const Target& target, SessionOptions options,
                           TimePoint until) {
  Members members;
  if (target.topology == Target::Topology::sentinel) {
    Task<void> finding = find_by_sentinels(loop, target, options, until, members);
    co_await finding;
  } else if (target.topology == Target::Topology::cluster) {
    Task<void> finding = find_in_cluster(loop, target, options, until, members);
    co_await finding;
  } else {
    members.masters.push_back({target.server});
  }
  co_return members;
}

std::vector<Server> replicas_of(const Inspection& master) {
  std::vector<Server> replicas;
  for (const auto& [name, value] : master.info) {
    if (!name.starts_with("slave") || !value.starts_with("ip=")) continue;
    const size_t comma = value.find(",port=");
    if (comma == std::string::npos) continue;
    const HostPort address{value.substr(3, comma - 3),
                           static_cast<int>(to_number(std::string_view(value).substr(comma + 6)))};
    replicas.push_back(server_at(master.server, address, "a replica"));
  }
  return replicas;
}

}  // namespace dcoord::redis
