// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "client/pq.h"
#include "model/change.h"
#include "model/table.h"
#include "model/type.h"
#include "source/postgres/pgoutput.h"

namespace weir::pgsource {

/// A column of a table as the catalogue has it now, which may be later than the log's place.
struct CatalogueColumn {
  int number = 0;  ///< attnum: grows with each column that is added, and is never used again
  std::string name;
  bool dropped = false;
  bool dropped_now = false;  ///< in the transaction that is looked at, which only a trigger tells
  bool generated = false;
  bool not_null = false;
  std::uint32_t type = 0;
  std::int32_t modifier = -1;
  /// What the rows show that were there before the column; empty = NULL.
  std::optional<std::string> fill;
  std::string fill_unknown;  ///< why that cannot be told; "" if it can
};

/// Types by id and modifier, as column_type() has them. One that the catalogue no longer has is
/// missing.
using TypeMap = std::map<std::pair<std::uint32_t, std::int32_t>, ColumnType>;

/// Adds to `types` those that the columns of `relation` need and that are not in it.
void read_types(PgConnection& connection, const RelationMessage& relation, TypeMap& types);
bool has_types(const RelationMessage& relation, const TypeMap& types);

/// The columns of a table, dropped ones too, in order. Empty if the table is gone.
std::vector<CatalogueColumn> read_columns(PgConnection& connection, std::uint32_t relation,
                                          const TypeMap& types);

/// A row of columns_sql().
struct ColumnFacts {
  int number = 0;
  std::string name;
  bool dropped = false;
  bool not_null = false;
  bool generated = false;
  bool identity = false;
  std::string expression;  ///< of its default
  bool has_missing = false;
  std::optional<std::string> missing;  ///< what it shows in rows that were there before it
  std::uint32_t type = 0;
  std::int32_t modifier = -1;
  bool never_rewritten = false;  ///< the table is in its first file still
};

/// The query for a table's columns, where `relation` is an expression for its oid.
std::string columns_sql(const std::string& relation);
CatalogueColumn catalogue_column(ColumnFacts facts, const TypeMap& types);

/// Whether rows as `relation` announces them are rows of `known`.
bool fits(const Table& known, const RelationMessage& relation, const TypeMap& types);

/// What became of `known` when the log announces rows as `relation`: changes one after another,
/// each with a definition; none if they fit. `columns` are those of read_columns(): they tell a
/// column that got another name from one that took another's place. Pure.
///
/// A relation message says nothing about defaults, NOT NULL, indexes and labels: of a column that
/// stays they are kept as they are known, and a new column is taken for nullable.
std::vector<SchemaChange> compare_relation(const Table& known, const RelationMessage& relation,
                                           const TypeMap& types,
                                           std::span<const CatalogueColumn> columns);

/// What the columns of `before` became when the same table is announced as `after` later in the
/// transaction: places in `after`, or kDropped.
struct ColumnMatch {
  static constexpr std::uint32_t kDropped = 0xffffffff;
  std::vector<std::uint32_t> became;
  std::string ambiguous;  ///< why that cannot be told; "" if it can
};
ColumnMatch match_columns(const RelationMessage& before, const RelationMessage& after,
                          const TypeMap& types, std::span<const CatalogueColumn> columns);

}  // namespace weir::pgsource
