// SPDX-License-Identifier: Apache-2.0
#include "ops/cutover.h"

#include <algorithm>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "mapping/rules.h"
#include "ops/preflight.h"
#include "ops/sync.h"

namespace weir::ops {
namespace {

constexpr std::chrono::milliseconds kLookEvery{200};
constexpr std::chrono::milliseconds kReadAtOnce{500};
/// Over so long a time it is told how many changes still arrive.
constexpr std::chrono::seconds kArriving{10};
/// Samples come about once a second; some more are asked for than there should be.
constexpr std::size_t kSamples = 30;
/// So many names are shown in a message that may be about hundreds.
constexpr std::size_t kShown = 5;

Finding finding(const char* id, Severity severity, std::string what, std::string why,
                std::string fix, std::string evidence = "", std::string table = "") {
  return {id,
          severity,
          std::move(what),
          std::move(why),
          std::move(fix),
          std::move(evidence),
          std::move(table)};
}

std::string shown(const std::vector<std::string>& names) {
  if (names.size() <= kShown) return join(names, ", ");
  const std::vector<std::string> first(names.begin(), names.begin() + kShown);
  return fmt::format("{} and {} more", join(first, ", "), names.size() - kShown);
}

// ---------------------------------------------------------------- is everything there?

/// What of the target's own memory says that it lacks something; empty if nothing does.
std::optional<Finding> find_gap(const Task& task, const Recovered& recovered,
                                std::span<const TablePlan> plans, const Source& source,
                                const Offset& log_end, const Status& status) {
  const std::string wait = fmt::format("weir sync start {} --wait caught-up", task.name);
  std::map<TableName, const TableProgress*> known;
  for (const TableProgress& table : recovered.tables) known.emplace(table.source, &table);
  std::vector<std::string> unknown;
  std::vector<std::string> behind;
  std::vector<std::string> inconsistent;
  for (const TablePlan& plan : plans) {
    const auto at = known.find(plan.source.name);
    if (at == known.end()) {
      unknown.push_back(plan.source.name.text());
    } else if (!at->second->full_done) {
      behind.push_back(plan.source.name.text());
    } else if (!at->second->unique_done) {
      inconsistent.push_back(plan.source.name.text());
    }
  }
  if (!unknown.empty()) {
    return finding(
        "cutover.table-unknown", Severity::critical,
        fmt::format("the task selects {}, and has not begun with it", shown(unknown)),
        "a table that appears on the source joins the task with its next start",
        fmt::format("{}{}, or exclude it in the table rule",
                    status.engine.running ? fmt::format("weir sync stop {} && ", task.name) : "",
                    wait));
  }
  if (!behind.empty()) {
    return finding("cutover.table-behind", Severity::critical,
                   fmt::format("not all rows are copied of {}", shown(behind)),
                   "whoever works with the target would miss rows", wait);
  }
  if (!source.reached(recovered.offset, log_end)) {
    return finding(
        "cutover.behind", Severity::critical, "the target is behind the source",
        status.engine.running
            ? "the task did not get to where the source's log ended when this verb began"
        : status.task.error.empty()
            ? "the task does not run, and the source has changes that the target lacks"
            : "the task does not run: " + status.task.error,
        status.engine.running
            ? fmt::format("stop the writers, see weir sync status {}, then repeat it; --timeout "
                          "gives a running task more time",
                          task.name)
            : wait,
        fmt::format("the target has {}, the source's log ended at {}", recovered.offset.text,
                    log_end.text));
  }
  if (!inconsistent.empty()) {
    return finding("cutover.not-consistent", Severity::critical,
                   fmt::format("the unique indexes are not built yet of {}", shown(inconsistent)),
                   "they are built once the target is consistent", wait);
  }
  return {};
}

/// Counts what a stopped task has left in the log.
class Leftover final : public ChangeSink {
 public:
  explicit Leftover(std::span<const TablePlan> plans) {
    for (const TablePlan& plan : plans) tables_.insert(plan.source.name);
  }

  void begin(Time) override {}
  void row(const RowChange&) override { ++changes_; }
  void schema(const SchemaChange& change) override {
    if (tables_.contains(change.table) || tables_.contains(change.new_name)) ++changes_;
  }
  void commit(Time) override {}
  std::uint64_t changes() const { return changes_; }

