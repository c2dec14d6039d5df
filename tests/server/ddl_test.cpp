// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "store/state_store.h"
#include "support/child_process.h"
#include "support/eventually.h"
#include "support/task_run.h"
#include "support/temp_dir.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"
#include "support/temp_postgres.h"

// What a change of definition on the source makes of the target, at its exact place among the rows.

using namespace weir::test;

namespace {

constexpr const char* kApplyAll = R"(
[[table]]
match = "shop.*"
[ddl]
drop_column = "apply"
rename_column = "apply"
change_type = "apply"
change_key = "apply"
[failover]
limit = 100
)";

constexpr const char* kTable =
    "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY AUTO_INCREMENT, name "
    "VARCHAR(20), n INT NOT NULL DEFAULT 7, state ENUM('new','old') NOT NULL DEFAULT 'new'); "
    "CREATE TABLE shop.mark (id INT PRIMARY KEY, n BIGINT NOT NULL); INSERT INTO shop.mark VALUES "
    "(1, 0); INSERT INTO shop.item (name) VALUES ('a'), ('b'), (NULL)";

std::size_t events(const TaskRun& task, const std::string& id) {
  return weir::open_state(task.state_dir(), true)->count_events(task.name(), id, weir::Time{});
}

/// Waits until a change that is made now has come through.
bool comes_through(TaskRun& task, MySqlServer& source, TempPostgres& target) {
  source.sql("UPDATE shop.mark SET n = n + 1");
  const std::string mark = source.value("SELECT n FROM shop.mark");
  return task.await([&] { return target.value("SELECT n FROM shop.mark") == mark; });
}

/// Waits until shop.`table` waits apart from the others, and returns the id of its error. The task
/// itself runs on, without one.
std::string suspended_by(TaskRun& task, const std::string& table) {
  nlohmann::json found;
  const bool waits = task.await([&] {
    const nlohmann::json status = task.status();
    for (const nlohmann::json& lane : status.at("lanes")) {
      if (lane.at("state") != "suspended") continue;
      REQUIRE(lane.at("tables").size() == 1);
      if (lane.at("tables")[0].at("source") == "shop." + table) found = status;
    }
    return !found.is_null();
  });
  if (!waits) return "not suspended";
  INFO(found.dump(1));
  CHECK(found.at("state") == "running");
  CHECK(found.at("error").is_null());
  CHECK(found.at("suspended_tables") == 1);
  return found.at("lanes")[0].at("error").at("id").get<std::string>();
}

/// Says what becomes of the statement that stopped a table last, and waits until the table goes
/// with the others again.
void resolve(TaskRun& task, const std::vector<std::string>& how) {
  const nlohmann::json open =
      task.run({"ddl", "list", task.name(), "--open", "--json"}).json().at("ddl");
  INFO(open.dump(1));
  REQUIRE(open.size() == 1);
  std::vector<std::string> words = {"ddl",   "resolve", task.name(), open[0].at("number").dump(),
                                    "--yes", "--wait"};
  words.insert(words.end(), how.begin(), how.end());
  const TaskRun::Result resolved = task.run(words);
  INFO(resolved.text());
  REQUIRE(resolved.code == 0);
  CHECK(task.status().at("suspended_tables") == 0);
}

void check_started(TaskRun& task) {
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
}

/// The same for a task of which one table still waits: whoever waits for the start is told.
void check_started_without(TaskRun& task, const std::string& table) {
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 4);
  CHECK_THAT(started.err, Catch::Contains("shop." + table + " waits until that is resolved"));
}

/// Names of the columns in alphabetical order: their order on the two sides may differ.
std::string columns_of(MySqlServer& source, const std::string& table) {
  return source.value(
      fmt::format("SELECT GROUP_CONCAT(column_name ORDER BY column_name SEPARATOR ', ') FROM "
                  "information_schema.columns WHERE table_schema = 'shop' AND table_name = '{}'",
                  table));
}

std::string columns_of(TempPostgres& target, const std::string& table) {
  return target.value(
      fmt::format("SELECT string_agg(column_name, ', ' ORDER BY column_name COLLATE \"C\") FROM "
                  "information_schema.columns WHERE table_schema = 'shop' AND table_name = '{}'",
                  table));
}

void check_equal(MySqlServer& source, TempPostgres& target, const std::string& table) {
  const std::string columns = columns_of(source, table);
  CHECK(columns_of(target, table) == columns);
  const std::string query = fmt::format("SELECT {} FROM shop.{} ORDER BY id", columns, table);
  MySqlSession here = source.session();
  PgSession there = target.session("postgres");
  const auto expected = here.query(query);
  CHECK(expected.empty() ==
        (source.value(fmt::format("SELECT count(*) FROM shop.{}", table)) == "0"));
  CHECK(there.query(query) == expected);
}

