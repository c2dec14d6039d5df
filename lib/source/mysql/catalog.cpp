// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/catalog.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "source/mysql/default_value.h"
#include "source/mysql/online.h"
#include "source/mysql/types.h"

namespace weir::mysql {
namespace {

using Value = MysqlConnection::Value;

std::string text_of(const Value& value) { return value.value_or(""); }

std::uint64_t number_of(const Value& value) {
  std::uint64_t out = 0;
  if (value) std::from_chars(value->data(), value->data() + value->size(), out);
  return out;
}

/// The text of 'it''s' as MariaDB shows a default.
std::string unquoted(std::string_view literal) {
  std::string out;
  for (std::size_t i = 1; i + 1 < literal.size(); ++i) {
    char c = literal[i];
    if ((c == '\'' || c == '\\') && i + 2 < literal.size()) {
      const char next = literal[++i];
      c = c == '\'' ? next : next == '0' ? '\0' : next == 'n' ? '\n' : next == 'r' ? '\r' : next;
    }
    out += c;
  }
  return out;
}

/// information_schema says how a default was written; only constants are worth keeping. MariaDB
/// gives an SQL literal, MySQL the bare text and a mark in EXTRA for expressions.
std::optional<std::string> constant_default(const Column& column, const Value& value,
                                            std::string_view extra, const TypeSettings& types,
                                            bool is_mariadb) {
  if (!value || extra.find("DEFAULT_GENERATED") != std::string_view::npos) return {};
  Literal literal{Literal::Kind::string, *value, false};
  const std::string& text = *value;
  const bool is_quoted = text.size() >= 2 && text.front() == '\'' && text.back() == '\'';
  if (text.starts_with("b'")) {
    if (column.type.kind != TypeKind::bits) return {};
    std::uint64_t number = 0;
    std::from_chars(text.data() + 2, text.data() + text.size(), number, 2);
    literal = {Literal::Kind::number, std::to_string(number), false};
  } else if (is_mariadb && is_quoted) {
    literal.text = unquoted(text);
  } else if (is_mariadb || column.type.kind == TypeKind::bits) {
    const bool numeric =
        !text.empty() && text.find_first_not_of("0123456789.-+eE") == std::string::npos;
    if (!numeric) return {};
    literal.kind = Literal::Kind::number;
  } else if (text.starts_with("CURRENT_TIMESTAMP")) {
    return {};
  }
  TypeSettings shown = types;
  shown.zero_dates.kind = ZeroDatePolicy::Kind::keep;
  NeutralValue neutral = literal_value(column, literal, {shown, false, std::chrono::seconds(0)});
  return neutral.text ? reliable_default(column, std::move(*neutral.text)) : std::nullopt;
}

/// Everything of one schema, read in a handful of queries.
class SchemaReader {
 public:
  SchemaReader(MysqlConnection& connection, const TypeSettings& types, const std::string& schema,
               const std::vector<std::string>& tables)
      : connection_(connection),
        types_(types),
        is_mariadb_(connection.is_mariadb()),
        schema_(connection.quote(schema)) {
    for (const std::string& table : tables) {
      tables_[table].name = {schema, table};
      if (!filter_.empty()) filter_ += ',';
      filter_ += connection.quote(table);
    }
    // A short list keeps the server from opening every table of the schema; a long one costs more.
    filter_ = tables.size() > 500 ? "" : fmt::format(" AND table_name IN ({})", filter_);
  }

  std::map<std::string, Table> read() {
    read_tables();
    if (is_mariadb_) read_json_checks();
    read_columns();
    read_indexes();
    return std::move(tables_);
  }

 private:
  Table* find(const Value& name) {
    const auto it = tables_.find(text_of(name));
    return it == tables_.end() ? nullptr : &it->second;
  }

