// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "client/mysql.h"
#include "target/mysql/control.h"
#include "target/mysql/encode.h"
#include "target/mysql/table_sql.h"
#include "target/target.h"

namespace weir::mysqltarget {

/// Loads chunks by LOAD DATA LOCAL INFILE from memory, or by multi-row INSERT where the server does
/// not allow that. Each chunk is one transaction: the rows and the mark.
///
/// The transaction holds a shared lock on the task's row, so that the next worker can tell when the
/// loaders of a killed one have ended.
class FileLoader final : public Loader {
 public:
  FileLoader(const Endpoint& endpoint, const std::string& task, bool native);

  void begin(const TablePlan& plan, Row added) override;
  void row(Row cells) override;
  void commit(const RangeProgress& mark) override;
  void abandon() noexcept override;
  std::vector<std::string> finish(const TablePlan& plan) override;
  std::vector<std::string> finish_unique(const TablePlan& plan) override;
  std::uint64_t chunk_bytes() const override { return sent_ + buffer_.size(); }

 private:
  bool created_here(const TablePlan& plan);
  /// What is sent before and behind the rows of a statement, and how each column is written.
  void describe(const TablePlan& plan);
  void send();
  void check_warnings();
  /// Throws Error(refused, "mysql-target.row-refused") for the row that the server names.
  [[noreturn]] void refuse_row(unsigned number, const std::string& message);
  std::string key_of_sent_row(std::uint64_t row) const;
  /// Builds the plain indexes, or the unique ones, and then sets `mark`.
  std::vector<std::string> build_and_mark(const TablePlan& plan, bool unique, const char* mark);
  std::vector<std::string> build(const TablePlan& plan, bool unique);

  MysqlConnection connection_;
  Control control_;
  std::string task_;
  TableSql table_sql_;
  bool by_file_;
  std::size_t send_at_;
  RowBuffer buffer_;
  std::vector<MysqlConnection::Outcome> outcomes_;
  const TablePlan* plan_ = nullptr;
  std::vector<WrittenColumn> columns_;
  std::string head_;              ///< INSERT INTO ... VALUES, or the whole LOAD DATA statement
  std::string added_;             ///< the added columns behind each row, with the end of the row
  bool may_have_errors_ = false;  ///< a column has_error_value
  std::uint64_t rows_ = 0;        ///< in the buffer
  std::uint64_t errors_ = 0;      ///< error values among them
  std::uint64_t sent_ = 0;
};

}  // namespace weir::mysqltarget
