#include <fmt/format.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "base/unique_fd.h"
#include "cli/context.h"
#include "cli/event_follower.h"
#include "cli/event_member.h"
#include "cli/event_verbs.h"
#include "cli/held_lease.h"
#include "cli/lease_options.h"
#include "cli/state_verbs.h"
#include "cli/terminal.h"
#include "hold/interrupts.h"
#include "hold/supervisor.h"
#include "output/printers.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

constexpr int kPrintedAtOnce = 100;

struct SubscribeOptions {
  std::vector<std::string> topics;
  bool pattern = false;
  std::string since = "now";
  std::optional<long long> count;
  std::optional<Duration> wait;
  std::optional<std::string> group, consumer;
  LeaseOptions lease;
  Duration retry_delay = 1s;
  long long max_attempts = 0;
  Duration max_time = kForever;
};

void warn_of_failure(const Delivery& delivery, const char* then) {
  log::warning(fmt::format("the command for event {} of topic '{}' failed{}",
                           delivery.event.id.text(), delivery.event.topic, then));
}

/// What commands have as their standard input: a file in memory, so that none can block on it and
/// none has to be fed while it runs. It becomes ours, for them to inherit: made before the
/// supervisor, whose guard is a fork.
class CommandInput {
 public:
  CommandInput() {
    const UniqueFd file(memfd_create("dcoord-event", MFD_CLOEXEC));
    if (!file || dup2(file.get(), STDIN_FILENO) < 0) throw failed();
  }
  void set(std::string_view data) {
    if (ftruncate(STDIN_FILENO, 0) != 0 || lseek(STDIN_FILENO, 0, SEEK_SET) < 0) throw failed();
    while (!data.empty()) {
      const ssize_t n = write(STDIN_FILENO, data.data(), data.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw failed();
      data.remove_prefix(static_cast<size_t>(n));
    }
    lseek(STDIN_FILENO, 0, SEEK_SET);
  }

 private:
  static Error failed() {
    return Error(ExitCode::internal, "system",
                 fmt::format("cannot pass an event to a command: {}", std::strerror(errno)));
  }
};

/// Prints events, or runs a command for each, until there are enough.
class Subscription {
 public:
  Subscription(Context& context, const SubscribeOptions& o)
      : context_(context), o_(o), times_(lease_times(o.lease)) {
    if (context.tail()) {
      context.prepare_to_hold(o.group ? times_.attempt : context.config().command_timeout);
      input_.emplace();
      supervisor_.emplace(context.loop(), context.start());
    } else {
      interrupts_.emplace(context.loop(), context.start());
    }
    TopicSet topics(context, o.topics, o.pattern);
    if (!o.group) {
      source_ = std::make_unique<EventFollower>(context, std::move(topics), o.since);
      return;
    }
    EventMember::Options member;
    member.group = *o.group;
    member.member = o.consumer.value_or(writer_text(this_process("", "", "")));
    member.take_back = o.consumer.has_value();
    member.since = o.since;
    member.lease = times_.ttl;
    member.retry_delay = o.retry_delay;
    member.max_attempts = static_cast<int>(o.max_attempts);
    if (!supervisor_) {
      member.at_once =
          static_cast<int>(std::min<long long>(kPrintedAtOnce, o.count.value_or(kPrintedAtOnce)));
    }
    auto source = std::make_unique<EventMember>(context, std::move(topics), std::move(member));
    member_ = source.get();
    source_ = std::move(source);
  }

  /// False when the time is over, or a signal came: signal().
  Task<bool> run() {
    const TimePoint until = add(context_.loop().now(), o_.wait.value_or(kForever));
    for (long long n = 0; !o_.count || n < *o_.count; ++n) {
      Task<std::optional<Delivery>> following = source_->next(until);
      Task<int> interrupted = supervisor_ ? supervisor_->interrupted() : interrupts_->next();
      Task<std::variant<std::optional<Delivery>, int>> both =
          race(context_.loop(), std::move(following), std::move(interrupted));
      const auto outcome = co_await both;
      if (const int* signal = std::get_if<int>(&outcome)) {
        signal_ = *signal;
        co_return false;
      }
      const auto& delivery = std::get<std::optional<Delivery>>(outcome);
      if (!delivery) co_return false;
      if (!supervisor_) {
        print(*delivery);
        continue;
      }
      Task<bool> handling = handle(*delivery);
      if (!co_await handling) co_return false;
    }
    co_return true;
  }