 private:
  std::set<TableName> tables_;
  std::uint64_t changes_ = 0;
};

/// Whether nothing between the offset and the log's end concerns a table of the task: a server
/// writes to its log on its own account too, so that a stopped task seldom stands at the very end.
bool is_quiet_until(const Offset& log_end, const Offset& offset, std::span<const TablePlan> plans,
                    Source& source, Clock::time_point deadline) {
  Leftover leftover(plans);
  const std::unique_ptr<ChangeReader> reader = source.open_changes(offset, plans);
  while (leftover.changes() == 0 && !source.reached(reader->offset(), log_end)) {
    if (Clock::now() >= deadline) return false;
    if (reader->wait(kReadAtOnce) == ChangeReader::Wait::ready) reader->poll(leftover);
  }
  return leftover.changes() == 0;
}

void refuse_failed_tables(const Status& status) {
  for (const TableRow& table : status.tables) {
    for (const auto& [state, error] :
         {std::pair{table.schema, &table.schema_error}, std::pair{table.full, &table.full_error},
          std::pair{table.incremental, &table.incremental_error}}) {
      if (state != StageState::failed) continue;
      throw refusal(finding(
          "cutover.table-failed", Severity::critical, fmt::format("{} failed", table.source.text()),
          *error,
          fmt::format("mend it, then weir sync start {} --wait caught-up", status.task.name), "",
          table.source.text()));
    }
  }
}

/// Returns what the target remembers once it has all that the source had at `log_end`.
Recovered wait_until_caught_up(const Task& task, std::span<const TablePlan> plans,
                               const Offset& log_end, const CutoverRequest& request, Source& source,
                               Target& target, StateStore& store, Engine& engine) {
  const Clock::time_point deadline = Clock::now() + request.patience;
  while (true) {
    const Status status = ops::status(task.name, store, engine);
    refuse_failed_tables(status);
    std::optional<Recovered> recovered = target.recover(task.name);
    if (!recovered) throw bug("the target forgot a task that it just knew");
    std::optional<Finding> gap = find_gap(task, *recovered, plans, source, log_end, status);
    if (!gap) return std::move(*recovered);
    if (!status.engine.running) {
      const bool passed = gap->id == "cutover.behind" &&
                          is_quiet_until(log_end, recovered->offset, plans, source, deadline);
      if (!passed) throw refusal(*gap);
      gap = find_gap(task, *recovered, plans, source, recovered->offset, status);
      if (gap) throw refusal(*gap);
      return std::move(*recovered);
    }
    // Nothing that a running task does mends that.
    if (gap->id == "cutover.table-unknown") throw refusal(*gap);
    if (Clock::now() >= deadline) throw refusal(*gap);
    std::this_thread::sleep_for(kLookEvery);
  }
}

/// How many changes the task's worker has read over the last seconds.
std::uint64_t count_arriving(const std::string& task, StateStore& store) {
  const std::vector<Sample> samples = store.samples(task, kSamples);
  if (samples.empty()) return 0;
  const Sample& last = samples.back();
  const Sample* first = &last;
  for (auto sample = samples.rbegin(); sample != samples.rend(); ++sample) {
    // Counters begin anew with each worker, and the copy counts too.
    if (sample->stage != Stage::incremental || sample->rows_read > first->rows_read ||
        now() - sample->at > kArriving) {
      break;
    }
    first = &*sample;
  }
  return last.stage == Stage::incremental ? last.rows_read - first->rows_read : 0;
}

// ---------------------------------------------------------------- what is to be set?

/// Where a counter goes; empty if the task does not carry its column or sequence.
std::optional<CounterPlace> place_of(const Counter& counter, std::span<const TablePlan> plans,
                                     const std::optional<TableName>& sequence) {
  CounterPlace place;
  place.like = counter.state;
  if (counter.column.empty()) {
    if (!sequence) return {};
    place.name = *sequence;
    return place;
  }
  const auto plan = std::find_if(plans.begin(), plans.end(), [&](const TablePlan& p) {
    return p.source.name == counter.name && !p.source.gone;
  });
  if (plan == plans.end()) return {};
  for (const PlannedColumn& column : plan->columns) {
    if (column.added() || plan->source.columns[column.source].name != counter.column) continue;
    place.name = plan->target;
    place.column = column.name;
    return place;
  }
  return {};
}

/// What an operator should know of the steps, beside the steps themselves.
std::vector<Finding> judge_steps(const std::vector<CounterStep>& steps) {
  std::vector<Finding> out;
  std::map<TableName, std::set<std::string>> users;
  for (const CounterStep& step : steps) {
    const std::string name = step.place.text();
    if (step.action == CounterStep::Action::missing) {
      std::string fix = step.found.fix;
      if (!step.statements.empty()) {
        fix = fmt::format("repeat it with --make-identity, which does: {}",
                          join(step.statements, "; "));
      }
      out.push_back(finding(
          "cutover.no-counter", Severity::warning,
          fmt::format("{} will not count on the target: {}", name, step.found.why),
          step.place.column.empty() ? "whoever draws from it will fail there"
                                    : "an INSERT without this column will fail there",
          fix.empty() ? "give it a counter by hand, or see that every INSERT brings its number"
                      : fix,
          "", step.source.name.text()));
    }
    if (step.used_up) {
      out.push_back(finding("cutover.used-up", Severity::warning,
                            fmt::format("{} has no numbers left", name),
                            "its next INSERT will be refused, as on the source",
                            "give the column a wider type", "", step.source.name.text()));
    }
    if (step.found.kind == FoundCounter::Kind::counts &&
        step.found.wanted.increment != step.source.state.increment) {
      out.push_back(
          finding("cutover.increment", Severity::warning,
                  fmt::format("{} counts by {} on the target", name,
                              to_string(step.found.wanted.increment)),
                  fmt::format("the source counts by {}, which this target's counters cannot",
                              to_string(step.source.state.increment)),
                  "nothing, unless somebody relies on it", "", step.source.name.text()));
    }
    if (!step.source.column.empty() && !step.source.sequence.table.empty()) {
      users[step.source.sequence].insert(name);
    }
  }
  for (const auto& [sequence, columns] : users) {
    if (columns.size() < 2) continue;
    std::set<std::string> counters;
    for (const CounterStep& step : steps) {
      if (step.source.sequence == sequence && step.found.kind == FoundCounter::Kind::counts) {
        counters.insert(step.found.name);
      }
    }
    if (counters.size() < 2) continue;
    out.push_back(finding(
        "cutover.shared-sequence", Severity::warning,
        fmt::format("{} share the sequence {} on the source, and not on the target",
                    shown({columns.begin(), columns.end()}), sequence.text()),
        "a number that one of them took may come again in another",
        "nothing, unless the numbers have to differ between the tables; then let their columns "
        "draw from one sequence on the target too, with SET DEFAULT nextval(...), and repeat it"));
  }
  return out;
}

struct Steps {
  std::vector<CounterStep> steps;
  std::vector<Finding> findings;
};

Steps plan_steps(const Task& task, const CutoverRequest& request, std::span<const TablePlan> plans,
                 Source& source, Target& target) {
  Steps out;
  std::vector<Counter> counters = source.counters(plans).value_or(std::vector<Counter>{});
  std::erase_if(counters, [&](const Counter& counter) {
    return !request.only.empty() &&
           std::none_of(request.only.begin(), request.only.end(),
                        [&](const TablePattern& pattern) { return pattern.matches(counter.name); });
  });
  if (counters.empty() && !request.only.empty()) {
    throw Error(ExitCode::not_found, "cutover.no-match", "no counter matches --table",
                "the tables of the task that match have none, or none matches",
                fmt::format("weir cutover {} --dry-run shows all there are", task.name));
  }
  std::vector<TableName> names;
  for (const Counter& counter : counters) names.push_back(counter.name);
  const auto targets = target_names(task, names, target.only_schema());
  std::vector<CounterPlace> places;
  std::vector<Counter> placed;
  std::vector<std::string> left;
  for (std::size_t i = 0; i < counters.size(); ++i) {
    if (auto place = place_of(counters[i], plans, targets[i])) {
      places.push_back(std::move(*place));
      placed.push_back(std::move(counters[i]));
    } else if (counters[i].column.empty()) {
      left.push_back(counters[i].name.text());
    }
  }
  std::vector<FoundCounter> found =
      target.counters(places).value_or(std::vector<FoundCounter>(places.size()));
  std::set<std::string> columns;
  std::vector<Error> refusals;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const bool counts = found[i].kind == FoundCounter::Kind::counts;
    // The sequence of the same name may be what the column counts with there.
    if (counts && places[i].column.empty() && columns.contains(found[i].name)) continue;
    if (counts && !places[i].column.empty()) columns.insert(found[i].name);
    try {
      out.steps.push_back(plan_counter(std::move(placed[i]), std::move(places[i]),
                                       std::move(found[i]), request, target));
    } catch (const Error& error) {
      refusals.push_back(error);
    }
  }
  if (!refusals.empty()) throw refusals.front();
  out.findings = judge_steps(out.steps);
  if (!left.empty()) {
    out.findings.push_back(finding(
        "cutover.sequence-not-selected", Severity::warning,
        fmt::format("no rule takes the {} {}", left.size() == 1 ? "sequence" : "sequences",
                    shown(left)),
        "a sequence by itself is carried over if the rules take its name, as they take tables",
        "add a table rule that matches it, unless nobody draws from it"));
  }
  return out;
}

}  // namespace

