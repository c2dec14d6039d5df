// SPDX-License-Identifier: Apache-2.0
#include "ops/plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"
#include "ops/preflight.h"
#include "ops/revision.h"

namespace weir::ops {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "weir-plan-1";
constexpr auto kNeeds = std::to_array<std::string_view>(
    {"live", "pause", "add-table", "reload", "remove-table", "refused"});

/// What a key needs; the first row that fits counts. An empty name is every key of the section.
struct SettingRow {
  std::string_view section;
  std::string_view name;
  Need need;
  std::string_view effect;
};

constexpr std::string_view kOtherServer =
    "it is another server, or another place on it, which need not hold what the task left";

constexpr auto kSettings = std::to_array<SettingRow>({
    {"", "name", Need::refused, "a task of another name is another task, and has copied nothing"},
    {"source", "kind", Need::refused, kOtherServer},
    {"source", "host", Need::refused, kOtherServer},
    {"source", "port", Need::refused, kOtherServer},
    {"source", "socket", Need::refused, kOtherServer},
    {"source", "database", Need::refused, kOtherServer},
    {"source", "slot", Need::refused, "the log is kept for the task by the slot that it has"},
    {"source", "publication", Need::refused, "the slot is read through the publication it has"},
    {"target", "kind", Need::refused, kOtherServer},
    {"target", "path", Need::refused, kOtherServer},
    {"target", "host", Need::refused, kOtherServer},
    {"target", "port", Need::refused, kOtherServer},
    {"target", "socket", Need::refused, kOtherServer},
    {"target", "database", Need::refused, kOtherServer},
    {"target", "control_schema", Need::refused, "the task's offset and progress are in that one"},
    {"full", "connections", Need::live, "counts from the next copy of rows on"},
    {"full", "chunk_rows", Need::live, "counts from the next chunk on"},
    {"full", "rate_limit", Need::live, "counts at once, for rows that are being copied too"},
    {"incremental", "flush_interval", Need::live, "counts from the next batch on"},
    {"retention", "window", Need::live, "counts from the next weir check-retention on"},
    {"types", "", Need::pause, "rows that are on the target keep the values that they have"},
    {"failover", "", Need::pause, "the supervisor counts by it from its start on"},
    {"", "", Need::pause, "the worker goes by it from its start on"},
});

const SettingRow& setting_row(const ConfigChange& change) {
  const auto found = std::ranges::find_if(kSettings, [&](const SettingRow& row) {
    const bool any = row.section.empty() && row.name.empty();
    return any || (row.section == change.section && (row.name.empty() || row.name == change.name));
  });
  return *found;
}

const TablePlan* plan_of(std::span<const TablePlan> plans, const TableName& name) {
  const auto found =
      std::ranges::find_if(plans, [&](const TablePlan& plan) { return plan.source.name == name; });
  return found == plans.end() ? nullptr : &*found;
}

std::string key_names(const TablePlan& plan) {
  std::vector<std::string> names;
  for (const std::uint32_t place : plan.key) names.push_back(plan.columns[place].name);
  return names.empty() ? "all columns" : join(names, ", ");
}

std::string text_of(const DeletePolicy& deletes) {
  switch (deletes.kind) {
    case DeletePolicy::Kind::apply:
      return "apply";
    case DeletePolicy::Kind::ignore:
      return "ignore";
    case DeletePolicy::Kind::soft:
      return "soft:" + deletes.column;
  }
  return "";
}

std::string text_of(ExistingPolicy existing) {
  constexpr auto kWords =
      std::to_array<std::string_view>({"refuse", "append", "truncate", "replace"});
  return std::string(kWords[static_cast<std::size_t>(existing)]);
}

/// What a column is called in the rules: by its name on the source, or its own if it is added.
std::string rule_name(const TablePlan& plan, const PlannedColumn& column) {
  return column.added() ? column.name : plan.source.columns[column.source].name;
}

const PlannedColumn* column_of(const TablePlan& plan, const std::string& name, bool added) {
  const auto found = std::ranges::find_if(plan.columns, [&](const PlannedColumn& column) {
    return column.added() == added && rule_name(plan, column) == name;
  });
  return found == plan.columns.end() ? nullptr : &*found;
}

/// Compares what the rules made of one table.
class TableComparison {
 public:
  TableComparison(const TablePlan& before, const TablePlan& after, std::vector<PlanStep>& out)
      : before_(before), after_(after), out_(out) {}

