// SPDX-License-Identifier: Apache-2.0
// What an operator can get wrong: each mistake ends with its exit code and a named error that says
// what, why and what to do, and a start that was refused has changed nothing on the target.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/child_process.h"
#include "support/eventually.h"
#include "support/task_run.h"
#include "support/temp_mariadb.h"
#include "support/temp_postgres.h"

using namespace weir::test;
using nlohmann::json;

namespace {

constexpr int kFailed = 1;
constexpr int kConfiguration = 3;
constexpr int kRefused = 4;
constexpr int kSource = 5;
constexpr int kTarget = 6;

/// A row that the target refuses ends the task, at once.
const std::string kStops = "[dirty]\npolicy = \"stop-task\"\n[failover]\nlimit = 0\n";
const std::string kShop = "[[table]]\nmatch = \"shop.*\"\n";

/// Schemas, relations with their columns, and every row: whatever a start could have changed.
Rows everything(TempPostgres& target) {
  const std::string ours = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'";
  Rows all =
      target.query("SELECT 'schema', n.nspname FROM pg_namespace n WHERE " + ours + " ORDER BY 2");
  const Rows relations = target.query(
      "SELECT c.relkind, format('%I.%I', n.nspname, c.relname), string_agg(format('%s %s %s', "
      "a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull), ', ' ORDER BY a.attnum) "
      "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON "
      "a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE " +
      ours + " GROUP BY 1, 2 ORDER BY 2, 1");
  for (const auto& relation : relations) {
    all.push_back(relation);
    if (relation[0] != "r") continue;
    const Rows rows = target.query("SELECT t::text FROM " + relation[1] + " t ORDER BY 1");
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

/// Replaces the one place of `from` in the task file.
void edit(const TaskRun& task, const std::string& from, const std::string& to) {
  std::string text = read_file(task.file());
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  REQUIRE(text.find(from, at + 1) == std::string::npos);
  text.replace(at, from.size(), to);
  std::ofstream(task.file()) << text;
}

void use_account(const TaskRun& task, const std::string& password_file,
                 const std::string& account) {
  const std::string password = "\"\npassword = { file = \"" + password_file + "\" }";
  edit(task, "user = \"weir" + password, "user = \"" + account + password);
}

void check_says_it_all(const json& said) {
  for (const char* part : {"what", "why", "fix"}) {
    INFO(part);
    REQUIRE(said.at(part).is_string());
    CHECK_FALSE(said.at(part).get<std::string>().empty());
  }
}

/// The error of a command that was asked for JSON: the last line of standard error.
json error_of(const TaskRun::Result& result) {
  std::string text = result.err;
  while (text.ends_with('\n')) text.pop_back();
  const std::size_t line = text.rfind('\n');
  return json::parse(line == std::string::npos ? text : text.substr(line + 1)).at("error");
}

void check_error(const TaskRun::Result& result, int code, const std::string& id) {
  INFO(result.text());
  CHECK(result.code == code);
  const json error = error_of(result);
  CHECK(error.at("id") == id);
  CHECK(error.at("exit_code") == code);
  check_says_it_all(error);
}

/// `sync start` and `preflight` end with the same error, or finding, and leave the target alone.
void check_refused(const TaskRun& task, TempPostgres& target, const std::string& id,
                   int code = kRefused) {
  INFO("expecting " << id);
  const Rows before = everything(target);
  check_error(task.run({"sync", "start", task.file(), "--json"}), code, id);
  CHECK(task.supervisor() == -1);

  const TaskRun::Result checked = task.run({"preflight", task.file(), "--json"});
  if (code == kRefused) {
    INFO(checked.text());
    CHECK(checked.code == kRefused);
    const json document = checked.json();
    CHECK(document.at("ok") == false);
    std::size_t found = 0;
    for (const json& finding : document.at("findings")) {
      if (finding.at("severity") != "critical") continue;
      check_says_it_all(finding);
      found += finding.at("id") == id ? 1 : 0;
    }
    CHECK(found > 0);
  } else {
    check_error(checked, code, id);
  }
  CHECK(everything(target) == before);
}

json last_error(const TaskRun& task) { return task.status().at("error"); }

/// Waits until the task has ended, and tells how.
json await_end(const TaskRun& task) {
  json status;
  const bool ended = eventually(
      [&] {
        if (task.supervisor() > 0) return false;
        status = task.status();
        return status.at("running") == false && !status.at("error").is_null();
      },
      std::chrono::minutes(1));
  INFO(task.log());
  REQUIRE(ended);
  return status;
}

void make_shop(TempMariaDb& source) {
  source.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(20)); "
      "INSERT INTO shop.item VALUES (1, 'one'), (2, 'two')");
}

/// Each row of shop.item is on both sides, as the two servers themselves tell.
bool same_items(TempMariaDb& source, TempPostgres& target, const std::string& name = "shop.item") {
  return source.query("SELECT id, name FROM shop.item ORDER BY id") ==
         target.query("SELECT id, name FROM " + name + " ORDER BY id");
}

}  // namespace

