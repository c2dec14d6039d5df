// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/type_samples.h"
#include "support/eventually.h"
#include "support/task_run.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"
#include "support/temp_postgres.h"

using namespace weir::test;

namespace {

const std::string kSchema = "types";

// The keys of the three copies of the samples, by how they come to the target.
constexpr unsigned kFull = 1000;
constexpr unsigned kInserted = 2000;
constexpr unsigned kUpdated = 3000;

/// Neither in UTC, nor a whole number of hours away from it.
const std::vector<std::string> kArgs = {"--default-time-zone=+05:45", "--max-allowed-packet=128M"};

std::string cut(const std::string& text) {
  return text.size() > 200 ? text.substr(0, 200) + "..." : text;
}

/// What differs between the source's and the target's rows of a table, one line for each cell.
std::vector<std::string> differences(MySqlSession& source, PgSession& target,
                                     const SampleTable& table) {
  const bool mariadb = source.value("SELECT version()").find("MariaDB") != std::string::npos;
  std::string source_query = "SELECT id";
  std::string target_query = "SELECT id";
  for (const SampleColumn& column : table.columns) {
    source_query += ", " + on_source(column, mariadb);
    target_query += ", " + on_target(column);
  }
  const std::string rest = fmt::format(" FROM {}.{} ORDER BY id", kSchema, table.name);
  const Rows expected = source.query(source_query + rest);
  const Rows found = target.query(target_query + rest);
  std::vector<std::string> out;
  if (expected.size() != found.size()) {
    out.push_back(fmt::format("{}: {} rows, not {}", table.name, found.size(), expected.size()));
  }
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    // An expression that always gives NULL would find everything equal.
    if (std::none_of(expected.begin(), expected.end(),
                     [i](const auto& row) { return row[i + 1] != "NULL"; })) {
      out.push_back(fmt::format("{}.{}: no values", table.name, table.columns[i].name));
    }
  }
  for (std::size_t row = 0; row < std::min(expected.size(), found.size()); ++row) {
    if (expected[row][0] != found[row][0]) {
      out.push_back(fmt::format("{}: key {}, not {}", table.name, found[row][0], expected[row][0]));
    }
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      const SampleColumn& column = table.columns[i];
      const std::string want = canonical(column.form, expected[row][i + 1]);
      const std::string have = canonical(column.form, found[row][i + 1]);
      if (want == have) continue;
      out.push_back(fmt::format("{}.{} id {}: target {}, source {}", table.name, column.name,
                                found[row][0], cut(have), cut(want)));
    }
  }
  return out;
}

/// Columns of the target that the full stage and the incremental one filled differently.
std::vector<std::string> disagreements(PgSession& target, const SampleTable& table) {
  std::vector<std::string> out;
  for (const SampleColumn& column : table.columns) {
    for (const unsigned other : {kInserted, kUpdated}) {
      const Rows rows = target.query(fmt::format(
          "SELECT a.id, left(a.\"{0}\"::text, 200), b.id, left(b.\"{0}\"::text, 200) FROM {1}.{2} "
          "a "
          "JOIN {1}.{2} b ON b.id = a.id + {3} WHERE a.id < {4} AND a.\"{0}\"::text IS DISTINCT "
          "FROM b.\"{0}\"::text ORDER BY 1",
          column.name, kSchema, table.name, other - kFull, kInserted));
      for (const auto& row : rows) {
        out.push_back(fmt::format("{}.{}: id {} is {}, id {} is {}", table.name, column.name,
                                  row[0], row[1], row[2], row[3]));
      }
    }
  }
  return out;
}

void check_none(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) UNSCOPED_INFO(line);
  CHECK(lines.empty());
}

void fill_before(MySqlSession& source, const SampleTable& table) {
  if (table.old_temporal) source.sql("SET GLOBAL mysql56_temporal_format = OFF");
  source.sql(create_statement(kSchema, table));
  if (table.old_temporal) source.sql("SET GLOBAL mysql56_temporal_format = ON");
  source.sql(insert_statements(kSchema, table, kFull));
  source.sql(insert_statements(kSchema, table, kUpdated, 1));
}

