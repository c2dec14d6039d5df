// SPDX-License-Identifier: Apache-2.0
#include "target/postgres/control.h"

#include <cstdlib>
#include <map>

#include <fmt/format.h>

#include "base/error.h"
#include "model/definition.h"
#include "model/swap_name.h"

namespace weir::postgres {
namespace {

constexpr int kFormat = 1;

std::uint64_t number(std::string_view text) {
  return std::strtoull(std::string(text).c_str(), nullptr, 10);
}

TableName split_name(std::string_view schema, std::string_view table) {
  return {std::string(schema), std::string(table)};
}

std::string sql_name(const TableName& name) {
  return pg_identifier(name.schema) + "." + pg_identifier(name.table);
}

/// The new table belongs to whom the old one did, and says of itself what that said.
void copy_owner_and_comments(PgConnection& connection, const TableName& from, const TableName& to) {
  const PgResult statements = connection.query(
      "SELECT 'ALTER TABLE ' || $2 || ' OWNER TO ' || quote_ident(pg_get_userbyid(a.relowner)) "
      "FROM pg_class a JOIN pg_class b ON b.oid = to_regclass($2) AND b.relowner <> a.relowner "
      "WHERE a.oid = to_regclass($1) UNION ALL SELECT CASE d.objsubid WHEN 0 THEN 'COMMENT ON "
      "TABLE ' || $2 ELSE 'COMMENT ON COLUMN ' || $2 || '.' || quote_ident(b.attname) END || ' IS "
      "' || quote_literal(d.description) FROM pg_description d LEFT JOIN pg_attribute a ON "
      "a.attrelid = d.objoid AND a.attnum = d.objsubid LEFT JOIN pg_attribute b ON b.attrelid = "
      "to_regclass($2) AND b.attname = a.attname AND NOT b.attisdropped WHERE d.classoid = "
      "'pg_class'::regclass AND d.objoid = to_regclass($1) AND (d.objsubid = 0 OR b.attname IS NOT "
      "NULL)",
      {sql_name(from), sql_name(to)});
  for (std::size_t i = 0; i < statements.rows(); ++i) {
    connection.execute(std::string(statements.text(i, 0)));
  }
}

/// Whoever may do what with the old table, or with a column, may do it with the new one.
void copy_grants(PgConnection& connection, const TableName& from, const TableName& to) {
  const PgResult grants = connection.query(
      "SELECT 'GRANT ' || a.privilege_type || a.part || ' ON ' || $2 || ' TO ' || CASE a.grantee "
      "WHEN 0 THEN "
      "'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END || CASE WHEN a.is_grantable THEN "
      "' WITH GRANT OPTION' ELSE '' END FROM (SELECT '' AS part, x.* FROM pg_class c, "
      "aclexplode(c.relacl) x WHERE c.oid = to_regclass($1) UNION ALL SELECT ' (' || "
      "quote_ident(o.attname) || ')', x.* FROM pg_attribute o JOIN pg_attribute n ON n.attrelid = "
      "to_regclass($2) AND n.attname = o.attname AND NOT n.attisdropped, aclexplode(o.attacl) x "
      "WHERE o.attrelid = to_regclass($1) AND NOT o.attisdropped) a",
      {sql_name(from), sql_name(to)});
  for (std::size_t i = 0; i < grants.rows(); ++i) {
    connection.execute(std::string(grants.text(i, 0)));
  }
}

/// Its indexes and sequences take their final names too, so that the next copy can have its own.
void rename_parts(PgConnection& connection, const TableName& table) {
  const PgResult parts = connection.query(
      "SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'INDEX' END, c.relname FROM pg_class c "
      "WHERE c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = to_regclass($1) UNION ALL "
      "SELECT objid FROM pg_depend WHERE refobjid = to_regclass($1) AND refclassid = "
      "'pg_class'::regclass AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i')) AND "
      "c.relkind IN ('i', 'S')",
      {sql_name(table)});
  for (std::size_t i = 0; i < parts.rows(); ++i) {
    const TableName part = split_name(table.schema, parts.text(i, 1));
    const auto name = swapped_name(part);
    if (!name || connection.scalar("SELECT to_regclass($1)", {sql_name(*name)})) continue;
    connection.execute(fmt::format("ALTER {} {} RENAME TO {}", parts.text(i, 0), sql_name(part),
                                   pg_identifier(name->table)));
  }
}

}  // namespace

void swap_table(PgConnection& connection, const TableName& beside, const TableName& name) {
  try {
    connection.execute("SET LOCAL lock_timeout = '30s'");
    if (connection.scalar("SELECT to_regclass($1)", {sql_name(name)})) {
      copy_owner_and_comments(connection, name, beside);
      copy_grants(connection, name, beside);
      connection.execute("DROP TABLE " + sql_name(name));
    }
    rename_parts(connection, beside);
    connection.execute(
        fmt::format("ALTER TABLE {} RENAME TO {}", sql_name(beside), pg_identifier(name.table)));
  } catch (const Error& error) {
    if (error.id() != "postgres.query" && error.id() != "postgres.permission") throw;
    throw Error(ExitCode::refused, "reload.swap",
                fmt::format("the new copy of {} cannot take the place of the old one", name.text()),
                error.why(),
                "nothing was changed; drop what hangs on the old table and make it again "
                "afterwards, or reload the table in another mode");
  }
}

std::string Control::definition() const {
  return fmt::format(
      R"(CREATE TABLE IF NOT EXISTS {0} (
  task text PRIMARY KEY,
  format integer NOT NULL,            -- of these tables; this weir writes {3}
  source_identity text NOT NULL,      -- the server that the offsets belong to
  start_offset text NOT NULL,         -- where the incremental stage began
  full_end_offset text,               -- where the source was when the last row had been copied
  log_offset text NOT NULL,           -- everything at or before it is in the target
  source_time timestamptz,            -- commit time of the last applied transaction
  updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS {1} (
  task text NOT NULL REFERENCES {0} ON DELETE CASCADE,
  source_schema text NOT NULL,
  source_table text NOT NULL,
  target_schema text NOT NULL,
  target_table text NOT NULL,
  created boolean NOT NULL,           -- weir created the table and builds its key and indexes
  full_done boolean NOT NULL DEFAULT false,
  unique_done boolean NOT NULL DEFAULT false,
  definition text NOT NULL,           -- the source table as changes after log_offset fit it, JSON
  since_offset text NOT NULL,         -- changes at or before it came with the copy; empty = none
  PRIMARY KEY (task, source_schema, source_table));
CREATE TABLE IF NOT EXISTS {2} (
  task text NOT NULL REFERENCES {0} ON DELETE CASCADE,
  source_schema text NOT NULL,
  source_table text NOT NULL,
  number integer NOT NULL,
  after_key text NOT NULL,            -- the range holds keys greater than this ...
  upto_key text NOT NULL,             -- ... up to this one; empty = open
  whole boolean NOT NULL,             -- the table cannot be read in key order
  reached_key text NOT NULL,          -- key of the last row that is in the target
  row_count bigint NOT NULL,
  byte_count bigint NOT NULL,
  done boolean NOT NULL,
  PRIMARY KEY (task, source_schema, source_table, number)))",
      task_table(), table_table(), range_table(), kFormat);
}

