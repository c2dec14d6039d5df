// SPDX-License-Identifier: Apache-2.0
#include "target/mysql/control.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "model/definition.h"
#include "model/swap_name.h"

namespace weir::mysqltarget {
namespace {

constexpr int kFormat = 1;

using Value = MysqlConnection::Value;

std::uint64_t number(const Value& value) {
  return value ? std::strtoull(value->c_str(), nullptr, 10) : 0;
}

std::string text(const Value& value) { return value.value_or(""); }

bool has_table(MysqlConnection& connection, const TableName& name) {
  return connection
      .scalar(fmt::format("SELECT 1 FROM information_schema.tables WHERE table_schema = {} AND "
                          "table_name = {}",
                          connection.quote(name.schema), connection.quote(name.table)))
      .has_value();
}

/// What the old table is called between a swap and its end.
TableName spare_name(const TableName& name) { return {name.schema, "drop~" + name.table}; }

/// The target tables of a task that are to take the names of others.
std::vector<TableName> tables_beside(MysqlConnection& connection, const std::string& table_table,
                                     const std::string& task) {
  std::vector<TableName> out;
  for (const auto& row :
       connection.query(fmt::format("SELECT target_schema, target_table FROM {} WHERE task = {}",
                                    table_table, connection.quote(task)))) {
    TableName name{text(row[0]), text(row[1])};
    if (swapped_name(name)) out.push_back(std::move(name));
  }
  return out;
}

std::uint64_t hash(std::string_view name) {
  std::uint64_t out = 14695981039346656037ULL;  // FNV-1a
  for (const char c : name) out = (out ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return out;
}

}  // namespace

std::string qualified(const TableName& name) {
  return mysql_identifier(name.schema) + "." + mysql_identifier(name.table);
}

std::vector<std::string> Control::definitions() const {
  static constexpr const char* kEnd =
      "ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
  return {fmt::format(R"(CREATE TABLE IF NOT EXISTS {0} (
  task varchar(191) NOT NULL PRIMARY KEY,
  format int NOT NULL COMMENT 'of these tables; this weir writes {1}',
  source_identity text NOT NULL COMMENT 'the server that the offsets belong to',
  start_offset longtext NOT NULL COMMENT 'where the incremental stage began',
  full_end_offset longtext COMMENT 'where the source was when the last row had been copied',
  log_offset longtext NOT NULL COMMENT 'everything at or before it is in the target',
  source_time datetime(6) COMMENT 'commit time of the last applied transaction, UTC',
  updated_at datetime(6) NOT NULL COMMENT 'UTC') {2})",
                      task_table(), kFormat, kEnd),
          fmt::format(R"(CREATE TABLE IF NOT EXISTS {1} (
  task varchar(191) NOT NULL,
  source_schema varchar(191) NOT NULL,
  source_table varchar(255) NOT NULL,
  target_schema varchar(64) NOT NULL,
  target_table varchar(64) NOT NULL,
  created boolean NOT NULL COMMENT 'weir created the table and builds its indexes',
  full_done boolean NOT NULL DEFAULT false,
  unique_done boolean NOT NULL DEFAULT false,
  definition longtext NOT NULL COMMENT 'the source table as the changes after log_offset fit it',
  since_offset text NOT NULL COMMENT 'changes at or before it came with the copy',
  PRIMARY KEY (task, source_schema, source_table),
  FOREIGN KEY (task) REFERENCES {0} (task) ON DELETE CASCADE) {2})",
                      task_table(), table_table(), kEnd),
          fmt::format(R"(CREATE TABLE IF NOT EXISTS {1} (
  task varchar(191) NOT NULL,
  source_schema varchar(191) NOT NULL,
  source_table varchar(255) NOT NULL,
  number int NOT NULL,
  after_key longtext NOT NULL COMMENT 'the range holds keys greater than this ...',
  upto_key longtext NOT NULL COMMENT '... up to this one; empty = open',
  whole boolean NOT NULL COMMENT 'the table cannot be read in key order',
  reached_key longtext NOT NULL COMMENT 'key of the last row that is in the target',
  row_count bigint NOT NULL,
  byte_count bigint NOT NULL,
  done boolean NOT NULL,
  PRIMARY KEY (task, source_schema, source_table, number),
  FOREIGN KEY (task) REFERENCES {0} (task) ON DELETE CASCADE) {2})",
                      task_table(), range_table(), kEnd)};
}