  void run() {
    if (before_.target != after_.target) {
      add("target", before_.target.text(), after_.target.text(), Need::reload,
          fmt::format("the rows are copied to {}; {} stays on the target as it is then",
                      after_.target.text(), before_.target.text()));
    }
    for (const PlannedColumn& column : before_.columns) compare_column(column);
    for (const PlannedColumn& column : after_.columns) {
      const std::string name = rule_name(after_, column);
      if (column_of(before_, name, column.added()) != nullptr) continue;
      add("column " + name, "", column.name, Need::reload,
          "rows that are on the target lack its values");
    }
    if (key_names(before_) != key_names(after_)) {
      add("key", key_names(before_), key_names(after_), Need::reload,
          "rows are told apart by other columns, which the target's key does not know");
    }
    if (text_of(before_.deletes) != text_of(after_.deletes)) {
      add("deletes", text_of(before_.deletes), text_of(after_.deletes), Need::pause,
          "counts for deletes from the restart on; those before it stay as they were dealt with");
    }
    if (before_.existing != after_.existing) {
      add("existing", text_of(before_.existing), text_of(after_.existing), Need::live,
          "counts when the table is copied anew; rows that are there stay");
    }
  }

 private:
  void add(std::string what, std::string before, std::string after, Need need, std::string effect) {
    out_.push_back({std::move(what), before_.source.name, std::move(before), std::move(after), need,
                    std::move(effect)});
  }

  void compare_column(const PlannedColumn& column) {
    const std::string name = rule_name(before_, column);
    const PlannedColumn* now = column_of(after_, name, column.added());
    if (now == nullptr) {
      return add("column " + name, column.name, "", Need::reload,
                 fmt::format("the target's column {} goes, with what it holds", column.name));
    }
    if (column.name != now->name) {
      add("column " + name, column.name, now->name, Need::reload,
          "the target's column gets the other name");
    }
    if (column.target_type != now->target_type) {
      add("type of " + name, column.target_type, now->target_type, Need::reload,
          "values that are on the target have the type that it is made with");
    }
    if (column.constant != now->constant) {
      add("value of " + name, column.constant, now->constant, Need::pause,
          "rows that are on the target keep the value that they have");
    }
  }

