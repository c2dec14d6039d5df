// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <map>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "mapping/rules.h"
#include "source/postgres/catalog.h"
#include "source/postgres/checks.h"
#include "source/postgres/offset.h"
#include "source/postgres/start.h"
#include "source/postgres/transaction_buffer.h"

namespace weir::pgsource {
namespace {

constexpr std::chrono::seconds kOldTransaction{60};
/// How long a sender that was only tried may take to end, and how often it is looked for.
constexpr std::chrono::milliseconds kSenderPatience{2000};
constexpr std::chrono::milliseconds kSenderLook{5};
/// As many tables as a finding can name.
constexpr std::size_t kShownTables = 20;

std::string text(PgConnection& connection, const std::string& sql) {
  return connection.scalar(sql).value_or("");
}

std::uint64_t number(const std::string& text) {
  std::uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

std::int64_t signed_number(std::string_view text) {
  std::int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

std::uint64_t count_of(PgConnection& connection, const char* view) {
  return number(text(connection, fmt::format("SELECT count(*) FROM {}", view)));
}

TableName name_at(const PgResult& rows, std::size_t row, std::size_t column) {
  return {std::string(rows.text(row, column)), std::string(rows.text(row, column + 1))};
}

void gather_server(PgConnection& connection, Facts& facts) {
  facts.version = connection.server_version_number();
  facts.in_recovery = text(connection, "SELECT pg_is_in_recovery()") == "t";
  facts.role = text(connection, "SELECT current_user");
  facts.database = text(connection, "SELECT current_database()");
  facts.encoding = text(connection, "SHOW server_encoding");
  facts.wal_level = text(connection, "SHOW wal_level");
  facts.keep_size = text(connection, "SHOW max_slot_wal_keep_size");
  facts.idle_timeout = text(
      connection, "SELECT coalesce(current_setting('idle_replication_slot_timeout', true), '')");
  // Managed servers have a role for it instead of the attribute.
  facts.may_replicate =
      text(connection,
           "SELECT bool_or(r.rolreplication OR r.rolsuper) OR EXISTS (SELECT FROM pg_roles m WHERE "
           "m.rolname = 'rds_replication' AND pg_has_role(current_user, m.oid, 'MEMBER')) FROM "
           "pg_roles r WHERE r.rolname = current_user") == "t";
  facts.may_create =
      text(connection, "SELECT has_database_privilege(current_database(), 'CREATE')") == "t";
  facts.slots = number(text(connection, "SHOW max_replication_slots"));
  facts.slots_free =
      facts.slots - std::min(facts.slots, count_of(connection, "pg_replication_slots"));
  facts.senders = number(text(connection, "SHOW max_wal_senders"));
  facts.senders_free =
      facts.senders - std::min(facts.senders, count_of(connection, "pg_stat_replication"));
  facts.wal_sender_timeout = text(connection, "SHOW wal_sender_timeout");
  facts.wal_sender_millis = number(text(
      connection, "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'"));
  const PgResult prepared = connection.query("SELECT gid, database FROM pg_prepared_xacts");
  for (std::size_t i = 0; i < prepared.rows(); ++i) {
    facts.prepared.push_back(
        {fmt::format("'{}' in database {}", prepared.text(i, 0), prepared.text(i, 1)),
         fmt::format("ROLLBACK PREPARED {}", connection.quote(prepared.text(i, 0)))});
  }
  facts.old_transactions = old_transactions(connection, kOldTransaction);
  facts.has_large_objects =
      text(connection, "SELECT EXISTS (SELECT FROM pg_largeobject_metadata)") == "t";
}

/// Of the server, the database and the role, the one that lets in the fewest.
void gather_connections(PgConnection& connection, const Task& task, Facts& facts) {
  // What a session of another role is for is hidden without pg_monitor; a role's name never is, and
  // the server's own workers have none.
  const PgResult row = connection.query(
      "SELECT current_setting('max_connections'), current_setting('max_connections')::int - "
      "current_setting('superuser_reserved_connections')::int - "
      "coalesce(current_setting('reserved_connections', true), '0')::int - count(*), "
      "d.datconnlimit, d.datconnlimit - count(*) FILTER (WHERE a.datname = d.datname), "
      "r.rolconnlimit, r.rolconnlimit - count(*) FILTER (WHERE a.usename = r.rolname) FROM "
      "pg_stat_activity a, pg_database d, pg_roles r WHERE d.datname = current_database() AND "
      "r.rolname = current_user AND a.usename IS NOT NULL AND coalesce(a.backend_type, 'client "
      "backend') = 'client backend' AND a.pid NOT IN (SELECT pid FROM pg_stat_replication) GROUP "
      "BY d.datname, d.datconnlimit, r.rolname, r.rolconnlimit");
  if (row.rows() == 0) return;
  struct Limit {
    std::string name;
    std::int64_t most;
    std::int64_t left;
  };
  const Limit limits[] = {
      {"max_connections", signed_number(row.text(0, 0)), signed_number(row.text(0, 1))},
      {"CONNECTION LIMIT of database " + facts.database, signed_number(row.text(0, 2)),
       signed_number(row.text(0, 3))},
      {"CONNECTION LIMIT of role " + facts.role, signed_number(row.text(0, 4)),
       signed_number(row.text(0, 5))}};
  const Limit* least = &limits[0];
  for (const Limit& limit : limits) {
    if (limit.most >= 0 && limit.left < least->left) least = &limit;
  }
  facts.connections_free = std::max<std::int64_t>(least->left, 0);
  // The copying ones, and the one that writes heartbeats; this one is counted already.
  facts.connections_wanted = std::int64_t{task.full.connections} + 1;
  facts.connection_limits = fmt::format("{} = {}", least->name, least->most);
}

/// Opens a replication session and ends it again.
std::string replication_problem(PgConnection& connection, const Endpoint& source) {
  std::string process;
  std::string system;
  try {
    PgConnection sender(source, PgConnection::Role::source, PgConnection::Mode::replication);
    system = sender.command("IDENTIFY_SYSTEM").text(0, 0);
    process = sender.command("SELECT pg_backend_pid()").text(0, 0);
  } catch (const Error& error) {
    // A server that is going down now says so to this session as well.
    connection.query("SELECT 1");
    return error.why();
  }
  // The server may count the sender for a moment longer, and the task may need the last one.
  const Clock::time_point deadline = Clock::now() + kSenderPatience;
  while (connection.scalar("SELECT 1 FROM pg_stat_activity WHERE pid = $1::int", {process}) &&
         Clock::now() < deadline) {
    std::this_thread::sleep_for(kSenderLook);
  }
  const std::string own =
      text(connection, "SELECT system_identifier FROM pg_catalog.pg_control_system()");
  if (system == own) return "";
  return fmt::format("IDENTIFY_SYSTEM answers system {}, and SQL on the same host and port {}",
                     system, own);
}

void gather_standbys(PgConnection& connection, Facts& facts) {
  const PgResult slots = connection.query(
      "SELECT slot_name FROM pg_replication_slots WHERE slot_type = 'physical' AND active AND NOT "
      "temporary ORDER BY 1");
  for (std::size_t i = 0; i < slots.rows(); ++i) facts.standby_slots.emplace_back(slots.text(i, 0));
  facts.synced_slots =
      text(connection, "SELECT coalesce(current_setting('synchronized_standby_slots', true), '')");
}

/// Tables outside of the task that a publication of all tables keeps from being changed.
void gather_unidentified(PgConnection& connection, std::span<const TablePlan> plans, Facts& facts) {
  if (!facts.publication || !facts.publication->all_tables) return;
  const auto& left_out = facts.publication->left_out;
  const auto lacks = [&](const char* kind) {
    return std::ranges::find(left_out, kind) != left_out.end();
  };
  if (lacks("update") && lacks("delete")) return;
  std::set<TableName> selected;
  for (const TablePlan& plan : plans) selected.insert(plan.source.name);
  const PgResult rows = connection.query(
      "SELECT n.nspname, c.relname, rn.nspname, r.relname FROM pg_class c JOIN pg_namespace n ON "
      "n.oid = c.relnamespace JOIN pg_class r ON r.oid = CASE WHEN c.relispartition THEN "
      "pg_partition_root(c.oid) ELSE c.oid END JOIN pg_namespace rn ON rn.oid = r.relnamespace "
      "WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> "
      "'information_schema' AND c.relreplident <> 'f' AND NOT EXISTS (SELECT FROM pg_index i WHERE "
      "i.indrelid = c.oid AND i.indisvalid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary "
      "AND i.indimmediate WHEN 'i' THEN i.indisreplident ELSE false END) ORDER BY 1, 2");
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    // Those of the task have a check of their own.
    if (selected.contains(name_at(rows, i, 2))) continue;
    ++facts.unidentified_count;
    if (facts.unidentified.size() < kShownTables) {
      facts.unidentified.push_back(name_at(rows, i, 0));
    }
  }
}

/// What holds rows, has a name that the rules take, and is no table.
void gather_left_out(PgConnection& connection, const Task& task, Facts& facts) {
  const PgResult rows = connection.query(
      "SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = "
      "c.relnamespace WHERE c.relkind IN ('m', 'f') AND NOT c.relispartition AND n.nspname !~ "
      "'^pg_' AND n.nspname <> 'information_schema' ORDER BY 1, 2");
  std::map<TableName, const char*> kinds;
  std::vector<TableName> names;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    names.push_back(name_at(rows, i, 0));
    kinds[names.back()] = rows.text(i, 2) == "m" ? "materialised view" : "foreign table";
  }
  for (const SelectedTable& taken : select_tables(task, names)) {
    facts.left_out.push_back(fmt::format("{} {}", kinds[taken.name], taken.name.text()));
  }
}

void gather_collations(PgConnection& connection, Facts& facts) {
  const PgResult own = connection.query(
      "SELECT datcollversion, pg_database_collation_actual_version(oid) FROM pg_database WHERE "
      "datname = current_database() AND datcollversion IS NOT NULL AND datcollversion IS DISTINCT "
      "FROM pg_database_collation_actual_version(oid)");
  if (own.rows() > 0) {
    facts.changed_collations.push_back(
        {"default", "", std::string(own.text(0, 0)), std::string(own.text(0, 1)), {}});
  }
  const PgResult rows = connection.query(
      "SELECT DISTINCT k.collname, quote_ident(k.nspname) || '.' || quote_ident(k.collname), "
      "k.collversion, k.actual, n.nspname, c.relname FROM (SELECT o.oid, o.collname, "
      "o.collversion, "
      "s.nspname, pg_collation_actual_version(o.oid) AS actual FROM pg_collation o JOIN "
      "pg_namespace s ON s.oid = o.collnamespace WHERE o.collversion IS NOT NULL) k JOIN "
      "pg_attribute a ON a.attcollation = k.oid AND NOT a.attisdropped JOIN pg_class c ON c.oid = "
      "a.attrelid AND c.relkind IN ('r', 'p') JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
      "k.collversion IS DISTINCT FROM k.actual ORDER BY 2, 5, 6");
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const std::string sql(rows.text(i, 1));
    if (facts.changed_collations.empty() || facts.changed_collations.back().sql != sql) {
      facts.changed_collations.push_back({std::string(rows.text(i, 0)),
                                          sql,
                                          std::string(rows.text(i, 2)),
                                          std::string(rows.text(i, 3)),
                                          {}});
    }
    facts.changed_collations.back().tables.push_back(name_at(rows, i, 4));
  }
}

void gather_machine(Facts& facts) {
  facts.spill_folder = spill_folder();
  facts.spill_writable = access(facts.spill_folder.c_str(), W_OK | X_OK) == 0;
  struct statvfs space {};
  // File systems that are none, such as /proc, have no blocks at all.
  if (statvfs(facts.spill_folder.c_str(), &space) == 0 && space.f_blocks > 0) {
    facts.spill_free = std::uint64_t{space.f_bavail} * space.f_frsize;
  }
}

std::string select_problem(PgConnection& connection, const TablePlan& plan) {
  std::string columns;
  for (const PlannedColumn& column : plan.columns) {
    if (column.added()) continue;
    if (!columns.empty()) columns += ", ";
    columns += pg_identifier(plan.source.columns[column.source].name);
  }
  try {
    connection.query(
        fmt::format("SELECT {} FROM {} LIMIT 0", columns, qualified(plan.source.name)));
    return "";
  } catch (const Error& error) {
    if (error.code() == ExitCode::source_unreachable) throw;
    // A column may be gone by now that the log still has: nobody is going to read it from the
    // table.
    return error.why().find("(SQLSTATE 42703)") == std::string::npos ? error.why() : "";
  }
}

/// Of the table itself and of the partitions below it: they hold the rows, and the root stands for
/// them in the log.
void gather_identity(PgConnection& connection, const std::string& oid, Facts::TableFacts& table) {
  const PgResult rows = connection.query(
      "SELECT c.oid, n.nspname, c.relname, c.relreplident, a.attname FROM (SELECT $1::oid UNION "
      "SELECT relid FROM pg_partition_tree($1::oid)) AS k(oid) JOIN pg_class c ON c.oid = k.oid "
      "JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indrelid = c.oid "
      "AND "
      "i.indisvalid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary AND i.indimmediate WHEN "
      "'i' THEN i.indisreplident ELSE false END LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND "
      "a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]) WHERE (c.relkind = 'r' OR c.oid = $1::oid) "
      "AND c.relreplident <> 'f'",
      {oid});
  for (const Column& column : table.plan->source.columns) table.identity.insert(column.name);
  std::map<std::string, std::set<std::string>> partitions;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    std::set<std::string>& columns = partitions[std::string(rows.text(i, 0))];
    if (!rows.is_null(i, 4)) {
      columns.emplace(rows.text(i, 4));
      continue;
    }
    const std::string_view setting = rows.text(i, 3);
    table.without_identity =
        fmt::format("{}: REPLICA IDENTITY {}",
                    TableName{std::string(rows.text(i, 1)), std::string(rows.text(i, 2))}.text(),
                    setting == "d"   ? "DEFAULT without a primary key"
                    : setting == "i" ? "an index that was dropped"
                                     : "NOTHING");
  }
  // What the task knows by an older name is judged when the log gets to its new one.
  const PgResult live = connection.query(
      "SELECT attname FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT "
      "attisdropped",
      {oid});
  std::set<std::string> names;
  for (std::size_t i = 0; i < live.rows(); ++i) names.emplace(live.text(i, 0));
  for (const auto& [partition, columns] : partitions) {
    std::erase_if(table.identity, [&](const std::string& name) {
      return names.contains(name) && !columns.contains(name);
    });
  }
}

