// SPDX-License-Identifier: Apache-2.0
#include "target/mysql/table_sql.h"

#include <algorithm>

#include <fmt/format.h>

#include "target/mysql/control.h"

namespace weir::mysqltarget {
namespace {

bool is_integer_type(std::string_view word) {
  return word == "tinyint" || word == "smallint" || word == "mediumint" || word == "int" ||
         word == "bigint";
}

/// Types that have no literal default on MySQL, and none at all as geometry.
bool is_large(std::string_view word) {
  return word.ends_with("text") || word.ends_with("blob") || word == "json" || word == "vector";
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

const Index* auto_increment_index(const TablePlan& plan, std::size_t place) {
  for (const Index& index : plan.source.indexes) {
    if (index.kind != Index::Kind::ordinary && index.kind != Index::Kind::unique) continue;
    if (!index.parts.empty() && index.parts.front().column == plan.columns[place].source &&
        !is_key_index(plan, index)) {
      return &index;
    }
  }
  return nullptr;
}

/// Whether the target column can count by itself: only the first column of an index can.
bool counts(const TablePlan& plan, std::size_t place) {
  const PlannedColumn& column = plan.columns[place];
  if (column.added() || !plan.source.columns[column.source].auto_increment) return false;
  if (!plan.key.empty() && plan.key.front() == place) return true;
  return auto_increment_index(plan, place) != nullptr;
}

}  // namespace

bool is_key_index(const TablePlan& plan, const Index& index) {
  return plan.key_is_primary && index.name == plan.source.key_name;
}

std::vector<ColumnShape> TableSql::shapes(const TablePlan& plan) const {
  const std::vector<std::string> types = planned_types(plan, native_);
  std::vector<ColumnShape> out;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    out.push_back(shape_of(plan, i, types[i], native_, dialect_));
  }
  return out;
}

std::string TableSql::default_literal(const PlannedColumn& column, const ColumnShape& shape,
                                      const std::string& text) const {
  const std::string_view word = type_word(shape.type);
  if (column.type.kind == TypeKind::bits && word == "bit") return fmt::format("b'{}'", text);
  if (column.type.kind == TypeKind::bytes && !is_printable(text)) return "";
  const std::string literal = connection_.quote(text);
  if (!is_large(word)) return literal;
  return dialect_.mariadb || dialect_.version >= 80013 ? fmt::format("({})", literal) : "";
}

std::string TableSql::default_clause(const TablePlan& plan, std::size_t place) const {
  const PlannedColumn& column = plan.columns[place];
  if (column.added()) return "";
  const Column& source = plan.source.columns[column.source];
  const ColumnShape shape =
      shape_of(plan, place, planned_types(plan, native_)[place], native_, dialect_);
  const std::string_view word = type_word(shape.type);
  if (source.default_value && !source.generated && !counts(plan, place)) {
    switch (column.type.kind) {
      case TypeKind::geometry:
      case TypeKind::vector:
        return "";
      case TypeKind::date:
      case TypeKind::datetime:
      case TypeKind::timestamp: {
        const std::string& text = *source.default_value;
        const bool is_date = text.size() >= 10 && text[4] == '-' && text[7] == '-' &&
                             text.back() >= '0' && text.back() <= '9';
        if (!is_date) return "";
        break;
      }
      default:
        break;
    }
    const std::string literal = default_literal(column, shape, *source.default_value);
    return literal.empty() ? "" : " DEFAULT " + literal;
  }
  // Else the server adds CURRENT_TIMESTAMP ON UPDATE, and changes rows on its own.
  if (word == "timestamp" && !column.nullable && !dialect_.explicit_timestamps) {
    return " DEFAULT '0000-00-00 00:00:00'";
  }
  return "";
}

std::string TableSql::column(const TablePlan& plan, std::size_t place,
                             const std::string* fill) const {
  const PlannedColumn& column = plan.columns[place];
  const ColumnShape shape =
      shape_of(plan, place, planned_types(plan, native_)[place], native_, dialect_);
  std::string out = fmt::format("{} {}", mysql_identifier(column.name), shape.type);
  if (!shape.charset.empty()) {
    out += fmt::format(" CHARACTER SET {} COLLATE {}", shape.charset, shape.collation);
  }
  out += column.nullable ? " NULL" : " NOT NULL";
  std::string value = default_clause(plan, place);
  if (fill != nullptr) {
    const std::string literal = default_literal(column, shape, *fill);
    if (!literal.empty()) value = " DEFAULT " + literal;
  }
  out += value;
  if (counts(plan, place) && is_integer_type(type_word(shape.type))) out += " AUTO_INCREMENT";
  if (column.added()) return out;
  const Column& source = plan.source.columns[column.source];
  const std::uint64_t has_invisible = dialect_.mariadb ? 100300 : 80023;
  if (native_ && source.invisible && dialect_.version >= has_invisible &&
      (column.nullable || !value.empty())) {
    out += " INVISIBLE";
  }
  if (!source.comment.empty()) out += " COMMENT " + connection_.quote(source.comment);
  return out;
}

std::string TableSql::key(const TablePlan& plan) const {
  std::string out;
  for (const std::uint32_t part : plan.key) {
    out += (out.empty() ? "(" : ", ") + mysql_identifier(plan.columns[part].name);
  }
  return out + ')';
}

std::string TableSql::create(const TablePlan& plan) const {
  std::string lines;
  std::set<const Index*> extra;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    if (!lines.empty()) lines += ",";
    lines += "\n  " + column(plan, i);
    if (counts(plan, i) && (plan.key.empty() || plan.key.front() != i)) {
      extra.insert(auto_increment_index(plan, i));
    }
  }
  if (!plan.key.empty()) lines += ",\n  PRIMARY KEY " + key(plan);
  for (const Index* index : extra) {
    // A unique one waits for its rows to be consistent, but a column that counts cannot.
    Index plain = *index;
    plain.kind = Index::Kind::ordinary;
    if (index->kind == Index::Kind::unique) plain.name = "weir_" + plain.name;
    lines += ",\n  " + this->index(plan, plain).sql;
  }
  std::string collation = exact_collation(dialect_);
  if (native_ && dialect_.collations.contains(plan.source.collation)) {
    collation = plan.source.collation;
  }
  std::string out = fmt::format(
      "CREATE TABLE IF NOT EXISTS {} ({}) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET {} "
      "COLLATE {}",
      qualified(plan.target), lines, collation.substr(0, collation.find('_')), collation);
  if (!plan.source.comment.empty()) {
    out += " COMMENT = " + connection_.quote(plan.source.comment);
  }
  return out;
}

