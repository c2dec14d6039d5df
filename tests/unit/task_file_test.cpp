// SPDX-License-Identifier: Apache-2.0
#include "mapping/task_file.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <vector>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

using namespace weir;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

constexpr std::string_view kExample = R"toml(name = "shop"

[source]
kind = "mysql"                      # also MariaDB
host = "db1.internal"
port = 3306
user = "weir"
password = { file = "/etc/weir/shop.pw" }
tls = "verify-full"

[target]
kind = "postgres"
host = "dw.internal"
database = "dw"
user = "weir"
password = { file = "/etc/weir/dw.pw" }

[[table]]
match = "shop.*"
exclude = ["shop.tmp_*"]
target = "shop.{table}"

[[table]]
match = "crm.customer"
target = "shop.crm_customer"
key = ["id"]
columns = { drop = ["notes"], rename = { mail = "email" }, type = { balance = "numeric(20,4)" } }
add_columns = { _source = "{database}.{table}", _synced_at = "{execute_time}" }
deletes = "apply"
existing = "refuse"

[full]
connections = 4
chunk_rows = 100000
rate_limit = "0"
[incremental]
flush_interval = "200ms"
[ddl]
add_column = "apply"
[dirty]
policy = "stop-task"
)toml";

/// The least that a task file can be, cut where tests put their own lines.
constexpr std::string_view kTop = "name = \"t\"\n";
constexpr std::string_view kSource = "[source]\nkind = \"mysql\"\nhost = \"a\"\nuser = \"u\"\n";
constexpr std::string_view kTarget =
    "[target]\nkind = \"postgres\"\nhost = \"b\"\nuser = \"u\"\ndatabase = \"d\"\n";
constexpr std::string_view kRule = "[[table]]\nmatch = \"shop.*\"\n";

std::string minimal(std::string_view more = "") {
  return std::string(kTop) + std::string(kSource) + std::string(kTarget) + std::string(kRule) +
         std::string(more);
}

/// A minimal file with more lines in one of its sections; they begin in line `at_line`.
std::string with_source(std::string_view lines) {
  return std::string(kTop) + std::string(kTarget) + std::string(kRule) + std::string(kSource) +
         std::string(lines);
}
constexpr int kSourceLine = 13;

std::string with_rule(std::string_view lines) {
  return std::string(kTop) + std::string(kSource) + std::string(kTarget) + std::string(lines);
}
constexpr int kRuleLine = 11;

Error refused(std::string_view toml) {
  try {
    parse_task(toml, "t.toml");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::configuration);
    CHECK_FALSE(error.fix().empty());
    return error;
  }
  FAIL("accepted:\n" << toml);
  std::abort();
}

/// The one problem of a file that has exactly one.
std::string problem(std::string_view toml) {
  const Error error = refused(toml);
  INFO(error.why());
  CHECK(error.id() == "task-file.invalid");
  CHECK(error.summary() == "task file t.toml has 1 problem");
  CHECK(error.why().find('\n') == std::string::npos);
  return error.why();
}

std::string at(int line, int column) {
  return "t.toml:" + std::to_string(line) + ":" + std::to_string(column) + ": ";
}

/// The whole file of the table: every key with what `value` says.
template <class Value>
std::string written(Value&& value) {
  std::map<std::string, std::string> bodies;
  for (const KeyRow& row : task_file_keys()) {
    // One of two; each inline table is shown by its example.
    if (row.name == "socket" || (row.section == "target" && row.name == "path") ||
        row.section == "password" || row.section == "match" || row.section == "table.columns") {
      continue;
    }
    const std::string text = value(row);
    if (!text.empty())
      bodies[std::string(row.section)] += std::string(row.name) + " = " + text + "\n";
  }
  std::string out;
  for (const SectionRow& section : task_file_sections()) {
    if (section.form == SectionRow::Form::inline_table) continue;
    if (section.form != SectionRow::Form::top) out += std::string(section.title) + "\n";
    out += bodies[std::string(section.name)];
  }
  return out;
}

}  // namespace

