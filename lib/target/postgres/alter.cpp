// SPDX-License-Identifier: Apache-2.0
#include "target/postgres/alter.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "target/postgres/counters.h"
#include "target/postgres/encode.h"
#include "target/postgres/index.h"
#include "target/postgres/loader.h"
#include "target/postgres/types.h"
#include "target/target.h"

namespace weir::postgres {
namespace {

struct TargetColumn {
  std::string type;
  int modifier = -1;
  bool not_null = false;
  bool identity = false;
  bool has_default = false;
};

using TargetColumns = std::map<std::string, TargetColumn>;

TargetColumns read_columns(PgConnection& connection, const std::string& table) {
  TargetColumns columns;
  const PgResult rows = connection.query(
      "SELECT a.attname, t.typname, a.atttypmod, a.attnotnull, a.attidentity <> '', a.atthasdef "
      "FROM "
      "pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = to_regclass($1) AND "
      "a.attnum > 0 AND NOT "
      "a.attisdropped",
      {table});
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    TargetColumn& column = columns[std::string(rows.text(i, 0))];
    column.type = rows.text(i, 1);
    column.modifier = std::stoi(std::string(rows.text(i, 2)));
    column.not_null = rows.text(i, 3) == "t";
    column.identity = rows.text(i, 4) == "t";
    column.has_default = rows.text(i, 5) == "t";
  }
  return columns;
}

std::string literal(const PgConnection& connection, const PlannedColumn& column,
                    const std::optional<std::string>& value) {
  if (!value) return "NULL";
  switch (type_row(column.type.kind).encoding) {
    case Encoding::hex:
      return "'\\x" + hex(*value) + "'";
    case Encoding::vector:
      return connection.quote(float_array_text(*value));
    default:
      return connection.quote(*value);
  }
}

/// What becomes of an error of the server while a change is carried out.
Error judged(const TableAlter& alter, const std::string& sql, const Error& error) {
  const bool passing = error.id() == "postgres.lost" || error.id() == "postgres.conflict" ||
                       error.id() == "postgres.disk-full";
  return passing ? error : refuse_statement(alter, sql, error.why());
}

/// Takes the steps one by one, each on what the ones before have left.
class Altering {
 public:
  Altering(PgConnection& connection, const TableAlter& alter)
      : connection_(connection),
        alter_(alter),
        table_(qualified(alter.after.target)),
        columns_(read_columns(connection, table_)) {}

  AlterResult run() {
    for (const IndexAlter& index : alter_.indexes) {
      if (index.kind == IndexAlter::Kind::drop) drop_index(index);
    }
    if (alter_.key_changed) drop_key();
    for (const ColumnAlter& step : alter_.steps) take(step);
    if (alter_.key_changed) add_key();
    for (const IndexAlter& index : alter_.indexes) {
      if (index.kind == IndexAlter::Kind::rename) rename_index(index);
      if (index.kind == IndexAlter::Kind::add) add_index(index);
    }
    if (alter_.comment_changed) comment("TABLE " + table_, alter_.after.source.comment);
    if (!done_.target_sql.empty()) compare();
    return std::move(done_);
  }

 private:
  void carry_out(const std::string& sql) {
    try {
      connection_.execute(sql);
    } catch (const Error& error) {
      throw judged(alter_, sql, error);
    }
    note(sql);
  }
  void note(const std::string& sql) {
    done_.target_sql += (done_.target_sql.empty() ? "" : "; ") + sql;
  }
  void execute(const std::string& action) {
    carry_out(fmt::format("ALTER TABLE {} {}", table_, action));
  }

