#include "cli/metrics.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "cli/context.h"
#include "cli/nouns.h"
#include "output/printers.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

struct MetricsOptions {
  std::string outfile;
  long long max_series = 10'000;
};

/// Whoever reads it sees all of it or what was there before; the name of the file on its way does
/// not end as a collector wants it.
void replace_file(const std::string& path, const std::string& text) {
  const std::string fresh = fmt::format("{}.{}.tmp", path, getpid());
  const auto fail = [&](const char* what) {
    const std::string why = std::strerror(errno);
    unlink(fresh.c_str());
    throw config_error(fmt::format("--outfile {}: cannot {}: {}", path, what, why));
  };
  UniqueFd file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!file) fail("be made");
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t n = write(file.get(), text.data() + written, text.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("be written");
    written += static_cast<size_t>(n);
  }
  // Whatever the umask: the collector is another user.
  if (fchmod(file.get(), 0644) != 0 || fsync(file.get()) != 0) fail("be written");
  if (std::rename(fresh.c_str(), path.c_str()) != 0) fail("be put in its place");
}

void put_out(const MetricsOptions& o, const std::string& text) {
  if (o.outfile.empty() || o.outfile == "-")
    output::write_out(text);
  else
    replace_file(o.outfile, text);
}

int run(Context& context, const MetricsOptions& o) {
  const Keys keys(context.config().key_namespace);
  SurveyWish wish;
  wish.listing.all = true;
  const TimePoint start = context.loop().now();
  Survey found;
  try {
    Task<Survey> finding =
        survey(context.loop(), context.scripts(), keys, std::move(wish), context.patience());
    found = context.loop().run(std::move(finding));
  } catch (const Error&) {
    // What was there before would go on telling that all is well.
    put_out(o, metrics_text_when_down());
    throw;
  }
  const MetricsText metrics =
      metrics_text(found, context.loop().now() - start, static_cast<size_t>(o.max_series));
  put_out(o, metrics.text);
  if (metrics.left_out > 0) {
    log::warning(fmt::format("{} things have no series, for more than --max-series {}",
                             metrics.left_out, o.max_series));
  }
  return to_int(ExitCode::ok);
}

}  // namespace

Noun metrics_noun() {
  auto o = std::make_shared<MetricsOptions>();
  Verb verb;
  verb.summary = "all there is for Prometheus: locks, elections, queues, barriers, breakers, jobs";
  verb.usage = "[--outfile FILE] [--max-series N]";
  verb.examples = {"dcoord metrics", "dcoord metrics --outfile dcoord.prom --max-series 1000"};
  verb.declare = [o](OptionSet& set) {
    set.text("--outfile", "FILE", o->outfile,
             "replace this file at once, for the textfile collector of node_exporter")
        .kind = "file";
    set.integer("--max-series", "N", o->max_series, 0, 10'000'000,
                "series of named things at most: those that matter most come first");
  };
  verb.run = [o](Context& context) { return run(context, *o); };
  Noun noun;
  noun.name = "metrics";
  noun.summary = verb.summary;
  noun.examples = verb.examples;
  noun.verbs = {verb};
  return noun;
}

}  // namespace dcoord::cli
