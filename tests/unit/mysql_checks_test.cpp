// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "model/table_plan.h"
#include "source/mysql/checks.h"
#include "source/mysql/start.h"

using namespace weir;
using namespace weir::mysql;

namespace {

using State = Facts::HeartbeatFacts::State;

/// A server with which nothing is wrong, but for what the test says about the heartbeat.
Facts facts_with(State state) {
  Facts facts;
  facts.is_replica = false;
  facts.logged_schemas.emplace();
  facts.unlogged_schemas.emplace();
  facts.heartbeat = {state, state == State::writable ? "" : "the server's words", "weir",
                     "CREATE TABLE x"};
  return facts;
}

/// The findings about the heartbeat. All of them warn: none refuses a task.
std::vector<Finding> about_heartbeat(const Facts& facts) {
  std::vector<Finding> findings = judge(facts);
  std::erase_if(findings, [](const Finding& finding) {
    return finding.id.find("heartbeat") == std::string::npos;
  });
  for (const Finding& finding : findings) CHECK(finding.severity == Severity::warning);
  return findings;
}

}  // namespace

TEST_CASE("a heartbeat that can be written is no finding, nor is none", "[mysql_checks]") {
  CHECK(about_heartbeat(facts_with(State::writable)).empty());
  Facts facts = facts_with(State::denied);
  facts.heartbeat.reset();
  facts.is_replica = true;
  facts.unlogged_schemas = {"weir"};
  CHECK(about_heartbeat(facts).empty());
}

TEST_CASE("a heartbeat that cannot be written warns, with statements to paste", "[mysql_checks]") {
  struct Row {
    State state;
    std::string id;
    bool with_statements;
  };
  for (const Row& row : {Row{State::denied, "mysql.heartbeat-denied", true},
                         Row{State::missing, "mysql.heartbeat-missing", true},
                         Row{State::refused, "mysql.heartbeat-refused", false}}) {
    INFO(row.id);
    const std::vector<Finding> findings = about_heartbeat(facts_with(row.state));
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].id == row.id);
    CHECK(findings[0].evidence == "the server's words");
    CHECK((findings[0].fix == "CREATE TABLE x") == row.with_statements);
    CHECK_FALSE(findings[0].fix.empty());
  }
}

TEST_CASE("a heartbeat that would not be logged, or be written to a replica, warns",
          "[mysql_checks]") {
  Facts facts = facts_with(State::writable);
  facts.logged_schemas = {"shop"};
  REQUIRE(about_heartbeat(facts).size() == 1);
  CHECK(about_heartbeat(facts)[0].id == "mysql.heartbeat-not-logged");
  CHECK(about_heartbeat(facts)[0].evidence == "binlog_do_db lacks weir");

  facts = facts_with(State::writable);
  facts.unlogged_schemas = {"weir"};
  REQUIRE(about_heartbeat(facts).size() == 1);
  CHECK(about_heartbeat(facts)[0].evidence == "binlog_ignore_db has weir");

  facts = facts_with(State::writable);
  facts.is_replica = true;
  facts.logs_replica_updates = true;
  REQUIRE(about_heartbeat(facts).size() == 1);
  CHECK(about_heartbeat(facts)[0].id == "mysql.heartbeat-replica");
}

