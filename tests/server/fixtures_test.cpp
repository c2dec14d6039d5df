// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include <catch2/catch.hpp>
#include <signal.h>

#include "support/eventually.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"
#include "support/temp_postgres.h"

using namespace weir::test;

namespace {

/// What every server of the family promises to tests.
void check_mysql_family(MySqlServer& server) {
  const std::string data = server.data_dir();
  REQUIRE(std::filesystem::exists(data));
  CHECK(server.value("SELECT @@log_bin") == "1");
  CHECK(server.value("SELECT @@binlog_format") == "ROW");
  CHECK(server.value("SELECT @@server_id") == "1");
  CHECK(server.value("SELECT @@port") == std::to_string(server.port()));
  CHECK(server.value("SELECT @@character_set_server") == "utf8mb4");

  MySqlSession plain = server.session("weir", server.password());
  plain.sql("CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, name TEXT)");
  plain.sql("INSERT INTO shop.item VALUES (1, 'a\xF0\x9F\x90\x9F'), (2, NULL)");
  CHECK(plain.query("SELECT * FROM shop.item ORDER BY id") ==
        Rows{{"1", "a\xF0\x9F\x90\x9F"}, {"2", "NULL"}});
  CHECK_THROWS_WITH(plain.sql("SELECT 1; SELECT nonsense"), Catch::Contains("1054"));
  CHECK_THROWS_WITH(plain.value("SELECT 1 FROM shop.item WHERE id = 9"), Catch::Contains("no row"));

  const pid_t first = server.pid();
  server.kill9();
  CHECK(kill(first, 0) != 0);
  server.start();
  CHECK(server.pid() != first);
  CHECK(server.value("SELECT count(*) FROM shop.item") == "2");

  server.args().emplace_back("--max-connections=17");
  server.restart();
  CHECK(server.value("SELECT @@max_connections") == "17");
  CHECK(server.value("SELECT count(*) FROM shop.item") == "2");
}

void check_postgres(TempPostgres& server, const std::string& release) {
  CHECK(server.value("SHOW server_version").starts_with(release));
  CHECK(server.value("SHOW wal_level") == "logical");
  CHECK(server.value("SHOW port") == std::to_string(server.port()));
  CHECK(server.value("SELECT rolsuper FROM pg_roles WHERE rolname = 'weir'") == "f");

  PgSession plain = server.session();
  plain.sql("CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, name text)");
  plain.sql("INSERT INTO shop.item VALUES (1, 'x'), (2, NULL)");
  CHECK(plain.query("SELECT * FROM shop.item ORDER BY id") == Rows{{"1", "x"}, {"2", "NULL"}});
  CHECK_THROWS_WITH(plain.sql("SELECT nonsense"), Catch::Contains("nonsense"));
  server.sql("SELECT pg_create_logical_replication_slot('s', 'pgoutput')");

  const pid_t first = server.pid();
  server.kill9();
  CHECK(kill(first, 0) != 0);
  server.start();
  CHECK(server.value("SELECT count(*) FROM shop.item") == "2");

  server.settings().emplace_back("max_wal_senders=7");
  server.restart();
  CHECK(server.value("SHOW max_wal_senders") == "7");
}

bool refuses(const TempPostgres& server, const std::string& password) {
  try {
    PgSession("host=127.0.0.1 port=" + std::to_string(server.port()) +
              " dbname=dw user=weir password=" + password);
    return false;
  } catch (const std::runtime_error&) {
    return true;
  }
}

}  // namespace

TEST_CASE("the installed MariaDB serves a test and leaves nothing behind", "[server]") {
  std::string data;
  pid_t pid = 0;
  {
    TempMariaDb server;
    check_mysql_family(server);
    data = server.data_dir();
    pid = server.pid();
  }
  CHECK_FALSE(std::filesystem::exists(data));
  CHECK(kill(pid, 0) != 0);
}