/// "('shop', 'item'), ...": the names of `plans`, for one query over all of them.
std::string name_list(const PgConnection& connection, std::span<const TablePlan> plans) {
  std::string out;
  for (const TablePlan& plan : plans) {
    out += fmt::format("{}({}, {})", out.empty() ? "" : ", ",
                       connection.quote(plan.source.name.schema),
                       connection.quote(plan.source.name.table));
  }
  return out;
}

void gather_classes(PgConnection& connection, const std::string& names,
                    std::map<TableName, Facts::TableFacts*>& tables,
                    std::map<TableName, std::string>& oids) {
  const PgResult rows = connection.query(
      "SELECT n.nspname, c.relname, c.oid, c.relpersistence = 'u', pg_has_role(c.relowner, "
      "'USAGE'), row_security_active(c.oid), has_table_privilege(c.oid, 'SELECT'), a.attname FROM "
      "(VALUES " +
      names +
      ") AS w(s, t) JOIN pg_namespace n ON n.nspname = w.s JOIN pg_class c ON c.relnamespace = "
      "n.oid AND c.relname = w.t LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND "
      "a.attgenerated <> '' AND NOT a.attisdropped ORDER BY c.oid, a.attnum");
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const TableName name = name_at(rows, i, 0);
    Facts::TableFacts& table = *tables.at(name);
    table.gone = false;
    table.unlogged = rows.text(i, 3) == "t";
    table.owned = rows.text(i, 4) == "t";
    table.has_policy = rows.text(i, 5) == "t";
    table.may_select = rows.text(i, 6) == "t";
    oids[name] = rows.text(i, 2);
    const std::string generated(rows.text(i, 7));
    const std::vector<Column>& columns = table.plan->source.columns;
    const bool in_log = std::ranges::find(columns, generated, &Column::name) != columns.end();
    if (!generated.empty() && !in_log) table.generated.push_back(generated);
  }
}