TEST_CASE("wrong passwords and servers that do not answer", "[server][bad-input]") {
  TempMariaDb source;
  TempPostgres target({.auth = TempPostgres::Auth::password});
  make_shop(source);
  const std::string secret = "not-the-password";

  TaskRun task(source, target, {.rest = kShop});
  std::ofstream(task.source_password_file()) << secret;
  check_refused(task, target, "mysql.denied", kSource);
  CHECK(task.run({"preflight", task.file()}).err.find(secret) == std::string::npos);

  std::ofstream(task.source_password_file()) << source.password();
  std::ofstream(task.target_password_file()) << secret;
  check_refused(task, target, "postgres.denied", kTarget);
  CHECK(task.run({"preflight", task.file()}).err.find(secret) == std::string::npos);

  std::ofstream(task.target_password_file()) << target.password();
  edit(task, "database = \"dw\"", "database = \"nowhere\"");
  check_refused(task, target, "postgres.denied", kTarget);

  TempPostgres gone;
  gone.stop();
  check_refused(TaskRun(source, gone, {.rest = kShop}), target, "postgres.unreachable", kTarget);
  source.stop();
  check_refused(TaskRun(source, target, {.rest = kShop}), target, "mysql.unreachable", kSource);
}

TEST_CASE("a source account that lacks a grant", "[server][bad-input]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source);
  source.sql(
      "CREATE TABLE shop.secret (id INT PRIMARY KEY); CREATE USER plain IDENTIFIED BY 'weir-pw'; "
      "GRANT SELECT ON shop.item TO plain");
  TaskRun task(source, target, {.rest = kShop});
  use_account(task, task.source_password_file(), "plain");

  check_refused(task, target, "mysql.replication-denied");

  // The table can be seen, and not read.
  source.sql("GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO plain");
  source.sql("GRANT INSERT ON shop.secret TO plain");
  check_refused(task, target, "mysql.select-denied");

  // A table that cannot be seen is missed where a rule names it.
  source.sql("REVOKE INSERT ON shop.secret FROM plain");
  task.rewrite("[[table]]\nmatch = \"shop.item\"\n[[table]]\nmatch = \"shop.secret\"\n");
  use_account(task, task.source_password_file(), "plain");
  check_refused(task, target, "mapping.rule-unused");

  source.sql("GRANT SELECT ON shop.secret TO plain");
  const TaskRun::Result checked = task.run({"preflight", task.file()});
  INFO(checked.text());
  CHECK(checked.code == 0);
}

TEST_CASE("a target role that lacks a grant", "[server][bad-input]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source);
  target.sql("CREATE ROLE plain LOGIN PASSWORD 'weir-pw'");
  TaskRun task(source, target, {.rest = kShop});
  use_account(task, task.target_password_file(), "plain");

  target.sql("CREATE SCHEMA shop AUTHORIZATION plain");
  check_refused(task, target, "postgres.control-schema");
  target.sql("CREATE SCHEMA weir; GRANT USAGE ON SCHEMA weir TO plain");
  check_refused(task, target, "postgres.control-schema");

  target.sql("ALTER SCHEMA weir OWNER TO plain; DROP SCHEMA shop");
  check_refused(task, target, "postgres.schema-missing");
  target.sql("CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO plain");
  check_refused(task, target, "postgres.create-denied");
  target.sql(
      "CREATE TABLE shop.item (id int PRIMARY KEY, name varchar(20)); "
      "GRANT SELECT ON shop.item TO plain");
  check_refused(task, target, "postgres.write-denied");

  target.sql("GRANT ALL ON shop.item TO plain");
  const TaskRun::Result checked = task.run({"preflight", task.file()});
  INFO(checked.text());
  CHECK(checked.code == 0);
}

