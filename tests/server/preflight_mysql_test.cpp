// SPDX-License-Identifier: Apache-2.0
// Each check of a MySQL or MariaDB source on a real server: it is made to fail, mended by the very
// statement that its fix begins with where that is one, and seen to pass again.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "client/mysql.h"
#include "mapping/task_file.h"
#include "source/mysql/checks.h"
#include "support/eventually.h"
#include "support/sqlite_file.h"
#include "support/task_run.h"
#include "support/temp_dir.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"

using namespace weir::test;
using nlohmann::json;
using Ids = std::set<std::string>;

namespace {

const std::string kRules = "[[table]]\nmatch = \"shop.*\"\n";

/// A server, a task that takes its schema `shop`, and what preflight says of them.
class Ground {
 public:
  explicit Ground(MySqlServer& server)
      : server_(server), task_(server, target_.section(), {.rest = kRules}) {
    server_.sql(
        "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(20), born "
        "DATE, seen TIMESTAMP NULL) ENGINE = InnoDB; INSERT INTO shop.item VALUES (1, 'one', "
        "'2026-01-31', NULL), (2, 'two', NULL, '2026-02-28 10:00:00')");
    server_.sql("CREATE USER plain IDENTIFIED BY 'weir-pw'; GRANT SELECT ON shop.* TO plain");
  }

  MySqlServer& server() { return server_; }
  TaskRun& task() { return task_; }

  json findings() const {
    const TaskRun::Result result = task_.run({"preflight", task_.file(), "--json"});
    INFO(result.text());
    REQUIRE((result.code == 0 || result.code == 4));
    return result.json().at("findings");
  }

  /// "mysql.engine warning shop.item" for all that is more than information.
  Ids troubles() const {
    Ids out;
    for (const json& finding : findings()) {
      if (finding.at("severity") == "info") continue;
      out.insert(text(finding));
    }
    return out;
  }

  /// The one finding with this id, which must be there.
  json expect(const std::string& id, const std::string& severity,
              const std::string& evidence = "") const {
    json found;
    std::string all;
    for (const json& finding : findings()) {
      all += text(finding) + "\n";
      if (finding.at("id") == id) found = finding;
    }
    INFO("expecting " << id << " " << severity << " among\n" << all);
    REQUIRE_FALSE(found.is_null());
    CHECK(found.at("severity") == severity);
    CHECK_FALSE(found.at("why").get<std::string>().empty());
    CHECK_FALSE(found.at("fix").get<std::string>().empty());
    CHECK_THAT(found.at("evidence").get<std::string>(), Catch::Contains(evidence));
    return found;
  }

  bool has(const std::string& id) const {
    for (const json& finding : findings()) {
      if (finding.at("id") == id) return true;
    }
    return false;
  }

  void expect_none(const std::string& id) const {
    INFO("not expecting " << id);
    CHECK_FALSE(has(id));
  }

  /// Runs the statements that the fix begins with.
  void mend(const json& finding) {
    const std::string fix = finding.at("fix");
    INFO(fix);
    for (std::size_t at = 0; at < fix.size() && fix[at] >= 'A' && fix[at] <= 'Z';) {
      const std::size_t end = std::min(fix.find("; ", at), fix.size());
      server_.sql(fix.substr(at, end - at));
      at = end + 2;
    }
  }

  /// Breaks, sees the finding, mends by its fix, and sees it gone.
  void breaks(const std::string& statement, const std::string& id, const std::string& severity,
              const std::string& evidence) {
    INFO(statement);
    server_.sql(statement);
    mend(expect(id, severity, evidence));
    expect_none(id);
  }

  /// As breaks(), where the way back is not in the fix.
  void breaks_until(const std::string& statement, const std::string& id,
                    const std::string& severity, const std::string& evidence,
                    const std::string& back) {
    INFO(statement);
    server_.sql(statement);
    expect(id, severity, evidence);
    server_.sql(back);
    expect_none(id);
  }