bool Control::exists(MysqlConnection& connection) const {
  return connection
      .scalar(fmt::format("SELECT 1 FROM information_schema.tables WHERE table_schema = {} AND "
                          "table_name = 'weir_task'",
                          connection.quote(schema_)))
      .has_value();
}

void Control::create(MysqlConnection& connection) const {
  // Also asks for a right that an account with its own database need not have.
  if (!connection.scalar("SELECT 1 FROM information_schema.schemata WHERE schema_name = " +
                         connection.quote(schema_))) {
    try {
      connection.execute(fmt::format("CREATE DATABASE IF NOT EXISTS {} CHARACTER SET utf8mb4",
                                     mysql_identifier(schema_)));
    } catch (const Error& error) {
      if (error.id() != "mysql.denied") throw;
      throw Error(ExitCode::refused, "mysql-target.control-schema",
                  fmt::format("cannot create the database {} for weir's own tables", schema_),
                  error.why(),
                  fmt::format("CREATE DATABASE {0}; GRANT ALL ON {0}.* TO the account; or name a "
                              "database that the account owns as target.control_schema",
                              mysql_identifier(schema_)));
    }
  }
  for (const std::string& sql : definitions()) connection.execute(sql);
}

std::string Control::table_condition(const MysqlConnection& connection, const std::string& task,
                                     const TableName& source) const {
  return fmt::format("task = {} AND source_schema = {} AND source_table = {}",
                     connection.quote(task), connection.quote(source.schema),
                     connection.quote(source.table));
}

std::optional<Recovered> Control::recover(MysqlConnection& connection,
                                          const std::string& task) const {
  if (!exists(connection)) return {};
  const auto rows = connection.query(
      fmt::format("SELECT format, source_identity, start_offset, full_end_offset, log_offset, "
                  "DATE_FORMAT(source_time, '%Y-%m-%dT%H:%i:%s.%fZ') FROM {} WHERE task = {}",
                  task_table(), connection.quote(task)));
  if (rows.empty()) return {};
  const auto& row = rows.front();
  if (number(row[0]) > kFormat) {
    throw Error(
        ExitCode::refused, "mysql-target.control-newer",
        fmt::format("the control tables in database {} are of format {}", schema_, text(row[0])),
        fmt::format("this weir knows formats up to {}", kFormat), "use the newer weir");
  }
  Recovered out;
  out.source.text = text(row[1]);
  out.start.text = text(row[2]);
  out.full_end.text = text(row[3]);
  out.offset.text = text(row[4]);
  if (row[5]) out.offset.source_time = parse_rfc3339(*row[5]);

  std::map<TableName, TableProgress> tables;
  for (const auto& each : connection.query(fmt::format(
           "SELECT source_schema, source_table, target_schema, target_table, full_done, "
           "unique_done, since_offset, definition, created FROM {} WHERE task = {}",
           table_table(), connection.quote(task)))) {
    TableProgress table;
    table.source = {text(each[0]), text(each[1])};
    table.target = {text(each[2]), text(each[3])};
    table.full_done = each[4] == "1";
    table.unique_done = each[5] == "1";
    table.since.text = text(each[6]);
    table.definition = decode_definition(text(each[7]));
    table.created = each[8] == "1";
    tables.emplace(table.source, std::move(table));
  }
  for (const auto& each : connection.query(fmt::format(
           "SELECT source_schema, source_table, number, after_key, upto_key, whole, reached_key, "
           "row_count, byte_count, done FROM {} WHERE task = {} ORDER BY number",
           range_table(), connection.quote(task)))) {
    const auto at = tables.find({text(each[0]), text(each[1])});
    if (at == tables.end()) continue;
    RangeProgress range;
    range.range.number = static_cast<std::uint32_t>(number(each[2]));
    range.range.after = decode_key(text(each[3]));
    range.range.upto = decode_key(text(each[4]));
    range.range.whole = each[5] == "1";
    range.reached = decode_key(text(each[6]));
    range.rows = number(each[7]);
    range.bytes = number(each[8]);
    range.done = each[9] == "1";
    at->second.rows += range.rows;
    at->second.ranges.push_back(std::move(range));
  }
  for (auto& [name, table] : tables) out.tables.push_back(std::move(table));
  return out;
}

