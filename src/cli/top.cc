#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/nouns.h"
#include "cli/screen.h"
#include "cli/terminal.h"
#include "cli/top_view.h"
#include "hold/interrupts.h"
#include "hold/supervisor.h"
#include "output/printers.h"
#include "redis/gather.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

struct TopOptions {
  Duration interval = 2s;
  bool batch = false;
  std::optional<long long> iterations;
};

class Top {
 public:
  Top(Context& context, const TopOptions& o)
      : context_(context),
        o_(o),
        keys_(context.config().key_namespace),
        gather_(context.loop(), context.scripts()),
        changed_(context.loop()) {
    view_.target = redis::describe(context.config().target);
    view_.interval = o.interval;
  }

  Task<int> run_batch() {
    for (long long i = 0; !o_.iterations || i < *o_.iterations; ++i) {
      if (i > 0) co_await loop().sleep(o_.interval);
      Task<void> reading = refresh();
      co_await reading;
      output::write_out((i > 0 ? "\n" : "") + view_.text());
      if (!flush_stdout()) break;  // nobody reads any more
    }
    co_return view_.trouble.empty() ? to_int(ExitCode::ok) : to_int(ExitCode::unavailable);
  }

  /// Until the user leaves; the number of the signal that ended it, or 0.
  Task<int> run_screen(hold::Interrupts& interrupts) {
    Screen screen(loop());
    screen_ = &screen;
    Task<void> tasks[] = {keep_fresh(), read_keys(), follow_size(), heed(interrupts)};
    for (auto& task : tasks) loop().start(task);
    while (!done_) {
      const Screen::Size size = Screen::size();
      screen.draw(view_.lines(size.width, size.height));
      co_await changed_.wait();
    }
    co_return signal_;
  }

 private:
  Loop& loop() { return context_.loop(); }

  /// One pipeline, whatever there is to see; none that changes anything.
  Task<void> refresh() {
    Survey fresh;
    const auto patience = context_.patience();
    const auto reader = [&](ThingKind kind, std::function<void(Survey&)> take) {
      return [this, kind, take, patience]() -> Task<void> {
        SurveyWish wish;
        wish.kinds = {kind};
        wish.listing.all = true;
        Task<Survey> reading = survey(loop(), gather_, keys_, std::move(wish), patience);
        Survey part = co_await reading;
        take(part);
      };
    };
    std::vector<std::function<Task<void>()>> readers{
        reader(ThingKind::lock, [&](Survey& part) { fresh.locks = std::move(part.locks); }),
        reader(ThingKind::elect,
               [&](Survey& part) { fresh.elections = std::move(part.elections); }),
        reader(ThingKind::queue, [&](Survey& part) { fresh.queues = std::move(part.queues); }),
        reader(ThingKind::breaker,
               [&](Survey& part) { fresh.breakers = std::move(part.breakers); })};
    try {
      Task<void> reading = gather_.run_readers(std::move(readers), patience);
      co_await reading;
      view_.things = std::move(fresh);
      view_.trouble.clear();
      for (const auto* locks : {&view_.things.locks, &view_.things.elections}) {
        if (!locks->empty()) view_.server_time = locks->front().server_time;
      }
      if (!view_.things.queues.empty()) view_.server_time = view_.things.queues[0].server_time;
      if (!view_.things.breakers.empty()) view_.server_time = view_.things.breakers[0].server_time;
    } catch (const Error& error) {
      // A password or a name that is wrong does not mend itself.
      if (error.code() != ExitCode::unavailable && error.code() != ExitCode::unknown) throw;
      view_.trouble = fmt::format("{}; trying again", error.what());
    }
    log::note(2, fmt::format("top: {} pipelines", gather_.pipelines()));
  }

  Task<void> keep_fresh() {
    long long count = 0;
    while (!o_.iterations || count++ < *o_.iterations) {
      const TimePoint start = loop().now();
      if (!view_.paused) {
        std::optional<Error> failure;
        try {
          Task<void> reading = refresh();
          co_await reading;
        } catch (const Error& error) {
          failure.emplace(error);
        }
        if (failure) {
          failure_ = failure;
          done_ = true;
        }
        changed_.set();
      }
      // What takes long is not asked for all the time.
      const Duration took = loop().now() - start;
      co_await loop().sleep(std::max(o_.interval, took * 5));
    }
    done_ = true;
    changed_.set();
  }

