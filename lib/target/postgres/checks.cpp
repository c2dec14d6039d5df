// SPDX-License-Identifier: Apache-2.0
#include "target/postgres/checks.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "mapping/ddl.h"
#include "target/postgres/loader.h"
#include "target/postgres/types.h"

namespace weir::postgres {
namespace {

constexpr std::uint64_t kLargeCopy = std::uint64_t{1} << 30;
constexpr int kOldestVersion = 120000;
constexpr int kGrantsSettings = 150000;

bool is_true(const std::optional<std::string>& value) { return value == "t"; }

void gather_columns(PgConnection& connection, const std::string& name, Facts::TableFacts& table) {
  const PgResult columns = connection.query(
      "SELECT a.attname, t.typname, a.atttypmod, format_type(a.atttypid, a.atttypmod), "
      "a.attnotnull, "
      "a.atthasdef OR a.attidentity <> '', a.attgenerated <> '', a.attidentity = 'a' FROM "
      "pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
      "WHERE "
      "a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped",
      {name});
  for (std::size_t i = 0; i < columns.rows(); ++i) {
    Facts::ExistingColumn& column = table.columns[std::string(columns.text(i, 0))];
    column.type = columns.text(i, 1);
    column.modifier = std::atoi(std::string(columns.text(i, 2)).c_str());
    column.shown = columns.text(i, 3);
    column.not_null = columns.text(i, 4) == "t";
    column.has_default = columns.text(i, 5) == "t";
    column.generated = columns.text(i, 6) == "t";
    column.always = columns.text(i, 7) == "t";
  }
}

bool has_key(PgConnection& connection, const std::string& name, const TablePlan& plan) {
  std::set<std::string> wanted;
  for (const std::uint32_t part : plan.key) wanted.insert(plan.columns[part].name);
  const PgResult indexes = connection.query(
      "SELECT i.indexrelid, a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = "
      "i.indrelid AND "
      "a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]) WHERE i.indrelid = to_regclass($1) AND "
      "i.indisunique AND "
      "i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL ORDER BY 1",
      {name});
  std::map<std::string, std::set<std::string>> found;
  for (std::size_t i = 0; i < indexes.rows(); ++i) {
    found[std::string(indexes.text(i, 0))].insert(std::string(indexes.text(i, 1)));
  }
  return std::any_of(found.begin(), found.end(),
                     [&](const auto& index) { return index.second == wanted; });
}

Facts::TableFacts gather_table(PgConnection& connection, const TablePlan& plan) {
  Facts::TableFacts table;
  table.plan = &plan;
  table.source = plan.source.name;
  table.target = plan.target;
  const std::string name = qualified(plan.target);
  table.schema_exists =
      connection.scalar("SELECT 1 FROM pg_namespace WHERE nspname = $1", {plan.target.schema})
          .has_value();
  table.can_create =
      table.schema_exists &&
      is_true(connection.scalar("SELECT has_schema_privilege($1, 'CREATE')", {plan.target.schema}));
  if (!table.schema_exists) return table;
  if (!is_true(connection.scalar("SELECT has_schema_privilege($1, 'USAGE')", {plan.target.schema})))
    return table;
  const auto kind =
      connection.scalar("SELECT relkind FROM pg_class WHERE oid = to_regclass($1)", {name});
  if (!kind) return table;
  table.exists = true;
  table.is_table = kind == "r" || kind == "p";
  table.is_partitioned = kind == "p";
  if (!table.is_table) return table;
  const PgResult rights = connection.query(
      "SELECT has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') AND "
      "has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'), "
      "has_table_privilege(c.oid, 'TRUNCATE'), pg_has_role(c.relowner, 'USAGE'), "
      "pg_has_role(n.nspowner, 'USAGE') FROM pg_class c JOIN pg_namespace n ON n.oid = "
      "c.relnamespace WHERE c.oid = to_regclass($1)",
      {name});
  if (rights.rows() == 0) return table;
  table.can_write = rights.text(0, 0) == "t";
  table.can_truncate = rights.text(0, 1) == "t";
  table.owned = rights.text(0, 2) == "t";
  table.can_drop = table.owned || rights.text(0, 3) == "t";
  if (!table.can_write) return table;
  table.has_rows = connection.scalar(fmt::format("SELECT 1 FROM {} LIMIT 1", name)).has_value();
  gather_columns(connection, name, table);
  table.has_key = has_key(connection, name, plan);
  return table;
}

/// The triggers and foreign keys of the tables that exist.
void gather_triggers(PgConnection& connection, Facts& facts) {
  std::map<TableName, Facts::TableFacts*> tables;
  std::string names;
  for (Facts::TableFacts& table : facts.tables) {
    if (!table.is_table) continue;
    tables.emplace(table.target, &table);
    names +=
        fmt::format("{}({}, {})", names.empty() ? "" : ", ", connection.quote(table.target.schema),
                    connection.quote(table.target.table));
  }
  if (names.empty()) return;
  const PgResult rows = connection.query(
      "SELECT DISTINCT w.s, w.t, CASE WHEN c.contype = 'f' THEN 'foreign key ' || c.conname ELSE "
      "'trigger ' || t.tgname END FROM (VALUES " +
      names +
      ") AS w(s, t) JOIN pg_namespace n ON n.nspname = w.s JOIN pg_class r ON r.relnamespace = "
      "n.oid AND r.relname = w.t JOIN pg_trigger t ON t.tgrelid = r.oid LEFT JOIN pg_constraint c "
      "ON c.oid = t.tgconstraint WHERE t.tgenabled = 'O' AND (NOT t.tgisinternal OR c.contype = "
      "'f') ORDER BY 1, 2, 3");
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    tables.at({std::string(rows.text(i, 0)), std::string(rows.text(i, 1))})
        ->triggers.emplace_back(rows.text(i, 2));
  }
}

/// Of the server, the database and the role, the one that lets in the fewest.
void gather_connections(PgConnection& connection, Facts& facts) {
  // What a session of another role is for is hidden without pg_monitor; a role's name never is, and
  // the server's own workers have none.
  const PgResult row = connection.query(
      "SELECT current_setting('max_connections'), current_setting('max_connections')::int - "
      "current_setting('superuser_reserved_connections')::int - "
      "coalesce(current_setting('reserved_connections', true), '0')::int - count(*), "
      "d.datname, d.datconnlimit, d.datconnlimit - count(*) FILTER (WHERE a.datname = d.datname), "
      "r.rolname, r.rolconnlimit, r.rolconnlimit - count(*) FILTER (WHERE a.usename = r.rolname) "
      "FROM pg_stat_activity a, pg_database d, pg_roles r WHERE d.datname = current_database() AND "
      "r.rolname = current_user AND a.usename IS NOT NULL AND coalesce(a.backend_type, 'client "
      "backend') = 'client backend' AND a.pid NOT IN (SELECT pid FROM pg_stat_replication) GROUP "
      "BY d.datname, d.datconnlimit, r.rolname, r.rolconnlimit");
  if (row.rows() == 0) return;
  const auto number = [&row](std::size_t column) {
    return std::atol(std::string(row.text(0, column)).c_str());
  };
  struct Limit {
    std::string name;
    long most;
    long left;
  };
  const Limit limits[] = {
      {"max_connections", number(0), number(1)},
      {fmt::format("CONNECTION LIMIT of database {}", row.text(0, 2)), number(3), number(4)},
      {fmt::format("CONNECTION LIMIT of role {}", row.text(0, 5)), number(6), number(7)}};
  const Limit* least = &limits[0];
  for (const Limit& limit : limits) {
    if (limit.most >= 0 && limit.left < least->left) least = &limit;
  }
  facts.connections_left = std::max(least->left, 0L);
  facts.connection_limits = fmt::format("{} = {}", least->name, least->most);
}

/// Does to a table of its own what weir does to tables, and rolls it back.
std::optional<std::string> write_problem(PgConnection& connection, const Facts& facts) {
  const bool may = facts.control_exists ? facts.owns_control : facts.can_create_schema;
  if (!facts.is_new || facts.read_only || !may) return {};
  const std::string schema = pg_identifier(facts.control_schema);
  const std::string table =
      "weir_probe_" + connection.scalar("SELECT pg_backend_pid()").value_or("");
  try {
    connection.execute(fmt::format(
        "BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '15s'; {3}"
        "CREATE TABLE {0}.{1} (id integer PRIMARY KEY, v text); ALTER TABLE {0}.{1} ADD COLUMN w "
        "bigint NOT NULL DEFAULT 0; INSERT INTO {0}.{1} VALUES (1, 'a', 1); UPDATE {0}.{1} SET v = "
        "'b'; CREATE UNIQUE INDEX ON {0}.{1} (w); DELETE FROM {0}.{1}; ALTER TABLE {0}.{1} RENAME "
        "TO {2}; DROP TABLE {0}.{2}; ROLLBACK",
        schema, table, table + "_b",
        facts.control_exists ? "" : fmt::format("CREATE SCHEMA {}; ", schema)));
    return "";
  } catch (const Error& error) {
    connection.rollback();
    if (error.code() == ExitCode::target_unreachable) throw;
    // Who else starts now holds the name for a moment.
    if (error.id() == "postgres.conflict") return {};
    return error.why();
  }
}

bool may_leave_out_triggers(PgConnection& connection) {
  try {
    connection.execute("BEGIN; SET LOCAL session_replication_role = replica; ROLLBACK");
    return true;
  } catch (const Error& error) {
    connection.rollback();
    if (error.id() != "postgres.permission") throw;
    return false;
  }
}

/// The [ddl] settings, of those that weir can do, which say "apply".
void gather_settings(const Task& task, Facts& facts) {
  std::set<std::string> alters;
  for (const DdlSettings* settings : all_ddl_settings(task)) {
    for (const DdlKind& kind : ddl_kinds()) {
      if (settings->*kind.setting != DdlAction::apply || !kind.can_apply) continue;
      // The privileges to make tables are asked for anyway.
      if (kind.kind == SchemaChange::Kind::create_table) continue;
      if (kind.kind == SchemaChange::Kind::truncate_table) {
        facts.truncates = "ddl.truncate_table = apply";
      } else {
        alters.insert(fmt::format("ddl.{} = apply", kind.key));
      }
    }
  }
  facts.alters = join(std::vector<std::string>(alters.begin(), alters.end()), ", ");
}

Finding finding(const char* id, std::string what, std::string why, std::string fix,
                std::string evidence = "", std::string table = "") {
  Finding out;
  out.id = id;
  out.severity = Severity::critical;
  out.what = std::move(what);
  out.why = std::move(why);
  out.fix = std::move(fix);
  out.evidence = std::move(evidence);
  out.table = std::move(table);
  return out;
}

Finding milder(Finding finding, Severity severity) {
  finding.severity = severity;
  return finding;
}

void judge_columns(const Facts& facts, const Facts::TableFacts& table, std::vector<Finding>& out) {
  const TablePlan& plan = *table.plan;
  const std::string name = plan.target.text();
  std::set<std::string> planned;
  for (const PlannedColumn& column : plan.columns) {
    planned.insert(column.name);
    const auto at = table.columns.find(column.name);
    if (at == table.columns.end()) {
      out.push_back(finding(
          "postgres.column-missing",
          fmt::format("the target table lacks the column {}", column.name),
          "rows cannot be written without it",
          fmt::format("ALTER TABLE {} ADD COLUMN {} {}; or drop the column in the table rule",
                      qualified(plan.target), pg_identifier(column.name), column.target_type),
          fmt::format("no column {}, wanted {}", column.name, column.target_type), name));
      continue;
    }
    const Facts::ExistingColumn& existing = at->second;
    if (existing.generated) {
      out.push_back(finding(
          "postgres.column-generated",
          fmt::format("the target column {} is generated", column.name),
          "PostgreSQL takes no values for it",
          fmt::format("columns = {{ drop = [\"{0}\"] }} in the table rule, or "
                      "ALTER TABLE {1} ALTER COLUMN {2} DROP EXPRESSION",
                      column.added() ? column.name : plan.source.columns[column.source].name,
                      qualified(plan.target), pg_identifier(column.name)),
          "GENERATED ALWAYS AS (...) STORED, wanted a plain column", name));
    }
    if (existing.always) {
      out.push_back(
          finding("postgres.identity-always",
                  fmt::format("the target column {} is GENERATED ALWAYS AS IDENTITY", column.name),
                  "PostgreSQL takes no numbers for it but its own, and each row comes with one",
                  fmt::format("ALTER TABLE {} ALTER COLUMN {} SET GENERATED BY DEFAULT",
                              qualified(plan.target), pg_identifier(column.name)),
                  "attidentity = a, wanted d", name));
    }
    const bool in_key = std::ranges::any_of(
        plan.key, [&](std::uint32_t part) { return &plan.columns[part] == &column; });
    if (!table.started && existing.not_null && column.nullable && !in_key) {
      out.push_back(milder(
          finding(
              "postgres.column-not-null",
              fmt::format("the target column {} is NOT NULL, and the source's is not", column.name),
              "a row that holds NULL there would stop the task",
              fmt::format("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", qualified(plan.target),
                          pg_identifier(column.name)),
              "source NULL, target NOT NULL", name),
          Severity::warning));
    }
    if (existing.shown == column.target_type) continue;
    const std::string kept =
        facts.same_product && !column.added() ? kept_type(column.type) : std::string();
    // A type that the task file names is the operator's own decision.
    if (column.target_type != kept && column.target_type != target_type(column.type)) continue;
    const Fit verdict = fit(column.type, existing.type, existing.modifier);
    if (verdict == Fit::fits) continue;
    Finding unfit = finding(
        verdict == Fit::narrow ? "postgres.type-narrow" : "postgres.type-other",
        verdict == Fit::narrow ? fmt::format("the target column {} is too narrow", column.name)
                               : fmt::format("the target column {} has another type", column.name),
        fmt::format("{} on the source may hold values that {} cannot", column.type.native,
                    existing.shown),
        fmt::format("ALTER TABLE {} ALTER COLUMN {} TYPE {}; or say type = {{ {} = \"{}\" }} in "
                    "the table rule to "
                    "keep it",
                    qualified(plan.target), pg_identifier(column.name), column.target_type,
                    column.name, existing.shown),
        fmt::format("source {}, target {}", column.type.native, existing.shown), name);
    // A [ddl] policy may have left it so; a value that it cannot hold stops the table.
    out.push_back(table.started ? milder(std::move(unfit), Severity::warning) : std::move(unfit));
  }
  for (const auto& [column, existing] : table.columns) {
    if (planned.contains(column) || !existing.not_null || existing.has_default) continue;
    out.push_back(finding(
        "postgres.column-unfilled",
        fmt::format("the target column {} is NOT NULL and nothing fills it", column),
        "every insert would be refused",
        fmt::format("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL; or give it a default, or fill "
                    "it with add_columns",
                    qualified(plan.target), pg_identifier(column)),
        fmt::format("{} NOT NULL without a default", existing.shown), name));
  }
}

/// What the role may not do to a table that somebody else owns.
void judge_rights(const Facts& facts, const Facts::TableFacts& table, std::vector<Finding>& out) {
  const TablePlan& plan = *table.plan;
  const std::string name = plan.target.text();
  const std::string take =
      fmt::format("ALTER TABLE {} OWNER TO {}", qualified(plan.target), pg_identifier(facts.role));
  const std::string truncate =
      fmt::format("GRANT TRUNCATE ON {} TO {}", qualified(plan.target), pg_identifier(facts.role));
  const bool replaces = !table.started && plan.existing == ExistingPolicy::replace;
  const bool empties = !table.started && plan.existing == ExistingPolicy::truncate;
  if ((replaces && !table.can_drop) || (empties && !table.can_truncate)) {
    out.push_back(finding(
        "postgres.existing-denied",
        fmt::format("the role {} may not {} {}", facts.role, replaces ? "drop" : "empty", name),
        replaces ? "the table rule says existing = \"replace\", which takes the table's owner"
                 : "the table rule says existing = \"truncate\", which takes a privilege",
        replaces ? take : truncate, replaces ? "owner is another role" : "TRUNCATE is missing",
        name));
    return;
  }
  if (replaces) return;
  std::vector<std::string> lacks;
  std::vector<std::string> mends;
  if (!table.owned && !facts.alters.empty()) {
    lacks.push_back(facts.alters + ", which takes the table's owner");
    mends.push_back(take);
  } else if (!table.can_truncate && !facts.truncates.empty()) {
    mends.push_back(truncate);
  }
  if (!table.can_truncate && !facts.truncates.empty()) {
    lacks.push_back(facts.truncates + ", which takes TRUNCATE");
  }
  if (lacks.empty()) return;
  out.push_back(milder(
      finding("postgres.ddl-denied",
              fmt::format("the role {} may not change the definition of {}", facts.role, name),
              "the task stops at the first change of that kind on the source", join(mends, "; "),
              join(lacks, "; "), name),
      Severity::warning));
}

void judge_table(const Facts& facts, const Facts::TableFacts& table, std::vector<Finding>& out) {
  const TablePlan& plan = *table.plan;
  const std::string name = plan.target.text();
  if (!table.schema_exists) {
    if (!facts.can_create_schema) {
      out.push_back(finding(
          "postgres.schema-missing", fmt::format("there is no schema {}", plan.target.schema),
          fmt::format("the role {} may not create schemas in this database", facts.role),
          fmt::format("CREATE SCHEMA {} AUTHORIZATION {}", pg_identifier(plan.target.schema),
                      pg_identifier(facts.role)),
          fmt::format("pg_namespace has no {}", plan.target.schema), name));
    }
    return;
  }
  if (!table.exists) {
    if (!table.can_create) {
      out.push_back(finding(
          "postgres.create-denied",
          fmt::format("the role {} may not create tables in schema {}", facts.role,
                      plan.target.schema),
          "the target table does not exist yet",
          fmt::format("GRANT USAGE, CREATE ON SCHEMA {} TO {}", pg_identifier(plan.target.schema),
                      pg_identifier(facts.role)),
          fmt::format("has_schema_privilege('{}', 'CREATE') = f, wanted t", plan.target.schema),
          name));
    }
    return;
  }
  if (!table.is_table) {
    out.push_back(finding("postgres.not-a-table", fmt::format("{} exists and is not a table", name),
                          "rows can be kept in a table only",
                          "choose another target name in the table rule",
                          "relkind is neither r nor p", name));
    return;
  }
  if (!table.can_write) {
    out.push_back(finding("postgres.write-denied",
                          fmt::format("the role {} may not read and write {}", facts.role, name),
                          "the table belongs to somebody else",
                          fmt::format("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}",
                                      qualified(plan.target), pg_identifier(facts.role)),
                          "one of SELECT, INSERT, UPDATE, DELETE is missing", name));
    return;
  }
  judge_rights(facts, table, out);
  const bool replaced = !table.started && plan.existing == ExistingPolicy::replace;
  if (replaced) return;
  if (!table.triggers.empty() && !facts.may_leave_out_triggers) {
    out.push_back(milder(
        finding("postgres.triggers",
                fmt::format("triggers and foreign keys of {} go on while weir writes", name),
                "they fired on the source already; and rows come in another order than foreign "
                "keys want, which stops the task",
                facts.version >= kGrantsSettings
                    ? fmt::format("GRANT SET ON PARAMETER session_replication_role TO {}",
                                  pg_identifier(facts.role))
                    : fmt::format("ALTER TABLE {} DISABLE TRIGGER ALL, as a superuser",
                                  qualified(plan.target)),
                fmt::format("{}; the role {} may not set session_replication_role = replica",
                            join(table.triggers, ", "), facts.role),
                name),
        Severity::warning));
  }
  if (!table.started && table.has_rows && plan.existing == ExistingPolicy::refuse) {
    out.push_back(finding("postgres.table-not-empty",
                          fmt::format("the target table {} already has rows", name),
                          "weir does not mix its rows with others unless it is told to",
                          fmt::format("TRUNCATE {}; or say existing = \"append\", \"truncate\" "
                                      "or \"replace\" in the table rule",
                                      qualified(plan.target)),
                          "existing = \"refuse\", wanted an empty table", name));
  }
  judge_columns(facts, table, out);
  if (plan.key.empty() && table.is_partitioned) {
    out.push_back(finding(
        "postgres.partitioned",
        fmt::format("the target table {} is partitioned, and the source's has no key", name),
        "a row without a key is removed by its place, which several partitions have",
        "choose another target name in the table rule, or give the source table a key", "", name));
  }
  if (!plan.key.empty() && !table.has_key && !table.started) {
    std::string key;
    for (const std::uint32_t part : plan.key) {
      if (!key.empty()) key += ", ";
      key += pg_identifier(plan.columns[part].name);
    }
    out.push_back(
        finding("postgres.key-missing",
                fmt::format("the target table {} has no unique key on ({})", name, key),
                "changes find their row by this key",
                fmt::format("ALTER TABLE {} ADD PRIMARY KEY ({})", qualified(plan.target), key),
                "no unique, immediate and whole index on it", name));
  }
}

}  // namespace