  void take(const ColumnAlter& step) {
    using Kind = ColumnAlter::Kind;
    const auto at = columns_.find(step.name);
    const bool there = at != columns_.end();
    const std::string name = pg_identifier(step.name);
    switch (step.kind) {
      case Kind::drop:
        if (!there) return;
        execute("DROP COLUMN " + name);
        columns_.erase(at);
        return;
      case Kind::rename:
        if (!there && columns_.contains(step.rename_to)) return;
        execute(fmt::format("RENAME COLUMN {} TO {}", name, pg_identifier(step.rename_to)));
        columns_[step.rename_to] = there ? at->second : TargetColumn{};
        columns_.erase(step.name);
        return;
      case Kind::add:
        if (there) return;
        if (!step.problem.empty()) throw refuse_step(alter_, step);
        add(step, name);
        return;
      case Kind::retype:
        if (!step.problem.empty()) throw refuse_step(alter_, step);
        retype(step, name);
        return;
      case Kind::drop_not_null:
        if (there && !at->second.not_null) return;
        if (there) drop_identity(at->second, name);
        execute(fmt::format("ALTER COLUMN {} DROP NOT NULL", name));
        return;
      case Kind::set_not_null:
        if (there && at->second.not_null) return;
        execute(fmt::format("ALTER COLUMN {} SET NOT NULL", name));
        return;
      case Kind::set_default:
        if (there) set_default(step, name, at->second);
        return;
      case Kind::set_comment:
        if (!there) return;
        comment(fmt::format("COLUMN {}.{}", table_, name), source_of(step).comment);
        return;
    }
  }

  const Column& source_of(const ColumnAlter& step) const {
    return alter_.after.source.columns[alter_.after.columns[step.column].source];
  }

  void set_default(const ColumnAlter& step, const std::string& name, const TargetColumn& there) {
    const Column& source = source_of(step);
    // An identity has no default.
    if (there.identity) return;
    const std::string wanted = default_clause(source, connection_);
    if (wanted.empty() && source.default_value) {
      done_.left_out.push_back(
          fmt::format("the column {} of {} gets no default: PostgreSQL may read that of the source "
                      "otherwise",
                      step.name, alter_.after.target.text()));
    }
    if (wanted.empty() && !there.has_default) return;
    execute(wanted.empty() ? fmt::format("ALTER COLUMN {} DROP DEFAULT", name)
                           : fmt::format("ALTER COLUMN {} SET{}", name, wanted));
  }

  void comment(const std::string& what, const std::string& text) {
    carry_out(fmt::format("COMMENT ON {} IS {}", what,
                          text.empty() ? std::string("NULL") : connection_.quote(text)));
  }

  /// An index of the target table by that name, and whether it belongs to a constraint.
  std::optional<bool> find_index(const std::string& name) const {
    const PgResult rows = connection_.query(
        "SELECT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid) FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = to_regclass($1) AND c.relname "
        "= $2",
        {table_, name});
    if (rows.rows() == 0) return std::nullopt;
    return rows.text(0, 0) == "t";
  }

  void drop_index(const IndexAlter& index) {
    const std::string& source = alter_.before.source.indexes[index.before].name;
    const std::string name = index_name(alter_.after.target, source);
    const auto is_constraint = find_index(name);
    if (!is_constraint) return;
    if (*is_constraint) {
      execute("DROP CONSTRAINT " + pg_identifier(name));
    } else {
      carry_out("DROP INDEX " + in_schema(name));
    }
  }

  void rename_index(const IndexAlter& index) {
    const std::string name =
        index_name(alter_.after.target, alter_.before.source.indexes[index.before].name);
    const Index& wanted = alter_.after.source.indexes[index.after];
    const std::string to = index_name(alter_.after.target, wanted.name);
    if (find_index(to)) return;
    if (!find_index(name)) {
      done_.left_out.push_back(
          fmt::format("index {} of {} has no new name: there is none by its "
                      "old one, {}",
                      wanted.name, alter_.after.target.text(), name));
      return;
    }
    carry_out(fmt::format("ALTER INDEX {} RENAME TO {}", in_schema(name), pg_identifier(to)));
  }

  void add_index(const IndexAlter& index) {
    const Index& wanted = alter_.after.source.indexes[index.after];
    // What a PostgreSQL source does to its indexes is in no log.
    BuiltIndex built = build_index(connection_, alter_.after, wanted, false);
    if (!built.refused.empty()) throw refuse_statement(alter_, built.refused, built.left_out);
    if (!built.left_out.empty()) done_.left_out.push_back(std::move(built.left_out));
    if (!built.sql.empty()) note(built.sql);
  }

  std::string in_schema(const std::string& name) const {
    return pg_identifier(alter_.after.target.schema) + "." + pg_identifier(name);
  }

