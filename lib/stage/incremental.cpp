// SPDX-License-Identifier: Apache-2.0
#include "stage/incremental.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "mapping/alter.h"
#include "mapping/ddl.h"
#include "mapping/rules.h"
#include "model/lane.h"
#include "stage/batch.h"
#include "stage/ddl_record.h"
#include "stage/heartbeat.h"
#include "stage/reread.h"
#include "target/plan.h"

namespace weir {
namespace {

/// Beyond this a batch is handed over even if that means waiting, in the middle of a transaction
/// too.
constexpr std::size_t kBatchBytes = std::size_t{8} << 20;
/// How often the offset is stored though no selected table changes, and written to the state file.
constexpr std::chrono::seconds kKeepEvery{1};
/// How often it goes into the history of the offset.
constexpr std::chrono::minutes kHistoryEvery{1};
/// So long without a word from the source, and the log is taken for read ...
constexpr std::chrono::milliseconds kSilence{20};
constexpr std::chrono::milliseconds kLookAround{500};
/// ... but not before its old end is reached, or the server has said for so long that nothing
/// follows.
constexpr std::chrono::seconds kSearchLimit{10};
/// So much of a statement is shown to people.
constexpr std::size_t kShownSql = 500;

/// Statements whose meaning is the definition that they leave.
bool changes_shape(SchemaChange::Kind kind) {
  using enum SchemaChange::Kind;
  return kind != create_table && kind != drop_table && kind != rename_table &&
         kind != truncate_table && kind != drop_rows;
}

/// Kinds of which rows can be read only by somebody who knows what they did.
bool moves_columns(SchemaChange::Kind kind) {
  using enum SchemaChange::Kind;
  return kind == add_column || kind == drop_column || kind == rename_column ||
         kind == change_type || kind == change_key;
}

/// Whether an index that is added stood behind the key before.
bool was_key(const TableAlter& alter, const IndexAlter& index) {
  return alter.after.source.indexes[index.after].name == alter.before.source.key_name;
}

bool can_apply(SchemaChange::Kind kind) {
  const std::span<const DdlKind> kinds = ddl_kinds();
  return std::any_of(kinds.begin(), kinds.end(),
                     [kind](const DdlKind& each) { return each.kind == kind && each.can_apply; });
}

class IncrementalStage final : public ChangeSink {
 public:
  IncrementalStage(const StageContext& context, std::span<const TablePlan> plans,
                   Recovered recovered, Offset log_end, Applier& applier);
  IncrementalEnd run();
  /// Where the statement that is being settled stands; empty if none is.
  const Offset& settled_at() const { return settled_at_; }

  void begin(Time commit_time) override;
  void row(const RowChange& change) override;
  void truncate(std::uint32_t table) override;
  void schema(const SchemaChange& change) override;
  void commit(Time commit_time) override;
  void heartbeat(Time written) override;

 private:
  using Sealed = BatchBuilder::Sealed;
  using Actions = std::map<SchemaChange::Kind, DdlAction>;  ///< of all that a statement does

  // On the reader's thread.
  void read_log();
  bool log_is_read();
  void clear_error();
  bool applier_is_idle();
  /// Whether something is gathered, or the end of a large transaction is: its last row may have
  /// filled the batch before. A beat is something: it measures the way that rows take.
  bool has_work() const { return !builder_.empty() || half_handed_ || beat_ != Time{}; }
  void hand_over(bool ends_transaction);
  /// Hands over what is gathered if nobody would gain by waiting: the source is quiet, or a commit
  /// has waited for flush_interval.
  void offer_batch(bool quiet);
  void drain();
  void rethrow_error();
  const TablePlan* plan_of(const TableName& name) const;
  /// A new table joins the task, with the rows that it has by then.
  void add_table(const TableName& name);
  /// A new table waits until somebody says what becomes of it.
  void put_aside(const TableName& name, const Error& error);
  bool add_lane(const LaneRow& lane);
  /// A table that is none of ours appeared, or left.
  void schema_of_others(const SchemaChange& change);
  /// What the statements that were gathered between two transactions ask for. Everything before
  /// them is applied, and the offset is after them.
  void settle();
  void settle(const SchemaChange& change, const TablePlan& plan);
  /// A statement that may change the definition of a table.
  void alter(const SchemaChange& change, const TablePlan& plan);
  /// Takes the steps of the kinds that are to be applied, and remembers the definition.
  void change_definition(const SchemaChange& change, const TablePlan& plan, const Actions& actions);
  /// Whether somebody said what is to be done about the statement that is being settled.
  bool is_said() const;
  /// What is to be done about the statement that is being settled.
  DdlAction action_for(const TableName& table, SchemaChange::Kind kind) const;
  /// What becomes of a table that gets a name which the rules take too.
  TableAlter renamed(const SchemaChange& change, const TablePlan& plan) const;
  /// What the rules make of all tables, with another definition of one.
  MappingResult map_with(const Table& definition, const TablePlan& plan) const;
  /// Takes out of `alter` the indexes that no policy has applied, and those that come by
  /// themselves.
  void leave_indexes(TableAlter& alter, bool applies) const;
  AlterResult alter_target(const TableAlter& alter, const Offset& offset);
  /// What to do about a table whose rows the log does not tell.
  std::string reload() const;
  /// Another table came under the name of one that was dropped.
  Error replaced(const SchemaChange& change) const;
  Error stopped_by(const SchemaChange& change, SchemaChange::Kind kind, DdlAction action) const;
  /// Whether the copy of a table is from after the statement that is being settled.
  bool is_in_copy(const TablePlan& plan) const;