  void read_tables() {
    for (const auto& row : connection_.query(fmt::format(
             "SELECT table_name, engine, table_rows, data_length, table_comment, table_collation "
             "FROM information_schema.tables WHERE table_schema = {}{}",
             schema_, filter_))) {
      Table* table = find(row[0]);
      if (table == nullptr) continue;
      table->engine = text_of(row[1]);
      table->estimated_rows = number_of(row[2]);
      table->estimated_bytes = number_of(row[3]);
      table->comment = text_of(row[4]);
      table->collation = text_of(row[5]);
      // The part in front of the first underscore is the charset, in every name there is.
      table->charset = table->collation.substr(0, table->collation.find('_'));
    }
  }

  /// MariaDB's JSON is LONGTEXT with a check of the column's own; nothing else tells it from plain
  /// text. A check of the table's own is none of that: it stays where the column becomes plain.
  void read_json_checks() {
    constexpr std::uint64_t kFirstWithLevel = 100510;
    const bool has_level = connection_.server_version_number() >= kFirstWithLevel;
    for (const auto& row : connection_.query(fmt::format(
             "SELECT table_name, constraint_name, check_clause FROM "
             "information_schema.check_constraints WHERE constraint_schema = {} AND check_clause "
             "LIKE 'json_valid(%'{}",
             schema_, has_level ? " AND level = 'Column'" : ""))) {
      const std::string clause = text_of(row[2]);
      const std::size_t begin = clause.find('`');
      const std::size_t end = clause.rfind('`');
      if (begin == std::string::npos || end <= begin) continue;
      const std::string column = clause.substr(begin + 1, end - begin - 1);
      // Where levels are not told, the names of columns' checks are those of the columns.
      const bool is_own = has_level || text_of(row[1]) == column;
      if (is_own && clause == fmt::format("json_valid(`{}`)", column)) {
        json_columns_.emplace(text_of(row[0]), column);
      }
    }
  }

  void read_columns() {
    for (const auto& row : connection_.query(fmt::format(
             "SELECT table_name, column_name, data_type, column_type, is_nullable, column_default, "
             "extra, character_set_name, collation_name, character_maximum_length, "
             "character_octet_length, numeric_precision, numeric_scale, datetime_precision, "
             "column_comment FROM information_schema.columns WHERE table_schema = {}{} ORDER BY "
             "table_name, ordinal_position",
             schema_, filter_))) {
      Table* table = find(row[0]);
      if (table == nullptr) continue;
      Column column;
      column.name = text_of(row[1]);
      column.charset = text_of(row[7]);
      column.collation = text_of(row[8]);
      NativeType from;
      from.data_type = text_of(row[2]);
      from.column_type = text_of(row[3]);
      from.charset = column.charset;
      from.characters = number_of(row[9]);
      from.octets = number_of(row[10]);
      from.precision = static_cast<std::uint16_t>(number_of(row[11]));
      from.scale = static_cast<std::uint16_t>(number_of(row[12]));
      from.second_digits = static_cast<std::uint16_t>(number_of(row[13]));
      from.is_mariadb = is_mariadb_;
      from.json_check = json_columns_.contains({table->name.table, column.name});
      from.tinyint1_as_boolean = types_.tinyint1_as_boolean;
      try {
        column.type = column_type(from);
      } catch (const Error& error) {
        throw error.within(fmt::format("column {}.{}", table->name.text(), column.name));
      }
      column.nullable = row[4] == "YES";
      const std::string extra = text_of(row[6]);
      column.generated = extra.find("GENERATED") != std::string::npos &&
                         extra.find("DEFAULT_GENERATED") == std::string::npos;
      column.invisible = extra.find("INVISIBLE") != std::string::npos;
      column.auto_increment = extra.find("auto_increment") != std::string::npos;
      column.default_value = constant_default(column, row[5], extra, types_, is_mariadb_);
      column.comment = text_of(row[14]);
      table->columns.push_back(std::move(column));
    }
  }

