// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "store/state_store.h"
#include "support/eventually.h"
#include "support/task_run.h"
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
alter_column = "apply"
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

/// Waits until the task has ended, and returns its error's id.
std::string error_of(TaskRun& task) {
  std::string id;
  const bool ended = eventually([&] {
    const nlohmann::json status = task.status();
    if (status.at("state") != "refused" && status.at("state") != "failed") return false;
    id = status.at("error").at("id").get<std::string>();
    return true;
  });
  return ended ? id : "still running";
}

void check_started(TaskRun& task) {
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
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
          // The two sessions met; the server has rolled this statement back.
          if (std::string_view(error.what()).find("1213") == std::string_view::npos) throw;
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

TEST_CASE("a policy stops the task before a statement, and another lets it go on",
          "[server][ddl]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTable);
  const auto with = [](const std::string& policy) {
    return fmt::format("\n[[table]]\nmatch = \"shop.*\"\n[ddl]\n{}\n", policy);
  };
  TaskRun task(source, target, {.rest = with("")});
  REQUIRE(task.start().code == 0);

  SECTION("a dropped column, then applied") {
    source.sql("INSERT INTO shop.item (name) VALUES ('before')");
    source.sql("ALTER TABLE shop.item DROP COLUMN n");
    source.sql("INSERT INTO shop.item (name) VALUES ('after')");
    CHECK(error_of(task) == "ddl.drop-column");
    CHECK(task.status().at("error").at("exit_code") == 4);
    // What came before it is there, and nothing that came after.
    CHECK(target.value("SELECT name FROM shop.item ORDER BY id DESC LIMIT 1") == "before");
    CHECK(task.start().code == 4);
    task.rewrite(with("drop_column = \"apply\""));
    check_started(task);
    REQUIRE(comes_through(task, source, target));
    check_equal(source, target, "item");
  }
  SECTION("a dropped column, then ignored") {
    source.sql("ALTER TABLE shop.item DROP COLUMN n");
    source.sql("INSERT INTO shop.item (name) VALUES ('after')");
    CHECK(error_of(task) == "ddl.drop-column");
    task.rewrite(with("drop_column = \"ignore\""));
    target.sql("ALTER TABLE shop.item ALTER n DROP NOT NULL");
    check_started(task);
    REQUIRE(comes_through(task, source, target));
    CHECK(columns_of(target, "item") == "id, n, name, state");
    CHECK(target.value("SELECT count(*) FROM shop.item WHERE name = 'after'") == "1");
  }
  SECTION("an added column that stays out, and what comes after it") {
    task.rewrite(with("add_column = \"alert\""));
    REQUIRE(task.stop().code == 0);
    REQUIRE(task.start().code == 0);
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
    source.sql("ALTER TABLE shop.item ADD code CHAR(36) NOT NULL DEFAULT (UUID())");
    source.sql("INSERT INTO shop.item (name, code) VALUES ('after', 'own')");
    CHECK(error_of(task) == "ddl.step");
    CHECK(target.value("SELECT count(*) FROM shop.item") == "3");
    target.sql("ALTER TABLE shop.item ADD code varchar(36)");
    for (const auto& row : source.session().query("SELECT id, code FROM shop.item")) {
      target.sql(fmt::format("UPDATE shop.item SET code = '{}' WHERE id = {}", row[1], row[0]));
    }
    check_started(task);
    REQUIRE(comes_through(task, source, target));
    check_equal(source, target, "item");
  }
  SECTION("a rename cannot be ignored") {
    task.rewrite(with("alter_column = \"ignore\""));
    REQUIRE(task.stop().code == 0);
    REQUIRE(task.start().code == 0);
    source.sql("ALTER TABLE shop.item CHANGE name label VARCHAR(20)");
    CHECK(error_of(task) == "ddl.rename-ignored");
  }
  SECTION("a view on the target stands in the way, and then does not") {
    task.rewrite(with("alter_column = \"apply\""));
    REQUIRE(task.stop().code == 0);
    target.sql("CREATE VIEW shop.seen AS SELECT n FROM shop.item");
    REQUIRE(task.start().code == 0);
    source.sql("ALTER TABLE shop.item MODIFY n BIGINT NOT NULL");
    source.sql("INSERT INTO shop.item (name, n) VALUES ('wide', 5000000000)");
    CHECK(error_of(task) == "ddl.target");
    target.sql("DROP VIEW shop.seen");
    check_started(task);
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
    source.sql("CREATE TABLE shop.item (id INT PRIMARY KEY, n INT)");
    CHECK(error_of(task) == "ddl.table-replaced");
  }
  SECTION("replaced by a rename") {
    source.sql("CREATE TABLE shop.other (id INT PRIMARY KEY, n INT)");
    source.sql("RENAME TABLE shop.item TO shop.old_item, shop.other TO shop.item");
    CHECK(error_of(task) == "ddl.table-replaced");
  }
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