  // On the applier's thread, or while it is known to be idle.
  void apply_batches();
  void applied(const Sealed& sealed);
  void keep_offset(const Offset& offset, bool now_please);
  void keep_history(const Offset& offset, OffsetRow::Reason reason);
  void finish_unique_if_caught_up(const Offset& offset);
  void keep_tables();
  /// The stage is over: no table is running any more, and the one that an error names has failed.
  void end_tables();

  const StageContext& context_;
  const std::string& task_;
  std::span<const TablePlan> plans_;
  Recovered recovered_;
  Offset log_end_;
  Applier& applier_;
  std::unique_ptr<ChangeReader> reader_;
  std::unique_ptr<Rereader> rereader_;
  BatchBuilder builder_;
  bool in_transaction_ = false;
  bool half_handed_ = false;  ///< the target holds a transaction open whose end is still to come
  Time beat_{};               ///< newest beat that was read and not handed over; epoch if none
  Offset handed_;             ///< the last offset that was handed over
  /// The last offset that was applied is not in the state file yet.
  std::atomic<bool> is_unkept_{false};
  Clock::time_point handed_at_{};
  Clock::time_point opened_at_ = Clock::now();
  Clock::time_point gathering_since_{};
  bool error_cleared_ = false;
  DdlRecord record_{context_};
  std::set<std::uint32_t> truncating_;  ///< tables that the transaction being read empties
  std::vector<SchemaChange> settling_;  ///< statements on our tables, until their commit
  Offset settled_at_;
  bool plans_changed_ = false;
  bool halted_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Sealed>> spare_;
  std::unique_ptr<Sealed> waiting_;
  bool busy_ = false;
  bool closed_ = false;
  std::exception_ptr error_;

