#include "redis/local.h"

#include <ctime>

#include "base/log.h"
#include "cli/context.h"
#include "cli/nouns.h"

namespace dcoord::cli {
namespace {

/// The moment `up` ago, RFC 3339 in UTC.
std::string started(Duration up) {
  const time_t since = time(nullptr) - std::chrono::duration_cast<std::chrono::seconds>(up).count();
  tm utc{};
  gmtime_r(&since, &utc);
  char text[32];
  return {text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

int status(Context& context) {
  Loop& loop = context.loop();
  const auto found =
      loop.run(redis::local_status(loop, add(loop.now(), context.config().connect_timeout)));
  output::Record record;
  record.add_bool("running", found.running);
  if (found.running) {
    record.add("server", found.server)
        .add("pid", static_cast<long long>(found.pid))
        .add("since", started(found.up))
        .add("clients", static_cast<long long>(found.clients));
  } else {
    record.add_null("server").add_null("pid").add_null("since").add_null("clients");
  }
  record.add("socket", found.socket).add("log", found.log).add("directory", found.directory);
  context.printer().print(record);
  return to_int(found.running ? ExitCode::ok : ExitCode::no);
}

int stop(Context& context) {
  Loop& loop = context.loop();
  const bool stopped =
      loop.run(redis::stop_local_server(loop, add(loop.now(), context.config().command_timeout)));
  if (!stopped) log::note(0, "the server of local: was not running");
  return to_int(ExitCode::ok);
}

Verb status_verb() {
  Verb verb;
  verb.name = "status";
  verb.summary = "show whether the server of local: runs, and where its files are";
  verb.examples = {"dcoord local status",
                   "redis-cli -s \"$(dcoord local status --json | jq -r .socket)\""};
  verb.run = status;
  return verb;
}

Verb stop_verb() {
  Verb verb;
  verb.name = "stop";
  verb.summary = "end the server of local:; its data is kept, and the next use starts it again";
  verb.examples = {"dcoord local stop"};
  verb.run = stop;
  return verb;
}

}  // namespace

Noun local_noun() {
  Noun noun;
  noun.name = "local";
  noun.summary =
      "the private server of local: URLs, one a user and machine, started when first used";
  noun.examples = {"dcoord -u local: lock run deploy -- ./deploy.sh", "dcoord local status",
                   "dcoord local stop"};
  noun.verbs.push_back(status_verb());
  noun.verbs.push_back(stop_verb());
  return noun;
}

}  // namespace dcoord::cli