/// Statements that each leave shop.item with the columns id, name and n, and rows in between.
const std::vector<std::string>& statements() {
  static const std::vector<std::string> list = {
      "ALTER TABLE shop.item ADD COLUMN extra INT",
      "INSERT INTO shop.item (name, n, extra) VALUES ('c', 1, 5), ('d', 2, NULL)",
      "ALTER TABLE shop.item ADD note VARCHAR(30) NOT NULL DEFAULT 'none' AFTER id, ADD (x1 "
      "DECIMAL(10,3) NOT NULL, x2 DATE NULL DEFAULT '2026-01-02')",
      "UPDATE shop.item SET note = 'set', x1 = x1 + 1.5 WHERE id % 2 = 0",
      "INSERT INTO shop.item (name, note, x1) VALUES ('e', 'ee', -2)",
      "ALTER TABLE shop.item DROP COLUMN extra, CHANGE note remark VARCHAR(60) FIRST",
      "UPDATE shop.item SET remark = CONCAT(remark, '-') WHERE id % 3 = 0",
      "ALTER TABLE shop.item MODIFY n BIGINT NULL, MODIFY name VARCHAR(100) AFTER n",
      "INSERT INTO shop.item (name, n, x1) VALUES (REPEAT('long', 20), 5000000000, 1), (NULL, "
      "NULL, "
      "2)",
      "ALTER TABLE shop.item DROP x1, DROP x2, ADD x1 TINYINT UNSIGNED NOT NULL DEFAULT 3 FIRST",
      "DELETE FROM shop.item WHERE id = 2",
      "UPDATE shop.item SET x1 = 200 WHERE id = 3",
      "CREATE INDEX by_name ON shop.item (name)",
      "ALTER TABLE shop.item MODIFY state ENUM('new','old','gone') NOT NULL DEFAULT 'gone'",
      "INSERT INTO shop.item (name) VALUES ('f')",
      "ALTER TABLE shop.item DROP INDEX by_name, ALTER n SET DEFAULT 9, COMMENT = 'things'",
      "INSERT INTO shop.item (name) VALUES ('g')",
      "TRUNCATE TABLE shop.item",
      "INSERT INTO shop.item (name) VALUES ('h'), ('i'), ('j')",
      "ALTER TABLE shop.item CHANGE name n2 VARCHAR(100), CHANGE n name BIGINT",
      "UPDATE shop.item SET name = id * 10, n2 = 'now the text' WHERE id > 1",
      "ALTER TABLE shop.item CHANGE name n BIGINT, CHANGE n2 name VARCHAR(100)",
      "INSERT INTO shop.item (name, n) VALUES ('k', 11)",
  };
  return list;
}

/// Two sessions that write to shop.item until they are ended.
class Writers {
 public:
  explicit Writers(MySqlServer& source) {
    for (int i = 0; i < 2; ++i) {
      threads_.emplace_back([this, &source] {
        try {
          write(source);
        } catch (...) {
          failed_ = std::current_exception();
        }
      });
    }
  }
  ~Writers() { join(); }
  Writers(const Writers&) = delete;
  Writers& operator=(const Writers&) = delete;

  std::uint64_t written() const { return written_; }
  /// Throws what went wrong in either session.
  void end() {
    join();
    if (failed_ != nullptr) std::rethrow_exception(failed_);
  }

