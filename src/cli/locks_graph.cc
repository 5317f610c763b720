#include <fmt/format.h>

#include <map>
#include <memory>
#include <set>

#include "base/log.h"
#include "cli/context.h"
#include "cli/graph_text.h"
#include "cli/lock_options.h"
#include "cli/locks_verbs.h"
#include "output/printers.h"
#include "primitives/wait_graph.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using output::Record;

/// Things, those that hold them, and those that wait for them: one node for each; for a hold whose
/// command waits for something an edge to that, and from a job to those that it comes after.
class Picture {
 public:
  explicit Picture(const std::vector<Thing>& things) : things_(things), graph_(things) {
    for (const auto& cycle : graph_.cycles()) {
      for (const auto& step : cycle) circle_.insert(graph_.waits()[step.wait].request);
    }
    for (const Thing& thing : things_) {
      if (thing.kind == ThingKind::job) jobs_.emplace(thing.view.name, &thing);
      for (const LockParty& hold : thing.view.holders) {
        for (const size_t i : graph_.waits_of(hold))
          inside_.emplace(&hold, graph_.waits()[i].request);
      }
    }
  }

  std::string tree() const {
    std::string out;
    for (const Thing& thing : things_) {
      const bool barrier = thing.kind == ThingKind::barrier;
      out += thing_name(thing) + (barrier ? ": " + thing.detail : "") + "\n";
      for (const LockParty& p : thing.view.holders)
        out += fmt::format("  {} {}\n", held_words(thing), text_of(p));
      for (const LockParty& p : thing.view.waiters) {
        out += "  waits: " + text_of(p) + (circle_.count(&p) != 0 ? " (deadlock)" : "") + "\n";
      }
      for (const std::string& name : thing.after) {
        if (jobs_.count(name) != 0) out += fmt::format("  after job '{}'\n", log::printable(name));
      }
    }
    return out;
  }

  std::string dot() const {
    std::string out = "digraph locks {\n  rankdir=LR;\n";
    each_node([&](const std::string& id, const std::string& label, bool is_thing) {
      out +=
          fmt::format("  {} [label={}{}];\n", id, dot_quoted(label), is_thing ? ", shape=box" : "");
    });
    each_edge([&](const std::string& from, const std::string& to, const char* what, bool bad) {
      out += fmt::format("  {} -> {} [label={}{}];\n", from, to, dot_quoted(what),
                         bad ? ", color=red" : "");
    });
    return out + "}\n";
  }

  /// The same nodes and edges.
  Record record() const {
    std::vector<Record> nodes, edges;
    each_node([&](const std::string& id, const std::string& label, bool is_thing) {
      Record node;
      nodes.push_back(
          node.add("id", id).add("what", is_thing ? "thing" : "process").add("label", label));
    });
    each_edge([&](const std::string& from, const std::string& to, const char* what, bool bad) {
      Record edge;
      edges.push_back(
          edge.add("from", from).add("to", to).add("what", what).add_bool("deadlock", bad));
    });
    Record both;
    return both.add_list("nodes", std::move(nodes)).add_list("edges", std::move(edges));
  }

  std::string mermaid() const {
    std::string out = "graph LR\n";
    each_node([&](const std::string& id, const std::string& label, bool is_thing) {
      out += is_thing ? fmt::format("  {}[\"{}\"]\n", id, mermaid_label(label))
                      : fmt::format("  {}([\"{}\"])\n", id, mermaid_label(label));
    });
    each_edge([&](const std::string& from, const std::string& to, const char* what, bool bad) {
      out += fmt::format("  {} {}|{}| {}\n", from, bad ? "==>" : "-->", what, to);
    });
    return out;
  }

 private:
  static std::string text_of(const LockParty& p) {
    return log::printable(describe_holder(p.who, std::nullopt));
  }

  static const char* held_words(const Thing& thing) {
    return thing.kind == ThingKind::job ? "run by" : "held by";
  }

  template <class Write>
  void each_node(Write write) const {
    size_t n = 0;
    for (const Thing& thing : things_) {
      ids_[&thing] = fmt::format("t{}", n++);
      write(ids_[&thing], thing_name(thing), true);
      for (const auto* parties : {&thing.view.holders, &thing.view.waiters}) {
        for (const LockParty& p : *parties) {
          ids_[&p] = fmt::format("p{}", n++);
          write(ids_[&p], text_of(p), false);
        }
      }
    }
  }

  /// From whoever waits to what it waits for, from that to those that have it, from those to what
  /// their commands wait for.
  template <class Write>
  void each_edge(Write write) const {
    for (const Thing& thing : things_) {
      for (const LockParty& p : thing.view.holders)
        write(ids_[&thing], ids_[&p], held_words(thing), false);
      for (const LockParty& p : thing.view.waiters)
        write(ids_[&p], ids_[&thing], "waits for", circle_.count(&p) != 0);
      for (const std::string& name : thing.after) {
        const auto job = jobs_.find(name);
        if (job != jobs_.end()) write(ids_[&thing], ids_[job->second], "after", false);
      }
    }
    for (const auto& [hold, request] : inside_)
      write(ids_[hold], ids_[request], "runs", circle_.count(request) != 0);
  }

  const std::vector<Thing>& things_;
  const WaitGraph graph_;
  std::set<const LockParty*> circle_;
  std::map<std::string, const Thing*> jobs_;  // that have not ended, by name
  std::set<std::pair<const LockParty*, const LockParty*>> inside_;
  mutable std::map<const void*, std::string> ids_;
};

}  // namespace

Verb locks_graph_verb() {
  struct Options {
    ThingFilter filter;
    std::string as = "tree";
  };
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "graph";
  verb.summary = "who holds and who waits, as a tree, or for Graphviz or Mermaid";
  verb.usage = "[PATTERN] [--as tree|dot|mermaid]";
  verb.examples = {"dcoord locks graph", "dcoord locks graph --as dot | dot -Tsvg"};
  verb.declare = [o](OptionSet& set) {
    o->filter.declare(set, false);
    set.choice("--as", "FORM", o->as, {"tree", "dot", "mermaid"}, "in which form");
  };
  verb.run = [o](Context& context) {
    auto things = find_things(context, o->filter.waits_wish());
    std::erase_if(things, [](const Thing& thing) {
      return thing.state() == LockView::State::free && thing.view.waiters.empty();
    });
    const Picture picture(things);
    if (context.json() && o->as == "tree") {
      context.printer().print(picture.record());
      return to_int(ExitCode::ok);
    }
    output::write_out(o->as == "dot"       ? picture.dot()
                      : o->as == "mermaid" ? picture.mermaid()
                                           : picture.tree());
    return to_int(ExitCode::ok);
  };
  return verb;
}

}  // namespace dcoord::cli
