// SPDX-License-Identifier: Apache-2.0
#include "store/lane_task.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "model/lane.h"

namespace weir {

Task main_lane(Task task, std::span<const LaneRow> lanes) {
  for (const LaneRow& lane : lanes) {
    task.without.insert(lane.tables.begin(), lane.tables.end());
  }
  return task;
}

Task side_lane(Task task, const LaneRow& lane) {
  task.name = lane_name(lane.task, lane.number);
  task.only.emplace(lane.tables.begin(), lane.tables.end());
  task.without.clear();
  task.source.heartbeat = std::chrono::milliseconds(0);
  // A table that gets another name on the target is new there.
  if (lane.purpose == LaneRow::Purpose::reload && !lane.reload_mode.empty()) {
    for (TableRule& rule : task.tables) rule.existing = ExistingPolicy::truncate;
  }
  return task;
}

void move_tables(StateStore& store, const std::string& from, const std::string& to,
                 std::span<const TableName> tables) {
  std::vector<TableRow> moved;
  std::vector<TableName> left;
  for (TableRow& row : store.tables(from)) {
    if (std::ranges::find(tables, row.source) == tables.end()) {
      left.push_back(row.source);
    } else {
      moved.push_back(std::move(row));
    }
  }
  store.put_tables(to, moved);
  store.retain_tables(from, left);
}

}  // namespace weir
