// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "client/mysql.h"
#include "model/table.h"
#include "model/task.h"
#include "source/mysql/binlog_event.h"
#include "source/source.h"

namespace weir::mysql {

/// The statements about a heartbeat table, each without an end.
struct HeartbeatSql {
  std::string create_schema;
  std::string create_table;
  std::string beat;   ///< writes the row of a task
  std::string grant;  ///< what the account of `connection` needs for it
};
HeartbeatSql heartbeat_sql(MysqlConnection& connection, const TableName& table,
                           const std::string& task, Time written);

class MysqlHeartbeat final : public Heartbeat {
 public:
  explicit MysqlHeartbeat(const Task& task);
  void beat(Time written) override;

 private:
  void write(Time written);

  Endpoint source_;
  std::string task_;
  std::optional<MysqlConnection> connection_;
};

/// Finds the beats of one task in the log. The table is read as the log describes it, so that one
/// that somebody made otherwise costs the heartbeat at most, never the task.
class BeatFinder {
 public:
  BeatFinder(TableName table, std::string task);

  bool is_table(const TableMap& map) const;
  /// When the last beat of the task in `event` was written; empty if it holds none that can be
  /// read.
  std::optional<Time> find(const RowsEvent& event, const TableMap& map) const;

 private:
  TableName table_;
  std::string task_;
};

}  // namespace weir::mysql
