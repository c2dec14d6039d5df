// SPDX-License-Identifier: Apache-2.0
#include "store/lane_task.h"

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

}  // namespace weir
