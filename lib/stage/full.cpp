// SPDX-License-Identifier: Apache-2.0
#include "stage/full.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "model/lane.h"
#include "stage/batch.h"
#include "stage/rate_limit.h"

namespace weir {
namespace {

/// How often the number of connections is looked at, which somebody may have changed.
constexpr std::chrono::milliseconds kLookForSettings{250};

/// A table on its way through the stage.
struct TableWork {
  const TablePlan* plan = nullptr;
  TableRow row;
  std::size_t open_ranges = 0;
  bool left_out = false;  ///< it failed, and the others go on
};

/// A range to read, or a table still to be cut into ranges.
struct WorkItem {
  TableWork* table = nullptr;
  RangeProgress progress;
  bool cut = false;
};

/// The stage's shared state: what is left to do, and the first error.
class FullStage {
 public:
  FullStage(const StageContext& context, std::span<const TablePlan> plans,
            const Recovered& recovered);

  /// False if there was nothing to do.
  bool run();

 private:
  void work();
  /// Finishes tables as they are copied, over `loader`; opens one if there is none.
  void build_indexes(std::unique_ptr<Loader> loader);
  /// Waits for an item; false if none will come any more.
  template <typename T>
  bool take(std::deque<T>& from, T& item);
  void cut_table(WorkItem& item, RowReader& reader);
  /// False if the reader is one too many by now, and leaves: somebody else goes on with the range.
  bool copy_range(WorkItem& item, RowReader& reader, Loader& loader);
  /// Reads the chunk after `from` again, to name by its key the row that `loader` refused with
  /// `error`. Comes back if that is not known.
  void name_refused_row(const Error& error, const TablePlan& plan, const KeyRange& range,
                        const KeyCells& from, RowReader& reader, const Loader& loader);
  void end_range(TableWork& table);
  bool is_left_out(const TableWork& table);
  /// Whether there are more readers than there may be by now: one of them leaves, with true.
  bool leave_if_many();
  void finish_table(TableWork& table, Loader& loader);
  void keep_row(const TableWork& table);
  /// Takes the error that is being handled: for the whole stage, or for this table alone.
  void fail(TableWork* table);

  const StageContext& context_;
  const std::string& task_;
  std::vector<std::unique_ptr<TableWork>> tables_;
  std::deque<WorkItem> items_;
  std::deque<TableWork*> copied_;  ///< what only lacks its indexes
  std::size_t in_hand_ = 0;        ///< items that may still bring new ones, of either kind
  std::uint32_t readers_ = 0;      ///< threads that copy rows
  std::mutex mutex_;
  std::condition_variable changed_;
  std::exception_ptr error_;
  std::vector<Error> left_out_;
  RateLimit rate_;
};

/// Counts rows on their way from reader to loader and holds them to the rate limit.
class LoadingSink final : public RowSink {
 public:
  LoadingSink(Loader& loader, Meter& meter, RateLimit& rate, StopRequest& stop)
      : loader_(loader), meter_(meter), rate_(rate), stop_(stop) {}
  ~LoadingSink() override { count(); }
  LoadingSink(const LoadingSink&) = delete;
  LoadingSink& operator=(const LoadingSink&) = delete;

  void row(Row cells) override {
    loader_.row(cells);
    if (++rows_ == kCountEvery) count();
  }
  CopyFormat copy_format() const override { return loader_.copy_format(); }
  void copied(std::string_view row) override {
    loader_.copied(row);
    if (++rows_ == kCountEvery) count();
  }

 private:
  static constexpr std::uint64_t kCountEvery = 256;

  void count() {
    const std::uint64_t bytes = loader_.chunk_bytes();
    meter_.rows_read += rows_;
    meter_.bytes_read += bytes - bytes_;
    rate_.take(rows_, bytes - bytes_, stop_);
    bytes_ = bytes;
    rows_ = 0;
  }

  Loader& loader_;
  Meter& meter_;
  RateLimit& rate_;
  StopRequest& stop_;
  std::uint64_t rows_ = 0;
  std::uint64_t bytes_ = 0;
};

/// Finds out which row of a chunk is the one with a number, counted from 1.
class RowFinder final : public RowSink {
 public:
  RowFinder(const TablePlan& plan, std::uint64_t number) : plan_(plan), number_(number) {}

  void row(Row cells) override {
    if (++rows_ == number_) key_ = key_text(plan_, cells);
  }
  const std::string& key() const { return key_; }

