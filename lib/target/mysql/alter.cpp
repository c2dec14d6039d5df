// SPDX-License-Identifier: Apache-2.0
#include "target/mysql/alter.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "target/mysql/control.h"
#include "target/mysql/types.h"

namespace weir::mysqltarget {
namespace {

/// Errors that say nothing about the statement.
bool is_passing(const Error& error) {
  return error.code() != ExitCode::failed || error.id() == "mysql.conflict" ||
         error.id() == "mysql.disk-full" || error.id() == "mysql.read-only" ||
         error.id() == "mysql.too-many-connections";
}

/// Takes the steps one by one, each on what the ones before have left.
class Altering {
 public:
  Altering(MysqlConnection& connection, const TableSql& table_sql, const TableAlter& alter)
      : connection_(connection),
        table_sql_(table_sql),
        alter_(alter),
        after_(alter.after),
        table_("ALTER TABLE " + qualified(alter.after.target)) {}

  AlterResult run() {
    change_table();
    if (alter_.drops) return std::move(done_);
    columns_ = existing_columns(connection_, after_.target);
    for (const IndexAlter& index : alter_.indexes) {
      if (index.kind == IndexAlter::Kind::drop) drop_index(index);
    }
    for (const ColumnAlter& step : alter_.steps) take(step);
    if (alter_.key_changed && !after_.key.empty()) change_key();
    for (const IndexAlter& index : alter_.indexes) {
      if (index.kind == IndexAlter::Kind::rename) rename_index(index);
      if (index.kind == IndexAlter::Kind::add) add_index(index);
    }
    if (alter_.comment_changed) {
      execute(fmt::format("{} COMMENT = {}", table_, connection_.quote(after_.source.comment)));
    }
    return std::move(done_);
  }

 private:
  using Kind = ColumnAlter::Kind;

  void execute(const std::string& sql) {
    try {
      connection_.execute(sql);
    } catch (const Error& error) {
      throw is_passing(error) ? error.within(after_.target.text())
                              : refuse_statement(alter_, sql, error.why());
    }
    done_.target_sql += (done_.target_sql.empty() ? "" : "; ") + sql;
  }
  /// For what the target may do without.
  void try_to(const std::string& sql, const std::string& what) {
    try {
      connection_.execute(sql);
    } catch (const Error& error) {
      if (is_passing(error)) throw error.within(after_.target.text());
      leave_out(what, error.why());
      return;
    }
    done_.target_sql += (done_.target_sql.empty() ? "" : "; ") + sql;
  }
  void leave_out(const std::string& what, const std::string& why) {
    done_.left_out.push_back(fmt::format("{} of {}: {}", what, after_.target.text(), why));
  }

  void change_table() {
    const TableName& was = alter_.before.target;
    if (!alter_.drops && !alter_.renames()) return;
    if (existing_columns(connection_, was).empty()) return;
    execute(alter_.drops
                ? "DROP TABLE " + qualified(was)
                : fmt::format("RENAME TABLE {} TO {}", qualified(was), qualified(after_.target)));
  }

  bool has_column(const std::string& name) const { return columns_.contains(to_lower(name)); }

  void change_columns(const std::string& sql) {
    execute(fmt::format("{} {}", table_, sql));
    columns_ = existing_columns(connection_, after_.target);
  }

  void take(const ColumnAlter& step) {
    const std::string name = mysql_identifier(step.name);
    switch (step.kind) {
      case Kind::rename:
        if (!has_column(step.name) && has_column(step.rename_to)) return;
        change_columns(
            fmt::format("RENAME COLUMN {} TO {}", name, mysql_identifier(step.rename_to)));
        return;
      case Kind::drop:
        if (has_column(step.name)) change_columns("DROP COLUMN " + name);
        return;
      case Kind::add:
        add(step, name);
        return;
      case Kind::retype:
        if (!step.problem.empty()) throw refuse_step(alter_, step);
        [[fallthrough]];
      case Kind::drop_not_null:
      case Kind::set_not_null:
        change_columns("MODIFY COLUMN " + table_sql_.column(after_, step.column));
        return;
      case Kind::set_default:
        if (has_column(step.name)) set_default(step, name);
        return;
      case Kind::set_comment:
        if (has_column(step.name)) set_comment(step);
        return;
    }
  }

  void add(const ColumnAlter& step, const std::string& name) {
    if (!has_column(step.name)) {
      if (!step.problem.empty()) throw refuse_step(alter_, step);
      change_columns("ADD COLUMN " +
                     table_sql_.column(after_, step.column, step.fill ? &*step.fill : nullptr));
    }
    if (!step.fill) return;
    const std::string value = table_sql_.default_clause(after_, step.column);
    change_columns(value.empty() ? fmt::format("ALTER COLUMN {} DROP DEFAULT", name)
                                 : fmt::format("ALTER COLUMN {} SET{}", name, value));
  }