  Task<void> read_keys() {
    while (true) {
      // An escape that stands alone is only told from the start of a sequence by what comes next.
      const TimePoint until = typed_ ? add(loop().now(), 100ms) : kNever;
      const bool more = co_await loop().readable(STDIN_FILENO, until);
      char bytes[256];
      const ssize_t n = more ? read(STDIN_FILENO, bytes, sizeof bytes) : 0;
      if (more && n <= 0) {  // the terminal is gone
        done_ = true;
      } else {
        const auto keys =
            more ? reader_.feed(std::string_view(bytes, static_cast<size_t>(n))) : reader_.flush();
        for (const auto& key : keys) press(key);
      }
      typed_ = more;
      changed_.set();
      if (done_) co_return;
    }
  }

  Task<void> follow_size() {
    while (true) {
      co_await screen_->resized();
      changed_.set();
    }
  }

  Task<void> heed(hold::Interrupts& interrupts) {
    signal_ = co_await interrupts.next();
    done_ = true;
    changed_.set();
  }

  void press(const KeyReader::Pressed& pressed) {
    if (pressed.key == Key::quit) done_ = true;
    if (pressed.key == Key::stop) screen_->suspend();
    if (view_.typing) return type(pressed);
    const size_t page = static_cast<size_t>(std::max(Screen::size().height - 4, 1));
    size_t& at = view_.selected;
    switch (pressed.key) {
      case Key::text:
        return command(pressed.text);
      case Key::next:
        view_.tab = (view_.tab + 1) % TopView::kTabs;
        at = 0;
        break;
      case Key::up:
        at -= at > 0 ? 1 : 0;
        break;
      case Key::down:
        ++at;  // the view keeps it within the rows
        break;
      case Key::page_up:
        at -= std::min(at, page);
        break;
      case Key::page_down:
        at += page;
        break;
      case Key::home:
        at = 0;
        break;
      case Key::end:
        at = static_cast<size_t>(-1) / 2;
        break;
      case Key::escape:
        view_.help = false;
        view_.filter.clear();
        break;
      default:
        break;
    }
  }

  void command(char c) {
    if (c == 'q') done_ = true;
    if (c == ' ') view_.paused = !view_.paused;
    if (c == 's') view_.next_order();
    if (c == '?') view_.help = !view_.help;
    if (c == '/') {
      view_.typing = true;
      view_.filter.clear();
      view_.selected = 0;
    }
  }

  void type(const KeyReader::Pressed& pressed) {
    std::string& text = view_.filter;
    if (pressed.key == Key::text) {
      text += pressed.text;
    } else if (pressed.key == Key::erase && !text.empty()) {
      while (text.size() > 1 && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80)
        text.pop_back();
      text.pop_back();
    } else if (pressed.key == Key::enter) {
      view_.typing = false;
    } else if (pressed.key == Key::escape) {
      view_.typing = false;
      text.clear();
    }
  }

 public:
  const std::optional<Error>& failure() const { return failure_; }

 private:
  Context& context_;
  const TopOptions& o_;
  Keys keys_;
  redis::Gather gather_;
  TopView view_;
  KeyReader reader_;
  Event changed_;
  Screen* screen_ = nullptr;
  std::optional<Error> failure_;
  bool typed_ = false, done_ = false;
  int signal_ = 0;
};

int run(Context& context, const TopOptions& o) {
  if (o.interval < 100ms || o.interval == kForever)
    throw usage_error("--interval must be 100ms or longer");
  Top top(context, o);
  if (o.batch) return context.loop().run(top.run_batch());
  int signal = 0;
  {
    hold::Interrupts interrupts(context.loop(), context.start());
    signal = context.loop().run(top.run_screen(interrupts));
  }
  if (signal != 0) hold::die_of_signal(signal);
  if (top.failure()) throw *top.failure();
  return to_int(ExitCode::ok);
}

}  // namespace

Noun top_noun() {
  auto o = std::make_shared<TopOptions>();
  Verb verb;
  verb.summary = "locks, elections, queues and breakers on a live screen, which changes nothing";
  verb.usage = "[--interval DUR] [--batch] [--iterations N]";
  verb.examples = {"dcoord top", "dcoord top --batch --iterations 1"};
  verb.declare = [o](OptionSet& set) {
    set.duration("--interval", o->interval, "how often it looks");
    set.flag("--batch", o->batch, "as text, one look after the other, for a log").from_environment =
        false;
    set.integer("--iterations", "N", o->iterations, 1, 1'000'000'000, "end after so many looks");
  };
  verb.run = [o](Context& context) { return run(context, *o); };
  Noun noun;
  noun.name = "top";
  noun.summary = verb.summary;
  noun.examples = verb.examples;
  noun.verbs = {verb};
  return noun;
}

}  // namespace dcoord::cli
