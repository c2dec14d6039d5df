// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "engine/engine.h"
#include "model/finding.h"
#include "model/offset.h"
#include "model/retention.h"
#include "model/table.h"
#include "model/task.h"
#include "source/source.h"
#include "store/state_store.h"

namespace weir::ops {

/// Whether a task that is stopped, or would be stopped now, finds its offset again. In this order
/// the worse one is the later.
enum class Verdict : std::uint8_t { ok, warning, unknown, critical, lost };
std::string to_string(Verdict verdict);

using Seconds = std::chrono::duration<double>;

struct RetentionRequest {
  std::optional<Seconds> planned_stop;       ///< from now on
  std::optional<std::uint64_t> disk_budget;  ///< bytes that the source's disk has for its log
  Seconds warning{std::chrono::hours(24)};   ///< less than this is a warning ...
  Seconds critical{std::chrono::hours(1)};   ///< ... and critical; without a planned stop
};

/// What weir itself knows of the task.
struct TaskFacts {
  std::string name;
  Time now{};
  bool running = false;
  Offset offset;
  Time offset_stored{};               ///< about when a stopped task stopped
  std::vector<RetentionRow> earlier;  ///< runs before this one, oldest first
  std::vector<Sample> samples;        ///< of the task's own work, oldest first
};

struct RetentionReport {
  std::string task;               ///< or the lane of one
  std::vector<TableName> tables;  ///< of a lane
  bool running = false;
  Verdict verdict = Verdict::unknown;
  /// From now on; empty if nothing limits it, or if that is not known.
  std::optional<Seconds> may_stay_down;
  bool unlimited = false;
  std::optional<Time> purged_at;  ///< when the offset goes then, by our clock
  std::string limited_by;         ///< the setting that decides, or the id of what is wrong
  std::string reason;             ///< one sentence about it
  std::optional<std::uint64_t>
      headroom_bytes;             ///< that may still be written before the offset goes
  std::optional<Seconds> margin;  ///< between the oldest place of the log and the offset
  std::optional<Seconds> window;  ///< how far back the log goes

  /// Bytes a second. `growth` is what is reckoned with: the larger one of the next two.
  std::optional<double> growth;
  std::optional<double> growth_recent;  ///< of the last day, from run to run
  std::optional<double> growth_server;  ///< by the server's own account
  std::optional<double> growth_before;  ///< of the week before the last day
  std::string trend;                    ///< rising, steady, falling; "" if unknown

  std::optional<Seconds> planned_stop;
  std::optional<Seconds> catch_up;    ///< what the task needs afterwards
  bool catch_up_is_measured = false;  ///< else it is taken to be as long as the stop

  Offset offset;
  std::optional<RetentionFacts> facts;  ///< empty if the source could not be asked
  std::vector<Finding> findings;
};

/// Bytes written since the log ended at `then`; empty if that place is gone.
std::optional<std::uint64_t> written_since(const RetentionFacts& facts, const LogHead& then);

/// The share of its time that the task was at work, in the incremental stage; empty if it was not
/// measured for long enough.
std::optional<double> busy_share(const std::vector<Sample>& samples);

/// The verdict over what was gathered; asks nobody.
RetentionReport judge_retention(const RetentionRequest& request, const RetentionFacts& facts,
                                const TaskFacts& task);

/// What is kept of `report` for later runs.
RetentionRow retention_row(const RetentionReport& report, const TaskFacts& task);

using OpenRetention = std::function<std::unique_ptr<Source>(const Task&)>;

/// How long an answer of a server may take.
constexpr std::chrono::seconds kRetentionPatience{10};

/// Asks the source, judges, and keeps the run in `store`. A source that cannot be asked is the
/// verdict unknown, not an Error. `open` gets the task with Endpoint::patience set. Throws
/// Error(not_found, "task.unknown") for a task that is not registered.
RetentionReport check_retention(const Task& task, const RetentionRequest& request,
                                const OpenRetention& open, StateStore& store, Engine& engine);

/// The same for each lane that reads on from an offset of its own, or waits to. Keeps nothing.
std::vector<RetentionReport> check_lanes(const Task& task, const RetentionRequest& request,
                                         const OpenRetention& open, StateStore& store,
                                         Engine& engine);

/// The report of a task whose source cannot be asked, or whose file cannot be read.
RetentionReport unasked(const std::string& task, const Error& error);

}  // namespace weir::ops
