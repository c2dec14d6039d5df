// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/mount.h>

#include "server/type_samples.h"
#include "store/state_store.h"
#include "support/eventually.h"
#include "support/onlooker.h"
#include "support/seed.h"
#include "support/shop_load.h"
#include "support/sqlite_file.h"
#include "support/task_run.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"

using namespace weir::test;
using nlohmann::json;

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

const std::string kSchema = "types";
constexpr unsigned kFull = 1000;
constexpr unsigned kInserted = 2000;
constexpr unsigned kUpdated = 3000;

/// Neither in UTC, nor a whole number of hours away from it.
const std::vector<std::string> kArgs = {"--default-time-zone=+05:45", "--max-allowed-packet=128M"};

MySqlSession writer(MySqlServer& server) {
  MySqlSession session = server.session();
  session.sql("SET NAMES utf8mb4; SET time_zone = '+00:00'");
  return session;
}

std::string cut(const std::string& text) {
  return text.size() > 200 ? text.substr(0, 200) + "..." : text;
}

void check_none(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) UNSCOPED_INFO(line);
  CHECK(lines.empty());
}

// What a value is, in the same words on both sides.

std::string on_mysql(const SampleColumn& column, bool mariadb) {
  const std::string name = '`' + column.name + '`';
  const auto whole_or_sum = [](const std::string& bytes) {
    return fmt::format(
        "CONCAT(LENGTH({0}), ':', IF(LENGTH({0}) > 2000, CRC32({0}), LOWER(HEX({0}))))", bytes);
  };
  if (column.form == Form::text) {
    return whole_or_sum(fmt::format("CAST(CONVERT({} USING utf8mb4) AS BINARY)", name));
  }
  if (column.form == Form::bytes) return whole_or_sum(name);
  return on_source(column, mariadb);
}

std::string on_sqlite(const SampleColumn& column) {
  const std::string name = '"' + column.name + '"';
  switch (column.form) {
    case Form::boolean:
      return fmt::format("iif({0} IS NULL, NULL, iif({0}, 'true', 'false'))", name);
    case Form::integer:
      return fmt::format("CAST({} AS TEXT)", name);
    case Form::decimal: {
      const std::size_t comma = column.definition.find(',');
      const int scale =
          comma == std::string::npos ? 0 : std::atoi(column.definition.c_str() + comma + 1);
      return fmt::format("iif(typeof({0}) = 'real', printf('%.{1}f', {0}), CAST({0} AS TEXT))",
                         name, scale);
    }
    case Form::text:
    case Form::bytes: {
      const std::string bytes = fmt::format("CAST({} AS BLOB)", name);
      return fmt::format(
          "length({0}) || ':' || iif(length({0}) > 2000, crc32({0}), lower(hex({0})))", bytes);
    }
    case Form::year:
    case Form::short_year:
      return fmt::format("iif({0} IS NULL, NULL, printf('%04d', {0}))", name);
    case Form::time:
      return fmt::format("iif(instr({0}, '.'), rtrim(rtrim({0}, '0'), '.'), {0})", name);
    case Form::datetime:
    case Form::timestamp:
      return fmt::format(
          "iif(instr({0}, '.'), {0} || substr('000000', length({0}) - instr({0}, '.') + 1), {0} || "
          "'.000000')",
          name);
    case Form::geometry:
    case Form::vector:
      return fmt::format("iif({0} IS NULL, NULL, lower(hex({0})))", name);
    default:
      return name;
  }
}

std::string hex_of(const unsigned char* bytes, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out += fmt::format("{:02x}", bytes[i]);
  return out;
}

/// What SQL of SQLite cannot say.
std::string in_words(const SampleColumn& column, const std::string& text) {
  if (text == "NULL") return text;
  if (column.form == Form::number) {
    const bool single = column.definition.starts_with("FLOAT");
    double value = single ? static_cast<double>(std::strtof(text.c_str(), nullptr))
                          : std::strtod(text.c_str(), nullptr);
    if (value == 0) value = 0;  // SQLite has no -0
    return fmt::format("{:a}", value);
  }
  if (column.form == Form::inet) {
    std::array<unsigned char, 16> bytes{};
    if (text.find(':') == std::string::npos) {
      REQUIRE(inet_pton(AF_INET, text.c_str(), bytes.data()) == 1);
      return hex_of(bytes.data(), 4);
    }
    REQUIRE(inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1);
    return hex_of(bytes.data(), 16);
  }
  if (column.form == Form::geometry) {
    const auto byte = [&](std::size_t i) {
      return static_cast<unsigned>(std::stoul(text.substr(2 * i, 2), nullptr, 16));
    };
    if ((byte(4) & 0x20U) == 0) return "0:" + text;
    const unsigned srid = byte(5) | byte(6) << 8 | byte(7) << 16 | byte(8) << 24;
    return fmt::format("{}:{}{:02x}{}", srid, text.substr(0, 8), byte(4) & 0xdfU, text.substr(18));
  }
  return text;
}

