// SPDX-License-Identifier: Apache-2.0
#include "ops/checklist.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "mapping/ddl.h"

namespace weir::ops {
namespace {

constexpr std::size_t kEvents = 20'000;
/// How long an answer of a server may take: a large catalogue needs its time, a hung server has
/// none to give.
constexpr std::chrono::seconds kPatience{120};
constexpr std::size_t kSamples = 20'000;
/// Samples further apart have a stop between them.
constexpr Seconds kSampleGap{150};
/// A rate over less says little.
constexpr Seconds kShortestCopy{10};
/// More within the task's own window, or within a day, is frequent.
constexpr std::size_t kFailovers = 1;
constexpr std::size_t kFailoversDay = 6;
constexpr double kLongLag = 60;
/// Where nothing tells how long a copy takes, what check-retention warns below.
constexpr Seconds kDay{std::chrono::hours(24)};
constexpr std::size_t kShown = 3;
constexpr std::size_t kShownText = 200;

constexpr std::uint32_t bit(Operation operation) {
  return std::uint32_t{1} << static_cast<std::uint32_t>(operation);
}

template <class... Operations>
constexpr std::uint32_t only(Operations... operations) {
  return (bit(operations) | ...);
}

constexpr std::uint32_t kAll = (std::uint32_t{1} << kOperations.size()) - 1;
constexpr std::uint32_t except(Operation operation) { return kAll & ~bit(operation); }

using enum Operation;
using enum ItemVerdict;

std::string list(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kShown);
  std::string out = join(std::span(names).first(shown), ", ");
  if (names.size() > shown) out += fmt::format(" and {} more", names.size() - shown);
  return out;
}

std::string counted(std::size_t count, const char* one, const char* many) {
  return fmt::format("{} {}", format_count(count), count == 1 ? one : many);
}

std::string tables_text(std::size_t count) { return counted(count, "table", "tables"); }

/// The first characters of a text that may be long, on one line.
std::string shortened(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  if (text.size() <= kShownText) return text;
  std::size_t end = kShownText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

bool copies(Operation operation) { return operation == rerun_full || operation == add_tables; }

bool is_about_rows(const Finding& finding) { return finding.id.ends_with(".table-not-empty"); }

/// What the servers did not tell, as the verdict of an item that needs them.
Judgement not_told(const ChecklistFacts& facts) {
  return {unknown, shortened(facts.unchecked->what()), false, facts.unchecked->fix()};
}

/// The tables that the rules select and the task does not have.
std::vector<const TablePlan*> new_tables(const ChecklistFacts& facts) {
  std::set<TableName> known;
  if (facts.checked->recovered) {
    for (const TableProgress& table : facts.checked->recovered->tables) known.insert(table.source);
  } else {
    for (const TableRow& table : facts.status.tables) known.insert(table.source);
  }
  std::vector<const TablePlan*> out;
  for (const TablePlan& plan : facts.checked->mapping.plans) {
    if (!known.contains(plan.source.name)) out.push_back(&plan);
  }
  return out;
}

// ---------------------------------------------------------------- what is measured

std::string retention_text(const ChecklistFacts& facts) {
  const RetentionReport& report = facts.retention;
  std::string out;
  if (report.unlimited) {
    out = "no limit is known";
  } else if (report.may_stay_down) {
    out = fmt::format("the offset is safe for {}", format_duration(*report.may_stay_down));
  }
  if (!report.reason.empty()) {
    if (!out.empty()) out += "; ";
    const bool named = report.limited_by.empty() || report.reason.starts_with(report.limited_by);
    out += named ? report.reason : fmt::format("{}: {}", report.limited_by, report.reason);
  }
  if (facts.full_load) {
    out += fmt::format("; the copy may take {} ({})", format_duration(*facts.full_load),
                       facts.full_load_basis);
  } else if (copies(facts.operation)) {
    out += fmt::format("; how long the copy takes is not known: {}", facts.full_load_basis);
  }
  return out;
}

/// An offset that is gone does not stand in the way of what takes a new one; the log has to go back
/// far enough for that one.
Judgement judge_lost(const ChecklistFacts& facts) {
  const std::string gone = "the offset is gone: " + facts.retention.reason;
  if (facts.operation == reset_offset) {
    return {not_applicable, gone + "; the reset itself proves that the new one is there"};
  }
  if (!facts.retention.window) {
    return {not_applicable, gone + "; the copy begins at a new one"};
  }
  const Seconds needed = facts.full_load ? 2 * *facts.full_load : kDay;
  std::string measured =
      fmt::format("{}; the copy begins at a new one, and the log goes back {}, of {} needed", gone,
                  format_duration(*facts.retention.window), format_duration(needed));
  return {*facts.retention.window >= needed ? pass : fail, std::move(measured)};
}

Judgement judge_retention_item(const ChecklistFacts& facts) {
  const RetentionReport& report = facts.retention;
  const bool new_offset = facts.operation == reset_offset || facts.operation == rerun_full;
  if (report.verdict == Verdict::lost && new_offset) return judge_lost(facts);
  Judgement out;
  out.measured = retention_text(facts);
  out.verdict = report.verdict <= Verdict::warning   ? pass
                : report.verdict == Verdict::unknown ? unknown
                                                     : fail;
  for (const Finding& finding : report.findings) {
    const bool hides = finding.severity == Severity::unknown && report.verdict == Verdict::unknown;
    if (out.action.empty() && (hides || finding.severity == Severity::critical)) {
      out.action = finding.fix;
    }
  }
  return out;
}

Judgement judge_offset(const ChecklistFacts& facts) {
  if (!facts.status.offset) return {fail, "there is none yet"};
  const StateStore::StoredOffset& stored = *facts.status.offset;
  return {
      pass,
      fmt::format("{}, stored {} ago", stored.offset.text,
                  format_duration(std::max(Seconds(facts.now - stored.stored), Seconds::zero())))};
}

Judgement judge_lag(const ChecklistFacts& facts) {
  const Status& status = facts.status;
  if (!status.engine.running) return {not_applicable, "the task is stopped"};
  if (status.caught_up) return {pass, "caught up"};
  if (!status.sample || status.sample->stage != Stage::incremental) {
    return {fail, fmt::format("it is in the {} stage", to_string(status.task.stage)), true};
  }
  const double lag = status.sample->apply_lag_s;
  std::string measured = fmt::format("{} behind", format_duration(Seconds(lag)));
  if (lag <= kLongLag) return {pass, std::move(measured)};
  return {fail, std::move(measured), true};
}

Judgement judge_full_load(const ChecklistFacts& facts) {
  std::vector<std::string> open;
  for (const TableRow& table : facts.status.tables) {
    if (table.full != StageState::done) open.push_back(table.source.text());
  }
  if (facts.status.tables.empty()) return {unknown, "the task has no table yet"};
  if (open.empty()) {
    return {pass, tables_text(facts.status.tables.size()) + ", each copied to its end"};
  }
  // An offset from the middle of a copy cannot be moved, whoever is asked.
  return {fail,
          fmt::format("{} of {} not copied yet: {}", open.size(),
                      tables_text(facts.status.tables.size()), list(open)),
          facts.operation != reset_offset};
}

Judgement judge_preflight(const ChecklistFacts& facts) {
  if (!facts.checked) return not_told(facts);
  std::vector<std::string> critical;
  std::vector<std::string> waived;
  std::size_t other = 0;
  for (const Finding& finding : facts.checked->findings) {
    if (is_about_rows(finding)) continue;
    if (finding.waived) {
      waived.push_back(fmt::format("[{}]", finding.id));
      continue;
    }
    if (finding.severity != Severity::critical) {
      other += finding.severity >= Severity::warning ? 1 : 0;
      continue;
    }
    critical.push_back(finding.table.empty() ? fmt::format("[{}]", finding.id)
                                             : fmt::format("{} [{}]", finding.table, finding.id));
  }
  std::string beside = other == 0 ? "" : "; " + counted(other, "warning", "warnings");
  if (!waived.empty()) beside += "; waived at the last start: " + list(waived);
  if (critical.empty()) {
    const std::size_t tables = facts.checked->mapping.plans.size();
    return {pass, fmt::format("{}, nothing that would refuse{}", tables_text(tables), beside)};
  }
  Judgement out{fail, list(critical) + beside};
  if (facts.operation == rerun_full && facts.status.engine.running) {
    // A slot that is read from, and the like: as if the task were not there means without it.
    out.action = fmt::format(
        "weir sync stop {}, if the task itself holds what is missing, and repeat this; else mend "
        "what is named",
        facts.task.name);
  }
  return out;
}

Judgement judge_target_data(const ChecklistFacts& facts) {
  if (!facts.checked) return not_told(facts);
  std::vector<std::string> refused;
  for (const Finding& finding : facts.checked->findings) {
    if (is_about_rows(finding) && !finding.waived) refused.push_back(finding.table);
  }
  if (!refused.empty()) {
    return {fail,
            fmt::format("{} rows, and existing = \"refuse\": {}",
                        refused.size() == 1 ? "1 target table holds"
                                            : counted(refused.size(), "", "target tables hold"),
                        list(refused))};
  }
  std::set<TableName> filled;
  for (const TableRow& table : facts.status.tables) {
    if (table.copied_rows + table.applied_changes > 0) filled.insert(table.source);
  }
  std::vector<std::string> doubled;
  std::size_t emptied = 0;
  for (const TablePlan& plan : facts.checked->mapping.plans) {
    const bool empties =
        plan.existing == ExistingPolicy::truncate || plan.existing == ExistingPolicy::replace;
    emptied += empties ? 1 : 0;
    const bool appends = plan.existing == ExistingPolicy::append;
    if (facts.operation == rerun_full && appends && filled.contains(plan.source.name)) {
      doubled.push_back(plan.target.text());
    }
  }
  if (!doubled.empty()) {
    return {fail, "existing = \"append\" would meet the rows that the task itself brought: " +
                      list(doubled)};
  }
  const std::size_t tables = facts.checked->mapping.plans.size();
  return {pass, fmt::format("{} of {} would be emptied by their rules, the others hold nothing in "
                            "the way",
                            emptied, tables_text(tables))};
}

Judgement judge_new_tables(const ChecklistFacts& facts) {
  if (!facts.checked) return not_told(facts);
  const std::vector<const TablePlan*> added = new_tables(facts);
  if (added.empty()) {
    return {unknown, "the rules select no table that the task does not have", false,
            fmt::format("write the rules for them into {} first (the task reads it at its next "
                        "start), then repeat this",
                        facts.task.file)};
  }
  std::vector<std::string> impossible;
  std::vector<std::string> names;
  std::uint64_t rows = 0;
  for (const TablePlan* const plan : added) {
    names.push_back(plan->source.name.text());
    rows += plan->source.estimated_rows;
    const auto hinders = [plan](const Finding& finding) {
      return finding.severity == Severity::critical && !finding.waived &&
             (finding.table == plan->source.name.text() || finding.table == plan->target.text());
    };
    const auto why = std::ranges::find_if(facts.checked->findings, hinders);
    if (why == facts.checked->findings.end()) continue;
    impossible.push_back(fmt::format("{} [{}]", names.back(), why->id));
  }
  if (!impossible.empty()) {
    return {fail, fmt::format("{} of {} cannot be copied: {}", impossible.size(),
                              counted(added.size(), "new table", "new tables"), list(impossible))};
  }
  return {pass, fmt::format("{}, some {} rows: each is copied whole, then kept in sync: {}",
                            counted(added.size(), "new table", "new tables"), format_count(rows),
                            list(names))};
}

/// Kinds of change that leave no trace in the task's history.
std::string ignored_kinds(const DdlSettings& ddl) {
  // What these do is seen by no row.
  constexpr auto kHarmless =
      std::to_array<std::string_view>({"create_table", "default", "comment", "index", "other"});
  std::vector<std::string> out;
  for (const DdlKind& kind : ddl_kinds()) {
    const bool is_harmless = std::ranges::find(kHarmless, kind.key) != kHarmless.end();
    if (!is_harmless && ddl.*kind.setting == DdlAction::ignore) out.emplace_back(kind.key);
  }
  return out.empty() ? "" : "; [ddl] ignores " + join(out, ", ") + ", which leaves no trace";
}

Judgement judge_ddl(const ChecklistFacts& facts) {
  const auto has_table = [&facts](const std::string& name) {
    return std::ranges::any_of(facts.status.tables,
                               [&](const TableRow& row) { return row.source.text() == name; });
  };
  // Both take tables in that appeared meanwhile.
  const bool takes_new = facts.operation == add_tables || facts.operation == restart;
  std::vector<std::string> open;
  if (facts.status.task.error_id.starts_with("ddl.")) {
    open.push_back(fmt::format("the task stopped at one, [{}] {}", facts.status.task.error_id,
                               shortened(facts.status.task.error)));
  }
  std::size_t applied = 0;
  for (const EventRow& event : facts.events) {
    if (event.id == "ddl.applied") ++applied;
    if (event.at <= facts.ddl_confirmed || event.level != "warning") continue;
    const bool left = event.id == "ddl.not-applied" || event.id == "ddl.unreadable" ||
                      (event.id == "ddl.create-table" && !takes_new && !has_table(event.table));
    if (left) {
      open.push_back(
          fmt::format("{} [{}] {}", to_rfc3339(event.at), event.id, shortened(event.text)));
    }
  }
  const std::string ignored = ignored_kinds(facts.task.ddl);
  if (open.empty()) return {pass, fmt::format("none is open, {} applied{}", applied, ignored)};
  const bool stopped = facts.status.task.error_id.starts_with("ddl.");
  return {fail, fmt::format("{} open: {}{}", open.size(), list(open), ignored), true,
          stopped ? facts.status.task.error_fix : ""};
}

Judgement judge_failovers(const ChecklistFacts& facts) {
  const std::string measured =
      fmt::format("{} in the last {}, {} in the last day", facts.failovers,
                  format_duration(facts.task.failover.window), facts.failovers_day);
  if (facts.failovers > kFailovers) return {fail, measured};
  if (facts.failovers_day > kFailoversDay) return {fail, measured, true};
  return {pass, measured};
}

Judgement judge_last_error(const ChecklistFacts& facts) {
  const TaskRow& task = facts.status.task;
  if (task.error_id.empty()) return {pass, "the task has none"};
  if (task.error_id.starts_with("ddl.")) return {not_applicable, "see the item ddl"};
  return {fail, fmt::format("[{}] {}", task.error_id, shortened(task.error)), true, task.error_fix};
}

/// Which tables the rules leave out already; what becomes of them is for people to say.
Judgement judge_left_behind(const ChecklistFacts& facts) {
  if (!facts.checked || !facts.checked->recovered) return {unknown, "", true};
  std::vector<std::string> left;
  for (const TableProgress& table : facts.checked->recovered->tables) {
    const bool selected = std::ranges::any_of(
        facts.checked->mapping.plans,
        [&](const TablePlan& plan) { return plan.source.name == table.source; });
    if (!selected) left.push_back(table.target.text());
  }
  if (left.empty()) return {unknown, "the rules still select every table of the task", true};
  return {unknown, "the rules leave out, and the target would keep: " + list(left), true};
}

Judgement judge_load(const ChecklistFacts& facts) {
  const FullSettings& full = facts.task.full;
  std::string limit = "no rate_limit";
  if (full.rate_rows > 0) limit = format_count(full.rate_rows) + " rows/s at most";
  if (full.rate_bytes > 0) limit = format_bytes(full.rate_bytes) + "/s at most";
  std::string measured = fmt::format("[full] connections = {}, {}", full.connections, limit);
  if (facts.full_load) {
    measured += fmt::format("; the copy may take {}", format_duration(*facts.full_load));
  }
  return {unknown, std::move(measured), true};
}

// ---------------------------------------------------------------- the table

constexpr auto kItems = std::to_array<ItemSpec>({
    {"retention", "does the source keep its log for long enough, catching up included?", kAll,
     judge_retention_item, 0, "as weir check-retention does, with the time that a copy takes",
     "raise the setting that is named on the source, or choose another hour: weir "
     "check-retention TASK"},
    {"offset", "does the task have an offset to go on from?", except(rerun_full), judge_offset, 0,
     "from weir's state", "let the task get as far: weir sync start TASK --wait incremental"},
    {"lag", "is the target close behind the source?", only(remove_table, add_tables, remap),
     judge_lag, kAll, "from the task's last sample; yes if it is meant to begin while it is behind",
     "wait until it has caught up: weir sync start TASK --wait caught-up"},
    {"full-load", "is no copy of rows under way?", only(add_tables, reset_offset, remap),
     judge_full_load, except(reset_offset),
     "from the state of each table; yes if it is meant to begin meanwhile",
     "let it end: weir sync start TASK --wait full"},
    {"preflight", "would the task start, as its file is now?", except(reset_offset),
     judge_preflight, 0, "as weir preflight does", "mend what weir preflight TASK names"},
    {"target-data", "do the rules say what becomes of rows that the target holds?",
     only(rerun_full, remap), judge_target_data, 0, "from the target tables and the rules",
     "say existing = \"truncate\" or \"replace\" in the table's rule, or empty the table"},
    {"new-tables", "can the new tables be copied with their history?", only(add_tables),
     judge_new_tables, 0, "from the rules, the source's catalogue and the checks of both servers",
     "mend what weir preflight TASK names for them, or exclude them in the rule"},
    {"ddl", "is every change of definition on the source dealt with?", kAll, judge_ddl, kAll,
     "from the task's history; yes if each that is open was carried out by hand or is not wanted",
     "carry it out on the target, or say what to do with its kind under [ddl] in the task file"},
    {"failovers", "does the task run without frequent failovers?", kAll, judge_failovers, kAll,
     "from the task's history; yes if the cause is known and mended",
     "find what ends the worker in the task's log, mend it, and watch: weir sync status TASK"},
    {"last-error", "is the task's last error mended, or mended by this?", kAll, judge_last_error,
     kAll, "from weir's state; yes if the cause is known", "mend it first: weir sync status TASK"},
    {"downstream", "do all who read the target tables know of this and agree?",
     only(remove_table, rerun_full, reset_offset, remap), nullptr, kAll,
     "the owners of reports, jobs and services that read them; say who agreed",
     "find out who reads the tables, and agree on the day with them"},
    {"left-behind", "is it settled what becomes of the target table, which weir leaves alone?",
     only(remove_table), judge_left_behind, kAll, "kept as it is, archived or dropped, and by whom",
     "settle who keeps, archives or drops it"},
    {"load", "can both servers bear the work now?", only(add_tables, rerun_full, tune), judge_load,
     kAll, "their load at this hour, free connections, and the disk that the target needs",
     "choose a quiet hour, or lower [full] connections or rate_limit in the task file"},
    {"way-back", "is the task file as it was kept, to go back to?", only(tune, remap), nullptr,
     kAll, "a commit, or a copy beside it; say where", "keep a copy of the task file first"},
    {"alert-status", "would an alert tell that the task failed or ended?", kAll, nullptr, kAll,
     "weir sync status TASK exits with 1 then, and its --json has state and error",
     "let your monitoring run weir sync status TASK and look at its exit code"},
    {"alert-full-load", "would an alert tell that the copy of a table failed?", kAll, nullptr, kAll,
     "tables[].full is \"failed\" in weir sync status TASK --json",
     "let your monitoring look at tables[].full of weir sync status TASK --json"},
    {"alert-latency", "would an alert tell that the target is too far behind?", kAll, nullptr, kAll,
     "apply_lag_s and heartbeat_age_s in weir sync status TASK --json; weir check-retention "
     "--format nagios or prometheus tells how long the log lasts",
     "let your monitoring look at apply_lag_s of weir sync status TASK --json"},
    {"alert-failover", "would an alert tell of failovers?", kAll, nullptr, kAll,
     "failovers in weir sync status TASK --json counts those of the last half hour",
     "let your monitoring look at failovers of weir sync status TASK --json"},
    {"alert-ddl", "would an alert tell of changes of definition?", kAll, nullptr, kAll,
     "ids that begin with ddl. in the task's log (--log-format json) and in the table event of "
     "weir-state(5)",
     "let your monitoring look for ids that begin with ddl. in the task's log"},
});

std::string named(std::string_view text, const std::string& task) {
  constexpr std::string_view kTask = "TASK";
  std::string out(text);
  for (std::size_t at = out.find(kTask); at != out.npos; at = out.find(kTask, at + task.size())) {
    out.replace(at, kTask.size(), task);
  }
  return out;
}

ChecklistItem item_of(const ItemSpec& spec, const std::string& task) {
  ChecklistItem out;
  out.id = spec.id;
  out.question = spec.question;
  out.how = named(spec.how, task);
  out.action = named(spec.action, task);
  return out;
}

/// How long the copy of the operation may take, by the task's own rate.
void estimate_copy(ChecklistFacts& facts, const std::vector<Sample>& samples) {
  if (!copies(facts.operation)) return;
  if (!facts.checked) {
    facts.full_load_basis = "the tables are not known";
    return;
  }
  std::uint64_t rows = 0;
  if (facts.operation == rerun_full) {
    for (const TableRow& table : facts.status.tables) {
      rows += std::max(table.estimated_rows, table.copied_rows);
    }
  } else {
    for (const TablePlan* const plan : new_tables(facts)) rows += plan->source.estimated_rows;
  }
  std::optional<double> rate = copy_rate(samples);
  if (!rate) {
    facts.full_load_basis =
        fmt::format("the task has not copied for {} on end yet", format_duration(kShortestCopy));
    return;
  }
  if (facts.task.full.rate_rows > 0) {
    rate = std::min(*rate, static_cast<double>(facts.task.full.rate_rows));
  }
  facts.full_load = Seconds(static_cast<double>(rows) / *rate);
  const std::string speed =
      *rate < 10 ? fmt::format("{:.2g}", *rate) : format_count(static_cast<std::uint64_t>(*rate));
  facts.full_load_basis =
      fmt::format("{} rows at {} a second, the task's own rate", format_count(rows), speed);
}

}  // namespace

std::string_view to_string(Operation operation) {
  return kOperations[static_cast<std::size_t>(operation)];
}

Operation operation_named(std::string_view name) {
  const auto found = std::ranges::find(kOperations, name);
  if (found == kOperations.end()) throw bug(fmt::format("there is no operation {}", name));
  return static_cast<Operation>(found - kOperations.begin());
}

std::string_view to_string(ItemVerdict verdict) {
  switch (verdict) {
    case pass:
      return "pass";
    case fail:
      return "fail";
    case unknown:
      return "unknown";
    case not_applicable:
      return "not-applicable";
  }
  return "unknown";
}

std::span<const ItemSpec> checklist_items() { return kItems; }

bool applies(const ItemSpec& item, Operation operation) {
  return (item.operations & bit(operation)) != 0;
}

std::optional<double> copy_rate(const std::vector<Sample>& samples) {
  Seconds span{0};
  double rows = 0;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    const Sample& a = samples[i - 1];
    const Sample& b = samples[i];
    const Seconds between = b.at - a.at;
    // Counters begin anew with each worker.
    if (a.stage != Stage::full || b.stage != Stage::full || b.rows_read < a.rows_read ||
        between.count() <= 0 || between > kSampleGap) {
      continue;
    }
    span += between;
    rows += static_cast<double>(b.rows_read - a.rows_read);
  }
  if (span < kShortestCopy || rows <= 0) return {};
  return rows / span.count();
}

