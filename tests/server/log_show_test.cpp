// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/wait.h>

#include "source/mysql/log_view.h"
#include "store/state_store.h"
#include "support/child_process.h"
#include "support/eventually.h"
#include "support/temp_dir.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"

using namespace weir::test;
using Json = nlohmann::ordered_json;

namespace {

/// `weir log show` with a state folder of its own.
class Command {
 public:
  explicit Command(std::vector<std::string> words) {
    std::string line = fmt::format("exec {}/weir-log show --state-dir {}", WEIR_BIN_DIR, state());
    for (const std::string& word : words) line += fmt::format(" '{}'", word);
    line += fmt::format(" >{} 2>{}", dir_ / "out", dir_ / "err");
    script_ = line;
  }

  std::string state() const { return dir_ / "state"; }
  std::string file(std::string_view name) const { return dir_ / name; }
  std::string out() const { return read_file(dir_ / "out"); }
  std::string err() const { return read_file(dir_ / "err"); }

  void start() {
    process_ = std::make_unique<ChildProcess>(
        ChildProcess::Options{.argv = {"/bin/sh", "-c", script_}, .output = "", .input = ""});
  }
  void signal(int number) { process_->signal(number); }
  bool running() { return process_->running(); }

  int wait() {
    const auto status = process_->wait(std::chrono::seconds(60));
    REQUIRE(status);
    REQUIRE(WIFEXITED(*status));
    return WEXITSTATUS(*status);
  }
  int run() {
    start();
    return wait();
  }

  std::vector<Json> lines() const {
    std::vector<Json> lines;
    std::istringstream text(out());
    for (std::string line; std::getline(text, line);) lines.push_back(Json::parse(line));
    return lines;
  }

 private:
  TempDir dir_;
  std::string script_;
  std::unique_ptr<ChildProcess> process_;
};

/// The entries of a run that must end well.
std::vector<Json> show(std::vector<std::string> words) {
  words.push_back("--json");
  Command command(std::move(words));
  const int code = command.run();
  INFO(command.err());
  REQUIRE(code == 0);
  CHECK(command.err().empty());
  return command.lines();
}

std::string show_text(const std::vector<std::string>& words) {
  Command command(words);
  const int code = command.run();
  INFO(command.err());
  REQUIRE(code == 0);
  return command.out();
}

std::string kinds(const std::vector<Json>& entries) {
  std::string out;
  for (const Json& entry : entries) {
    out += (out.empty() ? "" : " ") + entry.at("kind").get<std::string>();
  }
  return out;
}

std::vector<Json> only(const std::vector<Json>& entries, const std::string& kind) {
  std::vector<Json> out;
  std::copy_if(entries.begin(), entries.end(), std::back_inserter(out),
               [&kind](const Json& entry) { return entry.at("kind") == kind; });
  return out;
}

/// The path of the file that the server writes now.
std::string log_file(MySqlServer& server) {
  const std::string name = server.query("SHOW BINARY LOGS").back().at(0);
  return server.data_dir() + "/" + name;
}

/// A fresh binlog file, so that a test sees its own changes only.
std::string next_file(MySqlServer& server) {
  server.sql("FLUSH BINARY LOGS");
  return log_file(server);
}

std::string write_task(const TempDir& dir, const MySqlServer& server) {
  dir.write("pw", server.password());
  std::filesystem::permissions(dir / "pw", std::filesystem::perms::owner_read);
  return dir.write("shop.toml", fmt::format(R"(name = "shop"
[source]
kind = "mysql"
host = "{}"
port = {}
user = "{}"
password = {{ file = "{}" }}
tls = "off"
[target]
kind = "postgres"
host = "127.0.0.1"
port = 1
database = "dw"
user = "weir"
password = {{ file = "{}" }}
tls = "off"
[[table]]
match = "shop.*"
)",
                                            server.host(), server.port(), server.user(), dir / "pw",
                                            dir / "pw"));
}

