#include "cli/config.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/log.h"
#include "cli/argv.h"
#include "cli/environment.h"
#include "cli/globals.h"
#include "cli/password.h"
#include "cli/terminal.h"

namespace dcoord::cli {
namespace {

using Source = Origin::Source;
using Topology = redis::Target::Topology;

bool is_flag(const Option& option) { return option.given && option.origin.source == Source::flag; }

/// An option that makes no sense as it is: 64 for a flag or a variable, 78 for a file.
Error refuse(const Option& option, const std::string& message, std::string hint = {}) {
  const auto source = option.origin.source;
  const bool file = source != Source::flag && source != Source::environment;
  return file ? config_error(fmt::format("{}: {}", option.origin.where, message), std::move(hint))
              : usage_error(fmt::format("{} {}", option.origin.where, message), std::move(hint));
}

struct Url {
  std::string text = "redis://127.0.0.1:6379/0";
  Origin origin;
  std::string text_shown() const { return redis::redact_url(text); }
};

/// One, or several independent servers: an option given several times, an array in a file, words in
/// a variable.
std::vector<Url> choose_urls(const Globals& globals, const Environment& environment) {
  const auto& option = globals.option("url");
  if (option.given) {
    std::vector<Url> urls;
    for (const std::string& given : globals.urls) {
      std::istringstream words(given);
      for (std::string word; words >> word;) urls.push_back({word, option.origin});
    }
    if (urls.empty()) urls.push_back({"", option.origin});
    return urls;
  }
  // It belongs to some application: its user and password are not for a server that was named
  // otherwise.
  const bool named = globals.option("host").given || globals.option("socket").given;
  if (const auto value = named ? std::nullopt : environment.get("REDIS_URL")) {
    return {{std::string(*value), {Source::fallback, "REDIS_URL"}}};
  }
  return {Url()};
}

void refuse_contradictions(const Globals& globals) {
  const auto both = [&](const char* one, const char* other) {
    if (!is_flag(globals.option(one)) || !is_flag(globals.option(other))) return;
    throw usage_error(fmt::format("--{} and --{} exclude each other", one, other));
  };
  both("url", "host");
  both("url", "port");
  both("url", "socket");
  both("host", "socket");
  both("port", "socket");
  for (const char* name : {"host", "socket", "user", "namespace", "sentinel-user"}) {
    const auto& option = globals.option(name);
    if (option.given && option.given->empty()) throw refuse(option, "is empty");
  }
}

/// Applies what is given beside the URL: only what comes from a source that counts as much as the
/// URL's own. A DCOORD_HOST must not bend an explicit -u to another server.
class Overrides {
 public:
  Overrides(const Globals& globals, const Url& url, redis::Target& target)
      : globals_(globals), url_(url), target_(target), server_(target.server) {}

  /// `several`: there are other URLs beside this one.
  void apply(bool several) {
    for (const char* name : {"host", "port", "socket", "cluster"}) {
      if (several && counts(name))
        throw refuse(globals_.option(name), "does not fit several URLs",
                     "give each its address in its URL");
    }
    // Of an address by name and one by path, the stronger source's counts.
    const bool socket = counts("socket");
    const bool tcp = counts("host") || counts("port");
    if (socket && !(tcp && tcp_source() < globals_.option("socket").origin.source)) {
      name_single();
      server_.kind = redis::Server::Kind::unix_socket;
      server_.path = *globals_.socket;
      note_origin("socket");
    } else if (tcp) {
      if (counts("host")) name_single();
      if (target_.topology != Topology::single) {
        throw refuse(globals_.option("port"),
                     fmt::format("does not fit the URL of several servers ({})", url_.text_shown()),
                     "give each its port in the URL, or one server with --host");
      }
      server_.kind = redis::Server::Kind::tcp;
      if (counts("host")) server_.host = *globals_.host;
      if (counts("port")) server_.port = static_cast<int>(*globals_.port);
      note_origin(counts("host") ? "host" : "port");
    }
    if (counts("db")) server_.db = static_cast<int>(*globals_.db);
    if (counts("user")) server_.user = *globals_.user;
    if (counts("tls")) server_.tls.enabled = globals_.tls;
    if (counts("cluster") && globals_.cluster) make_cluster();
  }