ChecklistFacts gather_checklist(Operation operation, const Task& task,
                                const std::function<std::unique_ptr<Source>(const Task&)>& source,
                                const std::function<std::unique_ptr<Target>(const Task&)>& target,
                                StateStore& store, Engine& engine) {
  ChecklistFacts facts;
  facts.operation = operation;
  facts.task = task;
  facts.status = status(task.name, store, engine);
  facts.now = now();
  facts.events = store.events(task.name, kEvents);
  facts.failovers = store.count_events(task.name, "failover", facts.now - task.failover.window);
  facts.failovers_day =
      store.count_events(task.name, "failover", facts.now - std::chrono::hours(24));
  for (const ChecklistRow& row : store.checklists(task.name, "", kEvents)) {
    const auto ddl = std::ranges::find(row.items, "ddl", &ChecklistItemRow::id);
    if (ddl != row.items.end() && ddl->answer == true) {
      facts.ddl_confirmed = std::max(facts.ddl_confirmed, row.at);
    }
  }
  const auto is_ours = [](const Error& error) {
    return error.code() == ExitCode::bug || error.code() == ExitCode::configuration;
  };
  try {
    Task bounded = task;
    bounded.source.patience = kPatience;
    bounded.target.patience = kPatience;
    const std::unique_ptr<Source> from = source(bounded);
    const std::unique_ptr<Target> to = target(bounded);
    facts.checked = preflight(bounded, *from, *to, "",
                              operation == rerun_full ? StartFrom::nothing : StartFrom::memory);
    // To a start from nothing the task's own reader looks like somebody else's; a MySQL server
    // shows it for a while after it has ended.
    const bool runs = facts.status.engine.running;
    std::erase_if(facts.checked->findings, [&](const Finding& finding) {
      return (operation == rerun_full && finding.id == "mysql.server-id-taken") ||
             (runs && finding.id == "postgres.slot-active");
    });
    // Whoever starts the task next waives the same again, or mends it.
    std::vector<std::string> waived = waived_ids(task.name, store);
    std::erase_if(waived, [&](const std::string& id) {
      return std::ranges::find(facts.checked->binding, id) != facts.checked->binding.end();
    });
    waive(*facts.checked, waived);
  } catch (const Error& error) {
    if (is_ours(error)) throw;
    facts.unchecked = error;
  }
  estimate_copy(facts, store.samples(task.name, kSamples));
  RetentionRequest request;
  // A short copy needs no less than what check-retention calls critical.
  if (facts.full_load > request.critical) request.planned_stop = facts.full_load;
  try {
    facts.retention = check_retention(task, request, source, store, engine);
  } catch (const Error& error) {
    if (error.code() != ExitCode::unsupported) throw;
    facts.retention = unasked(task.name, error);
  }
  return facts;
}