std::string start_of(const std::string& path) {
  return std::filesystem::path(path).filename().string() + ":4";
}

/// The table and the changes that most tests look at.
void make_changes(MySqlServer& server) {
  MySqlSession session = server.session();
  session.sql("SET SESSION sql_mode = ''; SET NAMES utf8mb4");
  session.sql(
      "CREATE TABLE shop.item (id BIGINT UNSIGNED PRIMARY KEY, name VARCHAR(40) CHARACTER SET "
      "latin1, amount SMALLINT UNSIGNED, price DECIMAL(10,2), data BLOB, size ENUM('small','tall'),"
      "day DATE, ratio DOUBLE, big BIGINT, note TEXT CHARACTER SET utf8mb4)");
  session.sql(
      "INSERT INTO shop.item VALUES (1, 'caf\xc3\xa9', 65535, 12.50, X'00ff', 'tall', "
      "'0000-00-00', 0.1, 9007199254740993, 'a\xF0\x9F\x90\x9F'), (18446744073709551615, NULL, "
      "NULL, NULL, NULL, NULL, '2026-02-03', -2.5, -1, 'it''s')");
  session.sql("BEGIN; UPDATE shop.item SET amount = 7 WHERE id = 1");
  session.sql("DELETE FROM shop.item WHERE id > 1; COMMIT");
}

void prepare(MySqlServer& server) {
  server.sql("CREATE DATABASE shop");
  server.sql("CREATE TABLE shop.other (id INT PRIMARY KEY)");
}

/// What make_changes() is when names, signs and character sets are known.
void check_full_values(const std::vector<Json>& entries, bool text_known) {
  const auto inserts = only(entries, "insert");
  REQUIRE(inserts.size() == 2);
  const std::string name = text_known ? "caf\xc3\xa9" : "0x636166e9";
  CHECK(inserts[0].at("after") == Json{{"id", 1},
                                       {"name", name},
                                       {"amount", 65535},
                                       {"price", "12.50"},
                                       {"data", "0x00ff"},
                                       {"size", "tall"},
                                       {"day", "0000-00-00"},
                                       {"ratio", 0.1},
                                       {"big", "9007199254740993"},
                                       {"note", "a\xF0\x9F\x90\x9F"}});
  CHECK(inserts[1].at("after").at("id") == "18446744073709551615");
  CHECK(inserts[1].at("after").at("name").is_null());
  CHECK(inserts[1].at("after").at("day") == "2026-02-03");
  CHECK_FALSE(inserts[0].contains("before"));
  const auto updates = only(entries, "update");
  REQUIRE(updates.size() == 1);
  CHECK(updates[0].at("before").at("amount") == 65535);
  CHECK(updates[0].at("after").at("amount") == 7);
  const auto removes = only(entries, "delete");
  REQUIRE(removes.size() == 1);
  CHECK(removes[0].at("before").at("big") == -1);
  CHECK_FALSE(removes[0].contains("after"));
}

void check_common(const std::vector<Json>& entries, const std::string& path) {
  std::string offset;
  std::uint64_t position = 0;
  for (const Json& entry : entries) {
    CAPTURE(entry.dump());
    CHECK(entry.at("type") == "event");
    CHECK(entry.at("offset").get<std::string>().starts_with(
        std::filesystem::path(path).filename().string() + ":"));
    CHECK(entry.at("position").get<std::uint64_t>() >= position);
    position = entry.at("position");
    CHECK(entry.at("time").get<std::string>().starts_with("20"));
    const std::string kind = entry.at("kind");
    if (kind == "begin") offset = entry.at("offset");
    if (kind == "insert" || kind == "update" || kind == "delete") {
      CHECK(entry.at("offset") == offset);
      CHECK(entry.at("database") == "shop");
      CHECK(entry.at("table") == "item");
      CHECK(entry.at("transaction").is_string());
    }
  }
}