TEST_CASE("a MariaDB's change log begins empty", "[server]") {
  TempMariaDb server({.durable = true});
  CHECK(server.value("SELECT @@gtid_binlog_pos").empty());
  CHECK(server.value("SELECT @@sync_binlog") == "1");
  CHECK(server.value("SELECT count(*) FROM mysql.user WHERE User = ''") == "0");
}

TEST_CASE("two MariaDB servers live side by side", "[server]") {
  TempMariaDb one;
  TempMariaDb two({.args = {"--server-id=2"}});
  CHECK(one.port() != two.port());
  CHECK(two.value("SELECT @@server_id") == "2");
  one.sql("CREATE DATABASE only_here");
  CHECK(two.query("SHOW DATABASES LIKE 'only_here'").empty());
}

TEST_CASE("a frozen MariaDB answers again once thawed", "[server]") {
  TempMariaDb server;
  server.freeze();
  CHECK(eventually([&] {
    const std::string stat = read_file("/proc/" + std::to_string(server.pid()) + "/stat");
    return stat.find(") T ") != std::string::npos;
  }));
  server.thaw();
  CHECK(server.value("SELECT 1") == "1");
}

TEST_CASE("a server that cannot start says why", "[server]") {
  CHECK_THROWS_WITH(TempMariaDb({.args = {"--no-such-option"}}), Catch::Contains("no-such-option"));
  CHECK_THROWS_WITH(TempPostgres({.settings = {"no_such_setting=1"}}),
                    Catch::Contains("no_such_setting"));
}

TEST_CASE("the installed PostgreSQL serves a test and leaves nothing behind", "[server]") {
  std::string data;
  pid_t pid = 0;
  {
    TempPostgres server;
    check_postgres(server, "1");
    data = server.data_dir();
    pid = server.pid();
  }
  CHECK_FALSE(std::filesystem::exists(data));
  CHECK(kill(pid, 0) != 0);
}

TEST_CASE("PostgreSQL asks for passwords when told to", "[server]") {
  const TempPostgres trusting;
  CHECK_FALSE(refuses(trusting, "wrong"));
  const TempPostgres asking({.auth = TempPostgres::Auth::password});
  CHECK(refuses(asking, "wrong"));
  CHECK_FALSE(refuses(asking, asking.password()));
  CHECK(asking.session().value("SELECT current_user") == "weir");
}

TEST_CASE("a PostgreSQL with its own identity differs from the copies", "[server]") {
  const std::string query = "SELECT system_identifier FROM pg_control_system()";
  TempPostgres copy;
  TempPostgres other_copy;
  TempPostgres own({.own_identity = true});
  CHECK(copy.value(query) == other_copy.value(query));
  CHECK(copy.value(query) != own.value(query));
}

TEST_CASE("Oracle MySQL 9 serves a test", "[server][bootstrap]") {
  TempMySql server;
  CHECK(server.value("SELECT version()").starts_with("9."));
  CHECK(server.value("SELECT @@gtid_mode") == "ON");
  CHECK(server.value("SELECT @@gtid_executed").empty());
  check_mysql_family(server);
  TempMySql without({.gtid = false});
  CHECK(without.value("SELECT @@gtid_mode") == "OFF");
  CHECK(without.value("SELECT @@server_uuid") != server.value("SELECT @@server_uuid"));
}

TEST_CASE("MariaDB 11.8 serves a test", "[server][bootstrap]") {
  TempMariaDb server({.release = TempMariaDb::Release::v11_8});
  CHECK(server.value("SELECT version()").starts_with("11.8"));
  check_mysql_family(server);
}

TEST_CASE("PostgreSQL 17 and 18 serve a test", "[server][bootstrap]") {
  TempPostgres seventeen({.release = TempPostgres::Release::v17});
  check_postgres(seventeen, "17");
  TempPostgres eighteen({.release = TempPostgres::Release::v18});
  check_postgres(eighteen, "18");
}
