#include <fmt/format.h>

#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "base/token.h"
#include "cli/context.h"
#include "cli/lease_options.h"
#include "cli/queue_verbs.h"
#include "cli/terminal.h"
#include "hold/interrupts.h"
#include "hold/supervisor.h"
#include "output/payload.h"
#include "output/printers.h"
#include "primitives/queue.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

struct PopOptions {
  std::string name;
  Duration wait{};
  long long count = 1;
  std::optional<Duration> lease;
  bool raw = false;
  std::string worker;
  bool steal = false;
};

class QueuePop {
 public:
  QueuePop(Context& context, const PopOptions& o)
      : context_(context),
        o_(o),
        keys_(context.config().key_namespace),
        queue_(context.loop(), context.scripts(), keys_, o.name),
        until_(add(context.loop().now(), o.wait)) {
    request_.lease = o.lease.value_or(10s);
    request_.lane = o.worker;
    request_.steal = o.steal;
    request_.together = !o.lease;
  }

  /// Takes and prints until there are as many as asked for, or no more. The exit code.
  Task<int> run() {
    long long left = o_.count;
    std::string ticket;
    while (left > 0) {
      if (ticket.empty()) request_.token = random_token();
      request_.count = static_cast<int>(std::min<long long>(left, kMostTaken));
      const bool waits = left == o_.count && o_.wait > Duration::zero();
      asking_ = true;
      Task<TakeAnswer> asking = waits ? queue_.take(request_, until_, context_.patience())
                                      : queue_.ask(request_, false, ticket, context_.patience());
      const TakeAnswer answer = co_await asking;
      request_.done.clear();
      if (const auto* waiting = std::get_if<QueueWaiting>(&answer)) {
        if (!waits) {  // there is something for it behind what one call can look at
          ticket = waiting->ticket;
          continue;
        }
        co_await queue_.leave(request_.token, context_.patience());
        co_return to_int(ExitCode::timed_out);
      }
      asking_ = false;
      ticket.clear();
      const auto* taken = std::get_if<Taken>(&answer);
      if (taken == nullptr) break;
      left -= static_cast<long long>(taken->items.size());
      Task<bool> handing_out = hand_out(*taken);
      const bool arrived = co_await handing_out;
      if (!arrived) co_return to_int(ExitCode::unknown);
    }
    if (!request_.done.empty()) {
      co_await queue_.ack(last_token_, request_.done, context_.patience());
    }
    co_return to_int(left < o_.count ? ExitCode::ok : ExitCode::no);
  }

  /// When this process is asked to end: what was printed is done, and what is under way goes back.
  Task<void> give_up() {
    const redis::Patience patience{add(context_.loop().now(), 2s), kNever};
    try {
      if (!request_.done.empty()) co_await queue_.ack(last_token_, request_.done, patience);
      if (asking_) co_await queue_.leave(request_.token, patience);
    } catch (const Error& error) {
      log::warning(
          fmt::format("could not take leave of queue '{}' ({})", queue_.name(), error.what()));
    }
  }

 private:
  /// Prints; only what arrived is acknowledged, with the next take or at the end.
  Task<bool> hand_out(const Taken& taken) {
    for (const QueueItem& item : taken.items) print(item);
    if (flush_stdout()) {
      if (!o_.lease) {
        request_.done = receipts_of(taken);
        last_token_ = request_.token;
      }
      co_return true;
    }
    co_await queue_.nack(request_.token, receipts_of(taken), Fate::untried, Duration::zero(), {},
                         context_.patience());
    co_return false;
  }

  static std::vector<std::string> receipts_of(const Taken& taken) {
    std::vector<std::string> receipts;
    for (const QueueItem& item : taken.items)
      if (receipts.empty() || receipts.back() != item.receipt) receipts.push_back(item.receipt);
    return receipts;
  }

  void print(const QueueItem& item) {
    if (context_.json()) {
      output::Record record;
      record.add("id", item.id).add("attempt", static_cast<long long>(item.attempt));
      if (o_.lease) record.add("receipt", shown_receipt(item.receipt, queue_.name()));
      output::add_payload(record, item.payload);
      context_.printer().print(record);
      return;
    }
    if (o_.lease) output::write_out(shown_receipt(item.receipt, queue_.name()) + " ");
    output::write_out(item.payload);
    if (!o_.raw) output::write_out("\n");
  }

  Context& context_;
  const PopOptions& o_;
  Keys keys_;
  Queue queue_;
  TimePoint until_;
  TakeRequest request_;
  bool asking_ = false;     // the server may hand something over, or have
  std::string last_token_;  // of what request_.done is about
};

int pop(Context& context, const PopOptions& o) {
  check_name(o.name, "queue name");
  if (!o.worker.empty()) check_name(o.worker, "worker id");
  if (o.lease) check_ttl(*o.lease, "--lease");
  hold::Interrupts interrupts(context.loop(), context.start());
  QueuePop popping(context, o);
  Task<int> work = popping.run();
  Task<int> signal = interrupts.next();
  const auto outcome = context.loop().run(race(context.loop(), std::move(work), std::move(signal)));
  if (outcome.index() == 0) return std::get<0>(outcome);
  context.loop().run(popping.give_up());
  hold::die_of_signal(std::get<1>(outcome));
}

}  // namespace

Verb queue_pop_verb() {
  auto o = std::make_shared<PopOptions>();
  Verb verb;
  verb.name = "pop";
  verb.summary = "take items and print them; exit 1 when there are none";
  verb.usage = "NAME [OPTIONS]";
  verb.examples = {"url=$(dcoord queue pop urls) && fetch \"$url\"",
                   "dcoord queue pop mails -w 1m --count 100",
                   "read -r receipt item < <(dcoord queue pop jobs --lease 5m)"};
  verb.declare = [o](OptionSet& set) {
    set.positional("NAME", "queue", o->name, "name of the queue");
    set.duration("-w,--wait", o->wait, "wait for an item so long; exit 124 when none came");
    set.integer("--count", "N", o->count, 1, 1LL << 40, "take up to so many, those that are there");
    set.duration(
        "--lease", o->lease,
        "print `RECEIPT ITEM`, and let it be yours so long: end that with `queue ack RECEIPT`");
    set.flag("--raw", o->raw, "no newline after an item");
    set.text("--worker", "ID", o->worker, "take from that worker's lane first");
    set.flag("--steal", o->steal, "take from other workers' lanes when there is nothing else");
  };
  verb.run = [o](Context& context) { return pop(context, *o); };
  return verb;
}

}  // namespace dcoord::cli