TEST_CASE("a role that owns one schema, and a source account with least privileges, are enough",
          "[server][bad-input]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source);
  source.sql(
      "CREATE USER plain IDENTIFIED BY 'weir-pw'; GRANT SELECT ON shop.* TO plain; "
      "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO plain");
  target.sql("CREATE ROLE plain LOGIN PASSWORD 'weir-pw'; CREATE SCHEMA own AUTHORIZATION plain");
  TaskRun task(
      source, target,
      {.rest = kShop + "target = \"own.{table}\"\n", .target_rest = "control_schema = \"own\"\n"});
  use_account(task, task.source_password_file(), "plain");
  use_account(task, task.target_password_file(), "plain");

  const TaskRun::Result start = task.start();
  INFO(start.text() << task.log());
  REQUIRE(start.code == 0);
  source.sql("INSERT INTO shop.item VALUES (3, 'three'); DELETE FROM shop.item WHERE id = 1");
  CHECK(task.await([&] { return same_items(source, target, "own.item"); }));
  CHECK(task.stop().code == 0);
  source.sql("UPDATE shop.item SET name = 'zwei' WHERE id = 2");
  CHECK(task.start().code == 0);
  CHECK(task.await([&] { return same_items(source, target, "own.item"); }));
  CHECK(target.query("SELECT nspname FROM pg_namespace WHERE nspname IN ('weir', 'shop')").empty());
}

TEST_CASE("a source whose log cannot be followed", "[server][bad-input]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source);
  const TaskRun task(source, target, {.rest = kShop});

  for (const char* format : {"STATEMENT", "MIXED"}) {
    source.sql(std::string("SET GLOBAL binlog_format = ") + format);
    check_refused(task, target, "mysql.binlog-format");
  }
  source.sql("SET GLOBAL binlog_format = ROW; SET GLOBAL binlog_row_image = MINIMAL");
  check_refused(task, target, "mysql.row-image");
  source.sql("SET GLOBAL binlog_row_image = NOBLOB");
  check_refused(task, target, "mysql.row-image");

  source.args().emplace_back("--skip-log-bin");
  source.restart();
  check_refused(task, target, "mysql.binlog-off");
}

TEST_CASE("rules that cannot be followed", "[server][bad-input]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source);
  source.sql(
      "CREATE TABLE shop.keyless (a INT, b INT); CREATE DATABASE crm; "
      "CREATE TABLE crm.item (id INT PRIMARY KEY)");
  const std::string item = "[[table]]\nmatch = \"shop.item\"\n";
  TaskRun task(source, target, {.rest = kShop});
  check_refused(task, target, "mapping.no-key");

  task.rewrite("[[table]]\nmatch = \"*.item\"\ntarget = \"shop.item\"\n");
  check_refused(task, target, "mapping.collision");
  task.rewrite(item +
               "target = \"all.item\"\n[[table]]\nmatch = \"crm.*\"\ntarget = "
               "\"all.{table}\"\n");
  check_refused(task, target, "mapping.collision");
  task.rewrite(item + "target = \"shop.{table}_" + std::string(60, 'x') + "\"\n");
  check_refused(task, target, "mapping.name-too-long");
  task.rewrite(item + "[[table]]\nmatch = \"shop.itme\"\n");
  check_refused(task, target, "mapping.rule-unused");
  task.rewrite(item + "target = \"weir.weir_task\"\n");
  check_refused(task, target, "mapping.control-schema");
  task.rewrite(item + "columns = { drop = [\"nmae\"] }\n");
  check_refused(task, target, "mapping.unknown-column");
  task.rewrite(item + "[ddl]\nother = \"apply\"\n");
  check_refused(task, target, "task.ddl-unsupported");
}

