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
                          std::uint64_t limit, CopyFormat format) const;
  /// What `sink` takes and this database has.
  CopyFormat format_for(const RowSink& sink) const;
  void check_texts(const TablePlan& plan) const;
  /// Runs `sql` and hands its rows on: as they come if `format` says one.
  void copy(const TablePlan& plan, const std::string& sql, CopyFormat format, std::uint64_t limit,
            RowSink& sink, ChunkResult& result);
  /// The key of the row in cells_.
  KeyCells last_cells(const TablePlan& plan) const;
  /// Has the server say as neutral text what it sent in its binary form.
  void to_text(const TablePlan& plan, KeyCells& key);
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

/// A message of COPY's binary format without the header that the first one of a stream begins with;
/// empty for the end of the stream. Throws Error(failed, "postgres.copy-format").
std::string_view tuple_of(std::string_view message, bool is_first);

/// The columns of a tuple of COPY's binary format, in the server's binary form, where they lie.
/// Throws Error(failed, "postgres.copy-format") if there are more or fewer.
void split_tuple(std::string_view tuple, std::span<Cell> cells);

}  // namespace weir::pgsource