  const TablePlan& before_;
  const TablePlan& after_;
  std::vector<PlanStep>& out_;
};

/// What would make a plan wrong if it changed: whether the tables are there, and their columns.
std::string digest_of(const std::string& facts) {
  constexpr auto kShape = std::to_array<const char*>(
      {"target", "exists", "is_table", "columns", "table", "uniques", "has_key"});
  std::string shape;
  const Json all = Json::parse(facts);
  for (const Json& table : all.at("tables")) {
    for (const char* name : kShape) {
      if (table.contains(name)) shape += fmt::format("{} {}\n", name, table.at(name).dump());
    }
  }
  return sha256(shape);
}

bool concerns_tables(const ConfigChange& change) {
  return change.section == "types" || change.section.starts_with("table");
}

/// The tables that the task has: what the target remembers and the source did not drop.
SourceTables tables_there(const Recovered& recovered) {
  SourceTables out;
  out.history = recovered;
  for (const TableProgress& table : recovered.tables) {
    if (table.definition && !table.definition->gone) out.visible.push_back(table.source);
  }
  std::ranges::sort(out.visible);
  return out;
}

void plan_tables_of(const Task& before, const Task& after, const PlanBackends& backends,
                    ChangePlan& out) {
  const Task asked = with_patience(before);
  const std::unique_ptr<Source> source = backends.source(asked);
  const std::unique_ptr<Target> target = backends.target(asked);
  const std::optional<Recovered> recovered = target->recover(before.name);
  if (!recovered) return;
  out.offset = recovered->offset.text;
  Mapping now = map_tables(after, read_tables(after, *source, recovered), *target);
  const Mapping then = map_tables(before, tables_there(*recovered), *target);
  std::erase_if(now.plans, [](const TablePlan& plan) { return plan.source.gone; });
  std::erase_if(now.findings,
                [](const Finding& finding) { return finding.severity < Severity::warning; });
  out.findings = std::move(now.findings);
  if (refuses(out.findings)) return;

  const std::vector<PlanStep> steps = compare_plans(then.plans, now.plans);
  std::vector<TablePlan> concerned;
  for (const PlanStep& step : steps) {
    if (!out.tables.empty() && out.tables.back() == step.table) continue;
    out.tables.push_back(step.table);
    const TablePlan* old_plan = plan_of(then.plans, step.table);
    const TablePlan* new_plan = plan_of(now.plans, step.table);
    if (old_plan != nullptr) concerned.push_back(*old_plan);
    if (new_plan != nullptr && (old_plan == nullptr || old_plan->target != new_plan->target)) {
      concerned.push_back(*new_plan);
    }
  }
  out.steps.insert(out.steps.end(), steps.begin(), steps.end());
  if (!concerned.empty()) {
    out.target_digest = digest_of(target->gather(asked, concerned, recovered));
  }
}

Error moved(const ChangePlan& planned, const std::string& why) {
  return Error(
      ExitCode::refused, "plan.moved",
      fmt::format("the plan for task {} is out of date", planned.task), why,
      fmt::format("nothing was changed; look at what it would do now: weir plan {}", planned.task));
}

std::string text_at(const Json& json, const char* name) { return json.at(name).get<std::string>(); }

}  // namespace

std::string_view to_string(Need need) { return kNeeds.at(static_cast<std::size_t>(need)); }

Need ChangePlan::need() const {
  Need out = Need::live;
  for (const PlanStep& step : steps) out = std::max(out, step.need);
  return out;
}

std::vector<PlanStep> judge_settings(std::span<const ConfigChange> changes) {
  std::vector<PlanStep> out;
  for (const ConfigChange& change : changes) {
    PlanStep step;
    step.what = change.title();
    step.before = change.before;
    step.after = change.after;
    if (change.section.starts_with("table")) {
      step.need = Need::pause;
      step.effect = "the worker selects tables by it from its start on";
    } else {
      const SettingRow& row = setting_row(change);
      step.need = row.need;
      step.effect = row.effect;
    }
    out.push_back(std::move(step));
  }
  return out;
}

std::vector<PlanStep> compare_plans(std::span<const TablePlan> before,
                                    std::span<const TablePlan> after) {
  std::vector<PlanStep> out;
  for (const TablePlan& plan : before) {
    if (const TablePlan* now = plan_of(after, plan.source.name)) {
      TableComparison(plan, *now, out).run();
      continue;
    }
    out.push_back({"table", plan.source.name, plan.target.text(), "", Need::remove_table,
                   fmt::format("its changes are applied no more, and {} stays as it is then",
                               plan.target.text())});
  }
  for (const TablePlan& plan : after) {
    if (plan_of(before, plan.source.name) != nullptr) continue;
    out.push_back({"table", plan.source.name, "", plan.target.text(), Need::add_table,
                   fmt::format("about {} rows are copied to {}",
                               format_count(plan.source.estimated_rows), plan.target.text())});
  }
  return out;
}

ChangePlan plan_change(const RevisionRow& running, const TaskFile& wanted,
                       const PlanBackends& backends) {
  ChangePlan out;
  out.task = running.task;
  out.taken = now();
  out.revision = running.number;
  out.file = wanted.task.file;
  out.file_digest = sha256(wanted.text);
  const Task before = task_of(running);
  const std::vector<ConfigChange> changes =
      diff_config({running.text, running.file}, {wanted.text, wanted.task.file});
  out.steps = judge_settings(changes);
  // What is another task anyway has no tables to compare.
  if (out.need() == Need::refused) return out;
  if (std::ranges::any_of(changes, concerns_tables)) {
    plan_tables_of(before, wanted.task, backends, out);
  }
  return out;
}