void Control::create(PgConnection& connection) const {
  // CREATE SCHEMA IF NOT EXISTS asks for the right to create schemas even where it exists.
  if (!connection.scalar("SELECT 1 FROM pg_namespace WHERE nspname = $1", {schema_})) {
    try {
      connection.execute("CREATE SCHEMA " + pg_identifier(schema_));
    } catch (const Error& error) {
      if (error.id() != "postgres.permission") throw;
      throw Error(ExitCode::refused, "postgres.control-schema",
                  fmt::format("cannot create the schema {} for weir's own tables", schema_),
                  error.why(),
                  "create it once as an administrator (CREATE SCHEMA ... AUTHORIZATION the role), "
                  "or name a "
                  "schema that the role owns as target.control_schema");
    }
  }
  connection.execute(definition());
}

std::optional<Recovered> Control::recover(PgConnection& connection, const std::string& task) const {
  if (!exists(connection)) return {};
  const PgResult row = connection.query(
      fmt::format("SELECT format, source_identity, start_offset, full_end_offset, log_offset, "
                  "to_char(source_time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') "
                  "FROM {} WHERE task = $1",
                  task_table()),
      {task});
  if (row.rows() == 0) return {};
  if (number(row.text(0, 0)) > kFormat) {
    throw Error(
        ExitCode::refused, "postgres.control-newer",
        fmt::format("the control tables in schema {} are of format {}", schema_, row.text(0, 0)),
        fmt::format("this weir knows formats up to {}", kFormat), "use the newer weir");
  }
  Recovered out;
  out.source.text = row.text(0, 1);
  out.start.text = row.text(0, 2);
  out.full_end.text = row.text(0, 3);
  out.offset.text = row.text(0, 4);
  if (!row.is_null(0, 5)) out.offset.source_time = parse_rfc3339(row.text(0, 5));

  std::map<TableName, TableProgress> tables;
  const PgResult progress =
      connection.query(fmt::format("SELECT source_schema, source_table, target_schema, "
                                   "target_table, full_done, unique_done, "
                                   "definition, since_offset, created FROM {} WHERE task = $1",
                                   table_table()),
                       {task});
  for (std::size_t i = 0; i < progress.rows(); ++i) {
    TableProgress table;
    table.source = split_name(progress.text(i, 0), progress.text(i, 1));
    table.target = split_name(progress.text(i, 2), progress.text(i, 3));
    table.full_done = progress.text(i, 4) == "t";
    table.unique_done = progress.text(i, 5) == "t";
    table.definition = decode_definition(progress.text(i, 6));
    table.since.text = progress.text(i, 7);
    table.created = progress.text(i, 8) == "t";
    tables.emplace(table.source, std::move(table));
  }
  const PgResult ranges = connection.query(
      fmt::format(
          "SELECT source_schema, source_table, number, after_key, upto_key, whole, reached_key, "
          "row_count, byte_count, done FROM {} WHERE task = $1 ORDER BY number",
          range_table()),
      {task});
  for (std::size_t i = 0; i < ranges.rows(); ++i) {
    const auto at = tables.find(split_name(ranges.text(i, 0), ranges.text(i, 1)));
    if (at == tables.end()) continue;
    RangeProgress range;
    range.range.number = static_cast<std::uint32_t>(number(ranges.text(i, 2)));
    range.range.after = decode_key(ranges.text(i, 3));
    range.range.upto = decode_key(ranges.text(i, 4));
    range.range.whole = ranges.text(i, 5) == "t";
    range.reached = decode_key(ranges.text(i, 6));
    range.rows = number(ranges.text(i, 7));
    range.bytes = number(ranges.text(i, 8));
    range.done = ranges.text(i, 9) == "t";
    at->second.rows += range.rows;
    at->second.ranges.push_back(std::move(range));
  }
  for (auto& [name, table] : tables) out.tables.push_back(std::move(table));
  return out;
}