TEST_CASE("a value that a narrower type would cut is refused in either stage",
          "[server][bad-input]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source);
  source.sql("ALTER TABLE shop.item ADD flags BIT(8)");
  TaskRun task(source, target,
               {.rest = "[[table]]\nmatch = \"shop.item\"\ncolumns = { type = { name = "
                        "\"varchar(6)\", flags = \"bit varying(8)\" } }\n" +
                        kStops});
  REQUIRE(task.start().code == 0);
  source.sql("INSERT INTO shop.item VALUES (3, 'sixsix', b'101'), (4, 'sevenss', b'1')");
  const json status = await_end(task);
  INFO(status.dump(2));
  CHECK(status.at("error").at("id") == "postgres.row-refused");
  CHECK_THAT(status.at("error").at("what").get<std::string>(),
             Catch::Contains("shop.item does not take the row with key id = 4"));
  CHECK(target.value("SELECT count(*) FROM shop.item") == "2");
  source.sql("UPDATE shop.item SET name = 'seven' WHERE id = 4");
  task.rewrite(
      "[[table]]\nmatch = \"shop.item\"\ncolumns = { type = { name = \"varchar(7)\", "
      "flags = \"bit varying(8)\" } }\n");
  target.sql("ALTER TABLE shop.item ALTER name TYPE varchar(7)");
  REQUIRE(task.start().code == 0);
  CHECK(target.query("SELECT name, flags FROM shop.item WHERE id > 2 ORDER BY id") ==
        Rows{{"sixsix", "00000101"}, {"seven", "00000001"}});
}

TEST_CASE("a row that PostgreSQL does not take is named by its key, and its value is not shown",
          "[server][bad-input]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.wide (a INT, b VARCHAR(9), n TEXT, PRIMARY KEY (a, "
      "b)); CREATE TABLE shop.other (id INT PRIMARY KEY); INSERT INTO shop.wide SELECT seq, 'k', "
      "IF(seq = 777, 'secret', seq) FROM shop.seq_1_to_1000");
  TaskRun task(source, target,
               {.rest = "[[table]]\nmatch = \"shop.wide\"\ncolumns = { type = { n = \"integer\" } "
                        "}\n[[table]]\nmatch = \"shop.*\"\n[full]\nchunk_rows = 100\n" +
                        kStops});
  const auto refused = [&](const std::string& key) {
    const json error = await_end(task).at("error");
    INFO(error.dump(2));
    CHECK(error.at("id") == "postgres.row-refused");
    CHECK(error.at("exit_code") == 4);
    CHECK_THAT(error.at("what").get<std::string>(),
               Catch::Contains("shop.wide does not take the row with key " + key));
    CHECK_THAT(error.dump(), !Catch::Contains("secret") && Catch::Contains("type integer"));
  };
  CHECK(task.start("").code == 0);
  refused("a = 777, b = k");
  source.sql("UPDATE shop.wide SET n = 777 WHERE a = 777");
  REQUIRE(task.start().code == 0);
  source.sql(
      "BEGIN; INSERT INTO shop.other SELECT seq FROM shop.seq_1_to_300; INSERT INTO shop.wide "
      "SELECT seq, 'x', IF(seq = 123, 'secret', 1) FROM shop.seq_1_to_300; COMMIT");
  refused("a = 123, b = x");
  CHECK(target.value("SELECT count(*) FROM shop.other") == "0");
  // A value that fits after all is not held up by what was tried.
  target.sql("ALTER TABLE shop.wide ALTER n TYPE text");
  task.rewrite("[[table]]\nmatch = \"shop.*\"\n");
  REQUIRE(task.start().code == 0);
  CHECK(target.value("SELECT count(*) FROM shop.wide WHERE n = 'secret'") == "1");
}

