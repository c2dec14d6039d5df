// SPDX-License-Identifier: Apache-2.0
#include "target/mysql/target.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include <fmt/format.h>

#include "base/error.h"
#include "model/definition.h"
#include "model/facts.h"
#include "target/mysql/applier.h"
#include "target/mysql/checks.h"
#include "target/mysql/counters.h"
#include "target/mysql/loader.h"
#include "target/mysql/types.h"

namespace weir::mysqltarget {

MysqlTarget::MysqlTarget(const Task& task)
    : endpoint_(task.target),
      native_(task.source.kind == task.target.kind),
      control_(task.target.control_schema) {}

MysqlConnection& MysqlTarget::connection() {
  if (!connection_) {
    connection_.emplace(endpoint_, MysqlConnection::Role::target);
    prepare_session(*connection_);
  }
  return *connection_;
}

const TableSql& MysqlTarget::table_sql() {
  if (!table_sql_) {
    MysqlConnection& open = connection();
    table_sql_.emplace(open, dialect_of(open), native_);
  }
  return *table_sql_;
}

std::string MysqlTarget::version() {
  const std::string version = connection().server_version();
  return (connection().is_mariadb() ? "MariaDB " : "MySQL ") + version;
}

std::optional<ServerClock> MysqlTarget::clock() {
  MysqlConnection& open = connection();
  return read_clock([&open] {
    const auto micros =
        open.scalar("SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS UNSIGNED)");
    return Time(std::chrono::microseconds(std::strtoll(micros.value_or("0").c_str(), nullptr, 10)));
  });
}

std::string MysqlTarget::refuse_name(std::string_view name) const {
  if (name.find('\0') != std::string_view::npos) return "a name cannot hold a NUL character";
  if (name.ends_with(' ')) return "a name cannot end with a space";
  return "";
}

void MysqlTarget::plan_types(const Task& task, TablePlan& plan) const {
  const std::vector<std::string> types = planned_types(plan, native_);
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    PlannedColumn& column = plan.columns[i];
    if (column.target_type.empty()) column.target_type = types[i];
    const bool is_date = column.type.kind == TypeKind::date ||
                         column.type.kind == TypeKind::datetime ||
                         column.type.kind == TypeKind::timestamp;
    // A NOT NULL date may still be a zero date, which the policy turns into NULL.
    if (is_date && task.types.zero_dates.kind == ZeroDatePolicy::Kind::null) column.nullable = true;
  }
  for (const std::uint32_t part : plan.key) plan.columns[part].nullable = false;
}

std::string MysqlTarget::gather(const Task& task, std::span<const TablePlan> plans,
                                const std::optional<Recovered>& recovered) {
  return encode_facts(
      mysqltarget::gather(connection(), table_sql(), control_, task, plans, recovered));
}

std::vector<Finding> MysqlTarget::judge(std::span<const TablePlan> plans,
                                        const std::string& facts) const {
  Facts known = decode_facts(facts);
  std::vector<Finding> findings = link_tables(known.tables, plans);
  std::ranges::move(mysqltarget::judge(known), std::back_inserter(findings));
  return findings;
}

std::optional<Recovered> MysqlTarget::recover(const std::string& task) {
  return control_.recover(connection(), task);
}

void MysqlTarget::start(const std::string& task, const Identity& source, const Offset& start) {
  control_.create(connection());
  const MysqlConnection& open = connection();
  connection().execute(fmt::format(
      "INSERT INTO {} (task, format, source_identity, start_offset, log_offset, updated_at) VALUES "
      "({}, 1, {}, {}, {}, UTC_TIMESTAMP(6))",
      control_.task_table(), open.quote(task), open.quote(source.text), open.quote(start.text),
      open.quote(start.text)));
}

bool MysqlTarget::table_exists(const TableName& name) {
  return connection()
      .scalar(fmt::format("SELECT 1 FROM information_schema.tables WHERE table_schema = {} AND "
                          "table_name = {}",
                          connection().quote(name.schema), connection().quote(name.table)))
      .has_value();
}