 private:
  const TablePlan& plan_;
  std::uint64_t number_;
  std::uint64_t rows_ = 0;
  std::string key_;
};

/// Changes that the copy of such a table holds already would be applied once more.
Error no_snapshot(const TablePlan& plan) {
  return Error(ExitCode::unsupported, "source.no-snapshot",
               fmt::format("{} cannot be copied without a key", plan.source.name.text()),
               "this source does not tell the place of a snapshot in its log",
               "give the table a key, say its columns as key = [...] in the rule, or exclude it");
}

FullStage::FullStage(const StageContext& context, std::span<const TablePlan> plans,
                     const Recovered& recovered)
    : context_(context), task_(context.task.name), rate_(context.live) {
  std::map<TableName, TableRow> rows;
  for (TableRow& row : context.store.tables(task_)) rows.emplace(row.source, std::move(row));
  std::vector<const TablePlan*> order;
  for (const TablePlan& plan : plans) order.push_back(&plan);
  // The largest first: what is left at the end is small and spreads well.
  std::stable_sort(order.begin(), order.end(), [](const TablePlan* a, const TablePlan* b) {
    return a->source.estimated_bytes > b->source.estimated_bytes;
  });
  for (const TablePlan* plan : order) {
    const auto progress =
        std::find_if(recovered.tables.begin(), recovered.tables.end(),
                     [&](const TableProgress& t) { return t.source == plan->source.name; });
    const bool known = progress != recovered.tables.end();
    auto table = std::make_unique<TableWork>();
    table->plan = plan;
    table->row = rows[plan->source.name];
    table->row.copied_rows = known ? progress->rows : 0;
    if (known && progress->full_done) {
      table->row.full = StageState::done;
      table->row.full_error.clear();
      keep_row(*table);
      continue;
    }
    if (!context.copies_rows) {
      copied_.push_back(table.get());
    } else if (!known || progress->ranges.empty()) {
      items_.push_back({table.get(), {}, true});
    } else {
      // Also the ranges that are done: the last of them to be looked at finishes the table.
      for (const RangeProgress& range : progress->ranges) {
        items_.push_back({table.get(), range, false});
        ++table->open_ranges;
      }
    }
    table->row.full = StageState::waiting;
    keep_row(*table);
    tables_.push_back(std::move(table));
  }
}

void FullStage::keep_row(const TableWork& table) {
  context_.store.put_tables(task_, {&table.row, 1});
}

template <typename T>
bool FullStage::take(std::deque<T>& from, T& item) {
  std::unique_lock lock(mutex_);
  // A stop request notifies nobody here; who waits for work looks for it.
  while (!changed_.wait_for(lock, std::chrono::milliseconds(100), [&] {
    return error_ != nullptr || context_.stop.requested() || !from.empty() ||
           (in_hand_ == 0 && items_.empty());
  })) {
  }
  if (error_ != nullptr || context_.stop.requested() || from.empty()) return false;
  item = std::move(from.front());
  from.pop_front();
  if constexpr (std::is_same_v<T, WorkItem>) ++in_hand_;
  return true;
}

void FullStage::fail(TableWork* table) {
  const std::exception_ptr error = std::current_exception();
  const std::lock_guard lock(mutex_);
  bool is_its_own = false;
  if (table != nullptr) {
    try {
      std::rethrow_exception(error);
    } catch (const Error& e) {
      table->row.full = StageState::failed;
      table->row.full_error = e.what();
      keep_row(*table);
      const Error named = e.of_table(table->plan->source.name.text());
      is_its_own = context_.failures.can_leave_out(context_.task, named);
      if (is_its_own && !std::exchange(table->left_out, true)) left_out_.push_back(named);
    } catch (const std::exception&) {
      // run() rethrows it; a table has no part in it
    }
  }
  if (error_ == nullptr && !is_its_own) error_ = error;
  changed_.notify_all();
}

void FullStage::work() {
  try {
    const std::unique_ptr<RowReader> reader = context_.source.open_rows();
    std::unique_ptr<Loader> loader = context_.target.open_loader(task_);
    WorkItem item;
    bool leaves = false;
    while (!leaves && take(items_, item)) {
      try {
        if (item.cut) {
          cut_table(item, *reader);
          leaves = leave_if_many();
        } else {
          leaves = !copy_range(item, *reader, *loader);
        }
      } catch (...) {
        fail(item.table);
      }
      const std::lock_guard lock(mutex_);
      if (leaves && !item.cut) items_.push_front(std::move(item));
      --in_hand_;
      changed_.notify_all();
    }
    if (leaves) return;
    // Nothing is left to copy: the indexes of the last tables need not wait for each other.
    build_indexes(std::move(loader));
  } catch (...) {
    fail(nullptr);
  }
}

void FullStage::build_indexes(std::unique_ptr<Loader> loader) {
  try {
    TableWork* table = nullptr;
    while (take(copied_, table)) {
      if (loader == nullptr) loader = context_.target.open_loader(task_);
      try {
        finish_table(*table, *loader);
      } catch (...) {
        fail(table);
      }
    }
  } catch (...) {
    fail(nullptr);
  }
}

void FullStage::cut_table(WorkItem& item, RowReader& reader) {
  const TablePlan& plan = *item.table->plan;
  const std::vector<KeyRange> ranges = reader.ranges(plan, context_.live.full());
  const std::lock_guard lock(mutex_);
  context_.target.store_ranges(task_, plan, ranges);
  item.table->row.full = StageState::running;
  keep_row(*item.table);
  item.table->open_ranges = ranges.size();
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
    RangeProgress progress;
    progress.range = *range;
    items_.push_front({item.table, std::move(progress), false});
  }
}

bool FullStage::leave_if_many() {
  const std::lock_guard lock(mutex_);
  if (readers_ <= std::max(1U, context_.live.full().connections)) return false;
  --readers_;
  return true;
}

bool FullStage::copy_range(WorkItem& item, RowReader& reader, Loader& loader) {
  const TablePlan& plan = *item.table->plan;
  RangeProgress& progress = item.progress;
  std::vector<std::string> added;
  while (!progress.done) {
    if (context_.stop.requested() || is_left_out(*item.table)) return true;
    if (leave_if_many()) return false;
    const std::string execute_time = timestamp_text(now());
    std::vector<std::optional<std::string>> values;
    for (const PlannedColumn& column : plan.columns) {
      if (column.added())
        values.push_back(added_value(column, plan, root_name(task_), execute_time));
    }
    std::vector<Cell> cells;
    for (const auto& value : values) cells.push_back(value ? Cell(*value) : Cell::null());

    const Clock::time_point begin = Clock::now();
    ChunkResult chunk;
    loader.begin(plan, cells);
    try {
      LoadingSink sink(loader, context_.meter, rate_, context_.stop);
      chunk = reader.read(plan, progress.range, progress.reached, context_.live.full().chunk_rows,
                          sink);
    } catch (...) {
      loader.abandon();
      throw;
    }
    progress.rows += chunk.rows;
    progress.bytes += chunk.bytes;
    progress.done = chunk.done;
    const KeyCells from = progress.reached;
    if (!chunk.last.empty()) progress.reached = chunk.last;
    progress.snapshot = chunk.snapshot;
    try {
      if (plan.key.empty() && chunk.snapshot.empty()) throw no_snapshot(plan);
      loader.commit(progress);
    } catch (const Error& error) {
      loader.abandon();
      name_refused_row(error, plan, progress.range, from, reader, loader);
      throw;
    } catch (...) {
      loader.abandon();
      throw;
    }
    context_.meter.rows_written += chunk.rows;
    context_.meter.bytes_written += loader.chunk_bytes();
    ++context_.meter.batches;
    context_.meter.last_batch_rows = chunk.rows;
    context_.meter.apply_us += static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin).count());
    const std::lock_guard lock(mutex_);
    item.table->row.copied_rows += chunk.rows;
    item.table->row.copied_bytes += chunk.bytes;
    item.table->row.full = StageState::running;
    keep_row(*item.table);
    context_.store.put_range(task_, plan.source.name, progress);
  }
  end_range(*item.table);
  return true;
}

