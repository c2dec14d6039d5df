// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "client/pq.h"
#include "source/source.h"

namespace weir::pgsource {

/// One database of a PostgreSQL server, 15 and later, through logical decoding: a publication that
/// lists the task's tables, and a slot with pgoutput.
class PgSource final : public Source {
 public:
  explicit PgSource(const Task& task);

  std::string version() override;
  std::optional<ServerClock> clock() override;
  Identity identity() override;
  std::vector<TableName> tables() override;
  std::vector<Table> describe(std::span<const TableName> names) override;
  std::string gather(const Task& task, std::span<const TablePlan> plans, bool is_new) override;
  std::vector<Finding> judge(std::span<const TablePlan> plans,
                             const std::string& facts) const override;
  void prepare(std::span<const TablePlan> plans) override;
  void branch(const Task& parent) override;
  void release() override;
  Offset start_offset() override;
  Offset log_end() override;
  std::optional<Finding> can_resume(const Offset& offset, const Identity& identity) override;
  std::optional<RetentionFacts> retention(const Offset& offset, const Identity& identity) override;
  FoundOffset find_offset(const OffsetRequest& request) override;
  std::optional<LogDistance> distance(const Offset& from, const Offset& to) override;
  Offset claim(const FoundOffset& found) override;
  std::string let_go(const Offset& offset) override;
  bool reached(const Offset& a, const Offset& b) const override;
  std::unique_ptr<RowReader> open_rows() override;
  std::unique_ptr<ChangeReader> open_changes(const Offset& from,
                                             std::span<const TablePlan> plans) override;
  std::optional<std::vector<Counter>> counters(std::span<const TablePlan> plans) override;
  std::unique_ptr<Heartbeat> open_heartbeat() override;

 private:
  PgConnection& connection();

  Task task_;
  std::optional<PgConnection> connection_;
};

}  // namespace weir::pgsource
