#include "primitives/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/duration.h"
#include "base/error.h"
#include "primitives/protocol.h"
#include "redis/scripts.h"

namespace dcoord::primitives {
namespace {

namespace scripts = redis::scripts;
using redis::Answer;
using redis::Patience;
using redis::Reply;

JobState state_of(const Reply& reply) {
  const auto n = reply.number();
  return n >= 1 && n <= 5 ? static_cast<JobState>(n) : JobState::unknown;
}

std::string number(JobState state) { return std::to_string(static_cast<int>(state)); }

std::string encode_edges(const std::vector<JobDependency>& after) {
  std::string text;
  for (const auto& edge : after) {
    if (!text.empty()) text += '\n';
    text += static_cast<char>(edge.want);
    text += ' ' + edge.name;
  }
  return text;
}

std::vector<JobDependency> decode_edges(std::string_view text) {
  std::vector<JobDependency> edges;
  while (text.size() > 2) {
    const size_t end = std::min(text.find('\n'), text.size());
    edges.push_back({static_cast<JobWant>(text[0]), std::string(text.substr(2, end - 2))});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return edges;
}

/// `wait` replies: the numbers of pending and of unknown names are at `count`, the names behind.
JobWaiting decode_waiting(const Reply& r, size_t count, TimePoint now) {
  JobWaiting w;
  w.look_at = now + ms(r.at(1));
  const auto pending = static_cast<size_t>(r.at(count).number());
  const auto unknown = static_cast<size_t>(r.at(count + 1).number());
  const size_t first = count + 2;
  for (size_t i = 0; i < pending; ++i) w.pending.push_back(r.at(first + i).text());
  for (size_t i = 0; i < unknown; ++i) w.unknown.push_back(r.at(first + pending + i).text());
  return w;
}

/// Where the messages begin that its script could not push.
size_t behind_names(const JobWaiting& waiting, size_t count) {
  return count + 2 + waiting.pending.size() + waiting.unknown.size();
}

JobDependencyEnded decode_ended(const Reply& r) {
  return {r.at(1).text(), state_of(r.at(2)), static_cast<int>(r.at(3).number())};
}

JobView decode_job_view(const std::string& run, const Reply& r, size_t i) {
  JobView view;
  view.run = run;
  view.server_time = Millis(r.at(1).number());
  view.name = r.at(i).text();
  view.after = decode_edges(r.at(i + 1).text());
  view.state = state_of(r.at(i + 2));
  view.attempts = static_cast<int>(r.at(i + 3).number());
  view.code = static_cast<int>(r.at(i + 4).number());
  view.ends = Millis(r.at(i + 5).number());
  view.asked = Millis(r.at(i + 6).number());
  view.started = Millis(r.at(i + 7).number());
  view.ended = Millis(r.at(i + 8).number());
  view.culprit = r.at(i + 9).text();
  view.who = decode_holder(r.at(i + 10).text());
  view.token = r.at(i + 11).text();
  const bool lives = view.state == JobState::running || view.state == JobState::waiting;
  view.lost = lives && view.ends <= view.server_time;
  return view;
}

}  // namespace

JobRun::JobRun(Loop& loop, redis::ScriptRunner& scripts, const Keys& keys, std::string run)
    : loop_(loop),
      scripts_(scripts),
      keys_(keys),
      run_(std::move(run)),
      run_keys_{keys_.jobs(run_), keys_.job_waiters(run_), keys_.job_watch(run_)} {}

Task<Answer> JobRun::call(const redis::Script& script, std::vector<std::string> args, bool index,
                          Patience patience) {
  std::vector<std::string> keys = run_keys_;
  if (index) keys.push_back(keys_.index_of(run_, "job"));
  return run_script(scripts_, script, std::move(keys), std::move(args), patience,
                    fmt::format("run '{}'", run_));
}

Task<JobAnswer> JobRun::ask(JobRequest request, Patience patience) {
  std::string flags(1, static_cast<char>(request.on_failure));
  if (request.again) flags += 'g';
  std::vector<std::string> args{request.token,
                                request.name,
                                std::to_string(to_ms(request.ttl)),
                                flags,
                                keys_.mailbox(run_, request.token),
                                encode(request.who),
                                run_,
                                std::to_string(to_ms(request.keep)),
                                std::to_string(to_ms(request.once_per)),
                                std::to_string(to_ms(request.lost_after)),
                                encode_edges(request.after)};
  const Answer answer = co_await call(scripts::job_start, std::move(args), true, patience);
  const Reply& r = answer.reply;
  const std::string_view word = r.word();
  if (word == "granted") {
    co_await deliver(scripts_, r, 3, patience);
    co_return JobGranted{answer.sent + ms(r.at(1)), static_cast<int>(r.at(2).number())};
  }
  if (word == "wait") {
    JobWaiting waiting = decode_waiting(r, 3, loop_.now());
    co_await deliver(scripts_, r, behind_names(waiting, 3), patience);
    co_return waiting;
  }
  if (word == "dependency") {
    co_await deliver(scripts_, r, 4, patience);
    co_return decode_ended(r);
  }
  if (word == "running") {
    co_await deliver(scripts_, r, 4, patience);
    co_return JobRunning{decode_holder(r.at(1).text()), r.at(2).number() == 1, ms(r.at(3))};
  }
  if (word == "done") co_return JobDone{state_of(r.at(1)), static_cast<int>(r.at(2).number())};
  if (word == "full") co_return JobRunFull{};
  if (word == "gone") co_return JobGone{};
  if (word != "cycle") throw unexpected_reply(scripts::job_start, r);
  JobCycle cycle;
  for (size_t i = 1; i < r.size(); ++i) cycle.path.push_back(r.at(i).text());
  co_return cycle;
}

template <class Result, class Ask>
Task<Result> JobRun::ask_and_wait(Ask ask, std::string token, TimePoint until, Patience first,
                                  std::function<void(const JobWaiting&)> on_wait) {
  Patience patience = first;
  // However little of the wait is left, an ask that is under way gets the time to be answered.
  const Duration answer_time = first.until - loop_.now();
  while (true) {
    Task<Result> asking = ask(patience);
    Result answer = co_await asking;
    const auto* waiting = std::get_if<JobWaiting>(&answer);
    if (waiting == nullptr) co_return answer;
    if (on_wait) on_wait(*waiting);
    co_await wait_for_look(loop_, scripts_, keys_.mailbox(run_, token),
                           std::min(waiting->look_at, until));
    patience = {std::max(until, add(loop_.now(), answer_time)), kNever};
    if (loop_.now() >= until) co_return answer;
  }
}

Task<JobAnswer> JobRun::start(JobRequest request, TimePoint until, Patience first,
                              std::function<void(const JobWaiting&)> on_wait) {
  std::string token = request.token;
  auto asking = [this, request](Patience patience) { return ask(request, patience); };
  return ask_and_wait<JobAnswer>(std::move(asking), std::move(token), until, first,
                                 std::move(on_wait));
}

Task<JobsAnswer> JobRun::wait(std::string token, std::vector<std::string> names,
                              Duration lost_after, TimePoint until, Patience first,
                              std::function<void(const JobWaiting&)> on_wait) {
  std::vector<std::string> args{token, keys_.mailbox(run_, token),
                                std::to_string(to_ms(lost_after)), ""};
  args.insert(args.end(), names.begin(), names.end());
  return wait_for(std::move(token), std::move(args), until, first, std::move(on_wait));
}

Task<JobsAnswer> JobRun::join(std::string token, std::string name, TimePoint until, Patience first,
                              std::function<void(const JobWaiting&)> on_wait) {
  std::vector<std::string> args{token, keys_.mailbox(run_, token), "0", "j", std::move(name)};
  return wait_for(std::move(token), std::move(args), until, first, std::move(on_wait));
}

Task<JobsAnswer> JobRun::wait_for(std::string token, std::vector<std::string> args, TimePoint until,
                                  Patience first, std::function<void(const JobWaiting&)> on_wait) {
  auto asking = [this, args](Patience patience) -> Task<JobsAnswer> {
    const Answer answer = co_await call(scripts::job_wait, args, false, patience);
    const Reply& r = answer.reply;
    const std::string_view word = r.word();
    if (word == "wait") {
      JobWaiting waiting = decode_waiting(r, 2, loop_.now());
      co_await deliver(scripts_, r, behind_names(waiting, 2), patience);
      co_return waiting;
    }
    if (word != "done" && word != "failed") throw unexpected_reply(scripts::job_wait, r);
    co_await deliver(scripts_, r, word == "done" ? 1 : 4, patience);
    if (word == "done") co_return JobsDone{};
    co_return decode_ended(r);
  };
  // The lambda outlives the coroutines that it makes: it is a parameter of the one that awaits
  // them.
  return ask_and_wait<JobsAnswer>(std::move(asking), std::move(token), until, first,
                                  std::move(on_wait));
}

Task<std::variant<LockRenewed, LockLost>> JobRun::renew(std::string token, std::string name,
                                                        Duration ttl, Patience patience) {
  std::vector<std::string> keys{run_keys_[0]};
  std::vector<std::string> args{std::move(token), std::move(name), std::to_string(to_ms(ttl))};
  const Answer answer =
      co_await run_script(scripts_, scripts::job_renew, std::move(keys), std::move(args), patience,
                          fmt::format("run '{}'", run_));
  const Reply& r = answer.reply;
  if (r.word() == "renewed") {
    co_return LockRenewed{answer.sent + ms(r.at(1)), Millis(r.at(2).number())};
  }
  if (r.word() == "lost") co_return LockLost{false};
  throw unexpected_reply(scripts::job_renew, r);
}

Task<bool> JobRun::finish(std::string token, std::string name, JobState state, int code,
                          Patience patience) {
  std::vector<std::string> args{std::move(token), std::move(name), number(state),
                                std::to_string(code)};
  const Answer answer = co_await call(scripts::job_finish, std::move(args), false, patience);
  if (answer.reply.word() == "lost") co_return false;
  if (answer.reply.word() != "finished") {
    throw unexpected_reply(scripts::job_finish, answer.reply);
  }
  co_await deliver(scripts_, answer.reply, 1, patience);
  co_return true;
}

Task<void> JobRun::leave(std::string token, std::string name, Patience patience) {
  std::vector<std::string> args{std::move(token), std::move(name), "0", "0"};
  const Answer answer = co_await call(scripts::job_finish, std::move(args), false, patience);
  if (answer.reply.word() != "left") throw unexpected_reply(scripts::job_finish, answer.reply);
  co_await deliver(scripts_, answer.reply, 1, patience);
}

Task<JobRun::Marked> JobRun::mark(std::string name, JobState state, Holder who, Duration keep,
                                  Patience patience) {
  std::vector<std::string> args{std::move(name), number(state), encode(who), run_,
                                std::to_string(to_ms(keep))};
  const Answer answer = co_await call(scripts::job_mark, std::move(args), true, patience);
  const Reply& r = answer.reply;
  using What = Marked::What;
  Marked result{What::marked, {}};
  if (r.word() == "running") {
    result = {What::running, decode_holder(r.at(1).text())};
  } else if (r.word() == "absent") {
    result.what = What::absent;
  } else if (r.word() == "marked") {
    co_await deliver(scripts_, r, 1, patience);
  } else {
    throw unexpected_reply(scripts::job_mark, r);
  }
  co_return result;
}

Task<std::vector<JobView>> JobRun::show(std::string name, Patience patience) {
  std::map<std::string, JobView> views;  // a page may tell one twice
  std::string cursor = "0";
  do {
    std::vector<std::string> keys{run_keys_[0]};
    std::vector<std::string> args{name, cursor};
    const Answer answer =
        co_await run_script(scripts_, scripts::job_show, std::move(keys), std::move(args), patience,
                            fmt::format("run '{}'", run_));
    const Reply& r = answer.reply;
    if (r.word() == "absent") break;
    if (r.word() != "jobs") throw unexpected_reply(scripts::job_show, r);
    cursor = r.at(2).text();
    for (size_t i = 3; i + 11 < r.size(); i += 12) {
      views.insert_or_assign(r.at(i).text(), decode_job_view(run_, r, i));
    }
  } while (cursor != "0");
  std::vector<JobView> result;
  for (auto& [key, view] : views) result.push_back(std::move(view));
  co_return result;
}

Task<std::vector<std::string>> list_job_runs(redis::ScriptRunner& runner, const Keys& keys,
                                             Patience patience) {
  // Of each run one job: enough to know that it is there.
  std::function<redis::Call(const std::string&)> show = [&](const std::string& run) {
    redis::Call call;
    call.script = &scripts::job_show;
    call.keys = {keys.jobs(run)};
    call.args = {"no job has two lines\n", "0"};
    return call;
  };
  std::string kind = "job";
  const std::vector<Listed> listed =
      co_await list_all(runner, keys, std::move(kind), std::move(show), patience);
  std::vector<std::string> runs;
  for (const auto& one : listed) runs.push_back(one.name);
  co_return runs;
}

const char* job_state_word(JobState state) {
  switch (state) {
    case JobState::waiting:
      return "waiting";
    case JobState::running:
      return "running";
    case JobState::succeeded:
      return "succeeded";
    case JobState::failed:
      return "failed";
    case JobState::skipped:
      return "skipped";
    case JobState::unknown:
      break;
  }
  return "unknown";
}

}  // namespace dcoord::primitives
