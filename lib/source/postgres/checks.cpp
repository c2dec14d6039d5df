// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/checks.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "source/postgres/catalog.h"
#include "source/postgres/offset.h"
#include "source/postgres/start.h"

namespace weir::pgsource {
namespace {

constexpr int kOldestVersion = 150000;
constexpr std::chrono::seconds kOldTransaction{60};

/// What a rule found: evidence, the table if it is about one, and a fix that fits this case better
/// than the rule's own.
struct Hit {
  std::string evidence;
  std::string table = {};
  std::string fix = {};
};
using Hits = std::vector<Hit>;

Hits when(bool holds, std::string evidence, std::string fix = "") {
  if (!holds) return {};
  return {{std::move(evidence), "", std::move(fix)}};
}

template <class Judge>
Hits on_tables(const Facts& facts, Judge&& judge) {
  Hits hits;
  for (const Facts::TableFacts& table : facts.tables) {
    if (table.gone) continue;
    if (auto hit = judge(table)) {
      hit->table = table.name;
      hits.push_back(std::move(*hit));
    }
  }
  return hits;
}

std::string list(const std::set<std::string>& names) {
  return join(std::vector<std::string>(names.begin(), names.end()), ", ");
}

/// What tells one row from another; without a key, all that is copied.
std::set<std::string> key_columns(const TablePlan& plan) {
  std::set<std::string> out;
  if (plan.key.empty()) {
    for (const PlannedColumn& column : plan.columns) {
      if (!column.added()) out.insert(plan.source.columns[column.source].name);
    }
  }
  for (const std::uint32_t part : plan.key) {
    out.insert(plan.source.columns[plan.columns[part].source].name);
  }
  return out;
}

/// Whether the publication hands on updates or removals, which need a replica identity.
bool publishes_changes(const Facts& facts) {
  if (!facts.publication) return true;
  const auto& left_out = facts.publication->left_out;
  const auto lacks = [&](const char* kind) {
    return std::find(left_out.begin(), left_out.end(), kind) != left_out.end();
  };
  return !lacks("update") || !lacks("delete");
}

/// The tables that the publication lacks, or all if there is none.
std::vector<const Table*> unpublished(const Facts& facts) {
  std::vector<const Table*> out;
  for (const Facts::TableFacts& table : facts.tables) {
    if (!table.published && !table.gone) out.push_back(&table.plan->source);
  }
  return out;
}

std::string make_publication(const Facts& facts) {
  return publication_sql(facts.publication_name, facts.publication.has_value(), facts.version,
                         unpublished(facts));
}

struct CheckRow {
  const char* id;
  Severity severity;
  CheckGroup group;
  const char* why;
  const char* fix;
};

struct Rule {
  CheckRow row;
  const char* what;
  Hits (*judge)(const Facts&);
};

/// A new check is one new row; its facts come from gather().
const auto kRules = std::to_array<Rule>({
    {{"postgres.source-version", Severity::critical, CheckGroup::connection,
      "weir was never tried with it", "use PostgreSQL 15 or later"},
     "the source server is older than PostgreSQL 15",
     [](const Facts& f) {
       return when(f.version < kOldestVersion, fmt::format("server_version_num = {}", f.version));
     }},
    {{"postgres.standby", Severity::critical, CheckGroup::connection,
      "a slot there ends with the standby's own recovery, and a publication cannot be made",
      "point the task at the primary"},
     "the source is a standby",
     [](const Facts& f) { return when(f.in_recovery, "pg_is_in_recovery() = t"); }},
    {{"postgres.wal-level", Severity::critical, CheckGroup::change_log,
      "the log does not hold enough to tell changed rows from it",
      "ALTER SYSTEM SET wal_level = 'logical', then restart the server"},
     "changes are not logged for logical decoding",
     [](const Facts& f) { return when(f.wal_level != "logical", "wal_level = " + f.wal_level); }},
    {{"postgres.replication-denied", Severity::critical, CheckGroup::privileges,
      "the changes cannot be read",
      "ALTER ROLE ... REPLICATION; on Amazon RDS: GRANT rds_replication TO the role"},
     "the role may not read the change log",
     [](const Facts& f) {
       return when(!f.may_replicate, fmt::format("the role {} lacks REPLICATION", f.role),
                   fmt::format("ALTER ROLE {0} REPLICATION; on Amazon RDS: GRANT rds_replication "
                               "TO {0}",
                               pg_identifier(f.role)));
     }},
    {{"postgres.encoding-unknown", Severity::warning, CheckGroup::types,
      "a text that is not UTF-8 stops the task, with its table and key",
      "convert the database to UTF8 with pg_dump and a new database"},
     "the database does not know the encoding of its texts",
     [](const Facts& f) {
       return when(f.encoding == "SQL_ASCII", "server_encoding = " + f.encoding);
     }},
    {{"postgres.slot-other", Severity::critical, CheckGroup::change_log,
      "weir reads a logical slot of this database with the plugin pgoutput",
      "name another one as source.slot; weir makes it"},
     "there is another replication slot of that name",
     [](const Facts& f) {
       const bool fits = !f.slot || (f.slot->plugin == "pgoutput" &&
                                     f.slot->database == f.database && !f.slot->temporary);
       return when(f.is_new && !fits,
                   fits ? ""
                        : fmt::format("slot {}, plugin {}, database {}", f.slot_name,
                                      f.slot->plugin, f.slot->database));
     }},
    {{"postgres.slot-active", Severity::critical, CheckGroup::change_log,
      "two readers would take changes away from each other",
      "end that reader, or give each a slot of its own (source.slot)"},
     "somebody else reads from the replication slot",
     [](const Facts& f) {
       return when(f.is_new && f.slot && f.slot->active,
                   f.slot ? fmt::format("slot {}: {}", f.slot_name, f.slot->holder) : "");
     }},
    {{"postgres.slot-lost", Severity::critical, CheckGroup::retention,
      "a slot that was lost never gets changes again",
      "SELECT pg_drop_replication_slot(...) and start again; weir makes it anew"},
     "the replication slot is there and has lost its log",
     [](const Facts& f) {
       const bool lost = f.is_new && f.slot && !f.slot->usable();
       return when(lost, lost ? "wal_status = " + f.slot->wal_status : "",
                   fmt::format("SELECT pg_drop_replication_slot('{}') and start again; weir makes "
                               "it anew",
                               f.slot_name));
     }},
    {{"postgres.slot-exists", Severity::warning, CheckGroup::change_log,
      "the new task will use it; if another task does, that one will be refused afterwards",
      "nothing, if an earlier start of this task made it; else name another one as source.slot"},
     "the replication slot is there already",
     [](const Facts& f) {
       const bool quiet = f.slot && !f.slot->active && f.slot->usable();
       return when(f.is_new && quiet, "slot " + f.slot_name);
     }},
    {{"postgres.no-free-slot", Severity::critical, CheckGroup::capacity,
      "the task needs a replication slot of its own",
      "raise max_replication_slots and restart the server, or drop a slot that nobody uses"},
     "the source has no free replication slot",
     [](const Facts& f) {
       return when(f.is_new && !f.slot && f.slots_free == 0,
                   "as many slots as max_replication_slots allows");
     }},
    {{"postgres.no-free-sender", Severity::critical, CheckGroup::capacity,
      "the log is sent by a process of its own",
      "raise max_wal_senders and restart the server, or end a replication that nobody needs"},
     "the source has no free WAL sender",
     [](const Facts& f) {
       return when(f.is_new && f.senders_free == 0, "as many senders as max_wal_senders allows");
     }},
    {{"postgres.prepared-transactions", Severity::critical, CheckGroup::change_log,
      "a new slot waits for every transaction that runs, and these do until they are decided",
      "COMMIT PREPARED or ROLLBACK PREPARED each of them"},
     "transactions are prepared and not decided",
     [](const Facts& f) {
       return when(f.is_new && !f.prepared.empty(),
                   "pg_prepared_xacts shows " + join(f.prepared, ", "));
     }},
    {{"postgres.old-transactions", Severity::warning, CheckGroup::change_log,
      "a new slot waits for every transaction that runs, in every database",
      "let them end before the start, or end them with pg_terminate_backend()"},
     "transactions have been running for long",
     [](const Facts& f) {
       return when(f.is_new && !f.old_transactions.empty(), f.old_transactions);
     }},
    {{"postgres.publication-missing", Severity::critical, CheckGroup::change_log,
      "the server sends changes of published tables only",
      "make the publication, or take `publication` out of [source], so that weir makes its own"},
     "the publication does not exist",
     [](const Facts& f) {
       const bool wanted = f.publication_is_given || !f.is_new;
       return when(wanted && !f.publication, "publication " + f.publication_name,
                   f.is_new ? make_publication(f)
                            : "changes since it was dropped may be lost: begin the task anew");
     }},
    {{"postgres.publication-denied", Severity::critical, CheckGroup::privileges,
      "weir makes a publication that lists the tables of the task",
      "GRANT CREATE ON DATABASE to the role; or make it as another role and name it as "
      "source.publication"},
     "the role may not make a publication",
     [](const Facts& f) {
       if (!f.is_new || f.publication_is_given || f.publication || f.may_create) return Hits{};
       return Hits{
           {fmt::format("the role {} lacks CREATE on database {}", f.role, f.database), "",
            fmt::format("GRANT CREATE ON DATABASE {} TO {}; or run this as another role "
                        "and name it as source.publication: {}",
                        pg_identifier(f.database), pg_identifier(f.role), make_publication(f))}};
     }},
    {{"postgres.publication-table", Severity::critical, CheckGroup::change_log,
      "the server sends changes of published tables only", "ALTER PUBLICATION ... ADD TABLE"},
     "the publication lacks the table",
     [](const Facts& f) {
       if (!f.publication || (f.is_new && !f.publication_is_given)) return Hits{};
       return on_tables(f, [&](const Facts::TableFacts& t) -> std::optional<Hit> {
         if (t.published) return {};
         const Table* const table = &t.plan->source;
         const bool root = table->engine == "partitioned" && !f.publication->via_root;
         std::string fix =
             root ? fmt::format(
                        "ALTER PUBLICATION {} SET "
                        "(publish_via_partition_root = true)",
                        pg_identifier(f.publication_name))
                  : publication_sql(f.publication_name, true, f.version, std::span(&table, 1));
         // Rows that were written before it and commit later are in no copy and in no change.
         if (!f.is_new) {
           fix +=
               "; then wait until every transaction that ran at that moment has ended "
               "(pg_stat_activity.xact_start), and start the task";
         }
         return Hit{fmt::format("publication {}{}", f.publication_name,
                                root ? ", publish_via_partition_root = false" : ""),
                    "", std::move(fix)};
       });
     }},
    {{"postgres.publication-owner", Severity::critical, CheckGroup::privileges,
      "a role can publish its own tables only",
      "make the role a member of the table's owner; or make the publication as that owner and "
      "name it as source.publication"},
     "the role does not own the table",
     [](const Facts& f) {
       if (!f.is_new || f.publication_is_given) return Hits{};
       return on_tables(f, [&](const Facts::TableFacts& t) -> std::optional<Hit> {
         if (t.owned || t.published) return {};
         return Hit{fmt::format("role {}", f.role)};
       });
     }},
    {{"postgres.publication-kinds", Severity::critical, CheckGroup::change_log,
      "changes of the kinds it leaves out never reach the target",
      "ALTER PUBLICATION ... SET (publish = 'insert, update, delete, truncate')"},
     "the publication leaves out kinds of changes",
     [](const Facts& f) {
       const bool less = f.publication && !f.publication->left_out.empty();
       return when(less, less ? "without " + join(f.publication->left_out, ", ") : "",
                   fmt::format("ALTER PUBLICATION {} SET (publish = 'insert, update, delete, "
                               "truncate')",
                               pg_identifier(f.publication_name)));
     }},
    {{"postgres.publication-rows", Severity::critical, CheckGroup::change_log,
      "rows and columns that it leaves out would never change on the target",
      "ALTER PUBLICATION ... SET TABLE without WHERE and without a column list"},
     "the publication does not hand on all of the table",
     [](const Facts& f) {
       return on_tables(f, [&](const Facts::TableFacts& t) -> std::optional<Hit> {
         if (!t.published) return {};
         const Publication::Table& published = f.publication->tables.at(t.plan->source.name);
         if (published.filtered) return Hit{"it has a WHERE for this table"};
         std::vector<std::string> lacks;
         for (const PlannedColumn& column : t.plan->columns) {
           if (column.added()) continue;
           const std::string& name = t.plan->source.columns[column.source].name;
           // A column that is gone by now is not left out: the log before that has it.
           if (published.left_out.contains(name)) lacks.push_back(name);
         }
         if (lacks.empty()) return {};
         return Hit{"it leaves out " + join(lacks, ", ")};
       });
     }},
    {{"postgres.unlogged", Severity::critical, CheckGroup::tables,
      "its changes never reach the log", "ALTER TABLE ... SET LOGGED, or exclude the table"},
     "the table is not logged",
     [](const Facts& f) {
       return on_tables(f, [](const Facts::TableFacts& t) -> std::optional<Hit> {
         if (!t.unlogged) return {};
         return Hit{"relpersistence = u", "",
                    fmt::format("ALTER TABLE {} SET LOGGED, or exclude the table",
                                qualified(t.plan->source.name))};
       });
     }},
    {{"postgres.select-denied", Severity::critical, CheckGroup::privileges,
      "the rows of the table cannot be copied",
      "GRANT SELECT on the table, and USAGE on its schema, to the role; ALTER ROLE ... BYPASSRLS "
      "if policies hide rows"},
     "the role may not read the table",
     [](const Facts& f) {
       return on_tables(f, [](const Facts::TableFacts& t) -> std::optional<Hit> {
         if (t.select_denied.empty()) return {};
         return Hit{t.select_denied};
       });
     }},
    {{"postgres.replica-identity", Severity::critical, CheckGroup::tables,
      "as soon as the table is published, the server refuses every UPDATE and DELETE on it: the "
      "application would fail",
      "ALTER TABLE ... REPLICA IDENTITY FULL, or USING INDEX with a unique index over NOT NULL "
      "columns"},
     "the table has no replica identity",
     [](const Facts& f) {
       if (!publishes_changes(f)) return Hits{};
       return on_tables(f, [](const Facts::TableFacts& t) -> std::optional<Hit> {
         if (t.without_identity.empty()) return {};
         const std::string alter = "ALTER TABLE " + qualified(t.plan->source.name);
         return Hit{t.without_identity, "",
                    t.usable_index.empty()
                        ? fmt::format("{} REPLICA IDENTITY FULL, of a partitioned table also "
                                      "for each partition; or give it a primary key",
                                      alter)
                        : fmt::format("{} REPLICA IDENTITY USING INDEX {}", alter,
                                      pg_identifier(t.usable_index))};
       });
     }},
    {{"postgres.key-outside-identity", Severity::critical, CheckGroup::tables,
      "a removed row is told by its replica identity only, which does not hold the task's key",
      "ALTER TABLE ... REPLICA IDENTITY FULL, or choose the columns of the identity as `key`"},
     "the replica identity does not hold the key",
     [](const Facts& f) {
       return on_tables(f, [](const Facts::TableFacts& t) -> std::optional<Hit> {
         if (!t.without_identity.empty()) return {};
         const std::set<std::string> key = key_columns(*t.plan);
         if (std::includes(t.identity.begin(), t.identity.end(), key.begin(), key.end())) {
           return {};
         }
         return Hit{fmt::format("key {}; replica identity {}", list(key), list(t.identity)), "",
                    fmt::format("ALTER TABLE {} REPLICA IDENTITY FULL, or choose the columns of "
                                "the identity as `key`",
                                qualified(t.plan->source.name))};
       });
     }},
    {{"postgres.generated", Severity::warning, CheckGroup::tables,
      "the change log does not carry them, so the target gets no such columns",
      "from PostgreSQL 18 on: ALTER PUBLICATION ... SET (publish_generated_columns = stored); "
      "else let the target compute them"},
     "generated columns are left out",
     [](const Facts& f) {
       return on_tables(f, [](const Facts::TableFacts& t) -> std::optional<Hit> {
         if (t.generated.empty()) return {};
         return Hit{join(t.generated, ", ")};
       });
     }},
    {{"postgres.heartbeat-denied", Severity::warning, CheckGroup::privileges,
      "without the heartbeat the way to the target is not measured; the task runs all the same",
      "GRANT EXECUTE ON FUNCTION pg_logical_emit_message to the role"},
     "the role may not write heartbeats into the log",
     [](const Facts& f) {
       return f.beat_problem ? when(true, f.beat_problem->evidence, f.beat_problem->grant) : Hits{};
     }},
    {{"postgres.slot-keeps", Severity::info, CheckGroup::retention,
      "a task that stands still keeps all of the log since its offset on the source's disk",
      "set max_slot_wal_keep_size to what the disk can spare; a task that falls behind further "
      "has to begin anew"},
     "nothing limits the log that the slot keeps",
     [](const Facts& f) { return when(f.keep_size == "-1", "max_slot_wal_keep_size = -1"); }},
    {{"postgres.slot-limit", Severity::info, CheckGroup::retention,
      "a task that stands still for longer loses its place and has to begin anew",
      "raise the limit to what the longest stop needs"},
     "the log that the slot keeps is limited",
     [](const Facts& f) {
       std::vector<std::string> limits;
       if (f.keep_size != "-1") limits.push_back("max_slot_wal_keep_size = " + f.keep_size);
       if (!f.idle_timeout.empty() && f.idle_timeout != "0") {
         limits.push_back("idle_replication_slot_timeout = " + f.idle_timeout);
       }
       return when(!limits.empty(), join(limits, ", "));
     }},
});

std::string text(PgConnection& connection, const std::string& sql) {
  return connection.scalar(sql).value_or("");
}

std::uint64_t number(const std::string& text) {
  std::uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
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
  facts.slots_free =
      number(text(connection,
                  "SELECT greatest(current_setting('max_replication_slots')::int - (SELECT "
                  "count(*) FROM pg_replication_slots), 0)"));
  facts.senders_free =
      number(text(connection,
                  "SELECT greatest(current_setting('max_wal_senders')::int - (SELECT count(*) FROM "
                  "pg_stat_replication), 0)"));
  const PgResult prepared = connection.query("SELECT gid, database FROM pg_prepared_xacts");
  for (std::size_t i = 0; i < prepared.rows(); ++i) {
    facts.prepared.push_back(
        fmt::format("'{}' in database {}", prepared.text(i, 0), prepared.text(i, 1)));
  }
  facts.old_transactions = old_transactions(connection, kOldTransaction);
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

void gather_tables(PgConnection& connection, std::span<const TablePlan> plans, Facts& facts) {
  for (const TablePlan& plan : plans) {
    Facts::TableFacts table;
    table.plan = &plan;
    table.source = plan.source.name;
    table.name = plan.source.name.text();
    const PgResult row = connection.query(
        "SELECT c.oid, c.relpersistence = 'u', pg_has_role(c.relowner, 'USAGE'), a.attname FROM "
        "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON "
        "a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped WHERE n.nspname = $1 "
        "AND c.relname = $2 ORDER BY a.attnum",
        {plan.source.name.schema, plan.source.name.table});
    if (row.rows() == 0) {  // whoever reads it says so
      table.gone = true;
      facts.tables.push_back(std::move(table));
      continue;
    }
    table.unlogged = row.text(0, 1) == "t";
    table.owned = row.text(0, 2) == "t";
    for (std::size_t i = 0; i < row.rows(); ++i) {
      const std::string name(row.text(i, 3));
      const auto in_log = std::find_if(plan.source.columns.begin(), plan.source.columns.end(),
                                       [&](const Column& column) { return column.name == name; });
      if (!name.empty() && in_log == plan.source.columns.end()) table.generated.push_back(name);
    }
    table.select_denied = select_problem(connection, plan);
    table.published = facts.publication && facts.publication->tables.contains(plan.source.name);
    gather_identity(connection, std::string(row.text(0, 0)), table);
    const bool key_is_other = !plan.source.key.empty() && !plan.source.key_is_primary;
    if (key_is_other && plan.source.engine == "heap") table.usable_index = plan.source.key_name;
    facts.tables.push_back(std::move(table));
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
  gather_tables(connection, plans, facts);
  return facts;
}

std::vector<Finding> judge(const Facts& facts) {
  std::vector<Finding> findings;
  for (const Rule& rule : kRules) {
    for (Hit& hit : rule.judge(facts)) {
      Finding finding;
      finding.id = rule.row.id;
      finding.severity = rule.row.severity;
      finding.what = rule.what;
      finding.why = rule.row.why;
      finding.fix = hit.fix.empty() ? rule.row.fix : std::move(hit.fix);
      finding.evidence = std::move(hit.evidence);
      finding.table = std::move(hit.table);
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

std::vector<CatalogueRow> check_rows() {
  std::vector<CatalogueRow> rows;
  for (const Rule& rule : kRules) {
    const CheckRow& row = rule.row;
    rows.push_back({row.id, IdKind::check, row.severity, rule.what, row.why, row.fix,
                    "weir preflight TASK", row.group});
  }
  return rows;
}

}  // namespace weir::pgsource