TEST_CASE("target tables that the rows do not fit", "[server][bad-input]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source);
  TaskRun task(source, target, {.rest = kShop});
  target.sql("CREATE SCHEMA shop AUTHORIZATION weir");
  const auto with_table = [&](const std::string& columns, const std::string& id) {
    target.sql("SET ROLE weir; CREATE TABLE shop.item (" + columns + "); RESET ROLE");
    check_refused(task, target, id);
    target.sql("DROP TABLE shop.item");
  };
  with_table("id smallint PRIMARY KEY, name varchar(20)", "postgres.type-narrow");
  with_table("id int PRIMARY KEY, name varchar(19)", "postgres.type-narrow");
  with_table("id int PRIMARY KEY, name date", "postgres.type-other");
  with_table("id int PRIMARY KEY", "postgres.column-missing");
  with_table("id int PRIMARY KEY, name text, more int NOT NULL", "postgres.column-unfilled");
  with_table("id int PRIMARY KEY, name text GENERATED ALWAYS AS ('x') STORED",
             "postgres.column-generated");
  with_table("id int, name text", "postgres.key-missing");
  target.sql("CREATE VIEW shop.item AS SELECT 1 AS id, ''::text AS name");
  check_refused(task, target, "postgres.not-a-table");
}

TEST_CASE("rows that are already in the target table", "[server][bad-input]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source);
  target.sql(
      "SET ROLE weir; CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, name text, "
      "mine text); INSERT INTO shop.item VALUES (1, 'old', 'm'), (9, 'nine', 'm'); RESET ROLE");
  check_refused(TaskRun(source, target, {.rest = kShop}), target, "postgres.table-not-empty");

  // Rows with the same key cannot stand side by side, and the target's own are not overwritten.
  const Rows own = target.query("SELECT * FROM shop.item ORDER BY id");
  const TaskRun clash(source, target,
                      {.name = "clash", .rest = kShop + "existing = \"append\"\n" + kStops});
  REQUIRE(clash.start("").code == 0);
  const json status = await_end(clash);
  CHECK(status.at("error").at("id") == "postgres.row-refused");
  CHECK(target.query("SELECT * FROM shop.item ORDER BY id") == own);
  target.sql("DELETE FROM shop.item WHERE id = 1");

  const auto run_with = [&](const std::string& existing) {
    TaskRun task(source, target,
                 {.name = existing, .rest = kShop + "existing = \"" + existing + "\"\n"});
    const TaskRun::Result start = task.start();
    INFO(existing << start.text() << task.log());
    CHECK(start.code == 0);
    CHECK(task.stop().code == 0);
    return target.query("SELECT * FROM shop.item ORDER BY id");
  };
  const Rows appended = run_with("append");
  REQUIRE(appended.size() == 3);
  CHECK(appended[0][1] == "one");
  CHECK(appended[1] == std::vector<std::string>{"2", "two", "NULL"});
  CHECK(appended[2] == std::vector<std::string>{"9", "nine", "m"});
  CHECK(run_with("truncate") == Rows{{"1", "one", "NULL"}, {"2", "two", "NULL"}});
  target.sql("INSERT INTO shop.item VALUES (9, 'nine', 'm')");
  CHECK(run_with("replace") == Rows{{"1", "one"}, {"2", "two"}});
}

TEST_CASE("task files that cannot be used", "[server][bad-input]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source);
  TaskRun task(source, target, {.rest = kShop});
  const std::string good = read_file(task.file());

  std::filesystem::remove(task.file());
  check_refused(task, target, "task-file.unreadable", kConfiguration);
  std::filesystem::create_directory(task.file());
  check_refused(task, target, "task-file.unreadable", kConfiguration);
  std::filesystem::remove(task.file());

  std::ofstream(task.file()) << good;
  edit(task, "{ file = \"" + task.target_password_file() + "\" }", "\"geheim\"");
  check_refused(task, target, "task-file.password", kConfiguration);
  CHECK(task.run({"preflight", task.file()}).err.find("geheim") == std::string::npos);

  std::ofstream(task.file()) << good << "[ful]\nconnections = 2\n";
  check_refused(task, target, "task-file.invalid", kConfiguration);
  std::ofstream(task.file()) << good << "[full\n";
  check_refused(task, target, "task-file.invalid", kConfiguration);
  std::ofstream(task.file()) << good << "[full]\nconnections = 0\n";
  check_refused(task, target, "task-file.invalid", kConfiguration);

  std::ofstream(task.file()) << good;
  namespace fs = std::filesystem;
  fs::permissions(task.source_password_file(), fs::perms::others_read, fs::perm_options::add);
  check_refused(task, target, "secret.mode", kConfiguration);
  fs::permissions(task.source_password_file(), fs::perms::others_read, fs::perm_options::remove);
  fs::remove(task.target_password_file());
  check_refused(task, target, "secret.file", kConfiguration);

  edit(task, "kind = \"postgres\"", "kind = \"oracle\"");
  check_refused(task, target, "registry.target-kind", kConfiguration);
  const TaskRun::Result unknown = task.run({"sync", "start", "nosuch", "--json"});
  check_error(unknown, 8, "task.unknown");
}