TEST_CASE("the example of the manual is read in full", "[task_file]") {
  const Task task = parse_task(kExample, "/etc/weir/shop.toml");
  CHECK(task.name == "shop");
  CHECK(task.file == "/etc/weir/shop.toml");

  CHECK(task.source.kind == "mysql");
  CHECK(task.source.host == "db1.internal");
  CHECK(task.source.port == 3306);
  CHECK(task.source.user == "weir");
  CHECK(task.source.password.kind == SecretRef::Kind::file);
  CHECK(task.source.password.value == "/etc/weir/shop.pw");
  CHECK(task.source.tls == Tls::verify_full);
  CHECK(task.source.place.line == 3);

  CHECK(task.target.kind == "postgres");
  CHECK(task.target.host == "dw.internal");
  CHECK(task.target.port == 0);
  CHECK(task.target.database == "dw");
  CHECK(task.target.tls == Tls::off);
  CHECK(task.target.control_schema == "weir");

  REQUIRE(task.tables.size() == 2);
  const TableRule& all = task.tables[0];
  CHECK_FALSE(all.match.regex);
  CHECK(all.match.text == "shop.*");
  CHECK(all.match.place.line == 19);
  CHECK(all.match.place.column == 9);
  REQUIRE(all.exclude.size() == 1);
  CHECK(all.exclude[0].text == "shop.tmp_*");
  CHECK(all.target == "shop.{table}");
  CHECK(all.place.line == 18);

  const TableRule& customer = task.tables[1];
  CHECK(customer.target == "shop.crm_customer");
  CHECK(customer.key == std::vector<std::string>{"id"});
  CHECK(customer.drop == std::vector<std::string>{"notes"});
  CHECK(customer.rename == std::map<std::string, std::string>{{"mail", "email"}});
  CHECK(customer.retype == std::map<std::string, std::string>{{"balance", "numeric(20,4)"}});
  CHECK(customer.add_columns ==
        std::vector<std::pair<std::string, std::string>>{{"_source", "{database}.{table}"},
                                                         {"_synced_at", "{execute_time}"}});
  CHECK(customer.deletes.kind == DeletePolicy::Kind::apply);
  CHECK(customer.existing == ExistingPolicy::refuse);

  CHECK(task.full.connections == 4);
  CHECK(task.full.chunk_rows == 100'000);
  CHECK(task.full.rate_rows == 0);
  CHECK(task.full.rate_bytes == 0);
  CHECK(task.incremental.flush_interval == 200ms);
  CHECK(task.ddl.add_column == DdlAction::apply);
  CHECK(task.ddl.drop_column == DdlAction::stop_table);
  CHECK(task.dirty.policy == DirtyPolicy::stop_task);
}

TEST_CASE("every key that is not required has the default that the table of keys tells",
          "[task_file]") {
  const Task bare = parse_task(minimal(), "t.toml");
  // Values that are required, or that have no default, are those of the minimal file.
  const Task told = parse_task(written([](const KeyRow& row) -> std::string {
                                 if (row.required) {
                                   if (row.section.empty()) return "\"t\"";
                                   if (row.name == "match") return "\"shop.*\"";
                                   return std::string(row.example);
                                 }
                                 if (row.name == "host") return "\"a\"";
                                 return std::string(row.default_value);
                               }),
                               "t.toml");

  for (const auto& [x, y] :
       {std::pair(bare.source, told.source), std::pair(bare.target, told.target)}) {
    CHECK(x.port == y.port);
    CHECK(x.socket == y.socket);
    CHECK(x.tls == y.tls);
    CHECK(x.tls_ca == y.tls_ca);
    CHECK(x.control_schema == y.control_schema);
    CHECK(x.server_id == y.server_id);
    CHECK(x.slot == y.slot);
    CHECK(x.publication == y.publication);
    CHECK(x.ddl_triggers == y.ddl_triggers);
    CHECK(x.password.kind == y.password.kind);
  }
  REQUIRE(told.tables.size() == 1);
  CHECK(bare.tables[0].target == told.tables[0].target);
  CHECK(bare.tables[0].exclude.size() == told.tables[0].exclude.size());
  CHECK(bare.tables[0].deletes.kind == told.tables[0].deletes.kind);
  CHECK(bare.tables[0].existing == told.tables[0].existing);
  CHECK(bare.types.zero_dates.kind == told.types.zero_dates.kind);
  CHECK(bare.types.tinyint1_as_boolean == told.types.tinyint1_as_boolean);
  CHECK(bare.full.connections == told.full.connections);
  CHECK(bare.full.chunk_rows == told.full.chunk_rows);
  CHECK(bare.full.rate_rows == told.full.rate_rows);
  CHECK(bare.full.rate_bytes == told.full.rate_bytes);
  CHECK(bare.incremental.flush_interval == told.incremental.flush_interval);
  CHECK(bare.source.heartbeat == told.source.heartbeat);
  CHECK(bare.source.heartbeat_table == told.source.heartbeat_table);
  CHECK(bare.ddl == told.ddl);
  CHECK(bare.dirty.policy == told.dirty.policy);
  CHECK(bare.dirty.table_limit == told.dirty.table_limit);
  CHECK(bare.dirty.task_limit == told.dirty.task_limit);
  CHECK(bare.failover.limit == told.failover.limit);
  CHECK(bare.failover.window == told.failover.window);
  CHECK(bare.retention.window == told.retention.window);
}

TEST_CASE("a rule's key is columns, or the text that stands for all of them",
          "[task_file][nokey]") {
  const auto rule = [](const std::string& line) {
    return parse_task(minimal(line), "t.toml").tables[0];
  };
  CHECK(rule("key = \"all-columns\"\n").key_all_columns);
  CHECK(rule("key = \"all-columns\"\n").key.empty());
  CHECK_FALSE(rule("key = [\"all-columns\"]\n").key_all_columns);
  CHECK(rule("key = [\"all-columns\"]\n").key == std::vector<std::string>{"all-columns"});
  CHECK_FALSE(rule("").key_all_columns);
}

TEST_CASE("the table of keys is whole: its examples are a file, its rows are described",
          "[task_file]") {
  const Task task =
      parse_task(written([](const KeyRow& row) { return std::string(row.example); }), "t.toml");
  CHECK(task.source.server_id == 4711);
  CHECK(task.source.slot == "weir_shop");
  CHECK(task.source.publication == "weir_shop");
  CHECK(task.source.ddl_triggers);
  CHECK(task.full.rate_bytes == 20'000'000);
  CHECK(task.types.tinyint1_as_boolean);
  CHECK(task.types.zero_dates.kind == ZeroDatePolicy::Kind::null);
  CHECK(task.dirty.policy == DirtyPolicy::stop_task);
  CHECK(task.tables[0].deletes.column == "deleted_at");
  CHECK(task.tables[0].existing == ExistingPolicy::append);

  std::set<std::string> seen;
  for (const KeyRow& row : task_file_keys()) {
    CAPTURE(row.section, row.name);
    CHECK(seen.insert(std::string(row.section) + "/" + std::string(row.name)).second);
    CHECK_FALSE(row.example.empty());
    CHECK_FALSE(row.meaning.empty());
    CHECK_FALSE(row.meaning.ends_with('.'));
    CHECK_FALSE(allowed_values(row).empty());
    CHECK((row.type == KeyType::choice) == !row.choices.empty());
    CHECK(std::any_of(task_file_sections().begin(), task_file_sections().end(),
                      [&row](const SectionRow& section) { return section.name == row.section; }));
  }
}

TEST_CASE("inline tables are described by examples that are read", "[task_file]") {
  for (const KeyRow& row : task_file_keys()) {
    const std::string pair = std::string(row.name) + " = " + std::string(row.example);
    CAPTURE(pair);
    if (row.section == "password") {
      CHECK_NOTHROW(parse_task(with_source("password = { " + pair + " }\n"), "t.toml"));
    } else if (row.section == "match") {
      const Task task = parse_task(with_rule("[[table]]\nmatch = { " + pair + " }\n"), "t.toml");
      CHECK(task.tables[0].match.regex);
    } else if (row.section == "table.columns") {
      CHECK_NOTHROW(parse_task(minimal("columns = { " + pair + " }\n"), "t.toml"));
    }
  }
}

TEST_CASE("an unknown key is told with its place and a suggestion", "[task_file]") {
  const std::string text = problem(with_source("prot = 3306\n"));
  CHECK_THAT(text, Catch::StartsWith(at(kSourceLine, 1) + "unknown key \"prot\" in [source]"));
  CHECK_THAT(text, Contains("; expected one of kind, host, port,"));
  CHECK_THAT(text, Catch::EndsWith("; did you mean \"port\"?"));

  CHECK_THAT(problem(minimal("[incremantal]\n")),
             Contains("unknown key \"incremantal\" in the file's top level") &&
                 Contains("did you mean \"incremental\"?"));
  CHECK_THAT(problem(minimal("columns = { renam = {} }\n")),
             Contains("in columns") && Contains("\"rename\""));
  CHECK_THAT(problem(with_source("password = { fil = \"x\", env = \"Y\" }\n")),
             Contains("in password") && Contains("\"file\""));
  CHECK_THAT(problem(with_source("control_schema = \"x\"\n")), Contains("in [source]"));
  CHECK_THAT(problem(with_source("slot = \"Weir\"\n")), Contains("1 to 63 of a-z, 0-9 and _"));
  CHECK_THAT(problem(minimal("zzz = 1\n")), !Contains("did you mean"));
}

TEST_CASE("a misspelt key is not told as missing too", "[task_file]") {
  std::string text = minimal();
  text.replace(text.find("name"), 4, "nmae");
  CHECK_THAT(problem(text), Contains("unknown key \"nmae\""));
  text = minimal();
  text.replace(text.find("host"), 4, "hots");
  CHECK_THAT(problem(text), Contains("unknown key \"hots\""));
  text = minimal();
  text.replace(text.find("[source]"), 8, "[sorce]");
  CHECK_THAT(problem(text), Contains("unknown key \"sorce\""));
}

TEST_CASE("every section refuses what it does not know", "[task_file]") {
  for (const char* section :
       {"types", "full", "incremental", "ddl", "dirty", "failover", "retention"}) {
    const std::string text = problem(minimal("[" + std::string(section) + "]\nnonsense_key = 1\n"));
    CHECK_THAT(text, Contains("\"nonsense_key\" in [" + std::string(section) + "]"));
  }
}

TEST_CASE("a wrong type or a value out of range is told with what is allowed", "[task_file]") {
  CHECK(problem(with_source("port = \"3306\"\n")) ==
        at(kSourceLine, 8) + "port is the text \"3306\"; expected an integer from 1 to 65535");
  struct Row {
    const char* lines;
    const char* found;
    const char* expected;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"[full]\nconnections = 0\n", "the integer 0", "an integer from 1 to 64"},
           {"[full]\nconnections = 65\n", "the integer 65", "an integer from 1 to 64"},
           {"[full]\nconnections = 4.0\n", "a number with a point", "an integer from 1 to 64"},
           {"[full]\nconnections = true\n", "true", "an integer"},
           {"[full]\nconnections = 2026-01-02\n", "a date or time", "an integer"},
           {"[full]\nchunk_rows = 10000001\n", "10000001", "an integer from 1 to 10000000"},
           {"[full]\nrate_limit = 0\n", "the integer 0", "\"20 MB/s\""},
           {"[full]\nrate_limit = \"20\"\n", "\"20\"", "\"5000 rows/s\""},
           {"[full]\nrate_limit = \"20 MB\"\n", "\"20 MB\"", "\"20 MB/s\""},
           {"[full]\nrate_limit = \"20/s\"\n", "\"20/s\"", "\"20 MB/s\""},
           {"[full]\nrate_limit = \"rows/s\"\n", "\"rows/s\"", "\"20 MB/s\""},
           {"[full]\nrate_limit = \"5k rows/s\"\n", "\"5k rows/s\"", "\"20 MB/s\""},
           {"[full]\nrate_limit = \"-5 rows/s\"\n", "\"-5 rows/s\"", "\"20 MB/s\""},
           {"[incremental]\nflush_interval = 200\n", "the integer 200",
            "a duration from 0ms to 1m"},
           {"[incremental]\nflush_interval = \"2m\"\n", "\"2m\"", "a duration from 0ms to 1m"},
           {"[incremental]\nflush_interval = \"fast\"\n", "\"fast\"", "as in \"200ms\""},
           {"[failover]\nwindow = \"8d\"\n", "\"8d\"", "a duration from 1s to 7d"},
           {"[retention]\nwindow = \"366d\"\n", "\"366d\"", "a duration from 0ms to 365d"},
           {"[retention]\nwindow = 24\n", "the integer 24", "a duration from 0ms to 365d"},
           {"[failover]\nlimit = -1\n", "the integer -1", "an integer from 0 to 1000"},
           {"[dirty]\npolicy = 1\n", "the integer 1", "one of stop-table, stop-task, quarantine"},
           {"[dirty]\ntable_limit = 0\n", "the integer 0", "an integer from 1"},
           {"[dirty]\ntask_limit = 0\n", "the integer 0", "an integer from 1"},
           {"[types]\nzero_dates = \"2026-02-30\"\n", "\"2026-02-30\"", "YYYY-MM-DD"},
           {"[types]\nzero_dates = \"0000-01-01\"\n", "\"0000-01-01\"", "YYYY-MM-DD"},
           {"[types]\nzero_dates = \"NULL\"\n", "\"NULL\"", "\"null\""},
           {"[types]\ntinyint1 = true\n", "true", "one of integer, boolean"},
           {"[ddl]\nother = \"\"\n", "\"\"", "one of apply"},
           {"deletes = \"hard\"\n", "\"hard\"", "\"soft:COLUMN\""},
           {"deletes = 1\n", "the integer 1", "\"soft:COLUMN\""},
           {"key = \"id\"\n", "\"id\"", "an array of column names"},
           {"key = \"all-colums\"\n", "\"all-colums\"", "did you mean \"all-columns\"?"},
           {"key = \"\"\n", "\"\"", "or \"all-columns\""},
           {"key = true\n", "true", "or \"all-columns\""},
           {"key = [1]\n", "the integer 1", "an array of column names"},
           {"key = [\"\"]\n", "\"\"", "an array of column names"},
           {"key = []\n", "0 elements", "1 to 64"},
           {"key = [\"id\", \"id\"]\n", "names \"id\" twice", "once"},
           {"exclude = \"shop.x\"\n", "\"shop.x\"", "an array of globs"},
           {"exclude = [1]\n", "the integer 1", "an array of globs"},
           {"columns = []\n", "an array", "a table of keys"},
           {"columns = { rename = [] }\n", "an array", "a table of column names"},
           {"columns = { rename = { a = \"\" } }\n", "\"\"", "a table of column names"},
           {"columns = { type = { a = 1 } }\n", "the integer 1", "a table of column names"},
           {"columns = { drop = [\"a\"], rename = { a = \"b\" } }\n",
            "rename names \"a\", which drop takes away", "kept"},
           {"columns = { drop = [\"a\"], type = { a = \"b\" } }\n",
            "type names \"a\", which drop takes away", "kept"},
           {"add_columns = { a = 1 }\n", "the integer 1", "each with a template"},
       }) {
    CAPTURE(row.lines);
    const std::string text = problem(minimal(row.lines));
    CHECK_THAT(text, Contains(row.found));
    CHECK_THAT(text.substr(text.find("; expected")), Contains(row.expected));
  }
}

