// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "mapping/pattern.h"
#include "model/counter.h"
#include "model/finding.h"
#include "model/offset.h"
#include "model/task.h"
#include "source/source.h"
#include "store/state_store.h"
#include "target/target.h"

namespace weir::ops {

struct CutoverRequest {
  std::uint64_t margin = 1000;  ///< numbers left free beyond the last one, in increments
  bool make_identity = false;   ///< plain target columns are made to count
  /// Only counters whose table or sequence on the source one of them matches; empty = all.
  std::vector<TablePattern> only;
  /// How long a running task may take to get to where the source's log ends now.
  std::chrono::milliseconds patience{std::chrono::seconds(30)};
};

/// What becomes of one counter.
struct CounterStep {
  enum class Action : std::uint8_t {
    set,        ///< `statements` are to be run
    kept,       ///< the target is there already, or further
    automatic,  ///< the target finds the next number by itself
    missing,    ///< nothing counts there, and nothing is done about it
  };
  Counter source;
  CounterPlace place;
  FoundCounter found;
  Action action = Action::missing;
  CounterNumber next = 0;               ///< Action::set: what comes next afterwards
  bool used_up = false;                 ///< there are no numbers left, with or without a margin
  std::vector<std::string> statements;  ///< of Action::missing: what would make it count
};

std::string_view action_name(CounterStep::Action action);

/// What is to be done about one counter. Pure but for `target.counter_sql()`, which asks nothing.
/// Throws Error(refused, "cutover.margin") if the margin does not fit.
///
/// The next number is that of the source, or the one after the last key on the target if that is
/// further, and `margin` more. A counter that begins anew when it is through its numbers is not
/// held against the keys. None is ever put back.
CounterStep plan_counter(Counter source, CounterPlace place, FoundCounter found,
                         const CutoverRequest& request, const Target& target);

struct CutoverPlan {
  bool running = false;        ///< the task runs
  Offset offset;               ///< everything up to here is in the target
  Offset log_end;              ///< where the source's log ended when the plan was begun
  std::uint64_t arriving = 0;  ///< changes that a running task has read over the last seconds
  std::vector<CounterStep> steps;
  std::vector<Finding> findings;  ///< none of them refuses

  std::size_t to_set() const;
};

/// Checks that the target holds everything that the source does, and works out what to set there.
/// Changes nothing.
///
/// Throws Error(not_found, "task.unknown"), Error(unsupported, "cutover.source-kind") and
/// "cutover.target-kind", and Error(refused) with a finding of its own for each reason: the target
/// does not know the task, a table failed or is not copied, the task is behind, a margin does not
/// fit. Error(not_found, "cutover.no-match") if `request.only` leaves nothing.
CutoverPlan plan_cutover(const Task& task, const CutoverRequest& request, Source& source,
                         Target& target, StateStore& store, Engine& engine);

/// Sets what the plan says, one counter after the other, and keeps each in the task's history.
/// Throws Error(state_conflict, "cutover.locked") where somebody holds a lock for long.
void carry_out(const Task& task, const CutoverRequest& request, const CutoverPlan& plan,
               Target& target, StateStore& store);

}  // namespace weir::ops
