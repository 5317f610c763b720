#include "primitives/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/sha1.h"
#include "primitives/protocol.h"

namespace dcoord::primitives {
namespace {

using redis::Answer;
using redis::Call;
using redis::Patience;
using redis::Reply;

// Around a whole script, which stands between these. What it answered goes to the last key, a
// stream of the name's latest 10,000 decisions, kept for a week; by pcall, so that a release is let
// through when memory is out.
constexpr std::string_view kBefore = R"lua(local stream, tracer = KEYS[#KEYS], ARGV[#ARGV]
KEYS[#KEYS], ARGV[#ARGV] = nil, nil
local function script()
)lua";
constexpr std::string_view kBehind = R"lua(
end
local reply = script()
local time = redis.call('TIME')
local fields = {'by', tracer, 'at', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))}
if type(reply) == 'table' then
  if reply.err then fields[5], fields[6] = 'error', reply.err end
  for i = 1, math.min(#reply, 9) do
    local value = reply[i]
    fields[#fields + 1] = 'r' .. i
    fields[#fields + 1] = type(value) == 'number' and string.format('%.0f', value) or string.sub(tostring(value), 1, 300)
  end
end
redis.pcall('XADD', stream, 'MAXLEN', '~', 10000, '*', unpack(fields))
redis.pcall('PEXPIRE', stream, 604800000)
return reply)lua";

constexpr size_t kMostTokens = 1000;

/// A script's name in two: "lock/acquire".
std::pair<std::string, std::string> noun_and_verb(std::string_view script) {
  const size_t slash = std::min(script.find('/'), script.size());
  return {std::string(script.substr(0, slash)),
          std::string(script.substr(std::min(slash + 1, script.size())))};
}

/// What is known of a call before it is answered.
TraceEvent event_of(const Call& call, std::string who) {
  TraceEvent event;
  const auto [noun, verb] = noun_and_verb(call.script->name);
  const KeyParts key = call.keys.empty() ? KeyParts() : parts_of(call.keys.front());
  event.name = key.name;
  // An election is run by the scripts of the lock.
  event.kind = noun == "lock" && key.kind.starts_with("elect") ? "elect" : noun;
  event.event = verb;
  event.who = std::move(who);
  const bool has_token = !call.args.empty() && call.args.front().size() == 32;
  if (has_token) event.token = call.args.front();
  if (call.script->name == "lock/acquire" && call.args.size() > 3) {
    event.mode = call.args[3] != "0"                           ? "slots"
                 : call.args[2].find('s') != std::string::npos ? "shared"
                                                               : "exclusive";
  }
  if (call.script->name == "lock/reclaim" && call.args.size() > 1) event.mode = call.args[1];
  return event;
}

/// Fills in what a reply of a script of the lock says. `server` is the server's clock at that
/// moment, as far as it is known.
void read_lock_reply(TraceEvent& event, std::string_view verb, const Reply& r) {
  const auto number = [&](size_t i) -> std::optional<long long> {
    if (i >= r.size()) return std::nullopt;
    return r.at(i).number();
  };
  const auto lease_from = [&](size_t left, size_t at) {
    if (r.size() <= std::max(left, at)) return;
    event.at = Millis(r.at(at).number());
    event.at_is_exact = true;
    event.lease_end = *event.at + Millis(r.at(left).number());
  };
  event.result = r.word();
  if (verb == "acquire") {
    if (event.result == "granted") {
      event.event = "granted";
      event.fence = number(1);
      lease_from(2, 4);
      if (r.size() > 5) event.result = r.at(5).text();  // new, again, nested, claimed
    } else if (event.result == "wait") {
      event.event = "queued";
      event.result.clear();
      event.place = number(2);
      lease_from(7, 8);
      event.lease_end.reset();  // that of another's
    } else {
      event.event = event.result == "gone" ? "gone" : "refused";
    }
  } else if (verb == "renew") {
    event.event = event.result;
    if (event.result == "renewed")
      lease_from(1, 2);
    else if (r.size() > 1)
      event.result = r.at(1).text();  // ended, revoked
  } else if (verb == "release" || verb == "revoke" || verb == "reclaim") {
    event.event = event.result;
  }
}

void read_reply(TraceEvent& event, std::string_view script, const Reply& reply) {
  if (reply.is_error()) {
    event.error = reply.text();
    return;
  }
  const auto [noun, verb] = noun_and_verb(script);
  if (noun == "lock" && reply.is_array()) return read_lock_reply(event, verb, reply);
  event.result = reply.word();
}

/// A script with the recording around it.
struct Recording {
  std::string source, sha1;
  redis::Script script;
};

class Tracer final : public redis::ScriptRunner {
 public:
  Tracer(Loop& loop, std::unique_ptr<ScriptRunner> runner, const Keys& keys, TraceOptions options)
      : loop_(loop), runner_(std::move(runner)), keys_(keys), o_(std::move(options)) {}

  Task<Answer> run(Call call, Patience patience) override {
    if (!is_traced(call)) {
      Task<Answer> plain = runner_->run(std::move(call), patience);
      co_return co_await plain;
    }
    TraceEvent event = asked(call);
    const std::string script(call.script->name);
    record(call, event);
    Answer answer;
    try {
      Task<Answer> running = runner_->run(std::move(call), patience);
      answer = co_await running;
    } catch (const Error& error) {
      failed(event, error);
      throw;
    }
    answered(event, script, answer);
    co_return answer;
  }

  Task<std::vector<Answer>> run_all(std::vector<Call> calls, Patience patience) override {
    return run_several(std::move(calls), patience, false);
  }
  Task<std::vector<Answer>> run_each(std::vector<Call> calls, Patience patience) override {
    return run_several(std::move(calls), patience, true);
  }

  Task<std::vector<Answer>> run_commands(std::vector<std::vector<std::string>> commands,
                                         Patience patience) override {
    return runner_->run_commands(std::move(commands), patience);
  }
  Task<std::optional<std::string>> wait_message(std::string mailbox, TimePoint until) override {
    return runner_->wait_message(std::move(mailbox), until);
  }
  Task<std::vector<std::string>> wait_entries(std::vector<StreamPlace> places,
                                              TimePoint until) override {
    return runner_->wait_entries(std::move(places), until);
  }

 private:
  Task<std::vector<Answer>> run_several(std::vector<Call> calls, Patience patience, bool each) {
    std::vector<std::pair<TraceEvent, std::string>> traced;
    std::vector<size_t> places;
    for (size_t i = 0; i < calls.size(); ++i) {
      if (!is_traced(calls[i])) continue;
      traced.emplace_back(asked(calls[i]), calls[i].script->name);
      places.push_back(i);
      record(calls[i], traced.back().first);
    }
    Task<std::vector<Answer>> running = each ? runner_->run_each(std::move(calls), patience)
                                             : runner_->run_all(std::move(calls), patience);
    std::vector<Answer> answers = co_await running;
    for (size_t i = 0; i < places.size(); ++i)
      answered(traced[i].first, traced[i].second, answers[places[i]]);
    co_return answers;
  }

  bool is_traced(const Call& call) const {
    if (call.script == nullptr || !call.script->writes || call.keys.empty()) return false;
    const KeyParts key = parts_of(call.keys.front());
    const auto [noun, verb] = noun_and_verb(call.script->name);
    const bool election = noun == "lock" && key.kind.starts_with("elect");
    return !key.name.empty() && o_.kinds.contains(election ? "elect" : noun);
  }

  void failed(TraceEvent& event, const Error& error) const {
    event.event = error.code() == ExitCode::unknown ? "unknown" : "failed";
    event.error = error.what();
    tell(event);
  }

  void tell(const TraceEvent& event) const {
    if (o_.on_event) o_.on_event(event);
  }

  /// The event to be filled in; the request itself is told of once.
  TraceEvent asked(const Call& call) {
    TraceEvent event = event_of(call, o_.who);
    if (call.script->name == "lock/acquire" && !asked_.contains(event.token)) {
      if (asked_.size() >= kMostTokens) asked_.clear();
      asked_.insert(event.token);
      TraceEvent request = event;
      request.event = "asked";
      reckon(request);
      tell(request);
    }
    return event;
  }

  void answered(TraceEvent& event, const std::string& script, const Answer& answer) {
    if (answer.error) return failed(event, *answer.error);
    read_reply(event, script, answer.reply);
    if (event.at)
      offset_ = *event.at - std::chrono::duration_cast<Millis>(answer.sent.time_since_epoch());
    else
      reckon(event);
    tell(event);
  }

  /// The server's clock by what it last said.
  void reckon(TraceEvent& event) {
    if (!offset_) return;
    event.at = *offset_ + std::chrono::duration_cast<Millis>(loop_.now().time_since_epoch());
    event.at_is_exact = false;
  }

  /// Has the script record what it answers.
  void record(Call& call, const TraceEvent& event) {
    if (!o_.stream) return;
    Recording& recording = recordings_[call.script];
    if (recording.source.empty()) {
      recording.source = fmt::format("{}{}{}", kBefore, call.script->source, kBehind);
      recording.sha1 = sha1_hex(recording.source);
      recording.script = {call.script->name, recording.sha1, recording.source, true};
    }
    call.script = &recording.script;
    call.keys.push_back(keys_.trace(event.name));
    call.args.push_back(fmt::format("{1}{0}{2}{0}{3}{0}{4}{0}{5}", kFieldSeparator, event.kind,
                                    recording.script.name, event.token, event.mode, o_.who));
  }

  Loop& loop_;
  std::unique_ptr<ScriptRunner> runner_;
  const Keys keys_;
  const TraceOptions o_;
  std::optional<Millis> offset_;  // of the server's clock to ours
  std::set<std::string> asked_;   // tokens
  std::map<const redis::Script*, Recording> recordings_;
};

/// An entry of the stream; nothing for one that this dcoord does not understand.
std::optional<TraceEvent> decode(const Reply& entry, const std::string& name) {
  TraceEvent event;
  event.name = name;
  std::string script;
  std::vector<Reply> reply;
  std::optional<Millis> at;
  const Reply& list = entry.at(1);
  for (size_t i = 0; i + 1 < list.size(); i += 2) {
    const std::string& field = list.at(i).text();
    const std::string& value = list.at(i + 1).text();
    if (field == "by") {
      std::string_view rest = value;
      for (std::string* part : {&event.kind, &script, &event.token, &event.mode, &event.who}) {
        const size_t end = std::min(rest.find(kFieldSeparator), rest.size());
        *part = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    } else if (field == "at") {
      at = Millis(to_number<long long>(value));
    } else if (field == "error") {
      event.error = value;
    } else if (field.starts_with('r')) {
      reply.push_back(Reply::string(value));
    }
  }
  if (script.empty() || !at) return std::nullopt;
  event.event = noun_and_verb(script).second;
  try {
    if (event.error.empty()) read_reply(event, script, Reply::array(std::move(reply)));
  } catch (const Error&) {  // another version's reply: what is known of it is still told
  }
  event.at = at;
  event.at_is_exact = true;
  return event;
}

}  // namespace

const std::vector<std::string>& trace_kinds() {
  static const std::vector<std::string> kinds{"lock",  "elect", "barrier", "job",
                                              "queue", "state", "event",   "breaker"};
  return kinds;
}

std::unique_ptr<redis::ScriptRunner> trace(Loop& loop, std::unique_ptr<redis::ScriptRunner> runner,
                                           const Keys& keys, TraceOptions options) {
  return std::make_unique<Tracer>(loop, std::move(runner), keys, std::move(options));
}

Task<std::vector<TraceEvent>> read_trace(redis::ScriptRunner& scripts, const Keys& keys,
                                         std::string name, std::string kind, Millis since,
                                         Patience patience) {
  constexpr size_t kPage = 1000;
  std::vector<TraceEvent> events;
  std::string from = std::to_string(std::max<long long>(since.count(), 0));
  while (true) {
    std::vector<std::vector<std::string>> commands{
        {"XRANGE", keys.trace(name), from, "+", "COUNT", std::to_string(kPage)}};
    const std::vector<Answer> answers =
        co_await scripts.run_commands(std::move(commands), patience);
    const Reply& page = answers.front().reply;
    if (page.is_error()) throw internal_error("XRANGE answered " + page.text());
    for (const Reply& entry : page.elements()) {
      std::optional<TraceEvent> event = decode(entry, name);
      if (event && (kind.empty() || event->kind == kind)) events.push_back(std::move(*event));
    }
    if (page.size() < kPage) co_return events;
    from = "(" + page.at(page.size() - 1).at(0).text();
  }
}

std::vector<TraceOverlap> overlaps(const std::vector<TraceEvent>& events) {
  struct Hold {
    TraceEvent grant;
    Millis end;
  };
  std::vector<TraceOverlap> found;
  std::map<std::string, Hold> holds;  // by kind and token
  for (const TraceEvent& event : events) {
    if (!event.at || event.token.empty()) continue;
    const std::string key = event.kind + event.token;
    const auto own = holds.find(key);
    // What an operator took from a holder that may be alive is not over with that.
    const bool ended = event.event == "released" || event.event == "left" ||
                       (event.event == "reclaimed" && event.mode != "broken");
    if (ended) {
      if (own != holds.end()) holds.erase(own);
    } else if (event.event == "renewed") {
      if (own != holds.end() && event.lease_end) own->second.end = *event.lease_end;
    } else if (event.event == "granted" && event.mode == "exclusive" && event.lease_end &&
               event.result != "nested") {
      for (const auto& [other, hold] : holds) {
        if (other != key && hold.grant.kind == event.kind && hold.end > *event.at)
          found.push_back({hold.grant, event, hold.end});
      }
      holds[key] = {event, *event.lease_end};
    }
  }
  return found;
}

}  // namespace dcoord::primitives