LaneOffsets Control::lock_tasks(MysqlConnection& connection, const std::string& from,
                                const std::string& to) const {
  LaneOffsets out;
  if (!exists(connection)) return out;
  // In one order, whoever asks: two that wait for each other would both be refused.
  for (const auto& row : connection.query(fmt::format(
           "SELECT task, log_offset FROM {} WHERE task IN ({}, {}) ORDER BY task FOR UPDATE",
           task_table(), connection.quote(from), connection.quote(to)))) {
    (row[0] == from ? out.from : out.to) = text(row[1]);
  }
  return out;
}

void Control::split_tables(MysqlConnection& connection, const std::string& from,
                           const std::string& to, std::span<const TableName> tables) const {
  const LaneOffsets offsets = lock_tasks(connection, from, to);
  if (begins_lane(from, to, offsets)) {
    connection.execute(fmt::format(
        "INSERT INTO {0} (task, format, source_identity, start_offset, full_end_offset, "
        "log_offset, source_time, updated_at) SELECT {2}, format, source_identity, start_offset, "
        "full_end_offset, log_offset, source_time, UTC_TIMESTAMP(6) FROM {0} WHERE task = {1}",
        task_table(), connection.quote(from), connection.quote(to)));
  }
  for (const TableName& table : tables) {
    for (const std::string& control : {table_table(), range_table()}) {
      connection.execute(fmt::format("UPDATE {} SET task = {} WHERE {}", control,
                                     connection.quote(to),
                                     table_condition(connection, from, table)));
    }
  }
}

bool Control::may_join(MysqlConnection& connection, const std::string& from,
                       const std::string& to) const {
  if (!joins_lane(to, lock_tasks(connection, from, to))) return false;
  if (const auto twice = connection.scalar(fmt::format(
          "SELECT CONCAT(a.source_schema, '.', a.source_table) FROM {0} a JOIN {0} b USING "
          "(source_schema, source_table) WHERE a.task = {1} AND b.task = {2} LIMIT 1",
          table_table(), connection.quote(from), connection.quote(to)))) {
    throw table_twice(to, *twice);
  }
  return true;
}

void Control::join_tables(MysqlConnection& connection, const std::string& from,
                          const std::string& to) const {
  if (!may_join(connection, from, to)) return;
  const LaneOffsets offsets = lock_tasks(connection, from, to);
  const std::string old_name = connection.quote(from);
  const std::string new_name = connection.quote(to);
  for (const TableName& beside : tables_beside(connection, table_table(), from)) {
    connection.execute(
        fmt::format("UPDATE {} SET target_table = {} WHERE task = {} AND target_schema = {} AND "
                    "target_table = {}",
                    table_table(), connection.quote(swapped_name(beside)->table), old_name,
                    connection.quote(beside.schema), connection.quote(beside.table)));
  }
  connection.execute(fmt::format("UPDATE {} SET task = {}, since_offset = {} WHERE task = {}",
                                 table_table(), new_name, connection.quote(*offsets.from),
                                 old_name));
  connection.execute(
      fmt::format("UPDATE {} SET task = {} WHERE task = {}", range_table(), new_name, old_name));
  forget(connection, from, {});
}

void Control::keep_merged(MysqlConnection& connection, const std::string& task,
                          const TablePlan& plan, const TableName& kept) const {
  // Its indexes are complete, whoever made them.
  connection.execute(fmt::format("UPDATE {} SET target_table = {}, created = false WHERE {}",
                                 table_table(), connection.quote(kept.table),
                                 table_condition(connection, task, plan.source.name)));
}

void Control::drop_beside(MysqlConnection& connection, const TableName& table) const {
  const std::vector<TableName> left = {swap_name(table, 0), spare_name(table)};
  drop_swapped(connection, left);
}

std::vector<TableName> Control::swap_tables(MysqlConnection& connection,
                                            const std::string& task) const {
  std::vector<TableName> out;
  for (const TableName& beside : tables_beside(connection, table_table(), task)) {
    const TableName name = *swapped_name(beside);
    out.push_back(spare_name(name));
    if (!has_table(connection, beside)) continue;
    // One that an earlier swap left behind.
    connection.execute("DROP TABLE IF EXISTS " + qualified(out.back()));
    std::string renames = fmt::format("{} TO {}", qualified(beside), qualified(name));
    if (has_table(connection, name)) {
      renames = fmt::format("{} TO {}, {}", qualified(name), qualified(out.back()), renames);
    }
    connection.execute("RENAME TABLE " + renames);
  }
  return out;
}

