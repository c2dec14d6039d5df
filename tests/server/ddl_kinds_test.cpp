// SPDX-License-Identifier: Apache-2.0
// Every kind of statement under every policy, in the middle of writers, with one table for each of
// them: what the record says of it, what the others notice of it, and what the target has at the
// end.
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/pair_end.h"
#include "store/state_store.h"
#include "support/eventually.h"
#include "support/task_run.h"

using namespace weir::test;
using nlohmann::json;

namespace {

/// What a table has after a statement of its kind: {} stands for its name.
struct KindRow {
  std::string kind;
  std::string mysql;
  std::string postgres;  ///< "" = the log of a PostgreSQL shows none of it
  std::string columns = "id, n, name, k";
};

const std::vector<KindRow>& kinds() {
  static const std::vector<KindRow> rows = {
      {"create_table", "CREATE TABLE shop.{0} (id INT PRIMARY KEY, n INT)", "", "id, n"},
      {"drop_table", "DROP TABLE shop.{0}", "", ""},
      {"truncate_table", "TRUNCATE TABLE shop.{0}", "TRUNCATE TABLE shop.{0}"},
      // On PostgreSQL the first row of the new name tells it, which may come late.
      {"rename_table", "RENAME TABLE shop.{0} TO shop.new_{0}", ""},
      {"add_column", "ALTER TABLE shop.{0} ADD extra INT DEFAULT 5",
       "ALTER TABLE shop.{0} ADD extra INT DEFAULT 5", "id, n, name, k, extra"},
      {"drop_column", "ALTER TABLE shop.{0} DROP COLUMN name",
       "ALTER TABLE shop.{0} DROP COLUMN name", "id, n, k"},
      {"rename_column", "ALTER TABLE shop.{0} CHANGE name label VARCHAR(20)",
       "ALTER TABLE shop.{0} RENAME COLUMN name TO label", "id, n, label, k"},
      {"change_type", "ALTER TABLE shop.{0} MODIFY n BIGINT DEFAULT 7",
       "ALTER TABLE shop.{0} ALTER n TYPE bigint"},
      {"change_key", "ALTER TABLE shop.{0} DROP PRIMARY KEY, ADD PRIMARY KEY (id, k)",
       "ALTER TABLE shop.{0} DROP CONSTRAINT {0}_pkey, ADD PRIMARY KEY (id, k)"},
      {"default", "ALTER TABLE shop.{0} ALTER n SET DEFAULT 9", ""},
      {"comment",
       "ALTER TABLE shop.{0} COMMENT = 'of things', MODIFY n INT DEFAULT 7 COMMENT 'counts'", ""},
      {"index", "ALTER TABLE shop.{0} ADD INDEX by_name (name), DROP INDEX by_n", ""},
  };
  return rows;
}

enum class Product { mysql, postgres, sqlite };

Product product_of(const PairEnd& end, const std::string& role) {
  const std::string section = end.section(role);
  if (section.find("\"sqlite\"") != std::string::npos) return Product::sqlite;
  return section.find("\"postgres\"") != std::string::npos ? Product::postgres : Product::mysql;
}

/// One table of the test.
struct Case {
  const KindRow* kind;
  std::string policy;
  std::string table() const {
    std::string out = kind->kind + "_by_" + policy;
    for (char& c : out) c = c == '-' ? '_' : c;
    return out;
  }
  /// What its statement leaves on the source.
  std::string source_table() const {
    return kind->kind == "rename_table" ? "new_" + table() : table();
  }
};

bool cannot_be_ignored(const Case& one) {
  return one.kind->kind == "rename_column" || one.kind->kind == "change_key";
}

/// Until somebody says what becomes of it.
bool waits(const Case& one) {
  return one.policy == "stop-table" || (cannot_be_ignored(one) && one.policy != "apply");
}

/// Inserts and updates, in all tables that are there, by key, no faster than the target follows
/// while the task runs.
class Writer {
 public:
  Writer(const PairSource& source, const PairEnd& target, std::vector<std::string> tables)
      : source_(source),
        target_(target),
        tables_(std::move(tables)),
        thread_([this] { write(); }) {}
  ~Writer() { stop(); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void stop() {
    over_ = true;
    if (thread_.joinable()) thread_.join();
  }
  /// Waits until every table has been written to since.
  bool goes_round() {
    const int before = rounds_;
    return eventually([&] { return rounds_ > before + 1 || !error().empty(); }) && error().empty();
  }
  std::string error() const {
    const std::lock_guard lock(mutex_);
    return error_;
  }

 private:
  void write() {
    try {
      const std::unique_ptr<AnySession> session = source_.session();
      const std::unique_ptr<AnySession> there = target_.session();
      const std::string applied = "SELECT max(id) FROM " + target_.table("mark");
      for (int id = 100; !over_; ++id) {
        for (const std::string& table : tables_) {
          run(*session, fmt::format("INSERT INTO shop.{} (id, n) VALUES ({}, {})", table, id, id));
          run(*session, fmt::format("UPDATE shop.{} SET n = n + 1 WHERE id = {}", table, id - 1));
        }
        ++rounds_;
        eventually([&] { return over_ || there->value(applied) == std::to_string(id); }, kPace);
      }
    } catch (const std::exception& error) {
      const std::lock_guard lock(mutex_);
      error_ = error.what();
    }
  }
  /// A table may be gone, or not there yet.
  static void run(AnySession& session, const std::string& sql) {
    try {
      session.sql(sql);
    } catch (const std::exception& error) {
      const std::string what = error.what();
      if (what.find("exist") == std::string::npos) throw;
    }
  }

  static constexpr std::chrono::milliseconds kPace{500};

  const PairSource& source_;
  const PairEnd& target_;
  const std::vector<std::string> tables_;
  std::atomic<bool> over_{false};
  std::atomic<int> rounds_{0};
  mutable std::mutex mutex_;
  std::string error_;
  std::thread thread_;
};

/// A task with a table for each kind and policy, and its writer.
class Ground {
 public:
  Ground(std::unique_ptr<PairSource> source, std::unique_ptr<PairEnd> target,
         const std::vector<std::string>& policies, const std::set<std::string>& only = {})
      : source_(std::move(source)),
        target_(std::move(target)),
        from_(product_of(*source_, "source")),
        to_(product_of(*target_, "target")),
        here_(source_->session()),
        task_(source_->section("source"), target_->section("target"), {.rest = rules(policies)}) {
    for (const KindRow& kind : kinds()) {
      if (from_ == Product::postgres && kind.postgres.empty()) continue;
      if (!only.empty() && !only.contains(kind.kind)) continue;
      for (const std::string& policy : policies) cases_.push_back({&kind, policy});
    }
    here_->sql(from_ == Product::postgres ? "CREATE SCHEMA shop" : source_->preparation());
    make("mark");
    for (const Case& one : cases_) {
      if (one.kind->kind != "create_table") make(one.table());
    }
    const TaskRun::Result started = task_.start();
    INFO(started.text());
    REQUIRE(started.code == 0);
    there_ = target_->session();
    std::vector<std::string> tables = {"mark"};
    for (const Case& one : cases_) tables.push_back(one.source_table());
    for (const Case& one : cases_) {
      if (one.source_table() != one.table()) tables.push_back(one.table());
    }
    writer_ = std::make_unique<Writer>(*source_, *target_, tables);
    REQUIRE(writer_->goes_round());
  }