Facts gather(PgConnection& connection, const Control& control, const Task& task,
             std::span<const TablePlan> plans, const std::optional<Recovered>& recovered) {
  Facts facts;
  facts.version = connection.server_version_number();
  facts.read_only = is_true(connection.scalar(
      "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool"));
  facts.encoding = connection.scalar("SHOW server_encoding").value_or("");
  facts.utf8 = facts.encoding == "UTF8";
  facts.role = connection.scalar("SELECT current_user").value_or("");
  facts.control_schema = control.schema();
  facts.keeps_zero_dates = task.types.zero_dates.kind == ZeroDatePolicy::Kind::keep;
  facts.same_product = task.source.kind == "postgres";
  facts.can_create_schema =
      is_true(connection.scalar("SELECT has_database_privilege(current_database(), 'CREATE')"));
  facts.control_exists =
      connection.scalar("SELECT 1 FROM pg_namespace WHERE nspname = $1", {control.schema()})
          .has_value();
  facts.owns_control =
      facts.control_exists &&
      is_true(connection.scalar("SELECT has_schema_privilege($1, 'CREATE')", {control.schema()}));
  gather_connections(connection, facts);
  facts.connections_wanted = static_cast<long>(task.full.connections) + 2;
  std::set<TableName> started;
  if (recovered) {
    for (const TableProgress& table : recovered->tables) started.insert(table.source);
  }
  for (const TablePlan& plan : plans) {
    facts.tables.push_back(gather_table(connection, plan));
    facts.tables.back().started = started.contains(plan.source.name);
  }
  gather_triggers(connection, facts);
  facts.is_new = !recovered;
  gather_settings(task, facts);
  facts.may_leave_out_triggers = may_leave_out_triggers(connection);
  facts.write_problem = write_problem(connection, facts);
  return facts;
}