  void add(const ColumnAlter& step, const std::string& name) {
    const PlannedColumn& column = alter_.after.columns[step.column];
    const std::string fill = step.fill ? " DEFAULT " + literal(connection_, column, step.fill) : "";
    execute(fmt::format("ADD COLUMN {} {}{}{}", name, column.target_type,
                        column.nullable ? "" : " NOT NULL", fill));
    columns_[step.name] = {"", -1, !column.nullable};
    const std::string wanted =
        default_clause(alter_.after.source.columns[column.source], connection_);
    if (wanted == fill) return;
    execute(wanted.empty() ? fmt::format("ALTER COLUMN {} DROP DEFAULT", name)
                           : fmt::format("ALTER COLUMN {} SET{}", name, wanted));
  }

  /// An identity has no default, and is never NULL.
  void drop_identity(TargetColumn& column, const std::string& name) {
    if (!std::exchange(column.identity, false)) return;
    execute(fmt::format("ALTER COLUMN {} DROP IDENTITY", name));
  }

  void retype(const ColumnAlter& step, const std::string& name) {
    const PlannedColumn& column = alter_.after.columns[step.column];
    const Column& source = alter_.after.source.columns[column.source];
    TargetColumn& there = columns_[step.name];
    if (there.identity && source.auto_increment && can_be_identity(column.target_type)) {
      execute(fmt::format("ALTER COLUMN {} TYPE {}", name, column.target_type));
      return;
    }
    drop_identity(there, name);
    // A default of the old type may have no way into the new one.
    execute(fmt::format("ALTER COLUMN {} DROP DEFAULT", name));
    execute(fmt::format("ALTER COLUMN {} TYPE {}", name, column.target_type));
    const std::string wanted =
        default_clause(alter_.after.source.columns[column.source], connection_);
    if (!wanted.empty()) execute(fmt::format("ALTER COLUMN {} SET{}", name, wanted));
  }

  void drop_key() {
    const auto constraint = connection_.scalar(
        "SELECT conname FROM pg_constraint WHERE conrelid = to_regclass($1) AND contype = 'p'",
        {table_});
    if (constraint) execute("DROP CONSTRAINT " + pg_identifier(*constraint));
  }

  void add_key() {
    if (alter_.after.key.empty()) return;
    std::string key;
    for (const std::uint32_t part : alter_.after.key) {
      if (!key.empty()) key += ", ";
      key += pg_identifier(alter_.after.columns[part].name);
    }
    execute(fmt::format("ADD PRIMARY KEY ({})", key));
  }

  void compare() {
    const TargetColumns columns = read_columns(connection_, table_);
    const auto wrong = [&](const std::string& what) {
      throw Error(ExitCode::refused, "ddl.outcome",
                  fmt::format("{} does not look as it should after a change", table_), what,
                  "report it with the statement; set this kind of DDL to \"ignore\" under [ddl] "
                  "to leave the target table as it is");
    };
    for (const PlannedColumn& column : alter_.after.columns) {
      if (!columns.contains(column.name)) {
        wrong(fmt::format("the column {} is missing", column.name));
      }
    }
    for (const ColumnAlter& step : alter_.steps) {
      // Another column may be as a policy, or the task file, has left it.
      if (step.kind == ColumnAlter::Kind::add || step.kind == ColumnAlter::Kind::retype) {
        const PlannedColumn& column = alter_.after.columns[step.column];
        const TargetColumn& found = columns.at(column.name);
        if (column.target_type == target_type(column.type) &&
            fit(column.type, found.type, found.modifier) != Fit::fits) {
          wrong(fmt::format("the column {} is {}", column.name, found.type));
        }
      }
      if (step.kind == ColumnAlter::Kind::set_default && columns.contains(step.name)) {
        const TargetColumn& column = columns.at(step.name);
        const bool wanted = !default_clause(source_of(step), connection_).empty();
        if (!column.identity && column.has_default != wanted) {
          wrong(fmt::format("the column {} {}", step.name,
                            wanted ? "has no default" : "still has its default"));
        }
      }
      if (step.kind != ColumnAlter::Kind::drop || !columns.contains(step.name)) continue;
      const auto& kept = alter_.after.columns;
      if (std::none_of(kept.begin(), kept.end(),
                       [&](const PlannedColumn& c) { return c.name == step.name; })) {
        wrong(fmt::format("the column {} is still there", step.name));
      }
    }
    for (const IndexAlter& index : alter_.indexes) {
      if (index.kind != IndexAlter::Kind::drop) continue;
      const std::string& source = alter_.before.source.indexes[index.before].name;
      const std::vector<Index>& after = alter_.after.source.indexes;
      const bool is_made_anew = std::any_of(after.begin(), after.end(),
                                            [&](const Index& each) { return each.name == source; });
      const std::string name = index_name(alter_.after.target, source);
      if (!is_made_anew && find_index(name)) {
        wrong(fmt::format("the index {} is still there", name));
      }
    }
  }

