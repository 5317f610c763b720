#include "cli/nouns.h"

namespace dcoord::cli {

const std::vector<NounEntry>& nouns() {
  static const std::vector<NounEntry> list{
      {"lock", "COORDINATE", "run commands one at a time, or N at a time", lock_noun},
      {"elect", "COORDINATE", "campaign for leadership and run a command while leading",
       elect_noun},
      {"barrier", "COORDINATE", "wait until N parties have arrived", barrier_noun},
      {"job", "WORK", "run commands after each other, each once in a run", job_noun},
      {"state", "COORDINATE", "values that a fleet shares: versions, conditions, watching",
       state_noun},
      {"queue", "WORK", "push items, and work on them", queue_noun},
      {"breaker", "COORDINATE", "do not call for a while what keeps failing", breaker_noun},
      {"event", "WORK", "publish events, and subscribe: nothing is lost over a reconnect",
       event_noun},
      {"batch", "WORK", "run many commands in one process, over one connection", batch_noun},
      {"locks", "OBSERVE", "all locks: who holds and who waits", locks_noun},
      {"trace", "OBSERVE", "what was decided about a name, on all hosts", trace_noun},
      {"top", "OBSERVE", "all there is on a live screen", top_noun},
      {"metrics", "OBSERVE", "all there is for Prometheus", metrics_noun},
      {"health", "OBSERVE", "whether the servers will do", health_noun},
      {"selftest", "OBSERVE", "put your own servers through what dcoord promises", selftest_noun},
      {"local", "SETUP", "the private server of local: URLs", local_noun},
      {"config", "SETUP", "show the configuration and where it comes from", config_noun},
      {"completion", "SETUP", "print what makes a shell complete dcoord's words", completion_noun},
      {"help", "SETUP", "explain a command", help_noun},
      {"version", "SETUP", "print the version", version_noun},
  };
  return list;
}

}  // namespace dcoord::cli