 private:
  void write(MySqlServer& source) {
    MySqlSession session = source.session();
    for (int i = 0; !done_; ++i) {
      const auto run = [&](const std::string& statement) {
        try {
          session.sql(statement);
        } catch (const std::runtime_error& error) {
          // The two sessions met, and the server has rolled this statement back; or a tool has
          // taken the table away for a moment.
          const std::string_view what = error.what();
          if (what.find("1213") == std::string_view::npos &&
              what.find("doesn't exist") == std::string_view::npos) {
            throw;
          }
        }
      };
      run(fmt::format("INSERT INTO shop.item (name, n) VALUES ('w{}', {})", i % 50, i));
      if (i % 3 == 0) run("UPDATE shop.item SET n = n + 1 ORDER BY id DESC LIMIT 5");
      if (i % 7 == 0) run("DELETE FROM shop.item ORDER BY id LIMIT 1");
      ++written_;
    }
  }
  void join() {
    done_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

  std::atomic<bool> done_{false};
  std::atomic<std::uint64_t> written_{0};
  std::exception_ptr failed_;
  std::vector<std::thread> threads_;
};

/// While the task runs, and while it is stopped: what is read later must be read as it was then.
void check_applies(MySqlServer& source, TempPostgres& target) {
  source.sql(kTable);
  TaskRun task(source, target, {.rest = kApplyAll});
  REQUIRE(task.start().code == 0);

  for (const std::string& statement : statements()) {
    INFO(statement);
    source.sql(statement);
    REQUIRE(comes_through(task, source, target));
    check_equal(source, target, "item");
  }
  CHECK(events(task, "ddl.applied") >= 9);

  REQUIRE(task.stop().code == 0);
  source.sql("DELETE FROM shop.item WHERE id % 2 = 1");
  source.sql(
      "ALTER TABLE shop.item DROP COLUMN x1, DROP COLUMN remark, MODIFY n INT NOT NULL "
      "DEFAULT 7, MODIFY name VARCHAR(20)");
  for (const std::string& statement : statements()) source.sql(statement);
  source.sql("ALTER TABLE shop.item DROP COLUMN x1");
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
  REQUIRE(comes_through(task, source, target));
  check_equal(source, target, "item");
  CHECK(task.status().at("state") == "running");
}

/// The columns that both tables have, each behind `prefix`.
std::string common_columns(MySqlServer& source, const std::string& shadow,
                           const std::string& prefix = "") {
  return source.value(fmt::format(
      "SELECT GROUP_CONCAT('{}', column_name) FROM information_schema.columns WHERE table_schema = "
      "'shop' AND table_name = 'item' AND column_name IN (SELECT column_name FROM "
      "information_schema.columns WHERE table_schema = 'shop' AND table_name = '{}')",
      prefix, shadow));
}

/// What the tools have in common: the shadow gets all rows, and all changes while it does.
void fill_shadow(MySqlServer& source, const std::string& shadow) {
  const std::string columns = common_columns(source, shadow);
  const std::string replace = fmt::format("REPLACE INTO `shop`.`{}` ({}) VALUES ({})", shadow,
                                          columns, common_columns(source, shadow, "NEW."));
  const std::string remove =
      fmt::format("DELETE IGNORE FROM `shop`.`{}` WHERE `{}`.`id` <=> OLD.`id`", shadow, shadow);
  source.sql("CREATE TRIGGER `shop`.`item_del` AFTER DELETE ON `shop`.`item` FOR EACH ROW " +
             remove);
  source.sql("CREATE TRIGGER `shop`.`item_upd` AFTER UPDATE ON `shop`.`item` FOR EACH ROW " +
             replace);
  source.sql("CREATE TRIGGER `shop`.`item_ins` AFTER INSERT ON `shop`.`item` FOR EACH ROW " +
             replace);
  MySqlSession session = source.session();
  const bool copied = eventually([&] {
    try {
      session.sql(
          fmt::format("INSERT LOW_PRIORITY IGNORE INTO `shop`.`{}` ({}) SELECT {} FROM "
                      "`shop`.`item` LOCK IN SHARE MODE",
                      shadow, columns, columns));
      return true;
    } catch (const std::runtime_error& error) {
      // A writer and the copy met, and the copy was rolled back.
      if (std::string_view(error.what()).find("1213") == std::string_view::npos) throw;
      return false;
    }
  });
  REQUIRE(copied);
}

using Step = std::function<void()>;

/// The statements of gh-ost.
void gh_ost(MySqlServer& source, const std::string& change, const Step& meanwhile = {}) {
  for (const char* table : {"_item_gho", "_item_del", "_item_ghc"}) {
    source.sql(fmt::format("drop /* gh-ost */ table if exists `shop`.`{}`", table));
  }
  source.sql(
      "create /* gh-ost */ table `shop`.`_item_ghc` (id bigint unsigned auto_increment, hint "
      "varchar(64) charset ascii not null, value varchar(4096) charset ascii not null, primary "
      "key(id), unique key hint_uidx(hint)) auto_increment=256");
  source.sql("create /* gh-ost */ table `shop`.`_item_gho` like `shop`.`item`");
  source.sql("alter /* gh-ost */ table `shop`.`_item_gho` " + change);
  if (meanwhile) meanwhile();
  fill_shadow(source, "_item_gho");
  source.sql(
      "create /* gh-ost */ table `shop`.`_item_del` (id int auto_increment primary key) "
      "engine=InnoDB comment='ghost-cut-over-sentry'");
  source.sql("drop /* gh-ost */ table if exists `shop`.`_item_del`");
  source.sql(
      "rename /* gh-ost */ table `shop`.`item` to `shop`.`_item_del`, `shop`.`_item_gho` to "
      "`shop`.`item`");
  source.sql("drop /* gh-ost */ table if exists `shop`.`_item_ghc`");
  source.sql("drop /* gh-ost */ table if exists `shop`.`_item_del`");
}

/// The statements of gh-ost with --cut-over=two-step and --timestamp-old-table: for a moment there
/// is no table.
void gh_ost_in_two_steps(MySqlServer& source, const std::string& change, const Step& between) {
  const std::string old = "_item_20260131235959_del";
  source.sql(
      "create /* gh-ost */ table `shop`.`_item_ghc` (id bigint unsigned auto_increment, hint "
      "varchar(64) charset ascii not null, value varchar(4096) charset ascii not null, primary "
      "key(id), unique key hint_uidx(hint)) auto_increment=256");
  source.sql("create /* gh-ost */ table `shop`.`_item_ghk` (`gh_ost_chk_id` bigint primary key)");
  source.sql("create /* gh-ost */ table `shop`.`_item_gho` like `shop`.`item`");
  source.sql("alter /* gh-ost */ table `shop`.`_item_gho` " + change);
  fill_shadow(source, "_item_gho");
  MySqlSession one = source.session();
  one.sql("use shop");
  // The triggers, which gh-ost has none of, need the other table as well.
  one.sql("lock /* gh-ost */ tables `shop`.`item` write, `shop`.`_item_gho` write");
  one.sql("alter /* gh-ost */ table `shop`.`item` rename `" + old + "`");
  // Here rather than at the end: else nobody could ask the catalogue in between.
  one.sql("unlock /* gh-ost */ tables");
  between();
  one.sql("alter /* gh-ost */ table `shop`.`_item_gho` rename `item`");
  for (const std::string& table : {std::string("_item_ghc"), std::string("_item_ghk"), old}) {
    source.sql(fmt::format("drop /* gh-ost */ table if exists `shop`.`{}`", table));
  }
}

/// The statements of pt-online-schema-change, which makes its table of what SHOW CREATE TABLE says.
void pt_osc(MySqlServer& source, const std::string& change, const Step& meanwhile = {}) {
  std::string create = source.session().query("SHOW CREATE TABLE shop.item").at(0).at(1);
  create.replace(create.find("`item`"), 6, "`shop`.`_item_new`");
  source.sql(create);
  source.sql("ALTER TABLE `shop`.`_item_new` " + change);
  if (meanwhile) meanwhile();
  fill_shadow(source, "_item_new");
  source.sql("ANALYZE TABLE `shop`.`_item_new` /* pt-online-schema-change */");
  source.sql(
      "RENAME TABLE `shop`.`item` TO `shop`.`_item_old`, `shop`.`_item_new` TO `shop`.`item`");
  source.sql("DROP TABLE IF EXISTS `shop`.`_item_old`");
}

std::string tables_of(TempPostgres& target) {
  return target.value(
      "SELECT string_agg(table_name, ' ' ORDER BY table_name) FROM information_schema.tables "
      "WHERE table_schema = 'shop'");
}

/// Both tools under writers, and the worker killed while the shadow is being filled.
void check_online(MySqlServer& source, TempPostgres& target) {
  source.sql(kTable);
  TaskRun task(source, target, {.rest = kApplyAll});
  REQUIRE(task.start().code == 0);
  {
    Writers writers(source);
    const auto kill = [&] { task.kill_worker(); };
    gh_ost(source,
           "ADD COLUMN extra INT NOT NULL DEFAULT 5 AFTER name, MODIFY n BIGINT NOT NULL "
           "DEFAULT 7",
           kill);
    pt_osc(source, "DROP COLUMN extra, ADD note VARCHAR(30) DEFAULT 'x', ADD INDEX (n)", kill);
    gh_ost(source, "ENGINE=InnoDB");
    const std::uint64_t before = writers.written();
    REQUIRE(eventually([&] { return writers.written() > before + 5; }));
    writers.end();
  }
  REQUIRE(comes_through(task, source, target));
  check_equal(source, target, "item");
  CHECK(tables_of(target) == "item mark");
  CHECK(events(task, "ddl.applied") == 2);
  CHECK(events(task, "ddl.create-table") == 0);
}

}  // namespace

