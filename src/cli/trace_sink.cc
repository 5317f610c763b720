#include "cli/trace_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/log.h"
#include "cli/globals.h"
#include "output/printers.h"
#include "primitives/holder.h"

namespace dcoord::cli {

namespace {

std::set<std::string> parse_kinds(const Option& option, std::string_view text) {
  const auto& known = primitives::trace_kinds();
  std::set<std::string> kinds;
  while (!text.empty()) {
    const std::string word(text.substr(0, text.find(',')));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (word == "all") {
      kinds.insert(known.begin(), known.end());
    } else if (std::find(known.begin(), known.end(), word) != known.end()) {
      kinds.insert(word);
    } else {
      throw bad_value("kind", word, option.origin,
                      fmt::format("{} or all, joined by commas", fmt::join(known, ", ")));
    }
  }
  return kinds;
}

}  // namespace

std::shared_ptr<TraceSink> make_trace_sink(const Globals& globals) {
  TraceConfig config;
  config.file = globals.trace_file;
  config.stream = globals.trace_stream;
  config.to_stderr = !globals.trace.empty() && config.file.empty();
  const bool elsewhere = config.stream || !config.file.empty();
  config.kinds = parse_kinds(globals.option("trace"),
                             globals.trace.empty() && elsewhere ? "all" : globals.trace);
  if (config.kinds.empty()) return nullptr;
  return std::make_shared<TraceSink>(std::move(config));
}

TraceSink::TraceSink(TraceConfig config) : config_(std::move(config)) {
  if (config_.file.empty()) return;
  file_.reset(
      open(config_.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644));
  if (!file_) {
    throw config_error(
        fmt::format("--trace-file {}: cannot be written: {}", config_.file, std::strerror(errno)));
  }
}

primitives::TraceOptions TraceSink::options() {
  primitives::TraceOptions options;
  options.kinds = config_.kinds;
  const primitives::Holder self = primitives::this_process("", "", "");
  options.who = fmt::format("{}:{}", self.host, self.pid);
  options.stream = config_.stream;
  if (config_.to_stderr || file_)
    options.on_event = [this](const primitives::TraceEvent& event) { write(event); };
  return options;
}

/// One write a line, so that those of several processes do not mix. That a disk is full stops
/// nobody's work.
void TraceSink::write(const primitives::TraceEvent& event) const {
  const std::string line = output::json_text(trace_record(event));
  if (!file_) return log::data(line);
  const std::string whole = line + "\n";
  if (::write(file_.get(), whole.data(), whole.size()) < 0)
    log::note(1, fmt::format("--trace-file: {}", std::strerror(errno)));
}

output::Record trace_record(const primitives::TraceEvent& event) {
  output::Record record;
  if (event.at) {
    record.add_time("server_time", *event.at);
    if (!event.at_is_exact) record.add_bool("server_time_reckoned", true);
  } else {
    record.add_null("server_time");
  }
  record.add("kind", event.kind).add("name", event.name).add("event", event.event);
  if (!event.result.empty() && event.result != event.event) record.add("result", event.result);
  if (!event.mode.empty()) record.add("mode", event.mode);
  if (!event.token.empty()) record.add("id", event.token.substr(0, 12));
  record.add("who", event.who);
  if (event.fence) record.add("fence", *event.fence);
  if (event.lease_end) record.add_time("lease_end", *event.lease_end);
  if (event.place) record.add("place", *event.place);
  if (!event.error.empty()) record.add("error", event.error);
  return record;
}

}  // namespace dcoord::cli