std::vector<ChecklistItem> judge_checklist(const ChecklistFacts& facts) {
  std::vector<ChecklistItem> out;
  for (const ItemSpec& spec : kItems) {
    if (!applies(spec, facts.operation)) continue;
    ChecklistItem item = item_of(spec, facts.task.name);
    if (spec.judge == nullptr) {
      item.asks = true;
    } else {
      Judgement judged = spec.judge(facts);
      item.verdict = judged.verdict;
      item.measured = std::move(judged.measured);
      item.asks = judged.asks;
      if (!judged.action.empty()) item.action = std::move(judged.action);
    }
    if (item.verdict == pass || item.verdict == not_applicable) item.action.clear();
    out.push_back(std::move(item));
  }
  return out;
}

void take_answer(ChecklistItem& item, bool yes, std::string evidence) {
  if (!item.asks) return;
  item.answer = yes;
  item.evidence = std::move(evidence);
  item.verdict = yes ? pass : fail;
  if (yes) item.action.clear();
}

bool passed(std::span<const ChecklistItem> items) {
  return std::ranges::all_of(items, [](const ChecklistItem& item) {
    return item.verdict == pass || item.verdict == not_applicable;
  });
}

std::vector<std::string> unanswered(std::span<const ChecklistItem> items) {
  std::vector<std::string> out;
  for (const ChecklistItem& item : items) {
    if (item.asks && !item.answer) out.push_back(item.id);
  }
  return out;
}

