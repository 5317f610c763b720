#include <fmt/format.h>
#include <fnmatch.h>

#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "cli/context.h"
#include "cli/event_verbs.h"
#include "cli/nouns.h"
#include "output/encode.h"
#include "primitives/event_group.h"

namespace dcoord::cli {

using namespace primitives;
using output::Record;

Record describe_event(const TopicEvent& event) {
  Record record;
  record.add("id", event.id.text())
      .add("topic", event.topic)
      .add_time("time", Millis(event.id.ms))
      .add("publisher", event.publisher);
  if (output::is_utf8(event.data))
    record.add("data", event.data);
  else
    record.add("data_base64", output::base64(event.data));
  return record;
}

namespace {

std::string keep_text(const TopicView& view) {
  if (view.age > Duration::zero()) return format_duration(view.age);
  return view.most > 0 ? std::to_string(view.most) : "inf";
}

Record describe_topic(const TopicView& view) {
  Record record;
  record.add("topic", view.name).add("kept", view.kept).add("published", view.last.number);
  if (view.last.number > 0)
    record.add("last_id", view.last.text()).add_time("last_time", Millis(view.last.ms));
  else
    record.add_null("last_id").add_null("last_time");
  record.add("keep", keep_text(view));
  return record;
}

Record describe_group(const GroupView& group) {
  Record record;
  record.add("group", group.name)
      .add("lag", group.lag)
      .add("in_flight", group.in_flight)
      .add("waiting", group.waiting)
      .add("handled", group.handled)
      .add("returned", group.returned)
      .add("given_up", group.given_up)
      .add("missed", group.missed);
  return record;
}

Record describe_member(const std::string& group, const GroupView::Member& member) {
  Record record;
  record.add("group", group)
      .add("member", member.name)
      .add("id", member.id)
      .add("attempt", static_cast<long long>(member.attempt))
      .add("lease_ms", static_cast<long long>(member.lease_left.count()));
  return record;
}

Task<int> show(Context& context, const std::string& name) {
  check_name(name, "topic");
  const Keys keys(context.config().key_namespace);
  Topic topic(context.scripts(), keys, name);
  const redis::Patience patience = context.patience();
  Task<TopicView> showing = topic.show(patience);
  const TopicView view = co_await showing;
  Record record = describe_topic(view);
  record.add("first_id", view.first_id);
  std::vector<Record> groups, members;
  for (const std::string& group_name : view.groups) {
    TopicGroup group(context.scripts(), keys, name, group_name);
    Task<GroupView> looking = group.show(patience);
    const GroupView group_view = co_await looking;
    groups.push_back(describe_group(group_view));
    for (const auto& member : group_view.members)
      members.push_back(describe_member(group_name, member));
  }
  record.add_list("groups", std::move(groups)).add_list("members", std::move(members));
  context.printer().print(record);
  co_return to_int(view.exists ? ExitCode::ok : ExitCode::no);
}

Task<int> list(Context& context, const std::string& pattern) {
  const Keys keys(context.config().key_namespace);
  Task<std::vector<TopicView>> listing = list_topics(context.scripts(), keys, context.patience());
  const std::vector<TopicView> views = co_await listing;
  std::vector<Record> records;
  for (const TopicView& view : views) {
    if (!pattern.empty() && fnmatch(pattern.c_str(), view.name.c_str(), 0) != 0) continue;
    Record record = describe_topic(view);
    records.push_back(record.add("groups", static_cast<long long>(view.groups.size())));
  }
  context.printer().print(records);
  co_return to_int(ExitCode::ok);
}

struct ForgetOptions {
  std::string topic, request_id;
  std::optional<std::string> group;
};

Task<int> forget(Context& context, const ForgetOptions& o) {
  check_name(o.topic, "topic");
  if (o.group) check_name(*o.group, "group");
  const Keys keys(context.config().key_namespace);
  Topic topic(context.scripts(), keys, o.topic);
  TopicGroup group(context.scripts(), keys, o.topic, o.group.value_or(""));
  Task<bool> forgetting =
      o.group ? group.forget(context.patience()) : topic.forget(context.patience());
  const bool was = co_await forgetting;
  co_return to_int(was ? ExitCode::ok : ExitCode::no);
}

Verb show_verb() {
  auto name = std::make_shared<std::string>();
  Verb verb;
  verb.name = "show";
  verb.summary = "a topic, and where its groups stand; exit 1 if there is none";
  verb.usage = "TOPIC";
  verb.examples = {"dcoord event show deploys", "dcoord event show mails --json"};
  verb.declare = [name](OptionSet& set) {
    set.positional("TOPIC", "topic", *name, "name of the topic");
  };
  batchable(verb, [name](Context& context) { return show(context, *name); });
  verb.several_steps = always;
  return verb;
}

Verb list_verb() {
  auto pattern = std::make_shared<std::string>();
  Verb verb;
  verb.name = "list";
  verb.summary = "all topics: how many events, the last one, how many groups";
  verb.usage = "[PATTERN]";
  verb.examples = {"dcoord event list", "dcoord event list 'build/*' --json"};
  verb.declare = [pattern](OptionSet& set) {
    set.positional("PATTERN", "topic", *pattern, "only topics that match (*, ?, [...])", false);
  };
  batchable(verb, [pattern](Context& context) { return list(context, *pattern); });
  verb.several_steps = always;
  return verb;
}

Verb forget_verb() {
  auto o = std::make_shared<ForgetOptions>();
  Verb verb;
  verb.name = "forget";
  verb.summary = "remove a topic with its events and groups, or one group; exit 1 if there is none";
  verb.usage = "TOPIC [--group NAME]";
  verb.examples = {"dcoord event forget build/1234", "dcoord event forget mails --group old"};
  verb.declare = [o](OptionSet& set) {
    set.positional("TOPIC", "topic", o->topic, "name of the topic");
    set.text("--group", "NAME", o->group, "only that group").from_environment = false;
    set.text("--request-id", "ID", o->request_id,
             "accepted everywhere; forgetting again is always safe")
        .from_environment = false;
  };
  batchable(verb, [o](Context& context) { return forget(context, *o); });
  verb.several_steps = always;
  return verb;
}

}  // namespace

Noun event_noun() {
  Noun noun;
  noun.name = "event";
  noun.summary = "publish events, and subscribe: nothing is lost over a reconnect";
  noun.examples = {"dcoord event publish deploys 'web 1.4.2'",
                   "dcoord event subscribe deploys --since 1h",
                   "dcoord event subscribe mails --group mailers -- ./send-mail.sh"};
  noun.verbs = {event_publish_verb(), event_subscribe_verb(), show_verb(), list_verb(),
                forget_verb()};
  return noun;
}

}  // namespace dcoord::cli