  TaskRun& task() { return task_; }
  const std::vector<Case>& cases() const { return cases_; }
  Product from() const { return from_; }
  Product to() const { return to_; }
  AnySession& here() { return *here_; }
  AnySession& there() { return *there_; }
  std::string there(const std::string& table) const { return target_->table(table); }
  Writer& writer() { return *writer_; }

  /// All policies of a table are the one that its name ends with, but those of `relaxed` kinds.
  static std::string rules(const std::vector<std::string>& policies,
                           const std::set<std::string>& relaxed = {}) {
    std::string out;
    for (const std::string& policy : policies) {
      std::string suffix = policy;
      for (char& c : suffix) c = c == '-' ? '_' : c;
      out += fmt::format("[[table]]\nmatch = \"shop.*_by_{}\"\n[table.ddl]\n", suffix);
      for (const KindRow& kind : kinds()) {
        out +=
            fmt::format("{} = \"{}\"\n", kind.kind, relaxed.contains(kind.kind) ? "apply" : policy);
      }
    }
    return out + "[[table]]\nmatch = \"shop.mark\"\n[failover]\nlimit = 1000\n";
  }

  void carry_out(const Case& one) {
    const std::string& sql = from_ == Product::postgres ? one.kind->postgres : one.kind->mysql;
    INFO(sql);
    here_->sql(fmt::format(fmt::runtime(sql), one.table()));
  }

