// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "model/finding.h"
#include "model/offset.h"
#include "model/offset_request.h"
#include "model/task.h"
#include "source/source.h"
#include "store/state_store.h"
#include "target/target.h"

namespace weir::ops {

/// Reads a place in a log: now, gtid:SET, FILE:POSITION, lsn:LSN, time:TIME, or an offset as weir
/// prints it. Empty, with the reason, if the text is none.
std::optional<OffsetRequest> read_place(std::string_view text, std::string& why);

struct ResetRequest {
  OffsetRequest to;
  /// How long reading the log between the two places may take where it has to be read.
  std::chrono::milliseconds patience{std::chrono::minutes(10)};
};

/// What the log holds between two places, for the tables of a task.
struct LogGap {
  struct TableChanges {
    TableName table;
    std::uint64_t changes = 0;
  };
  std::optional<LogDistance> distance;
  std::optional<std::chrono::duration<double>> span;  ///< by the source's commit times
  bool complete = false;                              ///< all of it was read, and counted
  bool timed_out = false;
  std::string why;                 ///< why not
  std::uint64_t transactions = 0;  ///< with changes to tables of the task
  std::uint64_t changes = 0;
  std::vector<TableChanges> tables;
  /// Changes of definitions, as "shop.item: ALTER TABLE ...".
  std::vector<std::string> definitions;
};

enum class Direction : std::uint8_t { none, forward, backward };
std::string_view to_string(Direction direction);

struct ResetPlan {
  FoundOffset found;
  OffsetMove move;
  Identity identity;
  Direction direction = Direction::none;
  LogGap gap;  ///< what is lost on the way forward, or repeated on the way back
  std::vector<Finding> findings;

  /// Whether changes may be lost, as far as that is known.
  bool loses() const {
    return direction == Direction::forward && !(gap.complete && gap.changes == 0);
  }
};

/// Throws Error(not_found, "task.unknown") or Error(state_conflict, "offset.running").
void refuse_running(const std::string& task, StateStore& store, Engine& engine);

/// Finds the place, and works out what putting the task's offset there would do. Changes nothing.
///
/// Throws what refuse_running() and Source::find_offset() throw, and Error(refused) for each reason
/// why it cannot be: the source is another one, the target does not know the task or its copy is
/// not finished, a definition is another one at the place, the places cannot be compared, the log
/// that would be repeated cannot be read. Error(timed_out, "offset.timeout").
ResetPlan plan_reset(const Task& task, const ResetRequest& request, Source& source, Target& target,
                     StateStore& store, Engine& engine);

/// Does it, while nobody can start the task: on the target first, which is what counts. Returns
/// what is left to be known, one sentence each, and sets `plan.move.to` to where the offset is.
/// Throws Error(state_conflict, "task.running") or "offset.moved" if things are no longer as
/// planned.
std::vector<std::string> carry_out(const Task& task, ResetPlan& plan, const std::string& by,
                                   const std::string& reason, Source& source, Target& target,
                                   StateStore& store, Engine& engine);

}  // namespace weir::ops