std::string source_in_words(const SampleColumn& column, const std::string& text) {
  return column.form == Form::number ? in_words(column, text) : text;
}

std::vector<std::string> differences(MySqlSession& source, SqliteSession& target,
                                     const SampleTable& table) {
  const bool mariadb = source.value("SELECT version()").find("MariaDB") != std::string::npos;
  std::string source_query = "SELECT id";
  std::string target_query = "SELECT id";
  for (const SampleColumn& column : table.columns) {
    source_query += ", " + on_mysql(column, mariadb);
    target_query += ", " + on_sqlite(column);
  }
  const Rows expected =
      source.query(fmt::format("{} FROM {}.{} ORDER BY id", source_query, kSchema, table.name));
  const Rows found = target.query(fmt::format("{} FROM {} ORDER BY id", target_query, table.name));
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
      const std::string want = source_in_words(column, expected[row][i + 1]);
      const std::string have = in_words(column, found[row][i + 1]);
      if (want == have) continue;
      out.push_back(fmt::format("{}.{} id {}: target {}, source {}", table.name, column.name,
                                found[row][0], cut(have), cut(want)));
    }
  }
  return out;
}

/// Columns that the full stage and the incremental one filled differently.
std::vector<std::string> disagreements(SqliteSession& target, const SampleTable& table) {
  std::vector<std::string> out;
  for (const SampleColumn& column : table.columns) {
    for (const unsigned other : {kInserted, kUpdated}) {
      const Rows rows = target.query(fmt::format(
          "SELECT a.id, quote(substr(a.\"{0}\", 1, 100)), quote(substr(b.\"{0}\", 1, 100)) FROM "
          "{1} a JOIN {1} b ON b.id = a.id + {2} WHERE a.id < {3} AND (a.\"{0}\" IS NOT b.\"{0}\" "
          "OR typeof(a.\"{0}\") <> typeof(b.\"{0}\")) ORDER BY 1",
          column.name, table.name, other - kFull, kInserted));
      for (const auto& row : rows) {
        out.push_back(fmt::format("{}.{}: id {} is {}, later {}", table.name, column.name, row[0],
                                  row[1], row[2]));
      }
    }
  }
  return out;
}

std::string rules(const std::string& more = "") {
  return "[[table]]\nmatch = \"types.*\"\n[failover]\nlimit = 0\n" + more;
}

void make_schema(MySqlSession& source) {
  source.sql(
      fmt::format("CREATE DATABASE {0}; CREATE TABLE {0}.mark (id INT PRIMARY KEY)", kSchema));
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

void wait_until_applied(TaskRun& task, MySqlSession& source, SqliteSession& target) {
  source.sql(fmt::format("INSERT INTO {}.mark VALUES (1)", kSchema));
  REQUIRE(task.await([&] { return target.value("SELECT count(*) FROM mark") == "1"; }));
}

void check_every_type(MySqlServer& server) {
  const SqliteFile file;
  MySqlSession source = writer(server);
  make_schema(source);
  std::vector<SampleTable> tables = type_samples(server);
  tables.push_back(nul_samples());
  for (const SampleTable& table : tables) fill_before(source, table);
  TaskRun task(server, file.section(), {.name = "types", .rest = rules()});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
  for (const SampleTable& table : tables) fill_while_running(source, table);
  SqliteSession target = file.session();
  wait_until_applied(task, source, target);
  for (const SampleTable& table : tables) {
    INFO(table.name);
    CHECK(target.value("SELECT count(*) FROM " + table.name) == std::to_string(3 * table.rows()));
    check_none(disagreements(target, table));
    check_none(differences(source, target, table));
  }
  CHECK(target.value("PRAGMA integrity_check") == "ok");
  CHECK(target.value("SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = "
                     "'table' AND NOT strict AND name NOT LIKE 'sqlite_%'") == "0");
  CHECK(task.stop().code == 0);

  // Comparisons that see nothing would pass all of the above.
  target.sql(fmt::format("UPDATE integers SET big = big - 1 WHERE id = {}", kInserted + 1));
  const auto integers = std::find_if(tables.begin(), tables.end(), [](const SampleTable& table) {
    return table.name == "integers";
  });
  REQUIRE(integers != tables.end());
  CHECK(disagreements(target, *integers).size() == 1);
  CHECK(differences(source, target, *integers).size() == 1);
}

void check_every_key(MySqlServer& server) {
  constexpr std::size_t kBefore = 3;
  const SqliteFile file;
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
  TaskRun task(server, file.section(), {.name = "keys", .rest = rules("[full]\nchunk_rows = 2\n")});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
  SqliteSession target = file.session();
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
    CHECK(target.value("SELECT count(*) FROM " + table.name) ==
          std::to_string(table.columns[0].values.size() - 2));
    check_none(differences(source, target, table));
  }
  CHECK(task.stop().code == 0);
}