  /// What the record has of each table, by its name; a table has no more than one statement.
  std::map<std::string, json> records() const {
    std::map<std::string, json> out;
    const TaskRun::Result listed =
        task_.run({"ddl", "list", task_.name(), "--json", "--limit", "1000"});
    INFO(listed.text());
    REQUIRE(listed.code == 0);
    const json rows = listed.json().at("ddl");
    for (const json& row : rows) {
      const std::string table = row.at("table").get<std::string>().substr(5);
      INFO(row.dump(1));
      CHECK(out.count(table) == 0);
      out[table] = row;
    }
    return out;
  }

  /// Everything that the source has by now is on the target, of the tables that do not wait.
  bool comes_through() {
    here_->sql("UPDATE shop.mark SET n = n + 1 WHERE id = 1");
    const std::string mark = here_->value("SELECT n FROM shop.mark WHERE id = 1");
    const std::string sql = "SELECT n FROM " + there("mark") + " WHERE id = 1";
    return task_.await([&] { return there_->value(sql) == mark; });
  }

  /// Rows by SQL, and what else the statement has changed.
  void check_same(const Case& one) {
    INFO(one.table());
    if (one.kind->kind == "drop_table") {
      CHECK(!has_table(one.table()));
      return;
    }
    const std::string rows = fmt::format("SELECT {} FROM {{}} ORDER BY id", one.kind->columns);
    const std::string table = one.source_table();
    CHECK(here_->query(fmt::format(fmt::runtime(rows), "shop." + table)) ==
          there_->query(fmt::format(fmt::runtime(rows), there(table))));
    CHECK(here_->query("SELECT count(*) FROM shop." + table) != Rows{{"0"}});
    if (one.kind->kind == "rename_table") CHECK(has_table(one.table()) == waits(one));
    if (one.kind->kind == "default") CHECK(default_of(table).find('9') != std::string::npos);
    if (one.kind->kind == "index") CHECK(indexes_of(table) == "name");
    if (one.kind->kind == "comment" && to_ != Product::sqlite) {
      CHECK(comments_of(table) == "of things, counts");
    }
  }

  bool has_table(const std::string& table) {
    return there_
               ->query(to_ == Product::sqlite
                           ? "SELECT 1 FROM sqlite_schema WHERE name = '" + table + "'"
                           : "SELECT 1 FROM information_schema.tables WHERE table_schema = "
                             "'shop' AND table_name = '" +
                                 table + "'")
               .size() == 1;
  }

 private:
  void make(const std::string& table) {
    const bool is_postgres = from_ == Product::postgres;
    here_->sql(fmt::format(
        "CREATE TABLE shop.{} (id INT PRIMARY KEY, n INT DEFAULT 7, name VARCHAR(20), k INT NOT "
        "NULL DEFAULT 0{})",
        table, is_postgres ? "" : ", KEY by_n (n)"));
    here_->sql(fmt::format("INSERT INTO shop.{} VALUES (1, 1, 'a', 0), (2, 2, NULL, 5)", table));
  }

  std::string default_of(const std::string& table) {
    return there_->value(
        to_ == Product::sqlite
            ? "SELECT dflt_value FROM pragma_table_info('" + table + "') WHERE name = 'n'"
            : "SELECT column_default FROM information_schema.columns WHERE table_schema = 'shop' "
              "AND table_name = '" +
                  table + "' AND column_name = 'n'");
  }

  /// The columns of all indexes but the primary key.
  std::string indexes_of(const std::string& table) {
    std::string sql;
    switch (to_) {
      case Product::sqlite:
        sql = "SELECT group_concat(i.name) FROM pragma_index_list('" + table +
              "') l, pragma_index_info(l.name) i WHERE l.origin = 'c'";
        break;
      case Product::postgres:
        sql =
            "SELECT string_agg(a.attname, ',') FROM pg_index i JOIN pg_attribute a ON a.attrelid "
            "= i.indexrelid WHERE NOT i.indisprimary AND i.indrelid = 'shop." +
            table + "'::regclass";
        break;
      case Product::mysql:
        sql =
            "SELECT group_concat(column_name) FROM information_schema.statistics WHERE "
            "table_schema = 'shop' AND index_name <> 'PRIMARY' AND table_name = '" +
            table + "'";
        break;
    }
    return there_->value(sql);
  }