TEST_CASE("a heartbeat is off, or not too often, and its table has two names", "[task_file]") {
  const auto source = [](const std::string& lines) {
    return parse_task(
               "name = \"t\"\n[source]\nkind = \"mysql\"\nhost = \"a\"\nuser = \"u\"\n" + lines +
                   "[target]\nkind = \"postgres\"\nhost = \"b\"\nuser = \"u\"\ndatabase = \"d\"\n"
                   "[[table]]\nmatch = \"*\"\n",
               "t.toml")
        .source;
  };
  CHECK(source("").heartbeat == 0ms);
  CHECK(source("heartbeat = \"0s\"\n").heartbeat == 0ms);
  CHECK(source("heartbeat = \"100ms\"\n").heartbeat == 100ms);
  CHECK(source("heartbeat = \"10s\"\n").heartbeat == 10s);
  CHECK(source("heartbeat_table = \"a.b\"\n").heartbeat_table == TableName{"a", "b"});
  for (const char* wrong : {"heartbeat = \"99ms\"\n", "heartbeat = \"2h\"\n", "heartbeat = 10\n",
                            "heartbeat_table = \"b\"\n", "heartbeat_table = \"a.b.c\"\n",
                            "heartbeat_table = \".b\"\n", "heartbeat_table = \"a.\"\n"}) {
    INFO(wrong);
    try {
      source(wrong);
      FAIL_CHECK("it was taken");
    } catch (const Error& error) {
      CHECK(error.id() == "task-file.invalid");
      CHECK_THAT(error.why(), Contains("heartbeat"));
    }
  }
}