std::string answers_template(Operation operation, const std::string& task) {
  std::string out = fmt::format(
      "# Answers for: weir checklist {} {} --answers FILE\n"
      "# true is yes. Take the # away from each line that you answer.\n"
      "[answers]\n",
      to_string(operation), task);
  for (const ItemSpec& spec : kItems) {
    if (!applies(spec, operation) || (spec.asks & bit(operation)) == 0) continue;
    const ChecklistItem item = item_of(spec, task);
    out += fmt::format("\n# {}\n# {}\n", item.question, item.how);
    if (spec.judge != nullptr) out += "# Asked only where weir cannot tell by itself.\n";
    out += fmt::format("# {} = {{ answer = true, evidence = \"\" }}\n", item.id);
  }
  return out;
}

ChecklistRow checklist_row(Operation operation, std::span<const ChecklistItem> items, Time at,
                           std::string who) {
  ChecklistRow row;
  row.operation = to_string(operation);
  row.at = at;
  row.who = std::move(who);
  row.passed = passed(items);
  for (const ChecklistItem& item : items) {
    row.items.push_back(
        {item.id, std::string(to_string(item.verdict)), item.measured, item.answer, item.evidence});
  }
  return row;
}

std::vector<ChecklistItem> items_of(const ChecklistRow& row, const std::string& task) {
  std::vector<ChecklistItem> out;
  for (const ChecklistItemRow& kept : row.items) {
    const auto spec = std::ranges::find(kItems, kept.id, &ItemSpec::id);
    ChecklistItem item = spec == kItems.end() ? ChecklistItem() : item_of(*spec, task);
    item.id = kept.id;
    for (const ItemVerdict verdict : {pass, fail, unknown, not_applicable}) {
      if (kept.verdict == to_string(verdict)) item.verdict = verdict;
    }
    item.measured = kept.measured;
    item.answer = kept.answer;
    item.asks = kept.answer.has_value();
    item.evidence = kept.evidence;
    if (item.verdict == pass || item.verdict == not_applicable) item.action.clear();
    out.push_back(std::move(item));
  }
  return out;
}

