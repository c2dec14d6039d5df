// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "client/pq.h"
#include "target/postgres/control.h"
#include "target/target.h"

namespace weir::postgres {

/// PostgreSQL 12 and later.
class PostgresTarget final : public Target {
 public:
  explicit PostgresTarget(const Task& task);

  std::string version() override;
  Rung rung() const override { return Rung::atomic_offset; }
  std::size_t max_name_bytes() const override { return 63; }
  std::string refuse_name(std::string_view name) const override;
  void plan_types(const Task& task, TablePlan& plan) const override;
  std::vector<Finding> preflight(const Task& task, std::span<const TablePlan> plans,
                                 const std::optional<Recovered>& recovered) override;
  std::optional<Recovered> recover(const std::string& task) override;
  void start(const std::string& task, const Identity& source, const Offset& start) override;
  void ensure_table(const std::string& task, const TablePlan& plan) override;
  void store_ranges(const std::string& task, const TablePlan& plan,
                    std::span<const KeyRange> ranges) override;
  void full_loaded(const std::string& task, const Offset& full_end) override;
  std::string forget_statement(const std::string& task) const override;
  std::unique_ptr<Loader> open_loader(const std::string& task) override;
  std::unique_ptr<Applier> open_applier(const std::string& task,
                                        std::span<const TablePlan> plans) override;

 private:
  Endpoint endpoint_;
  Control control_;
  /// Connects when first needed: what can be told without a server, is.
  PgConnection& connection();

  std::optional<PgConnection> connection_;
};

}  // namespace weir::postgres