TEST_CASE("a wrong choice is told with a suggestion", "[task_file]") {
  CHECK(
      problem(with_source("tls = \"verify_full\"\n")) ==
      at(kSourceLine, 7) +
          "tls is the text \"verify_full\"; expected one of off, require, verify-ca, verify-full; "
          "did you mean \"verify-full\"?");
  CHECK_THAT(problem(minimal("[ddl]\nadd_column = \"stop_task\"\n")),
             Contains("did you mean \"stop-task\"?"));
  CHECK_THAT(problem(minimal("deletes = \"aply\"\n")), Contains("did you mean \"apply\"?"));
  CHECK_THAT(problem(minimal("deletes = \"soft\"\n")), Contains("did you mean \"soft:COLUMN\"?"));
  CHECK_THAT(problem(minimal("deletes = \"soft:\"\n")), Contains("did you mean \"soft:COLUMN\"?"));
}

TEST_CASE("every choice means what it says", "[task_file]") {
  const auto tls = [](const std::string& value) {
    return parse_task(with_source("tls = \"" + value + "\"\n"), "t.toml").source.tls;
  };
  CHECK(tls("off") == Tls::off);
  CHECK(tls("require") == Tls::require);
  CHECK(tls("verify-ca") == Tls::verify_ca);
  CHECK(tls("verify-full") == Tls::verify_full);

  const auto existing = [](const std::string& value) {
    return parse_task(minimal("existing = \"" + value + "\"\n"), "t.toml").tables[0].existing;
  };
  CHECK(existing("refuse") == ExistingPolicy::refuse);
  CHECK(existing("append") == ExistingPolicy::append);
  CHECK(existing("truncate") == ExistingPolicy::truncate);
  CHECK(existing("replace") == ExistingPolicy::replace);

  const auto ddl = [](const std::string& key, const std::string& value) {
    return parse_task(minimal("[ddl]\n" + key + " = \"" + value + "\"\n"), "t.toml").ddl;
  };
  CHECK(ddl("create_table", "apply").create_table == DdlAction::apply);
  CHECK(ddl("drop_table", "ignore").drop_table == DdlAction::ignore);
  CHECK(ddl("rename_table", "alert").rename_table == DdlAction::alert);
  CHECK(ddl("truncate_table", "stop-table").truncate_table == DdlAction::stop_table);
  CHECK(ddl("add_column", "ignore").add_column == DdlAction::ignore);
  CHECK(ddl("drop_column", "apply").drop_column == DdlAction::apply);
  CHECK(ddl("rename_column", "alert").rename_column == DdlAction::alert);
  CHECK(ddl("change_type", "apply").change_type == DdlAction::apply);
  CHECK(ddl("change_key", "stop-task").change_key == DdlAction::stop_task);
  CHECK(ddl("default", "alert").default_value == DdlAction::alert);
  CHECK(ddl("comment", "stop-table").comment == DdlAction::stop_table);
  CHECK(ddl("index", "alert").index == DdlAction::alert);
  CHECK(ddl("other", "stop-task").other == DdlAction::stop_task);

  const auto deletes = [](const std::string& value) {
    return parse_task(minimal("deletes = \"" + value + "\"\n"), "t.toml").tables[0].deletes;
  };
  CHECK(deletes("apply").kind == DeletePolicy::Kind::apply);
  CHECK(deletes("ignore").kind == DeletePolicy::Kind::ignore);
  CHECK(deletes("soft:gone").kind == DeletePolicy::Kind::soft);
  CHECK(deletes("soft:gone").column == "gone");

  const auto dates = [](const std::string& value) {
    return parse_task(minimal("[types]\nzero_dates = \"" + value + "\"\n"), "t.toml")
        .types.zero_dates;
  };
  CHECK(dates("refuse").kind == ZeroDatePolicy::Kind::refuse);
  CHECK(dates("null").kind == ZeroDatePolicy::Kind::null);
  CHECK(dates("1970-01-01").kind == ZeroDatePolicy::Kind::date);
  CHECK(dates("1970-01-01").date == "1970-01-01");

  const auto full = [](const std::string& value) {
    return parse_task(minimal("[full]\nrate_limit = \"" + value + "\"\n"), "t.toml").full;
  };
  CHECK(full("5000 rows/s").rate_rows == 5000);
  CHECK(full("5000 rows/s").rate_bytes == 0);
  CHECK(full("20 MB/s").rate_bytes == 20'000'000);
  CHECK(full("20MiB/s").rate_bytes == 20 << 20);
  CHECK(full("20 MB/s").rate_rows == 0);

  CHECK(
      parse_task(minimal("[types]\ntinyint1 = \"boolean\"\n"), "t.toml").types.tinyint1_as_boolean);
  CHECK_FALSE(
      parse_task(minimal("[types]\ntinyint1 = \"integer\"\n"), "t.toml").types.tinyint1_as_boolean);
}