namespace {

constexpr std::uint64_t kDay = 86400;

/// A MySQL with which nothing is wrong, and one table of its own.
Facts sound() {
  Facts facts;
  facts.version = "9.7.0";
  facts.version_number = 90700;
  facts.account = "'weir'@'%'";
  facts.log_bin = true;
  facts.binlog_format = "ROW";
  facts.row_image = "FULL";
  facts.row_metadata = "FULL";
  facts.row_value_options = "";
  facts.gtid_mode = "ON";
  facts.server_id = "1";
  facts.is_replica = false;
  facts.logs_replica_updates = true;
  facts.expiry_name = "binlog_expire_logs_seconds";
  facts.expire_seconds = 30 * kDay;
  facts.prepared_xa.emplace();
  facts.logged_schemas.emplace();
  facts.unlogged_schemas.emplace();
  facts.replica_id = 4711;
  facts.replica_id_is_given = true;
  facts.replicas.emplace();
  facts.connections_left = 100;
  facts.connections_wanted = 6;
  Facts::TableFacts table;
  table.source = {"shop", "item"};
  table.name = "shop.item";
  table.schema = "shop";
  table.engine = "InnoDB";
  facts.tables.push_back(table);
  return facts;
}

/// The findings after a way through JSON, as preflight takes it. The tables keep their plans.
std::vector<Finding> judged(const Facts& facts) {
  Facts known = decode_facts(encode_facts(facts));
  for (std::size_t i = 0; i < known.tables.size(); ++i) known.tables[i].plan = facts.tables[i].plan;
  return judge(known);
}

/// What one deviation from sound() is judged as.
struct Deviation {
  std::string id;
  Severity severity;
  std::string evidence;
  std::string fix;  ///< how it begins
  void (*deviate)(Facts&);
};

const Deviation kDeviations[] = {
    {"mysql.product", Severity::critical, "TiDB 8.0.11-TiDB-v7.5.0, wanted MySQL or MariaDB",
     "point [source]",
     [](Facts& f) {
       f.product = "TiDB";
       f.version = "8.0.11-TiDB-v7.5.0";
     }},
    {"mysql.source-version", Severity::warning, "5.7.44, wanted MariaDB 10.5, MySQL 8.0 or newer",
     "upgrade the server",
     [](Facts& f) {
       f.version = "5.7.44";
       f.version_number = 50744;
     }},
    {"mysql.source-version", Severity::warning,
     "10.4.34-MariaDB, wanted MariaDB 10.5, MySQL 8.0 or newer", "upgrade the server",
     [](Facts& f) {
       f.is_mariadb = true;
       f.version = "10.4.34-MariaDB";
       f.version_number = 100434;
     }},
    {"mysql.connections", Severity::critical, "max_connections = 10, 6 in use, 5 left, wanted 6",
     "SET GLOBAL max_connections = @@max_connections + 11; ",
     [](Facts& f) {
       f.connections_left = 5;
       f.connections_limit = "max_connections = 10, 6 in use";
     }},
    {"mysql.connections", Severity::critical,
     "max_user_connections = 3 for 'weir'@'%', 4 in use, 0 left, wanted 6",
     "ALTER USER 'weir'@'%' WITH MAX_USER_CONNECTIONS 0; ",
     [](Facts& f) {
       f.connections_left = -1;
       f.connections_limit = "max_user_connections = 3 for 'weir'@'%', 4 in use";
     }},
    {"mysql.binlog-off", Severity::critical, "log_bin = OFF, wanted ON", "set log_bin in",
     [](Facts& f) { f.log_bin = false; }},
    {"mysql.binlog-off", Severity::critical, "log_bin = OFF, wanted ON",
     "set binlog_format = ROW in the cluster's parameter group",
     [](Facts& f) {
       f.log_bin = false;
       f.service = "Amazon Aurora";
     }},
    {"mysql.binlog-off", Severity::critical, "log_bin = OFF, wanted ON", "keep automated backups",
     [](Facts& f) {
       f.log_bin = false;
       f.service = "Amazon RDS";
     }},
    {"mysql.binlog-format", Severity::critical, "binlog_format = STATEMENT, wanted ROW",
     "SET GLOBAL binlog_format = 'ROW'; ", [](Facts& f) { f.binlog_format = "STATEMENT"; }},
    {"mysql.binlog-format", Severity::critical, "binlog_format = MIXED, wanted ROW",
     "set binlog_format = 'ROW' in the parameters of Amazon RDS; ",
     [](Facts& f) {
       f.binlog_format = "MIXED";
       f.service = "Amazon RDS";
     }},
    {"mysql.row-image", Severity::critical, "binlog_row_image = MINIMAL, wanted FULL",
     "SET GLOBAL binlog_row_image = 'FULL'; ", [](Facts& f) { f.row_image = "MINIMAL"; }},
    {"mysql.partial-json", Severity::critical,
     "binlog_row_value_options = PARTIAL_JSON, wanted it empty",
     "SET GLOBAL binlog_row_value_options = ''; ",
     [](Facts& f) { f.row_value_options = "PARTIAL_JSON"; }},
    {"mysql.row-metadata", Severity::info, "binlog_row_metadata = MINIMAL, wanted FULL",
     "SET GLOBAL binlog_row_metadata = 'FULL'; ", [](Facts& f) { f.row_metadata = "MINIMAL"; }},
    {"mysql.replica-updates", Severity::critical, "log_replica_updates = OFF, wanted ON",
     "set log_replica_updates = ON",
     [](Facts& f) {
       f.is_replica = true;
       f.logs_replica_updates = false;
     }},
    {"mysql.replica-updates", Severity::unknown, "the account may not see whether it is a replica",
     "GRANT REPLICATION CLIENT ON *.* TO 'weir'@'%'",
     [](Facts& f) {
       f.is_replica.reset();
       f.logs_replica_updates = false;
     }},
    {"mysql.replica-stopped", Severity::warning,
     "Replica_IO_Running = No, Replica_SQL_Running = Yes, wanted Yes and Yes", "START REPLICA; ",
     [](Facts& f) {
       f.standing_channels = {"Replica_IO_Running = No, Replica_SQL_Running = Yes"};
     }},
    {"mysql.server-id", Severity::critical, "server_id = 0, wanted any other number",
     "SET GLOBAL server_id = 1; ", [](Facts& f) { f.server_id = "0"; }},
    {"mysql.server-id-taken", Severity::critical,
     "4711, the task's id, is that of a replica that calls itself 'other'",
     "say server_id = 4713 in [source]",
     [](Facts& f) {
       f.replicas = {{4711, "other"}, {4712, "third"}};
     }},
    {"mysql.server-id-taken", Severity::critical, "server_id = 4711 is the source's own",
     "say server_id = 4712 in [source]", [](Facts& f) { f.server_id = "4711"; }},
    {"mysql.server-id-taken", Severity::critical,
     "4711, the task's id, is that of a replica that calls itself 'other'",
     "say server_id = 4712 in [source]",
     [](Facts& f) {
       f.is_new = false;
       f.replicas = {{4711, "weir"}, {4711, "other"}};
     }},
    {"mysql.server-id-taken", Severity::unknown,
     "the account may not see which replicas are connected",
     "GRANT REPLICATION SLAVE ON *.* TO 'weir'@'%'", [](Facts& f) { f.replicas.reset(); }},
    {"mysql.gtid-off", Severity::info, "gtid_mode = OFF_PERMISSIVE, wanted ON", "turn GTIDs on",
     [](Facts& f) { f.gtid_mode = "OFF_PERMISSIVE"; }},
    {"mysql.gtid-order", Severity::critical, "0-1-18 was logged before a transaction 0-*-5",
     "give each server",
     [](Facts& f) { f.unordered_domains = {"0-1-18 was logged before a transaction 0-*-5"}; }},
    {"mysql.replication-denied", Severity::critical, "the server's words",
     "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'weir'@'%'",
     [](Facts& f) { f.replication_denied = "the server's words"; }},
    {"mysql.log-unreadable", Severity::critical, "the server's words", "see the source's error log",
     [](Facts& f) { f.log_unreadable = "the server's words"; }},
    {"mysql.start-method", Severity::critical, "GTIDs are off, and it is denied",
     "GRANT BACKUP_ADMIN ON *.* TO 'weir'@'%'; ",
     [](Facts& f) {
       f.gtid_mode.reset();
       f.start_method_missing = "GTIDs are off, and it is denied";
     }},
    {"mysql.long-transaction", Severity::warning, "session 12 of app@db2 is at it for 2 m 05 s",
     "KILL 12; ",
     [](Facts& f) {
       f.takes_read_lock = true;
       f.long_sessions = {{12, "app@db2", 125}};
     }},
    {"mysql.long-transaction", Severity::unknown,
     "the account may not see the transactions of others", "GRANT PROCESS ON *.* TO 'weir'@'%'",
     [](Facts& f) { f.tables[0].keyless = true; }},
    {"mysql.xa-prepared", Severity::critical, "XA RECOVER shows 't1','',1",
     "XA COMMIT 't1','',1; or XA ROLLBACK 't1','',1",
     [](Facts& f) { f.prepared_xa = {"'t1','',1"}; }},
    {"mysql.xa-prepared", Severity::unknown, "the account may not see XA RECOVER",
     "GRANT XA_RECOVER_ADMIN ON *.* TO 'weir'@'%'", [](Facts& f) { f.prepared_xa.reset(); }},
    {"mysql.schema-not-logged", Severity::critical, "binlog_ignore_db has shop",
     "take binlog_ignore_db = shop out", [](Facts& f) { f.unlogged_schemas = {"shop"}; }},
    {"mysql.schema-not-logged", Severity::critical, "binlog_do_db lacks shop",
     "add binlog_do_db = shop", [](Facts& f) { f.logged_schemas = {"crm"}; }},
    {"mysql.schema-not-logged", Severity::unknown,
     "the account may not see the state of the binlog",
     "GRANT REPLICATION CLIENT ON *.* TO 'weir'@'%'", [](Facts& f) { f.logged_schemas.reset(); }},
    {"mysql.select-denied", Severity::critical, "the server's words",
     "GRANT SELECT ON `shop`.`item` TO 'weir'@'%'",
     [](Facts& f) { f.tables[0].select_denied = "the server's words"; }},
    {"mysql.columns-hidden", Severity::critical, "the server's words",
     "GRANT SELECT ON `shop`.`item` TO 'weir'@'%'; ",
     [](Facts& f) { f.tables[0].columns_hidden = "the server's words"; }},
    {"mysql.lock-tables", Severity::critical, "no LOCK TABLES",
     "GRANT LOCK TABLES ON `shop`.* TO 'weir'@'%'; ",
     [](Facts& f) {
       f.tables[0].keyless = true;
       f.tables[0].lock_denied = "no LOCK TABLES";
       f.long_sessions.emplace();
     }},
    {"mysql.engine", Severity::warning, "engine = MyISAM, wanted InnoDB",
     "ALTER TABLE `shop`.`item` ENGINE = InnoDB", [](Facts& f) { f.tables[0].engine = "MyISAM"; }},
    {"mysql.cascade", Severity::warning, "fk (ON DELETE CASCADE, ON UPDATE RESTRICT)",
     "ALTER TABLE `shop`.`item` DROP FOREIGN KEY `fk`; ",
     [](Facts& f) {
       f.tables[0].foreign_keys = {{"fk", {"shop", "item"}, "CASCADE", "RESTRICT"}};
     }},
    {"mysql.foreign-key-outside", Severity::info, "fk refers to crm.customer",
     "add to the task file, if joins need its rows: [[table]] match = \"crm.customer\"",
     [](Facts& f) {
       f.tables[0].foreign_keys = {{"fk", {"crm", "customer"}, "RESTRICT", "RESTRICT"}};
     }},
    {"mysql.partitioned", Severity::warning, "create_options = partitioned", "remove old rows",
     [](Facts& f) { f.tables[0].partitioned = true; }},
    {"mysql.schema-change", Severity::warning, "shop._item_gho is beside shop.item",
     "begin once the change is done; give shop._item_gho another name if it is a table of its own",
     [](Facts& f) {
       f.shadows = {{{"shop", "item"}, {"shop", "_item_gho"}}};
     }},
    {"mysql.schema-change", Severity::warning, "shop._item_del is beside shop.item",
     "DROP TABLE shop._item_del, if a tool left it",
     [](Facts& f) {
       f.shadows = {{{"shop", "item"}, {"shop", "_item_del"}}};
     }},
    {"mysql.views", Severity::info, "shop.v1, shop.v2, shop.v3, shop.v4, shop.v5 and 1 more",
     "make the views",
     [](Facts& f) {
       f.views = {{"crm", "v"},   {"shop", "v1"}, {"shop", "v2"}, {"shop", "v3"},
                  {"shop", "v4"}, {"shop", "v5"}, {"shop", "v6"}};
     }},
    {"mysql.zero-date", Severity::critical, "seen in born, died",
     "say zero_dates = \"null\" in [types]",
     [](Facts& f) {
       f.tables[0].zero_dates = {"born", "died"};
     }},
    {"mysql.labels", Severity::warning, "size", "SET GLOBAL binlog_row_metadata = 'FULL'; ",
     [](Facts& f) { f.tables[0].unsure_labels = {"size"}; }},
    {"mysql.short-retention", Severity::warning,
     "binlog_expire_logs_seconds keeps it for 1 h 00 m, wanted a day or more",
     "SET GLOBAL binlog_expire_logs_seconds = 604800; ", [](Facts& f) { f.expire_seconds = 3600; }},
    {"mysql.short-retention", Severity::warning, "binlog retention hours = NULL, wanted 24 or more",
     "CALL mysql.rds_set_configuration('binlog retention hours', 168)",
     [](Facts& f) {
       f.expiry_name = "binlog retention hours";
       f.expire_seconds = 1;
     }},
};

}  // namespace