void Control::drop_swapped(MysqlConnection& connection, std::span<const TableName> tables) const {
  for (const TableName& table : tables) {
    connection.execute("DROP TABLE IF EXISTS " + qualified(table));
  }
}

void Control::swap_back(MysqlConnection& connection, const TableName& beside) const {
  const auto name = swapped_name(beside);
  if (!name || has_table(connection, beside) || !has_table(connection, *name)) return;
  const TableName spare = spare_name(*name);
  std::string renames = fmt::format("{} TO {}", qualified(*name), qualified(beside));
  if (has_table(connection, spare)) {
    renames += fmt::format(", {} TO {}", qualified(spare), qualified(*name));
  }
  connection.execute("RENAME TABLE " + renames);
}

void Control::forget(MysqlConnection& connection, const std::string& task,
                     std::span<const TableName> tables) const {
  if (!lock_tasks(connection, task, task).from) return;
  // The session does not look at references, and so the server does not follow them either.
  const std::vector<std::string> controls = {range_table(), table_table()};
  for (const std::string& control : controls) {
    if (tables.empty()) {
      connection.execute(
          fmt::format("DELETE FROM {} WHERE task = {}", control, connection.quote(task)));
    }
    for (const TableName& table : tables) {
      connection.execute(fmt::format("DELETE FROM {} WHERE {}", control,
                                     table_condition(connection, task, table)));
    }
  }
  if (!tables.empty()) return;
  connection.execute(
      fmt::format("DELETE FROM {} WHERE task = {}", task_table(), connection.quote(task)));
}

std::string Control::applier_lock(const std::string& task) const {
  return fmt::format("weir applier {:016x}", hash(schema_ + '\0' + task));
}

std::string Control::build_lock(const TableName& target) const {
  return fmt::format("weir build {:016x}", hash(target.schema + '\0' + target.table));
}

const std::string kLenient =
    "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION'";
const std::string kStrict =
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,"
    "NO_ENGINE_SUBSTITUTION'";

std::size_t error_values(const std::vector<WrittenColumn>& columns, Row cells) {
  std::size_t out = 0;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (columns[i].has_error_value && cells[i].has_value() && cells[i].size() == 0) ++out;
  }
  return out;
}

std::string account_sql(const std::string& account) {
  const std::size_t at = account.rfind('@');
  if (at == std::string::npos) return account;
  return fmt::format("'{}'@'{}'", account.substr(0, at), account.substr(at + 1));
}

namespace {

void set_up(MysqlConnection& connection) {
  // Strict, so that nothing is cut silently. A zero in an AUTO_INCREMENT column is a zero, and
  // dates that no calendar has were judged by the policy already. Foreign keys were checked on the
  // source. Without unique_checks MariaDB fills an empty table another way, which came to a halt in
  // the server when rows were larger than its log (10.11.19).
  connection.execute(kStrict);
  connection.execute(
      "SET SESSION sql_notes = 0, foreign_key_checks = 0, unique_checks = 1, "
      "sql_safe_updates = 0, "
      "autocommit = 1, max_error_count = 1000, SQL_BIG_SELECTS = 1");
  connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  // Long lists of keys are looked up one by one; beyond these limits the servers would rather read
  // the whole table.
  connection.execute(connection.is_mariadb() ? "SET SESSION in_predicate_conversion_threshold = 0"
                                             : "SET SESSION range_optimizer_max_mem_size = 0");
  if (connection.is_mariadb() && connection.server_version_number() >= 100509) {
    connection.execute("SET SESSION optimizer_max_sel_arg_weight = 0");
  }
}

}  // namespace

void prepare_session(MysqlConnection& connection) {
  try {
    set_up(connection);
  } catch (const Error& error) {
    if (error.id() != "mysql.denied") throw;
    // MySQL keeps some settings of a session to those who have this.
    throw Error(error.code(), "mysql.denied", error.summary(), error.why(),
                fmt::format("GRANT SESSION_VARIABLES_ADMIN ON *.* TO {}",
                            account_sql(connection.scalar("SELECT current_user()").value_or(""))));
  }
}

