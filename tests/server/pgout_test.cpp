// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "source/postgres/changes.h"
#include "support/eventually.h"
#include "support/temp_postgres.h"

using namespace weir::test;
using weir::Cell;
using weir::ChangeReader;
using weir::Error;
using weir::RowChange;
using weir::SchemaChange;
using weir::TablePlan;
using weir::Task;
using weir::Time;
using weir::TypeKind;
using weir::pgsource::Lsn;
using weir::pgsource::PgChangeReader;

namespace {

constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(60);

struct PlanColumn {
  const char* name;
  TypeKind kind = TypeKind::text;
  const char* native = "text";
};

constexpr PlanColumn kId{"id", TypeKind::int32, "integer"};

/// What the mapping rules would make of a table whose first columns are its key.
TablePlan plan_of(std::uint32_t id, const char* name, const std::vector<PlanColumn>& columns,
                  std::uint32_t keys = 1) {
  TablePlan plan;
  plan.id = id;
  plan.source.name = {"public", name};
  plan.target = plan.source.name;
  for (const PlanColumn& from : columns) {
    weir::Column column;
    column.name = from.name;
    column.type.kind = from.kind;
    column.type.native = from.native;
    weir::PlannedColumn planned;
    planned.name = from.name;
    planned.source = static_cast<std::uint32_t>(plan.source.columns.size());
    planned.type = column.type;
    plan.source.columns.push_back(column);
    plan.columns.push_back(planned);
  }
  for (std::uint32_t i = 0; i < keys; ++i) {
    plan.key.push_back(i);
    plan.source.key.push_back(i);
  }
  plan.source.key_is_primary = plan.key_is_primary = keys > 0;
  return plan;
}

std::string text_of(Cell cell) {
  if (cell.is_absent()) return "-";
  if (cell.is_null()) return "NULL";
  return cell.size() > 60 ? fmt::format("[{}]", cell.size()) : std::string(cell.text());
}

std::string text_of(weir::Row row) {
  std::string out;
  for (const Cell cell : row) out += (out.empty() ? "" : ",") + text_of(cell);
  return out;
}

/// Writes down what it is handed, one line each.
class Recorder final : public weir::ChangeSink {
 public:
  void begin(Time) override { lines.emplace_back("begin"); }
  void row(const RowChange& change) override {
    ++rows;
    if (on_row) on_row();
    if (!keep_rows) return;
    switch (change.op) {
      case RowChange::Op::insert:
        lines.push_back(fmt::format("insert {} {}", change.table, text_of(change.after)));
        return;
      case RowChange::Op::update:
        lines.push_back(fmt::format("update {} {} -> {}", change.table, text_of(change.before),
                                    text_of(change.after)));
        return;
      case RowChange::Op::remove:
        lines.push_back(fmt::format("delete {} {}", change.table, text_of(change.before)));
        return;
    }
  }
  void schema(const SchemaChange& change) override {
    lines.push_back(fmt::format("{} {}", to_string(change.kind), change.table.table));
    changes.push_back(change);
  }
  void commit(Time time) override {
    CHECK(time.time_since_epoch().count() > 1'700'000'000'000'000);
    ++commits;
    if (in_transaction()) lines.emplace_back("commit");
  }

  bool in_transaction() const {
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
      if (*line == "commit") return false;
      if (*line == "begin") return true;
    }
    return false;
  }

  std::vector<std::string> lines;
  std::vector<SchemaChange> changes;
  std::function<void()> on_row;
  bool keep_rows = true;
  std::uint64_t rows = 0;
  std::uint64_t commits = 0;
};

/// A source with a slot and a publication of its tables, and a reader on it.
class Follower {
 public:
  explicit Follower(TempPostgres& server, std::vector<TablePlan> plans)
      : server_(server), plans_(std::move(plans)) {
    task.name = "probe";
    task.source.kind = "postgres";
    task.source.socket = server.socket_dir();
    task.source.port = server.port();
    task.source.user = "postgres";
    task.source.database = server.database();
    std::string tables;
    for (const TablePlan& plan : plans_) {
      tables += (tables.empty() ? "" : ", ") + plan.source.name.table;
    }
    server.sql(fmt::format(
        "CREATE PUBLICATION weir_probe FOR TABLE {} WITH (publish_via_partition_root = true)",
        tables));
    from = Lsn::parse(server.value(
        "SELECT lsn FROM pg_create_logical_replication_slot('weir_probe', 'pgoutput')"));
  }

