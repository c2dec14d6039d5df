// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "target/sqlite/control.h"
#include "target/sqlite/types.h"
#include "target/sqlite/writer.h"
#include "target/target.h"

namespace weir::sqlite {

/// Applies batches row by row with prepared statements, in one transaction with the offset.
class RowApplier final : public Applier {
 public:
  /// Throws what TaskLock does.
  RowApplier(std::shared_ptr<Writer> writer, const std::string& task,
             std::span<const TablePlan> plans);
  ~RowApplier() override;
  RowApplier(const RowApplier&) = delete;
  RowApplier& operator=(const RowApplier&) = delete;

  void apply(const ChangeBatch& batch) override;
  AlterResult truncate(const TablePlan& plan, const Offset& offset) override;
  AlterResult alter(const TableAlter& alter, const Offset& offset) override;
  void merge(std::span<const TablePlan> plans) override;
  Timing last_timing() const override { return timing_; }

 private:
  /// The statements of one table, prepared when first needed.
  struct TableStatements {
    const TablePlan* plan = nullptr;
    std::vector<Encoding> encodings;  ///< per planned column
    std::optional<SqliteStatement> upsert;
    std::optional<SqliteStatement> remove;
    std::optional<SqliteStatement> mark;  ///< whole rows with deletes = soft
    /// By which columns are set, one character for each.
    std::map<std::string, SqliteStatement> patches;
  };
  /// What a transaction has while it is open, perhaps between two batches.
  struct Open {
    explicit Open(Writer& writer);

    Writer::Turn turn;
    SqliteTransaction transaction;
  };

  void change(TableStatements& table, const TableChanges& changes, const std::string& time);
  /// Gives a row another key; columns that are absent keep what they have.
  void move(TableStatements& table, const TableChanges::Move& move, const std::string& time);
  bool is_there(TableStatements& table, const PackedRow& row);
  /// Puts a copy of the row with the old key in the place of the new one; how many rows it found.
  std::int64_t copy(TableStatements& table, const TableChanges::Move& move);
  void bind_key(SqliteStatement& statement, const TableStatements& table, const PackedRow& row);
  void upsert(TableStatements& table, const PackedRow& row);
  void remove(TableStatements& table, const PackedRow& key, const std::string& time);
  void remove_whole(TableStatements& table, const PackedRow& row);
  /// Sets the columns of `row` that are not absent where the key is the one packed at `key`, or the
  /// row's own; how many rows it found.
  std::int64_t patch(TableStatements& table, const PackedRow& row, const PackedRow* key);
  SqliteDatabase& database() { return *open_->turn; }

  std::shared_ptr<Writer> writer_;
  std::string task_;
  TaskLock lock_;
  std::map<std::uint32_t, TableStatements> tables_;
  std::optional<Open> open_;
  std::vector<Cell> cells_;
  std::string mask_;
  Timing timing_;
};

}  // namespace weir::sqlite