  std::set<std::uint32_t> without_unique_;  ///< tables whose unique indexes are still to be built
  bool consistent_ = false;                 ///< Recovered::full_end is reached
  std::set<std::uint32_t> emptied_;  ///< tables that the transaction that is open there empties
  std::map<std::uint32_t, TableRow> rows_;
  bool rows_changed_ = false;
  Clock::time_point kept_at_{};
  Clock::time_point history_at_{};
};

IncrementalStage::IncrementalStage(const StageContext& context, std::span<const TablePlan> plans,
                                   Recovered recovered, Offset log_end, Applier& applier)
    : context_(context),
      task_(context.task.name),
      plans_(plans),
      recovered_(std::move(recovered)),
      log_end_(std::move(log_end)),
      applier_(applier),
      builder_(plans, root_name(context.task.name)),
      handed_(recovered_.offset) {
  for (int i = 0; i < 2; ++i) spare_.push_back(std::make_unique<Sealed>());
  std::map<TableName, TableRow> rows;
  for (TableRow& row : context.store.tables(task_)) rows.emplace(row.source, std::move(row));
  for (const TablePlan& plan : plans_) {
    TableRow& row = rows_[plan.id] = rows[plan.source.name];
    row.incremental = StageState::running;
    row.incremental_error.clear();
    const auto progress =
        std::find_if(recovered_.tables.begin(), recovered_.tables.end(),
                     [&](const TableProgress& t) { return t.source == plan.source.name; });
    if (progress == recovered_.tables.end() || !progress->unique_done)
      without_unique_.insert(plan.id);
  }
  rows_changed_ = true;
  keep_tables();
}

IncrementalEnd IncrementalStage::run() {
  reader_ = context_.source.open_changes(recovered_.offset, plans_);
  const bool reached = recovered_.full_end.empty() ||
                       context_.source.reached(recovered_.offset, recovered_.full_end);
  consistent_ = reached && without_unique_.empty();
  context_.meter.consistent = consistent_;
  // An offset that was put back makes a copy of tables that were consistent already.
  std::set<std::uint32_t> copied = without_unique_;
  for (const TablePlan& plan : plans_) {
    if (!reached) copied.insert(plan.id);
  }
  rereader_ = std::make_unique<Rereader>(context_.source, plans_, copied, recovered_.full_end);
  context_.stop.on_request([this] { reader_->wake(); });
  context_.halt.on_ask([this] { reader_->wake(); });
  finish_unique_if_caught_up(recovered_.offset);
  std::thread applying([this] { apply_batches(); });
  std::exception_ptr stopped;
  try {
    read_log();
  } catch (...) {
    stopped = std::current_exception();
  }
  try {
    // Also what stands before something that cannot be applied.
    const bool moved = halted_ && !(reader_->offset() == handed_);
    if (!in_transaction_ && (has_work() || moved)) hand_over(true);
    drain();
  } catch (...) {
    if (stopped == nullptr) stopped = std::current_exception();
  }
  if (stopped != nullptr) {
    const std::lock_guard lock(mutex_);
    if (error_ == nullptr) error_ = stopped;
  }
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  applying.join();
  context_.stop.on_request({});
  context_.halt.on_ask({});
  end_tables();
  rethrow_error();
  keep_offset(handed_, true);
  if (plans_changed_) return IncrementalEnd::plans_changed;
  if (halted_) return IncrementalEnd::halted;
  keep_history(handed_, OffsetRow::Reason::stop);
  return IncrementalEnd::stopped;
}

void IncrementalStage::read_log() {
  while (!context_.stop.requested() && !plans_changed_) {
    rethrow_error();
    if (!in_transaction_ && context_.halt.is_at(context_.source, reader_->offset())) {
      halted_ = true;
      return;
    }
    ChangeReader::Wait outcome = reader_->wait(std::chrono::milliseconds(0));
    const bool quiet = outcome == ChangeReader::Wait::timed_out;
    if (quiet) {
      offer_batch(true);
      const WaitClock clock(context_.meter.reader_wait_us);
      outcome = reader_->wait(kSilence);
      // What a busy applier could not be given yet is no idleness.
      if (outcome == ChangeReader::Wait::timed_out && !has_work() && log_is_read()) {
        context_.meter.reader_idle = true;
        if (applier_is_idle()) clear_error();
        outcome = reader_->wait(kLookAround);
      }
    }
    if (outcome == ChangeReader::Wait::ready) {
      const std::uint64_t before = reader_->bytes_read();
      reader_->poll(*this);
      context_.meter.bytes_read += reader_->bytes_read() - before;
      context_.meter.last_heard = reader_->last_heard();
    }
    offer_batch(quiet && outcome != ChangeReader::Wait::ready);
  }
}

bool IncrementalStage::log_is_read() {
  if (log_end_.empty()) return true;
  const bool searched_long = reader_->at_end() && Clock::now() - opened_at_ > kSearchLimit;
  if (!searched_long && !context_.source.reached(reader_->offset(), log_end_)) return false;
  log_end_ = {};
  return true;
}

void IncrementalStage::clear_error() {
  if (std::exchange(error_cleared_, true)) return;
  context_.store.set_error(task_, 0, "", "", "");
}

void IncrementalStage::begin(Time commit_time) {
  in_transaction_ = true;
  if (builder_.empty()) gathering_since_ = Clock::now();
  context_.meter.reader_idle = false;
  builder_.begin(commit_time);
}

void IncrementalStage::row(const RowChange& change) {
  RowChange whole;
  try {
    whole = rereader_->complete(change, reader_->offset());
  } catch (const Error& error) {
    if (error.code() != ExitCode::refused) throw;
    throw error.of_table(plans_[change.table].source.name.text());
  }
  if (!builder_.add(whole)) {
    hand_over(false);
    if (!builder_.add(whole)) throw bug("an empty batch does not take a change");
  }
  ++context_.meter.rows_read;
  if (builder_.bytes() >= kBatchBytes) hand_over(false);
}

void IncrementalStage::truncate(std::uint32_t table) {
  builder_.truncate(table);
  truncating_.insert(table);
}

void IncrementalStage::commit(Time commit_time) {
  context_.meter.last_read_commit = commit_time;
  if (in_transaction_) builder_.end(commit_time);
  in_transaction_ = false;
  for (const std::uint32_t table : std::exchange(truncating_, {})) {
    record_.truncates(plans_[table], commit_time, reader_->offset());
  }
  if (!settling_.empty()) {
    settle();
  } else if (builder_.bytes() >= kBatchBytes) {
    hand_over(true);
  }
}

void IncrementalStage::heartbeat(Time written) {
  if (!has_work()) gathering_since_ = Clock::now();
  beat_ = written;
}

bool IncrementalStage::applier_is_idle() {
  const std::lock_guard lock(mutex_);
  return !busy_ && waiting_ == nullptr;
}

void IncrementalStage::offer_batch(bool quiet) {
  if (in_transaction_ || !applier_is_idle()) return;
  if (has_work()) {
    const bool waited = Clock::now() - gathering_since_ >= context_.live.flush_interval();
    if (quiet || waited) hand_over(true);
  } else if (Clock::now() - handed_at_ >= kKeepEvery &&
             (!(reader_->offset() == handed_) || is_unkept_)) {
    hand_over(true);  // only the offset: what passed concerns no selected table, or is not kept yet
  }
}

void IncrementalStage::hand_over(bool ends_transaction) {
  const Offset full_end = ends_transaction ? rereader_->take_end(reader_->offset()) : Offset();
  std::unique_lock lock(mutex_);
  {
    const WaitClock clock(context_.meter.writer_wait_us);
    changed_.wait(lock,
                  [this] { return (waiting_ == nullptr && !spare_.empty()) || error_ != nullptr; });
  }
  if (error_ != nullptr) std::rethrow_exception(error_);
  std::unique_ptr<Sealed> sealed = std::move(spare_.back());
  spare_.pop_back();
  builder_.take(*sealed, ends_transaction);
  half_handed_ = !ends_transaction;
  sealed->batch.heartbeat = ends_transaction ? std::exchange(beat_, {}) : Time{};
  sealed->batch.full_end = full_end;
  if (ends_transaction) {
    handed_ = reader_->offset();
    handed_at_ = Clock::now();
    sealed->batch.offset = handed_;
    if (sealed->batch.last_commit != Time{})
      sealed->batch.offset.source_time = sealed->batch.last_commit;
  }
  if (context_.meter.oldest_pending.load() == Time{}) {
    context_.meter.oldest_pending = sealed->batch.first_commit;
  }
  context_.meter.queue_bytes += sealed->batch.bytes;
  waiting_ = std::move(sealed);
  changed_.notify_all();
}

void IncrementalStage::drain() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return (!busy_ && waiting_ == nullptr) || error_ != nullptr; });
}

