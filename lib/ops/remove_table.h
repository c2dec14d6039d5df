// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "model/task.h"
#include "ops/add_table.h"
#include "store/state_store.h"

namespace weir::ops {

/// Where the tables are that somebody names to remove or reload them.
struct NamedTables {
  std::vector<TableName> main;  ///< in the main lane
  std::vector<LaneRow> lanes;   ///< lanes of which all tables are named
};
/// Throws Error(not_found, "table.unknown"), Error(state_conflict, "lane.partial"), and "lane.open"
/// for a table that is being added, or given up.
NamedTables find_tables(const std::string& task, std::span<const std::string> words,
                        StateStore& store);

/// A table of a task, with where its rows are.
struct TablePair {
  TableName source;
  TableName target;
};

struct RemovePlan {
  std::vector<TableName> leaving;  ///< out of the main lane
  std::vector<LaneRow> suspended;  ///< lanes that rest already, because of an error
  std::vector<LaneRow> removed;    ///< lanes that were removed before, or are on their way out
  std::vector<TablePair> tables;   ///< all that are named
  bool nothing() const { return leaving.empty() && suspended.empty(); }
};
/// Throws what find_tables() does, and Error(refused, "table.last") if the task would have none
/// left.
RemovePlan plan_remove(const std::string& task, std::span<const std::string> words,
                       StateStore& store);
/// Asks the task to let go of them. Returns the lanes in which they are then.
std::vector<std::uint32_t> begin_remove(const std::string& task, const RemovePlan& plan,
                                        StateStore& store);

/// Has tables that begin_remove() asked for leave a task that does not run, at its offset. False if
/// it runs: then its worker does that.
bool leave_at_once(const Task& task, std::span<const std::uint32_t> lanes,
                   const OpenSource& open_source, const OpenTarget& open_target, StateStore& store,
                   Engine& engine);

/// Brings removed tables back from where they left: they catch up from there. Asks the source first
/// whether it still has its log from there on, and throws Error(refused) with the gap if not, Error
/// (refused, "table.dropped") if the target table is gone, Error(state_conflict,
/// "lane.not-removed") if they were not removed. Returns the lanes; with `dry_run` nothing is
/// changed.
std::vector<LaneRow> undo_remove(const Task& task, std::span<const std::string> words, bool dry_run,
                                 const OpenSource& open_source, const OpenTarget& open_target,
                                 StateStore& store, Engine& engine);

/// Keeps that somebody dropped the target tables of a removed lane: it cannot be undone any more.
void record_drop(const LaneRow& lane, std::span<const std::string> statements, StateStore& store);
/// The source need not keep its log for such a lane any more.
void release_source(const Task& task, const LaneRow& lane, const OpenSource& open_source);

}  // namespace weir::ops