TEST_CASE("changes of columns are applied at their place, running and behind", "[server][ddl]") {
  TempMariaDb source;
  TempPostgres target;
  check_applies(source, target);
}

TEST_CASE("MySQL 9: changes of columns are applied at their place", "[bootstrap][ddl]") {
  TempMySql source;
  TempPostgres target;
  check_applies(source, target);
}

TEST_CASE("columns come and go under writers and kills, and nothing shifts", "[server][ddl]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTable);
  TaskRun task(source, target, {.rest = kApplyAll});
  REQUIRE(task.start("incremental").code == 0);

  Writers writers(source);
  const std::vector<std::string> shapes = {
      "ALTER TABLE shop.item ADD extra INT NOT NULL DEFAULT 42 FIRST",
      "UPDATE shop.item SET extra = id WHERE id % 5 = 0",
      "ALTER TABLE shop.item CHANGE extra other BIGINT NOT NULL DEFAULT 43 AFTER name",
      "ALTER TABLE shop.item ADD words TEXT",
      "UPDATE shop.item SET words = CONCAT('w', other) WHERE id % 4 = 0",
      "ALTER TABLE shop.item DROP other",
      "ALTER TABLE shop.item DROP words",
  };
  for (int round = 0; round < 5; ++round) {
    for (const std::string& shape : shapes) {
      source.sql(shape);
      const std::uint64_t before = writers.written();
      REQUIRE(eventually([&] { return writers.written() > before + 5; }));
    }
    task.kill_worker();
  }
  writers.end();
  REQUIRE(comes_through(task, source, target));
  check_equal(source, target, "item");
}