void MysqlTarget::ensure_table(const std::string& task, const TablePlan& plan) {
  MysqlConnection& open = connection();
  const std::string condition = control_.table_condition(open, task, plan.source.name);
  const std::string name = qualified(plan.target);
  try {
    const auto created = open.scalar(
        fmt::format("SELECT created FROM {} WHERE {}", control_.table_table(), condition));
    if (created) {
      // The mark comes before the table, and a crash may have come between. Once rows were copied a
      // missing table is no such thing.
      const bool copied = open.scalar(fmt::format("SELECT 1 FROM {} WHERE {} LIMIT 1",
                                                  control_.range_table(), condition))
                              .has_value();
      if (created == "1" && !copied) open.execute(table_sql().create(plan));
      return;
    }
    if (!open.scalar("SELECT 1 FROM information_schema.schemata WHERE schema_name = " +
                     open.quote(plan.target.schema))) {
      open.execute(fmt::format("CREATE DATABASE IF NOT EXISTS {} CHARACTER SET utf8mb4",
                               mysql_identifier(plan.target.schema)));
    }
    // All that is done before the mark is done again if a crash comes before it.
    bool exists = table_exists(plan.target);
    if (exists && plan.existing == ExistingPolicy::replace) {
      open.execute("DROP TABLE " + name);
      exists = false;
    }
    if (exists && plan.existing == ExistingPolicy::truncate) open.execute("TRUNCATE TABLE " + name);
    open.execute(fmt::format(
        "INSERT INTO {} (task, source_schema, source_table, target_schema, target_table, created, "
        "definition, since_offset) VALUES ({}, {}, {}, {}, {}, {}, {}, {})",
        control_.table_table(), open.quote(task), open.quote(plan.source.name.schema),
        open.quote(plan.source.name.table), open.quote(plan.target.schema),
        open.quote(plan.target.table), exists ? "false" : "true",
        open.quote(encode_definition(plan.source)), open.quote(plan.since.text)));
    if (!exists) open.execute(table_sql().create(plan));
  } catch (const Error& error) {
    throw error.within(plan.target.text());
  }
}

void MysqlTarget::store_ranges(const std::string& task, const TablePlan& plan,
                               std::span<const KeyRange> ranges) {
  const MysqlConnection& open = connection();
  std::string values;
  for (const KeyRange& range : ranges) {
    values += fmt::format("{}({}, {}, {}, {}, {}, {}, {}, '', 0, 0, false)",
                          values.empty() ? "" : ", ", open.quote(task),
                          open.quote(plan.source.name.schema), open.quote(plan.source.name.table),
                          range.number, open.quote(encode_key(range.after)),
                          open.quote(encode_key(range.upto)), range.whole ? "true" : "false");
  }
  connection().execute(
      fmt::format("INSERT INTO {} (task, source_schema, source_table, number, after_key, upto_key, "
                  "whole, reached_key, row_count, byte_count, done) VALUES {}",
                  control_.range_table(), values));
}

void MysqlTarget::full_loaded(const std::string& task, const Offset& full_end) {
  connection().execute(fmt::format("UPDATE {} SET full_end_offset = {} WHERE task = {}",
                                   control_.task_table(), connection().quote(full_end.text),
                                   connection().quote(task)));
}

template <class Work>
void MysqlTarget::in_transaction(Work&& work) {
  MysqlConnection& open = connection();
  open.execute("START TRANSACTION");
  try {
    work(open);
    open.execute("COMMIT");
  } catch (const Error& error) {
    // Of a session that is gone nothing is left to be taken back.
    if (error.id() != "mysql.lost") open.execute("ROLLBACK");
    throw;
  }
}