void IncrementalStage::rethrow_error() {
  const std::lock_guard lock(mutex_);
  if (error_ != nullptr) std::rethrow_exception(error_);
}

void IncrementalStage::apply_batches() {
  std::unique_ptr<Sealed> sealed;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (sealed != nullptr) {
        busy_ = false;
        spare_.push_back(std::move(sealed));
        if (waiting_ == nullptr) context_.meter.oldest_pending = Time{};
        changed_.notify_all();
        if (waiting_ == nullptr) reader_->wake();
      }
      changed_.wait(lock, [this] { return waiting_ != nullptr || closed_; });
      if (waiting_ == nullptr) return;
      sealed = std::move(waiting_);
      busy_ = true;
      if (sealed->batch.first_commit != Time{}) {
        context_.meter.oldest_pending = sealed->batch.first_commit;
      }
      changed_.notify_all();
    }
    try {
      applier_.apply(sealed->batch);
      applied(*sealed);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      error_ = std::current_exception();
      busy_ = false;
      changed_.notify_all();
      reader_->wake();
      return;
    }
  }
}

void IncrementalStage::applied(const Sealed& sealed) {
  const ChangeBatch& batch = sealed.batch;
  const Applier::Timing timing = applier_.last_timing();
  Meter& meter = context_.meter;
  meter.apply_us += static_cast<std::uint64_t>(timing.seconds * 1e6);
  meter.commit_us += static_cast<std::uint64_t>(timing.commit_seconds * 1e6);
  meter.queue_bytes -= batch.bytes;
  meter.transactions += batch.transactions;
  meter.rows_written += batch.row_events;
  meter.bytes_written += batch.bytes;
  if (batch.row_events > 0) {
    ++meter.batches;
    meter.last_batch_rows = batch.row_events;
  }
  for (const TableChanges& changes : batch.tables) {
    TableRow& row = rows_[changes.table];
    row.applied_changes += changes.moves.size() + changes.removes.size() + changes.upserts.size() +
                           changes.patches.size();
    row.last_change = batch.last_commit;
    rows_changed_ = true;
    if (changes.truncated) emptied_.insert(changes.table);
  }
  if (!batch.ends_transaction) return;
  if (!batch.full_end.empty()) recovered_.full_end = batch.full_end;
  if (!emptied_.empty()) record_.recover(plans_, batch.offset);
  for (const std::uint32_t table : std::exchange(emptied_, {})) {
    context_.event("info", "ddl.applied", plans_[table].source.name.text(),
                   fmt::format("TRUNCATE {}, together with the rest of its transaction",
                               plans_[table].target.text()));
  }
  if (batch.heartbeat != Time{}) record_beat(meter, batch.heartbeat, now());
  keep_offset(batch.offset, false);
  finish_unique_if_caught_up(batch.offset);
}

void IncrementalStage::keep_offset(const Offset& offset, bool now_please) {
  is_unkept_ = !now_please && Clock::now() - kept_at_ < kKeepEvery;
  if (is_unkept_) return;
  kept_at_ = Clock::now();
  context_.store.put_offset(task_, offset, recovered_.source);
  // Not before: who looks at a task that was killed would find the source ahead of it.
  reader_->confirm(offset);
  keep_tables();
  if (Clock::now() - history_at_ < kHistoryEvery) return;
  history_at_ = Clock::now();
  keep_history(offset, OffsetRow::Reason::sample);
}

void IncrementalStage::keep_history(const Offset& offset, OffsetRow::Reason reason) {
  context_.store.add_offset(task_, {now(), reason, offset, recovered_.source, ""});
}