// The shop: whole tables, as text, in an order that each side makes.

struct Compared {
  const char* table;
  const char* source;
  const char* target;
};

constexpr auto kCompared = std::to_array<Compared>({
    {"item",
     "CONCAT_WS('|', id, name, price, DATE_FORMAT(made, '%Y-%m-%d %H:%i:%s.%f'), "
     "COALESCE(note, '~'))",
     "id || '|' || name || '|' || printf('%.2f', price) || '|' || made || '|' || "
     "coalesce(note, '~')"},
    {"word", "CONCAT_WS('|', k, n)", "k || '|' || n"},
    {"part", "CONCAT_WS('|', region, code, DATE_FORMAT(day, '%Y-%m-%d'), qty)",
     "region || '|' || code || '|' || day || '|' || qty"},
    {"seat", "CONCAT_WS('|', id, no, COALESCE(holder, '~'))",
     "id || '|' || no || '|' || coalesce(holder, '~')"},
    {"moved", "CONCAT_WS('|', id, v)", "id || '|' || v"},
    {"picture",
     "CONCAT_WS('|', id, COALESCE(LENGTH(body), '~'), COALESCE(CRC32(body), '~'), "
     "COALESCE(CRC32(words), '~'))",
     "id || '|' || coalesce(length(body), '~') || '|' || coalesce(crc32(body), '~') || '|' || "
     "coalesce(crc32(words), '~')"},
    {"scratch", "CONCAT_WS('|', id, x)", "id || '|' || x"},
    {"plus", "CONCAT_WS('|', id, n)", "id || '|' || n"},
    {"minus", "CONCAT_WS('|', id, n)", "id || '|' || n"},
});

std::string shop_differences(MySqlSession& source, SqliteSession& target) {
  std::string out;
  for (const Compared& compared : kCompared) {
    const auto sorted = [](const Rows& rows) {
      std::vector<std::string> texts;
      for (const auto& row : rows) texts.push_back(row.at(0));
      std::sort(texts.begin(), texts.end());
      return texts;
    };
    const std::string from = std::string(" FROM ") + compared.table;
    const auto here = sorted(
        source.query(std::string("SELECT ") + compared.source + " FROM shop." + compared.table));
    const auto there = sorted(target.query(std::string("SELECT ") + compared.target + from));
    if (here == there) continue;
    std::vector<std::string> left;
    std::vector<std::string> right;
    std::set_difference(here.begin(), here.end(), there.begin(), there.end(),
                        std::back_inserter(left));
    std::set_difference(there.begin(), there.end(), here.begin(), here.end(),
                        std::back_inserter(right));
    out += fmt::format("{}: {} rows here, {} there; only here: {}; only there: {}\n",
                       compared.table, here.size(), there.size(), left.empty() ? "" : cut(left[0]),
                       right.empty() ? "" : cut(right[0]));
  }
  return out;
}

std::string file_mark(const SqliteFile& file) {
  try {
    return file.session().value("SELECT n FROM mark");
  } catch (const std::runtime_error&) {
    return "";  // no such file or table yet
  }
}

