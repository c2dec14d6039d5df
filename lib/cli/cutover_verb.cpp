// SPDX-License-Identifier: Apache-2.0
#include "cli/cutover_verb.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/confirm.h"
#include "cli/output.h"
#include "mapping/pattern.h"
#include "ops/cutover.h"
#include "ops/sync.h"

namespace weir::cli {
namespace {

constexpr std::size_t kWidth = 80;
constexpr std::size_t kShortestName = 20;

using Action = ops::CounterStep::Action;

ops::CutoverRequest read_request(const Session& session) {
  ops::CutoverRequest out;
  out.margin = static_cast<std::uint64_t>(session.integer("margin").value_or(0));
  out.make_identity = session.flag("make-identity");
  if (const auto limit = session.duration("timeout")) out.patience = *limit;
  for (const std::string& text : session.texts("table")) {
    Pattern pattern;
    pattern.text = text;
    try {
      out.only.emplace_back(pattern);
    } catch (const Error& error) {
      throw usage_error(session.verb().name, "usage.bad-value",
                        fmt::format("--table cannot be '{}'", text),
                        error.why().empty() ? error.summary() : error.why(), error.fix());
    }
  }
  return out;
}

/// What the column SET says.
std::string outcome(const ops::CounterStep& step) {
  switch (step.action) {
    case Action::set:
      return step.used_up ? "used up" : to_string(step.next);
    case Action::kept:
      return "kept";
    case Action::automatic:
      return "by itself";
    case Action::missing:
      return "no counter";
  }
  return "";
}

std::string target_text(const ops::CounterStep& step) {
  return step.found.kind == FoundCounter::Kind::counts ? to_string(step.found.state.next) : "";
}

/// `name` in at most `limit` columns, its end being what tells one from another.
std::string shortened(const std::string& name, std::size_t limit) {
  const std::size_t width = columns(name);
  if (width <= limit) return name;
  const std::string_view head = cut(name, width - limit + 3);
  return "..." + name.substr(head.size());
}

std::string steps_text(const std::vector<ops::CounterStep>& steps) {
  if (steps.empty()) return "";
  std::size_t source = 6;
  std::size_t target = 6;
  std::size_t set = 3;
  for (const ops::CounterStep& step : steps) {
    source = std::max(source, to_string(step.source.state.next).size());
    target = std::max(target, target_text(step).size());
    set = std::max(set, outcome(step).size());
  }
  const std::size_t others = source + target + set + 6;
  const std::size_t limit = others + kShortestName > kWidth ? kShortestName : kWidth - others;
  TextTable table({{"COUNTER"},
                   {"SOURCE", TextTable::Align::right},
                   {"TARGET", TextTable::Align::right},
                   {"SET", TextTable::Align::right}});
  std::string statements;
  for (const ops::CounterStep& step : steps) {
    table.add({shortened(step.place.text(), limit), to_string(step.source.state.next),
               target_text(step), outcome(step)});
    if (step.action != Action::set) continue;
    for (const std::string& statement : step.statements) statements += statement + ";\n";
  }
  return table.text() + (statements.empty() ? "" : "\n" + statements);
}

/// One that is used up may be beyond what a number of JSON is read into.
Json number(CounterNumber value) {
  if (value > std::numeric_limits<std::uint64_t>::max() ||
      value < std::numeric_limits<std::int64_t>::min()) {
    return Json(to_string(value));
  }
  if (value > std::numeric_limits<std::int64_t>::max()) {
    return Json(static_cast<std::uint64_t>(value));
  }
  return Json(static_cast<std::int64_t>(value));
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json to_json(const ops::CounterStep& step) {
  const bool counts = step.found.kind == FoundCounter::Kind::counts;
  const Counter& source = step.source;
  return {
      {"source", source.name.text()},
      {"source_column", text_or_null(source.column)},
      {"source_sequence", source.sequence.table.empty() ? Json() : Json(source.sequence.text())},
      {"source_next", number(source.state.next)},
      {"increment", number(source.state.increment)},
      {"target", step.place.name.text()},
      {"target_column", text_or_null(step.place.column)},
      {"target_next", counts ? number(step.found.state.next) : Json()},
      {"last_key", step.found.last_key ? number(*step.found.last_key) : Json()},
      {"action", ops::action_name(step.action)},
      {"used_up", step.used_up},
      {"set_next", step.action == Action::set ? number(step.next) : Json()},
      {"statements", step.statements},
      {"reason", text_or_null(step.found.why)}};
}

bool same(const ops::CutoverPlan& a, const ops::CutoverPlan& b) {
  return std::ranges::equal(a.steps, b.steps, {}, &ops::CounterStep::statements,
                            &ops::CounterStep::statements);
}

std::string counters_text(std::size_t count) {
  return fmt::format("{} {}", count, count == 1 ? "counter" : "counters");
}

}  // namespace

ExitCode cutover(Session& session, const Backends& backends) {
  const ops::CutoverRequest request = read_request(session);
  const bool dry_run = session.flag("dry-run");
  const std::string folder = session.state_folder();
  const std::unique_ptr<StateStore> store = open_state(folder, dry_run);
  const Task task = ops::find_task(session.argument(), *store);
  session.set_task(task.name);
  const std::unique_ptr<Engine> engine = backends.open_engine(folder);
  // Before two servers are asked for what is refused anyway.
  ops::status(task.name, *store, *engine);
  const std::unique_ptr<Source> source = backends.open_source(task);
  const std::unique_ptr<Target> target = backends.open_target(task);

  session.say("checking that the target has everything that the source does");
  ops::CutoverPlan plan = ops::plan_cutover(task, request, *source, *target, *store, *engine);
  session.say(fmt::format("it has everything up to {}", plan.log_end.text));
  if (!session.json()) session.print(steps_text(plan.steps));
  session.report(plan.findings, Stream::err);
  const std::size_t count = plan.to_set();
  const bool sets = !dry_run && count > 0;
  if (sets) {
    session.terminal().flush();
    const bool yes = session.flag("yes");
    confirm(session.terminal(), task.name,
            fmt::format("{} of the target would be set", counters_text(count)), yes);
    if (!yes) {
      // An answer may take its time, and the source and the target go on meanwhile.
      ops::CutoverPlan now = ops::plan_cutover(task, request, *source, *target, *store, *engine);
      if (!session.json() && !same(plan, now)) {
        session.say("the counters have moved since; these are set:");
        session.print("\n" + steps_text(now.steps));
      }
      plan = std::move(now);
    }
    ops::carry_out(task, request, plan, *target, *store);
  }
  if (dry_run) {
    session.say(fmt::format("{} would be set; nothing was changed", counters_text(count)));
  } else {
    session.say(count == 0 ? "there is nothing to set"
                           : fmt::format("{} set", counters_text(plan.to_set())));
    if (plan.running) session.hint("weir sync stop " + task.name);
  }

  Json counters = Json::array();
  for (const ops::CounterStep& step : plan.steps) counters.push_back(to_json(step));
  return session.answer(ExitCode::ok, {{"dry_run", dry_run},
                                       {"running", plan.running},
                                       {"offset", plan.offset.text},
                                       {"log_end", plan.log_end.text},
                                       {"margin", request.margin},
                                       {"changes_arriving", plan.arriving},
                                       {"set", sets ? plan.to_set() : 0},
                                       {"counters", std::move(counters)}});
}

}  // namespace weir::cli
