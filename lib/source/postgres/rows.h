// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/pq.h"
#include "source/postgres/value.h"
#include "source/source.h"

namespace weir::pgsource {

/// The full stage's reader: key-ordered COPYs, each bounded by a LIMIT, so that no statement and
/// no snapshot lives longer than one chunk.
///
/// A table whose key cannot be compared with a literal is one COPY. It is never cut by physical
/// place: between two statements a row may move to a place that was read already, and the change
/// log does not carry its large values then.
///
/// A table without a key is one COPY of the snapshot that a temporary slot exports: what it shows
/// is exactly what commits before the slot's place.
class TableReader final : public RowReader {
 public:
  explicit TableReader(const Endpoint& endpoint);

  std::vector<KeyRange> ranges(const TablePlan& plan, const FullSettings& settings) override;
  ChunkResult read(const TablePlan& plan, const KeyRange& range, const KeyCells& after,
                   std::uint64_t limit, RowSink& sink) override;
  bool read_row(const TablePlan& plan, const KeyCells& key, RowSink& sink) override;

 private:
  std::string key_literal(const ColumnType& type, const std::string& cell) const;
  std::string chunk_query(const TablePlan& plan, const KeyRange& range, const KeyCells& after,
                          std::uint64_t limit) const;
  void check_texts(const TablePlan& plan) const;
  /// Runs `sql` and hands its rows on.
  void copy(const TablePlan& plan, const std::string& sql, std::uint64_t limit, RowSink& sink,
            ChunkResult& result);
  /// Begins a transaction on the snapshot of a new slot, and returns the slot's place.
  Offset begin_snapshot(const TablePlan& plan);

  Endpoint endpoint_;
  PgConnection connection_;
  bool unchecked_texts_;  ///< the database says nothing about its texts' encoding
  std::vector<Cell> cells_;
};

/// Splits one line of COPY's text format into `cells`, in place. Throws Error(failed,
/// "postgres.copy-format") if there are more or fewer.
void split_line(char* line, std::size_t size, std::span<const TextFix> fixes,
                std::span<Cell> cells);

}  // namespace weir::pgsource