TEST_CASE("a statement in the log stops the task, with every change before it applied",
          "[server][bad-input]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source);
  TaskRun task(source, target, {.rest = kShop + "[failover]\nlimit = 0\n"});
  REQUIRE(task.start().code == 0);

  MySqlSession session = source.session();
  session.sql("INSERT INTO shop.item VALUES (3, 'three')");
  session.sql("SET SESSION binlog_format = STATEMENT");
  session.sql("UPDATE shop.item SET name = 'lost' WHERE id = 1");
  session.sql("SET SESSION binlog_format = ROW");
  session.sql("INSERT INTO shop.item VALUES (4, 'four')");

  const json status = await_end(task);
  INFO(status.dump(2));
  CHECK(status.at("state") == "refused");
  CHECK(status.at("error").at("id") == "mysql.statement-format");
  CHECK_FALSE(status.at("error").at("fix").get<std::string>().empty());
  const Rows rows = target.query("SELECT id, name FROM shop.item ORDER BY id");
  CHECK(rows == Rows{{"1", "one"}, {"2", "two"}, {"3", "three"}});

  // Starting it again meets the same statement, and steps over nothing.
  CHECK(task.start("").code == 0);
  CHECK(await_end(task).at("error").at("id") == "mysql.statement-format");
  CHECK(target.query("SELECT id, name FROM shop.item ORDER BY id") == rows);
}

TEST_CASE("another server in the source's place is refused", "[server][bad-input]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source);
  TaskRun task(source, target, {.rest = kShop});
  REQUIRE(task.start().code == 0);
  REQUIRE(task.stop().code == 0);

  TempMariaDb other({.args = {"--server-id=2"}});
  make_shop(other);
  other.sql("INSERT INTO shop.item VALUES (7, 'seven')");
  const auto place = [](const TempMariaDb& server) {
    return "port = " + std::to_string(server.port()) + "\n";
  };
  edit(task, place(source), place(other));
  check_refused(task, target, "source.identity-changed");

  // With the same server id it is the log that gives it away: it lacks the task's offset.
  TempMariaDb twin;
  twin.sql("CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(20))");
  edit(task, place(other), place(twin));
  const Rows before = everything(target);
  const TaskRun::Result start = task.start();
  INFO(start.text());
  CHECK(start.code == kRefused);
  CHECK(start.err.find("error[mysql.source-behind]") != std::string::npos);
  CHECK(everything(target) == before);

  edit(task, place(twin), place(source));
  source.sql("INSERT INTO shop.item VALUES (3, 'three')");
  CHECK(task.start().code == 0);
  CHECK(task.await([&] { return same_items(source, target); }));
}

TEST_CASE("an offset whose log was purged is refused", "[server][bad-input]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source);
  TaskRun task(source, target, {.rest = kShop});
  REQUIRE(task.start().code == 0);
  REQUIRE(task.stop().code == 0);

  source.sql("INSERT INTO shop.item VALUES (3, 'three')");
  const std::string first = source.value("SHOW BINARY LOGS");
  // A purge leaves the last file, and those that a checkpoint still needs, without an error.
  REQUIRE(eventually([&] {
    source.sql("FLUSH BINARY LOGS");
    const Rows logs = source.query("SHOW BINARY LOGS");
    source.sql("PURGE BINARY LOGS TO '" + logs.back().front() + "'");
    return source.value("SHOW BINARY LOGS") != first;
  }));
  check_refused(task, target, "mysql.offset-lost");
  const TaskRun::Result waited = task.start();
  CHECK(waited.code == kRefused);
  CHECK(target.value("SELECT count(*) FROM shop.item") == "2");
}