  std::string comments_of(const std::string& table) {
    if (to_ == Product::postgres) {
      return there_->value(fmt::format(
          "SELECT obj_description('shop.{0}'::regclass) || ', ' || col_description('shop.{0}'::"
          "regclass, (SELECT attnum FROM pg_attribute WHERE attrelid = 'shop.{0}'::regclass AND "
          "attname = 'n'))",
          table));
    }
    return there_->value(fmt::format(
        "SELECT concat(t.table_comment, ', ', c.column_comment) FROM information_schema.tables t, "
        "information_schema.columns c WHERE t.table_schema = 'shop' AND t.table_name = '{0}' AND "
        "c.table_schema = 'shop' AND c.table_name = '{0}' AND c.column_name = 'n'",
        table));
  }

  std::unique_ptr<PairSource> source_;
  std::unique_ptr<PairEnd> target_;
  Product from_;
  Product to_;
  std::unique_ptr<AnySession> here_;
  std::unique_ptr<AnySession> there_;
  std::vector<Case> cases_;
  TaskRun task_;
  std::unique_ptr<Writer> writer_;
};

/// What the record is to say of a statement at first.
std::string expected_outcome(const Case& one, Product to) {
  if (one.policy == "stop-table") return "stopped-table";
  // Rows that follow have no place on the target: the table stops whatever the policy says.
  if (cannot_be_ignored(one) && one.policy != "apply") return "failed";
  if (one.policy == "ignore") return "ignored";
  if (one.policy == "alert") return "alerted";
  if (one.kind->kind == "comment" && to == Product::sqlite) return "ignored";
  return "applied";
}

/// Kinds whose rows after the statement are the source's, though nothing was done about it.
bool rows_follow(const Case& one) {
  const std::string& kind = one.kind->kind;
  return kind == "default" || kind == "comment" || kind == "index" || kind == "change_type";
}

void check_kinds(std::unique_ptr<PairSource> source, std::unique_ptr<PairEnd> target,
                 const std::vector<std::string>& policies = {"apply", "ignore", "alert",
                                                             "stop-table"}) {
  Ground ground(std::move(source), std::move(target), policies);
  for (const Case& one : ground.cases()) ground.carry_out(one);
  REQUIRE(ground.writer().goes_round());
  CHECK(ground.writer().error() == "");
  REQUIRE(ground.comes_through());

  std::set<std::string> waiting;
  for (const Case& one : ground.cases()) {
    if (waits(one)) waiting.insert("shop." + one.table());
  }
  const auto now_waiting = [&] {
    std::set<std::string> out;
    const json lanes = ground.task().status().at("lanes");
    for (const json& lane : lanes) {
      if (lane.at("state") != "suspended") continue;
      for (const json& table : lane.at("tables")) out.insert(table.at("source"));
    }
    return out;
  };
  ground.task().await([&] { return now_waiting() == waiting; }, std::chrono::seconds(30));
  REQUIRE(now_waiting() == waiting);
  CHECK(ground.task().status().at("state") == "running");
  std::map<std::string, json> records = ground.records();
  for (const Case& one : ground.cases()) {
    INFO(one.table());
    REQUIRE(records.count(one.table()) == 1);
    const json& row = records.at(one.table());
    INFO(row.dump(1));
    CHECK(row.at("kind") == one.kind->kind);
    CHECK(row.at("policy") == one.policy);
    CHECK(row.at("outcome") == expected_outcome(one, ground.to()));
    CHECK(row.at("open") == waits(one));
    CHECK(!row.at("source_sql").get<std::string>().empty());
    // SQLite has one type of integers.
    const bool nothing_to_do = one.kind->kind == "create_table" ||
                               (one.kind->kind == "change_type" && ground.to() == Product::sqlite);
    const bool is_carried_out = expected_outcome(one, ground.to()) == "applied" && !nothing_to_do;
    CHECK(row.at("target_sql").is_string() == is_carried_out);
  }

  // What waits catches up by itself as soon as somebody says how.
  for (const Case& one : ground.cases()) {
    if (!waits(one)) continue;
    const auto resolve = [&](const std::string& how) {
      return ground.task().run({"ddl", "resolve", ground.task().name(),
                                records.at(one.table()).at("number").dump(), how, "--yes"});
    };
    // A table that waits cannot get another name: the one of the new name is a new one.
    const bool renames = one.kind->kind == "rename_table";
    if (renames) CHECK(resolve("--apply").code == 4);
    const TaskRun::Result resolved = resolve(renames ? "--skip" : "--apply");
    INFO(resolved.text());
    CHECK(resolved.code == 0);
    if (!renames) continue;
    const TaskRun::Result added = ground.task().run(
        {"add-table", ground.task().name(), "shop." + one.source_table(), "--yes"});
    INFO(added.text());
    CHECK(added.code == 0);
  }
  const bool joined =
      ground.task().await([&] { return ground.task().status().at("lanes").empty(); });
  INFO(ground.task().status().at("lanes").dump(1));
  REQUIRE(joined);
  REQUIRE(ground.writer().goes_round());
  ground.writer().stop();
  CHECK(ground.writer().error() == "");
  REQUIRE(ground.comes_through());
  for (const Case& one : ground.cases()) {
    if (one.policy == "apply" || waits(one) || rows_follow(one)) {
      if (one.policy == "apply" || waits(one)) {
        ground.check_same(one);
      } else {
        INFO(one.table());
        const std::string sql = fmt::format("SELECT {} FROM ", one.kind->columns);
        CHECK(ground.here().query(sql + "shop." + one.table() + " ORDER BY id") ==
              ground.there().query(sql + ground.there(one.table()) + " ORDER BY id"));
      }
    }
  }
  CHECK(ground.task().stop().code == 0);
}

}  // namespace

TEST_CASE("every kind of DDL under every policy, MariaDB to PostgreSQL", "[server][ddl][kinds]") {
  check_kinds(mariadb_end(), postgres_end());
}
TEST_CASE("every kind of DDL under every policy, MariaDB to MariaDB", "[server][ddl][kinds]") {
  check_kinds(mariadb_end(), mariadb_end());
}
TEST_CASE("every kind of DDL under every policy, MariaDB to SQLite", "[server][ddl][kinds]") {
  check_kinds(mariadb_end(), sqlite_end());
}
TEST_CASE("every kind of DDL under every policy, MySQL 9 to PostgreSQL",
          "[bootstrap][ddl][kinds]") {
  check_kinds(mysql9_end(), postgres_end());
}
TEST_CASE("every kind of DDL under every policy, PostgreSQL to PostgreSQL",
          "[server][ddl][kinds]") {
  // Each table that waits takes a slot.
  SECTION("those that wait") { check_kinds(postgres_end(), postgres_end(), {"stop-table"}); }
  SECTION("the others") {
    check_kinds(postgres_end(), postgres_end(), {"apply", "ignore", "alert"});
  }
}
TEST_CASE("every kind of DDL under every policy, PostgreSQL to MariaDB", "[server][ddl][kinds]") {
  // Each table that waits takes a slot.
  SECTION("those that wait") { check_kinds(postgres_end(), mariadb_end(), {"stop-table"}); }
  SECTION("the others") {
    check_kinds(postgres_end(), mariadb_end(), {"apply", "ignore", "alert"});
  }
}

// Each stop takes a start: here are kinds that are met on three different ways.
TEST_CASE("a kind of DDL may stop the task as a whole", "[server][ddl][kinds]") {
  Ground ground(mariadb_end(), postgres_end(), {"stop-task"},
                {"create_table", "truncate_table", "index"});
  for (const Case& one : ground.cases()) ground.carry_out(one);
  REQUIRE(ground.writer().goes_round());
  ground.writer().stop();
  CHECK(ground.writer().error() == "");
  std::set<std::string> relaxed;
  for (const Case& one : ground.cases()) {
    INFO(one.table());
    json status;
    REQUIRE(eventually([&] {
      status = ground.task().status();
      return status.at("state") == "refused";
    }));
    INFO(status.at("error").dump(1));
    std::string id = "ddl." + one.kind->kind;
    for (char& c : id) c = c == '_' ? '-' : c;
    CHECK(status.at("error").at("id") == id);
    CHECK(status.at("suspended_tables") == 0);
    const std::map<std::string, json> records = ground.records();
    REQUIRE(records.count(one.table()) == 1);
    CHECK(records.at(one.table()).at("outcome") == "stopped-task");
    CHECK(records.at(one.table()).at("policy") == "stop-task");
    // The next statement is met only once this one is past.
    CHECK(records.size() == relaxed.size() + 1);
    relaxed.insert(one.kind->kind);
    ground.task().rewrite(Ground::rules({"stop-task"}, relaxed));
    const TaskRun::Result started = ground.task().start("");
    INFO(started.text());
    REQUIRE(started.code == 0);
  }
  REQUIRE(ground.task().await([&] { return ground.task().status().at("lanes").empty(); }));
  REQUIRE(ground.comes_through());
  REQUIRE(ground.task().await([&] { return ground.task().status().at("caught_up").get<bool>(); }));
  for (const Case& one : ground.cases()) ground.check_same(one);
}