bool Control::exists(PgConnection& connection) const {
  return connection.scalar("SELECT to_regclass($1)", {task_table()}).has_value();
}

LaneOffsets Control::lock_tasks(PgConnection& connection, const std::string& from,
                                const std::string& to) const {
  LaneOffsets out;
  if (!exists(connection)) return out;
  // In one order, whoever asks: two that wait for each other would both be refused.
  const PgResult rows = connection.query(
      fmt::format("SELECT task, log_offset FROM {} WHERE task IN ($1, $2) ORDER BY task FOR UPDATE",
                  task_table()),
      {from, to});
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    (rows.text(i, 0) == from ? out.from : out.to) = std::string(rows.text(i, 1));
  }
  return out;
}

void Control::split_tables(PgConnection& connection, const std::string& from, const std::string& to,
                           std::span<const TableName> tables) const {
  const LaneOffsets offsets = lock_tasks(connection, from, to);
  if (begins_lane(from, to, offsets)) {
    connection.query(
        fmt::format("INSERT INTO {0} (task, format, source_identity, start_offset, "
                    "full_end_offset, log_offset, source_time) SELECT $2, format, source_identity, "
                    "start_offset, full_end_offset, log_offset, source_time FROM {0} WHERE task = "
                    "$1",
                    task_table()),
        {from, to});
  }
  for (const TableName& table : tables) {
    for (const std::string& control : {table_table(), range_table()}) {
      connection.query(fmt::format("UPDATE {} SET task = $2 WHERE task = $1 AND source_schema = $3 "
                                   "AND source_table = $4",
                                   control),
                       {from, to, table.schema, table.table});
    }
  }
}

