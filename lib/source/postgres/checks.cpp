// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/checks.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

#include "base/text.h"
#include "source/postgres/catalog.h"

namespace weir::pgsource {
namespace {

constexpr int kOldestVersion = 150000;
constexpr int kFailoverSlots = 170000;
constexpr int kPublishesGenerated = 180000;
/// Less than a network may be silent for without being broken.
constexpr std::uint64_t kShortSenderMillis = 10'000;
/// What a large transaction may well take.
constexpr std::uint64_t kLittleSpace = std::uint64_t{256} << 20;

/// What a rule found: evidence, the table if it is about one, and a fix and a severity that fit
/// this case better than the rule's own.
struct Hit {
  std::string evidence;
  std::string table = {};
  std::string fix = {};
  std::optional<Severity> severity = {};
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

std::string list(const std::vector<TableName>& names) {
  std::string out;
  for (const TableName& name : names) out += (out.empty() ? "" : ", ") + name.text();
  return out;
}

/// The statement for each of them, with "; " between: "ALTER TABLE NAME SET LOGGED".
std::string on_each(const std::vector<TableName>& names, std::string_view before,
                    std::string_view after) {
  std::string out;
  for (const TableName& name : names) {
    out += fmt::format("{}{}{}{}", out.empty() ? "" : "; ", before, qualified(name), after);
  }
  return out;
}

std::uint64_t slots_wanted(const Facts& facts) { return (facts.slot ? 0 : 1) + facts.snapshots; }
std::uint64_t senders_wanted(const Facts& facts) {
  return std::max<std::uint64_t>(facts.snapshots, 1);
}

std::string raise_setting(const char* name, std::uint64_t least) {
  return fmt::format("ALTER SYSTEM SET {} = {}, then restart the server", name, least);
}

/// Tables whose key is read in the order of this collation.
std::vector<TableName> keyed_by(const Facts& facts, const Facts::Collation& collation) {
  std::vector<TableName> out;
  for (const Facts::TableFacts& table : facts.tables) {
    const TablePlan& plan = *table.plan;
    const bool has_it = collation.sql.empty() ||
                        std::ranges::find(collation.tables, table.source) != collation.tables.end();
    const bool in_key = std::ranges::any_of(plan.key, [&](std::uint32_t part) {
      const PlannedColumn& column = plan.columns[part];
      return !column.added() && plan.source.columns[column.source].collation == collation.name;
    });
    if (has_it && in_key && !table.gone) out.push_back(table.source);
  }
  return out;
}

/// Columns that may be numbers of large objects.
std::vector<std::string> object_numbers(const TablePlan& plan) {
  std::vector<std::string> out;
  for (const PlannedColumn& column : plan.columns) {
    if (column.added()) continue;
    const Column& source = plan.source.columns[column.source];
    const bool is_lo = source.type.native == "oid" || source.type.native.ends_with(".lo");
    if (is_lo) out.push_back(source.name);
  }
  return out;
}

/// What a row is found by whose column holds a value that other products have not; "" if the type
/// has no such values.
std::string special_values(const Column& column) {
  const std::string name = pg_identifier(column.name);
  switch (column.type.kind) {
    case TypeKind::decimal:
    case TypeKind::float32:
    case TypeKind::float64:
      return name + " IN ('NaN', 'Infinity', '-Infinity')";
    case TypeKind::date:
    case TypeKind::datetime:
    case TypeKind::timestamp:
      return name + " NOT BETWEEN '0001-01-01' AND '9999-12-31'";
    default:
      return "";
  }
}

/// Queries for rows with such values, of the first tables that may have some.
Hits on_special_values(const Facts& facts) {
  constexpr std::size_t kShown = 5;
  std::vector<std::string> tables;
  std::vector<std::string> queries;
  for (const Facts::TableFacts& table : facts.tables) {
    std::vector<std::string> conditions;
    for (const PlannedColumn& column : table.plan->columns) {
      if (column.added()) continue;
      std::string condition = special_values(table.plan->source.columns[column.source]);
      if (!condition.empty()) conditions.push_back(std::move(condition));
    }
    if (conditions.empty()) continue;
    tables.push_back(table.name);
    if (queries.size() == kShown) continue;
    queries.push_back(fmt::format("SELECT count(*) FROM {} WHERE {}", qualified(table.source),
                                  join(conditions, " OR ")));
  }
  if (tables.empty()) return {};
  const std::size_t more = tables.size() - queries.size();
  tables.resize(queries.size());
  return when(true,
              fmt::format("numbers, dates or times in {}{}", join(tables, ", "),
                          more == 0 ? "" : fmt::format(" and {} more", more)),
              join(queries, "; "));
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
       return when(
           f.version < kOldestVersion,
           fmt::format("server_version_num = {}, wanted {} or later", f.version, kOldestVersion));
     }},
    {{"postgres.standby", Severity::critical, CheckGroup::connection,
      "a slot there ends with the standby's own recovery, and a publication cannot be made",
      "point the task at the primary"},
     "the source is a standby",
     [](const Facts& f) { return when(f.in_recovery, "pg_is_in_recovery() = t, wanted f"); }},
    {{"postgres.wal-level", Severity::critical, CheckGroup::change_log,
      "the log does not hold enough to tell changed rows from it",
      "ALTER SYSTEM SET wal_level = 'logical', then restart the server; on Amazon RDS and Aurora: "
      "rds.logical_replication = 1 in the parameter group"},
     "changes are not logged for logical decoding",
     [](const Facts& f) {
       return when(f.wal_level != "logical",
                   fmt::format("wal_level = {}, wanted logical", f.wal_level));
     }},
    {{"postgres.replication-denied", Severity::critical, CheckGroup::privileges,
      "the changes cannot be read",
      "ALTER ROLE ... REPLICATION; on Amazon RDS: GRANT rds_replication TO the role"},
     "the role may not read the change log",
     [](const Facts& f) {
       return when(!f.may_replicate, fmt::format("role {}: rolreplication = f, wanted t", f.role),
                   fmt::format("ALTER ROLE {0} REPLICATION; on Amazon RDS: GRANT rds_replication "
                               "TO {0}",
                               pg_identifier(f.role)));
     }},
    {{"postgres.replication-refused", Severity::critical, CheckGroup::connection,
      "the changes come over a session of this kind, which a pooler or a proxy may not pass on",
      "name the server itself, not a pooler, as host and port of [source]; if pg_hba.conf refuses "
      "it: a line host DATABASE ROLE ADDRESS scram-sha-256, then SELECT pg_reload_conf()"},
     "a replication session cannot be had",
     [](const Facts& f) {
       // Who lacks the privilege is told so already.
       if (!f.may_replicate || f.replication_problem.value_or("").empty()) return Hits{};
       return Hits{
           {*f.replication_problem, "",
            fmt::format("name the server itself, not a pooler, as host and port of [source]; if "
                        "pg_hba.conf refuses it: a line host {} {} ADDRESS scram-sha-256, then "
                        "SELECT pg_reload_conf()",
                        pg_identifier(f.database), pg_identifier(f.role)),
            // A task that runs, or will try again by itself, is not ended by what may pass.
            f.is_new ? Severity::critical : Severity::warning}};
     }},
    {{"postgres.encoding-unknown", Severity::warning, CheckGroup::types,
      "a text that is not UTF-8 stops the task, with its table and key",
      "dump the database in UTF8 with pg_dump, and restore it into one made with CREATE DATABASE "
      "... "
      "ENCODING 'UTF8' TEMPLATE template0"},
     "the database does not know the encoding of its texts",
     [](const Facts& f) {
       return when(
           f.encoding == "SQL_ASCII", fmt::format("server_encoding = {}, wanted UTF8", f.encoding),
           fmt::format("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0; then "
                       "pg_dump --encoding=UTF8 {} | psql {}, and name it in [source]",
                       pg_identifier(f.database + "_utf8"), f.database, f.database + "_utf8"));
     }},
    {{"postgres.collation-changed", Severity::warning, CheckGroup::types,
      "tables are read in the order of their key's index; one that was built by other rules passes "
      "over rows, and the copy would lack them",
      "REINDEX DATABASE ...; then ALTER DATABASE ... REFRESH COLLATION VERSION"},
     "the rules that sort texts have changed under the indexes",
     [](const Facts& f) {
       Hits hits;
       for (const Facts::Collation& collation : f.changed_collations) {
         const std::vector<TableName> tables = keyed_by(f, collation);
         if (tables.empty()) continue;
         const std::string where =
             collation.sql.empty() ? "database " + f.database : "collation " + collation.sql;
         const std::string actual = collation.actual.empty() ? "none" : collation.actual;
         const std::string database = pg_identifier(f.database);
         hits.push_back(
             {fmt::format("{}: version {}, wanted {}; keys of {}", where, collation.recorded,
                          actual, list(tables)),
              "",
              collation.sql.empty()
                  ? fmt::format(
                        "REINDEX DATABASE {0}; ALTER DATABASE {0} REFRESH COLLATION VERSION",
                        database)
                  : fmt::format("{}; ALTER COLLATION {} REFRESH VERSION",
                                on_each(tables, "REINDEX TABLE ", ""), collation.sql)});
       }
       return hits;
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
                        : fmt::format("slot {}: plugin = {}, database = {}, temporary = {}; wanted "
                                      "pgoutput, {}, false",
                                      f.slot_name, f.slot->plugin.empty() ? "none" : f.slot->plugin,
                                      f.slot->database.empty() ? "none" : f.slot->database,
                                      f.slot->temporary, f.database),
                   fmt::format("slot = \"{}_2\" in [source]; weir makes it", f.slot_name));
     }},
    {{"postgres.slot-active", Severity::critical, CheckGroup::change_log,
      "two readers would take changes away from each other",
      "end that reader, or give each a slot of its own (source.slot)"},
     "somebody else reads from the replication slot",
     [](const Facts& f) {
       return when(
           f.is_new && f.slot && f.slot->active,
           f.slot ? fmt::format("slot {}: active = t, wanted f; {}", f.slot_name, f.slot->holder)
                  : "",
           fmt::format("end that reader: SELECT pg_terminate_backend(active_pid) FROM "
                       "pg_replication_slots WHERE slot_name = '{0}'; or give each a slot "
                       "of its own: slot = \"{0}_2\" in [source]",
                       f.slot_name));
     }},
    {{"postgres.slot-lost", Severity::critical, CheckGroup::retention,
      "a slot that was lost never gets changes again",
      "SELECT pg_drop_replication_slot(...) and start again; weir makes it anew"},
     "the replication slot is there and has lost its log",
     [](const Facts& f) {
       const bool lost = f.is_new && f.slot && !f.slot->usable();
       return when(lost,
                   lost ? fmt::format("slot {}: wal_status = {}{}; wanted reserved", f.slot_name,
                                      f.slot->wal_status,
                                      f.slot->invalidation.empty()
                                          ? ""
                                          : ", invalidation_reason = " + f.slot->invalidation)
                        : "",
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
       return when(f.is_new && quiet, fmt::format("slot {}, active = f", f.slot_name),
                   fmt::format("nothing, if an earlier start of this task made it; else slot = "
                               "\"{}_2\" in [source]",
                               f.slot_name));
     }},
    {{"postgres.slot-failover", Severity::warning, CheckGroup::change_log,
      "the slot does not come along when a standby is promoted, and the task has to begin anew",
      "ALTER_REPLICATION_SLOT ... (FAILOVER true) in a replication session"},
     "no standby keeps a copy of the replication slot",
     [](const Facts& f) {
       const bool stays = f.slot && f.slot->failover == false && !f.standby_slots.empty();
       return when(stays,
                   fmt::format("slot {}: failover = f, wanted t; standbys stream from {}",
                               f.slot_name, join(f.standby_slots, ", ")),
                   fmt::format("psql \"dbname={} replication=database\" -c "
                               "'ALTER_REPLICATION_SLOT {} (FAILOVER true)' while the task is "
                               "stopped",
                               f.database, f.slot_name));
     }},
    {{"postgres.standby-behind", Severity::warning, CheckGroup::change_log,
      "the task may get changes that the standby does not have yet; if that one is promoted, the "
      "target is ahead of it, and the task has to begin anew",
      "ALTER SYSTEM SET synchronized_standby_slots = '...'; SELECT pg_reload_conf()"},
     "changes are sent to the task before the standbys have them",
     [](const Facts& f) {
       const bool comes_along = !f.slot || f.slot->failover == true;
       const bool ahead = f.version >= kFailoverSlots && comes_along && !f.standby_slots.empty() &&
                          f.synced_slots.empty();
       const std::string slots = join(f.standby_slots, ", ");
       return when(ahead, fmt::format("synchronized_standby_slots = '', wanted '{}'", slots),
                   fmt::format("ALTER SYSTEM SET synchronized_standby_slots = '{}'; SELECT "
                               "pg_reload_conf()",
                               slots));
     }},
    {{"postgres.no-free-slot", Severity::critical, CheckGroup::capacity,
      "the task needs a replication slot of its own",
      "raise max_replication_slots and restart the server, or drop a slot that nobody uses"},
     "the source has no free replication slot",
     [](const Facts& f) {
       const std::uint64_t wanted = slots_wanted(f);
       return when(
           f.is_new && f.slots_free < wanted,
           fmt::format(
               "max_replication_slots = {}, {} free, wanted {}{}", f.slots, f.slots_free, wanted,
               f.snapshots == 0 ? "" : ": one for each session that copies a table without a key"),
           raise_setting("max_replication_slots", f.slots - f.slots_free + wanted) +
               "; or drop a slot that nobody uses: SELECT slot_name, active FROM "
               "pg_replication_slots");
     }},
    {{"postgres.no-free-sender", Severity::critical, CheckGroup::capacity,
      "the log is sent by a process of its own",
      "raise max_wal_senders and restart the server, or end a replication that nobody needs"},
     "the source has no free WAL sender",
     [](const Facts& f) {
       const std::uint64_t wanted = senders_wanted(f);
       return when(
           f.is_new && f.senders_free < wanted,
           fmt::format(
               "max_wal_senders = {}, {} free, wanted {}{}", f.senders, f.senders_free, wanted,
               f.snapshots == 0 ? "" : ": one for each session that copies a table without a key"),
           raise_setting("max_wal_senders", f.senders - f.senders_free + wanted) +
               "; or end a replication that nobody needs: SELECT pid, application_name "
               "FROM pg_stat_replication");
     }},
    {{"postgres.source-connections", Severity::critical, CheckGroup::capacity,
      "the copy opens full.connections sessions on the source, and the heartbeat one",
      "raise the limit that is named, or lower full.connections in the task file"},
     "the source has too few free connections",
     [](const Facts& f) {
       return when(f.is_new && f.connections_free < f.connections_wanted,
                   fmt::format("{}, {} free, wanted {}", f.connection_limits, f.connections_free,
                               f.connections_wanted),
                   fmt::format("raise {} by {}, or say a smaller full.connections in the task file",
                               f.connection_limits.substr(0, f.connection_limits.find(" = ")),
                               f.connections_wanted - f.connections_free));
     }},
    {{"postgres.sender-timeout", Severity::warning, CheckGroup::capacity,
      "the server ends the stream of changes when the network is silent for that long, and the "
      "task connects again and again",
      "ALTER ROLE ... SET wal_sender_timeout = '60s'"},
     "the server gives up on a silent reader soon",
     [](const Facts& f) {
       const bool is_short = f.wal_sender_millis > 0 && f.wal_sender_millis < kShortSenderMillis;
       return when(
           is_short,
           fmt::format("wal_sender_timeout = {}, wanted 10s or more", f.wal_sender_timeout),
           fmt::format("ALTER ROLE {} SET wal_sender_timeout = '60s'", pg_identifier(f.role)));
     }},
    {{"postgres.spill-space", Severity::warning, CheckGroup::capacity,
      "a transaction above 8 MiB waits in a file there until it commits; if that cannot be "
      "written, the task stops",
      "free space there, or set TMPDIR of weir's environment to a folder with space"},
     "the folder for large transactions is nearly full, or cannot be written",
     [](const Facts& f) {
       const std::string fix = fmt::format(
           "free space in {}, or set TMPDIR of weir's environment to a folder with "
           "space",
           f.spill_folder);
       if (!f.spill_writable) return when(true, f.spill_folder + " is not writable", fix);
       return when(f.spill_free && *f.spill_free < kLittleSpace,
                   fmt::format("{}: {} free, wanted {}", f.spill_folder,
                               format_bytes(f.spill_free.value_or(0)), format_bytes(kLittleSpace)),
                   fix);
     }},
    {{"postgres.prepared-transactions", Severity::critical, CheckGroup::change_log,
      "a new slot waits for every transaction that runs, and these do until they are decided",
      "COMMIT PREPARED or ROLLBACK PREPARED each of them"},
     "transactions are prepared and not decided",
     [](const Facts& f) {
       return when(f.is_new && !f.prepared.empty(),
                   "pg_prepared_xacts shows " + shown(f.prepared) + ", wanted none",
                   end_statements(f.prepared) + "; or COMMIT PREPARED, in their databases");
     }},
    {{"postgres.old-transactions", Severity::warning, CheckGroup::change_log,
      "a new slot waits for every transaction that runs, in every database",
      "let them end before the start, or end them with pg_terminate_backend()"},
     "transactions have been running for long",
     [](const Facts& f) {
       return when(f.is_new && !f.old_transactions.empty(), shown(f.old_transactions),
                   "let them end, or end them: " + end_statements(f.old_transactions));
     }},
    {{"postgres.publication-missing", Severity::critical, CheckGroup::change_log,
      "the server sends changes of published tables only",
      "make the publication, or take `publication` out of [source], so that weir makes its own"},
     "the publication does not exist",
     [](const Facts& f) {
       const bool wanted = f.publication_is_given || !f.is_new;
       return when(wanted && !f.publication,
                   fmt::format("pg_publication has no {}", f.publication_name),
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
           {fmt::format("role {}: CREATE on database {} is missing", f.role, f.database), "",
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
         return Hit{fmt::format("role {} is no member of the owner", f.role), "",
                    fmt::format("ALTER TABLE {} OWNER TO {}, or GRANT its owner's role TO {}; or "
                                "make the publication as that owner and name it as "
                                "source.publication: {}",
                                qualified(t.plan->source.name), pg_identifier(f.role),
                                pg_identifier(f.role), make_publication(f))};
       });
     }},
    {{"postgres.publication-kinds", Severity::critical, CheckGroup::change_log,
      "changes of the kinds it leaves out never reach the target",
      "ALTER PUBLICATION ... SET (publish = 'insert, update, delete, truncate')"},
     "the publication leaves out kinds of changes",
     [](const Facts& f) {
       const bool less = f.publication && !f.publication->left_out.empty();
       return when(less,
                   less ? fmt::format("publication {} lacks {}; wanted insert, update, delete, "
                                      "truncate",
                                      f.publication_name, join(f.publication->left_out, ", "))
                        : "",
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
         const std::string again = fmt::format(
             "ALTER PUBLICATION {0} DROP TABLE {1}; ALTER PUBLICATION {0} ADD TABLE {1}",
             pg_identifier(f.publication_name), qualified(t.plan->source.name));
         if (published.filtered) {
           return Hit{fmt::format("publication {} has a WHERE for it", f.publication_name), "",
                      again};
         }
         std::vector<std::string> lacks;
         for (const PlannedColumn& column : t.plan->columns) {
           if (column.added()) continue;
           const std::string& name = t.plan->source.columns[column.source].name;
           // A column that is gone by now is not left out: the log before that has it.
           if (published.left_out.contains(name)) lacks.push_back(name);
         }
         if (lacks.empty()) return {};
         return Hit{
             fmt::format("publication {} leaves out {}", f.publication_name, join(lacks, ", ")), "",
             again};
       });
     }},
    {{"postgres.publication-all", Severity::warning, CheckGroup::tables,
      "the server refuses every UPDATE and DELETE on a published table without a replica identity: "
      "with FOR ALL TABLES that goes for tables which are not the task's too",
      "ALTER TABLE ... REPLICA IDENTITY FULL, or name a publication of the task's tables only"},
     "the publication of all tables keeps the application from changing some",
     [](const Facts& f) {
       if (f.unidentified_count == 0) return Hits{};
       const std::uint64_t more = f.unidentified_count - f.unidentified.size();
       return when(true,
                   fmt::format("publication {} is FOR ALL TABLES; without a replica identity: {}{}",
                               f.publication_name, list(f.unidentified),
                               more == 0 ? "" : fmt::format(" and {} more", more)),
                   on_each(f.unidentified, "ALTER TABLE ", " REPLICA IDENTITY FULL"));
     }},
    {{"postgres.unlogged", Severity::critical, CheckGroup::tables,
      "its changes never reach the log", "ALTER TABLE ... SET LOGGED, or exclude the table"},
     "the table is not logged",
     [](const Facts& f) {
       return on_tables(f, [](const Facts::TableFacts& t) -> std::optional<Hit> {
         if (!t.unlogged_parts.empty()) {
           return Hit{
               fmt::format("relpersistence = u, wanted p: partitions {}", list(t.unlogged_parts)),
               "", on_each(t.unlogged_parts, "ALTER TABLE ", " SET LOGGED")};
         }
         if (!t.unlogged) return {};
         return Hit{
             "relpersistence = u, wanted p", "",
             fmt::format("ALTER TABLE {} SET LOGGED; or exclude = [\"{}\"] in the table rule",
                         qualified(t.plan->source.name), t.name)};
       });
     }},
    {{"postgres.foreign-partition", Severity::critical, CheckGroup::tables,
      "its rows are on another server, and no change of them reaches this one's log",
      "ALTER TABLE ... DETACH PARTITION ..., or exclude the table"},
     "a partition of the table is a foreign table",
     [](const Facts& f) {
       return on_tables(f, [](const Facts::TableFacts& t) -> std::optional<Hit> {
         if (t.foreign_parts.empty()) return {};
         return Hit{"relkind = f, wanted r: " + list(t.foreign_parts), "",
                    on_each(t.foreign_parts,
                            fmt::format("ALTER TABLE {} DETACH PARTITION ",
                                        qualified(t.plan->source.name)),
                            "") +
                        fmt::format("; or exclude = [\"{}\"] in the table rule", t.name)};
       });
     }},
    {{"postgres.inherited", Severity::warning, CheckGroup::tables,
      "a query of the table shows the rows of those that inherit from it; on the target it shows "
      "its own alone",
      "have a rule take the tables that inherit from it too, and unite them in a view"},
     "tables that inherit from the table are not copied",
     [](const Facts& f) {
       std::set<TableName> taken;
       for (const Facts::TableFacts& t : f.tables) taken.insert(t.source);
       return on_tables(f, [&](const Facts::TableFacts& t) -> std::optional<Hit> {
         std::vector<TableName> left;
         std::ranges::copy_if(t.children, std::back_inserter(left),
                              [&](const TableName& name) { return !taken.contains(name); });
         if (left.empty()) return {};
         return Hit{"no rule takes " + list(left), "",
                    fmt::format("[[table]] match = \"{}\" in the task file, and so on for each",
                                left.front().text())};
       });
     }},
    {{"postgres.left-out", Severity::info, CheckGroup::tables,
      "they hold rows of which the log has no changes, so weir does not take them",
      "nothing, or make them on the target: a materialised view by its query, a foreign table from "
      "the server that has it"},
     "materialised views and foreign tables are left out",
     [](const Facts& f) { return when(!f.left_out.empty(), join(f.left_out, ", ")); }},
    {{"postgres.large-objects", Severity::info, CheckGroup::tables,
      "the numbers are copied, and the objects that they may name are not: the log does not carry "
      "them",
      "keep the bytes in a column of type bytea"},
     "the table may refer to large objects",
     [](const Facts& f) {
       if (!f.has_large_objects) return Hits{};
       return on_tables(f, [](const Facts::TableFacts& t) -> std::optional<Hit> {
         const std::vector<std::string> columns = object_numbers(*t.plan);
         if (columns.empty()) return {};
         const std::string table = qualified(t.plan->source.name);
         const std::string bytes = pg_identifier(columns.front() + "_bytes");
         return Hit{join(columns, ", ") + " of type oid, and pg_largeobject_metadata has rows", "",
                    fmt::format("ALTER TABLE {0} ADD COLUMN {1} bytea; UPDATE {0} SET {1} = "
                                "lo_get({2})",
                                table, bytes, pg_identifier(columns.front()))};
       });
     }},
    {{"postgres.select-denied", Severity::critical, CheckGroup::privileges,
      "the rows of the table cannot be copied",
      "GRANT SELECT on the table, and USAGE on its schema, to the role"},
     "the role may not read the table",
     [](const Facts& f) {
       return on_tables(f, [&](const Facts::TableFacts& t) -> std::optional<Hit> {
         if (t.select_denied.empty() || (t.has_policy && t.may_select)) return {};
         return Hit{t.select_denied, "",
                    fmt::format("GRANT USAGE ON SCHEMA {0} TO {1}; GRANT SELECT ON {2} TO {1}",
                                pg_identifier(t.source.schema), pg_identifier(f.role),
                                qualified(t.source))};
       });
     }},
    {{"postgres.row-security", Severity::critical, CheckGroup::privileges,
      "the copy would lack rows, and the log, which knows no policies, would bring changes of them",
      "ALTER ROLE ... BYPASSRLS"},
     "row level security hides rows of the table",
     [](const Facts& f) {
       return on_tables(f, [&](const Facts::TableFacts& t) -> std::optional<Hit> {
         if (!t.has_policy) return {};
         return Hit{
             fmt::format("row_security_active('{}') = t for role {}, wanted f", t.name, f.role), "",
             fmt::format("ALTER ROLE {} BYPASSRLS", pg_identifier(f.role))};
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
       return on_tables(f, [&](const Facts::TableFacts& t) -> std::optional<Hit> {
         if (t.generated.empty()) return {};
         const std::string columns = join(t.generated, ", ");
         if (f.version < kPublishesGenerated || !f.publication) return Hit{columns};
         return Hit{columns, "",
                    fmt::format("ALTER PUBLICATION {} SET (publish_generated_columns = stored); "
                                "virtual ones are for the target to compute",
                                pg_identifier(f.publication_name))};
       });
     }},
    {{"postgres.special-values", Severity::info, CheckGroup::types,
      "PostgreSQL has NaN, infinities and dates far from our time; a target of another product "
      "refuses those that weir-types(7) names, and the task stops there",
      "look for such rows on the source; types in the table rule can keep them as text"},
     "columns may hold values that the target has not",
     [](const Facts& f) { return f.other_product ? on_special_values(f) : Hits{}; }},
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
     [](const Facts& f) {
       return when(f.keep_size == "-1", "max_slot_wal_keep_size = -1",
                   "ALTER SYSTEM SET max_slot_wal_keep_size = '100GB', or what the disk can spare; "
                   "SELECT pg_reload_conf(); a task that falls behind further has to begin anew");
     }},
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

}  // namespace

std::vector<Finding> judge(const Facts& facts) {
  std::vector<Finding> findings;
  for (const Rule& rule : kRules) {
    for (Hit& hit : rule.judge(facts)) {
      Finding finding;
      finding.id = rule.row.id;
      finding.severity = hit.severity.value_or(rule.row.severity);
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