std::string encode_plan(const ChangePlan& plan) {
  Json steps = Json::array();
  for (const PlanStep& step : plan.steps) {
    steps.push_back({{"what", step.what},
                     {"table", step.table.table.empty() ? Json() : Json(step.table.text())},
                     {"before", step.before},
                     {"after", step.after},
                     {"need", to_string(step.need)},
                     {"effect", step.effect}});
  }
  Json tables = Json::array();
  for (const TableName& table : plan.tables) tables.push_back(table.text());
  const Json out{{"format", kFormat},
                 {"task", plan.task},
                 {"taken", to_rfc3339(plan.taken)},
                 {"revision", plan.revision},
                 {"file", plan.file},
                 {"file_digest", plan.file_digest},
                 {"offset", plan.offset},
                 {"target_digest", plan.target_digest},
                 {"tables", std::move(tables)},
                 {"need", to_string(plan.need())},
                 {"steps", std::move(steps)}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

ChangePlan decode_plan(std::string_view text) {
  const auto wrong = [](const std::string& why) {
    return Error(ExitCode::configuration, "plan.format", "this is no plan that weir can apply", why,
                 "make it anew: weir plan TASK --out FILE");
  };
  try {
    const Json json = Json::parse(text);
    if (text_at(json, "format") != kFormat) {
      throw wrong(
          fmt::format("its format is {}, and {} is wanted", text_at(json, "format"), kFormat));
    }
    ChangePlan out;
    out.task = text_at(json, "task");
    out.taken = parse_rfc3339(text_at(json, "taken"));
    out.revision = json.at("revision").get<std::uint32_t>();
    out.file = text_at(json, "file");
    out.file_digest = text_at(json, "file_digest");
    out.offset = text_at(json, "offset");
    out.target_digest = text_at(json, "target_digest");
    return out;
  } catch (const Json::exception& error) {
    throw wrong(error.what());
  }
}

void refuse_moved(const ChangePlan& planned, const ChangePlan& now) {
  if (planned.revision != now.revision) {
    throw moved(planned, fmt::format("it was made for revision {}, and the task runs by {}",
                                     planned.revision, now.revision));
  }
  if (planned.file != now.file || planned.file_digest != now.file_digest) {
    throw moved(planned, fmt::format("{} was edited since", planned.file));
  }
  if (planned.target_digest != now.target_digest) {
    std::vector<std::string> names;
    for (const TableName& table : now.tables) names.push_back(table.text());
    throw moved(planned, fmt::format("the target tables of {} changed since", join(names, ", ")));
  }
}

void refuse_unfit(const ChangePlan& plan) {
  if (refuses(plan.findings)) throw refusal(plan.findings);
  const Need need = plan.need();
  const auto step = std::ranges::find(plan.steps, need, &PlanStep::need);
  if (need == Need::refused) {
    throw Error(ExitCode::refused, "plan.refused",
                fmt::format("{} of task {} cannot be changed so", step->what, plan.task),
                step->effect,
                fmt::format("put {} back to {}, or give the other one a task of its own; for a "
                            "server that moved and holds all of this one's data, stop the task and "
                            "start it with the file: weir sync start checks whose log it is",
                            step->what, step->before));
  }
  if (need == Need::remove_table) {
    throw Error(ExitCode::refused, "plan.remove-table",
                fmt::format("the rules do not select {} any more", step->table.text()),
                "a table leaves a task at a place that is recorded, which a changed rule does not "
                "do",
                fmt::format("weir remove-table {} {}", plan.task, step->table.text()));
  }
  if (need == Need::reload) {
    throw Error(ExitCode::refused, "plan.reload",
                fmt::format("{}: {} would be another one", step->table.text(), step->what),
                step->effect,
                fmt::format("leave it as it was, or have the table copied anew: weir reload-table "
                            "{} {}",
                            plan.task, step->table.text()));
  }
}

}  // namespace weir::ops