  void read_indexes() {
    const bool has_expressions = !is_mariadb_ && connection_.server_version_number() >= 80013;
    for (const auto& row : connection_.query(fmt::format(
             "SELECT table_name, index_name, non_unique, column_name, sub_part, index_type, {} "
             "FROM "
             "information_schema.statistics WHERE table_schema = {}{} ORDER BY table_name, "
             "index_name, seq_in_index",
             has_expressions ? "expression" : "NULL", schema_, filter_))) {
      Table* table = find(row[0]);
      if (table == nullptr) continue;
      const std::string name = text_of(row[1]);
      auto& indexes = table->indexes;
      if (indexes.empty() || indexes.back().name != name) {
        Index index;
        index.name = name;
        const std::string type = text_of(row[5]);
        index.kind = type == "FULLTEXT"       ? Index::Kind::fulltext
                     : type == "SPATIAL"      ? Index::Kind::spatial
                     : type == "VECTOR"       ? Index::Kind::expression
                     : number_of(row[2]) == 0 ? Index::Kind::unique
                                              : Index::Kind::ordinary;
        indexes.push_back(std::move(index));
      }
      if (!row[3] || row[6]) {
        indexes.back().kind = Index::Kind::expression;
        continue;
      }
      const auto at = std::find_if(table->columns.begin(), table->columns.end(),
                                   [&](const Column& c) { return c.name == *row[3]; });
      // The prefix of a spatial index is the server's own affair.
      const bool is_prefix = indexes.back().kind != Index::Kind::spatial;
      indexes.back().parts.push_back(
          {static_cast<std::uint32_t>(at - table->columns.begin()),
           is_prefix ? static_cast<std::uint32_t>(number_of(row[4])) : 0});
    }
  }