std::string_view action_name(CounterStep::Action action) {
  switch (action) {
    case CounterStep::Action::set:
      return "set";
    case CounterStep::Action::kept:
      return "kept";
    case CounterStep::Action::automatic:
      return "automatic";
    case CounterStep::Action::missing:
      return "missing";
  }
  return "";
}

CounterStep plan_counter(Counter source, CounterPlace place, FoundCounter found,
                         const CutoverRequest& request, const Target& target) {
  CounterStep step;
  step.source = std::move(source);
  step.place = std::move(place);
  step.found = std::move(found);
  if (step.found.kind == FoundCounter::Kind::automatic) {
    step.action = CounterStep::Action::automatic;
    return step;
  }
  const bool counts = step.found.kind == FoundCounter::Kind::counts;
  if (!counts && !step.found.can_make) return step;

  const CounterState& from = step.source.state;
  CounterState wanted = step.found.wanted;
  const bool down = wanted.goes_down();
  const auto further = [&](CounterNumber a, CounterNumber b) {
    return wanted.reached(a, b) ? a : b;
  };
  // Both count in the same direction, or there is no comparing them.
  CounterNumber base = down ? wanted.largest : wanted.smallest;
  if (from.goes_down() == down) base = further(base, from.next);
  if (step.found.last_key && !wanted.cycles) {
    base = further(base, *step.found.last_key + wanted.increment);
  }
  wanted.next = base;
  step.used_up = wanted.used_up() && !wanted.cycles;
  const auto margin = static_cast<CounterNumber>(request.margin);
  if (!step.used_up) wanted.next += margin * wanted.increment;
  if (!step.used_up && wanted.used_up()) {
    const CounterNumber edge = down ? wanted.smallest : wanted.largest;
    const CounterNumber fits = (edge - base) / wanted.increment;
    const CounterState& there = step.found.state;
    // An earlier run gave it a margin of its own, or the target counts by itself by now.
    const bool ahead = counts && !step.found.reshape && there.goes_down() == down &&
                       there.next != from.next && wanted.reached(there.next, base);
    if (!wanted.cycles && ahead) {
      step.action = CounterStep::Action::kept;
      return step;
    }
    if (!wanted.cycles) {
      const std::string name = step.place.text();
      throw refusal(finding(
          "cutover.margin", Severity::critical,
          fmt::format("the margin does not fit into {}", name),
          fmt::format("the next number is {}, and {} is the last that there is", to_string(base),
                      to_string(edge)),
          fmt::format("repeat it with --margin {0} or less; or with --table {1} --margin {0} for "
                      "this one and the usual margin for the others; or give the column a wider "
                      "type",
                      to_string(fits), step.source.name.text()),
          fmt::format("margin {}", request.margin), step.source.name.text()));
    }
    // It begins anew, and so does the margin.
    const CounterNumber period =
        (wanted.largest - wanted.smallest) / (down ? -wanted.increment : wanted.increment) + 1;
    const CounterNumber over = (margin - fits - 1) % period;
    wanted.next = (down ? wanted.largest : wanted.smallest) + over * wanted.increment;
  }
  if (counts) {
    const CounterState& there = step.found.state;
    const bool comparable = there.goes_down() == down;
    if (comparable && wanted.reached(there.next, wanted.next)) {
      if (!step.found.reshape) {
        step.action = CounterStep::Action::kept;
        return step;
      }
      wanted.next = there.next;
    }
  }
  step.next = wanted.next;
  step.statements = target.counter_sql(step.place, step.found, step.next);
  // A sequence is made because that is what is asked for; a column of somebody's table is not.
  const bool may = counts || step.place.column.empty() || request.make_identity;
  step.action = may ? CounterStep::Action::set : CounterStep::Action::missing;
  return step;
}