  void use_account(const std::string& from, const std::string& to) const {
    std::string file = read_file(task_.file());
    const std::string user = "user = \"" + from + "\"";
    REQUIRE(file.find(user) != std::string::npos);
    std::ofstream(task_.file()) << file.replace(file.find(user), user.size(),
                                                "user = \"" + to + "\"");
  }

  /// Restarts the server with one more argument, and without it again once `look` has looked.
  template <class Look>
  void with(const std::string& argument, Look&& look) {
    INFO(argument);
    server_.args().push_back(argument);
    server_.restart();
    look();
    server_.args().pop_back();
    server_.restart();
  }

 private:
  static std::string text(const json& finding) {
    std::string out =
        finding.at("id").get<std::string>() + " " + finding.at("severity").get<std::string>();
    const json table = finding.value("table", json());
    if (table.is_string() && !table.get<std::string>().empty()) {
      out += " " + table.get<std::string>();
    }
    return out;
  }

  MySqlServer& server_;
  SqliteFile target_;
  TaskRun task_;
};

/// What both products have in common.
void check_log_settings(Ground& ground) {
  ground.breaks("SET GLOBAL binlog_format = 'STATEMENT'", "mysql.binlog-format", "critical",
                "binlog_format = STATEMENT, wanted ROW");
  ground.breaks("SET GLOBAL binlog_row_image = 'NOBLOB'", "mysql.row-image", "critical",
                "binlog_row_image = NOBLOB, wanted FULL");
  ground.breaks("SET GLOBAL binlog_expire_logs_seconds = 3600", "mysql.short-retention", "warning",
                "binlog_expire_logs_seconds keeps it for 1 h 00 m");
  ground.mend(ground.expect("mysql.row-metadata", "info", "wanted FULL"));
  ground.expect_none("mysql.row-metadata");
}

void check_connections(Ground& ground) {
  ground.task().rewrite(kRules + "[full]\nconnections = 20\n");
  ground.breaks("SET GLOBAL max_connections = 12", "mysql.connections", "critical",
                "max_connections = 12");
  ground.breaks("ALTER USER weir WITH MAX_USER_CONNECTIONS 5", "mysql.connections", "critical",
                "max_user_connections = 5 for 'weir'@'%'");
  ground.task().rewrite(kRules);
}

void check_tables(Ground& ground) {
  ground.breaks("CREATE TABLE shop.old (id INT PRIMARY KEY) ENGINE = MyISAM", "mysql.engine",
                "warning", "engine = MyISAM, wanted InnoDB");
  ground.breaks_until(
      "CREATE DATABASE crm; CREATE TABLE crm.who (id INT PRIMARY KEY); CREATE TABLE shop.sale (id "
      "INT PRIMARY KEY, who INT, CONSTRAINT sold_to FOREIGN KEY (who) REFERENCES crm.who (id))",
      "mysql.foreign-key-outside", "info", "sold_to refers to crm.who",
      "ALTER TABLE shop.sale DROP FOREIGN KEY sold_to");
  ground.breaks_until(
      "CREATE TABLE shop.days (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 2",
      "mysql.partitioned", "warning", "partitioned", "ALTER TABLE shop.days REMOVE PARTITIONING");
  for (const char* ending : {"_gho", "_ghc", "_new", "_del"}) {
    const std::string name = fmt::format("_item{}", ending);
    ground.breaks_until(
        fmt::format("CREATE TABLE shop.{} LIKE shop.item", name), "mysql.schema-change", "warning",
        fmt::format("shop.{} is beside shop.item", name), fmt::format("DROP TABLE shop.{}", name));
  }
  ground.breaks_until("CREATE VIEW shop.names AS SELECT name FROM shop.item", "mysql.views", "info",
                      "shop.names", "DROP VIEW shop.names");
  // Within the first rows, the last ones, and never where the task says what becomes of them.
  for (const char* row : {"(-1, '', '0000-00-00', NULL)", "(5, '', '2026-02-00', NULL)",
                          "(6, '', '2026-02-30', NULL)", "(7, '', NULL, '0000-00-00')"}) {
    INFO(row);
    ground.server().sql(fmt::format(
        "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'; INSERT INTO shop.item VALUES {}", row));
    ground.expect(
        "mysql.zero-date", "critical",
        std::string(row).find("NULL)") == std::string::npos ? "seen in seen" : "seen in born");
    ground.task().rewrite(kRules + "[types]\nzero_dates = \"null\"\n");
    ground.expect_none("mysql.zero-date");
    ground.task().rewrite(kRules);
    ground.server().sql(
        "SET SESSION sql_mode = DEFAULT; DELETE FROM shop.item WHERE id NOT IN (1, 2)");
    ground.expect_none("mysql.zero-date");
  }
  ground.breaks(
      "XA START 'left'; INSERT INTO shop.item (id) VALUES (9); XA END 'left'; XA PREPARE "
      "'left'",
      "mysql.xa-prepared", "critical", "XA RECOVER shows 'left','',1");
}

/// Another task with the same name, as two copies of one file have.
void check_server_id(Ground& ground) {
  SqliteFile other_target;
  TaskRun other(ground.server(), other_target.section(), {.rest = kRules});
  REQUIRE(other.start().code == 0);
  const json taken = ground.expect("mysql.server-id-taken", "critical", "calls itself 'weir'");
  CHECK_THAT(taken.at("fix").get<std::string>(), Catch::StartsWith("say server_id = "));
  // The one that runs does not take itself for another.
  const TaskRun::Result own = other.run({"preflight", other.file(), "--json"});
  CHECK(own.out.find("mysql.server-id-taken") == std::string::npos);
  REQUIRE(other.stop().code == 0);
  CHECK(eventually([&] { return !ground.has("mysql.server-id-taken"); }));
}

void check_unreadable(Ground& ground) {
  MySqlServer& server = ground.server();
  server.sql("FLUSH BINARY LOGS");
  const std::string file = server.query("SHOW BINARY LOGS").back()[0];
  std::filesystem::rename(server.data_dir() + "/" + file, server.data_dir() + "/away");
  ground.expect("mysql.log-unreadable", "critical");
  std::filesystem::rename(server.data_dir() + "/away", server.data_dir() + "/" + file);
  ground.expect_none("mysql.log-unreadable");
}

/// From an account that has nothing but its tables to one that preflight is content with.
void check_privileges(Ground& ground, const std::string& monitor, const Ids& unknown) {
  ground.use_account("weir", "plain");
  MySqlServer& server = ground.server();
  server.sql("REVOKE SELECT ON shop.* FROM plain; GRANT SELECT (id) ON shop.item TO plain");
  ground.mend(ground.expect("mysql.replication-denied", "critical"));
  ground.expect_none("mysql.replication-denied");
  ground.mend(ground.expect("mysql.columns-hidden", "critical", "SELECT command denied"));
  ground.expect_none("mysql.columns-hidden");
  server.sql("REVOKE SELECT ON shop.item FROM plain; GRANT INSERT ON shop.item TO plain");
  ground.mend(ground.expect("mysql.select-denied", "critical", "SELECT command denied"));
  ground.expect_none("mysql.select-denied");

  CHECK(ground.troubles() == unknown);
  for (const json& finding : ground.findings()) {
    if (finding.at("severity") == "unknown") ground.mend(finding);
  }
  CHECK(ground.troubles().empty());
  server.sql("REVOKE " + monitor + " ON *.* FROM plain");
  ground.expect("mysql.schema-not-logged", "unknown");
  server.sql("GRANT " + monitor + " ON *.* TO plain");
  ground.expect_none("mysql.schema-not-logged");
  ground.use_account("plain", "weir");
}

}  // namespace

