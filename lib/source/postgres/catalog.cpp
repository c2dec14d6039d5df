// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/catalog.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "source/postgres/types.h"
#include "source/postgres/value.h"

namespace weir::pgsource {
namespace {

constexpr std::size_t kLiteralsAtOnce = 500;

template <class Int>
Int number(std::string_view text) {
  Int out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

/// "{16384,16390}", as a parameter of type oid[].
std::string oid_array(const std::vector<std::string>& oids) {
  return fmt::format("{{{}}}", join(oids, ","));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes "-12.5e3" off the front; false if there is none.
bool take_number(std::string_view& text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const std::size_t first = at;
  while (at < text.size() && (is_digit(text[at]) || text[at] == '.')) ++at;
  if (at == first) return false;
  if (at + 1 < text.size() && text[at] == 'e') {
    at += text[at + 1] == '-' || text[at + 1] == '+' ? 2 : 1;
    while (at < text.size() && is_digit(text[at])) ++at;
  }
  text.remove_prefix(at);
  return true;
}

/// Takes a quoted literal off the front; false if there is none.
bool take_quoted(std::string_view& text) {
  const bool escapes = text.starts_with("E'");
  std::size_t at = escapes ? 1 : 0;
  if (at >= text.size() || text[at] != '\'') return false;
  for (++at; at < text.size(); ++at) {
    if (escapes && text[at] == '\\') {
      ++at;
    } else if (text[at] == '\'') {
      if (at + 1 >= text.size() || text[at + 1] != '\'') {
        text.remove_prefix(at + 1);
        return true;
      }
      ++at;
    }
  }
  return false;
}

/// Whether `text` is the name of a type and no more: no call, no operator.
bool is_type_name(std::string_view text) {
  bool quoted = false;
  int open = 0;
  for (const char c : text) {
    if (c == '"') {
      quoted = !quoted;
    } else if (!quoted) {
      open += c == '(' ? 1 : c == ')' ? -1 : 0;
      const bool letter = (c >= 'a' && c <= 'z') || c == '_' || static_cast<unsigned char>(c) > 127;
      const bool rest = is_digit(c) || c == ' ' || c == '.' || c == '(' || c == ')' || c == ',' ||
                        c == '[' || c == ']';
      if ((!letter && !rest) || open < 0) return false;
    }
  }
  return !quoted && open == 0 && !text.empty();
}

/// Everything about a set of tables, read in a handful of queries.
class Reader {
 public:
  Reader(PgConnection& connection, GeneratedColumns generated, std::span<const TableName> names)
      : connection_(connection), generated_(generated), wanted_(names.begin(), names.end()) {}

  std::map<TableName, Table> read() {
    read_tables();
    read_labels();
    read_columns();
    read_indexes();
    read_literals();
    std::map<TableName, Table> out;
    for (auto& [oid, entry] : entries_) {
      choose_key(entry);
      out.emplace(entry.table.name, std::move(entry.table));
    }
    return out;
  }

 private:
  /// One index, while it is not decided whether it is the key.
  struct Candidate {
    Index index;
    bool is_primary = false;
    bool is_identity = false;  ///< REPLICA IDENTITY USING INDEX names it
    bool identifies = false;   ///< unique at once, over columns that are all there and NOT NULL
  };
  struct Entry {
    Table table;
    std::map<int, std::uint32_t> places;  ///< attnum -> place in Table::columns
    std::vector<Candidate> indexes;
    bool identity_is_index = false;
  };

  void read_tables() {
    std::set<std::string> schemas;
    for (const TableName& name : wanted_) schemas.insert(name.schema);
    std::string list;
    for (const std::string& schema : schemas) {
      list += (list.empty() ? "" : ", ") + connection_.quote(schema);
    }
    if (list.empty()) return;
    const PgResult rows = connection_.query(fmt::format(
        "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relreplident, obj_description(c.oid, "
        "'pg_class') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
        "n.nspname IN ({}) AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
        list));
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      TableName name{std::string(rows.text(i, 1)), std::string(rows.text(i, 2))};
      if (!wanted_.contains(name)) continue;
      const std::string oid(rows.text(i, 0));
      Entry& entry = entries_[oid];
      oids_.push_back(oid);
      entry.table.name = std::move(name);
      entry.table.engine = rows.text(i, 3) == "p" ? "partitioned" : "heap";
      entry.identity_is_index = rows.text(i, 4) == "i";
      entry.table.comment = rows.text(i, 5);
    }
    read_estimates();
  }

  void read_estimates() {
    // A table that was never analysed has no count; a hundred bytes a row is as good as any guess.
    const PgResult rows = connection_.query(
        "SELECT c.oid, s.rows, s.bytes FROM unnest($1::oid[]) AS c(oid), LATERAL (SELECT "
        "coalesce(sum(CASE WHEN p.reltuples >= 0 THEN p.reltuples ELSE pg_relation_size(p.oid) / "
        "100 END), 0)::bigint AS rows, coalesce(sum(pg_table_size(p.oid)), 0)::bigint AS bytes "
        "FROM "
        "(SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid)) AS k(oid) JOIN pg_class p "
        "ON p.oid = k.oid WHERE p.relkind = 'r') s",
        {oid_array(oids_)});
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      Table& table = entries_[std::string(rows.text(i, 0))].table;
      table.estimated_rows = number<std::uint64_t>(rows.text(i, 1));
      table.estimated_bytes = number<std::uint64_t>(rows.text(i, 2));
    }
  }

  void read_labels() {
    const PgResult rows = connection_.query(
        "SELECT e.enumtypid, e.enumlabel FROM pg_enum e ORDER BY e.enumtypid, e.enumsortorder");
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      labels_[std::string(rows.text(i, 0))].emplace_back(rows.text(i, 1));
    }
  }