namespace {

/// Tables that go their own way have an offset of their own.
void refuse_lanes(const Task& task, StateStore& store) {
  std::vector<std::string> names;
  for (const LaneRow& lane : store.lanes(task.name)) {
    if (lane.state == LaneRow::State::removed) continue;
    for (const TableName& table : lane.tables) names.push_back(table.text());
  }
  if (names.empty()) return;
  throw refusal(finding("cutover.table-apart", Severity::critical,
                        fmt::format("{} is not with the other tables", shown(names)),
                        "a table that is added, copied anew or suspended has not all of the "
                        "source's rows yet",
                        fmt::format("weir sync status {} shows what it waits for", task.name)));
}

}  // namespace

std::size_t CutoverPlan::to_set() const {
  return static_cast<std::size_t>(
      std::ranges::count(steps, CounterStep::Action::set, &CounterStep::action));
}

CutoverPlan plan_cutover(const Task& task, const CutoverRequest& request, Source& source,
                         Target& target, StateStore& store, Engine& engine) {
  CutoverPlan out;
  const Status status = ops::status(task.name, store, engine);
  if (!source.counters({})) {
    throw Error(ExitCode::unsupported, "cutover.source-kind",
                fmt::format("a source of kind {} has no counters", task.source.kind),
                "there is nothing to carry over to the target",
                "stop the task once it has caught up; nothing else is needed");
  }
  if (!target.counters({})) {
    throw Error(ExitCode::unsupported, "cutover.target-kind",
                fmt::format("a target of kind {} has no counters", task.target.kind),
                "nothing there hands out numbers",
                "stop the task once it has caught up; nothing else is needed");
  }
  refuse_lanes(task, store);
  refuse_failed_tables(status);
  const std::optional<Recovered> before = target.recover(task.name);
  if (!before) {
    throw refusal(finding("cutover.not-started", Severity::critical,
                          fmt::format("the target does not know task {}", task.name),
                          "nothing was copied yet, or the target's control tables are gone",
                          fmt::format("weir sync start {} --wait caught-up", task.name)));
  }
  if (const auto gap = source.can_resume(before->offset, before->source)) {
    if (gap->severity == Severity::critical) throw refusal(*gap);
    out.findings.push_back(*gap);
  }
  const Mapping mapping = map_task(task, source, target, before);
  if (refuses(mapping.findings)) throw refusal(mapping.findings);

  out.log_end = source.log_end();
  out.offset =
      wait_until_caught_up(task, mapping.plans, out.log_end, request, source, target, store, engine)
          .offset;
  out.running = engine.status(task.name).running;
  if (out.running) out.arriving = count_arriving(task.name, store);
  if (out.arriving > 0) {
    out.findings.push_back(finding(
        "cutover.writes-arriving", Severity::warning, "the source is still written to",
        "numbers that it hands out from here on are within the margin for a while, and no longer; "
        "rows that come after the applications have changed over are lost",
        "stop the writers, then repeat it: that is harmless",
        fmt::format("{} changes over the last {} s", out.arriving, kArriving.count())));
  }
  Steps planned = plan_steps(task, request, mapping.plans, source, target);
  out.steps = std::move(planned.steps);
  std::move(planned.findings.begin(), planned.findings.end(), std::back_inserter(out.findings));
  return out;
}