TEST_CASE("a missing key or section is told where it belongs", "[task_file]") {
  const Error error = refused("");
  CHECK(error.summary() == "task file t.toml has 4 problems");
  CHECK_THAT(error.why(),
             Contains("t.toml:1:1: the file's top level has no key \"name\"; expected"));
  CHECK_THAT(error.why(), Contains("t.toml:1:1: there is no [source]; expected"));
  CHECK_THAT(error.why(), Contains("there is no [target]"));
  CHECK_THAT(error.why(), Contains("there is no [[table]]"));

  for (const char* key : {"kind", "user"}) {
    std::string text = with_source("");
    const std::size_t begin = text.rfind(std::string(key) + " = ");
    text.erase(begin, text.find('\n', begin) + 1 - begin);
    CHECK_THAT(problem(text),
               Catch::StartsWith(at(9, 1) + "[source] has no key \"" + key + "\"; expected"));
  }
  CHECK_THAT(problem(with_rule("[[table]]\ntarget = \"a.b\"\n")),
             Catch::StartsWith(at(kRuleLine, 1) + "[[table]] has no key \"match\""));
}

TEST_CASE("exactly one of host and socket is needed", "[task_file]") {
  CHECK_THAT(problem(with_source("socket = \"/run/x.sock\"\n")),
             Contains("[source] has both host and socket; expected one of them"));
  const std::string text = "name = \"t\"\n[source]\nkind = \"mysql\"\nuser = \"u\"\n";
  CHECK_THAT(problem(text + std::string(kTarget) + std::string(kRule)),
             Catch::StartsWith(at(2, 1) + "[source] has neither host nor socket"));
  const Task task = parse_task(
      text + "socket = \"/run/x.sock\"\n" + std::string(kTarget) + std::string(kRule), "t.toml");
  CHECK(task.source.socket == "/run/x.sock");
  CHECK(task.source.host.empty());
}

TEST_CASE("a task name is short and plain", "[task_file]") {
  const auto file = [](const std::string& name) {
    return "name = \"" + name + "\"\n" + std::string(kSource) + std::string(kTarget) +
           std::string(kRule);
  };
  for (const std::string& name :
       {std::string("s"), std::string("shop-2_eu"), "a" + std::string(47, '1')}) {
    CHECK(parse_task(file(name), "t.toml").name == name);
  }
  for (const std::string& name :
       {std::string(), std::string("Shop"), std::string("2shop"), std::string("-shop"),
        std::string("shop.eu"), std::string("sh\xC3\xB6p"), "a" + std::string(48, '1')}) {
    CAPTURE(name);
    CHECK_THAT(problem(file(name)),
               Contains("expected 1 to 48 of a-z, 0-9, _ and -, a letter first"));
  }
}