  void read_columns() {
    const PgResult rows = connection_.query(
        "WITH RECURSIVE domain(oid, base, modifier) AS (SELECT oid, typbasetype, typtypmod FROM "
        "pg_type WHERE typtype = 'd' UNION ALL SELECT d.oid, t.typbasetype, t.typtypmod FROM "
        "domain "
        "d JOIN pg_type t ON t.oid = d.base WHERE t.typtype = 'd'), "
        "resolved AS (SELECT d.oid, d.base, d.modifier FROM domain d JOIN pg_type t ON t.oid = "
        "d.base WHERE t.typtype <> 'd') "
        "SELECT a.attrelid, a.attnum, a.attname, a.attnotnull, a.attidentity <> '', "
        "a.attgenerated, "
        "t.oid, t.typname, t.typtype, t.typcategory = 'A' AND t.typelem <> 0, "
        "coalesce(r.modifier, a.atttypmod), format_type(t.oid, coalesce(r.modifier, a.atttypmod)), "
        "pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum), co.collname "
        "FROM pg_attribute a LEFT JOIN resolved r ON r.oid = a.atttypid JOIN pg_type t ON t.oid = "
        "coalesce(r.base, a.atttypid) LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum "
        "= a.attnum LEFT JOIN pg_collation co ON co.oid = a.attcollation "
        "WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped "
        "ORDER BY a.attrelid, a.attnum",
        {oid_array(oids_)});
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      Entry& entry = entries_[std::string(rows.text(i, 0))];
      const std::string_view generated = rows.text(i, 5);
      const bool in_log =
          generated.empty() || (generated == "s" && generated_ == GeneratedColumns::stored);
      if (!in_log) continue;
      NativeType from;
      from.typname = rows.text(i, 7);
      from.typtype = rows.text(i, 8).front();
      from.is_array = rows.text(i, 9) == "t";
      from.modifier = number<int>(rows.text(i, 10));
      from.shown = rows.text(i, 11);
      if (from.typtype == 'e') from.labels = labels_[std::string(rows.text(i, 6))];
      Column column;
      column.name = rows.text(i, 2);
      column.type = column_type(from);
      column.nullable = rows.text(i, 3) != "t";
      column.auto_increment = rows.text(i, 4) == "t" || rows.text(i, 12).starts_with("nextval('");
      column.generated = !generated.empty();
      column.comment = rows.text(i, 13);
      column.collation = rows.text(i, 14);
      const auto place = static_cast<std::uint32_t>(entry.table.columns.size());
      if (!column.generated && is_literal(rows.text(i, 12))) {
        literals_.push_back({&entry.table, place, std::string(rows.text(i, 12))});
      }
      entry.places[number<int>(rows.text(i, 1))] = place;
      entry.table.columns.push_back(std::move(column));
    }
  }

