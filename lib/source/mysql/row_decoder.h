// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/cell.h"
#include "model/change_batch.h"
#include "model/table.h"
#include "model/task.h"
#include "source/mysql/binlog_event.h"
#include "source/mysql/charset.h"

namespace weir::mysql {

/// Decodes the row images of one table into neutral cells (model/type.h).
///
/// Made once per table map; the decision how to read a column is taken then, not per cell. One
/// thread. Specification: "Row-based binary logging" in the MySQL source documentation, and
/// what real servers wrote (the server tests).
class RowDecoder {
 public:
  /// `table` is the catalogue's definition, which supplies what the map does not say (signedness,
  /// charsets, members, uuid/inet/vector behind STRING and VARCHAR on MariaDB). `wanted[i]` tells
  /// whether column i is needed; others become absent. `charsets[i]` converts column i,
  /// enumerations and sets included; null = as is. Throws Error(refused, "mysql.definition") if map
  /// and table disagree in number of columns or in a column's type, length, signedness, name or
  /// labels: what, which column, and that the definition at this position is not the one weir
  /// knows.
  RowDecoder(const TableMap& map, const Table& table, const std::vector<bool>& wanted,
             std::span<const std::shared_ptr<const Charset>> charsets,
             const TypeSettings& settings);
  ~RowDecoder();
  RowDecoder(RowDecoder&&) noexcept;

  /// Decodes one row image that begins at `at`. `present` is the event's bitmap of columns in the
  /// image, null = all. Fills `cells` (one per table column; absent where not in the image or not
  /// wanted), with views into the event, into `arena` or into this decoder. Returns the end of the
  /// image. Throws Error(failed, "binlog.malformed") past the end, Error(refused,
  /// "mysql.zero-date") by policy, Error(failed, "mysql.label") where the catalogue cannot be
  /// trusted with a label.
  const char* decode(const char* at, const char* end, const std::uint8_t* present,
                     std::span<Cell> cells, Arena& arena) const;

 private:
  struct Column;
  struct Detail;
  class Scratch;
  class Planner;

  Cell read(const Column& column, const Detail& detail, std::string_view value, Arena& arena) const;

  std::vector<Column> columns_;
  std::vector<Detail> details_;  // by column; what only some values need
  std::unique_ptr<Scratch> scratch_;
  ZeroDatePolicy zero_dates_;
  std::string table_;
};

}  // namespace weir::mysql