  PgConnection& connection_;
  const TableAlter& alter_;
  std::string table_;
  TargetColumns columns_;
  AlterResult done_;
};

/// Their names begin with that of the table, and are found by it.
std::vector<std::string> renamed_indexes(PgConnection& connection, const TableAlter& alter) {
  std::vector<std::string> out;
  const TableName& target = alter.after.target;
  for (const Index& index : alter.before.source.indexes) {
    const std::string now = index_name(alter.before.target, index.name);
    const std::string wanted = index_name(target, index.name);
    const auto is_there = [&](const std::string& name) {
      return connection
          .scalar(
              "SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE "
              "i.indrelid = to_regclass($1) AND c.relname = $2",
              {qualified(target), name})
          .has_value();
    };
    if (now == wanted || !is_there(now) || is_there(wanted)) continue;
    out.push_back(fmt::format("ALTER INDEX {}.{} RENAME TO {}", pg_identifier(target.schema),
                              pg_identifier(now), pg_identifier(wanted)));
  }
  return out;
}

}  // namespace

std::string default_clause(const Column& column, const PgConnection& connection) {
  if (!column.default_value || column.generated) return "";
  switch (column.type.kind) {
    case TypeKind::bytes:
    case TypeKind::bits:
    case TypeKind::geometry:
    case TypeKind::vector:
    case TypeKind::json:
      return "";
    case TypeKind::date:
    case TypeKind::datetime:
    case TypeKind::timestamp:
      if (column.default_value->starts_with("0000") ||
          column.default_value->find("-00") != std::string::npos) {
        return "";
      }
      break;
    default:
      break;
  }
  return " DEFAULT " + connection.quote(*column.default_value);
}

AlterResult alter_table(PgConnection& connection, const TableAlter& alter) {
  const auto exists = [&](const TableName& table) {
    return connection.scalar("SELECT to_regclass($1)", {qualified(table)}).has_value();
  };
  const auto execute = [&](const std::string& sql) {
    try {
      connection.execute(sql);
    } catch (const Error& error) {
      throw judged(alter, sql, error);
    }
  };
  std::string done;
  if (alter.drops) {
    if (!exists(alter.before.target)) return {};
    done = "DROP TABLE " + qualified(alter.before.target);
    execute(done);
    return {done};
  }
  if (alter.renames() && exists(alter.before.target)) {
    TableName now = alter.before.target;
    const auto take = [&](const std::string& action) {
      const std::string sql = fmt::format("ALTER TABLE {} {}", qualified(now), action);
      execute(sql);
      done += (done.empty() ? "" : "; ") + sql;
    };
    const TableName& wanted = alter.after.target;
    if (now.schema != wanted.schema) take("SET SCHEMA " + pg_identifier(wanted.schema));
    now.schema = wanted.schema;
    if (now.table != wanted.table) {
      take("RENAME TO " + pg_identifier(wanted.table));
      for (const std::string& sql : renamed_indexes(connection, alter)) {
        execute(sql);
        done += "; " + sql;
      }
    }
  }
  if (!alter.alters()) return {done};
  AlterResult rest = Altering(connection, alter).run();
  rest.target_sql = done + (done.empty() || rest.target_sql.empty() ? "" : "; ") + rest.target_sql;
  return rest;
}

}  // namespace weir::postgres