  MysqlConnection& connection_;
  const TypeSettings& types_;
  bool is_mariadb_;
  std::string schema_;
  std::string filter_;
  std::map<std::string, Table> tables_;
  std::set<std::pair<std::string, std::string>> json_columns_;
};

}  // namespace

bool identifies_rows(const Table& table, const Index& index) {
  return index.kind == Index::Kind::unique && !index.parts.empty() &&
         std::all_of(index.parts.begin(), index.parts.end(), [&](const IndexPart& part) {
           return part.prefix == 0 && !table.columns[part.column].nullable;
         });
}

bool index_before(const Index& a, const Index& b) { return to_lower(a.name) < to_lower(b.name); }

bool same_definition(const Table& a, const Table& b) {
  return a.name == b.name && a.columns == b.columns && a.key == b.key &&
         a.key_is_primary == b.key_is_primary && a.key_name == b.key_name &&
         a.indexes == b.indexes && a.engine == b.engine && a.charset == b.charset &&
         a.collation == b.collation && a.comment == b.comment;
}

void choose_key(Table& table) {
  std::sort(table.indexes.begin(), table.indexes.end(), index_before);
  const auto take = [&](const Index& index) {
    table.key_name = index.name;
    for (const IndexPart& part : index.parts) table.key.push_back(part.column);
  };
  const auto primary = std::find_if(table.indexes.begin(), table.indexes.end(),
                                    [](const Index& index) { return index.name == "PRIMARY"; });
  if (primary != table.indexes.end()) {
    if (identifies_rows(table, *primary)) {
      take(*primary);
      table.key_is_primary = true;
      table.indexes.erase(primary);
      return;
    }
    primary->name = "primary";  // a prefix primary key is only an index to us
  }
  for (const Index& index : table.indexes) {
    if (identifies_rows(table, index)) {
      take(index);
      return;
    }
  }
}

std::vector<Collation> read_collations(MysqlConnection& connection) {
  // A collation of MariaDB 10.10 and later may go with several sets: that view has one row for
  // each. On MySQL it has no ids.
  const bool by_charset = connection.is_mariadb() && connection.server_version_number() >= 101001;
  // What counts as a set's default is the session's affair there, since 11.2.
  const std::string no_overrides =
      connection.is_mariadb() && connection.server_version_number() >= 110200
          ? "SET STATEMENT character_set_collations = '' FOR "
          : "";
  std::vector<Collation> out;
  for (const auto& row : connection.query(
           by_charset ? no_overrides +
                            "SELECT id, full_collation_name, character_set_name, is_default FROM "
                            "information_schema.collation_character_set_applicability"
                      : "SELECT id, collation_name, character_set_name, is_default FROM "
                        "information_schema.collations")) {
    out.push_back({static_cast<std::uint32_t>(number_of(row[0])), text_of(row[1]), text_of(row[2]),
                   text_of(row[3]) == "Yes"});
  }
  return out;
}

std::vector<TableName> list_tables(MysqlConnection& connection) {
  std::vector<TableName> names;
  for (const auto& row : connection.query(
           "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type IN "
           "('BASE TABLE', 'SYSTEM VERSIONED') AND table_schema NOT IN ('mysql', 'sys', "
           "'information_schema', 'performance_schema')")) {
    names.push_back({text_of(row[0]), text_of(row[1])});
  }
  std::sort(names.begin(), names.end());
  drop_online_tables(names);
  return names;
}

std::vector<Table> describe_tables(MysqlConnection& connection, const TypeSettings& types,
                                   std::span<const TableName> names) {
  std::map<std::string, std::vector<std::string>> by_schema;
  for (const TableName& name : names) by_schema[name.schema].push_back(name.table);
  // A primary key that the server adds by itself is in the log's rows, whether it is shown or not.
  if (!connection.is_mariadb() && connection.server_version_number() >= 80030) {
    connection.execute("SET SESSION show_gipk_in_create_table_and_information_schema = ON");
  }
  std::map<TableName, Table> found;
  for (const auto& [schema, tables] : by_schema) {
    for (auto& [name, table] : SchemaReader(connection, types, schema, tables).read()) {
      choose_key(table);
      found.emplace(table.name, std::move(table));
    }
  }
  std::vector<Table> out;
  for (const TableName& name : names) {
    Table& table = found[name];
    if (table.columns.empty()) {
      throw Error(ExitCode::not_found, "mysql.no-table", fmt::format("no table {}", name.text()),
                  "it was dropped, or the account may not see its columns",
                  "check the name, and grant SELECT on the table");
    }
    out.push_back(std::move(table));
  }
  return out;
}

bool can_read_in_order(const Table& table, std::span<const std::uint32_t> key) {
  const bool is_own_key = std::equal(key.begin(), key.end(), table.key.begin(), table.key.end());
  const bool has_index =
      is_own_key ||
      std::any_of(table.indexes.begin(), table.indexes.end(), [&](const Index& index) {
        return (index.kind == Index::Kind::ordinary || index.kind == Index::Kind::unique) &&
               index.parts.size() >= key.size() &&
               std::equal(key.begin(), key.end(), index.parts.begin(),
                          [](std::uint32_t column, const IndexPart& part) {
                            return column == part.column && part.prefix == 0;
                          });
      });
  return has_index && std::all_of(key.begin(), key.end(), [&](std::uint32_t column) {
           switch (table.columns[column].type.kind) {
             case TypeKind::int8:
             case TypeKind::int16:
             case TypeKind::int32:
             case TypeKind::int64:
             case TypeKind::uint8:
             case TypeKind::uint16:
             case TypeKind::uint32:
             case TypeKind::uint64:
             case TypeKind::decimal:
             case TypeKind::text:
             case TypeKind::bytes:
             case TypeKind::date:
             case TypeKind::datetime:
             case TypeKind::timestamp:
             case TypeKind::year:
             case TypeKind::uuid:
             case TypeKind::inet:
               return true;
             // FLOAT has no exact literal; ENUM, SET and BIT compare otherwise than they are shown.
             default:
               return false;
           }
         });
}

}  // namespace weir::mysql