TEST_CASE("preflight of a MariaDB source: each check fails and passes", "[server][preflight]") {
  TempMariaDb server;
  Ground ground(server);
  CHECK(ground.troubles().empty());

  check_log_settings(ground);
  check_connections(ground);
  check_tables(ground);
  check_unreadable(ground);
  ground.breaks(
      "CREATE TABLE shop.part (id INT PRIMARY KEY, item INT, CONSTRAINT part_of FOREIGN "
      "KEY (item) REFERENCES shop.item (id) ON DELETE CASCADE)",
      "mysql.cascade", "warning", "part_of (ON DELETE CASCADE");
  // A channel with a name, which SHOW SLAVE STATUS does not show.
  server.sql("CHANGE MASTER 'far' TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1");
  ground.expect("mysql.replica-updates", "critical", "log_slave_updates = OFF, wanted ON");
  ground.expect("mysql.replica-stopped", "warning", "Slave_IO_Running = No");
  server.sql("RESET SLAVE 'far' ALL");
  ground.expect_none("mysql.replica-updates");
  ground.expect_none("mysql.replica-stopped");
  // Two writers of one domain.
  server.sql("SET SESSION server_id = 2, gtid_seq_no = 3; DELETE FROM shop.item WHERE id = 2");
  ground.expect("mysql.gtid-order", "critical", "was logged before a transaction 0-*-3");
  server.sql("SET SESSION server_id = 1; INSERT INTO shop.item (id) VALUES (2)");
  ground.expect_none("mysql.gtid-order");
  // A table that only looks large, without a key to cut it by.
  server.sql(
      "CREATE TABLE shop.heavy (weight FLOAT PRIMARY KEY) STATS_PERSISTENT = 1; ANALYZE TABLE "
      "shop.heavy");
  ground.expect_none("mysql.copy-whole");
  CHECK(ground.troubles().empty());

  check_privileges(ground, "BINLOG MONITOR", {"mysql.replica-updates unknown"});
  server.sql(
      "UPDATE mysql.innodb_table_stats SET n_rows = 9000000, clustered_index_size = 200000 WHERE "
      "table_name = 'heavy'");
  ground.with("--binlog-ignore-db=shop", [&] {
    ground.expect("mysql.schema-not-logged", "critical", "binlog_ignore_db has shop");
    ground.expect("mysql.copy-whole", "warning", "key weight float, about 3.");
    server.sql("DROP TABLE shop.heavy");
    ground.expect_none("mysql.copy-whole");
  });
  ground.with("--version=10.4.34-MariaDB-log",
              [&] { ground.expect("mysql.source-version", "warning", "10.4.34-MariaDB"); });
  ground.with("--version=10.11.6-MariaDB-TiDB",
              [&] { ground.expect("mysql.product", "critical", "TiDB 10.11.6-MariaDB-TiDB"); });
  ground.with("--skip-log-bin",
              [&] { ground.expect("mysql.binlog-off", "critical", "log_bin = OFF, wanted ON"); });
  CHECK(ground.troubles().empty());
  check_server_id(ground);
}

