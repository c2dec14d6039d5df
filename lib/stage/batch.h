// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/change.h"
#include "model/change_batch.h"
#include "model/table_plan.h"

namespace weir {

/// Gathers row changes into a ChangeBatch and keeps one final operation per key; of a table without
/// one, how often each row is to be inserted or removed. One thread.
class BatchBuilder {
 public:
  /// `plans` must outlive the builder.
  BatchBuilder(std::span<const TablePlan> plans, const std::string& task);

  void begin(Time commit_time);
  /// False, and nothing is done, if the batch must be taken before this change can be added: a row
  /// changes its key and leaves values behind that the log does not carry, and there is more about
  /// one of its keys.
  bool add(const RowChange& change);
  /// All rows of the table go.
  void truncate(std::uint32_t table);
  void end(Time commit_time);

  bool empty() const { return row_events_ == 0; }
  std::size_t bytes() const { return arena_.used(); }
  Time first_commit() const { return first_commit_; }
  /// Whole transactions so far, since the last take().
  std::uint64_t transactions() const { return transactions_; }

  /// A sealed batch with the memory behind it.
  struct Sealed {
    ChangeBatch batch;
    Arena arena;
  };
  /// Moves what was gathered into `out`, whose memory is reused for the next batch.
  void take(Sealed& out, bool ends_transaction);

 private:
  struct Operation {
    const char* key = nullptr;  ///< packed cells of the key
    const char* row = nullptr;  ///< packed cells of all columns; null = remove
    std::uint64_t hash = 0;
    std::uint32_t key_size = 0;
    bool partial = false;  ///< the row has absent cells
  };
  /// How often a whole row of a table without a key came, was replaced by an update, was deleted.
  struct RowCount {
    std::uint32_t came = 0;
    std::uint32_t replaced = 0;
    std::uint32_t deleted = 0;
    const char* row = nullptr;      ///< as an insert has it
    const char* going = nullptr;    ///< as a remove has it
    const char* marking = nullptr;  ///< likewise, with the time of a soft delete
  };
  /// The operations of one table, found by key through an open-addressing table of their numbers.
  struct TableOperations {
    const TablePlan* plan = nullptr;
    std::vector<Operation> operations;
    std::vector<RowCount> counts;      ///< one for each operation, without a key only
    std::vector<std::uint32_t> slots;  ///< number + 1; 0 = free
    std::vector<std::string> added;    ///< values of the added columns that do not change
    std::vector<TableChanges::Move> moves;
    bool truncated = false;
    bool touched() const { return truncated || !operations.empty() || !moves.empty(); }
  };

  Operation& operation_for(TableOperations& table, Row cells);
  Operation& operation_at(TableOperations& table, const char* key, std::size_t size);
  static void grow(TableOperations& table);
  static void clear_slots(TableOperations& table);
  /// `partial` tells whether cells of the row are absent.
  const char* pack_row(TableOperations& table, Row cells, bool& partial);
  const char* pack_key(const TablePlan& plan, Row cells, std::size_t& size);
  /// The operation on the key; null if there is none.
  const Operation* find(const TableOperations& table, Row cells);
  /// Puts what `known` has, a packed row, in place of the absent cells.
  Row filled(const TablePlan& plan, Row cells, const char* known);
  /// A new row of which the log does not carry every column.
  void add_partial(TableOperations& table, Row cells, const char* row);
  bool add_move(TableOperations& table, const RowChange& change);
  RowCount& count_of(TableOperations& table, const char* row, std::size_t key_size);
  void add_whole_rows(TableOperations& table, const RowChange& change);
  /// A row without its added columns' values; `marked` gives the column of a soft delete its time.
  const char* pack_remove(TableOperations& table, Row cells, bool marked, std::size_t& key_size);
  static void take_whole_rows(TableOperations& table, TableChanges& changes);

  std::vector<TableOperations> tables_;  ///< by TablePlan::id
  std::vector<std::uint32_t> touched_;   ///< ids with operations, in order of their first
  Arena arena_;
  std::vector<Cell> filled_;
  std::string execute_time_;
  Time commit_time_{};
  Time first_commit_{};
  Time last_commit_{};
  std::uint64_t transactions_ = 0;
  std::uint64_t row_events_ = 0;
};

/// The value of an added column for one transaction: `constant` with its names filled in. Empty
/// optional = NULL.
std::optional<std::string> added_value(const PlannedColumn& column, const TablePlan& plan,
                                       const std::string& task, const std::string& execute_time);

/// A time as the neutral form of a timestamp with six digits.
std::string timestamp_text(Time time);

}  // namespace weir
