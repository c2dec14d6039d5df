// SPDX-License-Identifier: Apache-2.0
#include "target/postgres/checks.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "target/postgres/loader.h"
#include "target/postgres/types.h"

namespace weir::postgres {
namespace {

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
  table.can_write = is_true(connection.scalar(
      "SELECT has_table_privilege($1, 'SELECT') AND has_table_privilege($1, 'INSERT') AND "
      "has_table_privilege($1, 'UPDATE') AND has_table_privilege($1, 'DELETE')",
      {name}));
  if (!table.can_write) return table;
  table.has_rows = connection.scalar(fmt::format("SELECT 1 FROM {} LIMIT 1", name)).has_value();
  gather_columns(connection, name, table);
  table.has_key = has_key(connection, name, plan);
  return table;
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
          "", name));
      continue;
    }
    const Facts::ExistingColumn& existing = at->second;
    if (existing.generated) {
      out.push_back(finding("postgres.column-generated",
                            fmt::format("the target column {} is generated", column.name),
                            "PostgreSQL takes no values for it",
                            "drop the column in the table rule", "", name));
    }
    if (existing.always) {
      out.push_back(
          finding("postgres.identity-always",
                  fmt::format("the target column {} is GENERATED ALWAYS AS IDENTITY", column.name),
                  "PostgreSQL takes no numbers for it but its own, and each row comes with one",
                  fmt::format("ALTER TABLE {} ALTER COLUMN {} SET GENERATED BY DEFAULT",
                              qualified(plan.target), pg_identifier(column.name)),
                  "", name));
    }
    if (existing.shown == column.target_type) continue;
    const std::string kept =
        facts.same_product && !column.added() ? kept_type(column.type) : std::string();
    // A type that the task file names is the operator's own decision.
    if (column.target_type != kept && column.target_type != target_type(column.type)) continue;
    const Fit verdict = fit(column.type, existing.type, existing.modifier);
    if (verdict == Fit::fits) continue;
    out.push_back(finding(
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
        fmt::format("source {}, target {}", column.type.native, existing.shown), name));
  }
  for (const auto& [column, existing] : table.columns) {
    if (planned.contains(column) || !existing.not_null || existing.has_default) continue;
    out.push_back(finding(
        "postgres.column-unfilled",
        fmt::format("the target column {} is NOT NULL and nothing fills it", column),
        "every insert would be refused",
        fmt::format("give it a default, drop NOT NULL, or fill it with add_columns"), "", name));
  }
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
          "", name));
    }
    return;
  }
  if (!table.exists) {
    if (!table.can_create) {
      out.push_back(
          finding("postgres.create-denied",
                  fmt::format("the role {} may not create tables in schema {}", facts.role,
                              plan.target.schema),
                  "the target table does not exist yet",
                  fmt::format("GRANT USAGE, CREATE ON SCHEMA {} TO {}",
                              pg_identifier(plan.target.schema), pg_identifier(facts.role)),
                  "", name));
    }
    return;
  }
  if (!table.is_table) {
    out.push_back(finding("postgres.not-a-table", fmt::format("{} exists and is not a table", name),
                          "rows can be kept in a table only",
                          "choose another target name in the table rule", "", name));
    return;
  }
  if (!table.can_write) {
    out.push_back(finding("postgres.write-denied",
                          fmt::format("the role {} may not read and write {}", facts.role, name),
                          "the table belongs to somebody else",
                          fmt::format("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}",
                                      qualified(plan.target), pg_identifier(facts.role)),
                          "", name));
    return;
  }
  const bool replaced = !table.started && plan.existing == ExistingPolicy::replace;
  if (replaced) return;
  if (!table.started && table.has_rows && plan.existing == ExistingPolicy::refuse) {
    out.push_back(finding("postgres.table-not-empty",
                          fmt::format("the target table {} already has rows", name),
                          "weir does not mix its rows with others unless it is told to",
                          "empty the table, or say existing = \"append\", \"truncate\" or "
                          "\"replace\" in the table rule",
                          "", name));
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
    out.push_back(finding(
        "postgres.key-missing",
        fmt::format("the target table {} has no unique key on ({})", name, key),
        "changes find their row by this key",
        fmt::format("ALTER TABLE {} ADD PRIMARY KEY ({})", qualified(plan.target), key), "", name));
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
  facts.connections_left = std::atol(
      connection
          .scalar("SELECT current_setting('max_connections')::int - "
                  "current_setting('superuser_reserved_connections')::int - (SELECT count(*) FROM "
                  "pg_stat_activity WHERE backend_type = 'client backend')")
          .value_or("0")
          .c_str());
  facts.connections_wanted = static_cast<long>(task.full.connections) + 2;
  std::set<TableName> started;
  if (recovered) {
    for (const TableProgress& table : recovered->tables) started.insert(table.source);
  }
  for (const TablePlan& plan : plans) {
    facts.tables.push_back(gather_table(connection, plan));
    facts.tables.back().started = started.contains(plan.source.name);
  }
  return facts;
}

std::vector<Finding> judge(const Facts& facts) {
  std::vector<Finding> out;
  if (facts.version < 120000) {
    out.push_back(finding("postgres.version", "the target server is older than PostgreSQL 12",
                          "weir was never tried with it", "use PostgreSQL 12 or later",
                          fmt::format("server_version_num = {}", facts.version)));
  }
  if (facts.read_only) {
    out.push_back(finding("postgres.read-only", "the target takes no writes",
                          "it is a standby, or read-only by default",
                          "point the task at the primary"));
  }
  if (!facts.utf8) {
    out.push_back(finding("postgres.encoding", "the target database does not use UTF-8",
                          "most characters of the source could not be stored",
                          "create the database with ENCODING 'UTF8'",
                          fmt::format("server_encoding = {}", facts.encoding)));
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
                    pg_identifier(facts.control_schema), pg_identifier(facts.role))));
  }
  if (facts.connections_left < facts.connections_wanted) {
    out.push_back(finding("postgres.connections", "the target has too few free connections",
                          fmt::format("the full stage wants {}", facts.connections_wanted),
                          "raise max_connections or lower full.connections in the task file",
                          fmt::format("{} left", facts.connections_left)));
  }
  for (const Facts::TableFacts& table : facts.tables) judge_table(facts, table, out);
  if (facts.keeps_zero_dates) {
    out.push_back(
        finding("postgres.zero-dates", "types.zero_dates is \"keep\", which PostgreSQL cannot do",
                "it has no dates with a zero part", "say \"refuse\", \"null\" or a date"));
  }
  return out;
}

}  // namespace weir::postgres