Dialect dialect_of(MysqlConnection& connection) {
  Dialect out;
  out.mariadb = connection.is_mariadb();
  out.version = connection.server_version_number();
  // MariaDB lists a UCA 14 collation once for all character sets, and its full names only here.
  const bool full_names = out.mariadb && out.version >= 101001;
  for (const auto& row : connection.query(
           fmt::format("SELECT {} FROM information_schema.collation_character_set_applicability",
                       full_names ? "full_collation_name" : "collation_name"))) {
    out.collations.insert(text(row[0]));
  }
  out.explicit_timestamps = connection.scalar("SELECT @@explicit_defaults_for_timestamp") == "1";
  return out;
}

std::map<std::string, ExistingColumn> existing_columns(MysqlConnection& connection,
                                                       const TableName& table) {
  std::map<std::string, ExistingColumn> out;
  for (const auto& row : connection.query(fmt::format(
           "SELECT column_name, data_type, column_type, character_set_name, collation_name, "
           "character_maximum_length, character_octet_length, numeric_precision, numeric_scale, "
           "datetime_precision, is_nullable, column_default, extra FROM "
           "information_schema.columns WHERE table_schema = {} AND table_name = {}",
           connection.quote(table.schema), connection.quote(table.table)))) {
    ExistingColumn column;
    column.name = text(row[0]);
    column.data_type = to_lower(text(row[1]));
    column.column_type = text(row[2]);
    column.charset = text(row[3]);
    column.collation = text(row[4]);
    column.characters = number(row[5]);
    column.octets = number(row[6]);
    column.precision = static_cast<std::uint16_t>(number(row[7]));
    column.scale = static_cast<std::uint16_t>(number(row[8]));
    column.second_digits = static_cast<std::uint16_t>(number(row[9]));
    column.nullable = row[10] == "YES";
    const std::string extra = to_lower(text(row[12]));
    column.has_default = row[11].has_value() || extra.find("auto_increment") != std::string::npos;
    column.generated = extra.find("generated") != std::string::npos &&
                       extra.find("default_generated") == std::string::npos;
    column.on_update = extra.find("on update") != std::string::npos;
    out.emplace(to_lower(column.name), std::move(column));
  }
  return out;
}

std::vector<WrittenColumn> written_columns(MysqlConnection& connection, const TablePlan& plan) {
  const std::map<std::string, ExistingColumn> existing = existing_columns(connection, plan.target);
  std::vector<WrittenColumn> out;
  for (const PlannedColumn& column : plan.columns) {
    const auto at = existing.find(to_lower(column.name));
    if (at == existing.end()) {
      throw Error(
          ExitCode::refused, "mysql-target.column-missing",
          fmt::format("the target table {} lacks the column {}", plan.target.text(), column.name),
          existing.empty() ? "there is no such table, or the account may not see it"
                           : "rows cannot be written without it",
          fmt::format("restore it, or: ALTER TABLE {} ADD COLUMN {} {}", qualified(plan.target),
                      mysql_identifier(column.name), column.target_type));
    }
    const Encoding encoding = encoding_for(column.type, at->second);
    const std::vector<std::string>& labels = column.type.members;
    const bool has_error_value = column.type.kind == TypeKind::enumeration &&
                                 at->second.data_type == "enum" &&
                                 std::find(labels.begin(), labels.end(), "") == labels.end();
    out.push_back({mysql_identifier(column.name), encoding, needs_conversion(encoding, at->second),
                   has_error_value, at->second.data_type});
  }
  return out;
}

RowMessage read_message(std::string_view message) {
  RowMessage out;
  const std::size_t at = message.rfind(" at row ");
  if (at != std::string_view::npos) {
    std::from_chars(message.data() + at + 8, message.data() + message.size(), out.row);
  }
  // "Incorrect string value: '\xF0...' for column `d`.`t`.`c` at row 3": the value itself must not
  // reach a log.
  const std::size_t value = message.find(": '");
  const std::size_t column = message.rfind("' for column");
  out.text = message;
  if (value != std::string_view::npos && column != std::string_view::npos && value < column) {
    out.text = std::string(message.substr(0, value)) + std::string(message.substr(column + 1));
  }
  return out;
}

}  // namespace weir::mysqltarget