bool consistent(const SqliteFile& file) {
  try {
    return file.session().value("SELECT coalesce(min(unique_done), 0) FROM weir_table") == "1";
  } catch (const std::runtime_error&) {
    return false;
  }
}

bool gone(pid_t pid) {
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  return stat.empty() || stat.find(") Z ") != std::string::npos;
}

std::string shop_rules(const std::string& more) {
  return "[[table]]\nmatch = \"shop.*\"\n[failover]\nlimit = 1000\n" + more;
}

}  // namespace

TEST_CASE("every type of MariaDB at its extremes comes to an SQLite file", "[sqlite][server]") {
  TempMariaDb server({.args = kArgs});
  check_every_type(server);
}

TEST_CASE("every type of MySQL 9 at its extremes comes to an SQLite file",
          "[sqlite][server][bootstrap]") {
  TempMySql server({.args = kArgs});
  check_every_type(server);
}

TEST_CASE("keys of every type find their rows in an SQLite file", "[sqlite][server]") {
  TempMariaDb server({.args = kArgs});
  check_every_key(server);
}

TEST_CASE("a worker killed twenty times leaves an SQLite file whole", "[sqlite][server]") {
  constexpr int kKills = 20;
  constexpr int kFullKills = 8;
  const std::uint64_t seed = choose_seed();
  WARN("WEIR_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  TempMariaDb source;
  const SqliteFile file;
  ShopLoad load(source, {.seed = seed});
  TaskRun task(source, file.section(),
               {.rest = shop_rules("[full]\nchunk_rows = 200\nrate_limit = \"4000 rows/s\"\n")});
  load.start();
  const TaskRun::Result started = task.start("");
  INFO(started.text());
  REQUIRE(started.code == 0);

  std::map<std::string, int> kills;
  pid_t last = -1;
  int under_this_supervisor = 0;
  const auto stage = [&] {
    const auto row = weir::open_state(task.state_dir(), true)->task(task.name());
    if (!row || row->state != weir::TaskState::running) return std::string("start");
    return std::string(weir::to_string(row->stage));
  };
  const auto strike = [&](milliseconds most) {
    pid_t worker = -1;
    REQUIRE(task.await([&] {
      worker = task.worker();
      return worker > 0 && worker != last;
    }));
    last = worker;
    const auto pause = milliseconds(random() % static_cast<std::uint64_t>(most.count()));
    const Clock::time_point moment = Clock::now() + pause;
    task.await([&] { return Clock::now() >= moment; });
    ++kills[stage()];
    CHECK(task.kill_worker() == worker);
    if (++under_this_supervisor < 3) return;
    // The wait before the next worker doubles with each kill, until there is a new supervisor.
    under_this_supervisor = 0;
    const pid_t supervisor = task.kill_supervisor();
    // A signal takes its time, and as long as it lives there is nothing to start.
    REQUIRE(eventually([&] { return gone(supervisor); }));
    const TaskRun::Result again = task.start("");
    INFO(again.text());
    REQUIRE(again.code == 0);
  };
  const auto count = [&] {
    int sum = 0;
    for (const auto& [name, number] : kills) sum += number;
    return sum;
  };
  while (count() < kFullKills && stage() != "incremental") strike(milliseconds(1000));
  REQUIRE(task.await([&] { return consistent(file); }));
  Onlooker onlooker([&] { return file.session(); },
                    [](SqliteSession& session) { return two_sums(session, "plus", "minus"); });
  while (count() < kKills) strike(milliseconds(1500));
  load.stop();
  MySqlSession here = source.session();
  const std::string mark = set_mark(here);
  REQUIRE(task.await([&] { return file_mark(file) == mark; }));
  CHECK(onlooker.stop() == "");
  SqliteSession there = file.session();
  CHECK(shop_differences(here, there) == "");
  CHECK(there.value("SELECT sum(n) FROM plus") == std::to_string(load.commits()));
  CHECK(there.value("PRAGMA integrity_check") == "ok");
  WARN("kills: " << kills["start"] << " at the start, " << kills["full"] << " in full, "
                 << kills["incremental"] << " in incremental; " << load.commits() << " commits; "
                 << onlooker.states() << " states seen");
  // Else this was an easier test than it says.
  CHECK(kills["full"] > 2);
  CHECK(kills["incremental"] > 5);
  CHECK(load.commits() > 1000);
  CHECK(onlooker.states() > 20);
  CHECK(task.stop().code == 0);

  SECTION("and goes on after a stop") {
    load.start();
    // Under such writers a small machine may never be caught up.
    REQUIRE(task.start("").code == 0);
    load.stop();
    const std::string later = set_mark(here);
    REQUIRE(task.await([&] { return file_mark(file) == later; }));
    CHECK(shop_differences(here, there) == "");
  }
}

namespace {

void make_shop(TempMariaDb& source) {
  source.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(20), n "
      "BIGINT "
      "UNSIGNED, price DECIMAL(20,2)); INSERT INTO shop.item VALUES (1, 'a', 1, 1.5), (2, 'b', 2, "
      "2.5); CREATE DATABASE crm; CREATE TABLE crm.ITEM (id INT PRIMARY KEY)");
}

/// What a start that is refused must leave alone.
std::set<std::string> everything_in(const std::string& folder) {
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    out.insert(entry.path().string() +
               (entry.is_regular_file() ? read_file(entry.path()) : std::string()));
  }
  return out;
}