TEST_CASE("a statement stops its table, which waits until somebody says what becomes of it",
          "[server][ddl]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTable);
  const auto with = [](const std::string& policy) {
    return fmt::format("\n[[table]]\nmatch = \"shop.*\"\n[ddl]\n{}\n", policy);
  };
  TaskRun task(source, target, {.rest = with("")});
  const auto begin = [&](const std::string& policy) {
    task.rewrite(with(policy));
    check_started(task);
  };

  SECTION("a dropped column, then applied") {
    begin("");
    source.sql("INSERT INTO shop.item (name) VALUES ('before')");
    source.sql("ALTER TABLE shop.item DROP COLUMN n");
    source.sql("INSERT INTO shop.item (name) VALUES ('after')");
    CHECK(suspended_by(task, "item") == "ddl.drop-column");
    REQUIRE(comes_through(task, source, target));
    // What came before it is there, and nothing that came after.
    CHECK(target.value("SELECT name FROM shop.item ORDER BY id DESC LIMIT 1") == "before");
    REQUIRE(task.stop().code == 0);
    check_started_without(task, "item");
    CHECK(suspended_by(task, "item") == "ddl.drop-column");
    REQUIRE(comes_through(task, source, target));
    CHECK(target.value("SELECT name FROM shop.item ORDER BY id DESC LIMIT 1") == "before");
    resolve(task, {"--apply"});
    REQUIRE(comes_through(task, source, target));
    check_equal(source, target, "item");
  }
  SECTION("a dropped column, then ignored") {
    begin("");
    source.sql("ALTER TABLE shop.item DROP COLUMN n");
    source.sql("INSERT INTO shop.item (name) VALUES ('after')");
    CHECK(suspended_by(task, "item") == "ddl.drop-column");
    REQUIRE(task.stop().code == 0);
    target.sql("ALTER TABLE shop.item ALTER n DROP NOT NULL");
    task.rewrite(with("drop_column = \"ignore\""));
    check_started_without(task, "item");
    // Another policy does not take up by itself what waits.
    CHECK(suspended_by(task, "item") == "ddl.drop-column");
    const TaskRun::Result retried =
        task.run({"ddl", "resolve", "shop", "--table", "shop.item", "--retry", "--wait", "--yes"});
    INFO(retried.text());
    REQUIRE(retried.code == 0);
    REQUIRE(comes_through(task, source, target));
    CHECK(columns_of(target, "item") == "id, n, name, state");
    CHECK(target.value("SELECT count(*) FROM shop.item WHERE name = 'after'") == "1");
  }
  SECTION("an added column that stays out, and what comes after it") {
    begin("add_column = \"alert\"");
    source.sql("ALTER TABLE shop.item ADD secret VARCHAR(9) DEFAULT 's' AFTER id");
    source.sql("INSERT INTO shop.item (name, n) VALUES ('after', 99)");
    REQUIRE(comes_through(task, source, target));
    CHECK(columns_of(target, "item") == "id, n, name, state");
    CHECK(target.value("SELECT n FROM shop.item WHERE name = 'after'") == "99");
    CHECK(events(task, "ddl.not-applied") == 1);
    REQUIRE(task.stop().code == 0);
    source.sql("INSERT INTO shop.item (name, n, secret) VALUES ('later', 98, 'x')");
    check_started(task);
    REQUIRE(comes_through(task, source, target));
    CHECK(target.value("SELECT n FROM shop.item WHERE name = 'later'") == "98");
  }
  SECTION("values that cannot be told are asked for") {
    begin("");
    source.sql("ALTER TABLE shop.item ADD code CHAR(36) NOT NULL DEFAULT (UUID())");
    source.sql("INSERT INTO shop.item (name, code) VALUES ('after', 'own')");
    CHECK(suspended_by(task, "item") == "ddl.step");
    REQUIRE(comes_through(task, source, target));
    CHECK(target.value("SELECT count(*) FROM shop.item") == "3");
    target.sql("ALTER TABLE shop.item ADD code varchar(36)");
    for (const auto& row : source.session().query("SELECT id, code FROM shop.item")) {
      target.sql(fmt::format("UPDATE shop.item SET code = '{}' WHERE id = {}", row[1], row[0]));
    }
    resolve(task, {"--applied"});
    REQUIRE(comes_through(task, source, target));
    check_equal(source, target, "item");
  }
  SECTION("a rename cannot be ignored") {
    begin("rename_column = \"ignore\"");
    source.sql("ALTER TABLE shop.item CHANGE name label VARCHAR(20)");
    CHECK(suspended_by(task, "item") == "ddl.rename-ignored");
    REQUIRE(comes_through(task, source, target));
    resolve(task, {"--apply"});
    REQUIRE(comes_through(task, source, target));
    check_equal(source, target, "item");
  }
  SECTION("a view on the target stands in the way, and then does not") {
    begin("change_type = \"apply\"");
    target.sql("CREATE VIEW shop.seen AS SELECT n FROM shop.item");
    source.sql("ALTER TABLE shop.item MODIFY n BIGINT NOT NULL");
    source.sql("INSERT INTO shop.item (name, n) VALUES ('wide', 5000000000)");
    CHECK(suspended_by(task, "item") == "ddl.target");
    REQUIRE(comes_through(task, source, target));
    target.sql("DROP VIEW shop.seen");
    resolve(task, {"--apply"});
    REQUIRE(comes_through(task, source, target));
    check_equal(source, target, "item");
  }
  SECTION("a policy may stop the task as a whole, and another lets it go on") {
    begin("drop_column = \"stop-task\"");
    source.sql("INSERT INTO shop.item (name) VALUES ('before')");
    source.sql("ALTER TABLE shop.item DROP COLUMN n");
    source.sql("INSERT INTO shop.item (name) VALUES ('after')");
    REQUIRE(eventually([&] { return task.status().at("state") == "refused"; }));
    CHECK(task.status().at("error").at("id") == "ddl.drop-column");
    CHECK(task.status().at("error").at("exit_code") == 4);
    CHECK(task.status().at("lanes").empty());
    CHECK(target.value("SELECT name FROM shop.item ORDER BY id DESC LIMIT 1") == "before");
    CHECK(task.start().code == 4);
    begin("drop_column = \"apply\"");
    REQUIRE(comes_through(task, source, target));
    check_equal(source, target, "item");
  }
}