TableSql::IndexSql TableSql::index(const TablePlan& plan, const Index& index) const {
  IndexSql out;
  const char* word = "KEY";
  switch (index.kind) {
    case Index::Kind::ordinary:
      break;
    case Index::Kind::unique:
      word = "UNIQUE KEY";
      break;
    case Index::Kind::fulltext:
      word = "FULLTEXT KEY";
      out.fulltext = true;
      break;
    case Index::Kind::spatial:
      word = "SPATIAL KEY";
      break;
    case Index::Kind::expression:
      out.reason = "weir does not read the expressions of indexes; build it by hand";
      return out;
  }
  const bool is_plain = index.kind == Index::Kind::ordinary || index.kind == Index::Kind::unique;
  const std::vector<ColumnShape> all = shapes(plan);
  std::string parts;
  for (const IndexPart& part : index.parts) {
    const auto planned =
        std::find_if(plan.columns.begin(), plan.columns.end(),
                     [&](const PlannedColumn& c) { return c.source == part.column; });
    if (planned == plan.columns.end()) {
      out.reason = fmt::format("column {} is not copied", plan.source.columns[part.column].name);
      return out;
    }
    const ColumnShape& shape = all[static_cast<std::size_t>(planned - plan.columns.begin())];
    const std::string_view type = type_word(shape.type);
    if (!parts.empty()) parts += ", ";
    parts += mysql_identifier(planned->name);
    std::uint64_t prefix = part.prefix;
    if (is_plain && prefix == 0) {
      const std::uint64_t bytes = index_bytes(shape.type, shape.charset);
      const std::uint64_t most = kMaxKeyBytes / index.parts.size();
      const bool is_text = type.ends_with("char") || type.ends_with("text");
      const bool is_bytes = type.ends_with("binary") || type.ends_with("blob");
      if (bytes == 0 && !is_text && !is_bytes) {
        out.reason = fmt::format("column {} has a type without an order", planned->name);
        return out;
      }
      // A source of the same kind has shown that it fits, unless something was replaced here.
      const bool known_to_fit = native_ && shape.replaced.empty() && bytes > 0;
      if (!known_to_fit && (bytes == 0 || (bytes > most && (is_text || is_bytes)))) {
        prefix = is_text ? most / 4 : most;
        out.reason = fmt::format("built on the first {} of {} only{}", prefix, planned->name,
                                 index.kind == Index::Kind::unique ? ", and not unique" : "");
        word = "KEY";
      }
    }
    if (prefix > 0) parts += fmt::format("({})", prefix);
  }
  out.sql = fmt::format("{} {} ({})", word, mysql_identifier(index.name), parts);
  return out;
}

}  // namespace weir::mysqltarget