TEST_CASE("a sound source has no finding, and each deviation has its own", "[mysql_checks]") {
  CHECK(judged(sound()).empty());
  for (const Deviation& row : kDeviations) {
    INFO(row.id << ": " << row.evidence);
    Facts facts = sound();
    row.deviate(facts);
    const std::vector<Finding> findings = judged(facts);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].id == row.id);
    CHECK(findings[0].severity == row.severity);
    CHECK(findings[0].evidence == row.evidence);
    CHECK_THAT(findings[0].fix, Catch::StartsWith(row.fix));
    CHECK(findings[0].fix.find("...") == std::string::npos);
    CHECK_FALSE(findings[0].why.empty());
  }
}

TEST_CASE("what cannot hurt a task on a source is no finding", "[mysql_checks]") {
  const std::pair<const char*, void (*)(Facts&)> cases[] = {
      {"a start that needs no lock waits for nobody",
       [](Facts& f) {
         f.long_sessions = {{12, "app@db2", 125}};
       }},
      {"MariaDB's snapshot needs no lock either",
       [](Facts& f) {
         f.is_mariadb = true;
         f.version_number = 101106;
         f.gtid_mode.reset();
         f.tables[0].keyless = true;
       }},
      {"a task that resumes takes no start position",
       [](Facts& f) {
         f.is_new = false;
         f.start_method_missing = "denied";
         f.prepared_xa = {"'t1','',1"};
         f.takes_read_lock = true;
         f.tables[0].moved_on = true;
         f.tables[0].select_denied = "gone";
       }},
      {"the worker of a task that resumes has the task's id",
       [](Facts& f) {
         f.is_new = false;
         f.replicas = {{4711, "weir"}, {12, "db2"}};
       }},
      {"MySQL 9.6 and later log what foreign keys do",
       [](Facts& f) {
         f.logs_cascades = true;
         f.tables[0].foreign_keys = {{"fk", {"shop", "item"}, "CASCADE", "CASCADE"}};
       }},
      {"helpers of tables that the task does not take",
       [](Facts& f) {
         f.shadows = {{{"shop", "other"}, {"shop", "_other_gho"}}};
       }},
      {"views of schemas that the task does not take",
       [](Facts& f) {
         f.views = {{"crm", "v"}};
       }},
      {"a log that is not purged by age", [](Facts& f) { f.expire_seconds = 0; }},
      {"a log that is kept for a day", [](Facts& f) { f.expire_seconds = kDay; }},
      {"as many connections as are wanted", [](Facts& f) { f.connections_left = 6; }},
      {"MariaDB's own row image", [](Facts& f) { f.row_image = "FULL_NODUP"; }},
  };
  for (const auto& [name, change] : cases) {
    INFO(name);
    Facts facts = sound();
    change(facts);
    CHECK(judged(facts).empty());
  }
}