  void set_default(const ColumnAlter& step, const std::string& name) {
    const PlannedColumn& column = after_.columns[step.column];
    const std::string value = table_sql_.default_clause(after_, step.column);
    if (value.empty() && after_.source.columns[column.source].default_value) {
      leave_out("the default of the column " + step.name, "this server takes none of its type");
    }
    // Without any, a row that leaves a column out is refused though it may be NULL.
    const std::string none = column.nullable ? "SET DEFAULT NULL" : "DROP DEFAULT";
    try_to(fmt::format("{} ALTER COLUMN {} {}", table_, name, value.empty() ? none : "SET" + value),
           "the default of the column " + step.name);
  }

  /// Only with all the rest of its definition, which may be as a policy has left it.
  void set_comment(const ColumnAlter& step) {
    const PlannedColumn& column = after_.columns[step.column];
    const ExistingColumn& there = columns_.at(to_lower(step.name));
    const ColumnShape shape = table_sql_.shapes(after_)[step.column];
    const bool is_as_planned =
        equals_ignoring_case(type_word(shape.type), type_word(there.column_type)) &&
        there.nullable == column.nullable && fit(column.type, there) == Fit::fits;
    const std::string what = "the comment of the column " + step.name;
    if (!is_as_planned) {
      leave_out(what, fmt::format("the column is {} there, and would become {}", there.column_type,
                                  shape.type));
      return;
    }
    try_to(fmt::format("{} MODIFY COLUMN {}", table_, table_sql_.column(after_, step.column)),
           what);
  }

  void change_key() {
    std::vector<std::string> wanted;
    for (const std::uint32_t part : after_.key) wanted.push_back(after_.columns[part].name);
    const std::vector<std::string> primary = index_columns("PRIMARY");
    if (primary == wanted) return;
    execute(fmt::format("{}{} ADD PRIMARY KEY {}", table_,
                        primary.empty() ? "" : " DROP PRIMARY KEY,", table_sql_.key(after_)));
  }

  /// Empty if there is no such index.
  std::vector<std::string> index_columns(const std::string& name) {
    std::vector<std::string> out;
    for (const auto& row : connection_.query(fmt::format(
             "SELECT column_name FROM information_schema.statistics WHERE table_schema = {} AND "
             "table_name = {} AND index_name = {} ORDER BY seq_in_index",
             connection_.quote(after_.target.schema), connection_.quote(after_.target.table),
             connection_.quote(name)))) {
      out.push_back(row[0].value_or(""));
    }
    return out;
  }

  void drop_index(const IndexAlter& index) {
    const std::string& name = alter_.before.source.indexes[index.before].name;
    if (index_columns(name).empty()) return;
    try_to(fmt::format("{} DROP INDEX {}", table_, mysql_identifier(name)),
           fmt::format("the index {}, which stays", name));
  }

  void rename_index(const IndexAlter& index) {
    const std::string& name = alter_.before.source.indexes[index.before].name;
    const std::string& wanted = after_.source.indexes[index.after].name;
    if (!index_columns(wanted).empty()) return;
    const std::string what = fmt::format("the new name of the index {}", name);
    if (index_columns(name).empty()) {
      leave_out(what, "there is no such index");
      return;
    }
    try_to(fmt::format("{} RENAME INDEX {} TO {}", table_, mysql_identifier(name),
                       mysql_identifier(wanted)),
           what);
  }

  void add_index(const IndexAlter& index) {
    const Index& wanted = after_.source.indexes[index.after];
    if (!index_columns(wanted.name).empty()) return;
    const TableSql::IndexSql made = table_sql_.index(after_, wanted);
    const std::string what = fmt::format("the index {}", wanted.name);
    if (!made.reason.empty()) leave_out(what, made.reason);
    if (made.sql.empty()) return;
    const std::string sql = fmt::format("{} ADD {}", table_, made.sql);
    // Rows that contradict a unique index would be missed on the source, too.
    if (wanted.kind == Index::Kind::unique) {
      execute(sql);
    } else {
      try_to(sql, what);
    }
  }

  MysqlConnection& connection_;
  const TableSql& table_sql_;
  const TableAlter& alter_;
  const TablePlan& after_;
  const std::string table_;
  std::map<std::string, ExistingColumn> columns_;
  AlterResult done_;
};

}  // namespace

AlterResult alter_table(MysqlConnection& connection, const TableSql& table_sql,
                        const TableAlter& alter) {
  return Altering(connection, table_sql, alter).run();
}

}  // namespace weir::mysqltarget
