// SPDX-License-Identifier: Apache-2.0
#include "mapping/config_diff.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "mapping/task_file.h"

using namespace weir;

namespace {

const std::string kHead = R"(name = "shop"
[source]
kind = "mysql"
host = "db1"
user = "weir"
password = { file = "/etc/weir/shop.pw" }
[target]
kind = "postgres"
host = "dw"
database = "dw"
user = "weir"
)";

/// The changes as lines "title: before -> after"; both sides must be task files.
std::vector<std::string> diff(const std::string& before, const std::string& after,
                              const std::string& file_before = "/etc/weir/shop.toml",
                              const std::string& file_after = "/etc/weir/shop.toml") {
  parse_task(before, file_before);
  parse_task(after, file_after);
  std::vector<std::string> out;
  for (const ConfigChange& change : diff_config({before, file_before}, {after, file_after})) {
    out.push_back(change.title() + ": " + change.before + " -> " + change.after);
  }
  return out;
}

/// Likewise for what follows [source] and [target].
std::vector<std::string> diff_rest(const std::string& before, const std::string& after) {
  return diff(kHead + before, kHead + after);
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("what means the same is no difference between task files", "[config]") {
  const std::string plain = "[[table]]\nmatch = \"shop.*\"\n";
  const auto same = [&](const std::string& a, const std::string& b) {
    INFO(a << "\n---\n" << b);
    CHECK(diff_rest(a, b) == Lines());
  };
  same(plain, plain);
  same(plain, "# a comment\n\n[[table]]\n  match = 'shop.*'  # another\n");
  same(plain,
       "[[table]]\nmatch = \"shop.*\"\ntarget = \"{schema}.{table}\"\ndeletes = \"apply\"\n");
  same(plain, plain + "[full]\nconnections = 4\nrate_limit = \"0\"\n[ddl]\nother = \"ignore\"\n");
  same(plain + "[failover]\nwindow = \"30m\"\n", plain + "[failover]\nwindow = \"1800s\"\n");
  same(plain + "[full]\nrate_limit = \"1000 KB/s\"\n", plain + "[full]\nrate_limit = \"1MB/s\"\n");
  same(plain + "[full]\nrate_limit = \"10 rows/s\"\n",
       plain + "[full]\nrate_limit = \"10rows/s\"\n");
  same("[[table]]\nmatch = \"shop.*\"\nexclude = [\"shop.a\", \"shop.b\"]\n",
       "[[table]]\nmatch = \"shop.*\"\nexclude = [\"shop.b\", \"shop.a\"]\n");
  same("[[table]]\nmatch = \"shop.*\"\ncolumns = { rename = { a = \"x\", b = \"y\" } }\n",
       "[[table]]\nmatch = \"shop.*\"\n[table.columns]\nrename.b = \"y\"\nrename.a = \"x\"\n");
  CHECK(diff(kHead + plain, "name = 'shop'\n" + kHead.substr(14) + plain) == Lines());
}

TEST_CASE("a setting that changed is told with both values, also the default", "[config]") {
  const std::string rule = "[[table]]\nmatch = \"shop.*\"\n";
  CHECK(diff_rest(rule, rule + "[full]\nchunk_rows = 500\nrate_limit = \"2 MB/s\"\n") ==
        Lines{"full.chunk_rows: 100000 -> 500", "full.rate_limit: \"0\" -> \"2 MB/s\""});
  CHECK(diff_rest(rule + "[incremental]\nflush_interval = \"1s\"\n", rule) ==
        Lines{"incremental.flush_interval: \"1s\" -> \"200ms\""});
  std::string moved = kHead + rule;
  moved.replace(moved.find("db1"), 3, "db2");
  CHECK(diff(kHead + rule, moved) == Lines{"source.host: \"db1\" -> \"db2\""});
  std::string renamed = kHead + rule;
  renamed.replace(renamed.find("shop"), 4, "mall");
  CHECK(diff(kHead + rule, renamed) == Lines{"name: \"shop\" -> \"mall\""});
}

TEST_CASE("a relative path is compared by where it leads", "[config]") {
  const std::string rule = "[[table]]\nmatch = \"shop.*\"\n";
  std::string relative = kHead + rule;
  relative.replace(relative.find("/etc/weir/shop.pw"), 17, "shop.pw");
  CHECK(diff(kHead + rule, relative) == Lines());
  CHECK(diff(relative, relative, "/etc/weir/shop.toml", "/srv/shop.toml") ==
        Lines{"source.password: { file = \"shop.pw\" } -> { file = \"shop.pw\" }"});
}

TEST_CASE("rules are told apart by what they match", "[config]") {
  const std::string a = "[[table]]\nmatch = \"shop.a\"\n";
  const std::string b = "[[table]]\nmatch = { regex = 'shop\\.b' }\ntarget = \"dw.b\"\n";
  CHECK(diff_rest(a, a + b) ==
        Lines{"table { regex = \"shop\\\\.b\" }:  -> match = { regex = \"shop\\\\.b\" }, target = "
              "\"dw.b\""});
  CHECK(diff_rest(a + b, b) == Lines{"table \"shop.a\": match = \"shop.a\" -> "});
  CHECK(diff_rest(a + b, b + a) ==
        Lines{"order of the table rules: \"shop.a\", { regex = \"shop\\\\.b\" } -> { regex = "
              "\"shop\\\\.b\" }, \"shop.a\""});
  // A rule between others moves none of them.
  const std::string c = "[[table]]\nmatch = \"shop.c\"\n";
  CHECK(diff_rest(a + b, a + c + b) == Lines{"table \"shop.c\":  -> match = \"shop.c\""});
}

TEST_CASE("what a rule says about columns is compared key by key", "[config]") {
  const std::string rule = "[[table]]\nmatch = \"shop.a\"\n";
  CHECK(diff_rest(rule, rule + "key = [\"id\"]\ndeletes = \"soft:gone_at\"\ncolumns = { drop = "
                               "[\"x\"], rename = { y = \"z\" } }\n") ==
        Lines{"table \"shop.a\": key:  -> [\"id\"]",
              "table \"shop.a\": deletes: \"apply\" -> \"soft:gone_at\"",
              "table \"shop.a\": columns.drop: [] -> [\"x\"]",
              "table \"shop.a\": columns.rename:  -> { y = \"z\" }"});
  // The columns of a key follow each other, and so do those that are added.
  CHECK(diff_rest(rule + "key = [\"a\", \"b\"]\n", rule + "key = [\"b\", \"a\"]\n").size() == 1);
  CHECK(diff_rest(rule + "add_columns = { a = \"1\", b = \"2\" }\n",
                  rule + "add_columns = { b = \"2\", a = \"1\" }\n")
            .size() == 1);
}
