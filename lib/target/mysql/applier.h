// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/mysql.h"
#include "target/mysql/control.h"
#include "target/mysql/encode.h"
#include "target/mysql/table_sql.h"
#include "target/target.h"

namespace weir::mysqltarget {

/// Applies batches set-wise: for each table one DELETE and one INSERT over many rows, sent in as
/// few messages as the server takes, the last of them with the offset and the COMMIT.
///
/// An index is unique at every moment here, not only at the end of a transaction. So where a table
/// has one besides its key, all rows that a batch touches are deleted before the first is inserted:
/// what is left and what comes are then parts of one state that the source has shown.
class SetApplier final : public Applier {
 public:
  /// Waits up to 30 s for the lock of an earlier worker whose session has not ended yet, then for
  /// its loaders. Throws Error(state_conflict, "mysql-target.task-held").
  SetApplier(const Endpoint& endpoint, const std::string& task, std::span<const TablePlan> plans,
             bool native);

  void apply(const ChangeBatch& batch) override;
  AlterResult truncate(const TablePlan& plan, const Offset& offset) override;
  AlterResult alter(const TableAlter& alter, const Offset& offset) override;
  void merge(std::span<const TablePlan> plans) override;
  Timing last_timing() const override { return timing_; }

 private:
  /// What the statements of one table are made of; asked of the catalogue when first needed.
  struct TableState {
    const TablePlan* plan = nullptr;
    bool known = false;
    std::vector<WrittenColumn> columns;
    bool may_have_errors = false;  ///< a column has_error_value
    bool other_unique = false;     ///< the target has unique indexes besides the key
    std::string name;              ///< `db`.`table`
    std::string insert_head;       ///< up to VALUES
    std::string upsert_tail;       ///< ON DUPLICATE KEY UPDATE ...
    std::string key_in;            ///< "`a` IN (" or "(`a`, `b`) IN ("
    std::string held;              ///< ", `t` = `t`" of columns that the server would set itself
    std::string all_columns;       ///< of the target that take values, comma-separated
  };
  /// One statement of the message: which rows it is about.
  struct Statement {
    const TableState* table = nullptr;
    const PackedRow* first = nullptr;
    std::size_t count = 0;
    bool key_only = false;   ///< the rows are keys
    bool exactly = false;    ///< it must find as many rows
    std::size_t errors = 0;  ///< error values that it is lenient about
  };

  void wait_for_locks();
  TableState& state_of(std::uint32_t table);
  void describe(TableState& table);

  void add_table(TableState& table, const TableChanges& changes, const ChangeBatch& batch);
  void add_whole_removes(TableState& table, const TableChanges& changes);
  void add_folded(TableState& table, const TableChanges& changes);
  void add_inserts(TableState& table, std::span<const PackedRow> rows, std::string_view tail);
  void add_some_inserts(TableState& table, std::span<const PackedRow> rows, std::string_view tail);
  enum class Cells : std::uint8_t { key, row, move };
  /// head, the keys of the rows, ")" and again as often as the rows need.
  void add_by_keys(TableState& table, std::string_view head, std::span<const PackedRow> rows,
                   Cells cells);
  void add_patch(TableState& table, std::string_view name, const PackedRow& row,
                 const PackedRow* from);
  /// Gives a row another key; `deleted` is the time of a soft delete, or "".
  void add_move(TableState& table, std::string_view name, const TableChanges::Move& move,
                const std::string& deleted);
  /// "`id` IN (5)".
  void write_cells_key(const TableState& table, const PackedRow& row, bool key_only);
  void add_offset(const Offset& offset);

  void begin_statement(const Statement& statement, std::string_view head);
  /// Rows as one statement or several: `head`, then what `write` makes of each row with commas
  /// between, then `tail`.
  template <class Write>
  void add_rows(TableState& table, std::span<const PackedRow> rows, bool key_only,
                std::string_view head, std::string_view tail, Write&& write);
  void write_key(const TableState& table);
  void take_cells(const PackedRow& row, std::size_t count);
  void send();
  [[noreturn]] void refuse(const Error& error, const Statement& statement);
  [[noreturn]] void refuse_size(const TableState& table, const PackedRow& row, bool key_only);
  std::string key_of(const TableState& table, const PackedRow& row, bool key_only);
  void roll_back() noexcept;

  MysqlConnection connection_;
  Control control_;
  std::string task_;
  TableSql table_sql_;
  std::size_t most_;  ///< bytes that fit into one message
  std::map<std::uint32_t, TableState> tables_;
  RowBuffer message_;
  std::vector<Statement> statements_;
  std::vector<MysqlConnection::Outcome> outcomes_;
  std::vector<Cell> cells_;
  std::vector<Cell> key_;
  std::deque<std::vector<PackedRow>> moved_;  ///< keys that statements_ points to
  std::size_t errors_ = 0;                    ///< Statement::errors of those that begin now
  bool open_ = false;                         ///< a transaction is open between two batches
  Timing timing_;
};

}  // namespace weir::mysqltarget