std::vector<Finding> judge(const Facts& facts) {
  std::vector<Finding> out;
  if (facts.version < kOldestVersion) {
    out.push_back(finding(
        "postgres.version", "the target server is older than PostgreSQL 12",
        "weir was never tried with it", "use PostgreSQL 12 or later",
        fmt::format("server_version_num = {}, wanted {} or later", facts.version, kOldestVersion)));
  }
  if (facts.read_only) {
    out.push_back(finding("postgres.read-only", "the target takes no writes",
                          "it is a standby, or read-only by default",
                          fmt::format("point the task at the primary; if it is one: ALTER ROLE {} "
                                      "SET default_transaction_read_only = off",
                                      pg_identifier(facts.role)),
                          "transaction_read_only = on, wanted off"));
  }
  if (!facts.utf8) {
    out.push_back(finding("postgres.encoding", "the target database does not use UTF-8",
                          "most characters of the source could not be stored",
                          "create the database with ENCODING 'UTF8'",
                          fmt::format("server_encoding = {}, wanted UTF8", facts.encoding)));
  }
  if (facts.control_exists ? !facts.owns_control : !facts.can_create_schema) {
    out.push_back(finding(
        "postgres.control-schema",
        fmt::format("weir cannot keep its own tables in schema {}", facts.control_schema),
        facts.control_exists
            ? fmt::format("the role {} may not create tables there", facts.role)
            : fmt::format("the role {} may not create schemas in this database", facts.role),
        fmt::format("CREATE SCHEMA {0} AUTHORIZATION {1}, or name a schema that the role owns as "
                    "target.control_schema",
                    pg_identifier(facts.control_schema), pg_identifier(facts.role)),
        fmt::format("{} = f, wanted t",
                    facts.control_exists
                        ? fmt::format("has_schema_privilege('{}', 'CREATE')", facts.control_schema)
                        : "has_database_privilege(current_database(), 'CREATE')")));
    // A schema that somebody else owns is there already.
    if (facts.control_exists) {
      out.back().fix = fmt::format(
          "GRANT USAGE, CREATE ON SCHEMA {} TO {}, or name a schema that "
          "the role owns as target.control_schema",
          pg_identifier(facts.control_schema), pg_identifier(facts.role));
    }
  }
  if (!facts.write_problem.value_or("").empty()) {
    out.push_back(finding(
        "postgres.write-refused",
        fmt::format("a table of its own in schema {} cannot be made and changed",
                    facts.control_schema),
        "weir creates, fills, alters, renames and drops tables on the target; this was tried and "
        "rolled back",
        fmt::format("mend what the server says, then try it: CREATE TABLE {0}.weir_probe (id "
                    "integer); DROP TABLE {0}.weir_probe",
                    pg_identifier(facts.control_schema)),
        *facts.write_problem));
  }
  if (facts.connections_left < facts.connections_wanted) {
    out.push_back(
        finding("postgres.connections", "the target has too few free connections",
                fmt::format("the full stage wants {}", facts.connections_wanted),
                fmt::format("raise {} by {}, or lower full.connections in the task file",
                            facts.connection_limits.substr(0, facts.connection_limits.find(" = ")),
                            facts.connections_wanted - facts.connections_left),
                fmt::format("{}, {} free, wanted {}", facts.connection_limits,
                            facts.connections_left, facts.connections_wanted)));
  }
  std::uint64_t bytes = 0;
  for (const Facts::TableFacts& table : facts.tables) {
    if (!table.started) bytes += table.plan->source.estimated_bytes;
  }
  if (bytes > kLargeCopy) {
    out.push_back(milder(
        finding("postgres.disk", "weir cannot see how much room the target's disk has",
                "rows, indexes and the target's own log have to fit; a full disk stops the task, "
                "and nothing is lost",
                "df -h of the server's data directory: SHOW data_directory",
                fmt::format("the tables to copy have about {} on the source", format_bytes(bytes))),
        Severity::info));
  }
  for (const Facts::TableFacts& table : facts.tables) judge_table(facts, table, out);
  if (facts.keeps_zero_dates) {
    out.push_back(finding("postgres.zero-dates",
                          "types.zero_dates is \"keep\", which PostgreSQL cannot do",
                          "it has no dates with a zero part",
                          "types.zero_dates = \"null\", \"refuse\" or a date in the task file",
                          "zero_dates = keep, wanted refuse, null or a date"));
  }
  return out;
}

}  // namespace weir::postgres