  void read_indexes() {
    const PgResult rows = connection_.query(
        "SELECT i.indrelid, c.relname, i.indisunique, i.indisprimary, i.indisreplident, "
        "i.indimmediate, am.amname, i.indpred IS NOT NULL OR i.indexprs IS NOT NULL OR "
        "i.indisexclusion, array_to_string((i.indkey::int2[])[0:i.indnkeyatts - 1], ' ') FROM "
        "pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam "
        "WHERE i.indrelid = ANY ($1::oid[]) AND i.indisvalid ORDER BY i.indrelid, c.relname",
        {oid_array(oids_)});
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      Entry& entry = entries_[std::string(rows.text(i, 0))];
      Candidate candidate;
      candidate.is_primary = rows.text(i, 3) == "t";
      candidate.is_identity = rows.text(i, 4) == "t" && entry.identity_is_index;
      Index& index = candidate.index;
      index.name = rows.text(i, 1);
      const bool is_unique = rows.text(i, 2) == "t";
      index.kind = is_unique ? Index::Kind::unique : Index::Kind::ordinary;
      bool plain = rows.text(i, 6) == "btree" && rows.text(i, 7) != "t";
      bool not_null = true;
      for (const std::string& part : split(rows.text(i, 8), ' ')) {
        const auto place = entry.places.find(number<int>(part));
        if (place == entry.places.end()) {
          plain = false;
          continue;
        }
        not_null = not_null && !entry.table.columns[place->second].nullable;
        index.parts.push_back({place->second, 0});
      }
      if (!plain) {
        index.kind = Index::Kind::expression;
        index.parts.clear();
      }
      candidate.identifies = plain && is_unique && not_null && rows.text(i, 5) == "t";
      entry.indexes.push_back(std::move(candidate));
    }
  }

  /// Defaults that are literals, as the server prints their values.
  void read_literals() {
    for (std::size_t first = 0; first < literals_.size(); first += kLiteralsAtOnce) {
      const std::size_t count = std::min(kLiteralsAtOnce, literals_.size() - first);
      std::string list;
      for (std::size_t i = first; i < first + count; ++i) {
        list += (i == first ? "SELECT " : ", ") + literals_[i].expression;
      }
      const PgResult row = connection_.query(list);
      for (std::size_t i = 0; i < count; ++i) {
        const Literal& literal = literals_[first + i];
        Column& column = literal.table->columns[literal.place];
        if (row.is_null(0, i)) continue;
        column.default_value = neutral_text(column.type, std::string(row.text(0, i)));
      }
    }
  }

  static void choose_key(Entry& entry) {
    const auto first = [&entry](auto&& suits) {
      return std::find_if(entry.indexes.begin(), entry.indexes.end(), suits);
    };
    // A removed row is told by its replica identity, so that comes before the primary key.
    auto key = first([](const Candidate& c) { return c.identifies && c.is_identity; });
    if (key == entry.indexes.end()) {
      key = first([](const Candidate& c) { return c.identifies && c.is_primary; });
    }
    if (key == entry.indexes.end()) {
      key = first([](const Candidate& c) { return c.identifies; });
    }
    if (key != entry.indexes.end()) {
      entry.table.key_name = key->index.name;
      entry.table.key_is_primary = key->is_primary;
      for (const IndexPart& part : key->index.parts) entry.table.key.push_back(part.column);
    }
    for (Candidate& candidate : entry.indexes) {
      const bool is_key = key != entry.indexes.end() && &candidate == &*key;
      if (is_key && candidate.is_primary) continue;
      entry.table.indexes.push_back(std::move(candidate.index));
    }
  }

  struct Literal {
    Table* table;
    std::uint32_t place;
    std::string expression;
  };

  PgConnection& connection_;
  GeneratedColumns generated_;
  std::set<TableName> wanted_;
  std::vector<std::string> oids_;
  std::map<std::string, Entry> entries_;  ///< by oid
  std::map<std::string, std::vector<std::string>> labels_;
  std::vector<Literal> literals_;
};

}  // namespace

std::string qualified(const TableName& name) {
  return pg_identifier(name.schema) + "." + pg_identifier(name.table);
}

std::vector<TableName> list_tables(PgConnection& connection) {
  const PgResult rows = connection.query(
      "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
      "WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND "
      "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM "
      "pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = "
      "'e')");
  std::vector<TableName> names;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    names.push_back({std::string(rows.text(i, 0)), std::string(rows.text(i, 1))});
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<Table> describe_tables(PgConnection& connection, GeneratedColumns generated,
                                   std::span<const TableName> names) {
  std::map<TableName, Table> found = Reader(connection, generated, names).read();
  std::vector<Table> out;
  for (const TableName& name : names) {
    const auto at = found.find(name);
    if (at == found.end()) {
      throw Error(ExitCode::not_found, "postgres.no-table", fmt::format("no table {}", name.text()),
                  "it was dropped, or became a partition of another table",
                  "check the name, and name the root of a partitioned table");
    }
    out.push_back(std::move(at->second));
  }
  return out;
}

bool is_literal(std::string_view expression) {
  std::string_view rest = expression;
  if (rest == "true" || rest == "false") return true;
  const bool bracket = rest.starts_with('(');
  if (bracket) rest.remove_prefix(1);
  if (!take_number(rest) && (bracket || !take_quoted(rest))) return false;
  if (bracket) {
    if (!rest.starts_with(')')) return false;
    rest.remove_prefix(1);
  }
  if (rest.empty()) return true;
  return rest.starts_with("::") && is_type_name(rest.substr(2));
}

bool can_read_in_order(const Table& table, std::span<const std::uint32_t> key) {
  const bool is_own_key =
      !key.empty() && std::equal(key.begin(), key.end(), table.key.begin(), table.key.end());
  const bool has_index =
      is_own_key ||
      std::any_of(table.indexes.begin(), table.indexes.end(), [&](const Index& index) {
        return !key.empty() &&
               (index.kind == Index::Kind::ordinary || index.kind == Index::Kind::unique) &&
               index.parts.size() >= key.size() &&
               std::equal(key.begin(), key.end(), index.parts.begin(),
                          [](std::uint32_t column, const IndexPart& part) {
                            return column == part.column;
                          });
      });
  return has_index && std::all_of(key.begin(), key.end(), [&](std::uint32_t place) {
           const ColumnType& type = table.columns[place].type;
           // Enums compare with operators of the server; other foreign types bring their own, which
           // an empty search_path does not find.
           return type.kind == TypeKind::enumeration || type.native.find('.') == std::string::npos;
         });
}

}  // namespace weir::pgsource
