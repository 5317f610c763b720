#include "cli/queue_worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/duration.h"
#include "base/log.h"
#include "base/race.h"
#include "base/token.h"
#include "cli/context.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

constexpr Duration kLongestDelay = 1h;
// For what is told to the server when it is not worth waiting long.
constexpr Duration kShort = 5s;

/// The server may come back, and then the same request is sent again.
bool may_pass(const Error& error) {
  return error.code() == ExitCode::unavailable || error.code() == ExitCode::unknown;
}

}  // namespace

QueueWorker::QueueWorker(Context& context, const WorkOptions& options, LeaseTimes times,
                         hold::Supervisor& supervisor)
    : context_(context),
      o_(options),
      times_(times),
      supervisor_(supervisor),
      keys_(context.config().key_namespace),
      queue_(context.loop(), context.scripts(), keys_, options.name),
      desk_(context, keys_, options.name),
      changed_(context.loop()),
      drain_(context.loop()) {
  for (int i = 0; i < options.concurrency; ++i) {
    places_.push_back(std::make_unique<QueuePlace>(context, options.command, times_, supervisor,
                                                   desk_, options.name, i));
  }
  request_.lease = times_.ttl;
  request_.lane = options.worker;
  request_.steal = options.steal;
  request_.until_drained = options.until_empty;
  request_.max_attempts = static_cast<int>(options.max_attempts);
  tally_.started = context.loop().now();
}

redis::Patience QueueWorker::patience(Duration limit) const {
  const TimePoint until = add(context_.loop().now(), limit);
  return {until, until};
}

Task<void> QueueWorker::run() {
  Loop& loop = context_.loop();
  Task<void> watching = watch_signals();
  loop.start(watching);
  Task<void> showing = show_progress();
  loop.start(showing);
  Task<void> taking = take_items();
  co_await taking;
  while (free_places() < static_cast<int>(places_.size())) co_await changed_.wait();
  showing.cancel();
  log::clear_progress();
  Task<void> acknowledging = acknowledge();
  co_await acknowledging;
  if (!done_.empty()) {
    log::warning(
        fmt::format("{} items were done, but that could not be told: they are given to "
                    "others when their leases end",
                    done_.size()));
  }
  if (failure_) throw *failure_;
}

/// Until nothing more is to be taken.
Task<void> QueueWorker::take_items() {
  Loop& loop = context_.loop();
  while (!draining_) {
    const int free = free_places();
    if (free == 0) {
      co_await changed_.wait();
      continue;
    }
    request_.token = random_token();
    request_.count = std::min(free, kMostTaken);
    std::optional<std::variant<TakeAnswer, bool>> outcome;
    try {
      Task<TakeAnswer> taking = take();
      Task<bool> draining = drained();
      Task<std::variant<TakeAnswer, bool>> both =
          race(loop, std::move(taking), std::move(draining));
      outcome.emplace(co_await both);
    } catch (const Error& error) {
      stop_for(error);
    }
    in_line_ = false;
    const auto* answer = outcome ? std::get_if<TakeAnswer>(&*outcome) : nullptr;
    const auto* taken = answer ? std::get_if<Taken>(answer) : nullptr;
    if (draining_) {
      // What was handed over meanwhile is somebody else's; so is the place in line.
      done_.insert(done_.end(), request_.done.begin(), request_.done.end());
      const bool over = answer && !taken;
      if (!over && reached_) {
        Task<void> leaving = leave();
        co_await leaving;
      }
      co_return;
    }
    if (taken) {
      for (const QueueItem& item : taken->items) start(item, taken->valid_end);
    } else if (std::holds_alternative<QueueEmpty>(*answer)) {
      co_return;
    }
  }
}

Task<bool> QueueWorker::drained() {
  while (!draining_) co_await drain_.wait();
  co_return true;
}