/// Each collation of the server must be known for what it is: `ids` are of id and character set.
void check_collations(const Rows& ids) {
  REQUIRE(ids.size() > 100);
  for (const auto& row : ids) {
    CAPTURE(row[0], row[1]);
    weir::mysql::MapColumn column;
    column.collation = static_cast<std::uint32_t>(std::stoul(row[0]));
    const bool is_utf8 = row[1].starts_with("utf8") || row[1] == "ascii";
    CHECK(weir::mysql::text_in_log(column) ==
          (is_utf8 ? weir::LogColumn::Text::utf8 : weir::LogColumn::Text::foreign));
  }
}

constexpr auto kAllKinds = "statement begin insert insert commit begin update delete commit";

/// A registered task with this offset, in the command's own state folder.
void register_task(const Command& command, const std::string& task_file, const std::string& offset,
                   const std::string& identity) {
  const auto store = weir::open_state(command.state(), false);
  store->put_task("shop", task_file);
  if (!offset.empty()) store->put_offset("shop", {offset, {}}, {identity});
}

void check_refused(std::vector<std::string> words, int code, const std::string& id,
                   const std::string& text) {
  Command command(std::move(words));
  CHECK(command.run() == code);
  CHECK_THAT(command.err(), Catch::StartsWith("error[" + id + "]: ") && Catch::Contains(text) &&
                                Catch::Contains("\n  fix: "));
  CHECK(command.out().empty());
}

}  // namespace