TEST_CASE("kind and host are names, and a URL is not shown", "[task_file]") {
  const auto with = [](const std::string& kind, const std::string& host) {
    return std::string(kTop) + "[source]\nkind = \"" + kind + "\"\nuser = \"u\"\nhost = \"" + host +
           "\"\n" + std::string(kTarget) + std::string(kRule);
  };
  CHECK_THAT(problem(with("MySQL", "a")), Contains("kind is the text \"MySQL\""));
  const std::string text = problem(with("mysql", "mysql://u:hunter2@a"));
  CHECK_THAT(text, Contains("host has a wrong value") && !Contains("hunter2"));
  for (const char* host : {"db1.internal", "10.0.0.1", "::1", "fe80::1%eth0"}) {
    CHECK(parse_task(with("mysql", host), "t.toml").source.host == host);
  }
}

TEST_CASE("a literal password is refused, told with the three forms and never shown",
          "[task_file]") {
  for (const char* value : {"\"hunter2\"", "42424242", "[\"hunter2\"]", "\"\""}) {
    const Error error = refused(with_source("password = " + std::string(value) + "\nprot = 1\n"));
    CHECK(error.id() == "task-file.password");
    CHECK(error.summary() == "task file t.toml has 2 problems");
    CHECK_THAT(error.why(),
               Contains(at(kSourceLine, 12) + "a password stands in the file itself, in [source]"));
    CHECK_THAT(error.why(), Contains("unknown key \"prot\""));
    for (const char* form : {"{ file = ", "{ env = ", "{ command = "})
      CHECK_THAT(error.fix(), Contains(form));
    for (const std::string& text : {error.summary(), error.why(), error.fix()}) {
      CHECK_THAT(text, !Contains("hunter2") && !Contains("42424242"));
    }
  }
}

TEST_CASE("a password that is no TOML is not shown either", "[task_file]") {
  for (const char* value : {"hunter2", "99999999999999999999", "'hunter2", "inhunter2"}) {
    const std::string text = problem(with_source("password = " + std::string(value) + "\n"));
    CHECK_THAT(text, Contains("no valid TOML") && !Contains("hunter2") && !Contains("9999") &&
                         !Contains("inh"));
  }
}

TEST_CASE("a password has exactly one form", "[task_file]") {
  const auto ref = [](const std::string& table) {
    return parse_task(with_source("password = " + table + "\n"), "/etc/weir/t.toml")
        .source.password;
  };
  CHECK(ref("{ file = \"/a/b\" }").value == "/a/b");
  CHECK(ref("{ env = \"A_1\" }").kind == SecretRef::Kind::env);
  CHECK(ref("{ env = \"A_1\" }").value == "A_1");
  CHECK(ref("{ command = \"pass show x\" }").kind == SecretRef::Kind::command);
  CHECK(ref("{ command = \"pass show x\" }").value == "pass show x");

  CHECK_THAT(problem(with_source("password = {}\n")), Contains("password has 0 of its keys"));
  CHECK_THAT(problem(with_source("password = { file = \"/a\", env = \"B\" }\n")),
             Contains("password has 2 of its keys"));
  for (const char* value :
       {"{ file = 12345 }", "{ env = \"hunter2 \" }", "{ env = \"2A\" }", "{ command = \"\" }"}) {
    CHECK_THAT(problem(with_source("password = " + std::string(value) + "\n")),
               Contains("has a wrong value") && !Contains("hunter2") && !Contains("12345"));
  }
}

TEST_CASE("relative paths start at the task file's folder", "[task_file]") {
  const std::string text =
      with_source("tls_ca = \"../ca.pem\"\npassword = { file = \"shop.pw\" }\n");
  const Task task = parse_task(text, "/etc/weir/t.toml");
  CHECK(task.source.tls_ca == "/etc/ca.pem");
  CHECK(task.source.password.value == "/etc/weir/shop.pw");
  CHECK_THAT(problem(with_source("tls_ca = \"~/ca.pem\"\n")), Contains("expected a path"));
}

TEST_CASE("patterns are tried when the file is read", "[task_file]") {
  const auto rule = [](const std::string& match) {
    return with_rule("[[table]]\nmatch = " + match + "\n");
  };
  CHECK_THAT(problem(rule("\"shop.t[\"")),
             Catch::StartsWith(at(kRuleLine + 1, 9) +
                               "\"shop.t[\" has a [ without its ]; expected a glob"));
  CHECK_THAT(problem(rule("\"shop\"")), Contains("did you mean \"shop.*\"?"));
  CHECK_THAT(problem(rule("\"\"")), Contains("empty"));
  CHECK_THAT(problem(rule("{ regex = 'shop\\.(' }")),
             Catch::StartsWith(at(kRuleLine + 1, 19) + "regex") && Contains("( without its )"));
  CHECK_THAT(problem(rule("{ regex = 1 }")), Contains("regex is the integer 1; expected"));
  CHECK_THAT(problem(rule("{ regx = 'a' }")),
             Contains("unknown key \"regx\" in match") && Contains("did you mean \"regex\"?"));
  CHECK_THAT(problem(rule("{}")), Contains("match is a table; expected a glob"));
  CHECK_THAT(problem(rule("3")), Contains("match is the integer 3"));
  CHECK_THAT(problem(minimal("exclude = [\"shop.a\", \"shop.[\"]\n")),
             Catch::StartsWith(at(13, 22)));
  CHECK_THAT(problem(minimal("exclude = [{ regex = '[' }]\n")), Contains("regex \"[\""));

  const Task task =
      parse_task(minimal("exclude = [\"shop.a\", { regex = 'shop\\.b\\d' }]\n"), "t.toml");
  REQUIRE(task.tables[0].exclude.size() == 2);
  CHECK_FALSE(task.tables[0].exclude[0].regex);
  CHECK(task.tables[0].exclude[1].regex);
  CHECK(task.tables[0].exclude[1].text == "shop\\.b\\d");
}