/// One request, asked until there are items, or nothing can come any more. Cancelled, its
/// request_.done may have been acknowledged or not.
Task<TakeAnswer> QueueWorker::take() {
  std::string ticket;
  while (true) {
    request_.done.insert(request_.done.end(), done_.begin(), done_.end());
    done_.clear();
    std::optional<TakeAnswer> answer;
    std::optional<Error> error;
    try {
      Task<TakeAnswer> asking =
          queue_.ask(request_, true, ticket, reached_ ? patience(kShort) : context_.patience());
      answer.emplace(co_await asking);
    } catch (const Error& e) {
      error.emplace(e);
    }
    if (error) {
      Task<void> enduring = endure(*error);
      co_await enduring;
      continue;
    }
    reached_ = true;
    if (std::exchange(away_, false)) log::warning("the server is back");
    // A token that is known as gone has acknowledged nothing.
    if (!std::holds_alternative<TakeGone>(*answer)) request_.done.clear();
    const auto* waiting = std::get_if<QueueWaiting>(&*answer);
    if (!waiting) co_return *answer;
    ticket = waiting->ticket;
    in_line_ = true;
    Task<void> acknowledging = acknowledge();
    co_await acknowledging;
    Task<void> waits = queue_.wait(request_.token, waiting->look_at);
    co_await waits;
    in_line_ = false;
  }
}

/// The same request is sent again in a while, unless nothing can come of it.
Task<void> QueueWorker::endure(Error error) {
  if (!reached_ || !may_pass(error)) throw error;
  if (!std::exchange(away_, true))
    log::warning(fmt::format("{}; trying again until it is back", error.what()));
  co_await context_.loop().sleep(500ms);
}

void QueueWorker::start(QueueItem item, TimePoint valid_end) {
  const auto free =
      std::find_if(places_.begin(), places_.end(), [](const auto& place) { return !place->busy; });
  QueuePlace& place = **free;
  place.busy = true;
  place.work = work(place, std::move(item), valid_end);
  context_.loop().start(place.work);
}

Task<void> QueueWorker::work(QueuePlace& place, QueueItem item, TimePoint valid_end) {
  ItemEnd end;
  try {
    Task<ItemEnd> running = place.run(item, valid_end);
    end = co_await running;
  } catch (const Error& error) {
    stop_for(error);
    end.what = ItemEnd::What::stopped;
  }
  Task<void> settling = settle(std::move(item), std::move(end));
  co_await settling;
  place.busy = false;
  changed_.set();
}

Task<void> QueueWorker::settle(QueueItem item, ItemEnd end) {
  using What = ItemEnd::What;
  const std::string id = item.id, survivors = end.survivors;
  if (end.what == What::done) {
    ++tally_.done;
    done_.push_back(item.receipt);
    if (in_line_) {
      Task<void> acknowledging = acknowledge();
      co_await acknowledging;
    }
  } else if (end.what == What::failed || end.what == What::unfit) {
    Task<void> failing = fail(std::move(item), std::move(end));
    co_await failing;
  } else if (end.what == What::lost) {
    // It is somebody else's by now, or will be when its lease has ended.
    ++tally_.lost;
    log::warning(fmt::format("lost item {} of queue '{}': {}; the command was stopped", item.id,
                             o_.name, end.text));
  } else {
    if (end.what == What::not_started) stop_for(not_started(context_.command()[0], end.exec_errno));
    ++tally_.given_back;
    Task<void> giving = give_back(item.receipt, Fate::untried, Duration::zero(), {});
    co_await giving;
  }
  if (!survivors.empty()) {
    stop_for(Error(
        ExitCode::lost, "survivors",
        fmt::format("not all of the command for item {} could be stopped: {}", id, survivors)));
  }
}

Task<void> QueueWorker::fail(QueueItem item, ItemEnd end) {
  const bool unfit = end.what == ItemEnd::What::unfit;
  const bool over = o_.max_attempts > 0 && item.attempt >= o_.max_attempts;
  const bool hopeless =
      o_.dead_on.has(end.code) || (!o_.retry_on.empty() && !o_.retry_on.has(end.code));
  const bool dead = unfit || over || hopeless;
  const Duration delay = dead ? Duration::zero() : delay_after(item.attempt);
  const std::string why = unfit ? end.text : fmt::format("exit code {}", end.code);
  DeathCause cause;
  if (!unfit) cause.exit_code = end.code;
  cause.text = std::move(end.text);
  if (dead) {
    ++tally_.dead;
    log::warning(fmt::format("item {} of queue '{}' is dead after attempt {}: {}", item.id, o_.name,
                             item.attempt, why));
  } else {
    ++tally_.failed;
    log::note(1, fmt::format("item {} of queue '{}' failed at attempt {}: {}; again in {}", item.id,
                             o_.name, item.attempt, why, format_age(delay)));
  }
  Task<void> giving =
      give_back(item.receipt, dead ? Fate::dead : Fate::retry, delay, std::move(cause));
  co_await giving;
}