TEST_CASE("another key is taken over", "[server][ddl]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTable);
  source.sql(
      "CREATE TABLE shop.place (id INT NOT NULL, floor INT NOT NULL, name VARCHAR(9), "
      "PRIMARY KEY (id)); INSERT INTO shop.place VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c')");
  TaskRun task(source, target, {.rest = kApplyAll});
  REQUIRE(task.start().code == 0);
  source.sql("ALTER TABLE shop.place DROP PRIMARY KEY, ADD PRIMARY KEY (id, floor)");
  source.sql(
      "INSERT INTO shop.place VALUES (1, 2, 'd'); UPDATE shop.place SET name = 'e' WHERE id "
      "= 1 AND floor = 1; DELETE FROM shop.place WHERE id = 2");
  REQUIRE(comes_through(task, source, target));
  CHECK(target.session().query("SELECT id, floor, name FROM shop.place ORDER BY id, floor") ==
        Rows{{"1", "1", "e"}, {"1", "2", "d"}, {"3", "2", "c"}});
}

TEST_CASE("a table that was dropped does not come back as another", "[server][ddl]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTable);
  TaskRun task(source, target,
               {.rest = "\n[[table]]\nmatch = \"shop.*\"\n[ddl]\ndrop_table = \"alert\"\n"
                        "rename_table = \"ignore\"\n"});
  REQUIRE(task.start().code == 0);
  SECTION("dropped and made again") {
    source.sql("DROP TABLE shop.item");
    REQUIRE(comes_through(task, source, target));
    CHECK(target.value("SELECT count(*) FROM shop.item") == "3");
    REQUIRE(task.stop().code == 0);
    check_started(task);  // though it is no longer on the source
    REQUIRE(comes_through(task, source, target));
    source.sql("CREATE TABLE shop.item LIKE shop.mark");
    source.sql("INSERT INTO shop.item VALUES (9, 9)");
    CHECK(suspended_by(task, "item") == "ddl.table-replaced");
  }
  SECTION("replaced by a rename") {
    source.sql("CREATE TABLE shop.other LIKE shop.mark");
    source.sql("INSERT INTO shop.other VALUES (9, 9)");
    source.sql("RENAME TABLE shop.item TO shop.old_item, shop.other TO shop.item");
    source.sql("INSERT INTO shop.item VALUES (10, 10)");
    CHECK(suspended_by(task, "item") == "ddl.table-replaced");
  }
  REQUIRE(comes_through(task, source, target));
  CHECK(target.value("SELECT count(*) FROM shop.item") == "3");
  target.sql("DROP TABLE shop.item");
  resolve(task, {"--reload"});
  REQUIRE(comes_through(task, source, target));
  check_equal(source, target, "item");
}

TEST_CASE("definitions that are gone by the time of a first start are not needed",
          "[server][ddl]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTable);
  source.sql(
      "ALTER TABLE shop.item ADD x INT FIRST; INSERT INTO shop.item (name, x) VALUES ('x', "
      "1); ALTER TABLE shop.item DROP n");
  TaskRun task(source, target, {.rest = kApplyAll});
  REQUIRE(task.start().code == 0);
  // A table that joins a task later: its past is in the log between the offset and the start.
  REQUIRE(task.stop().code == 0);
  source.sql(
      "CREATE TABLE shop.late (id INT PRIMARY KEY, gone INT); INSERT INTO shop.late VALUES "
      "(1, 1), (2, 2), (3, 3); ALTER TABLE shop.late DROP gone, ADD word VARCHAR(9); UPDATE "
      "shop.late SET word = id");
  REQUIRE(task.start().code == 0);
  REQUIRE(comes_through(task, source, target));
  check_equal(source, target, "late");
  check_equal(source, target, "item");
}

TEST_CASE("online schema changes are the ALTER that they stand for", "[server][ddl][online]") {
  TempMariaDb source;
  TempPostgres target;
  check_online(source, target);
}

TEST_CASE("MySQL 9: online schema changes are the ALTER that they stand for",
          "[bootstrap][ddl][online]") {
  TempMySql source;
  TempPostgres target;
  check_online(source, target);
}

TEST_CASE("a cut-over in two steps, and a kill between them", "[server][ddl][online]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTable);
  TaskRun task(source, target, {.rest = kApplyAll});
  REQUIRE(task.start().code == 0);
  Writers writers(source);
  gh_ost_in_two_steps(source, "ADD COLUMN extra INT NOT NULL DEFAULT 5, DROP COLUMN state",
                      [&] { task.kill_worker(); });
  gh_ost_in_two_steps(source, "MODIFY n BIGINT NOT NULL DEFAULT 7", [&] {
    source.sql("UPDATE shop.mark SET n = n + 1");
    const std::string mark = source.value("SELECT n FROM shop.mark");
    REQUIRE(task.await([&] { return target.value("SELECT n FROM shop.mark") == mark; }));
    task.kill_worker();
  });
  const std::uint64_t before = writers.written();
  REQUIRE(eventually([&] { return writers.written() > before + 5; }));
  writers.end();
  REQUIRE(comes_through(task, source, target));
  check_equal(source, target, "item");
  CHECK(tables_of(target) == "item mark");
  CHECK(events(task, "ddl.applied") == 2);
  CHECK(events(task, "ddl.create-table") == 0);
  INFO(task.status().at("lanes").dump(1));
  CHECK(task.status().at("lanes").empty());
}