TEST_CASE("a target is a schema and a table with known placeholders", "[task_file]") {
  const auto glob = [](const std::string& target) {
    return minimal("target = \"" + target + "\"\n");
  };
  const auto regex = [](const std::string& target) {
    return with_rule("[[table]]\nmatch = { regex = '(\\w+)_(\\d+)\\.(.*)' }\ntarget = \"" + target +
                     "\"\n");
  };
  for (const char* target :
       {"a.b", "{schema}.{table}", "{source}_{database}.x{table}", "{{}}.{{{table}}}"}) {
    CAPTURE(target);
    CHECK_NOTHROW(parse_task(glob(target), "t.toml"));
  }
  CHECK_NOTHROW(parse_task(regex("{1}.{3}_{2}"), "t.toml"));

  for (const char* target :
       {"", "{table}", "a.b.c", ".b", "a.", "{schema.table}", "{{.}}.{table}"}) {
    CAPTURE(target);
    CHECK_THAT(problem(glob(target)),
               Contains("target is the text") && Contains("exactly one dot"));
  }
  CHECK_THAT(problem(glob("shop.{tabel}")),
             Contains("placeholder \"tabel\"") &&
                 Contains("{source}, {database}, {schema}, {table}") &&
                 Contains("did you mean \"table\"?"));
  CHECK_THAT(problem(glob("shop.{1}")), Contains("placeholder \"1\""));
  CHECK_THAT(problem(glob("shop.{table")), Contains("placeholder \"{table\""));
  CHECK_THAT(problem(glob("shop.{}")), Contains("placeholder \"{}\""));
  CHECK_THAT(problem(regex("a.{4}")), Contains("placeholder \"4\"") && Contains("{1}, {2}, {3}"));
  CHECK_THAT(problem(regex("a.{0}")), Contains("placeholder \"0\""));
  CHECK_THAT(problem(glob("shop.{execute_time}")), Contains("placeholder \"execute_time\""));
}

TEST_CASE("added columns keep the order of the file and take known placeholders", "[task_file]") {
  const Task task = parse_task(
      minimal("add_columns = { z = \"1\", a = \"{source}\", m = \"{execute_time}\" }\n"), "t.toml");
  CHECK(task.tables[0].add_columns == std::vector<std::pair<std::string, std::string>>{
                                          {"z", "1"}, {"a", "{source}"}, {"m", "{execute_time}"}});
  const Task table = parse_task(minimal("[table.add_columns]\nz = \"1\"\na = \"2\"\n"), "t.toml");
  CHECK(table.tables[0].add_columns ==
        std::vector<std::pair<std::string, std::string>>{{"z", "1"}, {"a", "2"}});
  CHECK_THAT(problem(minimal("add_columns = { a = \"{execute-time}\" }\n")),
             Contains("did you mean \"execute_time\"?"));
  CHECK_THAT(problem(minimal("add_columns = { a = \"{1}\" }\n")), Contains("placeholder \"1\""));
}

TEST_CASE("a second rule with the same pattern is refused unless the first leaves something",
          "[task_file]") {
  const std::string text = problem(minimal(kRule));
  CHECK_THAT(text, Catch::StartsWith(at(14, 9) +
                                     "match \"shop.*\" is the same as in the rule at line 11"));
  CHECK_NOTHROW(parse_task(minimal("exclude = [\"shop.a\"]\n" + std::string(kRule)), "t.toml"));
  const std::string excluded = std::string(kRule) + "exclude = [\"shop.a\"]\n";
  CHECK_THAT(problem(with_rule(excluded + excluded)), Contains("is the same as"));
  CHECK_THAT(problem(minimal(excluded)), Contains("is the same as"));
  CHECK_NOTHROW(parse_task(minimal("[[table]]\nmatch = { regex = 'shop.*' }\n"), "t.toml"));
}

TEST_CASE("sections of the wrong form are refused", "[task_file]") {
  CHECK_THAT(problem(with_rule("[table]\nmatch = \"shop.*\"\n")),
             Contains("table is a table; expected rules that each begin with [[table]]"));
  CHECK_THAT(
      problem("table = []\n" + std::string(kTop) + std::string(kSource) + std::string(kTarget)),
      Contains("at least one [[table]]"));
  CHECK_THAT(
      problem("table = [1]\n" + std::string(kTop) + std::string(kSource) + std::string(kTarget)),
      Contains("table has the integer 1"));
  CHECK_THAT(problem("full = 3\n" + minimal()),
             Catch::StartsWith(at(1, 8) +
                               "full is the integer 3; expected a table that begins with [full]"));
}

TEST_CASE("all problems are told at once, in the order of the file", "[task_file]") {
  const Error error = refused(
      minimal("existing = \"keep\"\n[full]\nconnections = 100\n[dirty]\npolcy = \"stop\"\n"));
  CHECK(error.id() == "task-file.invalid");
  CHECK(error.summary() == "task file t.toml has 3 problems");
  const std::vector<std::string> lines = split(error.why(), '\n');
  REQUIRE(lines.size() == 3);
  CHECK_THAT(lines[0], Catch::StartsWith(at(13, 12)));
  CHECK_THAT(lines[1], Catch::StartsWith(at(15, 15)));
  CHECK_THAT(lines[2], Catch::StartsWith(at(17, 1)));
}

TEST_CASE("what is no TOML is told with its place", "[task_file]") {
  CHECK_THAT(problem("name = shop\n"),
             Catch::StartsWith(at(1, 8) + "no valid TOML; expected TOML; text stands in quotes"));
  CHECK_THAT(problem("name = \"a\"\nname = \"b\"\n"),
             Catch::StartsWith("t.toml:2:") && Contains("redefine"));
  CHECK_THAT(problem("[source"), Catch::StartsWith(at(1, 8)));
}

TEST_CASE("a message shows no control characters and no endless text", "[task_file]") {
  const std::string text =
      problem(minimal("existing = \"\\u001b[31m" + std::string(500, 'x') + "\"\n"));
  CHECK_THAT(text, Contains("\\x1b[31mxx") && Contains("x...\""));
  CHECK(text.size() < 300);
}