namespace {

/// Makes every file of the server end at `limit` bytes, as a full disk would. An odd number of
/// bytes lets the server see a write that was cut short, which it takes for a full disk, and not
/// one that was forbidden.
void limit_files(const TempPostgres& target, const std::string& limit) {
  std::vector<pid_t> pids = {target.pid()};
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = read_file(entry.path() / "stat");
    const std::size_t end = stat.rfind(") ");
    if (end == std::string::npos) continue;
    // After the name in brackets: state, parent.
    if (stat.compare(end + 4, std::to_string(target.pid()).size() + 1,
                     std::to_string(target.pid()) + " ") == 0) {
      pids.push_back(std::stoi(name));
    }
  }
  REQUIRE(pids.size() > 1);
  for (const pid_t pid : pids) {
    try {
      // As the server's own account: root may not touch others' limits in every container.
      run_to_end(
          {.argv = {"/usr/bin/prlimit", "--pid", std::to_string(pid), "--fsize=" + limit + ":"},
           .output = {},
           .input = {},
           .account = unprivileged_account()});
    } catch (const std::runtime_error&) {
      // A session may have ended meanwhile; the server has not, and every new one is its child.
      if (pid == target.pid() || std::filesystem::exists("/proc/" + std::to_string(pid))) throw;
    }
  }
}

}  // namespace

TEST_CASE("a full disk on the target stops the task, and nothing is lost once there is room",
          "[server][bad-input]") {
  constexpr std::uint64_t kMegabyte = 1U << 20;
  constexpr std::uint64_t kOdd = 4096;
  TempMariaDb source;
  TempPostgres target;
  // More than the limit, which must let the server's own log files of 16 MiB through.
  source.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(1500)); "
      "INSERT INTO shop.item SELECT seq, REPEAT('x', 1500) FROM mysql.seq_1_to_14000");
  TaskRun task(source, target, {.rest = kShop + "[failover]\nlimit = 1000\n"});
  const auto digest = [](auto& server) {
    return server.query("SELECT count(*), sum(id), sum(length(name)) FROM shop.item");
  };

  // In the full stage.
  limit_files(target, std::to_string(17 * kMegabyte + kOdd));
  REQUIRE(task.start("").code == 0);
  REQUIRE(task.await([&] { return !last_error(task).is_null(); }));
  INFO(task.log());
  const json error = last_error(task);
  CHECK(error.at("id") == "postgres.disk-full");
  CHECK(error.at("exit_code") == kFailed);
  CHECK_FALSE(error.at("fix").get<std::string>().empty());
  limit_files(target, "unlimited");
  CHECK(task.await([&] { return task.status().at("caught_up") == true; }));
  CHECK(digest(source) == digest(target));

  // In the incremental stage, while changes keep coming.
  const std::string size = target.value("SELECT pg_relation_size('shop.item')");
  limit_files(target, std::to_string(std::stoull(size) + kMegabyte + kOdd));
  const std::string logged = task.log();
  source.sql("INSERT INTO shop.item SELECT seq, REPEAT('y', 1500) FROM mysql.seq_20001_to_34000");
  REQUIRE(task.await([&] {
    return task.log().find("error[postgres.disk-full]", logged.size()) != std::string::npos;
  }));
  source.sql(
      "DELETE FROM shop.item WHERE id < 100; UPDATE shop.item SET id = id + 1000000 "
      "WHERE id BETWEEN 100 AND 199");
  limit_files(target, "unlimited");
  CHECK(task.await([&] { return digest(source) == digest(target); }));
  CHECK(task.status().at("state") == "running");
  CHECK(task.stop().code == 0);
}