void fill_while_running(MySqlSession& source, const SampleTable& table) {
  source.sql(insert_statements(kSchema, table, kInserted));
  source.sql(update_statements(kSchema, table, kUpdated));
}

MySqlSession writer(MySqlServer& server) {
  MySqlSession session = server.session();
  session.sql("SET NAMES utf8mb4; SET time_zone = '+00:00'");
  return session;
}

/// The rows of the table `mark` arrive behind all that was committed before.
void wait_until_applied(TaskRun& task, MySqlSession& source, PgSession& target) {
  source.sql(fmt::format("INSERT INTO {}.mark VALUES (1)", kSchema));
  REQUIRE(task.await(
      [&] { return target.value(fmt::format("SELECT count(*) FROM {}.mark", kSchema)) == "1"; }));
}

void make_schema(MySqlSession& source) {
  source.sql(
      fmt::format("CREATE DATABASE {0}; CREATE TABLE {0}.mark (id INT PRIMARY KEY)", kSchema));
}

std::string rules(const std::string& more = "") {
  return "[[table]]\nmatch = \"types.*\"\n[failover]\nlimit = 0\n" + more;
}

void check_every_type(MySqlServer& server, const std::vector<std::string>& expected_tables) {
  TempPostgres postgres;
  MySqlSession source = writer(server);
  make_schema(source);
  const std::vector<SampleTable> tables = type_samples(server);
  for (const std::string& name : expected_tables) {
    INFO(name);
    CHECK(std::any_of(tables.begin(), tables.end(),
                      [&](const SampleTable& table) { return table.name == name; }));
  }
  for (const SampleTable& table : tables) fill_before(source, table);

  TaskRun task(server, postgres, {.name = "types", .rest = rules()});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);

  for (const SampleTable& table : tables) fill_while_running(source, table);
  PgSession target = postgres.session();
  wait_until_applied(task, source, target);

  for (const SampleTable& table : tables) {
    INFO(table.name);
    CHECK(target.value(fmt::format("SELECT count(*) FROM {}.{}", kSchema, table.name)) ==
          std::to_string(3 * table.rows()));
    check_none(disagreements(target, table));
    check_none(differences(source, target, table));
  }
  CHECK(task.stop().code == 0);

  // Comparisons that see nothing would pass all of the above.
  const SampleTable& last = tables.back();
  target.sql(fmt::format("DELETE FROM {}.{} WHERE id = {}", kSchema, last.name, kFull));
  CHECK_FALSE(differences(source, target, last).empty());
  const auto integers = std::find_if(tables.begin(), tables.end(), [](const SampleTable& table) {
    return table.name == "integers";
  });
  REQUIRE(integers != tables.end());
  target.sql(fmt::format("UPDATE {}.integers SET big = big + 1 WHERE id = {}", kSchema, kInserted));
  CHECK(disagreements(target, *integers).size() == 1);
  CHECK(differences(source, target, *integers).size() == 1);
}