TEST_CASE("a large table that cannot be read in chunks warns", "[mysql_checks]") {
  TablePlan plan;
  plan.source.name = {"shop", "item"};
  Column column;
  column.name = "weight";
  column.type.native = "float";
  plan.source.columns = {column};
  plan.source.key = {0};
  plan.source.estimated_bytes = std::uint64_t{3} << 30;
  Facts facts = sound();
  facts.tables[0].plan = &plan;
  CHECK(judged(facts).empty());
  facts.tables[0].read_in_order = false;
  REQUIRE(judged(facts).size() == 1);
  CHECK(judged(facts)[0].id == "mysql.copy-whole");
  CHECK(judged(facts)[0].severity == Severity::warning);
  CHECK(judged(facts)[0].evidence == "key weight float, about 3.0 GiB");
  plan.source.estimated_bytes = 4096;
  CHECK(judged(facts).empty());
}

TEST_CASE("a table without a key and without snapshots is refused", "[mysql_checks]") {
  Facts facts = sound();
  facts.long_sessions.emplace();
  facts.tables[0].keyless = true;
  CHECK(judged(facts).empty());
  facts.tables[0].engine = "MyISAM";
  const std::vector<Finding> findings = judged(facts);
  REQUIRE(findings.size() == 2);
  CHECK(findings[0].id == "mysql.snapshot-engine");
  CHECK(findings[0].fix.starts_with("ALTER TABLE `shop`.`item` ENGINE = InnoDB"));
  CHECK(findings[1].id == "mysql.engine");
}

TEST_CASE("a lane is another replica than its task and its server", "[mysql_checks]") {
  Task task;
  task.name = "shop";
  Task lane = task;
  lane.name = "shop/1";
  const std::uint32_t derived = replica_id(lane);
  CHECK(derived != replica_id(task));
  CHECK(derived >= 0x40000000);
  // The number that the task file names is the task's alone.
  task.source.server_id = lane.source.server_id = 4711;
  CHECK(replica_id(task) == 4711);
  CHECK(replica_id(lane) == derived);
  Task second = lane;
  second.name = "shop/2";
  CHECK(replica_id(second) != derived);
  // And never one that is taken.
  lane.source.server_id = derived;
  CHECK(replica_id(lane) == derived + 1);
  CHECK(lane_replica_id(lane, derived + 1) == derived + 2);
}
