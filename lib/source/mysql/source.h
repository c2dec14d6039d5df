// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "client/mysql.h"
#include "source/source.h"

namespace weir::mysql {

/// MySQL 5.7 and later, MariaDB 10.5 and later.
class MysqlSource final : public Source {
 public:
  explicit MysqlSource(const Task& task);

  std::string version() override;
  std::optional<ServerClock> clock() override;
  Identity identity() override;
  std::vector<TableName> tables() override;
  std::vector<Table> describe(std::span<const TableName> names) override;
  std::string gather(const Task& task, std::span<const TablePlan> plans, bool is_new) override;
  std::vector<Finding> judge(std::span<const TablePlan> plans,
                             const std::string& facts) const override;
  void prepare(std::span<const TablePlan>) override {}
  Offset start_offset() override;
  Offset log_end() override;
  std::optional<Finding> can_resume(const Offset& offset, const Identity& identity) override;
  std::optional<RetentionFacts> retention(const Offset& offset, const Identity& identity) override;
  FoundOffset find_offset(const OffsetRequest& request) override;
  std::optional<LogDistance> distance(const Offset& from, const Offset& to) override;
  bool reached(const Offset& a, const Offset& b) const override;
  std::unique_ptr<RowReader> open_rows() override;
  std::unique_ptr<ChangeReader> open_changes(const Offset& from,
                                             std::span<const TablePlan> plans) override;
  std::unique_ptr<Heartbeat> open_heartbeat() override;
  std::optional<std::vector<Counter>> counters(std::span<const TablePlan> plans) override;

 private:
  MysqlConnection& connection();

  Task task_;
  std::optional<MysqlConnection> connection_;
};

}  // namespace weir::mysql
