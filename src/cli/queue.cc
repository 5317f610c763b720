#include <fmt/format.h>

#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/token.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/lease_options.h"
#include "cli/queue_verbs.h"
#include "primitives/queue.h"

namespace dcoord::cli {

using namespace primitives;

std::string shown_receipt(const std::string& receipt, const std::string& queue) {
  return receipt + ":" + percent_encode(queue);
}

ShownReceipt read_receipt(const std::string& text) {
  const size_t colon = text.find(':');
  const std::string receipt = text.substr(0, colon);
  if (colon == std::string::npos || !is_token(receipt.substr(0, receipt.find('.')))) {
    throw usage_error(fmt::format("'{}' is no receipt", text),
                      "`dcoord queue pop NAME --lease DUR` prints one before the item");
  }
  ShownReceipt shown{receipt, percent_decode(text.substr(colon + 1))};
  check_name(shown.queue, "queue name in the receipt");
  return shown;
}

namespace {

struct ReceiptOptions {
  std::string receipt, request_id;
  Duration delay{};
  bool dead = false;
  std::string reason;
  Duration lease = std::chrono::seconds(30);

  void declare(OptionSet& set) {
    set.positional("RECEIPT", "", receipt, "what `queue pop --lease` printed before the item");
    set.text("--request-id", "ID", request_id, "names the request, to run it again")
        .from_environment = false;
  }
};

[[noreturn]] void not_in_flight(const ShownReceipt& shown) {
  throw Error(ExitCode::no, "not_in_flight",
              fmt::format("this delivery of queue '{}' is over: it was ended before, or its lease "
                          "is over and the item went to another",
                          shown.queue));
}

Verb ack_verb() {
  auto o = std::make_shared<ReceiptOptions>();
  Verb verb;
  verb.name = "ack";
  verb.summary = "an item that was taken with --lease is done; exit 1 if it is not yours any more";
  verb.usage = "RECEIPT";
  verb.examples = {"dcoord queue ack \"$receipt\""};
  verb.declare = [o](OptionSet& set) { o->declare(set); };
  batchable(verb, [o](Context& context) -> Task<int> {
    const ShownReceipt shown = read_receipt(o->receipt);
    const Keys keys(context.config().key_namespace);
    Queue queue(context.loop(), context.scripts(), keys, shown.queue);
    auto acknowledging =
        queue.ack(request_token(o->request_id), {shown.receipt}, context.patience());
    const Acked acked = co_await acknowledging;
    if (acked.count == 0) not_in_flight(shown);
    co_return to_int(ExitCode::ok);
  });
  return verb;
}

Verb nack_verb() {
  auto o = std::make_shared<ReceiptOptions>();
  Verb verb;
  verb.name = "nack";
  verb.summary = "give an item back: others get it at once, or later, or nobody (--dead)";
  verb.usage = "RECEIPT [--delay DUR | --dead]";
  verb.examples = {"dcoord queue nack \"$receipt\" --delay 1m",
                   "dcoord queue nack \"$receipt\" --dead --reason 'no such customer'"};
  verb.declare = [o](OptionSet& set) {
    o->declare(set);
    set.duration("--delay", o->delay, "nobody gets it before");
    set.flag("--dead", o->dead, "to the dead letters, for a person to look at").from_environment =
        false;
    set.text("--reason", "TEXT", o->reason, "with --dead: why").from_environment = false;
  };
  batchable(verb, [o](Context& context) -> Task<int> {
    if (o->delay == kForever) throw usage_error("--delay must end some time");
    if (o->dead && o->delay > Duration::zero())
      throw usage_error("--dead and --delay contradict each other");
    if (!o->dead && !o->reason.empty()) throw usage_error("--reason goes with --dead");
    const ShownReceipt shown = read_receipt(o->receipt);
    const Keys keys(context.config().key_namespace);
    Queue queue(context.loop(), context.scripts(), keys, shown.queue);
    auto returning = queue.nack(request_token(o->request_id), {shown.receipt},
                                o->dead ? Fate::dead : Fate::retry, o->delay,
                                {std::nullopt, o->reason}, context.patience());
    const auto returned = co_await returning;
    if (returned == 0) not_in_flight(shown);
    co_return to_int(ExitCode::ok);
  });
  return verb;
}

Verb extend_verb() {
  auto o = std::make_shared<ReceiptOptions>();
  Verb verb;
  verb.name = "extend";
  verb.summary = "raise the end of the lease of an item; exit 1 if that has ended";
  verb.usage = "RECEIPT [--lease DUR]";
  verb.examples = {"dcoord queue extend \"$receipt\" --lease 10m"};
  verb.declare = [o](OptionSet& set) {
    o->declare(set);
    set.duration("--lease", o->lease, "length of the lease from now on; never lowers its end");
  };
  batchable(verb, [o](Context& context) -> Task<int> {
    check_ttl(o->lease, "--lease");
    const ShownReceipt shown = read_receipt(o->receipt);
    const Keys keys(context.config().key_namespace);
    Queue queue(context.loop(), context.scripts(), keys, shown.queue);
    auto extending = queue.extend({shown.receipt}, o->lease, context.patience());
    const auto ends = co_await extending;
    if (ends.empty() || !ends[0]) not_in_flight(shown);
    co_return to_int(ExitCode::ok);
  });
  return verb;
}

}  // namespace

Noun queue_noun() {
  Noun noun;
  noun.name = "queue";
  noun.summary = "push items, and work on them: at least once, in order";
  noun.examples = {"dcoord queue push urls < urls.txt", "url=$(dcoord queue pop urls)",
                   "dcoord queue show urls"};
  noun.verbs = {queue_push_verb(), queue_work_verb(),  queue_pop_verb(),  ack_verb(),
                nack_verb(),       extend_verb(),      queue_show_verb(), queue_list_verb(),
                queue_peek_verb(), queue_purge_verb(), queue_dead_verb()};
  return noun;
}

}  // namespace dcoord::cli
