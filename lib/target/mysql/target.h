// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "client/mysql.h"
#include "target/mysql/control.h"
#include "target/mysql/table_sql.h"
#include "target/target.h"

namespace weir::mysqltarget {

/// MySQL 8 and MariaDB 10.5, and later.
///
/// The server commits with every definition, so nothing that changes one can share a transaction
/// with a mark: each such step looks at the catalogue first and may be done twice.
class MysqlTarget final : public Target {
 public:
  explicit MysqlTarget(const Task& task);

  std::string version() override;
  std::optional<ServerClock> clock() override;
  Rung rung() const override { return Rung::atomic_offset; }
  std::size_t max_name_bytes() const override { return 64; }
  std::string refuse_name(std::string_view name) const override;
  void plan_types(const Task& task, TablePlan& plan) const override;
  std::string gather(const Task& task, std::span<const TablePlan> plans,
                     const std::optional<Recovered>& recovered) override;
  std::vector<Finding> judge(std::span<const TablePlan> plans,
                             const std::string& facts) const override;
  std::optional<Recovered> recover(const std::string& task) override;
  void start(const std::string& task, const Identity& source, const Offset& start) override;
  void ensure_table(const std::string& task, const TablePlan& plan) override;
  void store_ranges(const std::string& task, const TablePlan& plan,
                    std::span<const KeyRange> ranges) override;
  void full_loaded(const std::string& task, const Offset& full_end) override;
  void move_offset(const std::string& task, const OffsetMove& move) override;
  void split_tables(const std::string& from, const std::string& to,
                    std::span<const TableName> tables) override;
  void join_tables(const std::string& from, const std::string& to) override;
  void forget(const std::string& task, std::span<const TableName> tables) override;
  std::string forget_statement(const std::string& task) const override;
  std::string forget_table_statements(const std::string& task,
                                      const TableName& table) const override;
  std::unique_ptr<Loader> open_loader(const std::string& task) override;
  std::unique_ptr<Applier> open_applier(const std::string& task,
                                        std::span<const TablePlan> plans) override;
  std::optional<std::vector<FoundCounter>> counters(std::span<const CounterPlace> places) override;
  std::vector<std::string> counter_sql(const CounterPlace& place, const FoundCounter& found,
                                       CounterNumber next) const override;
  void drop_beside(std::span<const TableName> tables) override;
  std::string drop_sql(const TableName& table) const override;
  void run_counter_sql(std::span<const std::string> statements) override;

 private:
  /// Connects when first needed: what can be told without a server, is.
  MysqlConnection& connection();
  const TableSql& table_sql();
  bool table_exists(const TableName& name);
  template <class Work>
  void in_transaction(Work&& work);

  Endpoint endpoint_;
  bool native_;  ///< the source's own types are this target's too
  Control control_;
  std::optional<MysqlConnection> connection_;
  std::optional<TableSql> table_sql_;
};

}  // namespace weir::mysqltarget