Duration QueueWorker::delay_after(int attempt) const {
  // By hand: pow would have libm loaded at every start.
  const auto longest = static_cast<double>(kLongestDelay.count());
  auto delay = static_cast<double>(o_.retry_delay.count());
  for (int i = 1; i < attempt && o_.backoff != 1 && delay >= 1 && delay < longest; ++i)
    delay *= o_.backoff;
  if (!(delay < longest)) return std::max(o_.retry_delay, kLongestDelay);
  return Duration(static_cast<Duration::rep>(delay));
}

Task<void> QueueWorker::give_back(std::string receipt, Fate fate, Duration delay,
                                  DeathCause cause) {
  try {
    // Afterwards it is given to others anyhow.
    Task<bool> giving = desk_.give_back(std::move(receipt), fate, delay, std::move(cause),
                                        patience(stopping_ ? kShort : times_.ttl));
    const bool ours = co_await giving;
    if (!ours) log::note(1, "its delivery was over already");
  } catch (const Error& error) {
    log::warning(
        fmt::format("cannot give an item of queue '{}' back: {}; others get it when its "
                    "lease ends",
                    o_.name, error.what()));
    if (!may_pass(error)) stop_for(error);
  }
}

/// What is done, when no request for more is about to tell it.
Task<void> QueueWorker::acknowledge() {
  if (done_.empty()) co_return;
  std::vector<std::string> receipts = std::exchange(done_, {});
  try {
    Task<Acked> acking = desk_.ack(receipts, patience(kShort));
    co_await acking;
    co_return;
  } catch (const Error& error) {
    if (!may_pass(error)) stop_for(error);
  }
  done_.insert(done_.end(), receipts.begin(), receipts.end());
}

Task<void> QueueWorker::leave() {
  try {
    Task<long long> leaving = queue_.leave(request_.token, patience(kShort));
    co_await leaving;
  } catch (const Error& error) {
    log::warning(fmt::format("could not leave the line of queue '{}': {}", o_.name, error.what()));
  }
}

Task<void> QueueWorker::watch_signals() {
  Task<int> first = supervisor_.request(1);
  signal_ = co_await first;
  if (free_places() < static_cast<int>(places_.size()))
    log::note(log::settings().rewrite ? 0 : 1, "finishing what runs; once more stops it");
  drain();
  Task<int> second = supervisor_.request(2);
  co_await second;
  stopping_ = true;
  for (int i = 0; i < static_cast<int>(places_.size()); ++i) supervisor_.stop(i);
}

Task<void> QueueWorker::show_progress() {
  const bool wanted =
      log::settings().rewrite && context_.config().progress == Config::Progress::automatic;
  if (!wanted) co_return;
  for (;;) {
    co_await context_.loop().sleep(1s);
    std::optional<QueueView> view;
    try {
      Task<QueueView> showing = desk_.show(patience(1s));
      view.emplace(co_await showing);
    } catch (const Error&) {  // then without
    }
    log::progress("dcoord: " + tally_.line(view, context_.loop().now()));
  }
}

int QueueWorker::free_places() const {
  return static_cast<int>(std::count_if(places_.begin(), places_.end(),
                                        [](const auto& place) { return !place->busy; }));
}

void QueueWorker::drain() {
  draining_ = true;
  drain_.set();
  changed_.set();
}

void QueueWorker::stop_for(const Error& error) {
  if (!failure_) failure_.emplace(error);
  drain();
}

}  // namespace dcoord::cli