void IncrementalStage::end_tables() {
  std::string error;
  try {
    rethrow_error();
  } catch (const Error& e) {
    error = e.what();
  } catch (const std::exception&) {
    // run() rethrows it; a table has no part in it
  }
  for (auto& [id, row] : rows_) {
    const bool named = error.find(row.source.text()) != std::string::npos;
    row.incremental = named ? StageState::failed : StageState::waiting;
    if (named) row.incremental_error = error;
  }
  rows_changed_ = true;
  keep_tables();
}

void IncrementalStage::keep_tables() {
  if (!std::exchange(rows_changed_, false)) return;
  std::vector<TableRow> rows;
  for (const auto& [id, row] : rows_) rows.push_back(row);
  context_.store.put_tables(task_, rows);
}

void IncrementalStage::finish_unique_if_caught_up(const Offset& offset) {
  if (consistent_) return;
  if (!recovered_.full_end.empty() && !context_.source.reached(offset, recovered_.full_end)) return;
  context_.event("info", "stage.consistent", "",
                 "the target is consistent from here on; building what unique indexes there are");
  const std::unique_ptr<Loader> loader = context_.target.open_loader(task_);
  for (const TablePlan& plan : plans_) {
    if (!without_unique_.contains(plan.id)) continue;
    for (const std::string& note : loader->finish_unique(plan)) {
      context_.event("warning", "index.not-built", plan.source.name.text(), note);
    }
  }
  without_unique_.clear();
  consistent_ = true;
  context_.meter.consistent = true;
  context_.store.set_stage(task_, Stage::incremental, "");
}

const TablePlan* IncrementalStage::plan_of(const TableName& name) const {
  const auto at = std::find_if(plans_.begin(), plans_.end(),
                               [&](const TablePlan& plan) { return plan.source.name == name; });
  return at == plans_.end() ? nullptr : &*at;
}

void IncrementalStage::schema_of_others(const SchemaChange& change) {
  using Kind = SchemaChange::Kind;
  const TableName& appears = change.kind == Kind::rename_table ? change.new_name : change.table;
  // A table of another lane gets another name there.
  if (change.kind == Kind::rename_table && context_.task.without.contains(change.table)) return;
  const bool may_be_ours = change.kind == Kind::create_table || change.kind == Kind::rename_table;
  if (!may_be_ours || select_tables(context_.task, {&appears, 1}).empty()) return;
  // A tool's own table comes and goes with the change that it makes.
  const bool serves = !change.serves.table.empty();
  if (serves && !select_tables(context_.task, {&change.serves, 1}).empty()) return;
  const DdlAction action = action_for(appears, Kind::create_table);
  record_.judged(action);
  if (action == DdlAction::apply) {
    add_table(appears);
    return;
  }
  if (action == DdlAction::stop_task || action == DdlAction::stop_table) {
    const bool stops_task = action == DdlAction::stop_task;
    const Error error(
        ExitCode::refused, "ddl.create-table",
        fmt::format("a table that the rules select appeared: {}", appears.text()),
        fmt::format("ddl.create_table = \"{}\"", stops_task ? "stop-task" : "stop-table"),
        stops_task
            ? "exclude the table in a rule, or say ddl.create_table = \"apply\" or "
              "\"alert\", then start the task"
            : fmt::format("weir ddl resolve {0} NUMBER with --apply (it is copied, and joins "
                          "the task) or --skip; weir ddl list {0} --open has the number",
                          root_name(task_)));
    throw stops_task ? error : error.of_table(appears.text());
  }
  if (action != DdlAction::ignore) {
    context_.event("warning", "ddl.create-table", appears.text(),
                   "the rules select this new table; it joins the task with its next start");
  }
}

void IncrementalStage::add_table(const TableName& name) {
  LaneRow lane;
  lane.task = root_name(task_);
  lane.tables = {name};
  if (!add_lane(lane)) return;
  context_.event("info", "table.added", name.text(),
                 "the rules select it; it is copied beside the others");
}

void IncrementalStage::put_aside(const TableName& name, const Error& error) {
  LaneRow lane;
  lane.task = root_name(task_);
  lane.tables = {name};
  lane.state = LaneRow::State::suspended;
  lane.error_id = error.id();
  lane.error = error.what();
  lane.error_fix = error.fix();
  lane.stopped_at = reader_->offset();
  if (!add_lane(lane)) return;
  context_.event("error", "table.suspended", name.text(),
                 fmt::format("{}; the other tables go on", error.what()));
}

/// Before the offset is past the statement: after a crash it is met again, and the lane is there.
bool IncrementalStage::add_lane(const LaneRow& lane) {
  try {
    context_.store.add_lane(lane);
  } catch (const Error& error) {
    if (error.id() != "lane.open") throw;
    return false;
  }
  return true;
}

void IncrementalStage::schema(const SchemaChange& change) {
  const bool renames = change.kind == SchemaChange::Kind::rename_table;
  if (plan_of(change.table) == nullptr && !(renames && plan_of(change.new_name) != nullptr)) {
    const TableName& appears =
        change.kind == SchemaChange::Kind::rename_table ? change.new_name : change.table;
    try {
      record_.settle(change, appears, reader_->offset(), [&] { schema_of_others(change); });
    } catch (const Error& error) {
      if (error.table() != appears.text()) throw;
      put_aside(appears, error);
    }
    return;
  }
  // CREATE TABLE ... SELECT stands inside the transaction that fills the table: not one of ours.
  if (!in_transaction_ && has_work()) hand_over(true);
  settling_.push_back(change);
}