TEST_CASE("log show reads a MariaDB binlog file", "[server][log-show]") {
  TempMariaDb server;
  prepare(server);

  SECTION("with full metadata everything has its name") {
    server.sql("SET GLOBAL binlog_row_metadata = 'FULL'");
    const std::string path = next_file(server);
    make_changes(server);
    const auto entries = show({path});
    CHECK(kinds(entries) == kAllKinds);
    check_common(entries, path);
    for (const Json& entry : entries) {
      CHECK_FALSE(entry.contains("before"));
      CHECK_FALSE(entry.contains("after"));
    }
    CHECK(entries[0].at("sql").get<std::string>().starts_with("CREATE TABLE shop.item"));
    CHECK(entries[0].at("table") == "item");
    CHECK(entries[1].at("transaction").get<std::string>().starts_with("0-1-"));

    const auto with_values = show({path, "--values"});
    check_full_values(with_values, false);
    const auto queries = only(with_values, "query");
    REQUIRE(queries.size() == 3);
    CHECK(queries[1].at("sql") == "UPDATE shop.item SET amount = 7 WHERE id = 1");
  }

  SECTION("without metadata columns have numbers, and bytes are told by their look") {
    server.sql("SET GLOBAL binlog_row_metadata = 'NO_LOG'");
    const std::string path = next_file(server);
    make_changes(server);
    const auto inserts = only(show({path, "--values"}), "insert");
    REQUIRE(inserts.size() == 2);
    CHECK(inserts[0].at("after") == Json{{"@1", 1},
                                         {"@2", "0x636166e9"},
                                         {"@3", -1},
                                         {"@4", "12.50"},
                                         {"@5", "0x00ff"},
                                         {"@6", "#2"},
                                         {"@7", "0000-00-00"},
                                         {"@8", 0.1},
                                         {"@9", "9007199254740993"},
                                         {"@10", "a\xF0\x9F\x90\x9F"}});
  }

  SECTION("rows that are not logged in full show what is there") {
    server.sql("CREATE TABLE shop.item (id INT PRIMARY KEY, a INT, b INT)");
    server.sql("SET GLOBAL binlog_row_metadata = 'FULL'");
    const std::string path = next_file(server);
    MySqlSession session = server.session();
    session.sql("SET SESSION binlog_row_image = 'MINIMAL'");
    session.sql("INSERT INTO shop.item VALUES (1, 2, NULL); UPDATE shop.item SET b = 3");
    const auto updates = only(show({path, "--values"}), "update");
    REQUIRE(updates.size() == 1);
    CHECK(updates[0].at("before") == Json{{"id", 1}});
    CHECK(updates[0].at("after") == Json{{"b", 3}});
  }

  SECTION("compressed events and statements look like others") {
    server.sql("SET GLOBAL log_bin_compress = ON; SET GLOBAL log_bin_compress_min_len = 10");
    const std::string path = next_file(server);
    make_changes(server);
    CHECK(kinds(show({path})) == kAllKinds);
  }

  SECTION("a rotated file ends with a rotate, and a distributed transaction has its xid") {
    const std::string path = next_file(server);
    MySqlSession session = server.session();
    session.sql("XA START 'x1'; INSERT INTO shop.other VALUES (1); XA END 'x1'; XA PREPARE 'x1'");
    session.sql("XA COMMIT 'x1'");
    session.sql("XA START 'x2'; INSERT INTO shop.other VALUES (2); XA END 'x2'; XA PREPARE 'x2'");
    session.sql("XA ROLLBACK 'x2'");
    server.sql("FLUSH BINARY LOGS");
    const auto entries = show({path});
    CHECK(kinds(entries) == "begin insert prepare commit begin insert prepare rollback rotate");
    CHECK(entries[2].at("xid") == "X'7831',X'',1");
    CHECK(entries[3].at("xid") == "X'7831',X'',1");
    CHECK(entries[7].at("xid") == "X'7832',X'',1");
    // Following a file that is complete comes to an end by itself.
    CHECK(kinds(show({path, "--follow"})) == kinds(entries));
  }

  SECTION("accounts keep their passwords, and statements their values, to themselves") {
    const std::string path = next_file(server);
    server.sql("CREATE USER app IDENTIFIED BY 'geheim'");
    MySqlSession session = server.session();
    session.sql("SET SESSION binlog_format = 'STATEMENT'; INSERT INTO shop.other VALUES (77)");
    const auto plain = only(show({path}), "statement");
    REQUIRE(plain.size() == 2);
    CHECK(plain[0].at("sql") == "CREATE USER ...");
    CHECK(plain[1].at("sql") == "INSERT INTO ...");
    const auto open = only(show({path, "--values"}), "statement");
    CHECK(open.at(0).at("sql") == "CREATE USER ...");
    CHECK(open.at(1).at("sql") == "INSERT INTO shop.other VALUES (77)");
  }

  SECTION("selection") {
    const std::string path = next_file(server);
    make_changes(server);
    server.sql("INSERT INTO shop.other VALUES (1), (2)");
    const auto all = show({path});

    CHECK(kinds(show({path, "--table", "shop.other"})) == "begin insert insert commit");
    CHECK(kinds(show({path, "--table", "shop.i*"})) == kAllKinds);
    CHECK(kinds(show({path, "--table", "shop.i*", "--table", "*.other"})) == kinds(all));
    CHECK(show({path, "--table", "crm.*"}).empty());
    CHECK(kinds(show({path, "--limit", "2"})) == "statement begin insert");
    CHECK(kinds(show({path, "--table", "shop.other", "--limit", "1"})) == "begin insert");
    CHECK(show({path, "--limit", "0"}).empty());

    // An offset that was shown is a place to begin, and so is any position of the file.
    const std::string offset = all[5].at("offset");
    CHECK(kinds(show({path, "--from", offset})) ==
          "begin update delete commit begin insert insert commit");
    const std::string inside = std::to_string(all[6].at("position").get<std::uint64_t>());
    CHECK(kinds(show({path, "--from", inside})) ==
          "update delete commit begin insert insert commit");

    const std::string text = show_text({path});
    CHECK_THAT(text, Catch::Contains("  insert     shop.item\n") &&
                         Catch::Contains(fmt::format("  {:<18}  begin      0-1-", offset)));
    CHECK(std::count(text.begin(), text.end(), '\n') == static_cast<int>(all.size()));
    CHECK_THAT(show_text({path, "--values", "--table", "shop.other"}),
               Catch::Contains("  insert     shop.other  @1=1\n"));
  }
}

