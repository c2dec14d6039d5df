// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/offset.h"
#include "model/table.h"
#include "store/state_store.h"

namespace weir::ops {

/// How far a table of a lane has come, in the order in which it goes there.
enum class LaneStep : std::uint8_t {
  leaving,  ///< its place is still the main lane
  planned,
  schema,
  loading,
  catching_up,
  streaming,  ///< with the others again
  suspended,
  removed,
  cancelling,
  cancelled,
};
std::string_view step_name(LaneStep step);

struct LaneTable {
  TableName source;
  TableName target;  ///< empty before the lane has begun
  LaneStep step = LaneStep::planned;
  std::size_t chunks = 0;  ///< of the full stage; 0 until it has cut the table
  std::size_t chunks_done = 0;
  std::uint64_t copied_rows = 0;
  std::uint64_t estimated_rows = 0;
};
/// "loading 3/12 chunks".
std::string step_text(const LaneTable& table);

/// A lane, and how far it has come.
struct Lane {
  LaneRow row;
  std::vector<LaneTable> tables;
  std::optional<Offset> offset;  ///< everything at or before it is in the target
};

/// Reads weir's own state only.
Lane look_at_lane(const LaneRow& row, StateStore& store);
/// The lane of this number, ended or not.
std::optional<LaneRow> find_lane(const std::string& task, std::uint32_t number, StateStore& store);

/// Tables that were added without the rows that they had, and have not been copied since.
std::vector<TableName> without_history(const std::string& task, StateStore& store);

/// Asks for a new lane, in the name of this user, and keeps that in the task's history. Returns its
/// number. Throws what StateStore::add_lane() does.
std::uint32_t ask_for_lane(LaneRow row, const std::string& what, StateStore& store);
/// Changes a lane that is still in the state of `row`, likewise. Throws Error(state_conflict,
/// "lane.moved-on") if it is in another one by now.
void change_lane(const LaneRow& row, LaneRow changed, const std::string& what, StateStore& store);

/// What somebody has to do so that a suspended lane goes on.
std::string way_out(const LaneRow& row);
/// Why the tables of a suspended lane wait: Error(refused) with the id of what stopped them.
Error suspension(const LaneRow& row);

/// "shop.a, shop.b and 3 more".
std::string names_text(std::span<const TableName> tables);

}  // namespace weir::ops