bool IncrementalStage::is_in_copy(const TablePlan& plan) const {
  return !plan.since.empty() && context_.source.reached(plan.since, reader_->offset());
}

void IncrementalStage::settle() {
  drain();
  rethrow_error();
  const std::vector<SchemaChange> changes = std::move(settling_);
  settling_.clear();
  settled_at_ = reader_->offset();
  // One statement may speak of a table twice: RENAME a TO b, c TO a.
  for (const SchemaChange& change : changes) {
    if (change.kind != SchemaChange::Kind::rename_table) continue;
    const TablePlan* replaced = plan_of(change.new_name);
    if (replaced == nullptr || is_in_copy(*replaced)) continue;
    record_.settle(change, change.new_name, reader_->offset(), [&] {
      throw Error(
          ExitCode::refused, "ddl.table-replaced",
          fmt::format("{} took the place of {}: {}", change.table.text(), change.new_name.text(),
                      change.sql.substr(0, kShownSql)),
          "everything before this statement is applied; the rows of the table that came cannot be "
          "told from the log",
          reload())
          .of_table(change.new_name.text());
    });
  }
  for (auto made = changes.begin(); made != changes.end(); ++made) {
    if (made->kind != SchemaChange::Kind::create_table || plan_of(made->table) == nullptr) continue;
    const bool was_dropped = std::any_of(changes.begin(), made, [&](const SchemaChange& change) {
      return change.kind == SchemaChange::Kind::drop_table && change.table == made->table;
    });
    if (!was_dropped || is_in_copy(*plan_of(made->table))) continue;
    record_.settle(*made, made->table, reader_->offset(), [&] { throw replaced(*made); });
  }
  for (const SchemaChange& change : changes) {
    const TablePlan* plan = plan_of(change.table);
    if (plan == nullptr) continue;
    record_.settle(change, change.table, reader_->offset(), [&] { settle(change, *plan); });
  }
  settled_at_ = {};
}

bool IncrementalStage::is_said() const {
  return context_.verdict && context_.verdict->at == reader_->offset();
}

DdlAction IncrementalStage::action_for(const TableName& table, SchemaChange::Kind kind) const {
  if (is_said()) return context_.verdict->action;
  return weir::action_for(ddl_settings(context_.task, table), kind);
}

Error IncrementalStage::stopped_by(const SchemaChange& change, SchemaChange::Kind kind,
                                   DdlAction action) const {
  std::string id = "ddl." + to_string(kind);
  std::replace(id.begin(), id.end(), '_', '-');
  const bool stops_task = action == DdlAction::stop_task;
  const bool rows = kind == SchemaChange::Kind::drop_rows;
  const std::string name = change.table.text();
  const std::string task = root_name(task_);
  const Error error(
      ExitCode::refused, id,
      fmt::format("{} changed on the source: {}", name, change.sql.substr(0, kShownSql)),
      rows ? "it removes or brings rows that the log does not show; everything before it is applied"
           : fmt::format("everything before this statement is applied; ddl.{} = \"{}\"",
                         to_string(kind), stops_task ? "stop-task" : "stop-table"),
      stops_task ? fmt::format("say ddl.{} = {}\"ignore\" or \"stop-table\" in the task file, then "
                               "start the task: it goes on at this statement",
                               to_string(kind), can_apply(kind) ? "\"apply\", " : "")
      : rows     ? reload()
                 : fmt::format(
                       "weir ddl resolve {} NUMBER with {}--skip or --reload; weir ddl list "
                           "{} --open has the number; or say ddl.{} = {}\"ignore\" in the task "
                           "file",
                       task,
                   can_apply(kind) && kind != SchemaChange::Kind::rename_table ? "--apply, " : "",
                       task, to_string(kind), can_apply(kind) ? "\"apply\" or " : ""));
  return stops_task ? error : error.of_table(name);
}

std::string IncrementalStage::reload() const {
  return fmt::format(
      "weir ddl resolve {0} NUMBER --reload copies the table anew; weir ddl list {0} --open has "
      "the number",
      root_name(task_));
}

Error IncrementalStage::replaced(const SchemaChange& change) const {
  const std::string name = change.table.text();
  return Error(ExitCode::refused, "ddl.table-replaced",
               fmt::format("{} was dropped and made again: {}", name,
                           change.sql.substr(0, kShownSql)),
               "everything before this statement is applied; the target does not have the rows of "
               "the table that was made",
               reload())
      .of_table(name);
}