TEST_CASE("log show reads what a MariaDB has", "[server][log-show]") {
  TempMariaDb server;
  prepare(server);
  const std::string path = next_file(server);
  const std::string from = start_of(path);
  make_changes(server);
  const TempDir dir;
  const std::string task = write_task(dir, server);

  SECTION("the catalogue tells names, signs and character sets") {
    const auto entries = show({task, "--from", from});
    CHECK(kinds(entries) == kAllKinds);
    check_common(entries, path);
    const auto with_values = show({task, "--from", from, "--values"});
    check_full_values(with_values, true);
    CHECK(only(with_values, "query").size() == 3);
    // File and server hold the same.
    const auto of_file = show({path});
    REQUIRE(of_file.size() == entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i) CHECK(of_file[i] == entries[i]);
  }

  SECTION("a table that has changed since is shown as the log has it") {
    server.sql("ALTER TABLE shop.item DROP COLUMN day");
    const auto inserts = only(show({task, "--from", from, "--values"}), "insert");
    REQUIRE(inserts.size() == 2);
    CHECK(inserts[0].at("after").at("@1") == 1);
    CHECK(inserts[0].at("after").at("@7") == "0000-00-00");
    server.sql("DROP TABLE shop.item");
    CHECK(only(show({task, "--from", from, "--values"}), "insert").at(0).at("after").at("@1") == 1);
  }

  SECTION("it goes through the files, and begins at every offset that it shows") {
    server.sql("FLUSH BINARY LOGS");
    server.sql("INSERT INTO shop.other VALUES (1)");
    const auto entries = show({task, "--from", from});
    CHECK(kinds(entries) == std::string(kAllKinds) + " rotate begin insert commit");
    const auto rotate = only(entries, "rotate").at(0);
    CHECK(rotate.at("file") == std::filesystem::path(log_file(server)).filename().string());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].at("kind") != "begin") continue;
      const auto rest = show({task, "--from", entries[i].at("offset")});
      CAPTURE(i);
      REQUIRE(rest.size() == entries.size() - i);
      CHECK(rest.front() == entries[i]);
      CHECK(rest.back() == entries.back());
    }
  }

  SECTION("a registered task begins at its offset, which does not move") {
    const auto end = server.query("SHOW MASTER STATUS").at(0);
    const std::string by_gtid =
        end[0] + ":" + end[1] + " gtid " + server.value("SELECT @@gtid_binlog_pos");
    server.sql("INSERT INTO shop.other VALUES (1)");
    for (const std::string& offset : {from, by_gtid}) {
      Command command({"shop", "--json"});
      register_task(command, task, offset, "mariadb domain 0 server 1");
      REQUIRE(command.run() == 0);
      const auto entries = command.lines();
      CHECK(kinds(entries) == (offset == from ? std::string(kAllKinds) + " begin insert commit"
                                              : "begin insert commit"));
      CHECK(weir::open_state(command.state(), true)->offset("shop")->offset.text == offset);
    }
  }

  SECTION("an offset of another server, or of a log that is gone, is refused") {
    Command other({"shop"});
    register_task(other, task, from, "mariadb domain 0 server 9");
    CHECK(other.run() == 4);
    CHECK_THAT(other.err(), Catch::StartsWith("error[source.identity-changed]: "));
    Command none({"shop"});
    register_task(none, task, "", "");
    CHECK(none.run() == 8);
    CHECK_THAT(none.err(), Catch::StartsWith("error[log.no-offset]: ") &&
                               Catch::Contains("--from FILE:POSITION"));
    Command gone({"shop"});
    register_task(gone, task, "gone.000001:4", "mariadb domain 0 server 1");
    CHECK(gone.run() == 4);
    CHECK_THAT(gone.err(), Catch::StartsWith("error[mysql.offset-lost]: "));
    check_refused({task, "--from", "gone.000001:4"}, 4, "mysql.offset-lost", "gone.000001:4");
    for (const std::string bad : {"nonsense", "bin.000001:", "bin.000001:12x", "x:4 gtid 1-2"}) {
      check_refused({task, "--from", bad}, 2, "usage.bad-value", "--from cannot be '" + bad + "'");
    }
  }

  SECTION("followers see what comes, disturb nobody, and end well") {
    std::vector<std::unique_ptr<Command>> followers;
    for (int i = 0; i < 2; ++i) {
      followers.push_back(std::make_unique<Command>(
          std::vector<std::string>{task, "--from", from, "--follow", "--json"}));
      followers.back()->start();
    }
    const auto shows = [&followers](const std::string& text) {
      return std::all_of(followers.begin(), followers.end(), [&text](const auto& follower) {
        return follower->out().find(text) != std::string::npos;
      });
    };
    CHECK(eventually([&] { return shows("\"delete\""); }));
    server.sql("INSERT INTO shop.other VALUES (5)");
    CHECK(eventually([&] { return shows("\"other\""); }));
    // One that does not follow sees the same and does not end the others' streams.
    CHECK(kinds(show({task, "--from", from})) == std::string(kAllKinds) + " begin insert commit");
    server.sql("CREATE TABLE shop.last (id INT)");
    CHECK(eventually([&] { return shows("\"last\""); }));
    const int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; ++i) {
      CHECK(followers[static_cast<std::size_t>(i)]->running());
      followers[static_cast<std::size_t>(i)]->signal(signals[i]);
      CHECK(followers[static_cast<std::size_t>(i)]->wait() == 0);
      CHECK(followers[static_cast<std::size_t>(i)]->err().empty());
    }
  }

  SECTION("a file is followed while it grows, and a follower ends at its limit") {
    Command follower({path, "--follow", "--json", "--limit", "6"});
    follower.start();
    CHECK(eventually([&] { return follower.out().find("\"delete\"") != std::string::npos; }));
    CHECK(follower.running());
    server.sql("INSERT INTO shop.other VALUES (5)");
    CHECK(follower.wait() == 0);
    CHECK(kinds(follower.lines()) == std::string(kAllKinds) + " begin insert");
  }

  SECTION("a source that cannot be read is named") {
    server.sql("CREATE USER poor IDENTIFIED BY 'weir-pw'; GRANT SELECT ON *.* TO poor");
    std::string text = read_file(task);
    text.replace(text.find("\"weir\""), 6, "\"poor\"");
    const std::string poor = dir.write("poor.toml", text);
    check_refused({poor, "--from", from}, 5, "mysql.replication-denied", "GRANT REPLICATION");
    server.stop();
    check_refused({task, "--from", from}, 5, "mysql.unreachable", "127.0.0.1");
  }
}