  void open() { reader = std::make_unique<PgChangeReader>(task, from, plans_); }

  void close() {
    from = Lsn::parse(reader->offset().text);
    reader.reset();
  }

  /// Reads until `condition` holds; the sink is not in a transaction then.
  bool read_until(const std::function<bool()>& condition,
                  std::chrono::milliseconds bound = kPatience) {
    if (reader == nullptr) open();
    return eventually(
        [&] {
          while (reader->wait(std::chrono::milliseconds(5)) == ChangeReader::Wait::ready) {
            reader->poll(sink);
            if (!sink.in_transaction() && condition()) return true;
          }
          return !sink.in_transaction() && condition();
        },
        bound);
  }

  /// Everything that has committed up to now, without transactions of nothing.
  std::vector<std::string> read_all() {
    const Lsn end = Lsn::parse(server_.value("SELECT pg_current_wal_insert_lsn()"));
    REQUIRE(read_until([&] { return Lsn::parse(reader->offset().text) >= end; }));
    return std::exchange(sink.lines, {});
  }

  std::string slot(const char* column) {
    return server_.value(
        fmt::format("SELECT {} FROM pg_replication_slots WHERE slot_name = 'weir_probe'", column));
  }

  Task task;
  Lsn from;
  Recorder sink;
  std::unique_ptr<PgChangeReader> reader;

