// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>

#include "client/pq.h"
#include "target/postgres/control.h"
#include "target/target.h"

namespace weir::postgres {

/// PostgreSQL 12 and later.
class PostgresTarget final : public Target {
 public:
  explicit PostgresTarget(const Task& task);

  std::string version() override;
  std::optional<ServerClock> clock() override;
  Rung rung() const override { return Rung::atomic_offset; }
  std::size_t max_name_bytes() const override { return 63; }
  std::string refuse_name(std::string_view name) const override;
  void plan_types(const Task& task, TablePlan& plan) const override;
  std::string gather(const Task& task, std::span<const TablePlan> plans,
                     const std::optional<Recovered>& recovered) override;
  std::vector<Finding> judge(std::span<const TablePlan> plans,
                             const std::string& facts) const override;
  void assume(const std::string& facts) override;
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
  Endpoint endpoint_;
  Control control_;
  bool same_product_;  ///< the source is a PostgreSQL too
  /// Connects when first needed: what can be told without a server, is.
  PgConnection& connection() const;
  /// The name here of a type that is not PostgreSQL's own, by its name on the source; "" if there
  /// is none.
  std::string foreign_type(const std::string& native) const;

  template <class Work>
  void in_transaction(Work&& work);

  mutable std::optional<PgConnection> connection_;
  mutable std::map<std::string, std::string> foreign_types_;
  bool asks_types_ = true;
};

}  // namespace weir::postgres