  /// What was handled is acknowledged, what was not is given back.
  Task<void> finish() {
    if (member_ == nullptr) co_return;
    std::string failure;
    try {
      Task<void> finishing = member_->finish();
      co_await finishing;
    } catch (const Error& error) {
      failure = error.what();
    }
    if (!failure.empty()) {
      log::warning(
          fmt::format("could not tell group '{}' what was handled ({}): it is given again "
                      "when the lease is over",
                      *o_.group, failure));
    }
  }

  int signal() const {
    return supervisor_ && supervisor_->asked_to_end() != 0 ? supervisor_->asked_to_end() : signal_;
  }

 private:
  void print(const Delivery& delivery) {
    if (context_.config().format == Config::Format::plain) {
      output::write_out(delivery.event.data + "\n");
    } else {
      output::Record record = describe_event(delivery.event);
      record.add("missed", delivery.missed);
      if (member_ != nullptr) record.add("attempt", static_cast<long long>(delivery.attempt));
      printer_->print(record);
    }
    // Only what has arrived counts as handled.
    flush_stdout_for_reader();
    if (member_ != nullptr) member_->handled(delivery);
  }

  hold::Command command_for(const Delivery& delivery) const {
    const TopicEvent& event = delivery.event;
    hold::Command command;
    command.argv = *context_.tail();
    command.env = {{"DCOORD_EVENT_ID", event.id.text()},
                   {"DCOORD_TOPIC", event.topic},
                   {"DCOORD_EVENT_TIME", output::rfc3339(Millis(event.id.ms))},
                   {"DCOORD_PUBLISHER", event.publisher},
                   {"DCOORD_MISSED", std::to_string(delivery.missed)},
                   {"DCOORD_ATTEMPT", std::to_string(delivery.attempt)}};
    return command;
  }

  /// False when a signal has asked us to end.
  Task<bool> handle(const Delivery& delivery) {
    hold::Command command = command_for(delivery);
    input_->set(delivery.event.data);
    hold::Options options;
    options.max_time = o_.max_time;
    hold::Outcome outcome;
    std::optional<LossReason> loss;
    if (member_ == nullptr) {
      Task<hold::Outcome> running = supervisor_->run(std::move(command), options, kNever);
      outcome = co_await running;
    } else {
      options.grace = times_.grace;
      options.margin = times_.margin;
      HeldLease lease(context_, *supervisor_, lease_of(delivery));
      Task<hold::Outcome> running = lease.run(std::move(command), options);
      outcome = co_await running;
      lease.stop();
      loss = lease.loss();
    }
    if (outcome.ending == hold::Ending::not_started) {
      const bool missing = outcome.exec_errno == ENOENT;
      throw Error(missing ? ExitCode::not_found : ExitCode::not_executable,
                  missing ? "not_found" : "not_executable",
                  fmt::format("cannot run '{}': {}", context_.tail()->front(),
                              std::strerror(outcome.exec_errno)));
    }
    settle(delivery, outcome, loss);
    co_return supervisor_->asked_to_end() == 0;
  }

  void settle(const Delivery& delivery, const hold::Outcome& outcome,
              const std::optional<LossReason>& loss) {
    const bool good = outcome.ending == hold::Ending::by_itself && outcome.status == 0;
    if (outcome.ending == hold::Ending::lost) {
      log::warning(fmt::format(
          "event {} of topic '{}' may go to another member: {}; the command "
          "was stopped",
          delivery.event.id.text(), delivery.event.topic, loss ? loss->text : "its lease ended"));
    } else if (!good && supervisor_->asked_to_end() == 0) {
      warn_of_failure(delivery, member_ != nullptr ? ": it is given again later" : "");
    }
    if (member_ == nullptr) return;
    if (good)
      member_->handled(delivery);
    else if (outcome.ending != hold::Ending::lost)
      member_->failed(delivery);
  }

  HeldLease::Lease lease_of(const Delivery& delivery) {
    HeldLease::Lease lease;
    lease.renew = [this, delivery](TimePoint until) { return renew(delivery, until); };
    lease.times = times_;
    lease.valid_end = delivery.valid_end;
    return lease;
  }

  Task<LeaseKeeper::RenewResult> renew(Delivery delivery, TimePoint until) {
    Millis server_time{};
    Task<std::optional<TimePoint>> extending = member_->extend(delivery, until, &server_time);
    const std::optional<TimePoint> end = co_await extending;
    LeaseKeeper::RenewResult result = LockLost{};
    if (end) result = LockRenewed{*end, server_time};
    co_return result;
  }