void check_refused(const TaskRun& task, const SqliteFile& file, const std::string& id) {
  INFO("expecting " << id);
  const std::set<std::string> before = everything_in(file.folder());
  const TaskRun::Result started = task.run({"sync", "start", task.file(), "--json"});
  INFO(started.text());
  CHECK(started.code == 4);
  CHECK_THAT(started.err, Catch::Contains("\"" + id + "\""));
  CHECK(task.supervisor() == -1);
  const TaskRun::Result checked = task.run({"preflight", task.file(), "--json"});
  INFO(checked.text());
  CHECK(checked.code == 4);
  std::size_t found = 0;
  const json document = checked.json();
  for (const json& finding : document.at("findings")) {
    if (finding.at("severity") != "critical" || finding.at("id") != id) continue;
    ++found;
    for (const char* part : {"what", "why", "fix"}) {
      CHECK_FALSE(finding.at(part).get<std::string>().empty());
    }
  }
  CHECK(found > 0);
  CHECK(everything_in(file.folder()) == before);
}

}  // namespace

TEST_CASE("an SQLite target refuses what it cannot do", "[sqlite][server]") {
  TempMariaDb source;
  make_shop(source);
  const SqliteFile file;
  const std::string rule = "[[table]]\nmatch = \"shop.*\"\n";
  const auto task_with = [&](const std::string& rest, const std::string& path) {
    return std::make_unique<TaskRun>(source,
                                     "[target]\nkind = \"sqlite\"\npath = \"" + path + "\"\n",
                                     TaskRun::Options{.rest = rest});
  };
  const auto refused = [&](const std::string& id, const std::string& rest) {
    check_refused(*task_with(rest, file.path()), file, id);
  };
  const auto make = [&](const std::string& sql) {
    std::ofstream(file.path()).close();
    SqliteSession(file.path()).sql(sql);
  };
  const auto remake = [&](const std::string& sql) {
    std::filesystem::remove(file.path());
    make(sql);
  };

  // Names fold, and schemas are none.
  refused("mapping.collision", "[[table]]\nmatch = \"*.*\"\n");
  refused("mapping.control-schema", rule + "target = \"x.WEIR_Task\"\n");
  refused("sqlite.name-reserved", rule + "target = \"x.sqlite_{table}\"\n");
  refused("mapping.column-collision", rule + "columns = { rename = { name = \"ID\" } }\n");
  refused("sqlite.type-unknown", rule + "columns = { type = { name = \"varchar(20)\" } }\n");
  refused("sqlite.type-other", rule + "columns = { type = { name = \"BLOB\" } }\n");

  check_refused(*task_with(rule, file.folder() + "/none/x.db"), file, "sqlite.folder-missing");
  check_refused(*task_with(rule, file.folder()), file, "sqlite.unreadable");
  std::ofstream(file.path()) << "id,name\n1,a\n";
  refused("sqlite.not-a-database", rule);
  remake(
      "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n, price TEXT); INSERT INTO item "
      "VALUES (9, 'z', 9, '9')");
  refused("sqlite.table-not-empty", rule);
  remake("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n)");
  refused("sqlite.column-missing", rule);
  remake("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n INTEGER, price TEXT)");
  refused("sqlite.type-narrow", rule);
  remake("CREATE TABLE item (id INTEGER PRIMARY KEY, name NUMERIC, n, price TEXT)");
  refused("sqlite.type-other", rule);
  remake("CREATE TABLE item (id INTEGER, name TEXT, n, price TEXT)");
  refused("sqlite.key-missing", rule);
  remake("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n, price TEXT, m NOT NULL)");
  refused("sqlite.column-unfilled", rule);
  remake("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT AS (id), n, price TEXT)");
  refused("sqlite.column-generated", rule);
  remake("CREATE VIEW item AS SELECT 1 AS id");
  refused("sqlite.not-a-table", rule);

  // Somebody else writes, and does not end.
  remake("CREATE TABLE other (id)");
  {
    SqliteSession other = file.session();
    other.sql("BEGIN IMMEDIATE");
    // Its bytes are not compared: to close the file here would take away the lock.
    const auto task = task_with(rule, file.path());
    const TaskRun::Result started = task->run({"sync", "start", task->file(), "--json"});
    INFO(started.text());
    CHECK(started.code == 4);
    CHECK_THAT(started.err, Catch::Contains("\"sqlite.locked\""));
  }

  // What is there may be taken over.
  const std::string there =
      "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n, price TEXT, mine TEXT); INSERT "
      "INTO "
      "item VALUES (9, 'z', 9, '9', 'm')";
  for (const auto& [policy, rows] :
       {std::pair("append", "3"), std::pair("truncate", "2"), std::pair("replace", "2")}) {
    INFO(policy);
    const SqliteFile fresh;
    std::ofstream(fresh.path()).close();
    SqliteSession(fresh.path()).sql(there);
    TaskRun task(source, fresh.section(), {.rest = rule + "existing = \"" + policy + "\"\n"});
    const TaskRun::Result started = task.start();
    INFO(started.text());
    REQUIRE(started.code == 0);
    CHECK(fresh.session().value("SELECT count(*) FROM item") == rows);
    CHECK(fresh.session().value("SELECT count(*) FROM pragma_table_info('item') WHERE name = "
                                "'mine'") == (std::string(policy) == "replace" ? "0" : "1"));
    CHECK(task.stop().code == 0);
  }
}

