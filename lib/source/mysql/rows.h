// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "client/mysql.h"
#include "model/change_batch.h"
#include "source/mysql/text_value.h"
#include "source/source.h"

namespace weir::mysql {

/// The full stage's reader: key-ordered SELECTs, each bounded by a LIMIT, so that no statement
/// lives longer than one chunk. A table without a key is one statement in one snapshot.
class TableReader final : public RowReader {
 public:
  TableReader(const Endpoint& endpoint, TypeSettings types);

  std::vector<KeyRange> ranges(const TablePlan& plan, const FullSettings& settings) override;
  ChunkResult read(const TablePlan& plan, const KeyRange& range, const KeyCells& after,
                   std::uint64_t limit, RowSink& sink) override;

 private:
  std::string chunk_query(const TablePlan& plan, const KeyRange& range, const KeyCells& after,
                          std::uint64_t limit) const;

  /// Reads what `sql` selects from one exact snapshot; its place is ChunkResult::snapshot.
  ChunkResult read_snapshot(const TablePlan& plan, const std::string& sql, RowSink& sink);
  /// Adds what it reads to `result`, also if it throws.
  /// Throws if the table no longer looks as the plan says.
  void check_definition(const TablePlan& plan);
  void read_rows(const TablePlan& plan, const std::string& sql, std::uint64_t limit, RowSink& sink,
                 ChunkResult& result);

  Endpoint endpoint_;
  MysqlConnection connection_;
  TypeSettings types_;
  Arena arena_;
  std::vector<Cell> cells_;
};

/// A key cell as an SQL literal that compares with its column in the column's own collation.
std::string key_literal(const Column& column, const std::string& cell,
                        const MysqlConnection& connection);

}  // namespace weir::mysql