/// What lies below the tables: partitions that nothing is logged of, and tables that inherit.
void gather_below(PgConnection& connection, const std::string& names,
                  std::map<TableName, Facts::TableFacts*>& tables) {
  const PgResult parts = connection.query(
      "SELECT w.s, w.t, pn.nspname, p.relname, p.relkind FROM (VALUES " + names +
      ") AS w(s, t) JOIN pg_namespace n ON n.nspname = w.s JOIN pg_class c ON c.relnamespace = "
      "n.oid AND c.relname = w.t AND c.relkind = 'p', LATERAL pg_partition_tree(c.oid) k JOIN "
      "pg_class p ON p.oid = k.relid JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE "
      "p.relkind = 'f' OR (p.relkind = 'r' AND p.relpersistence = 'u') ORDER BY 1, 2, 3, 4");
  for (std::size_t i = 0; i < parts.rows(); ++i) {
    Facts::TableFacts& table = *tables.at(name_at(parts, i, 0));
    (parts.text(i, 4) == "f" ? table.foreign_parts : table.unlogged_parts)
        .push_back(name_at(parts, i, 2));
  }
  const PgResult children = connection.query(
      "SELECT w.s, w.t, kn.nspname, k.relname FROM (VALUES " + names +
      ") AS w(s, t) JOIN pg_namespace n ON n.nspname = w.s JOIN pg_class c ON c.relnamespace = "
      "n.oid AND c.relname = w.t JOIN pg_inherits i ON i.inhparent = c.oid JOIN pg_class k ON "
      "k.oid = i.inhrelid AND NOT k.relispartition JOIN pg_namespace kn ON kn.oid = "
      "k.relnamespace ORDER BY 1, 2, 3, 4");
  for (std::size_t i = 0; i < children.rows(); ++i) {
    tables.at(name_at(children, i, 0))->children.push_back(name_at(children, i, 2));
  }
}