 private:
  /// One server is named instead of what the URL names.
  void name_single() {
    if (target_.topology == Topology::single) return;
    target_.topology = Topology::single;
    target_.nodes.clear();
    server_.part.clear();
    server_.set_address(redis::HostPort());
  }
  void make_cluster() {
    if (target_.topology == Topology::cluster) return;
    const Option& option = globals_.option("cluster");
    if (target_.topology == Topology::sentinel) {
      throw refuse(option, fmt::format("does not fit the URL of sentinels ({})", url_.text_shown()),
                   "sentinels name the master of servers that are no cluster");
    }
    if (server_.kind != redis::Server::Kind::tcp) {
      throw refuse(option, fmt::format("does not fit {}", redis::describe(server_)),
                   "the nodes of a cluster are reached over TCP");
    }
    target_.topology = Topology::cluster;
    target_.nodes = {server_.address()};
    server_.host.clear();
  }
  bool counts(const char* name) const {
    const auto& option = globals_.option(name);
    return option.given && option.origin.source <= url_.origin.source;
  }
  Source tcp_source() const {
    Source strongest = Source::built_in;
    for (const char* name : {"host", "port"}) {
      if (counts(name)) strongest = std::min(strongest, globals_.option(name).origin.source);
    }
    return strongest;
  }
  void note_origin(const char* name) { server_.origin = globals_.option(name).origin.where; }

