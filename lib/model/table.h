// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/type.h"

namespace weir {

/// A table's two-part name: database (MySQL) or schema (PostgreSQL), then table.
struct TableName {
  std::string schema;
  std::string table;

  auto operator<=>(const TableName&) const = default;
  std::string text() const { return schema + "." + table; }
};

/// One column as the source's catalogue describes it.
struct Column {
  std::string name;
  ColumnType type;
  bool nullable = true;
  bool generated = false;
  bool invisible = false;
  bool auto_increment = false;
  std::string charset;    ///< of a text column, as the source names it; "" otherwise
  std::string collation;  ///< likewise
  /// A constant default as a neutral cell text; empty if there is none or it is an expression.
  std::optional<std::string> default_value;
  std::string comment;
  /// A [ddl] policy left the column out when it was added: it is in the row images, not in the
  /// mapping.
  bool left_out = false;

  bool operator==(const Column&) const = default;
};

/// One part of an index: a column by its place in Table::columns.
struct IndexPart {
  std::uint32_t column = 0;
  std::uint32_t prefix = 0;  ///< characters of a prefix index, 0 = the whole column

  bool operator==(const IndexPart&) const = default;
};

struct Index {
  enum class Kind : std::uint8_t { ordinary, unique, fulltext, spatial, expression };
  std::string name;
  Kind kind = Kind::ordinary;
  std::vector<IndexPart> parts;

  bool operator==(const Index&) const = default;
};

/// Where a column of a changed table comes from.
struct ColumnOrigin {
  static constexpr std::uint32_t kNew = 0xffffffff;

  std::uint32_t before = kNew;  ///< its place in the earlier definition, or kNew
  /// Of a new column: what the rows hold that were there before it, in neutral form; empty = NULL.
  std::optional<std::string> fill;
  std::string fill_unknown;  ///< why `fill` cannot be told: an expression; "" if it can
};

struct Shadow;

/// One table as the source's catalogue describes it.
struct Table {
  TableName name;
  std::vector<Column> columns;  ///< in the order of the change log's row images
  /// The columns that identify a row: the primary key, else the first unique key without nullable
  /// or prefix parts, in key order. Empty if there is none.
  std::vector<std::uint32_t> key;
  bool key_is_primary = false;
  std::string key_name;        ///< the index behind `key`
  std::vector<Index> indexes;  ///< without the primary key
  std::uint64_t estimated_rows = 0;
  std::uint64_t estimated_bytes = 0;
  std::string engine;     ///< "InnoDB"
  std::string charset;    ///< that a new text column gets, as the source names it
  std::string collation;  ///< likewise
  std::string comment;
  /// The source dropped or renamed it, and a [ddl] policy let that pass: no change can follow.
  bool gone = false;
  /// Tables that online schema changes are filling, to take this one's place.
  std::vector<Shadow> shadows;
};

/// A table that gets the rows of another one and will take its place.
struct Shadow {
  Table table;
  /// One for each of its columns: what it was in the table whose place it takes.
  std::vector<ColumnOrigin> origins;
  std::string problem;  ///< why its definition is not known; "" if it is
};

}  // namespace weir