/// Keys of every type: chunks of two rows, then new, changed, moved and deleted rows.
void check_every_key(MySqlServer& server) {
  constexpr std::size_t kBefore = 3;
  TempPostgres postgres;
  MySqlSession source = writer(server);
  make_schema(source);
  const std::vector<SampleTable> tables = key_samples(server);
  const auto insert = [&](const SampleTable& table, std::size_t row) {
    source.sql(fmt::format("INSERT INTO {}.{} VALUES ({}, {}, {})", kSchema, table.name, row,
                           table.columns[0].values[row], row));
  };
  for (const SampleTable& table : tables) {
    source.sql(fmt::format("CREATE TABLE {}.{} (id INT NOT NULL, k {} PRIMARY KEY, v INT)", kSchema,
                           table.name, table.columns[0].definition));
    for (std::size_t row = 0; row < kBefore; ++row) insert(table, row);
  }
  TaskRun task(server, postgres, {.name = "keys", .rest = rules("[full]\nchunk_rows = 2\n")});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
  PgSession target = postgres.session();
  for (const SampleTable& table : tables) check_none(differences(source, target, table));

  for (const SampleTable& table : tables) {
    const std::string name = kSchema + "." + table.name;
    const std::vector<std::string>& keys = table.columns[0].values;
    for (std::size_t row = kBefore; row + 1 < keys.size(); ++row) insert(table, row);
    source.sql(fmt::format("UPDATE {} SET v = v + 100 WHERE id <> 1", name));
    source.sql(fmt::format("DELETE FROM {} WHERE id = 1", name));
    source.sql(fmt::format("UPDATE {} SET k = {} WHERE id = 2", name, keys.back()));
  }
  wait_until_applied(task, source, target);
  for (const SampleTable& table : tables) {
    CHECK(target.value(fmt::format("SELECT count(*) FROM {}.{}", kSchema, table.name)) ==
          std::to_string(table.columns[0].values.size() - 2));
    check_none(differences(source, target, table));
  }
  CHECK(task.stop().code == 0);
}

TaskRun::Options with_zero_dates(const std::string& policy) {
  return {.name = "zero-dates", .rest = rules("[types]\nzero_dates = \"" + policy + "\"\n")};
}

void check_zero_dates(MySqlServer& server) {
  MySqlSession source = writer(server);
  const SampleTable table = zero_date_samples();
  for (const std::string policy : {"null", "1970-01-02"}) {
    INFO(policy);
    TempPostgres postgres;
    source.sql("DROP DATABASE IF EXISTS " + kSchema);
    make_schema(source);
    fill_before(source, table);
    TaskRun task(server, postgres, with_zero_dates(policy));
    const TaskRun::Result started = task.start();
    INFO(started.text());
    REQUIRE(started.code == 0);
    fill_while_running(source, table);
    PgSession target = postgres.session();
    wait_until_applied(task, source, target);
    for (const SampleColumn& column : table.columns) {
      INFO(column.name);
      const std::string text = on_target(column);
      const std::string day = policy == "null" ? "NULL" : policy;
      const bool with_time = day != "NULL" && column.form != Form::date;
      // Every row but those whose sample is NULL, three times.
      const std::size_t nulls = 3 * (table.rows() - column.values.size());
      const std::size_t dates = 3 * column.values.size();
      Rows expected;
      if (day != "NULL") {
        expected.push_back({with_time ? day + " 00:00:00.000000" : day, std::to_string(dates)});
        expected.push_back({"NULL", std::to_string(nulls)});
      } else {
        expected.push_back({"NULL", std::to_string(nulls + dates)});
      }
      CHECK(target.query(fmt::format("SELECT {0}, count(*) FROM {1}.{2} GROUP BY 1 ORDER BY 1 "
                                     "NULLS LAST",
                                     text, kSchema, table.name)) == expected);
    }
    CHECK(task.stop().code == 0);
  }
}