void FullStage::name_refused_row(const Error& error, const TablePlan& plan, const KeyRange& range,
                                 const KeyCells& from, RowReader& reader, const Loader& loader) {
  if (loader.refused_row() == 0 || plan.key.empty()) return;
  RowFinder finder(plan, loader.refused_row());
  reader.read(plan, range, from, loader.refused_row(), finder);
  if (finder.key().empty()) return;
  throw Error(error.code(), error.id(),
              fmt::format("{}: the target table {} does not take the row with key {}",
                          plan.source.name.text(), plan.target.text(), finder.key()),
              error.why(), error.fix());
}

bool FullStage::is_left_out(const TableWork& table) {
  const std::lock_guard lock(mutex_);
  return table.left_out;
}

void FullStage::end_range(TableWork& table) {
  const std::lock_guard lock(mutex_);
  if (--table.open_ranges > 0) return;
  copied_.push_back(&table);
  changed_.notify_all();
}

void FullStage::finish_table(TableWork& table, Loader& loader) {
  const std::vector<std::string> notes = loader.finish(*table.plan);
  const std::string name = table.plan->source.name.text();
  for (const std::string& note : notes) context_.event("warning", "index.not-built", name, note);
  const std::lock_guard lock(mutex_);
  table.row.full = StageState::done;
  table.row.full_error.clear();
  keep_row(table);
  context_.event("info", "table.full.done", name,
                 fmt::format("{} rows copied", format_count(table.row.copied_rows)));
}

bool FullStage::run() {
  if (items_.empty() && copied_.empty()) return false;
  std::vector<std::thread> workers;
  // Beside the copying, so that a connection to the source never waits for an index.
  workers.emplace_back([this] { build_indexes(nullptr); });
  {
    std::unique_lock lock(mutex_);
    const auto is_over = [this] {
      return error_ != nullptr || context_.stop.requested() || (in_hand_ == 0 && items_.empty());
    };
    do {
      for (; readers_ < context_.live.full().connections; ++readers_) {
        workers.emplace_back([this] { work(); });
      }
    } while (!changed_.wait_for(lock, kLookForSettings, is_over));
  }
  for (std::thread& worker : workers) worker.join();
  if (error_ != nullptr) std::rethrow_exception(error_);
  for (const Error& error : left_out_) context_.failures.leave_out(context_.task, error, {});
  return true;
}

}  // namespace

bool run_full_stage(const StageContext& context, std::span<const TablePlan> plans,
                    const Recovered& recovered) {
  context.store.set_stage(context.task.name, Stage::full, "copying rows");
  context.meter.stage = Stage::full;
  return FullStage(context, plans, recovered).run();
}

}  // namespace weir