  const Globals& globals_;
  const Url& url_;
  redis::Target& target_;
  redis::Server& server_;
};

void set_tls(const Globals& globals, redis::TlsOptions& tls) {
  tls.insecure = tls.insecure || globals.insecure;
  const auto set = [](std::string& target, const std::string& value) {
    if (!value.empty()) target = value;
  };
  set(tls.ca_file, globals.cacert);
  set(tls.ca_dir, globals.cacertdir);
  set(tls.cert_file, globals.cert);
  set(tls.key_file, globals.key);
  set(tls.sni, globals.sni);
  if (tls.enabled) return;
  // Else a connection that was meant to be encrypted would silently not be.
  for (const char* name : {"cacert", "cacertdir", "cert", "key", "sni", "insecure"}) {
    if (is_flag(globals.option(name))) {
      throw usage_error(fmt::format("--{} needs TLS", name), "add --tls, or use a rediss:// URL");
    }
  }
}

void check_namespace(const Globals& globals) {
  constexpr size_t kLongest = 100;
  const auto& name = globals.key_namespace;
  // Braces would move the keys' hash tag, and with it the slot.
  const bool bad =
      name.size() > kLongest || std::any_of(name.begin(), name.end(), [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == '{' || c == '}' || c == '\x7f';
      });
  if (!bad) return;
  throw bad_value("namespace", name, globals.option("namespace").origin,
                  "up to 100 characters, no spaces or braces");
}

std::string origin_of(const Option& option) {
  if (option.given) return option.origin.where;
  return option.default_text.empty() && !option.value_name.empty() ? "" : "default";
}

std::string shown(const Globals& globals, const Option& option) {
  const auto& name = option.long_name;
  if (name == "verbose") return std::to_string(std::max(globals.verbosity, 0));
  if (name == "format") return globals.format;
  const auto value = option.given.value_or(option.default_text);
  return value.empty() && option.value_name.empty() ? "false" : value;
}

/// What was made of the options about servers, and where it came from.
struct Chosen {
  std::vector<redis::Target> targets;
  std::vector<Url> urls;
  std::string password_origin;
  std::string sentinel_password_origin;
};

std::vector<Setting> list_settings(const Globals& globals, const Chosen& chosen) {
  const auto secret = [](const std::string& origin) { return origin.empty() ? "" : "***"; };
  std::string servers, urls;
  for (const redis::Target& target : chosen.targets)
    servers += (servers.empty() ? "" : " ") + redis::describe(target);
  for (const Url& url : chosen.urls) urls += (urls.empty() ? "" : " ") + url.text_shown();
  const Url& url = chosen.urls.front();
  std::vector<Setting> list;
  list.push_back({"server", servers, chosen.targets.front().server.origin});
  for (const auto& option : globals.options.all()) {
    const auto& name = option.long_name;
    if (name == "pass") {
      list.push_back({"password", secret(chosen.password_origin), chosen.password_origin});
      list.push_back({"sentinel-password", secret(chosen.sentinel_password_origin),
                      chosen.sentinel_password_origin});
    } else if (name == "url" && (option.given || url.origin.source == Source::fallback)) {
      list.push_back({"url", urls, url.origin.where});
    } else if (option.from_environment && name != "json") {
      list.push_back({name, shown(globals, option), origin_of(option)});
    }
  }
  const auto& json = globals.option("json");
  for (auto& setting : list) {
    if (setting.name == "format" && json.given && globals.format == "json" &&
        !is_flag(globals.option("format"))) {
      setting.origin = json.origin.where;
    }
  }
  return list;
}

/// Several servers of which a majority counts have to be independent, and each another one.
void check_servers(const Globals& globals, const Chosen& chosen) {
  const Option& option = globals.option("url");
  std::set<std::string> names;
  for (size_t i = 0; i < chosen.targets.size(); ++i) {
    const redis::Target& target = chosen.targets[i];
    const std::string& text = chosen.urls[i].text_shown();
    if (target.topology != Topology::single || target.server.kind == redis::Server::Kind::local) {
      throw refuse(option, fmt::format("has several URLs, and {} is no single server", text),
                   "several URLs are independent servers of which a majority keeps a lock");
    }
    if (!names.insert(server_name(target)).second)
      throw refuse(option, fmt::format("names {} twice", text), "each server counts once");
  }
}

Chosen choose_target(const Globals& globals, const Environment& environment) {
  refuse_contradictions(globals);
  Chosen chosen;
  chosen.urls = choose_urls(globals, environment);
  const bool several = chosen.urls.size() > 1;
  const Origin& from = chosen.urls.front().origin;
  const auto origin = from.source == Source::built_in ? "default"
                      : from.source == Source::flag   ? "-u"
                                                      : from.where;
  Password password;
  for (const Url& url : chosen.urls) {
    redis::Target& target = chosen.targets.emplace_back(redis::parse_target(url.text, origin));
    Overrides(globals, url, target).apply(several);
    set_tls(globals, target.server.tls);
    // One that is asked for or read is the same for all.
    if (!password.get || password.origin == origin)
      password = choose_password(globals, environment, std::move(target.server.password), origin);
    target.server.password = password.get;
    if (!password.origin.empty()) chosen.password_origin = password.origin;
  }
  if (several) check_servers(globals, chosen);
  redis::Target& target = chosen.targets.front();
  for (const char* name : {"sentinel-user", "sentinel-pass-file"}) {
    if (!is_flag(globals.option(name)) || target.topology == Topology::sentinel) continue;
    throw usage_error(fmt::format("--{} needs sentinels to log in to", name),
                      "a URL like redis+sentinel://HOST:26379,HOST/MASTER names them");
  }
  auto sentinels = choose_sentinel_password(globals, environment);
  target.sentinel_password = std::move(sentinels.get);
  target.sentinel_user = globals.sentinel_user.value_or("");
  chosen.sentinel_password_origin = std::move(sentinels.origin);
  return chosen;
}

}  // namespace

std::string server_name(const redis::Target& target) {
  redis::Server server = target.server;
  server.user.clear();
  server.tls.enabled = false;
  return redis::describe(server);
}

Config make_config(const Globals& globals, const Environment& environment) {
  Config config;
  Chosen chosen = choose_target(globals, environment);
  config.target = chosen.targets.front();
  config.targets = chosen.targets;
  config.connect_timeout = globals.connect_timeout;
  config.command_timeout = globals.command_timeout;
  check_namespace(globals);
  config.key_namespace = globals.key_namespace;
  config.format = globals.format == "json"    ? Config::Format::json
                  : globals.format == "plain" ? Config::Format::plain
                                              : Config::Format::table;
  config.format_given = globals.option("format").given || globals.option("json").given;
  config.headers = !globals.no_headers;
  config.color = use_color(globals.color, STDOUT_FILENO, environment);
  config.progress = globals.progress == "none"    ? Config::Progress::none
                    : globals.progress == "plain" ? Config::Progress::plain
                                                  : Config::Progress::automatic;
  config.verbosity = globals.verbosity;
  if (globals.pass) {
    log::warning(
        "a password on the command line can be seen by others: use --pass-file, --askpass or "
        "DCOORD_PASSWORD");
  }
  config.settings = [&globals, chosen = std::move(chosen)]() {
    return list_settings(globals, chosen);
  };
  return config;
}

}  // namespace dcoord::cli
