// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "client/pq.h"
#include "target/postgres/control.h"
#include "target/postgres/encode.h"
#include "target/target.h"

namespace weir::postgres {

/// Applies batches set-wise: for each table one DELETE and one upsert over arrays, sent as one
/// pipeline together with the offset and the COMMIT. A table without a key has its rows removed by
/// value, as many of each as went; the batch then waits before its COMMIT, to see that all were
/// found.
class SetApplier final : public Applier {
 public:
  /// Waits up to 30 s for the lock of an earlier worker whose session has not ended yet, then for
  /// its loaders. Throws Error(state_conflict, "postgres.task-held").
  SetApplier(const Endpoint& endpoint, const std::string& task, std::span<const TablePlan> plans);

  void apply(const ChangeBatch& batch) override;
  AlterResult truncate(const TablePlan& plan, const Offset& offset) override;
  AlterResult alter(const TableAlter& alter, const Offset& offset) override;
  void merge(std::span<const TablePlan> plans) override;
  Timing last_timing() const override { return timing_; }

 private:
  /// The statements of one table, prepared when first needed.
  struct TableStatements {
    const TablePlan* plan = nullptr;
    std::vector<Encoding> encodings;      ///< per planned column
    std::vector<Encoding> key_encodings;  ///< per key column
    std::string upsert;  ///< name of the prepared statement, "" while there is none
    std::string remove;
    // Of a table without a key:
    std::string remove_whole;
    std::string mark_whole;
    // For rows without some columns, by the columns that are there ('1') and are not ('0'):
    std::map<std::string, std::string> patches;
    std::map<std::string, std::string> moves;
  };
  /// Whole rows that a statement of the batch in hand is to find.
  struct WholeRows {
    const TablePlan* plan = nullptr;
    std::size_t count = 0;
  };

  void wait_for_locks();
  /// Once the tables are there: whether their triggers and foreign keys are to be passed over.
  void choose_role();
  void send_removes(TableStatements& table, const TableChanges& changes, const ChangeBatch& batch);
  void send_upserts(TableStatements& table, const TableChanges& changes);
  /// Rows that are there get the columns that came; one statement for each set of columns.
  void send_patches(TableStatements& table, const TableChanges& changes);
  void send_move(TableStatements& table, const TableChanges::Move& move, const ChangeBatch& batch);
  /// All moves of the batch, and waits for them: each must have found its row.
  void move_rows(const ChangeBatch& batch);
  /// In one statement, so that foreign keys between them do not matter.
  void empty_tables(const ChangeBatch& batch);
  void send_whole_inserts(TableStatements& table, const TableChanges& changes);
  void send_whole_removes(TableStatements& table, const TableChanges& changes,
                          const ChangeBatch& batch);
  /// One statement for the removes that are to be marked, or for the others; nothing if there are
  /// none.
  void send_whole_removes(TableStatements& table, const TableChanges& changes, bool marked,
                          const std::string& time);
  /// Waits for what was sent so far and checks that each whole row was found.
  void check_whole_rows();
  /// `error` with the table and the key of the row that the target does not take.
  Error refused_row(const ChangeBatch& batch, const Error& error);
  /// Tries the batch's rows in parts, in transactions that are rolled back, until one is left that
  /// is refused by itself. False if each of them is taken then.
  bool find_refused(const ChangeBatch& batch, const TablePlan*& plan, std::string& key);
  bool takes(TableStatements& table, std::span<const PackedRow> rows, bool patches);
  void send_offset(const Offset& offset);
  void send_full_end(const Offset& full_end);

  PgConnection connection_;
  Control control_;
  std::string task_;
  std::map<std::uint32_t, TableStatements> tables_;
  std::vector<ArrayParam> arrays_;
  std::vector<const char*> cursors_;
  std::vector<WholeRows> whole_rows_;  ///< in the order of their statements
  bool role_chosen_ = false;
  bool open_ = false;  ///< a transaction is open between two batches
  Timing timing_;
};

}  // namespace weir::postgres
