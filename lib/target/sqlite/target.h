// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "target/sqlite/writer.h"
#include "target/target.h"

namespace weir::sqlite {

/// One SQLite file, which other programs may read, and write tables of their own to, at any time.
///
/// A file has one schema, main, and takes names that differ in the case of ASCII letters for one.
class SqliteTarget final : public Target {
 public:
  explicit SqliteTarget(const Task& task);

  std::string version() override;
  Rung rung() const override { return Rung::atomic_offset; }
  std::size_t max_name_bytes() const override { return 0; }
  std::string refuse_name(std::string_view name) const override;
  std::string fold_name(std::string_view name) const override;
  std::string only_schema() const override { return "main"; }
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
  template <class Work>
  void in_transaction(Work&& work);

  std::shared_ptr<Writer> writer_;
  std::size_t loader_memory_;
};

}  // namespace weir::sqlite