TEST_CASE("log show refuses what is no change log", "[server][log-show]") {
  TempMariaDb server;
  prepare(server);
  const std::string path = next_file(server);
  make_changes(server);
  server.sql("FLUSH BINARY LOGS");
  const std::string whole = read_file(path);
  REQUIRE(whole.size() > 600);
  const TempDir dir;

  check_refused({dir / "none.000001"}, 8, "log.no-file", "none.000001");
  check_refused({"binlog.000042"}, 8, "log.no-file", "binlog.000042");
  check_refused({"nobody"}, 8, "task.unknown", "no task nobody");
  check_refused({dir / "none.toml"}, 3, "task-file.unreadable", "none.toml");
  check_refused({dir.path()}, 1, "log.file", dir.path());
  check_refused({dir.write("text", "a text, no log")}, 1, "log.not-a-log", "is no change log");
  check_refused({dir.write("empty", "")}, 1, "log.not-a-log", "is no change log");
  check_refused({dir.write("secret.000001",
                           "\xfd"
                           "bin" +
                               whole.substr(4))},
                9, "binlog.encrypted", "encrypted");
  check_refused({path, "--table", "shop.[a"}, 2, "usage.bad-value", "--table cannot be");
  check_refused({path, "--from", "x"}, 2, "usage.bad-value", "--from cannot be 'x'");
  check_refused({path, "--from", "other.000001:4"}, 2, "usage.bad-value",
                std::filesystem::path(path).filename().string());

  SECTION("a position beyond the end of a file that still grows") {
    check_refused({log_file(server), "--from", "99999999"}, 2, "usage.bad-value", "ends at");
  }
  SECTION("a file that was cut short shows what it has, and says so") {
    const std::string cut = dir.write("cut.000001", whole.substr(0, whole.size() - 50));
    Command command({cut, "--json"});
    CHECK(command.run() == 1);
    CHECK(kinds(command.lines()).starts_with("statement begin insert insert commit"));
    CHECK_THAT(command.err(),
               Catch::Contains("binlog.truncated") && Catch::Contains("\"verb\":\"log show\""));
    Command follower({cut, "--follow", "--json"});
    follower.start();
    CHECK(eventually([&] { return follower.out().find("\"delete\"") != std::string::npos; }));
    std::ofstream(cut, std::ios::app | std::ios::binary) << whole.substr(whole.size() - 50);
    CHECK(follower.wait() == 0);
    CHECK(kinds(follower.lines()) == std::string(kAllKinds) + " rotate");
  }
  SECTION("a damaged file shows what comes before the damage") {
    std::string damaged = whole;
    const std::size_t place = whole.find("UPDATE shop.item");
    REQUIRE(place != std::string::npos);
    damaged[place] = 'u';
    const std::string bad = dir.write("bad.000001", damaged);
    Command command({bad});
    CHECK(command.run() == 1);
    CHECK_THAT(command.err(),
               Catch::StartsWith("error[binlog.checksum]: ") && Catch::Contains("bad.000001 at "));
    CHECK_THAT(command.out(), Catch::Contains("  insert     shop.item\n"));
  }
}