void IncrementalStage::settle(const SchemaChange& change, const TablePlan& plan) {
  using Kind = SchemaChange::Kind;
  // What is at or before the copy of a table came with it, definition and all.
  if (is_in_copy(plan)) return;
  if (changes_shape(change.kind)) return alter(change, plan);
  const std::string name = plan.source.name.text();
  const std::string sql = change.sql.substr(0, kShownSql);

  if (change.kind == Kind::create_table) {
    if (!plan.source.gone) return;  // CREATE TABLE IF NOT EXISTS of a table that is there
    throw replaced(change);
  }
  DdlAction action = action_for(plan.source.name, change.kind);
  // A table that may only have another name is not dropped on trust.
  const bool is_sure = change.unreadable.empty() || is_said();
  if (action == DdlAction::apply && !is_sure) action = DdlAction::stop_table;
  record_.judged(action);
  if (action == DdlAction::stop_task || action == DdlAction::stop_table) {
    throw stopped_by(change, change.kind, action);
  }
  if (change.kind == Kind::truncate_table && action == DdlAction::apply) {
    const Offset offset = reader_->offset();
    const AlterResult result = applier_.truncate(plan, offset);  // the applier's thread is waiting
    handed_ = offset;
    record_.done(result);
    context_.event("info", "ddl.applied", name, fmt::format("{} -> {}", sql, result.target_sql));
    return;
  }
  if (change.kind != Kind::truncate_table) {
    const bool stays = change.kind == Kind::rename_table && action == DdlAction::apply;
    TableAlter alter = stays ? renamed(change, plan) : TableAlter{plan, plan};
    if (!stays) alter.after.source.gone = true;
    alter.drops = change.kind == Kind::drop_table && action == DdlAction::apply;
    const Offset offset = reader_->offset();
    const AlterResult result = alter_target(alter, offset);
    if (stays) {
      // Under its old name it only stays to be seen.
      TableRow& row = rows_[plan.id];
      row.incremental = StageState::waiting;
      context_.store.put_tables(task_, {&row, 1});
      row.source = alter.after.source.name;
      row.target = alter.after.target;
    }
    if (action == DdlAction::apply) {
      context_.event("info", "ddl.applied", name,
                     fmt::format("{} -> {}", sql,
                                 result.target_sql.empty() ? "nothing to do" : result.target_sql));
    }
  }
  if (action == DdlAction::ignore || action == DdlAction::apply) return;
  context_.event("warning", "ddl.not-applied", name,
                 fmt::format("{} on the source: {}", to_string(change.kind), sql));
}

TableAlter IncrementalStage::renamed(const SchemaChange& change, const TablePlan& plan) const {
  // Out of the selection nothing follows it any more.
  if (select_tables(context_.task, {&change.new_name, 1}).empty()) {
    throw stopped_by(change, change.kind, DdlAction::stop_table);
  }
  Table definition = plan.source;
  definition.name = change.new_name;
  MappingResult mapped = map_with(definition, plan);
  if (refuses(mapped.findings)) {
    throw refusal(mapped.findings)
        .within(change.sql.substr(0, kShownSql))
        .of_table(plan.source.name.text());
  }
  return {plan, mapped.plans[plan.id]};
}

void IncrementalStage::leave_indexes(TableAlter& alter, bool applies) const {
  const auto is_unique = [&](const IndexAlter& index) {
    return alter.after.source.indexes[index.after].kind == Index::Kind::unique;
  };
  std::erase_if(alter.indexes, [&](const IndexAlter& index) {
    const bool adds = index.kind == IndexAlter::Kind::add;
    // What stood behind the key stays an index, though no statement said so.
    if (!applies && !(adds && alter.key_changed && was_key(alter, index))) return true;
    // It is built with the others once the table is consistent.
    return adds && is_unique(index) && without_unique_.contains(alter.before.id);
  });
}

MappingResult IncrementalStage::map_with(const Table& definition, const TablePlan& plan) const {
  std::vector<Table> definitions;
  for (const TablePlan& one : plans_) {
    definitions.push_back(one.id == plan.id ? definition : one.source);
  }
  return context_.map(definitions);
}

AlterResult IncrementalStage::alter_target(const TableAlter& alter, const Offset& offset) {
  AlterResult result;
  try {
    result = applier_.alter(alter, offset);  // the applier's thread is waiting
  } catch (const Error& error) {
    if (error.code() != ExitCode::refused) throw;
    throw error.of_table(alter.before.source.name.text());
  }
  handed_ = offset;
  plans_changed_ = true;
  record_.done(result);
  return result;
}