TEST_CASE("a task file is read from disk, and told by the path given", "[task_file]") {
  std::string folder = (std::filesystem::temp_directory_path() / "weir-task-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const auto write = [&folder](const std::string& name, const std::string& text) {
    std::ofstream(folder + "/" + name, std::ios::binary) << text;
    return folder + "/" + name;
  };
  const auto unreadable = [](const std::string& path) {
    try {
      read_task(path);
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::configuration);
      CHECK(error.id() == "task-file.unreadable");
      CHECK_THAT(error.summary(), Contains(path));
      return error.why();
    }
    return std::string("accepted");
  };

  const std::string path = write("t.toml", with_source("password = { file = \"pw\" }\n"));
  const std::filesystem::path here = std::filesystem::current_path();
  const Task task = read_task(std::filesystem::relative(path).string());
  CHECK(task.file == path);
  CHECK(task.source.password.value == folder + "/pw");
  CHECK(std::filesystem::current_path() == here);

  CHECK_THAT(unreadable(folder + "/none.toml"), Contains("No such file"));
  CHECK_THAT(unreadable(folder), Contains("directory"));
  CHECK_THAT(unreadable(write("large.toml", std::string(std::size_t{5} << 20, '#'))),
             Contains("4.0 MiB"));

  const std::string bad = write("bad.toml", "name = 1\n");
  CHECK_THROWS_WITH(read_task(bad), Contains(bad + ":1:8: name is the integer 1"));
  std::filesystem::remove_all(folder);
}

TEST_CASE("a target that is a file has a path and nothing else", "[task_file]") {
  const std::string head =
      "name = \"shop\"\n[source]\nkind = \"mysql\"\nhost = \"db\"\nuser = \"weir\"\n[target]\n";
  const std::string rule = "[[table]]\nmatch = \"shop.*\"\n";
  const Task task =
      parse_task(head + "kind = \"sqlite\"\npath = \"out/shop.db\"\n" + rule, "/etc/weir/t.toml");
  CHECK(task.target.path == "/etc/weir/out/shop.db");
  CHECK(task.target.user.empty());

  CHECK_THAT(problem(head + "kind = \"sqlite\"\n" + rule),
             Catch::Contains("[target] has no key \"path\""));
  for (const char* key : {"host = \"dw\"", "password = \"pw\"", "database = \"dw\""}) {
    const std::string text =
        problem(head + "kind = \"sqlite\"\npath = \"x\"\n" + key + "\n" + rule);
    const std::string name(key, std::string_view(key).find(' '));
    CHECK_THAT(text, Catch::Contains("is a file and takes no key \"" + name + "\""));
    CHECK_THAT(text, Catch::Contains("kind and path alone"));
    CHECK_THAT(text, !Catch::Contains("pw\""));
  }
  CHECK_THAT(problem(head +
                     "kind = \"postgres\"\nhost = \"dw\"\nuser = \"weir\"\ndatabase = "
                     "\"dw\"\npath = \"x\"\n" +
                     rule),
             Catch::Contains("[target] is a server and has the key \"path\""));
}

TEST_CASE("the example with a file as its target is read", "[task_file]") {
  const Task task = read_task(WEIR_SOURCE_DIR "/examples/sqlite.toml");
  CHECK(task.target.kind == "sqlite");
  CHECK(task.target.path == WEIR_SOURCE_DIR "/examples/shop.db");
}

TEST_CASE("the keys that stand for several kinds of DDL give way to those kinds", "[task_file]") {
  const auto ddl = [](const std::string& lines) {
    return parse_task(minimal("[ddl]\n" + lines), "t.toml").ddl;
  };
  const DdlSettings altered = ddl("change_type = \"alert\"\nalter_column = \"apply\"\n");
  CHECK(altered.rename_column == DdlAction::apply);
  CHECK(altered.change_key == DdlAction::apply);
  CHECK(altered.change_type == DdlAction::alert);
  const DdlSettings other = ddl("index = \"stop-table\"\nother = \"stop-task\"\n");
  CHECK(other.other == DdlAction::stop_task);
  CHECK(other.comment == DdlAction::stop_task);
  CHECK(other.default_value == DdlAction::stop_task);
  CHECK(other.index == DdlAction::stop_table);
}

TEST_CASE("a rule says otherwise what becomes of DDL on its tables", "[task_file]") {
  const auto rule = [](const std::string& lines) {
    return parse_task(minimal(lines), "t.toml").tables[0];
  };
  CHECK_FALSE(rule("").ddl);
  for (const char* form :
       {"ddl = { drop_column = \"apply\" }\n", "[table.ddl]\ndrop_column = \"apply\"\n"}) {
    const TableRule one = rule(std::string(form) + "[ddl]\nadd_column = \"alert\"\n");
    REQUIRE(one.ddl);
    CHECK(one.ddl->drop_column == DdlAction::apply);
    CHECK(one.ddl->add_column == DdlAction::alert);
    CHECK(one.ddl->drop_table == DdlSettings().drop_table);
  }
  const auto problem = [](const std::string& lines) -> std::string {
    try {
      parse_task(minimal(lines), "t.toml");
    } catch (const Error& error) {
      return error.why();
    }
    return "";
  };
  CHECK_THAT(problem("ddl = \"apply\"\n"), Catch::Contains("ddl is"));
  CHECK_THAT(problem("ddl = { drop_colum = \"apply\" }\n"),
             Catch::Contains("unknown key \"drop_colum\" in [table.ddl]") &&
                 Catch::Contains("drop_column"));
  CHECK_THAT(
      problem("ddl = { drop_column = \"stop_table\" }\n"),
      Catch::Contains("drop_column is the text \"stop_table\"") && Catch::Contains("stop-table"));
}
