// SPDX-License-Identifier: Apache-2.0
#include "target/mysql/checks.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "mapping/ddl.h"

namespace weir::mysqltarget {
namespace {

constexpr std::uint64_t kSmallPacket = std::uint64_t{16} << 20;
constexpr std::uint64_t kLargeCopy = std::uint64_t{1} << 30;

std::uint64_t number(const MysqlConnection::Value& value) {
  return value ? std::strtoull(value->c_str(), nullptr, 10) : 0;
}

/// Whether the server takes a statement from this account. Statements about tables that do not
/// exist change nothing, and are judged by privilege before the table is looked for.
bool allowed(MysqlConnection& connection, const std::string& sql, std::string& why) {
  try {
    connection.execute(sql);
  } catch (const Error& error) {
    if (error.id() == "mysql.lost") throw;
    if (error.id() == "mysql.denied") {
      why = error.why();
      return false;
    }
  }
  return true;
}

bool can_create_in(MysqlConnection& connection, const std::string& schema, std::string& why) {
  const std::string none = mysql_identifier(schema) + ".weir_no_such_table";
  const std::string other = mysql_identifier(schema) + ".weir_nor_this_one";
  return allowed(connection, fmt::format("CREATE TABLE {} LIKE {}", other, none), why) &&
         allowed(connection, fmt::format("ALTER TABLE {} COMMENT = ''", none), why) &&
         allowed(connection, fmt::format("INSERT INTO {} VALUES (1)", none), why) &&
         allowed(connection, fmt::format("UPDATE {} SET a = 1", none), why) &&
         allowed(connection, fmt::format("DELETE FROM {}", none), why) &&
         allowed(connection, fmt::format("SELECT 1 FROM {}", none), why);
}

/// What is known of each schema that tables go into, asked once.
struct Schema {
  bool exists = false;
  bool can_create = false;
};

bool schema_exists(MysqlConnection& connection, const std::string& schema) {
  return connection
      .scalar("SELECT 1 FROM information_schema.schemata WHERE schema_name = " +
              connection.quote(schema))
      .has_value();
}

void gather_indexes(MysqlConnection& connection, const std::string& condition,
                    Facts::TableFacts& table) {
  std::set<std::string> wanted;
  for (const std::uint32_t part : table.plan->key) {
    wanted.insert(to_lower(table.plan->columns[part].name));
  }
  std::map<std::string, std::set<std::string>> found;
  for (const auto& row : connection.query(
           "SELECT index_name, column_name, sub_part FROM information_schema.statistics WHERE "
           "non_unique = 0 AND " +
           condition)) {
    // A part of a column is not the column.
    found[row[0].value_or("")].insert(row[2] ? "" : to_lower(row[1].value_or("")));
  }
  for (const auto& [name, columns] : found) {
    if (columns == wanted) {
      table.has_key = true;
    } else {
      table.uniques.push_back(name);
    }
  }
}

/// Whether the account may alter and drop the table. What is to go does not exist, so nothing is
/// changed; privileges are judged first.
void gather_rights(MysqlConnection& connection, const std::string& name, Facts::TableFacts& table) {
  std::string why;
  // Somebody else's change of definition is not waited for.
  connection.execute("SET SESSION lock_wait_timeout = 5");
  if (!allowed(connection, fmt::format("ALTER TABLE {} DROP COLUMN weir_no_such_column", name),
               why)) {
    table.alter_denied = why;
  }
  // It takes DROP as well, and is refused on a table without partitions.
  if (!allowed(connection,
               fmt::format("ALTER TABLE {} DROP PARTITION weir_no_such_partition", name), why)) {
    table.drop_denied = why;
  }
  connection.execute("SET SESSION lock_wait_timeout = DEFAULT");
}

/// Does to a table of its own what weir does to tables, and drops it.
std::optional<std::string> write_problem(MysqlConnection& connection, const Facts& facts) {
  std::string why;
  // Nothing is tried that could not be taken away again.
  const std::string schema = mysql_identifier(facts.control_schema);
  const bool may =
      facts.is_new && !facts.read_only && facts.can_keep_control &&
      schema_exists(connection, facts.control_schema) &&
      allowed(connection, fmt::format("DROP TABLE {}.weir_no_such_table", schema), why);
  if (!may) return {};
  const std::string table = fmt::format("{}.weir_probe_{}", schema,
                                        connection.scalar("SELECT connection_id()").value_or("0"));
  const std::string drop = "DROP TABLE IF EXISTS " + table;
  try {
    connection.execute(drop);
    connection.execute(
        fmt::format("CREATE TABLE {} (id INT PRIMARY KEY, v VARCHAR(20)) ENGINE = InnoDB", table));
    connection.execute(fmt::format("ALTER TABLE {} ADD COLUMN w BIGINT NOT NULL DEFAULT 0", table));
    connection.execute(fmt::format("INSERT INTO {} VALUES (1, 'a', 1)", table));
    connection.execute(fmt::format("UPDATE {} SET v = 'b'", table));
    connection.execute(fmt::format("ALTER TABLE {} ADD UNIQUE INDEX by_w (w)", table));
    connection.execute(fmt::format("DELETE FROM {}", table));
    connection.execute(drop);
    return "";
  } catch (const Error& error) {
    if (error.id() == "mysql.lost") throw;
    allowed(connection, drop, why);
    return error.why();
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

Facts::TableFacts gather_table(MysqlConnection& connection, const TableSql& sql,
                               std::map<std::string, Schema>& schemas, const TablePlan& plan,
                               bool native) {
  Facts::TableFacts table;
  table.plan = &plan;
  table.source = plan.source.name;
  table.target = plan.target;
  table.planned = planned_types(plan, native);
  table.shapes = sql.shapes(plan);
  std::string why;
  const auto [schema, is_new] = schemas.try_emplace(plan.target.schema);
  if (is_new) {
    schema->second.exists = schema_exists(connection, plan.target.schema);
    schema->second.can_create = can_create_in(connection, plan.target.schema, why);
  }
  table.schema_exists = schema->second.exists;
  table.can_create = schema->second.can_create;
  const std::string condition =
      fmt::format("table_schema = {} AND table_name = {}", connection.quote(plan.target.schema),
                  connection.quote(plan.target.table));
  const auto kind = connection.query(
      "SELECT table_type, engine FROM information_schema.tables WHERE " + condition);
  if (kind.empty()) return table;
  table.exists = true;
  table.is_table = kind[0][0] == "BASE TABLE";
  table.engine = kind[0][1].value_or("");
  if (!table.is_table) return table;
  const std::string name = qualified(plan.target);
  table.can_write =
      allowed(connection, fmt::format("SELECT 1 FROM {} LIMIT 0", name), why) &&
      allowed(connection, fmt::format("DELETE FROM {} WHERE false", name), why) &&
      allowed(connection, fmt::format("INSERT INTO {0} SELECT * FROM {0} WHERE false", name), why);
  if (!table.can_write) return table;
  gather_rights(connection, name, table);
  table.has_rows = connection.scalar(fmt::format("SELECT 1 FROM {} LIMIT 1", name)).has_value();
  table.columns = existing_columns(connection, plan.target);
  gather_indexes(connection, condition, table);
  for (const auto& row : connection.query(fmt::format(
           "SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = {} "
           "AND event_object_table = {}",
           connection.quote(plan.target.schema), connection.quote(plan.target.table)))) {
    table.triggers.push_back(row[0].value_or(""));
  }
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

Finding milder(Finding finding, Severity severity) {
  finding.severity = severity;
  return finding;
}

std::string retype(const PlannedColumn& column, const char* type) {
  return fmt::format("columns = {{ type = {{ {} = \"{}\" }} }} in its table rule", column.name,
                     type);
}

/// What the types of a table mean that weir is to create.
void judge_new_table(const Facts& facts, const Facts::TableFacts& table,
                     std::vector<Finding>& out) {
  const TablePlan& plan = *table.plan;
  const std::string name = plan.target.text();
  std::uint64_t bytes = 0;
  bool sure = true;
  for (const std::uint32_t part : plan.key) {
    const PlannedColumn& column = plan.columns[part];
    const ColumnShape& shape = table.shapes[part];
    const std::uint64_t most = index_bytes(shape.type, shape.charset);
    if (most == 0) {
      out.push_back(finding(
          "mysql-target.key-without-length",
          fmt::format("the key column {} of {} has no limit to its length", column.name, name),
          fmt::format("{} cannot be a primary key here: MySQL takes {} bytes of a key at most, and "
                      "wants to know beforehand",
                      shape.type, kMaxKeyBytes),
          "say how long it can be: " + retype(column, column.type.kind == TypeKind::bytes
                                                          ? "varbinary(255)"
                                                          : "varchar(255)"),
          column.type.native, name));
      return;
    }
    bytes += most;
    // A source of the same kind has shown that its key fits.
    sure &= facts.native && shape.replaced.empty() && column.target_type == table.planned[part];
  }
  if (bytes > kMaxKeyBytes && !sure) {
    out.push_back(finding(
        "mysql-target.key-too-long", fmt::format("the key of {} is too long for MySQL", name),
        fmt::format("its columns may take {} bytes, and InnoDB indexes {} at "
                    "most; a character of utf8mb4 counts four",
                    bytes, kMaxKeyBytes),
        "give its columns shorter types: " + retype(plan.columns[plan.key.front()], "varchar(191)"),
        "", name));
  }
}

void judge_shapes(const Facts::TableFacts& table, std::vector<Finding>& out) {
  const TablePlan& plan = *table.plan;
  const std::string name = plan.target.text();
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    const PlannedColumn& column = plan.columns[i];
    const ColumnShape& shape = table.shapes[i];
    if (!table.exists && !shape.replaced.empty()) {
      out.push_back(
          milder(finding("mysql-target.replaced",
                         fmt::format("the server does not know the {} of column {}", shape.replaced,
                                     column.name),
                         "values are kept; what compares as equal, and in which order, may differ",
                         "create the table yourself, or say the type in the table rule",
                         fmt::format("instead: {}{}{}", shape.type,
                                     shape.collation.empty() ? "" : " ", shape.collation),
                         name),
                 Severity::warning));
    }
    const bool any_decimal =
        column.type.kind == TypeKind::decimal &&
        (column.type.precision == 0 || column.type.precision > 65 || column.type.scale > 30);
    if (any_decimal && column.target_type == table.planned[i]) {
      out.push_back(milder(
          finding(
              "mysql-target.decimal-range",
              fmt::format("column {} may hold numbers that no decimal of MySQL can", column.name),
              "those with more digits than its type, NaN and infinity stop the task by name",
              retype(column, "varchar(100)") + " keeps every digit",
              fmt::format("{} becomes {}", column.type.native, shape.type), name),
          Severity::warning));
    }
  }
}

void judge_columns(const Facts::TableFacts& table, std::vector<Finding>& out) {
  const TablePlan& plan = *table.plan;
  const std::string name = plan.target.text();
  // While a change of definition is half done, the table may show either side of it; the change
  // comes again from the log and is finished then.
  const Severity severity = table.started ? Severity::warning : Severity::critical;
  std::set<std::string> planned;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    const PlannedColumn& column = plan.columns[i];
    planned.insert(to_lower(column.name));
    const auto at = table.columns.find(to_lower(column.name));
    if (at == table.columns.end()) {
      out.push_back(milder(
          finding("mysql-target.column-missing",
                  fmt::format("the target table lacks the column {}", column.name),
                  "rows cannot be written without it",
                  fmt::format("ALTER TABLE {} ADD COLUMN {} {}; or drop the column in the table "
                              "rule",
                              qualified(plan.target), mysql_identifier(column.name),
                              column.target_type),
                  fmt::format("no column {}, wanted {}", column.name, column.target_type), name),
          severity));
      continue;
    }
    const ExistingColumn& existing = at->second;
    if (existing.generated) {
      out.push_back(finding(
          "mysql-target.column-generated",
          fmt::format("the target column {} is generated", column.name),
          "MySQL takes no values for it",
          fmt::format("columns = {{ drop = [\"{}\"] }} in the table rule, or "
                      "ALTER TABLE {} MODIFY COLUMN {} {}",
                      column.added() ? column.name : plan.source.columns[column.source].name,
                      qualified(plan.target), mysql_identifier(column.name), existing.column_type),
          "GENERATED, wanted a plain column", name));
    }
    const bool in_key = std::find(plan.key.begin(), plan.key.end(), i) != plan.key.end();
    const ColumnShape& shape = table.shapes[i];
    if (in_key && !shape.collation.empty() && !existing.collation.empty() &&
        existing.collation != shape.collation && !existing.collation.ends_with("_bin")) {
      out.push_back(milder(
          finding(
              "mysql-target.key-collation",
              fmt::format("the key column {} compares otherwise than on the source", column.name),
              "keys that are two on the source may be one here, which would stop the task or "
              "merge their rows",
              fmt::format("ALTER TABLE {} MODIFY COLUMN {} {} CHARACTER SET {} COLLATE {} NOT "
                          "NULL",
                          qualified(plan.target), mysql_identifier(column.name),
                          existing.column_type, shape.charset, shape.collation),
              fmt::format("{}, not {}", existing.collation, shape.collation), name),
          Severity::warning));
    }
    if (!table.started && !existing.nullable && !existing.generated && column.nullable && !in_key) {
      out.push_back(milder(
          finding(
              "mysql-target.column-not-null",
              fmt::format("the target column {} is NOT NULL, and the source's is not", column.name),
              "a row that holds NULL there would stop the task",
              fmt::format("ALTER TABLE {} MODIFY COLUMN {} {}{} NULL", qualified(plan.target),
                          mysql_identifier(column.name), existing.column_type,
                          existing.collation.empty()
                              ? ""
                              : fmt::format(" CHARACTER SET {} COLLATE {}", existing.charset,
                                            existing.collation)),
              "source NULL, target NOT NULL", name),
          Severity::warning));
    }
    // A type that the task file names is the operator's own decision.
    if (column.target_type != table.planned[i]) continue;
    const Fit verdict = fit(column.type, existing);
    if (verdict == Fit::fits) continue;
    out.push_back(milder(
        finding(
            verdict == Fit::narrow ? "mysql-target.type-narrow" : "mysql-target.type-other",
            verdict == Fit::narrow
                ? fmt::format("the target column {} is too narrow", column.name)
                : fmt::format("the target column {} has another type", column.name),
            fmt::format("{} on the source may hold values that {} cannot", column.type.native,
                        existing.column_type),
            fmt::format("ALTER TABLE {} MODIFY COLUMN {} {}; or say type = {{ {} = \"{}\" }} in "
                        "the table rule to keep it",
                        qualified(plan.target), mysql_identifier(column.name), shape.type,
                        column.name, existing.column_type),
            fmt::format("source {}, target {}", column.type.native, existing.column_type), name),
        severity));
  }
  for (const auto& [key, existing] : table.columns) {
    if (planned.contains(key) || existing.nullable || existing.has_default || existing.generated) {
      continue;
    }
    out.push_back(milder(
        finding("mysql-target.column-unfilled",
                fmt::format("the target column {} is NOT NULL and nothing fills it", existing.name),
                "every insert would be refused",
                fmt::format("ALTER TABLE {} MODIFY COLUMN {} {} NULL; or give it a default, or "
                            "fill it with add_columns",
                            qualified(plan.target), mysql_identifier(existing.name),
                            existing.column_type),
                fmt::format("{} NOT NULL without a default", existing.column_type), name),
        severity));
  }
}

/// What the account may not do to a table that exists.
void judge_rights(const Facts& facts, const Facts::TableFacts& table, std::vector<Finding>& out) {
  const TablePlan& plan = *table.plan;
  const std::string name = plan.target.text();
  const auto grant = [&](const char* privileges) {
    return fmt::format("GRANT {} ON {} TO {}", privileges, qualified(plan.target),
                       account_sql(facts.account));
  };
  const bool replaces = plan.existing == ExistingPolicy::replace;
  const bool drops = replaces || plan.existing == ExistingPolicy::truncate;
  if (!table.started && drops && !table.drop_denied.empty()) {
    out.push_back(finding("mysql-target.existing-denied",
                          fmt::format("the account {} may not {} {}", facts.account,
                                      replaces ? "drop" : "empty", name),
                          "the table rule says so with existing, and both take DROP",
                          grant("ALTER, DROP"), table.drop_denied, name));
    return;
  }
  if (!table.started && replaces) return;
  const bool may_not_alter = !facts.alters.empty() && !table.alter_denied.empty();
  const bool may_not_truncate = !facts.truncates.empty() && !table.drop_denied.empty();
  if (!may_not_alter && !may_not_truncate) return;
  out.push_back(milder(finding("mysql-target.ddl-denied",
                               fmt::format("the account {} may not change the definition of {}",
                                           facts.account, name),
                               "the task stops at the first change of that kind on the source",
                               grant(may_not_truncate ? "ALTER, DROP" : "ALTER"),
                               fmt::format("{}: {}", may_not_alter ? facts.alters : facts.truncates,
                                           may_not_alter ? table.alter_denied : table.drop_denied),
                               name),
                       Severity::warning));
}

void judge_table(const Facts& facts, const Facts::TableFacts& table, std::vector<Finding>& out) {
  const TablePlan& plan = *table.plan;
  const std::string name = plan.target.text();
  const bool replaced = table.exists && !table.started && plan.existing == ExistingPolicy::replace;
  judge_shapes(table, out);
  if (!table.exists || replaced) judge_new_table(facts, table, out);
  if (!table.exists) {
    if (!table.can_create) {
      const std::string schema = mysql_identifier(plan.target.schema);
      out.push_back(finding(
          "mysql-target.create-denied",
          fmt::format("the account {} may not create and fill tables in {}", facts.account,
                      plan.target.schema),
          "the target table does not exist yet",
          fmt::format("{}GRANT ALL ON {}.* TO {}",
                      table.schema_exists ? "" : fmt::format("CREATE DATABASE {}; ", schema),
                      schema, account_sql(facts.account)),
          table.schema_exists
              ? "one of CREATE, ALTER, INSERT, UPDATE, DELETE, SELECT is missing"
              : fmt::format("no database {}, and CREATE is missing", plan.target.schema),
          name));
    }
    return;
  }
  if (!table.is_table) {
    out.push_back(
        finding("mysql-target.not-a-table", fmt::format("{} exists and is not a table", name),
                "rows can be kept in a table only", "choose another target name in the table rule",
                "table_type is not BASE TABLE", name));
    return;
  }
  if (!table.can_write) {
    out.push_back(
        finding("mysql-target.write-denied",
                fmt::format("the account {} may not read and write {}", facts.account, name),
                "the table belongs to somebody else",
                fmt::format("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}",
                            qualified(plan.target), account_sql(facts.account)),
                "one of SELECT, INSERT, UPDATE, DELETE is missing", name));
    return;
  }
  judge_rights(facts, table, out);
  if (replaced) return;
  if (!equals_ignoring_case(table.engine, "InnoDB")) {
    out.push_back(finding("mysql-target.engine",
                          fmt::format("the target table {} has no transactions", name),
                          "rows and offset could not be kept together, and a crash would repeat "
                          "or lose some",
                          fmt::format("ALTER TABLE {} ENGINE = InnoDB", qualified(plan.target)),
                          fmt::format("engine = {}, wanted InnoDB", table.engine), name));
  }
  if (!table.started && table.has_rows && plan.existing == ExistingPolicy::refuse) {
    out.push_back(finding("mysql-target.table-not-empty",
                          fmt::format("the target table {} already has rows", name),
                          "weir does not mix its rows with others unless it is told to",
                          fmt::format("TRUNCATE TABLE {}; or say existing = \"append\", "
                                      "\"truncate\" or \"replace\" in the table rule",
                                      qualified(plan.target)),
                          "existing = \"refuse\", wanted an empty table", name));
  }
  judge_columns(table, out);
  if (!table.triggers.empty()) {
    out.push_back(milder(
        finding("mysql-target.triggers", fmt::format("the target table {} has triggers", name),
                "MySQL fires them for every row that weir writes, as for anybody's; what they "
                "change comes on top of what they changed on the source",
                "drop them, unless that is wanted", join(table.triggers, ", "), name),
        Severity::warning));
  }
  if (table.started) return;
  if (!table.uniques.empty()) {
    out.push_back(milder(
        finding("mysql-target.unique-early",
                fmt::format("the target table {} has unique indexes besides its key", name),
                "rows are copied at different times and may contradict them until the task has "
                "caught up, and that stops it",
                "drop them and build them again when the task has caught up, or let weir create "
                "the table",
                join(table.uniques, ", "), name),
        Severity::warning));
  }
  if (table.has_key || plan.key.empty()) return;
  std::vector<std::string> key;
  for (const std::uint32_t part : plan.key) {
    key.push_back(mysql_identifier(plan.columns[part].name));
  }
  out.push_back(finding(
      "mysql-target.key-missing",
      fmt::format("the target table {} has no unique key on ({})", name, join(key, ", ")),
      "changes find their row by this key",
      fmt::format("ALTER TABLE {} ADD PRIMARY KEY ({})", qualified(plan.target), join(key, ", ")),
      "no unique index on exactly these", name));
}

}  // namespace

Facts gather(MysqlConnection& connection, const TableSql& sql, const Control& control,
             const Task& task, std::span<const TablePlan> plans,
             const std::optional<Recovered>& recovered) {
  Facts facts;
  facts.mariadb = connection.is_mariadb();
  facts.version = connection.server_version_number();
  facts.shown_version = connection.server_version();
  const auto is_on = [&connection](const char* variable) {
    return connection.scalar(fmt::format("SELECT @@{}", variable)).value_or("0") != "0";
  };
  facts.read_only = is_on("global.read_only") || (!facts.mariadb && is_on("super_read_only"));
  facts.local_infile = is_on("local_infile");
  facts.binlog = is_on("log_bin");
  facts.binlog_format = connection.scalar("SELECT @@binlog_format").value_or("ROW");
  facts.max_packet = connection.max_packet();
  facts.binlog_cache = number(connection.scalar("SELECT @@max_binlog_cache_size"));
  facts.account = connection.scalar("SELECT current_user()").value_or("");
  facts.control_schema = control.schema();
  facts.native = task.source.kind == task.target.kind;
  facts.is_new = !recovered;
  // Rows that come without some of their columns are put together in a temporary table.
  facts.can_keep_control =
      can_create_in(connection, control.schema(), facts.control_why) &&
      (facts.native || allowed(connection,
                               fmt::format("CREATE TEMPORARY TABLE {0}.weir_nor_this_one LIKE "
                                           "{0}.weir_no_such_table",
                                           mysql_identifier(control.schema())),
                               facts.control_why));
  gather_settings(task, facts);
  facts.write_problem = write_problem(connection, facts);
  long used = 0;
  for (const auto& row : connection.query("SHOW GLOBAL STATUS LIKE 'Threads_connected'")) {
    used = static_cast<long>(number(row[1]));
  }
  facts.connections_most = static_cast<long>(number(connection.scalar("SELECT @@max_connections")));
  facts.connections_left = facts.connections_most - used;
  facts.connections_wanted = static_cast<long>(task.full.connections) + 2;
  std::set<TableName> started;
  if (recovered) {
    for (const TableProgress& table : recovered->tables) started.insert(table.source);
  }
  std::map<std::string, Schema> schemas;
  for (const TablePlan& plan : plans) {
    facts.tables.push_back(gather_table(connection, sql, schemas, plan, facts.native));
    facts.tables.back().started = started.contains(plan.source.name);
  }
  return facts;
}

std::vector<Finding> judge(const Facts& facts) {
  std::vector<Finding> out;
  const std::uint64_t oldest = facts.mariadb ? 100500 : 80000;
  if (facts.version < oldest) {
    out.push_back(
        finding("mysql-target.version", "the target server is older than MySQL 8 or MariaDB 10.5",
                "weir was never tried with it", "use a later server", facts.shown_version));
  }
  if (facts.read_only) {
    out.push_back(finding("mysql-target.read-only", "the target takes no writes",
                          "it is a replica, or read_only is set on it",
                          "point the task at the primary; if it is one: SET GLOBAL read_only = OFF",
                          "read_only = ON, wanted OFF"));
  }
  if (!facts.can_keep_control) {
    out.push_back(finding(
        "mysql-target.control-schema",
        fmt::format("weir cannot keep its own tables in database {}", facts.control_schema),
        facts.control_why,
        fmt::format("CREATE DATABASE IF NOT EXISTS {0}; GRANT ALL ON {0}.* TO {1}; or name a "
                    "database that the account owns as target.control_schema",
                    mysql_identifier(facts.control_schema), account_sql(facts.account)),
        "GRANT ALL is missing"));
  }
  if (!facts.write_problem.value_or("").empty()) {
    out.push_back(finding(
        "mysql-target.write-refused",
        fmt::format("a table of its own in database {} cannot be made and changed",
                    facts.control_schema),
        "weir creates, fills, alters and drops tables on the target; this was tried with one of "
        "its own, which is gone again",
        fmt::format("mend what the server says, then try it: CREATE TABLE {0}.weir_probe (id INT "
                    "PRIMARY KEY) ENGINE = InnoDB; DROP TABLE {0}.weir_probe",
                    mysql_identifier(facts.control_schema)),
        *facts.write_problem));
  }
  if (facts.connections_left < facts.connections_wanted) {
    out.push_back(finding(
        "mysql-target.connections", "the target has too few free connections",
        fmt::format("the full stage wants {}", facts.connections_wanted),
        fmt::format("SET GLOBAL max_connections = {}, and in the server's "
                    "configuration; or lower full.connections in the task file",
                    facts.connections_most - facts.connections_left + facts.connections_wanted),
        fmt::format("max_connections = {}, {} free, wanted {}", facts.connections_most,
                    facts.connections_left, facts.connections_wanted)));
  }
  if (!facts.local_infile) {
    out.push_back(milder(
        finding("mysql-target.local-infile", "the server does not take LOAD DATA LOCAL INFILE",
                "rows are copied by INSERT statements, which takes longer",
                "SET GLOBAL local_infile = ON", "local_infile = OFF, wanted ON"),
        Severity::info));
  }
  if (facts.max_packet < kSmallPacket) {
    out.push_back(milder(
        finding("mysql-target.max-packet", "the server takes short statements only",
                "a changed row that is longer than half of max_allowed_packet would stop the task",
                "SET GLOBAL max_allowed_packet = 67108864, and in the server's configuration",
                fmt::format("max_allowed_packet = {}, wanted {} or more", facts.max_packet,
                            kSmallPacket)),
        Severity::warning));
  }
  if (facts.binlog) {
    out.push_back(milder(
        finding("mysql-target.binlog", "the target writes a binary log",
                fmt::format("each chunk and each transaction of the source is one transaction of "
                            "it, at most max_binlog_cache_size ({}) long; replicas of the target "
                            "get all rows again",
                            format_bytes(facts.binlog_cache)),
                "lower full.chunk_rows if replicas fall behind",
                fmt::format("log_bin = ON, binlog_format = {}", facts.binlog_format)),
        Severity::info));
  }
  std::uint64_t bytes = 0;
  for (const Facts::TableFacts& table : facts.tables) {
    if (!table.started) bytes += table.plan->source.estimated_bytes;
  }
  if (bytes > kLargeCopy) {
    out.push_back(milder(
        finding("mysql-target.disk", "weir cannot see how much room the target's disk has",
                fmt::format("the rows take about {} on the source, and indexes and the binary log "
                            "come on top",
                            format_bytes(bytes)),
                "check the server's disk; a full one stops the task, and nothing is lost"),
        Severity::info));
  }
  for (const Facts::TableFacts& table : facts.tables) judge_table(facts, table, out);
  return out;
}

}  // namespace weir::mysqltarget