void IncrementalStage::alter(const SchemaChange& change, const TablePlan& plan) {
  using Kind = SchemaChange::Kind;
  const std::string name = plan.source.name.text();
  const std::string sql = change.sql.substr(0, kShownSql);
  if (change.definition == nullptr && !change.unreadable.empty()) {
    if (!moves_columns(change.kind)) {
      context_.event("warning", "ddl.unreadable", name,
                     fmt::format("{}: {}", sql, change.unreadable));
      return;
    }
    throw Error(ExitCode::refused, "ddl.unreadable",
                fmt::format("cannot tell what a statement made of {}: {}", name, sql),
                change.unreadable, reload())
        .of_table(name);
  }
  std::vector<Kind> kinds;
  if (change.definition != nullptr && change.kind != Kind::shadow) {
    kinds = kinds_between(plan, *change.definition, change.origins);
  } else if (change.kind == Kind::other) {
    kinds = {change.kind};  // what else a statement says that left the definition as it was is done
  }
  if (!kinds.empty()) record_.is_of(kinds.front());
  Actions actions;
  for (const Kind kind : kinds) actions.emplace(kind, action_for(plan.source.name, kind));
  record_.judged(actions);
  for (const DdlAction stop : {DdlAction::stop_task, DdlAction::stop_table}) {
    for (const Kind kind : kinds) {
      if (actions.at(kind) != stop) continue;
      throw stopped_by(change, kind, stop);
    }
  }
  if (change.definition != nullptr) change_definition(change, plan, actions);
  for (const auto& [kind, action] : actions) {
    if (action != DdlAction::alert) continue;
    context_.event("warning", "ddl.not-applied", name,
                   fmt::format("{} on the source: {}", to_string(kind), sql));
  }
}

void IncrementalStage::change_definition(const SchemaChange& change, const TablePlan& plan,
                                         const Actions& actions) {
  using Kind = SchemaChange::Kind;
  const std::string name = plan.source.name.text();
  const std::string sql = change.sql.substr(0, kShownSql);
  const auto applies = [&actions](Kind kind) {
    const auto at = actions.find(kind);
    return at != actions.end() && at->second == DdlAction::apply;
  };
  Table definition = *change.definition;
  for (std::size_t i = 0; i < definition.columns.size(); ++i) {
    const std::uint32_t before = change.origins[i].before;
    definition.columns[i].left_out = before == ColumnOrigin::kNew
                                         ? !applies(Kind::add_column)
                                         : plan.source.columns[before].left_out;
  }
  MappingResult mapped = map_with(definition, plan);
  if (refuses(mapped.findings)) throw refusal(mapped.findings).within(sql).of_table(name);
  TableAlter alter = plan_alter(plan, mapped.plans[plan.id], change.origins);
  const auto is_ignored = [&](const ColumnAlter& step) { return !applies(kind_of(step.kind)); };
  for (const ColumnAlter& step : alter.steps) {
    if (step.kind != ColumnAlter::Kind::rename || !is_ignored(step)) continue;
    throw Error(ExitCode::refused, "ddl.rename-ignored",
                fmt::format("{} changed on the source: {}", name, sql),
                fmt::format("the column {} has another name now, and the target table none by "
                            "that name",
                            step.name),
                fmt::format("weir ddl resolve {0} NUMBER --apply; weir ddl list {0} --open has the "
                            "number; or say ddl.rename_column = \"apply\" in the task file",
                            root_name(task_)))
        .of_table(name);
  }
  if (alter.key_changed && !applies(Kind::change_key)) {
    throw Error(ExitCode::refused, "ddl.key-ignored",
                fmt::format("{} changed on the source: {}", name, sql),
                "rows are told apart by another key now, and the target table keeps its own",
                fmt::format("weir ddl resolve {0} NUMBER --apply; weir ddl list {0} --open has the "
                            "number; or say key = [...] in the table's rule and reload it",
                            root_name(task_)))
        .of_table(name);
  }
  std::erase_if(alter.steps, is_ignored);
  leave_indexes(alter, applies(Kind::index));
  if (!applies(Kind::comment)) alter.comment_changed = false;
  const Clock::time_point begin = Clock::now();
  const AlterResult result = alter_target(alter, reader_->offset());
  for (const std::string& why : result.left_out) {
    context_.event("warning", "ddl.left-out", name, fmt::format("{}: {}", sql, why));
  }
  const bool is_applied = std::any_of(actions.begin(), actions.end(), [](const auto& each) {
    return each.second == DdlAction::apply;
  });
  if (!is_applied) return;
  const std::string seconds =
      fmt::format("{:.3f} s", std::chrono::duration<double>(Clock::now() - begin).count());
  context_.event(
      "info", "ddl.applied", name,
      fmt::format("{} -> {}; {}", sql,
                  result.target_sql.empty() ? "nothing to do" : result.target_sql, seconds));
}

}  // namespace

IncrementalEnd run_incremental_stage(const StageContext& context, std::span<const TablePlan> plans,
                                     Recovered recovered, const Offset& log_end, Applier& applier,
                                     Offset& failed_at) {
  const bool catching_up =
      !recovered.full_end.empty() && !context.source.reached(recovered.offset, recovered.full_end);
  context.store.set_stage(context.task.name, Stage::incremental, catching_up ? "catching up" : "");
  context.meter.stage = Stage::incremental;
  DdlRecord(context).recover(plans, recovered.offset);
  IncrementalStage stage(context, plans, std::move(recovered), log_end, applier);
  try {
    return stage.run();
  } catch (...) {
    failed_at = stage.settled_at();
    throw;
  }
}

}  // namespace weir
