// SPDX-License-Identifier: Apache-2.0
#include "target/postgres/alter.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "target/postgres/counters.h"
#include "target/postgres/encode.h"
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
};

using TargetColumns = std::map<std::string, TargetColumn>;

TargetColumns read_columns(PgConnection& connection, const std::string& table) {
  TargetColumns columns;
  const PgResult rows = connection.query(
      "SELECT a.attname, t.typname, a.atttypmod, a.attnotnull, a.attidentity <> '' FROM "
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
Error refuse_statement(const TableAlter& alter, const std::string& sql, const Error& error) {
  const bool passing = error.id() == "postgres.lost" || error.id() == "postgres.conflict" ||
                       error.id() == "postgres.disk-full";
  if (passing) return error;
  return Error(ExitCode::refused, "ddl.target",
               fmt::format("the target refuses a change of {}", alter.after.target.text()),
               fmt::format("{}: {}", sql, error.why()),
               "mend what stands in the way on the target and start the task; or set this kind of "
               "DDL to \"ignore\" under [ddl] to leave the target table as it is");
}

/// Takes the steps one by one, each on what the ones before have left.
class Altering {
 public:
  Altering(PgConnection& connection, const TableAlter& alter)
      : connection_(connection),
        alter_(alter),
        table_(qualified(alter.after.target)),
        columns_(read_columns(connection, table_)) {}

  std::string run() {
    if (alter_.key_changed) drop_key();
    for (const ColumnAlter& step : alter_.steps) take(step);
    if (alter_.key_changed) add_key();
    if (!done_.empty()) compare();
    return std::move(done_);
  }

 private:
  void execute(const std::string& action) {
    const std::string sql = fmt::format("ALTER TABLE {} {}", table_, action);
    try {
      connection_.execute(sql);
    } catch (const Error& error) {
      throw refuse_statement(alter_, sql, error);
    }
    done_ += (done_.empty() ? "" : "; ") + sql;
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
    }
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
      const auto at = columns.find(column.name);
      if (at == columns.end()) wrong(fmt::format("the column {} is missing", column.name));
      // A type that the task file names is the operator's own decision.
      if (column.target_type != target_type(column.type)) continue;
      if (fit(column.type, at->second.type, at->second.modifier) != Fit::fits) {
        wrong(fmt::format("the column {} is {}", column.name, at->second.type));
      }
    }
    for (const ColumnAlter& step : alter_.steps) {
      if (step.kind != ColumnAlter::Kind::drop || !columns.contains(step.name)) continue;
      const auto& kept = alter_.after.columns;
      if (std::none_of(kept.begin(), kept.end(),
                       [&](const PlannedColumn& c) { return c.name == step.name; })) {
        wrong(fmt::format("the column {} is still there", step.name));
      }
    }
  }

  PgConnection& connection_;
  const TableAlter& alter_;
  std::string table_;
  TargetColumns columns_;
  std::string done_;
};

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

std::string alter_table(PgConnection& connection, const TableAlter& alter) {
  const auto exists = [&](const TableName& table) {
    return connection.scalar("SELECT to_regclass($1)", {qualified(table)}).has_value();
  };
  const auto execute = [&](const std::string& sql) {
    try {
      connection.execute(sql);
    } catch (const Error& error) {
      throw refuse_statement(alter, sql, error);
    }
  };
  std::string done;
  if (alter.drops) {
    if (!exists(alter.before.target)) return "";
    done = "DROP TABLE " + qualified(alter.before.target);
    execute(done);
    return done;
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
    if (now.table != wanted.table) take("RENAME TO " + pg_identifier(wanted.table));
  }
  if (alter.steps.empty() && !alter.key_changed) return done;
  const std::string rest = Altering(connection, alter).run();
  return done + (done.empty() || rest.empty() ? "" : "; ") + rest;
}

}  // namespace weir::postgres