TEST_CASE("a table without a key stays equal in an SQLite file", "[sqlite][server]") {
  TempMariaDb source;
  source.sql(
      "CREATE DATABASE shop; USE shop; CREATE TABLE shop.log (a INT, b VARCHAR(20), c DOUBLE); "
      "INSERT INTO shop.log SELECT seq % 50, IF(seq % 7 = 0, NULL, 'x'), seq % 3 / 3 FROM "
      "seq_1_to_3000; CREATE TABLE shop.mark (id INT PRIMARY KEY, n BIGINT); INSERT INTO shop.mark "
      "VALUES (1, 0)");
  const SqliteFile file;
  TaskRun task(
      source, file.section(),
      {.rest = "[[table]]\nmatch = \"shop.log\"\nkey = \"all-columns\"\n[[table]]\nmatch = "
               "\"shop.*\"\n[failover]\nlimit = 1000\n"});
  std::string error;
  std::jthread load([&](const std::stop_token& stop) {
    try {
      MySqlSession session = source.session();
      for (int i = 0; !stop.stop_requested(); ++i) {
        session.sql(fmt::format(
            "INSERT INTO shop.log VALUES ({0}, 'y', 0.1), ({0}, 'y', 0.1); DELETE FROM "
            "shop.log WHERE a = {1} LIMIT 3; UPDATE shop.log SET b = NULL WHERE a = {2} "
            "LIMIT 2",
            i % 50, (i + 7) % 50, (i + 11) % 50));
      }
    } catch (const std::exception& e) {
      error = e.what();
    }
  });
  const TaskRun::Result started = task.start("incremental");
  INFO(started.text());
  REQUIRE(started.code == 0);
  const pid_t killed = task.kill_worker();
  REQUIRE(task.await([&] { return task.worker() > 0 && task.worker() != killed; }));
  load.request_stop();
  load.join();
  CHECK(error.empty());
  MySqlSession here = source.session();
  const std::string mark = set_mark(here);
  REQUIRE(task.await([&] { return file_mark(file) == mark; }));
  SqliteSession there = file.session();
  const std::string group = " GROUP BY a, b, round(c, 6) ORDER BY a, b, round(c, 6)";
  const std::string what = "SELECT a, b, count(*) FROM ";
  CHECK(here.query(what + "shop.log" + group) == there.query(what + "log" + group));
  CHECK(task.stop().code == 0);
}