void Control::swap_tables(PgConnection& connection, const std::string& task) const {
  const PgResult tables = connection.query(
      fmt::format("SELECT target_schema, target_table FROM {} WHERE task = $1", table_table()),
      {task});
  for (std::size_t i = 0; i < tables.rows(); ++i) {
    const TableName beside = split_name(tables.text(i, 0), tables.text(i, 1));
    const auto name = swapped_name(beside);
    if (!name) continue;
    swap_table(connection, beside, *name);
    connection.query(
        fmt::format("UPDATE {} SET target_table = $3 WHERE task = $1 AND target_schema "
                    "= $2 AND target_table = $4",
                    table_table()),
        {task, beside.schema, name->table, beside.table});
  }
}

void Control::keep_merged(PgConnection& connection, const std::string& task, const TablePlan& plan,
                          const TableName& kept) const {
  // Its indexes are complete, whoever made them.
  connection.query(fmt::format("UPDATE {} SET target_table = $4, created = false WHERE task = $1 "
                               "AND source_schema = $2 AND source_table = $3",
                               table_table()),
                   {task, plan.source.name.schema, plan.source.name.table, kept.table});
}

void Control::join_tables(PgConnection& connection, const std::string& from,
                          const std::string& to) const {
  const LaneOffsets offsets = lock_tasks(connection, from, to);
  if (!joins_lane(to, offsets)) return;
  if (const auto twice = connection.scalar(
          fmt::format("SELECT a.source_schema || '.' || a.source_table FROM {0} a JOIN {0} b USING "
                      "(source_schema, source_table) WHERE a.task = $1 AND b.task = $2 LIMIT 1",
                      table_table()),
          {from, to})) {
    throw table_twice(to, *twice);
  }
  swap_tables(connection, from);
  connection.query(
      fmt::format("UPDATE {} SET task = $2, since_offset = $3 WHERE task = $1", table_table()),
      {from, to, *offsets.from});
  connection.query(fmt::format("UPDATE {} SET task = $2 WHERE task = $1", range_table()),
                   {from, to});
  forget(connection, from, {});
}

void Control::forget(PgConnection& connection, const std::string& task,
                     std::span<const TableName> tables) const {
  if (!lock_tasks(connection, task, task).from) return;
  if (tables.empty()) {
    connection.query(fmt::format("DELETE FROM {} WHERE task = $1", task_table()), {task});
  }
  for (const TableName& table : tables) {
    for (const std::string& control : {range_table(), table_table()}) {
      connection.query(fmt::format("DELETE FROM {} WHERE task = $1 AND source_schema = $2 AND "
                                   "source_table = $3",
                                   control),
                       {task, table.schema, table.table});
    }
  }
}

bool leave_out_triggers(PgConnection& connection, const TableName& table) {
  const auto trigger = connection.scalar(
      "SELECT 1 FROM pg_trigger t LEFT JOIN pg_constraint c ON c.oid = t.tgconstraint WHERE "
      "t.tgrelid = to_regclass($1) AND (NOT t.tgisinternal OR c.contype = 'f') LIMIT 1",
      {pg_identifier(table.schema) + "." + pg_identifier(table.table)});
  if (!trigger) return false;
  try {
    connection.execute("SET session_replication_role = replica");
  } catch (const Error& error) {
    if (error.id() != "postgres.permission") throw;
  }
  return true;
}

std::string applier_lock_key(const std::string& task) { return "weir applier " + task; }
std::string loader_lock_key(const std::string& task) { return "weir loader " + task; }

}  // namespace weir::postgres