TEST_CASE("a table whose name is as long as names can be is changed by either tool",
          "[server][ddl][online]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTable);
  const std::string name(62, 'x');
  source.sql(
      fmt::format("CREATE TABLE shop.{0} (id INT PRIMARY KEY, n INT); INSERT INTO shop.{0} "
                  "VALUES (1, 1), (2, 2)",
                  name));
  TaskRun task(source, target, {.rest = kApplyAll});
  REQUIRE(task.start().code == 0);
  const auto check = [&] {
    REQUIRE(comes_through(task, source, target));
    check_equal(source, target, name);
    CHECK(tables_of(target) == "item mark " + name);
    CHECK(task.status().at("lanes").empty());
  };
  const std::string gho = "_" + name.substr(0, 59) + "_gho";
  const std::string del = "_" + name.substr(0, 59) + "_del";
  source.sql(
      fmt::format("create table shop.{0} like shop.{1}; alter table shop.{0} ADD extra INT "
                  "DEFAULT 5; insert into shop.{0} (id, n) select id, n from shop.{1}",
                  gho, name));
  source.sql(
      fmt::format("rename table shop.{0} to shop.{1}, shop.{2} to shop.{0}; drop table "
                  "shop.{1}",
                  name, del, gho));
  source.sql(fmt::format("INSERT INTO shop.{} VALUES (3, 3, 6)", name));
  check();

  const TempDir dir;
  ChildProcess tool({.argv = {"/usr/bin/pt-online-schema-change", "--alter", "DROP COLUMN extra",
                              "--execute", "--recursion-method=none", "--no-version-check",
                              fmt::format("D=shop,t={},u=root,S={}", name, source.socket())},
                     .output = dir / "out",
                     .input = {}});
  const std::optional<int> status = tool.wait(TaskRun::kPatience);
  INFO(read_file(dir / "out"));
  REQUIRE(status == 0);
  source.sql(fmt::format("INSERT INTO shop.{} VALUES (4, 4)", name));
  check();
  CHECK(events(task, "ddl.applied") == 2);
}

TEST_CASE("pt-online-schema-change itself is followed", "[server][ddl][online]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTable);
  TaskRun task(source, target, {.rest = kApplyAll});
  REQUIRE(task.start().code == 0);
  Writers writers(source);
  for (const char* change : {"ADD COLUMN extra INT NOT NULL DEFAULT 5, MODIFY n BIGINT NULL",
                             "DROP COLUMN extra, ADD INDEX (name)"}) {
    const TempDir dir;
    ChildProcess tool({.argv = {"/usr/bin/pt-online-schema-change", "--alter", change, "--execute",
                                "--recursion-method=none", "--no-version-check",
                                fmt::format("D=shop,t=item,u=root,S={}", source.socket())},
                       .output = dir / "out",
                       .input = {}});
    const std::optional<int> status = tool.wait(TaskRun::kPatience);
    INFO(read_file(dir / "out"));
    REQUIRE(status == 0);
  }
  writers.end();
  REQUIRE(comes_through(task, source, target));
  check_equal(source, target, "item");
  CHECK(tables_of(target) == "item mark");
  CHECK(events(task, "ddl.applied") == 2);
}

TEST_CASE("an online schema change goes by the policies of what it changes",
          "[server][ddl][online]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTable);
  const auto with = [](const std::string& policy) {
    return fmt::format("\n[[table]]\nmatch = \"shop.*\"\n[ddl]\n{}\n", policy);
  };
  TaskRun task(source, target, {.rest = with("")});
  REQUIRE(task.start().code == 0);
  SECTION("a dropped column stops before the cut-over") {
    gh_ost(source, "DROP COLUMN n");
    source.sql("INSERT INTO shop.item (name) VALUES ('after')");
    CHECK(suspended_by(task, "item") == "ddl.drop-column");
    REQUIRE(comes_through(task, source, target));
    CHECK(target.value("SELECT count(*) FROM shop.item") == "3");
    resolve(task, {"--apply"});
    REQUIRE(comes_through(task, source, target));
    check_equal(source, target, "item");
  }
  SECTION("an index goes by its own") {
    pt_osc(source, "ADD INDEX by_name (name)");
    source.sql("INSERT INTO shop.item (name) VALUES ('after')");
    REQUIRE(comes_through(task, source, target));
    check_equal(source, target, "item");
  }
  SECTION("values that may have been lost with a column's name") {
    gh_ost(source, "CHANGE name label VARCHAR(20)");
    CHECK(suspended_by(task, "item") == "ddl.unreadable");
    target.sql("DROP TABLE shop.item");
    resolve(task, {"--reload"});
    REQUIRE(comes_through(task, source, target));
    check_equal(source, target, "item");
  }
  SECTION("rows that a new unique index may have cost") {
    pt_osc(source, "ADD UNIQUE INDEX only_one (state)");
    CHECK(suspended_by(task, "item") == "ddl.unreadable");
    resolve(task, {"--reload"});
    REQUIRE(comes_through(task, source, target));
    check_equal(source, target, "item");
  }
  SECTION("values that the copy worked out for each row") {
    gh_ost(source, "ADD COLUMN at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)");
    CHECK(suspended_by(task, "item") == "ddl.step");
    REQUIRE(comes_through(task, source, target));
  }
  SECTION("a table of which nothing is known, though it is called like one") {
    source.sql("CREATE TABLE shop.x (id INT PRIMARY KEY, name VARCHAR(20), n INT, state INT)");
    source.sql("RENAME TABLE shop.x TO shop._item_new");
    source.sql("RENAME TABLE shop.item TO shop._item_old, shop._item_new TO shop.item");
    CHECK(suspended_by(task, "item") == "ddl.table-replaced");
    REQUIRE(comes_through(task, source, target));
  }
}