TEST_CASE("collations in the log are told apart on MariaDB", "[server][log-show]") {
  TempMariaDb server;
  check_collations(
      server.query("SELECT id, character_set_name FROM "
                   "information_schema.collation_character_set_applicability WHERE id > 0"));
}

TEST_CASE("log show reads the log of MySQL 9", "[server][bootstrap][log-show]") {
  TempMySql server;
  prepare(server);
  const TempDir dir;
  const std::string task = write_task(dir, server);
  server.sql("SET GLOBAL binlog_rows_query_log_events = ON");

  SECTION("from the file and from the server, whatever metadata there is") {
    for (const std::string metadata : {"FULL", "MINIMAL"}) {
      server.sql("SET GLOBAL binlog_row_metadata = '" + metadata + "'");
      server.sql("DROP TABLE IF EXISTS shop.item");
      const std::string path = next_file(server);
      make_changes(server);
      const auto entries = show({path});
      CHECK(kinds(entries) == kAllKinds);
      check_common(entries, path);
      CHECK(entries[1]
                .at("transaction")
                .get<std::string>()
                .starts_with(server.value("SELECT @@server_uuid") + ":"));
      const auto values = show({path, "--values"});
      if (metadata == "FULL") {
        check_full_values(values, false);
      } else {
        const Json row = only(values, "insert").at(0).at("after");
        CHECK(row.at("@3") == 65535);
        CHECK(row.at("@5") == "0x00ff");
        CHECK(row.at("@6") == "#2");
      }
      CHECK(only(values, "query").size() == 3);
      const auto streamed = show({task, "--from", start_of(path)});
      REQUIRE(streamed.size() == entries.size());
      for (std::size_t i = 0; i < entries.size(); ++i) CHECK(streamed[i] == entries[i]);
      check_full_values(show({task, "--from", start_of(path), "--values"}), true);
    }
  }

  SECTION("compressed transactions, and an offset with a GTID set") {
    server.sql("SET GLOBAL binlog_transaction_compression = ON");
    const std::string before = server.value("SELECT @@gtid_executed");
    const std::string path = next_file(server);
    make_changes(server);
    CHECK(kinds(show({path})) == kAllKinds);
    check_full_values(show({task, "--from", start_of(path), "--values"}), true);
    Command command({"shop", "--json"});
    register_task(command, task, start_of(path) + " gtid " + before,
                  "mysql " + server.value("SELECT @@server_uuid"));
    REQUIRE(command.run() == 0);
    CHECK(kinds(command.lines()) == kAllKinds);
    check_common(command.lines(), path);
  }

  SECTION("JSON, its differences, and distributed transactions") {
    server.sql("CREATE TABLE shop.doc (id INT PRIMARY KEY, body JSON)");
    const std::string path = next_file(server);
    MySqlSession session = server.session();
    session.sql("INSERT INTO shop.doc VALUES (1, '{\"a\": [1, null]}')");
    session.sql("SET SESSION binlog_row_value_options = 'PARTIAL_JSON'");
    session.sql("UPDATE shop.doc SET body = JSON_SET(body, '$.a[0]', 2)");
    session.sql("XA START 'x1'; INSERT INTO shop.other VALUES (1); XA END 'x1'; XA PREPARE 'x1'");
    session.sql("XA COMMIT 'x1'");
    for (const auto& words : {std::vector<std::string>{path},
                              std::vector<std::string>{task, "--from", start_of(path)}}) {
      auto with_values = words;
      with_values.emplace_back("--values");
      const auto entries = show(with_values);
      CHECK(kinds(show(words)) ==
            "begin insert commit begin update commit begin insert prepare commit");
      CHECK(only(entries, "insert").at(0).at("after").items().begin().value() == 1);
      CHECK(only(entries, "insert").at(0).at("after").back() == "{\"a\": [1, null]}");
      const Json update = only(entries, "update").at(0);
      CHECK_THAT(update.at("note").get<std::string>(), Catch::Contains("differences of JSON"));
      CHECK_FALSE(update.contains("after"));
      CHECK(only(entries, "prepare").at(0).at("xid") == "X'7831',X'',1");
    }
  }

  SECTION("without GTIDs") {
    TempMySql plain({.gtid = false});
    prepare(plain);
    const std::string path = next_file(plain);
    make_changes(plain);
    const TempDir other;
    const auto entries = show({write_task(other, plain), "--from", start_of(path)});
    CHECK(kinds(entries) == kAllKinds);
    for (const Json& entry : entries) CHECK(entry.at("transaction").is_null());
  }

  SECTION("collations") {
    check_collations(
        server.query("SELECT id, character_set_name FROM information_schema.collations"));
  }

  SECTION("followers") {
    const std::string path = next_file(server);
    Command one({task, "--from", start_of(path), "--follow"});
    Command two({task, "--from", start_of(path), "--follow"});
    one.start();
    two.start();
    server.sql("INSERT INTO shop.other VALUES (1)");
    for (Command* command : {&one, &two}) {
      CHECK(eventually([&] { return command->out().find("shop.other") != std::string::npos; }));
    }
    for (Command* command : {&one, &two}) {
      command->signal(SIGTERM);
      CHECK(command->wait() == 0);
    }
  }
}

TEST_CASE("log show reads the log of MariaDB 11.8", "[server][bootstrap][log-show]") {
  TempMariaDb server({.release = TempMariaDb::Release::v11_8});
  check_collations(
      server.query("SELECT id, character_set_name FROM "
                   "information_schema.collation_character_set_applicability WHERE id > 0"));
  prepare(server);
  const TempDir dir;
  const std::string task = write_task(dir, server);
  const std::string path = next_file(server);
  make_changes(server);
  const auto entries = show({path});
  CHECK(kinds(entries) == kAllKinds);
  check_common(entries, path);
  const auto streamed = show({task, "--from", start_of(path)});
  REQUIRE(streamed.size() == entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) CHECK(streamed[i] == entries[i]);
  check_full_values(show({task, "--from", start_of(path), "--values"}), true);
}