/// A value that cannot go to the target stops the task by name, and leaves nothing behind.
void check_refused(MySqlServer& server, const SampleTable& table, const std::string& id) {
  MySqlSession source = writer(server);
  make_schema(source);
  {
    TempPostgres postgres;
    fill_before(source, table);
    TaskRun task(server, postgres, {.name = "refused", .rest = rules()});
    const TaskRun::Result started = task.start();
    INFO(started.text());
    CHECK(started.code == 4);
    CHECK_THAT(started.err, Catch::Contains(id));
    CHECK_THAT(started.err, Catch::Contains(table.name));
  }
  TempPostgres postgres;
  source.sql(fmt::format("DELETE FROM {}.{}", kSchema, table.name));
  TaskRun task(server, postgres,
               {.name = "refused", .rest = rules() + "[dirty]\npolicy = \"stop-task\"\n"});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
  source.sql("START TRANSACTION");
  source.sql(fmt::format("INSERT INTO {}.mark VALUES (7)", kSchema));
  source.sql(insert_statements(kSchema, table, kInserted));
  source.sql("COMMIT");
  const bool ended = eventually([&] { return task.supervisor() < 0; });
  const nlohmann::json status = task.status();
  INFO(status.dump(2) << '\n' << task.log());
  REQUIRE(ended);
  CHECK(status["state"] == "refused");
  CHECK(status["error"]["id"] == id);
  CHECK_THAT(status["error"]["what"].get<std::string>(), Catch::Contains(table.name));
  PgSession target = postgres.session();
  CHECK(target.value(fmt::format("SELECT count(*) FROM {}.{}", kSchema, table.name)) == "0");
  CHECK(target.value(fmt::format("SELECT count(*) FROM {}.mark", kSchema)) == "0");
}

}  // namespace

TEST_CASE("keys of every type of MariaDB find their rows", "[types][server]") {
  TempMariaDb server({.args = kArgs});
  check_every_key(server);
}

TEST_CASE("keys of every type of MySQL 9 find their rows", "[types][server][bootstrap]") {
  TempMySql server({.args = kArgs});
  check_every_key(server);
}

TEST_CASE("dates of no calendar follow types.zero_dates", "[types][server]") {
  TempMariaDb server({.args = kArgs});
  check_zero_dates(server);
}

TEST_CASE("dates of no calendar of MySQL 9 follow types.zero_dates", "[types][server][bootstrap]") {
  TempMySql server({.args = kArgs});
  check_zero_dates(server);
}

TEST_CASE("refused dates stop the task in either stage", "[types][server]") {
  TempMariaDb server({.args = kArgs});
  check_refused(server, zero_date_samples(), "mysql.zero-date");
}

TEST_CASE("refused dates of MySQL 9 stop the task in either stage", "[types][server][bootstrap]") {
  TempMySql server({.args = kArgs});
  check_refused(server, zero_date_samples(), "mysql.zero-date");
}

TEST_CASE("text with a NUL stops the task in either stage", "[types][server]") {
  TempMariaDb server({.args = kArgs});
  check_refused(server, nul_samples(), "postgres.nul");
}

TEST_CASE("tinyint(1) is a boolean where the task says so", "[types][server]") {
  TempMariaDb server({.args = kArgs});
  TempPostgres postgres;
  MySqlSession source = writer(server);
  make_schema(source);
  const SampleTable table = boolean_samples();
  fill_before(source, table);
  TaskRun task(server, postgres,
               {.name = "booleans", .rest = rules("[types]\ntinyint1 = \"boolean\"\n")});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
  fill_while_running(source, table);
  PgSession target = postgres.session();
  wait_until_applied(task, source, target);
  CHECK(target.value("SELECT count(*) FROM information_schema.columns WHERE table_schema = 'types' "
                     "AND data_type = 'boolean'") == "2");
  check_none(disagreements(target, table));
  check_none(differences(source, target, table));
  CHECK(task.stop().code == 0);
}

TEST_CASE("every type of MariaDB at its extremes comes through both stages", "[types][server]") {
  TempMariaDb server({.args = kArgs});
  check_every_type(server, {"addresses", "compressed"});
}

TEST_CASE("every type of MariaDB 11.8 at its extremes comes through both stages",
          "[types][server][bootstrap]") {
  std::vector<std::string> args = kArgs;
  args.emplace_back("--binlog-row-metadata=FULL");
  TempMariaDb server({.release = TempMariaDb::Release::v11_8, .args = args});
  check_every_type(server, {"addresses", "compressed", "vectors"});
}

TEST_CASE("every type of MySQL 9 at its extremes comes through both stages",
          "[types][server][bootstrap]") {
  TempMySql server({.args = kArgs});
  check_every_type(server, {"documents", "vectors"});
}