TEST_CASE("what becomes of tables is applied where the policies say so", "[server][ddl]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTable);
  source.sql("CREATE TABLE shop.late (id INT PRIMARY KEY); INSERT INTO shop.late VALUES (1)");
  TaskRun task(source, target,
               {.rest = "\n[[table]]\nmatch = \"shop.*\"\n[table.ddl]\ndrop_table = \"apply\"\n"
                        "rename_table = \"apply\"\n"});
  REQUIRE(task.start().code == 0);
  source.sql("DROP TABLE shop.late");
  REQUIRE(comes_through(task, source, target));
  CHECK(tables_of(target) == "item mark");

  source.sql("INSERT INTO shop.item (name) VALUES ('before')");
  source.sql("RENAME TABLE shop.item TO shop.thing");
  source.sql("INSERT INTO shop.thing (name) VALUES ('after')");
  source.sql("ALTER TABLE shop.thing ADD note VARCHAR(9) DEFAULT 'x'");
  REQUIRE(comes_through(task, source, target));
  CHECK(tables_of(target) == "mark thing");
  check_equal(source, target, "thing");
  task.kill_worker();
  source.sql("UPDATE shop.thing SET note = 'y'");
  REQUIRE(comes_through(task, source, target));
  check_equal(source, target, "thing");
  REQUIRE(task.stop().code == 0);
  check_started(task);

  // Nobody would follow it there.
  source.sql("CREATE DATABASE other; RENAME TABLE shop.thing TO other.thing");
  CHECK(suspended_by(task, "thing") == "ddl.rename-table");
  REQUIRE(comes_through(task, source, target));
}

TEST_CASE("a rule's policies are for its tables alone", "[server][ddl]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTable);
  TaskRun task(source, target,
               {.rest = "\n[[table]]\nmatch = \"shop.item\"\n[table.ddl]\nindex = \"alert\"\n"
                        "change_type = \"apply\"\n[[table]]\nmatch = \"shop.*\"\n"});
  REQUIRE(task.start().code == 0);
  source.sql("CREATE INDEX by_n ON shop.mark (n)");
  source.sql("CREATE INDEX by_n ON shop.item (n)");
  // MODIFY says all of a column again, and changes nothing but its default and its comment.
  source.sql("ALTER TABLE shop.mark MODIFY n BIGINT NOT NULL DEFAULT 3 COMMENT 'counts'");
  source.sql("ALTER TABLE shop.item MODIFY n BIGINT NOT NULL DEFAULT 7");
  source.sql("INSERT INTO shop.item (name, n) VALUES ('wide', 5000000000)");
  REQUIRE(comes_through(task, source, target));
  check_equal(source, target, "item");
  CHECK(events(task, "ddl.not-applied") == 1);
  CHECK(events(task, "ddl.applied") == 1);
  source.sql("ALTER TABLE shop.mark MODIFY n DECIMAL(20,0) NOT NULL");
  CHECK(suspended_by(task, "mark") == "ddl.change-type");
}

TEST_CASE(
    "PostgreSQL: a table is renamed on the target, and none is dropped that may only be "
    "called otherwise",
    "[server][ddl][pgsource]") {
  TempPostgres source;
  TempPostgres target;
  source.sql(
      "ALTER ROLE weir SUPERUSER; CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, "
      "n int); INSERT INTO shop.item VALUES (1, 1); CREATE TABLE shop.mark (id int PRIMARY KEY)");
  TaskRun task(source, target,
               {.rest = "[[table]]\nmatch = \"shop.*\"\n[ddl]\nrename_table = \"apply\"\n"
                        "drop_table = \"apply\"\n"});
  check_started(task);
  source.sql("ALTER TABLE shop.item RENAME TO thing; INSERT INTO shop.thing VALUES (2, 2)");
  REQUIRE(task.await([&] { return tables_of(target) == "mark thing"; }));
  source.sql("UPDATE shop.thing SET n = 5 WHERE id = 1");
  REQUIRE(task.await([&] {
    return target.value("SELECT string_agg(n::text, ' ' ORDER BY id) FROM shop.thing") == "5 2";
  }));
  REQUIRE(task.stop().code == 0);
  // No row follows that would tell its new name.
  source.sql("ALTER TABLE shop.thing RENAME TO other; ALTER TABLE shop.other SET SCHEMA public");
  task.start("");
  CHECK(suspended_by(task, "thing") == "ddl.drop-table");
  CHECK(target.value("SELECT count(*) FROM shop.thing") == "2");
  // Somebody who knows may say so.
  resolve(task, {"--apply"});
  CHECK(tables_of(target) == "mark");
}
