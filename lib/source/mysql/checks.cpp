// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/checks.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "base/time.h"
#include "source/mysql/dump.h"

namespace weir::mysql {
namespace {

constexpr std::uint64_t kShortRetention = 24 * 3600;
constexpr const char* kWeek = "604800";
/// A copy that cannot go on in the middle is worth a word from here on.
constexpr std::uint64_t kLargeCopy = std::uint64_t{1} << 30;
constexpr std::int64_t kSpareConnections = 10;
constexpr std::uint64_t kOldestMariaDb = 100500;
constexpr std::uint64_t kOldestMysql = 80000;

/// What a rule found: evidence, and the table if it is about one. `unknown` where the fact is
/// hidden.
struct Hit {
  std::string evidence;
  std::string table = {};
  bool unknown = false;
  std::string grant = {};  ///< of an unknown fact: what would show it
  std::string fix = {};    ///< in place of the rule's, where it depends on the fact
};
using Hits = std::vector<Hit>;

std::string grant(const Facts& facts, std::string_view what, std::string_view where = "*.*") {
  return fmt::format("GRANT {} ON {} TO {}", what, where,
                     facts.account.empty() ? "the account" : facts.account);
}

/// What shows the state of the log.
std::string grant_monitor(const Facts& facts) {
  return grant(facts, facts.is_mariadb ? "BINLOG MONITOR" : "REPLICATION CLIENT");
}

std::string qualified(const TableName& name) {
  return mysql_identifier(name.schema) + "." + mysql_identifier(name.table);
}

/// A managed service takes settings in its own place only.
std::string set_global(const Facts& facts, std::string_view name, std::string_view value,
                       std::string_view then) {
  if (!facts.service.empty()) {
    return fmt::format("set {} = {} in the parameters of {}; {}", name, value, facts.service, then);
  }
  return fmt::format("SET GLOBAL {} = {}; {}", name, value, then);
}

constexpr std::string_view kReconnect =
    "then have the writers reconnect, for a session keeps what it began with, and set it in the "
    "server's configuration";

template <class T, class Judge>
Hits on(const Facts& facts, const std::optional<T>& fact, const char* name, Judge&& judge,
        std::string fix = "", std::string grant = "") {
  if (!fact) {
    if (grant.empty()) grant = grant_monitor(facts);
    return {{fmt::format("the account may not see {}", name), "", true, std::move(grant)}};
  }
  std::string evidence = judge(*fact);
  if (evidence.empty()) return {};
  return {{.evidence = std::move(evidence), .fix = std::move(fix)}};
}

/// `judge` gives the evidence, `mend` the statement for a table.
template <class Judge, class Mend>
Hits on_tables(const Facts& facts, Judge&& judge, Mend&& mend) {
  Hits hits;
  for (const Facts::TableFacts& table : facts.tables) {
    std::string evidence = judge(table);
    if (evidence.empty()) continue;
    hits.push_back({.evidence = std::move(evidence), .table = table.name, .fix = mend(table)});
  }
  return hits;
}

/// `value` where it is not the one that is wanted.
std::string unless(const char* name, const std::string& value, std::string_view wanted) {
  return value == wanted ? std::string() : fmt::format("{} = {}, wanted {}", name, value, wanted);
}

bool contains(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

/// The first few of a long list.
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  if (names.size() <= kShown) return join(names, ", ");
  return fmt::format("{} and {} more", join(std::span(names).first(kShown), ", "),
                     names.size() - kShown);
}

using HeartbeatState = Facts::HeartbeatFacts::State;

Hits on_heartbeat(const Facts& facts, HeartbeatState state, bool with_statements) {
  if (!facts.heartbeat || facts.heartbeat->state != state) return {};
  return {{.evidence = facts.heartbeat->evidence,
           .fix = with_statements ? facts.heartbeat->statements : std::string()}};
}

/// Why changes to tables of `schema` are not logged; "" if they are.
std::string not_logged(const Facts& facts, const std::string& schema) {
  if (contains(*facts.unlogged_schemas, schema)) return "binlog_ignore_db has " + schema;
  if (!facts.logged_schemas->empty() && !contains(*facts.logged_schemas, schema)) {
    return "binlog_do_db lacks " + schema;
  }
  return "";
}

std::string let_log(const Facts& facts, const std::string& schema) {
  return contains(*facts.unlogged_schemas, schema)
             ? fmt::format(
                   "take binlog_ignore_db = {} out of the server's configuration and "
                   "restart it",
                   schema)
             : fmt::format("add binlog_do_db = {} to the server's configuration and restart it",
                           schema);
}

/// Foreign keys that change rows, "" if there are none or their doing is logged.
std::vector<const Facts::ForeignKeyFacts*> cascades(const Facts& facts,
                                                    const Facts::TableFacts& table) {
  std::vector<const Facts::ForeignKeyFacts*> out;
  if (facts.logs_cascades) return out;
  const auto acts = [](const std::string& rule) {
    return rule == "CASCADE" || rule == "SET NULL" || rule == "SET DEFAULT";
  };
  for (const Facts::ForeignKeyFacts& key : table.foreign_keys) {
    if (acts(key.on_delete) || acts(key.on_update)) out.push_back(&key);
  }
  return out;
}

std::string cascade_text(const Facts& facts, const Facts::TableFacts& table) {
  std::vector<std::string> parts;
  for (const auto* key : cascades(facts, table)) {
    parts.push_back(
        fmt::format("{} (ON DELETE {}, ON UPDATE {})", key->name, key->on_delete, key->on_update));
  }
  return join(parts, ", ");
}

std::string key_text(const Table& table) {
  std::vector<std::string> parts;
  for (const std::uint32_t part : table.key) {
    parts.push_back(table.columns[part].name + " " + table.columns[part].type.native);
  }
  return join(parts, ", ");
}

Hits judge_server_id(const Facts& facts) {
  if (!facts.replicas) {
    // Few accounts may see them, and a number of weir's own is as good as never another's; should
    // it be, the server says so.
    if (!facts.replica_id_is_given) return {};
    return {{"the account may not see which replicas are connected", "", true,
             grant(facts, facts.is_mariadb ? "REPLICATION MASTER ADMIN" : "REPLICATION SLAVE")}};
  }
  std::uint32_t free = facts.replica_id;
  const auto taken = [&facts](std::uint32_t id) {
    return facts.server_id == std::to_string(id) ||
           std::ranges::any_of(facts.replicas.value(),
                               [id](const auto& replica) { return replica.id == id; });
  };
  while (taken(free) || free == 0) ++free;
  const std::string fix = fmt::format("say server_id = {} in [source] of the task file", free);
  Hits hits;
  if (facts.server_id == std::to_string(facts.replica_id)) {
    hits.push_back({.evidence = fmt::format("server_id = {} is the source's own", *facts.server_id),
                    .fix = fix});
  }
  for (const Facts::ReplicaFacts& replica : *facts.replicas) {
    // Of a task that resumes this may be its own worker, which runs.
    if (replica.id != facts.replica_id || (!facts.is_new && replica.host == kReplicaHost)) continue;
    hits.push_back(
        {.evidence = fmt::format("{}, the task's id, is that of a replica that calls itself '{}'",
                                 replica.id, replica.host),
         .fix = fix});
  }
  return hits;
}

Hits judge_long_sessions(const Facts& facts) {
  const bool locks_table = std::ranges::any_of(facts.tables, [&](const Facts::TableFacts& table) {
    return table.keyless && !facts.is_mariadb;
  });
  if (!facts.is_new || (!facts.takes_read_lock && !locks_table)) return {};
  if (!facts.long_sessions) {
    return {
        {"the account may not see the transactions of others", "", true, grant(facts, "PROCESS")}};
  }
  Hits hits;
  for (const Facts::SessionFacts& session : *facts.long_sessions) {
    hits.push_back(
        {.evidence = fmt::format("session {} of {} is at it for {}", session.id, session.account,
                                 format_duration(std::chrono::seconds(session.seconds))),
         .fix = fmt::format("KILL {}; or wait until it is done", session.id)});
  }
  return hits;
}

Hits judge_outside(const Facts& facts) {
  std::set<TableName> inside;
  for (const Facts::TableFacts& table : facts.tables) inside.insert(table.source);
  return on_tables(
      facts,
      [&](const Facts::TableFacts& table) {
        std::vector<std::string> parts;
        for (const Facts::ForeignKeyFacts& key : table.foreign_keys) {
          if (inside.contains(key.refers_to)) continue;
          parts.push_back(fmt::format("{} refers to {}", key.name, key.refers_to.text()));
        }
        return join(parts, ", ");
      },
      [&](const Facts::TableFacts& table) {
        std::vector<std::string> parts;
        for (const Facts::ForeignKeyFacts& key : table.foreign_keys) {
          if (inside.contains(key.refers_to)) continue;
          parts.push_back(fmt::format("[[table]] match = \"{}\"", key.refers_to.text()));
        }
        return "add to the task file, if joins need its rows: " + join(parts, ", ");
      });
}

Hits judge_shadows(const Facts& facts) {
  Hits hits;
  for (const Facts::ShadowFacts& shadow : facts.shadows) {
    const bool concerns = std::ranges::any_of(facts.tables, [&shadow](const auto& table) {
      return table.source == shadow.shadow || table.source == shadow.table;
    });
    if (!concerns) continue;
    const bool over =
        shadow.shadow.table.ends_with("_del") || shadow.shadow.table.ends_with("_old");
    hits.push_back(
        {.evidence = fmt::format("{} is beside {}", shadow.shadow.text(), shadow.table.text()),
         .table = shadow.table.text(),
         .fix = over ? fmt::format("DROP TABLE {}, if a tool left it; another name if it is wanted",
                                   shadow.shadow.text())
                     : fmt::format("begin once the change is done; give {} another name if it is a "
                                   "table of its own",
                                   shadow.shadow.text())});
  }
  return hits;
}

Hits judge_views(const Facts& facts) {
  std::set<std::string> schemas;
  for (const Facts::TableFacts& table : facts.tables) schemas.insert(table.schema);
  std::vector<std::string> names;
  for (const TableName& view : facts.views) {
    if (schemas.contains(view.schema)) names.push_back(view.text());
  }
  if (names.empty()) return {};
  return {{.evidence = some_of(names)}};
}

Hits judge_version(const Facts& facts) {
  const std::uint64_t oldest = facts.is_mariadb ? kOldestMariaDb : kOldestMysql;
  if (facts.version_number == 0 || facts.version_number >= oldest) return {};
  return {{.evidence = fmt::format("{}, wanted MariaDB 10.5, MySQL 8.0 or newer", facts.version)}};
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
    {{"mysql.product", Severity::critical, CheckGroup::connection,
      "it speaks the protocol of MySQL and has no binlog to send, so no change would ever come",
      "point [source] at a MySQL or MariaDB server; if this is a proxy, at the server behind it"},
     "the source is neither MySQL nor MariaDB",
     [](const Facts& f) {
       if (f.product.empty()) return Hits{};
       return Hits{
           {.evidence = fmt::format("{} {}, wanted MySQL or MariaDB", f.product, f.version)}};
     }},
    {{"mysql.source-version", Severity::warning, CheckGroup::connection,
      "weir is not tried on a server as old, and what it asks may be answered otherwise there",
      "upgrade the server, or try the task on a copy of it first"},
     "the source server is older than any that weir is tried on",
     judge_version},
    {{"mysql.connections", Severity::critical, CheckGroup::capacity,
      "readers that find no connection end the task as it begins",
      "raise max_connections, or lower full.connections in the task file"},
     "the source has too few free connections",
     [](const Facts& f) {
       if (f.connections_left >= f.connections_wanted) return Hits{};
       // Some more, lest the next client is the one too many.
       const std::int64_t lacking = f.connections_wanted - f.connections_left + kSpareConnections;
       const bool of_account = f.connections_limit.starts_with("max_user");
       return Hits{
           {.evidence =
                fmt::format("{}, {} left, wanted {}", f.connections_limit,
                            std::max<std::int64_t>(0, f.connections_left), f.connections_wanted),
            .fix = of_account
                       ? fmt::format("ALTER USER {} WITH MAX_USER_CONNECTIONS 0; or lower "
                                     "full.connections in the task file",
                                     f.account)
                       : set_global(f, "max_connections",
                                    fmt::format("@@max_connections + {}", lacking),
                                    "or lower full.connections in the task file by as many")}};
     }},
    {{"mysql.binlog-off", Severity::critical, CheckGroup::change_log,
      "without a binlog there are no changes to follow",
      "set log_bin in the server's configuration and restart it"},
     "the binlog is off",
     [](const Facts& f) {
       std::string fix;
       if (f.service == "Amazon Aurora") {
         fix =
             "set binlog_format = ROW in the cluster's parameter group and restart its writer; "
             "point [source] at the writer, for a reader has no binlog";
       } else if (f.service == "Amazon RDS") {
         fix = "keep automated backups for a day or more, which turns the binlog on";
       } else if (!f.service.empty()) {
         fix = "turn point-in-time recovery on, which turns the binlog on";
       }
       return on(
           f, f.log_bin, "log_bin",
           [](bool v) { return std::string(v ? "" : "log_bin = OFF, wanted ON"); }, fix);
     }},
    {{"mysql.binlog-format", Severity::critical, CheckGroup::change_log,
      "statement events carry no row images to apply",
      "SET GLOBAL binlog_format = 'ROW', then reconnect the writers; set it in the configuration "
      "too"},
     "changes are not logged as rows",
     [](const Facts& f) {
       return on(
           f, f.binlog_format, "binlog_format",
           [](const std::string& v) { return unless("binlog_format", v, "ROW"); },
           set_global(f, "binlog_format", "'ROW'", kReconnect));
     }},
    {{"mysql.row-image", Severity::critical, CheckGroup::change_log,
      "an incomplete row image does not say what the other columns hold",
      "SET GLOBAL binlog_row_image = 'FULL', then reconnect the writers"},
     "row images are not complete",
     [](const Facts& f) {
       return on(
           f, f.row_image, "binlog_row_image",
           [](const std::string& v) {
             return v.starts_with("FULL") ? "" : unless("binlog_row_image", v, "FULL");
           },
           set_global(f, "binlog_row_image", "'FULL'", kReconnect));
     }},
    {{"mysql.partial-json", Severity::critical, CheckGroup::change_log,
      "JSON updates would be logged as differences",
      "SET GLOBAL binlog_row_value_options = '', then reconnect the writers"},
     "partial JSON updates are on",
     [](const Facts& f) {
       return on(
           f, f.row_value_options, "binlog_row_value_options",
           [](const std::string& v) {
             return v.empty() ? ""
                              : fmt::format("binlog_row_value_options = {}, wanted it empty", v);
           },
           set_global(f, "binlog_row_value_options", "''", kReconnect));
     }},
    {{"mysql.row-metadata", Severity::info, CheckGroup::change_log,
      "column names in the log let weir see a changed definition at its exact place",
      "SET GLOBAL binlog_row_metadata = 'FULL'; it costs a few bytes for each statement"},
     "the log does not carry column names",
     [](const Facts& f) {
       return on(
           f, f.row_metadata, "binlog_row_metadata",
           [](const std::string& v) { return unless("binlog_row_metadata", v, "FULL"); },
           set_global(f, "binlog_row_metadata", "'FULL'",
                      "it costs a few bytes for each statement"));
     }},
    {{"mysql.replica-updates", Severity::critical, CheckGroup::change_log,
      "what this replica receives from its own source is not in its binlog",
      "set log_slave_updates (log_replica_updates) and restart the server, or use its source"},
     "the server is a replica that does not log what it applies",
     [](const Facts& f) {
       if (f.logs_replica_updates == true || f.is_replica == false) return Hits{};
       const char* name =
           f.is_mariadb || f.version_number < 80026 ? "log_slave_updates" : "log_replica_updates";
       return on(
           f, f.is_replica, "whether it is a replica",
           [&](bool v) { return v ? fmt::format("{} = OFF, wanted ON", name) : std::string(); },
           fmt::format("set {} = ON in the server's configuration and restart it, or let the task "
                       "follow the replica's source",
                       name),
           grant(f, f.is_mariadb ? "SLAVE MONITOR" : "REPLICATION CLIENT"));
     }},
    {{"mysql.replica-stopped", Severity::warning, CheckGroup::change_log,
      "what happens on its own source does not come here, nor to the target",
      "START REPLICA (START ALL SLAVES on MariaDB), and see SHOW REPLICA STATUS for why it "
      "stopped"},
     "the source is a replica that stands still",
     [](const Facts& f) {
       Hits hits;
       for (const std::string& channel : f.standing_channels) {
         hits.push_back({.evidence = channel + ", wanted Yes and Yes",
                         .fix = f.is_mariadb ? "START ALL SLAVES; SHOW ALL SLAVES STATUS tells why "
                                               "it stopped"
                                             : "START REPLICA; SHOW REPLICA STATUS tells why it "
                                               "stopped"});
       }
       return hits;
     }},
    {{"mysql.server-id", Severity::critical, CheckGroup::change_log,
      "a server without an id refuses replicas",
      "set server_id in the server's configuration and restart it"},
     "the server has no id",
     [](const Facts& f) {
       return on(
           f, f.server_id, "server_id",
           [](const std::string& v) {
             return std::string(v == "0" ? "server_id = 0, wanted any other number" : "");
           },
           "SET GLOBAL server_id = 1; and set it in the server's configuration");
     }},
    {{"mysql.server-id-taken", Severity::critical, CheckGroup::change_log,
      "the server keeps one session for each id, and the two would end each other's",
      "set source.server_id in the task file to a number that no other replica uses (SHOW REPLICAS "
      "lists them)"},
     "another replica of the source uses the task's server id",
     judge_server_id},
    {{"mysql.gtid-off", Severity::info, CheckGroup::change_log,
      "an offset by file and position means nothing on another server: after a failover of the "
      "source the task begins anew",
      "turn GTIDs on: gtid_mode = ON and enforce_gtid_consistency = ON, step by step"},
     "the source has no GTIDs",
     [](const Facts& f) {
       if (!f.gtid_mode) return Hits{};
       const std::string evidence = unless("gtid_mode", *f.gtid_mode, "ON");
       return evidence.empty() ? Hits{} : Hits{{.evidence = evidence}};
     }},
    {{"mysql.gtid-order", Severity::critical, CheckGroup::change_log,
      "a place in the log is the last number of each domain; where numbers go back, nobody can "
      "tell "
      "which transactions are behind it, and the task stops or never catches up",
      "give each server that is written to a gtid_domain_id of its own, and SET GLOBAL "
      "gtid_strict_mode = ON; then write with the server that has the larger number"},
     "GTIDs of one domain do not count up",
     [](const Facts& f) {
       Hits hits;
       for (const std::string& domain : f.unordered_domains) hits.push_back({.evidence = domain});
       return hits;
     }},
    {{"mysql.replication-denied", Severity::critical, CheckGroup::privileges,
      "the changes cannot be read",
      "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO the account"},
     "the account may not read the change log",
     [](const Facts& f) {
       if (f.replication_denied.empty()) return Hits{};
       return Hits{{.evidence = f.replication_denied,
                    .fix = grant(f, f.is_mariadb ? "REPLICATION SLAVE, BINLOG MONITOR"
                                                 : "REPLICATION SLAVE, REPLICATION CLIENT")}};
     }},
    {{"mysql.log-unreadable", Severity::critical, CheckGroup::change_log,
      "the task would begin where the log was tried, and end there",
      "see the source's error log; FLUSH BINARY LOGS begins a new file, which may be sound"},
     "the newest binlog file cannot be read",
     [](const Facts& f) {
       return f.log_unreadable.empty() ? Hits{} : Hits{{.evidence = f.log_unreadable}};
     }},
    {{"mysql.start-method", Severity::critical, CheckGroup::change_log,
      "a position taken any other way loses transactions that are logged but not yet visible",
      "turn GTIDs on, or GRANT BACKUP_ADMIN ON *.* and SELECT ON performance_schema.log_status (or "
      "RELOAD ON *.*) TO the account"},
     "no safe start position can be taken",
     [](const Facts& f) {
       if (!f.is_new || f.start_method_missing.empty()) return Hits{};
       // With GTIDs the question for the executed set was refused.
       const bool by_gtid = f.gtid_mode == "ON";
       return Hits{{.evidence = f.start_method_missing,
                    .fix = by_gtid ? grant(f, "REPLICATION CLIENT")
                                   : grant(f, "BACKUP_ADMIN") + "; " +
                                         grant(f, "SELECT", "performance_schema.log_status") +
                                         "; or turn GTIDs on"}};
     }},
    {{"mysql.long-transaction", Severity::warning, CheckGroup::change_log,
      "the task takes its place in the log under a lock, which waits for the session, gives up "
      "after "
      "some seconds, and holds writers up meanwhile",
      "wait until the session is done, or KILL it"},
     "a transaction or statement has been running for long",
     judge_long_sessions},
    {{"mysql.xa-prepared", Severity::critical, CheckGroup::change_log,
      "rows of a prepared XA transaction are logged before the task starts and visible only after "
      "it",
      "commit or roll back the transactions that XA RECOVER shows"},
     "XA transactions are prepared and not decided",
     [](const Facts& f) {
       if (!f.is_new) return Hits{};  // the log still has their rows for us
       if (!f.prepared_xa) {
         return Hits{{"the account may not see XA RECOVER", "", true,
                      grant(f, f.is_mariadb ? "SUPER" : "XA_RECOVER_ADMIN")}};
       }
       Hits hits;
       for (const std::string& xid : *f.prepared_xa) {
         hits.push_back({.evidence = "XA RECOVER shows " + xid,
                         .fix = fmt::format("XA COMMIT {0}; or XA ROLLBACK {0}", xid)});
       }
       return hits;
     }},
    {{"mysql.schema-not-logged", Severity::critical, CheckGroup::change_log,
      "changes to this table never reach the log",
      "take the schema out of binlog_ignore_db, or into binlog_do_db, and restart the server"},
     "the schema is left out of the binlog",
     [](const Facts& f) {
       if (!f.logged_schemas || !f.unlogged_schemas) {
         return Hits{
             {"the account may not see the state of the binlog", "", true, grant_monitor(f)}};
       }
       return on_tables(
           f, [&](const Facts::TableFacts& t) { return not_logged(f, t.schema); },
           [&](const Facts::TableFacts& t) { return let_log(f, t.schema); });
     }},
    {{"mysql.select-denied", Severity::critical, CheckGroup::privileges,
      "the rows of the table cannot be copied", "GRANT SELECT on the table to the account"},
     "the account may not read the table",
     [](const Facts& f) {
       return on_tables(
           f,
           [&](const Facts::TableFacts& t) {
             // A task that resumes works by the definition at its offset, which may be history.
             return t.moved_on && !f.is_new ? std::string() : t.select_denied;
           },
           [&](const Facts::TableFacts& t) {
             return t.moved_on ? std::string() : grant(f, "SELECT", qualified(t.source));
           });
     }},
    {{"mysql.columns-hidden", Severity::critical, CheckGroup::privileges,
      "the log has rows with all columns, and a definition that lacks some does not fit them",
      "GRANT SELECT on the table, not on columns, to the account; the rule may still drop columns"},
     "the account may not see all columns of the table",
     [](const Facts& f) {
       return on_tables(
           f, [](const Facts::TableFacts& t) { return t.columns_hidden; },
           [&](const Facts::TableFacts& t) {
             return grant(f, "SELECT", qualified(t.source)) +
                    "; a rule may still drop columns that the target must not have";
           });
     }},
    {{"mysql.lock-tables", Severity::critical, CheckGroup::privileges,
      "the place of a snapshot in the log is exact only while the table is locked for a moment",
      "GRANT LOCK TABLES ON the schema TO the account, or give the table a key"},
     "the account may not lock a table whose rows are told apart by all columns",
     [](const Facts& f) {
       if (!f.is_new) return Hits{};
       return on_tables(
           f, [](const Facts::TableFacts& t) { return t.lock_denied; },
           [&](const Facts::TableFacts& t) {
             return grant(f, "LOCK TABLES", mysql_identifier(t.schema) + ".*") +
                    "; or give the table a key";
           });
     }},
    {{"mysql.snapshot-engine", Severity::critical, CheckGroup::tables,
      "only InnoDB shows a table as of one place in the log, and without a key its rows cannot be "
      "applied twice",
      "ALTER TABLE ... ENGINE = InnoDB, or give the table a key"},
     "a table whose rows are told apart by all columns has an engine without snapshots",
     [](const Facts& f) {
       return on_tables(
           f,
           [](const Facts::TableFacts& t) {
             return t.keyless ? unless("engine", t.engine, "InnoDB") : std::string();
           },
           [](const Facts::TableFacts& t) {
             return fmt::format("ALTER TABLE {} ENGINE = InnoDB; or give the table a key",
                                qualified(t.source));
           });
     }},
    {{"mysql.engine", Severity::warning, CheckGroup::tables,
      "after a crash a table of this engine and the log may differ, and so may the target",
      "ALTER TABLE ... ENGINE = InnoDB"},
     "the table's engine is not transactional",
     [](const Facts& f) {
       return on_tables(
           f,
           [](const Facts::TableFacts& t) {
             return t.engine == "ROCKSDB" ? "" : unless("engine", t.engine, "InnoDB");
           },
           [](const Facts::TableFacts& t) {
             return fmt::format("ALTER TABLE {} ENGINE = InnoDB", qualified(t.source));
           });
     }},
    {{"mysql.cascade", Severity::warning, CheckGroup::tables,
      "the server does not log rows that it changes through a foreign key, so the target keeps "
      "them",
      "drop the ON DELETE or ON UPDATE action and let the application do it, or compare the table "
      "regularly; MySQL logs them from 9.6 on"},
     "a foreign key changes rows that are not logged",
     [](const Facts& f) {
       return on_tables(
           f, [&](const Facts::TableFacts& t) { return cascade_text(f, t); },
           [&](const Facts::TableFacts& t) {
             std::string drops;
             for (const auto* key : cascades(f, t)) {
               drops += fmt::format("{}DROP FOREIGN KEY {}", drops.empty() ? "" : ", ",
                                    mysql_identifier(key->name));
             }
             return fmt::format(
                 "ALTER TABLE {} {}; and add it again without the action, which the "
                 "application then does itself; or compare the table regularly",
                 qualified(t.source), drops);
           });
     }},
    {{"mysql.foreign-key-outside", Severity::info, CheckGroup::tables,
      "weir makes no foreign keys on the target, so nothing fails; joins there find nothing",
      "add the other table to the task, if joins need its rows"},
     "a foreign key refers to a table that the task does not take",
     judge_outside},
    {{"mysql.partitioned", Severity::warning, CheckGroup::tables,
      "DROP, TRUNCATE and EXCHANGE PARTITION remove rows that the log does not show, so the task "
      "stops there and begins anew",
      "remove old rows with DELETE and keep the partitions, or leave the table out"},
     "the table is partitioned",
     [](const Facts& f) {
       return on_tables(
           f,
           [](const Facts::TableFacts& t) {
             return std::string(t.partitioned ? "create_options = partitioned" : "");
           },
           [](const Facts::TableFacts& t) {
             return fmt::format(
                 "remove old rows with DELETE and keep the partitions, or leave the table out: "
                 "exclude = [\"{}\"] in its table rule",
                 t.name);
           });
     }},
    {{"mysql.schema-change", Severity::warning, CheckGroup::tables,
      "by its name it is a helper of gh-ost or pt-online-schema-change, so weir leaves it out; and "
      "a change that began before the task ends in a renaming at which the table stops",
      "begin once the change is done"},
     "a table has the helper of an online schema change beside it",
     judge_shadows},
    {{"mysql.views", Severity::info, CheckGroup::tables,
      "weir copies tables: the target has no views but those that somebody makes there",
      "make the views on the target by hand, if they are wanted there"},
     "views are not copied",
     judge_views},
    {{"mysql.copy-whole", Severity::warning, CheckGroup::tables,
      "keys of these types cannot be read in ranges, so the copy is one long statement, and begins "
      "from its first row again if it is interrupted",
      "give the table a key of integers or text, and name it as key in the table rule"},
     "a large table cannot be copied in chunks",
     [](const Facts& f) {
       if (!f.is_new) return Hits{};
       return on_tables(
           f,
           [](const Facts::TableFacts& t) {
             if (t.read_in_order || t.plan == nullptr ||
                 t.plan->source.estimated_bytes < kLargeCopy) {
               return std::string();
             }
             return fmt::format("key {}, about {}", key_text(t.plan->source),
                                format_bytes(t.plan->source.estimated_bytes));
           },
           [](const Facts::TableFacts& t) {
             return fmt::format(
                 "ALTER TABLE {} ADD UNIQUE (...) over columns of integers or text, "
                 "and name them as key in the table rule",
                 qualified(t.source));
           });
     }},
    {{"mysql.zero-date", Severity::critical, CheckGroup::types,
      "types.zero_dates is \"refuse\", and a target may not take dates with a zero part or a day "
      "that the month lacks",
      "set types.zero_dates to \"null\" or to a date such as \"1970-01-01\", or mend the rows on "
      "the source"},
     "a column holds a date that no calendar has, such as 0000-00-00",
     [](const Facts& f) {
       return on_tables(
           f,
           [](const Facts::TableFacts& t) {
             return t.zero_dates.empty() ? std::string()
                                         : fmt::format("seen in {}", join(t.zero_dates, ", "));
           },
           [](const Facts::TableFacts& t) {
             const std::string column = mysql_identifier(t.zero_dates.front());
             return fmt::format(
                 "say zero_dates = \"null\" in [types] of the task file; or find them: SELECT * "
                 "FROM {0} WHERE LAST_DAY({1}) IS NULL OR DAYOFMONTH({1}) = 0 OR DAYOFMONTH({1}) > "
                 "DAYOFMONTH(LAST_DAY({1}))",
                 qualified(t.source), column);
           });
     }},
    {{"mysql.labels", Severity::warning, CheckGroup::types,
      "information_schema shows characters beyond U+FFFF in ENUM and SET labels as '?'",
      "SET GLOBAL binlog_row_metadata = 'FULL' and compare the column after the full stage"},
     "labels of the column may be shown wrongly by the server",
     [](const Facts& f) {
       return on_tables(
           f, [](const Facts::TableFacts& t) { return join(t.unsure_labels, ", "); },
           [&](const Facts::TableFacts& t) {
             return set_global(
                 f, "binlog_row_metadata", "'FULL'",
                 fmt::format("and compare {} after the full stage", join(t.unsure_labels, ", ")));
           });
     }},
    {{"mysql.short-retention", Severity::warning, CheckGroup::retention,
      "a task that stands still longer than this cannot resume",
      "raise binlog_expire_logs_seconds to some days"},
     "the binlog is kept for less than a day",
     [](const Facts& f) {
       const bool rds = f.expiry_name == "binlog retention hours";
       const bool days = f.expiry_name == "expire_logs_days";
       return on(
           f, f.expire_seconds, "binlog_expire_logs_seconds",
           [&](std::uint64_t v) {
             if (v == 0 || v >= kShortRetention) return std::string();
             // Its NULL keeps nothing at all.
             if (rds && v < 3600) return fmt::format("{} = NULL, wanted 24 or more", f.expiry_name);
             return fmt::format("{} keeps it for {}, wanted a day or more", f.expiry_name,
                                format_duration(std::chrono::seconds(v)));
           },
           rds    ? "CALL mysql.rds_set_configuration('binlog retention hours', 168)"
           : days ? set_global(f, "expire_logs_days", "7", "and in the server's configuration")
                  : set_global(f, "binlog_expire_logs_seconds", kWeek,
                               "and in the server's configuration"));
     }},
    {{"mysql.heartbeat-denied", Severity::warning, CheckGroup::privileges,
      "without the heartbeat the way to the target is not measured; the task runs all the same",
      "GRANT SELECT, INSERT, UPDATE on the heartbeat table to the account"},
     "the account may not write to the heartbeat table",
     [](const Facts& f) { return on_heartbeat(f, HeartbeatState::denied, true); }},
    {{"mysql.heartbeat-missing", Severity::warning, CheckGroup::change_log,
      "without the heartbeat the way to the target is not measured; the task runs all the same",
      "create the heartbeat table, and GRANT SELECT, INSERT, UPDATE on it to the account"},
     "there is no heartbeat table, and the account may not make it",
     [](const Facts& f) { return on_heartbeat(f, HeartbeatState::missing, true); }},
    {{"mysql.heartbeat-refused", Severity::warning, CheckGroup::change_log,
      "without the heartbeat the way to the target is not measured; the task runs all the same",
      "drop a table with other columns, and weir makes it anew; on a server that may not be "
      "written to, leave heartbeat out of the task file"},
     "the server does not take a heartbeat",
     [](const Facts& f) { return on_heartbeat(f, HeartbeatState::refused, false); }},
    {{"mysql.heartbeat-not-logged", Severity::warning, CheckGroup::change_log,
      "a heartbeat that is not in the log never comes to the target, and its age only grows",
      "name another heartbeat_table in the task file"},
     "the schema of the heartbeat table is left out of the binlog",
     [](const Facts& f) {
       if (!f.heartbeat || !f.logged_schemas || !f.unlogged_schemas) return Hits{};
       const std::string evidence = not_logged(f, f.heartbeat->schema);
       return evidence.empty() ? Hits{} : Hits{{.evidence = evidence}};
     }},
    {{"mysql.heartbeat-replica", Severity::warning, CheckGroup::change_log,
      "heartbeats are transactions of this replica's own, which its source does not have and which "
      "stand in the way when another server takes its place",
      "leave heartbeat out of the task file, or let the task follow the replica's source"},
     "a heartbeat would be written to a replica",
     [](const Facts& f) {
       return f.heartbeat && f.is_replica == true ? Hits{{.evidence = "the source is a replica"}}
                                                  : Hits{};
     }},
});

}  // namespace

std::vector<Finding> judge(const Facts& facts) {
  std::vector<Finding> findings;
  for (const Rule& rule : kRules) {
    for (Hit& hit : rule.judge(facts)) {
      Finding finding;
      finding.id = rule.row.id;
      finding.severity = hit.unknown ? Severity::unknown : rule.row.severity;
      finding.what = hit.unknown ? fmt::format("cannot tell whether {}", rule.what) : rule.what;
      finding.why = rule.row.why;
      finding.fix = hit.unknown ? hit.grant : hit.fix.empty() ? rule.row.fix : hit.fix;
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

}  // namespace weir::mysql