TEST_CASE("preflight of a MariaDB source: numbers that grow while they are read are in order",
          "[server][preflight]") {
  TempMariaDb server;
  Ground ground(server);
  const weir::Task task = weir::read_task(ground.task().file());
  weir::MysqlConnection connection(task.source, weir::MysqlConnection::Role::source);
  server.sql("CREATE TABLE shop.busy (id INT PRIMARY KEY, n INT)");
  std::vector<std::jthread> writers;
  for (int id = 0; id < 3; ++id) {
    server.sql(fmt::format("INSERT INTO shop.busy VALUES ({}, 0)", id));
    writers.emplace_back([&server, id](const std::stop_token& stop) {
      MySqlSession session = server.session();
      const std::string sql = fmt::format("UPDATE shop.busy SET n = n + 1 WHERE id = {}", id);
      while (!stop.stop_requested()) session.sql(sql);
    });
  }
  int unordered = 0;
  for (int i = 0; i < 300; ++i) {
    const weir::mysql::Facts facts = weir::mysql::gather(connection, task, {}, false);
    unordered += facts.unordered_domains.empty() ? 0 : 1;
  }
  writers.clear();
  CHECK(unordered == 0);
  CHECK(std::stoi(server.value("SELECT MIN(n) FROM shop.busy")) > 30);
}