  Context& context_;
  const SubscribeOptions& o_;
  const LeaseTimes times_;
  std::optional<CommandInput> input_;
  std::optional<hold::Supervisor> supervisor_;
  std::optional<hold::Interrupts> interrupts_;
  std::unique_ptr<EventSource> source_;
  EventMember* member_ = nullptr;  // the source, if it is a group's
  std::unique_ptr<output::Printer> printer_ = output::make_printer({output::Format::json});
  int signal_ = 0;
};

void check(const Context& context, const SubscribeOptions& o) {
  for (const std::string& topic : o.topics) check_name(topic, "topic");
  if (context.tail() && context.tail()->empty()) throw usage_error("a command must follow '--'");
  if (!context.tail() && o.max_time != kForever) throw usage_error("--max-time is about a command");
  if (o.group) check_name(*o.group, "group");
  if (o.consumer) check_name(*o.consumer, "consumer");
  if (!o.group && o.consumer) throw usage_error("--consumer is a member of a --group");
  if (!o.group && o.max_attempts > 0) throw usage_error("--max-attempts is for a --group");
  if (o.retry_delay == kForever) throw usage_error("--retry-delay must end some time");
  const bool one = o.topics.size() == 1 && !o.pattern;
  if (parse_event_id(o.since) && !one)
    throw usage_error("--since ID is of one topic", "with several, --since DUR or start");
}

void set_since(SubscribeOptions& o, std::string_view value, const Origin& origin) {
  if (value == "start" || value == "now" || parse_event_id(value)) {
    o.since = value;
    return;
  }
  const auto age = parse_duration(value);
  if (!age || *age == kForever)
    throw bad_value("place in a topic", value, origin, "try start, now, 10m or an event's id");
  o.since = fmt::format("back {}", to_ms(*age));
}

int subscribe(Context& context, const SubscribeOptions& o) {
  check(context, o);
  int signal = 0;
  {
    Subscription subscription(context, o);
    std::optional<Error> failure;
    bool enough = false;
    try {
      enough = context.loop().run(subscription.run());
    } catch (const Error& error) {
      failure.emplace(error);
    }
    context.loop().run(subscription.finish());
    if (failure) throw *failure;
    if (enough) return to_int(ExitCode::ok);
    signal = subscription.signal();
  }
  if (signal != 0) hold::die_of_signal(signal);
  throw Error(ExitCode::timed_out, "timed_out",
              fmt::format("no (further) event within {}", format_duration(*o.wait)));
}

void declare(SubscribeOptions& o, OptionSet& set) {
  Option& topics = set.positionals("TOPIC", o.topics, "topics to follow");
  topics.kind = "topic";
  topics.required = true;
  set.flag("--pattern", o.pattern,
           "the topics are patterns (*, ?, [...]), also for topics that appear later")
      .from_environment = false;
  set.custom("--since", "ID|DUR|start",
             "begin behind that event, so long ago, or with all that is kept; else with what comes",
             [&o](std::string_view value, const Origin& origin) { set_since(o, value, origin); })
      .from_environment = false;
  set.integer("--count", "N", o.count, 1, 1LL << 50, "leave after N events").from_environment =
      false;
  set.duration("-w,--wait", o.wait, "leave with 124 after so long; without it, never");
  set.text("--group", "NAME", o.group,
           "share the events out among the members of a group: each is handled by one")
      .from_environment = false;
  set.text("--consumer", "NAME", o.consumer,
           "name of this member: started again, it gets back at once what it had")
      .from_environment = false;
  set.duration("--lease", o.lease.ttl,
               "of a group: how long an event is a member's before it counts as dead; it is "
               "extended while the command runs");
  set.duration("--retry-delay", o.retry_delay,
               "of a group: when an event whose command failed is given again; doubles each time, "
               "up to 5m");
  set.integer("--max-attempts", "N", o.max_attempts, 0, 60000,
              "of a group: give an event up that failed so often; 0: never");
  set.duration("--max-time", o.max_time, "stop a command after this time: it has failed");
}

}  // namespace

Verb event_subscribe_verb() {
  auto o = std::make_shared<SubscribeOptions>();
  Verb verb;
  verb.name = "subscribe";
  verb.summary = "print events as JSON lines, or run a command for each, with its data on stdin";
  verb.usage = "TOPIC... [OPTIONS] [-- COMMAND [ARG...]]";
  verb.examples = {"dcoord event subscribe deploys",
                   "dcoord event subscribe --pattern 'build/*' --since 1h",
                   "dcoord event subscribe mails --group mailers -- ./send-mail.sh",
                   "dcoord event subscribe release --count 1 -w 10m -o plain"};
  verb.takes_tail = true;
  verb.declare = [o](OptionSet& set) { declare(*o, set); };
  verb.run = [o](Context& context) { return subscribe(context, *o); };
  return verb;
}

}  // namespace dcoord::cli
