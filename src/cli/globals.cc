#include "cli/globals.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "cli/argv.h"

namespace dcoord::cli {
namespace {

void declare_connection(Globals& g) {
  auto& o = g.options;
  auto& url = o.texts("-u,--url", "URL", g.urls,
                      "redis://, rediss://, valkey://, valkeys://, unix://, "
                      "redis+sentinel://HOST,HOST/MASTER, redis-cluster://HOST,HOST or local:; "
                      "several times for independent servers that keep locks together");
  url.default_text = "redis://127.0.0.1:6379/0";
  url.kind = "url";
  o.text("--host", "HOST", g.host, "server's name or address, instead of the URL's");
  o.integer("-p,--port", "PORT", g.port, 1, 65535, "server's port, instead of the URL's");
  o.text("--socket", "PATH", g.socket, "server's unix socket, instead of the URL's host").kind =
      "file";
  o.integer("--db", "N", g.db, 0, std::numeric_limits<int>::max(),
            "database, instead of the URL's");
  o.text("--user", "NAME", g.user, "ACL user, instead of the URL's");
  o.text("--pass-file", "FILE", g.pass_file, "file whose first line is the password").kind = "file";
  o.flag("--askpass", g.askpass, "ask for the password on the terminal");
  o.text("-a,--pass", "PASSWORD", g.pass, "password; others can see it, prefer --pass-file")
      .from_environment = false;
  o.text("--sentinel-user", "NAME", g.sentinel_user, "ACL user of the sentinels");
  o.text("--sentinel-pass-file", "FILE", g.sentinel_pass_file,
         "file whose first line is the sentinels' password")
      .kind = "file";
  o.flag("--cluster", g.cluster, "the server is a node of a cluster");
  o.flag("--tls", g.tls, "speak TLS");
  o.text("--cacert", "FILE", g.cacert, "certificates to trust (PEM), instead of the system's")
      .kind = "file";
  o.text("--cacertdir", "DIR", g.cacertdir, "directory of certificates to trust").kind =
      "directory";
  o.text("--cert", "FILE", g.cert, "client certificate (PEM)").kind = "file";
  o.text("--key", "FILE", g.key, "client certificate's key (PEM)").kind = "file";
  o.text("--sni", "NAME", g.sni, "name to ask the server for and to verify, instead of the host");
  o.flag("--insecure", g.insecure, "accept any server certificate");
  o.duration("--connect-timeout", g.connect_timeout, "give up connecting after this time");
  o.duration("--command-timeout", g.command_timeout,
             "give up waiting for an answer after this time");
}

void declare_configuration(Globals& g) {
  auto& o = g.options;
  o.text("--namespace", "NAME", g.key_namespace, "first part of every key");
  o.text("--config", "FILE", g.config, "configuration file to read instead of the usual ones")
      .kind = "file";
  o.text("--profile", "NAME", g.profile, "profile of the configuration file to use").kind =
      "profile";
}

void declare_output(Globals& g) {
  auto& o = g.options;
  o.choice("-o,--format", "FORMAT", g.format, {"table", "plain", "json"}, "output format");
  o.custom("--json", "", "same as -o json", [&g](std::string_view value, const Origin& origin) {
    if (parse_bool(value, origin))
      g.format = "json";
    else if (g.format == "json")
      g.format = "table";
  });
  o.flag("--no-headers", g.no_headers, "tables without a line of headers");
  o.choice("--color", "WHEN", g.color, {"auto", "always", "never"}, "colour");
  o.choice("--progress", "HOW", g.progress, {"auto", "plain", "none"},
           "how a long wait is shown: a line that changes, lines, nothing");
  o.text("--trace", "KINDS", g.trace,
         "tell each decision about lock, elect, barrier, job, queue, state, event, breaker or all, "
         "as JSON Lines on stderr");
  o.text("--trace-file", "FILE", g.trace_file, "append them to this file instead").kind = "file";
  o.flag("--trace-stream", g.trace_stream,
         "have the server record them, in the same step, for `dcoord trace NAME`");
  o.custom("-q,--quiet", "", "no hints and notes, errors only",
           [&g](std::string_view value, const Origin& origin) {
             if (parse_bool(value, origin)) g.verbosity = -1;
           });
  auto& verbose = o.custom("-v,--verbose", "", "say more, up to three times", nullptr);
  verbose.repeatable = true;
  verbose.set = [&g](std::string_view value, const Origin& origin) {
    constexpr int kMost = 3;
    if (value.size() == 1 && value[0] >= '0' && value[0] <= '3') {
      g.verbosity = value[0] - '0';  // DCOORD_VERBOSE=2; =1 is "true" just as well
    } else if (parse_bool(value, origin)) {
      g.verbosity = std::min(std::max(g.verbosity, 0) + 1, kMost);
    } else {
      g.verbosity = 0;
    }
  };
  o.flag("-V,--version", g.version, "print the version").from_environment = false;
  o.flag("-h,--help", g.help, "print help").from_environment = false;
}

}  // namespace

Globals::Globals() {
  declare_connection(*this);
  declare_configuration(*this);
  declare_output(*this);
}

const Option& Globals::option(std::string_view long_name) const {
  const auto* option = find_long(options, long_name);
  if (option == nullptr) throw internal_error("no global option '" + std::string(long_name) + "'");
  return *option;
}

}  // namespace dcoord::cli