void MysqlTarget::move_offset(const std::string& task, const OffsetMove& move) {
  in_transaction([&](MysqlConnection& open) {
    const std::string name = open.quote(task);
    const auto at = open.scalar(fmt::format("SELECT log_offset FROM {} WHERE task = {} FOR UPDATE",
                                            control_.task_table(), name));
    if (at != move.from.text) throw offset_moved(task, move.from);
    std::string time = "NULL";
    if (move.to.source_time != Time{}) {
      std::string text = to_rfc3339(move.to.source_time, true);
      text[text.find('T')] = ' ';
      text.pop_back();  // the Z: the column is in UTC
      time = open.quote(text);
    }
    open.execute(fmt::format(
        "UPDATE {} SET log_offset = {}, source_time = {}, full_end_offset = {}, updated_at = "
        "UTC_TIMESTAMP(6) WHERE task = {}",
        control_.task_table(), open.quote(move.to.text), time,
        move.consistent_at.empty() ? "full_end_offset" : open.quote(move.consistent_at.text),
        name));
    for (const TableName& table : move.left_out) {
      open.execute(fmt::format("UPDATE {} SET since_offset = {} WHERE {}", control_.table_table(),
                               open.quote(move.from.text),
                               control_.table_condition(open, task, table)));
    }
  });
}

void MysqlTarget::split_tables(const std::string& from, const std::string& to,
                               std::span<const TableName> tables) {
  in_transaction([&](MysqlConnection& open) { control_.split_tables(open, from, to, tables); });
}

void MysqlTarget::join_tables(const std::string& from, const std::string& to) {
  bool may_join = false;
  in_transaction([&](MysqlConnection& open) { may_join = control_.may_join(open, from, to); });
  if (!may_join) return;
  const std::vector<TableName> old_tables = control_.swap_tables(connection(), from);
  in_transaction([&](MysqlConnection& open) { control_.join_tables(open, from, to); });
  control_.drop_swapped(connection(), old_tables);
}

void MysqlTarget::forget(const std::string& task, std::span<const TableName> tables) {
  in_transaction([&](MysqlConnection& open) { control_.forget(open, task, tables); });
}

void MysqlTarget::drop_beside(std::span<const TableName> tables) {
  for (const TableName& table : tables) control_.drop_beside(connection(), table);
}

std::string MysqlTarget::forget_statement(const std::string& task) const {
  return fmt::format("DELETE FROM {} WHERE task = '{}'", control_.task_table(), task);
}

std::string MysqlTarget::forget_table_statements(const std::string& task,
                                                 const TableName& table) const {
  return forget_rows(task, table, {control_.range_table(), control_.table_table()});
}

std::unique_ptr<Loader> MysqlTarget::open_loader(const std::string& task) {
  return std::make_unique<FileLoader>(endpoint_, task, native_);
}

std::unique_ptr<Applier> MysqlTarget::open_applier(const std::string& task,
                                                   std::span<const TablePlan> plans) {
  auto applier = std::make_unique<SetApplier>(endpoint_, task, plans, native_);
  // A lane whose end met a crash goes on beside the old tables.
  for (const TablePlan& plan : plans) control_.swap_back(connection(), plan.target);
  return applier;
}

std::optional<std::vector<FoundCounter>> MysqlTarget::counters(
    std::span<const CounterPlace> places) {
  return find_counters(connection(), places);
}

std::vector<std::string> MysqlTarget::counter_sql(const CounterPlace& place,
                                                  const FoundCounter& found,
                                                  CounterNumber next) const {
  return mysqltarget::counter_sql(place, found, next);
}

std::string MysqlTarget::drop_sql(const TableName& table) const {
  return "DROP TABLE IF EXISTS " + mysql_identifier(table.schema) + "." +
         mysql_identifier(table.table);
}

void MysqlTarget::run_counter_sql(std::span<const std::string> statements) {
  mysqltarget::run_counter_sql(connection(), statements);
}

}  // namespace weir::mysqltarget
