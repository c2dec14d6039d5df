// SPDX-License-Identifier: Apache-2.0
#include "ops/offset.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "ops/preflight.h"
#include "ops/sync.h"

namespace weir::ops {
namespace {

constexpr std::chrono::milliseconds kReadAtOnce{500};
/// What is lost is counted for so long; what is repeated has to be read to its end.
constexpr std::chrono::seconds kCountPatience{10};
constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
/// So much is shown of what may be long.
constexpr std::size_t kShownNames = 5;
constexpr std::size_t kShownSql = 200;

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kHexDigits = "0123456789abcdefABCDEF";

bool consists_of(std::string_view text, std::string_view characters) {
  return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

bool is_lsn(std::string_view text) {
  const std::size_t slash = text.find('/');
  return slash != std::string_view::npos && slash <= 8 && text.size() - slash - 1 <= 8 &&
         consists_of(text.substr(0, slash), kHexDigits) &&
         consists_of(text.substr(slash + 1), kHexDigits);
}

/// FILE:POSITION, also with the GTIDs that weir prints behind it.
bool is_file_position(std::string_view text) {
  const std::string_view place = text.substr(0, text.find(' '));
  const std::size_t colon = place.rfind(':');
  return colon != std::string_view::npos && colon > 0 && place.find('.') < colon &&
         consists_of(place.substr(colon + 1), kDigits);
}

Finding finding(const char* id, Severity severity, std::string what, std::string why,
                std::string fix) {
  Finding out;
  out.id = id;
  out.severity = severity;
  out.what = std::move(what);
  out.why = std::move(why);
  out.fix = std::move(fix);
  return out;
}

std::string shown(const std::vector<std::string>& names) {
  if (names.size() <= kShownNames) return join(names, ", ");
  const std::vector<std::string> first(names.begin(), names.begin() + kShownNames);
  return fmt::format("{} and {} more", join(first, ", "), names.size() - kShownNames);
}

std::vector<OffsetSample> known_places(const std::string& task, StateStore& store) {
  std::vector<OffsetSample> out;
  for (const OffsetRow& row : store.offsets(task, kAll, Time{})) {
    out.push_back({row.at, row.offset, {}});
  }
  for (const RetentionRow& row : store.retention(task, kAll)) out.push_back({row.at, {}, row.end});
  std::ranges::stable_sort(out, {}, &OffsetSample::at);
  return out;
}

/// Counts what a log holds for the tables of a task.
class Count final : public ChangeSink {
 public:
  Count(const Source& source, std::span<const TablePlan> plans)
      : source_(source), plans_(plans), changes_(plans.size()) {}

  void read_from(const ChangeReader& reader) { reader_ = &reader; }
  void begin(Time) override {}
  void row(const RowChange& change) override { add(change.table); }
  void truncate(std::uint32_t table) override { add(table); }
  void schema(const SchemaChange& change) override { schema_.push_back(change); }
  void commit(Time) override {
    for (const SchemaChange& change : std::exchange(schema_, {})) judge(change);
    if (std::exchange(has_changes_, false)) ++transactions_;
  }

  void fill(LogGap& gap) const {
    gap.transactions = transactions_;
    for (const TablePlan& plan : plans_) {
      const std::uint64_t changes = changes_[plan.id];
      if (changes > 0) gap.tables.push_back({plan.source.name, changes});
      gap.changes += changes;
    }
    gap.definitions = definitions_;
  }

 private:
  void add(std::uint32_t table) {
    ++changes_[table];
    has_changes_ = true;
  }
  void judge(const SchemaChange& change) {
    for (const TablePlan& plan : plans_) {
      if (plan.source.name != change.table && plan.source.name != change.new_name) continue;
      const bool in_copy = !plan.since.empty() && source_.reached(plan.since, reader_->offset());
      if (in_copy || plan.source.gone) continue;
      if (change.kind == SchemaChange::Kind::truncate_table) {
        add(plan.id);
      } else {
        definitions_.push_back(
            fmt::format("{}: {}", plan.source.name.text(), change.sql.substr(0, kShownSql)));
      }
    }
  }

  const Source& source_;
  std::span<const TablePlan> plans_;
  const ChangeReader* reader_ = nullptr;
  std::vector<std::uint64_t> changes_;
  std::uint64_t transactions_ = 0;
  bool has_changes_ = false;
  std::vector<SchemaChange> schema_;
  std::vector<std::string> definitions_;
};

/// Reads the log between two places, of which `end` is the later one.
void read_gap(LogGap& gap, const Offset& begin, const Offset& end, std::span<const TablePlan> plans,
              Source& source, std::chrono::milliseconds patience) {
  const Clock::time_point deadline = Clock::now() + patience;
  Count count(source, plans);
  try {
    const std::unique_ptr<ChangeReader> reader = source.open_changes(begin, plans);
    count.read_from(*reader);
    gap.complete = true;
    while (!source.reached(reader->offset(), end)) {
      if (Clock::now() >= deadline) {
        gap.complete = false;
        gap.timed_out = true;
        gap.why = fmt::format("not all of it was read within {}", format_duration(patience));
        break;
      }
      if (reader->wait(kReadAtOnce) == ChangeReader::Wait::ready) reader->poll(count);
    }
  } catch (const Error& error) {
    if (error.code() == ExitCode::source_unreachable) throw;
    gap.complete = false;
    gap.why = error.what();
  }
  count.fill(gap);
}

/// The definition as far as it decides how rows in the log are read.
Table row_shape(const Table& table) {
  Table out;
  out.columns = table.columns;
  for (Column& column : out.columns) {
    column.left_out = false;
    column.comment.clear();
    column.default_value.reset();
  }
  out.key = table.key;
  return out;
}

/// Tables that do not look today as they did at the task's offset.
std::vector<std::string> changed_tables(std::span<const TablePlan> plans, Source& source) {
  const std::vector<TableName> visible = source.tables();
  std::vector<std::string> changed;
  std::vector<TableName> names;
  std::vector<const TablePlan*> known;
  for (const TablePlan& plan : plans) {
    if (plan.source.gone) continue;
    if (std::ranges::find(visible, plan.source.name) == visible.end()) {
      changed.push_back(plan.source.name.text());
      continue;
    }
    names.push_back(plan.source.name);
    known.push_back(&plan);
  }
  const std::vector<Table> tables = source.describe(names);
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const Table now = row_shape(tables[i]);
    const Table then = row_shape(known[i]->source);
    if (now.columns != then.columns || now.key != then.key) changed.push_back(names[i].text());
  }
  return changed;
}

void refuse_unfinished(const Task& task, const Recovered& recovered,
                       std::span<const TablePlan> plans) {
  std::vector<std::string> unfinished;
  for (const TablePlan& plan : plans) {
    const auto at = std::ranges::find(recovered.tables, plan.source.name, &TableProgress::source);
    // One that is not known yet joins with the next start, wherever the offset is.
    if (at != recovered.tables.end() && !at->full_done) {
      unfinished.push_back(plan.source.name.text());
    }
  }
  if (unfinished.empty() && !recovered.full_end.empty()) return;
  throw refusal(finding(
      "offset.copy-unfinished", Severity::critical,
      unfinished.empty() ? std::string("the copy of the task's tables is not finished")
                         : fmt::format("not all rows are copied of {}", shown(unfinished)),
      "the offset says from where on the log makes good what changed while tables were copied",
      fmt::format("let the copy come to its end: weir sync start {} --wait incremental",
                  task.name)));
}

void refuse_definitions(const std::string& tables, const std::string& why) {
  throw refusal(finding(
      "offset.definition-changed", Severity::critical,
      fmt::format("tables have another definition there than at the task's offset: {}", tables),
      why,
      "give a place with no change of definition in between (weir log show TASK shows them), or "
      "begin the task anew"));
}

/// What has to be so for the definitions that the target remembers to fit the new place.
void check_definitions(const ResetPlan& plan, std::span<const TablePlan> plans, Source& source) {
  const bool back = plan.direction == Direction::backward;
  if (!plan.gap.definitions.empty()) {
    refuse_definitions(shown(plan.gap.definitions),
                       back ? "rows from before the change do not fit the definition after it"
                            : "the target has not taken the change, which would be passed over");
  }
  if (plan.gap.complete) return;
  const std::vector<std::string> changed = changed_tables(plans, source);
  if (changed.empty()) return;
  refuse_definitions(shown(changed),
                     "they changed after the offset, nobody can tell where, and the target has not "
                     "taken that change");
}

void plan_way_back(ResetPlan& plan, const Recovered& recovered, std::span<TablePlan> plans,
                   const Source& source) {
  if (recovered.full_end.empty() || !source.reached(recovered.full_end, plan.move.from)) {
    plan.move.consistent_at = plan.move.from;
  }
  std::vector<std::string> left_out;
  std::vector<std::string> unique;
  for (TablePlan& table : plans) {
    const std::string name = table.source.name.text();
    const bool has_unique = std::ranges::any_of(table.source.indexes, [&](const Index& index) {
      return index.kind == Index::Kind::unique && index.name != table.source.key_name;
    });
    if (has_unique) unique.push_back(name);
    if (!table.key.empty()) continue;
    if (!table.since.empty() && source.reached(table.since, plan.move.from)) continue;
    table.since = plan.move.from;
    plan.move.left_out.push_back(table.source.name);
    left_out.push_back(name);
  }
  if (!left_out.empty()) {
    plan.findings.push_back(finding(
        "offset.left-out", Severity::info,
        fmt::format("nothing is repeated for {}", shown(left_out)),
        "without a key a change that is applied twice would double its rows; they stay as they are",
        "copy such a table anew if it is why the offset is put back"));
  }
  if (!unique.empty()) {
    plan.findings.push_back(finding(
        "offset.unique-index", Severity::warning,
        fmt::format("the target may refuse repeated changes of {}", shown(unique)),
        "on the way rows are as they were, and a value may still be with the row that has it now: "
        "a "
        "unique index beside the key takes it once only, and the task would stop there",
        "drop these indexes on the target, and make them again once the task has caught up"));
  }
}

void plan_way_forward(ResetPlan& plan, std::span<const TablePlan> plans) {
  std::vector<std::string> keyless;
  for (const TablePlan& table : plans) {
    if (table.key.empty() && !table.source.gone) keyless.push_back(table.source.name.text());
  }
  if (keyless.empty() || !plan.loses()) return;
  plan.findings.push_back(finding(
      "offset.keyless-loss", Severity::warning,
      fmt::format("later changes may not find their rows in {}", shown(keyless)),
      "without a key rows are found by all their values; a change of a row that was lost stops the "
      "task",
      "nothing yet; if it happens, these tables have to be copied anew"));
}

/// Tables that read on from offsets of their own would be left where they are.
void refuse_lanes(const Task& task, StateStore& store) {
  std::vector<TableName> apart;
  for (const LaneRow& lane : store.lanes(task.name)) {
    if (lane.state == LaneRow::State::removed) continue;
    apart.insert(apart.end(), lane.tables.begin(), lane.tables.end());
  }
  if (apart.empty()) return;
  throw refusal(finding(
      "offset.table-apart", Severity::critical,
      fmt::format("{} of task {} {} an offset of {} own", names_text(apart), task.name,
                  apart.size() == 1 ? "has" : "have", apart.size() == 1 ? "its" : "their"),
      "the offset of the other tables would be put elsewhere, and these not: nobody could say "
      "where "
      "the task stands",
      fmt::format("let them come back first: weir sync status {} says what is in their way; or let "
                  "go of them: weir remove-table {} {}",
                  task.name, task.name, apart.front().text())));
}

}  // namespace

std::string_view to_string(Direction direction) {
  switch (direction) {
    case Direction::none:
      return "none";
    case Direction::forward:
      return "forward";
    case Direction::backward:
      return "backward";
  }
  return "";
}

std::optional<OffsetRequest> read_place(std::string_view text, std::string& why) {
  using Kind = OffsetRequest::Kind;
  OffsetRequest out;
  const std::string_view whole = trim(text);
  const auto rest = [&](std::string_view name) -> std::optional<std::string_view> {
    if (!whole.starts_with(name)) return {};
    return trim(whole.substr(name.size()));
  };
  if (whole == "now") return out;
  if (const auto set = rest("gtid:")) {
    out.kind = Kind::gtid;
    out.text = *set;
    if (!set->empty()) return out;
    why = "gtid: names the transactions that are applied: gtid:0-1-42, gtid:UUID:1-42";
    return {};
  }
  if (const auto lsn = rest("lsn:"); lsn || is_lsn(whole)) {
    out.kind = Kind::lsn;
    out.text = lsn.value_or(whole);
    if (is_lsn(out.text)) return out;
    why = "an LSN is two hexadecimal numbers with a slash between: lsn:16/B374D848";
    return {};
  }
  if (const auto time = rest("time:")) {
    out.kind = Kind::time;
    out.text = *time;
    try {
      out.time = parse_rfc3339(*time);
      return out;
    } catch (const Error&) {
      why = "a time is in UTC: time:2026-01-02T03:04:05Z";
      return {};
    }
  }
  const std::string_view place = rest("file:").value_or(whole);
  if (is_file_position(place)) {
    out.kind = Kind::file;
    out.text = place;
    return out;
  }
  why = "it takes now, gtid:SET, FILE:POSITION, lsn:LSN, time:TIME, or an offset as weir prints it";
  return {};
}

void refuse_running(const std::string& task, StateStore& store, Engine& engine) {
  if (!status(task, store, engine).engine.running) return;
  throw Error(ExitCode::state_conflict, "offset.running",
              fmt::format("task {} runs, and moves its offset itself", task),
              "an offset is put elsewhere only while nobody works from it",
              fmt::format("weir sync stop {}, then repeat it", task));
}

ResetPlan plan_reset(const Task& task, const ResetRequest& request, Source& source, Target& target,
                     StateStore& store, Engine& engine) {
  refuse_running(task.name, store, engine);
  const std::optional<Recovered> recovered = target.recover(task.name);
  if (!recovered) {
    throw refusal(finding("offset.not-started", Severity::critical,
                          fmt::format("the target does not know task {}", task.name),
                          "it was never started, or the target's control tables are gone",
                          fmt::format("weir sync start {}", task.name)));
  }
  refuse_lanes(task, store);
  ResetPlan plan;
  plan.identity = recovered->source;
  plan.move.from = recovered->offset;
  const auto old_gap = source.can_resume(plan.move.from, plan.identity);
  if (old_gap && old_gap->id == "source.identity-changed") throw refusal(*old_gap);

  Mapping mapping = map_task(task, source, target, recovered);
  if (refuses(mapping.findings)) throw refusal(mapping.findings);
  refuse_unfinished(task, *recovered, mapping.plans);

  OffsetRequest wanted = request.to;
  wanted.samples = known_places(task.name, store);
  plan.found = source.find_offset(wanted);
  plan.move.to = plan.found.offset;
  if (!plan.found.renews) {
    const auto gap = source.can_resume(plan.move.to, plan.identity);
    if (gap && gap->severity == Severity::critical) throw refusal(*gap);
  }
  const bool ahead = source.reached(plan.move.to, plan.move.from);
  const bool behind = source.reached(plan.move.from, plan.move.to);
  if (!ahead && !behind) {
    throw refusal(finding("offset.not-comparable", Severity::critical,
                          "the place is neither before nor after the task's offset",
                          fmt::format("each has transactions that the other lacks: {} and {}",
                                      plan.move.to.text, plan.move.from.text),
                          "name the transactions of every server and domain that the log holds"));
  }
  if (ahead && behind && !plan.found.renews) return plan;
  plan.direction = ahead ? Direction::forward : Direction::backward;
  if (!ahead && !source.reached(source.find_offset({}).offset, plan.move.from)) {
    throw refusal(finding(
        "offset.beyond-log", Severity::critical, "the source's log ends before the task's offset",
        fmt::format("the target has changes up to {}, which this log does not know: it was begun "
                    "anew, or the server was restored from a backup",
                    plan.move.from.text),
        "restore the source to its newest state, or begin the task anew"));
  }

  const bool back = plan.direction == Direction::backward;
  const Offset& first = back ? plan.move.to : plan.move.from;
  const Offset& last = back ? plan.move.from : plan.move.to;
  plan.gap.distance = source.distance(first, last);
  if (first.source_time != Time{} && last.source_time > first.source_time) {
    plan.gap.span = last.source_time - first.source_time;
  }
  if (back) plan_way_back(plan, *recovered, mapping.plans, source);
  if (plan.found.renews || (!back && old_gap && old_gap->severity == Severity::critical)) {
    plan.gap.why = old_gap ? old_gap->what : plan.found.note;
  } else {
    read_gap(plan.gap, first, last, mapping.plans, source,
             back ? request.patience
                  : std::min<std::chrono::milliseconds>(request.patience, kCountPatience));
  }
  check_definitions(plan, mapping.plans, source);
  if (back && !plan.gap.complete) {
    // An earlier definition shows only in what was not read.
    const std::string what = "the log that would be repeated was not read to its end";
    if (plan.gap.timed_out) {
      throw Error(ExitCode::timed_out, "offset.timeout", what, plan.gap.why,
                  "give it more time with --timeout, or a place that is nearer");
    }
    throw refusal(
        finding("offset.unread", Severity::critical, what, plan.gap.why,
                fmt::format("give a later place: weir log show {} --from PLACE shows what "
                            "the log holds",
                            task.name)));
  }
  if (!back) plan_way_forward(plan, mapping.plans);
  return plan;
}

std::vector<std::string> carry_out(const Task& task, ResetPlan& plan, const std::string& by,
                                   const std::string& reason, Source& source, Target& target,
                                   StateStore& store, Engine& engine) {
  const std::unique_ptr<Engine::Hold> hold = engine.hold(task.name);
  // A worker on another machine holds the target, whatever this machine's state says.
  const std::unique_ptr<Applier> fence = target.open_applier(task.name, {});
  const std::optional<Recovered> recovered = target.recover(task.name);
  if (!recovered || !(recovered->offset == plan.move.from)) {
    throw offset_moved(task.name, plan.move.from);
  }
  if (!plan.found.renews) {
    // The log may have been purged while somebody thought about it.
    const auto gap = source.can_resume(plan.move.to, plan.identity);
    if (gap && gap->severity == Severity::critical) throw refusal(*gap);
  }
  const std::string who = fmt::format("by {}{}", by, reason.empty() ? "" : ": " + reason);
  store.add_event(task.name, {now(), "warning", "offset.resetting", "",
                              fmt::format("the offset is to go from {} to {}, {}",
                                          plan.move.from.text, plan.move.to.text, who)});
  plan.move.to = source.claim(plan.found);
  target.move_offset(task.name, plan.move);
  store.put_offset(task.name, plan.move.to, plan.identity);
  store.add_offset(task.name, {now(), OffsetRow::Reason::reset, plan.move.to, plan.identity,
                               fmt::format("from {}, {}", plan.move.from.text, who)});
  store.add_event(task.name,
                  {now(), "warning", "offset.reset", "",
                   fmt::format("the offset went {} from {} to {}, {}", to_string(plan.direction),
                               plan.move.from.text, plan.move.to.text, who)});
  std::vector<std::string> notes;
  if (std::string note = source.let_go(plan.move.to); !note.empty()) {
    notes.push_back(std::move(note));
  }
  return notes;
}

}  // namespace weir::ops
