// SPDX-License-Identifier: Apache-2.0
#include "target/postgres/target.h"

#include <fmt/format.h>

#include "base/error.h"
#include "model/definition.h"
#include "target/postgres/alter.h"
#include "target/postgres/applier.h"
#include "target/postgres/checks.h"
#include "target/postgres/counters.h"
#include "target/postgres/loader.h"
#include "target/postgres/types.h"

namespace weir::postgres {
namespace {

std::string create_sql(const TablePlan& plan, const PgConnection& connection) {
  std::string columns;
  for (const PlannedColumn& column : plan.columns) {
    columns += fmt::format("{}\n  {} {}", columns.empty() ? "" : ",", pg_identifier(column.name),
                           column.target_type);
    if (!column.added()) columns += default_clause(plan.source.columns[column.source], connection);
    if (!column.nullable) columns += " NOT NULL";
  }
  return fmt::format("CREATE TABLE {} ({})", qualified(plan.target), columns);
}

}  // namespace

PostgresTarget::PostgresTarget(const Task& task)
    : endpoint_(task.target),
      control_(task.target.control_schema),
      same_product_(task.source.kind == "postgres") {}

PgConnection& PostgresTarget::connection() const {
  if (!connection_) connection_.emplace(endpoint_, PgConnection::Role::target);
  return *connection_;
}

std::string PostgresTarget::version() { return "PostgreSQL " + connection().server_version(); }

std::string PostgresTarget::refuse_name(std::string_view name) const {
  if (name.find('\0') != std::string_view::npos) return "a name cannot hold a NUL character";
  return "";
}

void PostgresTarget::plan_types(const Task& task, TablePlan& plan) const {
  for (PlannedColumn& column : plan.columns) {
    if (column.target_type.empty() && same_product_ && !column.added()) {
      column.target_type = kept_type(column.type);
      if (column.target_type.empty()) column.target_type = foreign_type(column.type.native);
    }
    if (column.target_type.empty()) column.target_type = target_type(column.type);
    const bool is_date = column.type.kind == TypeKind::date ||
                         column.type.kind == TypeKind::datetime ||
                         column.type.kind == TypeKind::timestamp;
    // A NOT NULL date may still be a zero date, which the policy turns into NULL.
    if (is_date && task.types.zero_dates.kind == ZeroDatePolicy::Kind::null) column.nullable = true;
  }
  for (const std::uint32_t part : plan.key) plan.columns[part].nullable = false;
}

std::string PostgresTarget::foreign_type(const std::string& native) const {
  if (native.find('.') == std::string::npos) return "";
  const auto [known, is_new] = foreign_types_.emplace(native, "");
  if (!is_new) return known->second;
  if (connection().scalar("SELECT to_regtype($1)", {native})) return known->second = native;
  // An extension may live in another schema here: "public.vector(3)[]" is vector, and "(3)[]".
  const std::size_t end = native.find_first_of("([", native.rfind('.'));
  const std::string name = native.substr(0, std::min(end, native.size()));
  const auto found = connection().scalar(
      "SELECT quote_ident(n.nspname) || '.' || quote_ident(t.typname) FROM pg_type t JOIN "
      "pg_namespace n ON n.oid = t.typnamespace JOIN pg_depend d ON d.classid = "
      "'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e' WHERE quote_ident(t.typname) = "
      "$1 ORDER BY 1 LIMIT 1",
      {name.substr(name.rfind('.') + 1)});
  if (found) known->second = *found + native.substr(name.size());
  return known->second;
}

std::vector<Finding> PostgresTarget::preflight(const Task& task, std::span<const TablePlan> plans,
                                               const std::optional<Recovered>& recovered) {
  std::vector<Finding> findings = judge(gather(connection(), control_, task, plans, recovered));
  if (task.types.zero_dates.kind == ZeroDatePolicy::Kind::keep) {
    findings.push_back({"postgres.zero-dates", Severity::critical,
                        "types.zero_dates is \"keep\", which PostgreSQL cannot do",
                        "it has no dates with a zero part", "say \"refuse\", \"null\" or a date",
                        "", ""});
  }
  return findings;
}

std::optional<Recovered> PostgresTarget::recover(const std::string& task) {
  return control_.recover(connection(), task);
}

void PostgresTarget::start(const std::string& task, const Identity& source, const Offset& start) {
  control_.create(connection());
  connection().query(
      fmt::format("INSERT INTO {} (task, format, source_identity, start_offset, log_offset) VALUES "
                  "($1, 1, $2, $3, $3)",
                  control_.task_table()),
      {task, source.text, start.text});
}

void PostgresTarget::ensure_table(const std::string& task, const TablePlan& plan) {
  const std::string known =
      fmt::format("SELECT 1 FROM {} WHERE task = $1 AND source_schema = $2 AND source_table = $3",
                  control_.table_table());
  if (connection().scalar(known, {task, plan.source.name.schema, plan.source.name.table})) return;
  connection().execute("BEGIN");
  try {
    if (!connection().scalar("SELECT 1 FROM pg_namespace WHERE nspname = $1",
                             {plan.target.schema})) {
      connection().execute("CREATE SCHEMA " + pg_identifier(plan.target.schema));
    }
    const std::string name = qualified(plan.target);
    bool exists = connection().scalar("SELECT to_regclass($1)", {name}).has_value();
    if (exists && plan.existing == ExistingPolicy::replace) {
      connection().execute("DROP TABLE " + name);
      exists = false;
    }
    if (exists && plan.existing == ExistingPolicy::truncate)
      connection().execute("TRUNCATE " + name);
    if (!exists) connection().execute(create_sql(plan, connection()));
    connection().query(
        fmt::format(
            "INSERT INTO {} (task, source_schema, source_table, target_schema, target_table, "
            "created, definition, since_offset) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            control_.table_table()),
        {task, plan.source.name.schema, plan.source.name.table, plan.target.schema,
         plan.target.table, exists ? "false" : "true", encode_definition(plan.source),
         plan.since.text});
    connection().execute("COMMIT");
  } catch (const Error& error) {
    connection().rollback();
    throw error.within(plan.target.text());
  }
}

void PostgresTarget::store_ranges(const std::string& task, const TablePlan& plan,
                                  std::span<const KeyRange> ranges) {
  connection().execute("BEGIN");
  try {
    for (const KeyRange& range : ranges) {
      connection().query(
          fmt::format("INSERT INTO {} VALUES ($1, $2, $3, $4, $5, $6, $7, '', 0, 0, false)",
                      control_.range_table()),
          {task, plan.source.name.schema, plan.source.name.table, std::to_string(range.number),
           encode_key(range.after), encode_key(range.upto), range.whole ? "true" : "false"});
    }
    connection().execute("COMMIT");
  } catch (...) {
    connection().rollback();
    throw;
  }
}

void PostgresTarget::full_loaded(const std::string& task, const Offset& full_end) {
  connection().query(
      fmt::format("UPDATE {} SET full_end_offset = $1 WHERE task = $2", control_.task_table()),
      {full_end.text, task});
}

std::string PostgresTarget::forget_statement(const std::string& task) const {
  return fmt::format("DELETE FROM {} WHERE task = '{}'", control_.task_table(), task);
}

std::unique_ptr<Loader> PostgresTarget::open_loader(const std::string& task) {
  return std::make_unique<CopyLoader>(endpoint_, task, same_product_);
}

std::unique_ptr<Applier> PostgresTarget::open_applier(const std::string& task,
                                                      std::span<const TablePlan> plans) {
  return std::make_unique<SetApplier>(endpoint_, task, plans);
}

std::optional<std::vector<FoundCounter>> PostgresTarget::counters(
    std::span<const CounterPlace> places) {
  return find_counters(connection(), places);
}

std::vector<std::string> PostgresTarget::counter_sql(const CounterPlace& place,
                                                     const FoundCounter& found,
                                                     CounterNumber next) const {
  return postgres::counter_sql(place, found, next);
}

void PostgresTarget::run_counter_sql(std::span<const std::string> statements) {
  postgres::run_counter_sql(connection(), statements);
}

}  // namespace weir::postgres