 private:
  TempPostgres& server_;
  std::vector<TablePlan> plans_;
};

using Lines = std::vector<std::string>;

constexpr const char* kLarge =
    "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 400) i)";

TempPostgres::Options release(TempPostgres::Release which, std::vector<std::string> settings = {}) {
  TempPostgres::Options options;
  options.release = which;
  options.settings = std::move(settings);
  return options;
}

void rows_and_transactions(TempPostgres::Release which) {
  TempPostgres server(release(which));
  server.sql(
      "CREATE TABLE item (id int PRIMARY KEY, name text, flag boolean, data bytea, "
      "at timestamptz); CREATE TABLE other (id int PRIMARY KEY)");
  Follower source(server, {plan_of(0, "item",
                                   {kId,
                                    {"name"},
                                    {"flag", TypeKind::boolean, "boolean"},
                                    {"data", TypeKind::bytes, "bytea"},
                                    {"at", TypeKind::timestamp, "timestamp with time zone"}})});
  server.sql(
      "INSERT INTO item VALUES (1, 'one', true, '\\x41ff', '2026-01-02 05:04:05+02'), "
      "(2, NULL, NULL, NULL, NULL)");
  server.sql("INSERT INTO other VALUES (1)");
  server.sql("UPDATE item SET name = '' WHERE id = 1");
  server.sql("UPDATE item SET id = 3 WHERE id = 2");
  server.sql("DELETE FROM item WHERE id = 3");
  server.sql(
      "BEGIN; INSERT INTO item (id) VALUES (4); SAVEPOINT a; INSERT INTO item (id) VALUES "
      "(5); ROLLBACK TO a; INSERT INTO item (id) VALUES (6); COMMIT");
  server.sql("BEGIN; INSERT INTO item (id) VALUES (7); ROLLBACK");
  CHECK(source.read_all() == Lines{"begin", "insert 0 1,one,1,A\xff,2026-01-02 03:04:05",
                                   "insert 0 2,NULL,NULL,NULL,NULL", "commit", "begin",
                                   "update 0 1,-,-,-,- -> 1,,1,A\xff,2026-01-02 03:04:05", "commit",
                                   "begin", "update 0 2,-,-,-,- -> 3,NULL,NULL,NULL,NULL", "commit",
                                   "begin", "delete 0 3,-,-,-,-", "commit", "begin",
                                   "insert 0 4,NULL,NULL,NULL,NULL",
                                   "insert 0 6,NULL,NULL,NULL,NULL", "commit"});
  CHECK(source.reader->bytes_read() > 0);
}

void toast_in_each_identity(TempPostgres::Release which) {
  TempPostgres server(release(which));
  server.sql(
      "CREATE TABLE d (id int PRIMARY KEY, big text, n int); "
      "CREATE TABLE f (id int PRIMARY KEY, big text, n int); "
      "ALTER TABLE f REPLICA IDENTITY FULL; "
      "CREATE TABLE x (id int NOT NULL, big text, n int); "
      "CREATE UNIQUE INDEX x_id ON x (id); "
      "ALTER TABLE x REPLICA IDENTITY USING INDEX x_id; "
      "CREATE TABLE k (id text PRIMARY KEY, big text, n int)");
  for (const char* table : {"d", "f", "x", "k"}) {
    server.sql(fmt::format("ALTER TABLE {} ALTER big SET STORAGE EXTERNAL", table));
  }
  server.sql("ALTER TABLE k ALTER id SET STORAGE EXTERNAL");
  const PlanColumn n{"n", TypeKind::int32, "integer"};
  Follower source(server,
                  {plan_of(0, "d", {kId, {"big"}, n}), plan_of(1, "f", {kId, {"big"}, n}),
                   plan_of(2, "x", {kId, {"big"}, n}), plan_of(3, "k", {{"id"}, {"big"}, n})});
  const std::string large = fmt::format("[{}]", 32 * 400);
  const std::string key(2500, 'k');
  server.sql(
      fmt::format("INSERT INTO d VALUES (1, {0}, 0); INSERT INTO f VALUES (1, {0}, 0); "
                  "INSERT INTO x VALUES (1, {0}, 0); INSERT INTO k VALUES ('{1}', {0}, 0)",
                  kLarge, key));
  source.read_all();
  for (const char* table : {"d", "f", "x", "k"}) {
    server.sql(fmt::format("UPDATE {} SET n = 1", table));
  }
  for (const char* table : {"d", "f", "x"}) {
    server.sql(fmt::format("UPDATE {} SET id = 2", table));
    server.sql(fmt::format("DELETE FROM {}", table));
  }
  Lines expected;
  const auto one = [&](const std::string& line) {
    expected.insert(expected.end(), {"begin", line, "commit"});
  };
  one("update 0 1,-,- -> 1,-,1");
  one("update 1 1," + large + ",0 -> 1," + large + ",1");
  one("update 2 1,-,- -> 1,-,1");
  one("update 3 [2500],-,- -> [2500],-,1");
  one("update 0 1,-,- -> 2,-,1");
  one("delete 0 2,-,-");
  one("update 1 1," + large + ",1 -> 2," + large + ",1");
  one("delete 1 2," + large + ",1");
  one("update 2 1,-,- -> 2,-,1");
  one("delete 2 2,-,-");
  CHECK(source.read_all() == expected);
}

/// Rows in the order of a streamed transaction, once it has committed.
void streamed_transactions(TempPostgres::Release which) {
  // The least the server takes: it streams what is larger.
  TempPostgres server(release(which, {"logical_decoding_work_mem=64kB"}));
  server.sql("CREATE TABLE item (id int PRIMARY KEY, name text)");
  Follower source(server, {plan_of(0, "item", {kId, {"name"}})});
  source.open();
  PgSession one = server.session("postgres");
  PgSession two = server.session("postgres");
  const auto insert = [](PgSession& session, int from, int to) {
    session.sql(
        fmt::format("INSERT INTO item SELECT i, repeat('x', 50) FROM generate_series({}, "
                    "{}) i",
                    from, to));
  };
  const auto streamed = [&] {
    return std::stoull(
        server.value("SELECT coalesce(sum(stream_count), 0) FROM "
                     "pg_stat_replication_slots"));
  };
  one.sql("BEGIN");
  two.sql("BEGIN");
  insert(one, 1, 3000);
  insert(two, 10'001, 13'000);
  one.sql("SAVEPOINT a");
  insert(one, 20'001, 23'000);
  one.sql("SAVEPOINT b");
  insert(one, 30'001, 33'000);
  one.sql("RELEASE b");
  insert(one, 40'001, 43'000);
  one.sql("ROLLBACK TO a");
  insert(one, 50'001, 53'000);
  one.sql("SAVEPOINT c");
  insert(one, 60'001, 63'000);
  one.sql("RELEASE c");
  insert(one, 70'001, 73'000);
  // A transaction that is as large, and is rolled back.
  PgSession three = server.session("postgres");
  three.sql("BEGIN");
  insert(three, 80'001, 83'000);
  three.sql("ROLLBACK");
  // Nothing may arrive before its commit, though the server has sent much of it by now.
  CHECK(source.read_all().empty());
  CHECK(source.sink.rows == 0);
  server.sql("INSERT INTO item VALUES (0, 'alone')");
  CHECK(source.read_all() == Lines{"begin", "insert 0 0,alone", "commit"});
  two.sql("COMMIT");
  const auto expect = [&](std::initializer_list<int> firsts) {
    Lines expected{"begin"};
    for (const int first : firsts) {
      for (int i = first; i < first + 3000; ++i) {
        expected.push_back(fmt::format("insert 0 {},{}", i, std::string(50, 'x')));
      }
    }
    expected.emplace_back("commit");
    const Lines got = source.read_all();
    CHECK(got.size() == expected.size());
    CHECK(got == expected);
  };
  expect({10'001});
  one.sql("COMMIT");
  expect({1, 50'001, 60'001, 70'001});
  CHECK(eventually([&] { return streamed() > 0; }));
}

/// Peak resident memory of this process, in MiB.
std::uint64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) / 1024;
  }
  return 0;
}

void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

void large_transaction(TempPostgres::Release which, const char* work_mem, int rows) {
  TempPostgres server(release(which, {std::string("logical_decoding_work_mem=") + work_mem}));
  server.sql("CREATE TABLE item (id int PRIMARY KEY, name text)");
  Follower source(server, {plan_of(0, "item", {kId, {"name"}})});
  source.sink.keep_rows = false;
  source.open();
  reset_peak_memory();
  const std::uint64_t before = peak_memory();
  server.sql(
      fmt::format("INSERT INTO item SELECT i, md5(i::text) FROM generate_series(1, {}) i", rows));
  CHECK(source.read_all() == Lines{"begin", "commit"});
  CHECK(source.sink.rows == static_cast<std::uint64_t>(rows));
  INFO("peak " << peak_memory() << " MiB, before " << before << " MiB");
  CHECK(peak_memory() - before < 48);
}

void truncations(TempPostgres::Release which) {
  TempPostgres server(release(which));
  server.sql(
      "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES "
      "a); CREATE TABLE c (id int PRIMARY KEY)");
  Follower source(server, {plan_of(0, "a", {kId}), plan_of(1, "b", {kId}), plan_of(2, "c", {kId})});
  server.sql("INSERT INTO a VALUES (1)");
  server.sql("TRUNCATE a CASCADE");
  // What is put in before the truncation is gone after it, and what follows is not.
  server.sql(
      "BEGIN; INSERT INTO a VALUES (2); INSERT INTO c VALUES (1); TRUNCATE a, b; INSERT "
      "INTO a VALUES (3); COMMIT");
  CHECK(source.read_all() == Lines{"begin", "insert 0 1", "commit", "truncate_table a",
                                   "truncate_table b", "truncate_table a", "truncate_table b",
                                   "begin", "insert 2 1", "insert 0 3", "commit"});
  // A task that does not empty its tables wants what was in them.
  source.close();
  source.task.ddl.truncate_table = weir::DdlAction::ignore;
  server.sql("BEGIN; INSERT INTO c VALUES (2); TRUNCATE c; INSERT INTO c VALUES (3); COMMIT");
  CHECK(source.read_all() ==
        Lines{"truncate_table c", "begin", "insert 2 2", "insert 2 3", "commit"});
}

void partitions(TempPostgres::Release which) {
  TempPostgres server(release(which));
  server.sql(
      "CREATE TABLE m (id int, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day); "
      "CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10); "
      "CREATE TABLE m2 (day int NOT NULL, id int NOT NULL, PRIMARY KEY (id, day)); "
      "ALTER TABLE m ATTACH PARTITION m2 FOR VALUES FROM (10) TO (20)");
  Follower source(server, {plan_of(0, "m", {kId, {"day", TypeKind::int32, "integer"}}, 2)});
  server.sql("INSERT INTO m VALUES (1, 5), (2, 15)");
  server.sql("UPDATE m SET day = 15 WHERE id = 1");
  server.sql("CREATE TABLE m3 PARTITION OF m FOR VALUES FROM (20) TO (30)");
  server.sql("INSERT INTO m3 VALUES (3, 25)");
  server.sql("TRUNCATE m");
  const Lines got = source.read_all();
  // A row that goes to another partition is deleted in one and inserted into the other.
  CHECK(got == Lines{"begin", "insert 0 1,5", "insert 0 2,15", "commit", "begin", "delete 0 1,5",
                     "insert 0 1,15", "commit", "begin", "insert 0 3,25", "commit",
                     "truncate_table m"});
}

void resumes(TempPostgres::Release which) {
  TempPostgres server(release(which));
  server.sql("CREATE TABLE item (id int PRIMARY KEY)");
  Follower source(server, {plan_of(0, "item", {kId})});
  for (int i = 0; i < 20; ++i) server.sql(fmt::format("INSERT INTO item VALUES ({})", i));
  Lines seen;
  // Whatever was confirmed or not, each reader goes on where the one before it ended.
  for (int round = 0; round < 5; ++round) {
    source.open();
    const std::uint64_t until = source.sink.rows + 4;
    REQUIRE(source.read_until([&] { return source.sink.rows >= until; }));
    if (round % 2 == 0) source.reader->confirm(source.reader->offset());
    source.close();
  }
  for (const std::string& line : source.sink.lines) {
    if (line.starts_with("insert")) seen.push_back(line);
  }
  Lines expected;
  for (int i = 0; i < 20; ++i) expected.push_back(fmt::format("insert 0 {}", i));
  CHECK(seen == expected);
  // The same offset again, as after a crash before the target had stored a later one.
  source.sink.lines.clear();
  server.sql("INSERT INTO item VALUES (100)");
  source.open();
  REQUIRE(source.read_until([&] { return source.sink.rows == 21; }));
  source.reader.reset();
  source.open();
  REQUIRE(source.read_until([&] { return source.sink.rows == 22; }));
  CHECK(source.sink.lines ==
        Lines{"begin", "insert 0 100", "commit", "begin", "insert 0 100", "commit"});
}

void idle_slot_moves(TempPostgres::Release which) {
  TempPostgres server(release(which));
  server.sql("CREATE TABLE item (id int PRIMARY KEY); CREATE TABLE other (id int)");
  Follower source(server, {plan_of(0, "item", {kId})});
  source.open();
  const std::string before = source.slot("confirmed_flush_lsn");
  CHECK(before == source.from.text());
  // Only a table that nobody follows is written to.
  server.sql("INSERT INTO other SELECT generate_series(1, 100000)");
  const Lsn end = Lsn::parse(server.value("SELECT pg_current_wal_insert_lsn()"));
  REQUIRE(source.read_until([&] { return Lsn::parse(source.reader->offset().text) >= end; }));
  // Not before it is confirmed.
  CHECK(source.slot("confirmed_flush_lsn") == before);
  CHECK(source.sink.lines.empty());
  CHECK(source.read_until([&] { return source.reader->at_end(); }));
  source.reader->confirm(source.reader->offset());
  CHECK(source.read_until([&] { return Lsn::parse(source.slot("confirmed_flush_lsn")) >= end; }));
  // And the server drops the log up to there.
  server.sql("CHECKPOINT");
  CHECK(source.read_until([&] {
    source.reader->confirm(source.reader->offset());
    server.sql("CHECKPOINT");
    server.sql("SELECT txid_current()");
    return Lsn::parse(source.slot("restart_lsn")) >= end;
  }));
}

/// The sink is busy for far longer than the server waits for a word.
void blocked_sink(TempPostgres::Release which) {
  TempPostgres server(release(which, {"wal_sender_timeout=2s"}));
  server.sql("CREATE TABLE item (id int PRIMARY KEY, name text)");
  Follower source(server, {plan_of(0, "item", {kId, {"name"}})});
  source.sink.keep_rows = false;
  source.open();
  // More than the buffers between hold, so that the server waits in the middle of sending.
  server.sql(
      "INSERT INTO item SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 50000) "
      "i");
  const std::string pid = source.slot("active_pid");
  source.sink.on_row = [&] {
    if (source.sink.rows != 1) return;
    for (int i = 1; i <= 3; ++i) {
      server.sql(
          fmt::format("INSERT INTO item SELECT i, repeat(md5(i::text), 20) FROM "
                      "generate_series({0}, {0} + 20000) i",
                      100'000 * i));
    }
    // The server hears from us all the same.
    const std::string begin = server.value("SELECT now()");
    CHECK(eventually([&] {
      return server.value(fmt::format("SELECT count(*) FROM pg_stat_replication WHERE reply_time > "
                                      "'{}'::timestamptz + interval '7 s'",
                                      begin)) == "1";
    }));
  };
  source.read_all();
  source.read_all();  // what was written meanwhile
  CHECK(source.sink.rows == 50'000 + 3 * 20'001);
  CHECK(source.slot("active_pid") == pid);
}

}  // namespace

TEST_CASE("PostgreSQL 15: rows come in whole transactions", "[pgout]") {
  rows_and_transactions(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: rows come in whole transactions", "[pgout][bootstrap]") {
  rows_and_transactions(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: values that did not change never become NULL", "[pgout]") {
  toast_in_each_identity(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: values that did not change never become NULL", "[pgout][bootstrap]") {
  toast_in_each_identity(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: a streamed transaction waits for its commit", "[pgout]") {
  streamed_transactions(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: a streamed transaction waits for its commit", "[pgout][bootstrap]") {
  streamed_transactions(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: TRUNCATE comes before its transaction", "[pgout]") {
  truncations(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: TRUNCATE comes before its transaction", "[pgout][bootstrap]") {
  truncations(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: partitions speak through their root", "[pgout]") {
  partitions(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: partitions speak through their root", "[pgout][bootstrap]") {
  partitions(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: a reader goes on where the last one ended", "[pgout]") {
  resumes(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: a reader goes on where the last one ended", "[pgout][bootstrap]") {
  resumes(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: an idle task lets the server drop its log", "[pgout]") {
  idle_slot_moves(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: an idle task lets the server drop its log", "[pgout][bootstrap]") {
  idle_slot_moves(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: a busy task is not taken for a dead one", "[pgout]") {
  blocked_sink(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: a busy task is not taken for a dead one", "[pgout][bootstrap]") {
  blocked_sink(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: a million rows fit into little memory", "[pgout]") {
  large_transaction(TempPostgres::Release::installed, "64kB", 1'000'000);
  large_transaction(TempPostgres::Release::installed, "1GB", 1'000'000);
}

TEST_CASE("PostgreSQL 18: a million rows fit into little memory", "[pgout][bootstrap]") {
  large_transaction(TempPostgres::Release::v18, "64kB", 1'000'000);
}
