// SPDX-License-Identifier: Apache-2.0
#include "target/sqlite/schema.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "model/swap_name.h"

namespace weir::sqlite {
namespace {

/// Rows of a table without a rowid lie in its key's B-tree, which copies and finds them faster as
/// long as a page holds several.
constexpr std::uint64_t kSmallRow = 2000;

/// About the most bytes that a row can have; columns without a limit count as large.
std::uint64_t row_size(const TablePlan& plan) {
  std::uint64_t size = 0;
  for (const PlannedColumn& column : plan.columns) {
    switch (column.type.kind) {
      case TypeKind::text:
      case TypeKind::bytes:
        size += column.type.length == 0 || column.added() ? kSmallRow + 1 : column.type.length;
        break;
      case TypeKind::json:
      case TypeKind::geometry:
      case TypeKind::array:
      case TypeKind::other:
        size += kSmallRow + 1;
        break;
      case TypeKind::vector:
        size += column.type.length * 4;
        break;
      default:
        size += 16;
    }
  }
  return size;
}

/// The default as SQL; none where the neutral text is no value of the column.
std::optional<std::string> default_sql(const Column& column, const PlannedColumn& planned) {
  if (!column.default_value || column.generated) return std::nullopt;
  const std::string& text = *column.default_value;
  switch (column.type.kind) {
    case TypeKind::bytes:
    case TypeKind::bits:
    case TypeKind::geometry:
    case TypeKind::vector:
    case TypeKind::json:
      return std::nullopt;
    case TypeKind::date:
    case TypeKind::datetime:
    case TypeKind::timestamp:
      if (text.starts_with("0000") || text.find("-00") != std::string::npos) return std::nullopt;
      break;
    default:
      break;
  }
  // The column's type turns the text of a number into one.
  if (storage(planned.target_type, true) == Storage::blob) return std::nullopt;
  const bool is_any_number =
      column.type.kind == TypeKind::uint64 && storage(planned.target_type, true) == Storage::any;
  return is_any_number && text.size() < 19 ? text : sqlite_literal(text);
}

bool is_integer_key(const ExistingTable& table) {
  if (table.key.size() != 1) return false;
  const TableColumn* column = table.find(table.key[0]);
  return column != nullptr && equals_ignoring_case(column->declared, "INTEGER");
}

std::set<std::string> folded(const std::vector<std::string>& names) {
  std::set<std::string> out;
  for (const std::string& name : names) out.insert(to_lower(name));
  return out;
}

}  // namespace

std::string table_sql(const TablePlan& plan) { return sqlite_identifier(plan.target.table); }

const TableColumn* ExistingTable::find(std::string_view name) const {
  const auto at = std::find_if(columns.begin(), columns.end(), [name](const TableColumn& column) {
    return equals_ignoring_case(column.name, name);
  });
  return at == columns.end() ? nullptr : &*at;
}

std::optional<ExistingTable> describe(const SqliteDatabase& database, const std::string& table) {
  SqliteStatement list =
      database.prepare("SELECT type, strict, wr FROM pragma_table_list(?) WHERE schema = 'main'");
  list.bind(table);
  if (!list.step()) return std::nullopt;
  ExistingTable out;
  out.is_table = list.text(0) == "table";
  out.strict = list.integer(1) != 0;
  out.has_rowid = list.integer(2) == 0;
  std::map<std::int64_t, std::string> key;
  SqliteStatement row = database.prepare(
      "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?)");
  row.bind(table);
  while (row.step()) {
    TableColumn column;
    column.name = row.text(0);
    column.declared = row.text(1);
    column.not_null = row.integer(2) != 0;
    if (!row.is_null(3)) column.default_sql = row.text(3);
    if (row.integer(4) > 0) key.emplace(row.integer(4), column.name);
    column.generated = row.integer(5) != 0;
    out.columns.push_back(std::move(column));
  }
  for (auto& [place, name] : key) out.key.push_back(std::move(name));
  return out;
}

ExistingTable planned_table(const TablePlan& plan) {
  ExistingTable out;
  out.is_table = true;
  out.strict = true;
  for (const PlannedColumn& planned : plan.columns) {
    TableColumn column;
    column.name = planned.name;
    column.declared = planned.target_type;
    column.not_null = !planned.nullable;
    if (!planned.added()) {
      column.default_sql = default_sql(plan.source.columns[planned.source], planned);
    }
    out.columns.push_back(std::move(column));
  }
  for (const std::uint32_t part : plan.key) out.key.push_back(plan.columns[part].name);
  out.has_rowid = out.key.empty() || is_integer_key(out) || row_size(plan) > kSmallRow;
  return out;
}

std::string create_sql(const ExistingTable& table, const std::string& name) {
  const bool integer_key = table.has_rowid && is_integer_key(table);
  std::string columns;
  for (const TableColumn& column : table.columns) {
    columns += fmt::format("{}\n  {} {}", columns.empty() ? "" : ",",
                           sqlite_identifier(column.name), column.declared);
    if (column.default_sql) columns += " DEFAULT " + *column.default_sql;
    if (column.not_null) columns += " NOT NULL";
    if (integer_key && column.name == table.key[0]) columns += " PRIMARY KEY";
  }
  if (!table.key.empty() && !integer_key) {
    std::string key;
    for (const std::string& part : table.key) {
      key += (key.empty() ? "" : ", ") + sqlite_identifier(part);
    }
    columns += fmt::format(",\n  PRIMARY KEY ({})", key);
  }
  std::string options = table.strict ? " STRICT" : "";
  if (!table.has_rowid) options += table.strict ? ", WITHOUT ROWID" : " WITHOUT ROWID";
  return fmt::format("CREATE TABLE {} ({}){}", sqlite_identifier(name), columns, options);
}

std::string index_name(const std::string& table, const std::string& index) {
  return table + "_" + index;
}

IndexSql index_sql(const SqliteDatabase& database, const TablePlan& plan, const Index& index) {
  std::string name = index_name(plan.target.table, index.name);
  const auto not_built = [&](std::string_view reason) {
    return IndexSql{"", fmt::format("index {} of {} was not built: {}", index.name,
                                    plan.target.text(), reason)};
  };
  if (index.kind != Index::Kind::ordinary && index.kind != Index::Kind::unique) {
    return not_built("SQLite has no such kind of index");
  }
  std::string columns;
  for (const IndexPart& part : index.parts) {
    const auto planned =
        std::find_if(plan.columns.begin(), plan.columns.end(),
                     [&](const PlannedColumn& c) { return c.source == part.column; });
    if (planned == plan.columns.end()) {
      return not_built(
          fmt::format("column {} is not copied", plan.source.columns[part.column].name));
    }
    columns += (columns.empty() ? "" : ", ") + sqlite_identifier(planned->name);
  }
  const auto swapped = swapped_name(plan.target);
  for (bool again = swapped.has_value();; again = false) {
    SqliteStatement taken =
        database.prepare("SELECT type, tbl_name FROM sqlite_schema WHERE name = ? COLLATE NOCASE");
    taken.bind(name);
    if (!taken.step()) break;
    const bool is_index = taken.text(0) == "index";
    if (is_index && equals_ignoring_case(taken.text(1), plan.target.table)) return {};
    const bool is_old = is_index && swapped && equals_ignoring_case(taken.text(1), swapped->table);
    if (!again || !is_old) {
      return not_built(fmt::format("the file has something else named {}", name));
    }
    // An index cannot be renamed: the old table came from beside another one too, with its name.
    name = index_name(swapped->table, index.name);
  }
  // Not unique even if the source's is: SQLite checks each row by itself, and a batch passes
  // through states that the source never showed.
  return {
      fmt::format("CREATE INDEX {} ON {} ({})", sqlite_identifier(name), table_sql(plan), columns),
      ""};
}

bool has_key(const SqliteDatabase& database, const TablePlan& plan) {
  std::vector<std::string> names;
  for (const std::uint32_t part : plan.key) names.push_back(plan.columns[part].name);
  const std::set<std::string> wanted = folded(names);
  const auto table = describe(database, plan.target.table);
  if (table && is_integer_key(*table) && folded(table->key) == wanted) return true;
  SqliteStatement indexes = database.prepare(
      "SELECT name FROM pragma_index_list(?) WHERE \"unique\" = 1 AND partial = 0");
  indexes.bind(plan.target.table);
  while (indexes.step()) {
    SqliteStatement parts =
        database.prepare("SELECT name, coll FROM pragma_index_xinfo(?) WHERE key = 1");
    parts.bind(indexes.text(0));
    std::vector<std::string> found;
    bool exact = true;
    while (parts.step()) {
      exact = exact && !parts.is_null(0) && equals_ignoring_case(parts.text(1), "BINARY");
      found.emplace_back(parts.text(0));
    }
    if (exact && folded(found) == wanted) return true;
  }
  return false;
}

}  // namespace weir::sqlite