void carry_out(const Task& task, const CutoverRequest& request, const CutoverPlan& plan,
               Target& target, StateStore& store) {
  for (const CounterStep& step : plan.steps) {
    if (step.action != CounterStep::Action::set) continue;
    try {
      target.run_counter_sql(step.statements);
    } catch (const Error& error) {
      if (!error.id().ends_with(".conflict")) throw error.within(step.place.text());
      throw Error(ExitCode::state_conflict, "cutover.locked",
                  fmt::format("{} cannot be set now", step.place.text()), error.why(),
                  "end the transaction that holds the lock on the target, then repeat it: what "
                  "was set before is kept");
    }
    const std::string before = step.found.kind == FoundCounter::Kind::counts
                                   ? to_string(step.found.state.next)
                                   : std::string("nothing");
    store.add_event(task.name,
                    {now(), "info", "cutover.set", step.source.name.text(),
                     fmt::format("{} goes on at {}, before {}, source {}: {}", step.place.text(),
                                 to_string(step.next), before, to_string(step.source.state.next),
                                 join(step.statements, "; "))});
  }
  store.add_event(task.name,
                  {now(), plan.arriving > 0 ? "warning" : "info", "cutover.done", "",
                   fmt::format("{} of {} counters set with a margin of {}, at {}; {} changes had "
                               "arrived over the last {} s",
                               plan.to_set(), plan.steps.size(), request.margin, plan.offset.text,
                               plan.arriving, kArriving.count())});
}

}  // namespace weir::ops
