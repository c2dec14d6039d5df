// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "model/task.h"
#include "ops/lanes.h"
#include "source/source.h"
#include "store/state_store.h"

namespace weir::ops {

/// The main lane of the task that `argument` means: the path of a task file, or the name of a
/// registered task.
/// Throws Error(not_found, "task.unknown") with a suggestion, and what read_task() throws.
Task find_task(const std::string& argument, StateStore& store);

/// A task file as it was read at one moment.
struct TaskFile {
  Task task;
  std::string text;
};
/// Likewise, with the file's text.
TaskFile find_task_file(const std::string& argument, StateStore& store);

/// The name alone, for verbs that must work though the task file is gone or broken.
std::string find_task_name(const std::string& argument, StateStore& store);

/// Until when a stopped task has to be started again, as the newest answer of its source for its
/// offset says.
struct Countdown {
  Time checked{};
  bool lost = false;                   ///< the offset was gone by then
  bool unknown = false;                ///< nobody could tell
  std::optional<Time> restart_before;  ///< by our clock; empty if nothing limits it, or if unknown
  std::string limited_by;
};

/// Everything that weir knows about a task without asking a server.
struct Status {
  TaskRow task;
  Engine::Status engine;
  std::vector<TableRow> tables;
  std::optional<StateStore::StoredOffset> offset;
  std::optional<Sample> sample;  ///< the newest one of the current run
  double rows_read_rate = 0;     ///< a second, over the last samples
  double rows_written_rate = 0;
  double bytes_written_rate = 0;
  bool caught_up = false;     ///< everything in the source's log is in the target
  bool joining = false;       ///< tables are on their way to the others, in lanes of their own
  std::size_t failovers = 0;  ///< within the task's current window
  std::optional<Countdown> countdown;  ///< of a task that does not run
  std::uint32_t revision = 0;          ///< of the task file, which the task runs by; 0 = none yet
  /// Whether the file says something else by now; empty without a revision, or without a file.
  std::optional<bool> file_differs;
  std::vector<Lane> lanes;                 ///< that have not ended, by number
  std::vector<TableName> without_history;  ///< added without the rows that they had
};

/// How many tables wait for somebody to resolve what stopped them.
std::size_t suspended_tables(const Status& status);
/// The suspended lane from which on the log is needed the longest; null if none is suspended.
const Lane* oldest_suspended(const Status& status);

/// Whether the row says that a supervisor has the task, which is wrong once that was killed.
bool has_supervisor(const TaskRow& row);

/// Throws Error(not_found, "task.unknown").
Status status(const std::string& task, StateStore& store, Engine& engine);

/// Tells whether a running task has caught up: with all that its source had at some moment after
/// the first question. A source that is written to all the time never gives the moment of rest that
/// Status::caught_up wants. One thread.
class CatchUp {
 public:
  using OpenSource = std::unique_ptr<Source> (*)(const Task&);

  CatchUp(const Task& task, OpenSource open_source);

  /// Asks the source where its log ends, now and then, for some seconds at most; one that does not
  /// answer is asked again with the next call.
  bool done(const Status& status);

 private:
  Task task_;
  OpenSource open_source_;
  Time asked_;
  std::unique_ptr<Source> source_;
  Offset goal_;
};

/// What the supervisor tells the state file. The store and the strings must outlive the observer.
Engine::Observer observe(const std::string& task, StateStore& store);

/// Keeps the error that ends a worker.
void record_error(const std::string& task, StateStore& store, const Error& error);

/// Keeps which checks the start of a task waived, in place of those of the start before, and in the
/// history.
void record_waivers(const std::string& task, std::span<const std::string> ids, StateStore& store);
/// The checks that the last start waived.
std::vector<std::string> waived_ids(const std::string& task, StateStore& store);

/// "incremental, 2,340 rows/s, lag 0.3 s": one line about a running task.
std::string summary_line(const Status& status);

}  // namespace weir::ops