TEST_CASE("a full disk stops an SQLite target by name and loses nothing", "[sqlite][server]") {
  const SqliteFile file;
  const std::string folder = file.folder() + "/small";
  std::filesystem::create_directory(folder);
  if (mount("none", folder.c_str(), "tmpfs", 0, "size=6m") != 0) {
    WARN("needs the right to mount a file system");
    return;
  }
  struct Unmount {
    std::string folder;
    ~Unmount() { umount2(folder.c_str(), MNT_DETACH); }
  };
  const Unmount unmount{folder};
  TempMariaDb source;
  source.sql(
      "CREATE DATABASE shop; USE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, v "
      "VARCHAR(1000)); INSERT "
      "INTO shop.item SELECT seq, REPEAT('x', 500) FROM seq_1_to_1000");
  const std::string path = folder + "/shop.db";
  TaskRun task(source, "[target]\nkind = \"sqlite\"\npath = \"" + path + "\"\n",
               {.rest = "[[table]]\nmatch = \"shop.*\"\n[failover]\nlimit = 1000\n"});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
  for (int i = 1; i <= 8; ++i) {
    source.sql(
        fmt::format("INSERT INTO shop.item SELECT {} + seq, REPEAT('y', 900) FROM "
                    "seq_1_to_1000",
                    i * 10000));
  }
  REQUIRE(task.await([&] {
    return task.status().at("error").dump().find("sqlite.disk-full") != std::string::npos;
  }));
  // The file is whole, at the end of a transaction.
  CHECK(std::stol(SqliteSession(path).value("SELECT count(*) FROM item")) % 1000 == 0);
  REQUIRE(mount("none", folder.c_str(), "tmpfs", MS_REMOUNT, "size=64m") == 0);
  REQUIRE(
      task.await([&] { return SqliteSession(path).value("SELECT count(*) FROM item") == "9000"; }));
  CHECK(SqliteSession(path).value("SELECT sum(length(v)) FROM item") ==
        source.value("SELECT SUM(LENGTH(v)) FROM shop.item"));
  CHECK(task.stop().code == 0);
}

TEST_CASE("readers of an SQLite target neither block the task nor let its log grow",
          "[sqlite][server]") {
  TempMariaDb source;
  source.sql(
      "CREATE DATABASE shop; USE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, v "
      "VARBINARY(2000)); "
      "CREATE "
      "TABLE shop.mark (id INT PRIMARY KEY, n BIGINT); INSERT INTO shop.mark VALUES (1, 0); INSERT "
      "INTO shop.item SELECT seq, RANDOM_BYTES(1000) FROM seq_1_to_20000");
  const SqliteFile file;
  TaskRun task(source, file.section(), {.rest = "[[table]]\nmatch = \"shop.*\"\n"});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);

  // Readers that follow one another without a gap: one of two always has the file open.
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::string error;
  const auto read = [&] {
    try {
      SqliteSession session = file.session();
      while (!stop) {
        session.sql("BEGIN");
        session.query("SELECT sum(length(v)) FROM item");
        session.query("SELECT max(length(hex(v))) FROM item");
        session.sql("COMMIT");
        ++reads;
      }
    } catch (const std::exception& e) {
      error = e.what();
    }
  };
  std::thread one(read);
  std::thread two(read);
  std::uintmax_t largest = 0;
  bool in_time = true;
  for (int i = 1; i <= 25 && in_time; ++i) {
    source.sql("UPDATE shop.item SET v = RANDOM_BYTES(1000)");
    MySqlSession session = source.session();
    const std::string mark = set_mark(session);
    in_time = task.await([&] { return file_mark(file) == mark; }, std::chrono::seconds(30));
    largest = std::max(largest, std::filesystem::file_size(file.path() + "-wal"));
  }
  stop = true;
  one.join();
  two.join();
  CHECK(in_time);
  CHECK(error.empty());
  CHECK(reads > 10);
  // 25 times 20 MB went through it.
  WARN("the log grew to " << largest / 1048576 << " MiB; " << reads << " reads");
  CHECK(largest < std::uintmax_t{220} << 20);
  CHECK(task.stop().code == 0);
}