std::optional<Error> checklist_gap(Operation operation, const std::string& task, StateStore& store,
                                   std::chrono::milliseconds max_age) {
  const std::string command = fmt::format("weir checklist {} {}", to_string(operation), task);
  const std::vector<ChecklistRow> rows =
      store.checklists(task, std::string(to_string(operation)), 1);
  if (rows.empty()) {
    return Error(ExitCode::refused, "checklist.missing",
                 fmt::format("task {}: nobody has gone through the checklist of {}", task,
                             to_string(operation)),
                 "it can lose data, or surprise those who rely on the target", command);
  }
  const ChecklistRow& last = rows.back();
  if (!last.passed) {
    std::vector<std::string> open;
    for (const ChecklistItem& item : items_of(last, task)) {
      if (item.verdict == fail || item.verdict == unknown) open.push_back(item.id);
    }
    return Error(
        ExitCode::refused, "checklist.failed",
        fmt::format("task {}: the checklist of {} did not pass", task, to_string(operation)),
        fmt::format("{}, by {} at {}", join(open, ", "), last.who, to_rfc3339(last.at)),
        fmt::format("{} --show tells what to do first; then repeat it without --show", command));
  }
  const Seconds age = now() - last.at;
  if (age <= Seconds(max_age)) return std::nullopt;
  return Error(
      ExitCode::refused, "checklist.stale",
      fmt::format("task {}: the checklist of {} is {} old", task, to_string(operation),
                  format_duration(age)),
      fmt::format("it counts for {}: things may have changed since", format_duration(max_age)),
      command);
}

void require_checklist(Operation operation, const std::string& task, StateStore& store,
                       std::chrono::milliseconds max_age) {
  if (const auto gap = checklist_gap(operation, task, store, max_age)) throw *gap;
}

}  // namespace weir::ops