void gather_tables(PgConnection& connection, std::span<const TablePlan> plans, Facts& facts) {
  if (plans.empty()) return;
  for (const TablePlan& plan : plans) {
    Facts::TableFacts& table = facts.tables.emplace_back();
    table.plan = &plan;
    table.source = plan.source.name;
    table.name = plan.source.name.text();
    table.gone = true;  // whoever reads it says so
  }
  std::map<TableName, Facts::TableFacts*> tables;
  for (Facts::TableFacts& table : facts.tables) tables.emplace(table.source, &table);
  std::map<TableName, std::string> oids;
  const std::string names = name_list(connection, plans);
  gather_classes(connection, names, tables, oids);
  gather_below(connection, names, tables);
  for (Facts::TableFacts& table : facts.tables) {
    if (table.gone) continue;
    const Table& source = table.plan->source;
    table.select_denied = select_problem(connection, *table.plan);
    table.published = facts.publication && facts.publication->tables.contains(source.name);
    gather_identity(connection, oids.at(source.name), table);
    const bool key_is_other = !source.key.empty() && !source.key_is_primary;
    if (key_is_other && source.engine == "heap") table.usable_index = source.key_name;
  }
}

}  // namespace

Facts gather(PgConnection& connection, const Task& task, std::span<const TablePlan> plans,
             bool is_new) {
  Facts facts;
  facts.is_new = is_new;
  gather_server(connection, facts);
  facts.slot_name = slot_name(task);
  facts.slot = read_slot(connection, facts.slot_name);
  facts.publication_name = publication_name(task);
  facts.publication_is_given = !task.source.publication.empty();
  facts.publication = read_publication(connection, facts.publication_name);
  if (task.source.heartbeat.count() > 0) facts.beat_problem = beat_problem(connection);
  gather_connections(connection, task, facts);
  gather_standbys(connection, facts);
  gather_unidentified(connection, plans, facts);
  gather_left_out(connection, task, facts);
  gather_collations(connection, facts);
  gather_machine(facts);
  facts.other_product = task.target.kind != task.source.kind;
  const auto keyless =
      std::ranges::count_if(plans, [](const TablePlan& p) { return p.key.empty(); });
  facts.snapshots =
      std::min<std::uint64_t>(task.full.connections, static_cast<std::uint64_t>(keyless));
  if (facts.senders_free > 0) {
    facts.replication_problem = replication_problem(connection, task.source);
  }
  gather_tables(connection, plans, facts);
  return facts;
}

}  // namespace weir::pgsource