TEST_CASE("preflight of a MySQL source: each check fails and passes",
          "[server][bootstrap][preflight]") {
  TempMySql server;
  Ground ground(server);
  CHECK(ground.troubles().empty());
  ground.expect_none("mysql.gtid-off");
  // Old enough by the time it is looked for.
  MySqlSession busy = server.session();
  busy.sql("CREATE DATABASE other; CREATE TABLE other.mark (id INT PRIMARY KEY)");
  busy.sql("BEGIN; INSERT INTO other.mark VALUES (1)");

  check_log_settings(ground);
  check_connections(ground);
  ground.breaks("SET GLOBAL binlog_row_value_options = 'PARTIAL_JSON'", "mysql.partial-json",
                "critical", "binlog_row_value_options = PARTIAL_JSON");
  ground.breaks("SET GLOBAL server_id = 0", "mysql.server-id", "critical", "server_id = 0");
  server.sql("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1");
  ground.expect("mysql.replica-stopped", "warning", "Replica_IO_Running = No");
  server.sql("RESET REPLICA ALL");
  ground.expect_none("mysql.replica-stopped");
  check_unreadable(ground);
  // The server hides its own key from information_schema, and logs it.
  server.sql(
      "SET GLOBAL show_gipk_in_create_table_and_information_schema = OFF; SET SESSION "
      "sql_generate_invisible_primary_key = ON; CREATE TABLE shop.plain (a INT); SET SESSION "
      "sql_generate_invisible_primary_key = OFF");
  CHECK(ground.troubles().empty());
  server.sql(
      "DROP TABLE shop.plain; SET GLOBAL show_gipk_in_create_table_and_information_schema = ON");
  // This server logs what a foreign key does, unless it is told to leave it to InnoDB.
  server.sql(
      "CREATE TABLE shop.part (id INT PRIMARY KEY, item INT, CONSTRAINT part_of FOREIGN KEY (item) "
      "REFERENCES shop.item (id) ON DELETE CASCADE)");
  ground.expect_none("mysql.cascade");

  // Without GTIDs a position needs a privilege, or a lock that a transaction would keep waiting.
  check_privileges(ground, "REPLICATION CLIENT", {"mysql.xa-prepared unknown"});
  ground.use_account("weir", "plain");
  server.sql("SET GLOBAL gtid_mode = ON_PERMISSIVE");
  ground.mend(ground.expect("mysql.start-method", "critical", "GTIDs are off"));
  ground.expect_none("mysql.start-method");
  ground.expect("mysql.gtid-off", "info", "gtid_mode = ON_PERMISSIVE, wanted ON");
  ground.expect_none("mysql.long-transaction");
  server.sql("REVOKE BACKUP_ADMIN ON *.* FROM plain; GRANT FLUSH_TABLES ON *.* TO plain");
  ground.expect_none("mysql.start-method");
  ground.mend(ground.expect("mysql.long-transaction", "unknown"));
  REQUIRE(eventually([&] { return ground.has("mysql.long-transaction"); }));
  ground.mend(ground.expect("mysql.long-transaction", "warning", "of root@localhost is at it for"));
  ground.expect_none("mysql.long-transaction");
  server.sql("SET GLOBAL gtid_mode = ON");
  ground.use_account("plain", "weir");
  CHECK(ground.troubles().empty());

  ground.with("--innodb-native-foreign-keys=ON", [&] {
    ground.mend(ground.expect("mysql.cascade", "warning", "part_of (ON DELETE CASCADE"));
    ground.expect_none("mysql.cascade");
  });
  check_tables(ground);
  ground.with("--skip-log-bin",
              [&] { ground.expect("mysql.binlog-off", "critical", "log_bin = OFF, wanted ON"); });
  CHECK(ground.troubles().empty());
  check_server_id(ground);
}
