// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "client/pq.h"
#include "source/postgres/catalog.h"
#include "source/postgres/changes.h"
#include "source/postgres/log_view.h"
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
using weir::pgsource::Lsn;
using weir::pgsource::PgChangeReader;

namespace {

constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(60);

weir::Endpoint endpoint(const TempPostgres& server) {
  weir::Endpoint out;
  out.kind = "postgres";
  out.socket = server.socket_dir();
  out.port = server.port();
  out.user = "postgres";
  out.database = server.database();
  return out;
}

/// What the mapping rules make of a table.
TablePlan plan_of(weir::Table table, std::uint32_t id) {
  TablePlan plan;
  plan.id = id;
  plan.source = std::move(table);
  plan.target = plan.source.name;
  plan.key = plan.source.key;
  plan.key_is_primary = plan.source.key_is_primary;
  for (const weir::Column& column : plan.source.columns) {
    weir::PlannedColumn planned;
    planned.name = column.name;
    planned.source = static_cast<std::uint32_t>(plan.columns.size());
    planned.type = column.type;
    plan.columns.push_back(std::move(planned));
  }
  return plan;
}

std::vector<TablePlan> plans_of(const TempPostgres& server, const std::vector<const char*>& names) {
  weir::PgConnection connection(endpoint(server), weir::PgConnection::Role::source);
  std::vector<weir::TableName> tables;
  for (const char* name : names) tables.push_back({"public", name});
  std::vector<TablePlan> plans;
  for (weir::Table& table : weir::pgsource::describe_tables(
           connection, weir::pgsource::GeneratedColumns::left_out, tables)) {
    plans.push_back(plan_of(std::move(table), static_cast<std::uint32_t>(plans.size())));
  }
  return plans;
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
  void truncate(std::uint32_t table) override {
    CHECK(in_transaction());
    lines.push_back(fmt::format("truncate {}", table));
  }
  void schema(const SchemaChange& change) override {
    CHECK(!in_transaction());
    lines.push_back(fmt::format("{} {}", to_string(change.kind), change.table.table));
    changes.push_back(change);
    settling = true;
  }
  void commit(Time time) override {
    CHECK(time.time_since_epoch().count() > 1'700'000'000'000'000);
    ++commits;
    if (in_transaction()) lines.emplace_back("commit");
    changed = std::exchange(settling, false);
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
  bool settling = false;
  bool changed = false;  ///< the commit that came last followed a change of definition
  std::function<void()> on_row;
  bool keep_rows = true;
  std::uint64_t rows = 0;
  std::uint64_t commits = 0;
};

/// A source with a slot and a publication of its tables, and a reader on it.
class Follower {
 public:
  Follower(TempPostgres& server, const std::vector<const char*>& tables)
      : plans(plans_of(server, tables)), server_(server) {
    task.name = "probe";
    task.source = endpoint(server);
    std::string list;
    for (const char* table : tables) list += (list.empty() ? "" : ", ") + std::string(table);
    server.sql(fmt::format(
        "CREATE PUBLICATION weir_probe FOR TABLE {} WITH (publish_via_partition_root = true)",
        list));
    from = Lsn::parse(server.value(
        "SELECT lsn FROM pg_create_logical_replication_slot('weir_probe', 'pgoutput')"));
  }

  void open() { reader = std::make_unique<PgChangeReader>(task, from, plans); }

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
            sink.changed = false;
            reader->poll(sink);
            if (sink.changed) take_definition();
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

  /// What the stage does with a change that it accepts: it goes on with a reader for the new plans.
  void take_definition() {
    const SchemaChange& change = sink.changes.back();
    if (change.definition == nullptr) return;
    TablePlan& plan = *std::find_if(plans.begin(), plans.end(), [&](const TablePlan& each) {
      return each.source.name == change.table;
    });
    plan = plan_of(*change.definition, plan.id);
    close();
    open();
  }

  std::string slot(const char* column) {
    return server_.value(
        fmt::format("SELECT {} FROM pg_replication_slots WHERE slot_name = 'weir_probe'", column));
  }

  Task task;
  std::vector<TablePlan> plans;
  Lsn from;
  Recorder sink;
  std::unique_ptr<PgChangeReader> reader;

 private:
  TempPostgres& server_;
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
  Follower source(server, {"item"});
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
  Follower source(server, {"d", "f", "x", "k"});
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
  Follower source(server, {"item"});
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
  Follower source(server, {"item"});
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
  Follower source(server, {"a", "b", "c"});
  server.sql("INSERT INTO a VALUES (1)");
  server.sql("TRUNCATE c");
  server.sql("TRUNCATE a CASCADE");
  // What is put in before the truncation is gone after it, and what follows is not.
  server.sql(
      "BEGIN; INSERT INTO a VALUES (2); INSERT INTO c VALUES (1); TRUNCATE a, b; INSERT "
      "INTO a VALUES (3); COMMIT");
  CHECK(source.read_all() == Lines{"begin", "insert 0 1", "commit", "truncate_table c", "begin",
                                   "truncate 0", "truncate 1", "commit", "begin", "insert 2 1",
                                   "truncate 0", "truncate 1", "insert 0 3", "commit"});
  // What was taken back was never there; of several, the last one counts.
  server.sql(
      "BEGIN; INSERT INTO a VALUES (4); SAVEPOINT s; TRUNCATE c; ROLLBACK TO s; TRUNCATE a, b; "
      "INSERT INTO a VALUES (5); TRUNCATE b, a; INSERT INTO a VALUES (6); COMMIT");
  CHECK(source.read_all() == Lines{"begin", "truncate 1", "truncate 0", "insert 0 6", "commit"});
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
  Follower source(server, {"m"});
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
  Follower source(server, {"item"});
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
  Follower source(server, {"item"});
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
  Follower source(server, {"item"});
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

/// "id:integer:0 c:integer:new=5": name, type, and where a column comes from.
std::string text_of(const SchemaChange& change) {
  if (change.definition == nullptr) return "unreadable: " + change.unreadable;
  std::string out;
  for (std::size_t i = 0; i < change.origins.size(); ++i) {
    const weir::Column& column = change.definition->columns[i];
    const weir::ColumnOrigin& origin = change.origins[i];
    out += fmt::format("{}{}:{}:", out.empty() ? "" : " ", column.name, column.type.native);
    if (origin.before != weir::ColumnOrigin::kNew) {
      out += std::to_string(origin.before);
    } else {
      out += origin.fill_unknown.empty() ? "new=" + origin.fill.value_or("NULL") : "unknown";
    }
  }
  return out;
}

void definitions(TempPostgres::Release which) {
  TempPostgres server(release(which));
  server.sql(
      "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN age AS int; "
      "CREATE TABLE t (id int PRIMARY KEY, a text, b int)");
  Follower source(server, {"t"});
  const auto changes = [&] {
    Lines out;
    for (const SchemaChange& change : std::exchange(source.sink.changes, {})) {
      out.push_back(fmt::format("{}: {}", change.sql, text_of(change)));
    }
    return out;
  };
  server.sql("INSERT INTO t VALUES (1, 'x', 2)");
  server.sql("ALTER TABLE t ADD f float8 DEFAULT random()");
  server.sql(
      "ALTER TABLE t ADD c boolean DEFAULT true, ADD d mood, ADD e age NOT NULL DEFAULT 3, "
      "ADD g timestamptz DEFAULT '2026-01-02 00:00:00+01'");
  server.sql("INSERT INTO t VALUES (2, 'y', 3, 1.5, false, 'sad', 4, NULL)");
  CHECK(source.read_all() == Lines{"begin", "insert 0 1,x,2", "commit", "add_column t", "begin",
                                   "insert 0 2,y,3,1.5,0,sad,4,NULL", "commit"});
  CHECK(
      changes() ==
      Lines{"ALTER TABLE public.t ADD COLUMN f double precision, ADD COLUMN c boolean, ADD COLUMN "
            "d public.mood, ADD COLUMN e integer, ADD COLUMN g timestamp with time zone: "
            "id:integer:0 a:text:1 b:integer:2 f:double precision:unknown c:boolean:new=1 "
            "d:public.mood:new=NULL e:integer:new=3 g:timestamp with time zone:new=2026-01-01 "
            "23:00:00"});

  server.sql("ALTER TABLE t DROP d, DROP f, DROP g");
  server.sql("ALTER TABLE t RENAME a TO aa");
  server.sql("ALTER TABLE t ALTER b TYPE bigint");
  server.sql("UPDATE t SET aa = 'z' WHERE id = 1");
  CHECK(source.read_all() == Lines{"change_type t", "drop_column t", "begin",
                                   "update 0 1,-,-,-,- -> 1,z,2,1,3", "commit"});
  CHECK(changes() ==
        Lines{"ALTER TABLE public.t RENAME COLUMN a TO aa, ALTER COLUMN b TYPE bigint: "
              "id:integer:0 aa:text:1 b:bigint:2 f:double precision:3 c:boolean:4 d:public.mood:5 "
              "e:integer:6 g:timestamp with time zone:7",
              "ALTER TABLE public.t DROP COLUMN f, DROP COLUMN d, DROP COLUMN g: id:integer:0 "
              "aa:text:1 b:bigint:2 c:boolean:4 e:integer:6"});

  // In the middle of a transaction: what came before gets the column's value as well.
  server.sql(
      "BEGIN; INSERT INTO t VALUES (3, 'p', 1, true, 1); UPDATE t SET b = 9 WHERE id = 2; "
      "ALTER TABLE t ADD h int DEFAULT 7, DROP c; INSERT INTO t VALUES (4, 'q', 2, 3, 8); "
      "COMMIT");
  CHECK(source.read_all() == Lines{"drop_column t", "add_column t", "begin", "insert 0 3,p,1,1,7",
                                   "update 0 2,-,-,-,- -> 2,y,9,4,-", "insert 0 4,q,2,3,8",
                                   "commit"});
  changes();

  // A table of another name is none of ours, and one of the same name another one.
  server.sql("ALTER TABLE t RENAME TO u");
  server.sql("DELETE FROM u WHERE id = 3");
  source.read_until([&] { return !source.sink.changes.empty(); });
  CHECK(source.sink.changes.at(0).kind == SchemaChange::Kind::rename_table);
  CHECK(source.sink.changes.at(0).new_name.table == "u");
}

void ambiguous_definitions(TempPostgres::Release which) {
  TempPostgres server(release(which));
  server.sql("CREATE TABLE t (id int PRIMARY KEY, a text, b text)");
  Follower source(server, {"t"});
  server.sql("ALTER TABLE t DROP b, ADD c text");
  server.sql("INSERT INTO t VALUES (1, 'x', 'y')");
  REQUIRE(source.read_until([&] { return !source.sink.changes.empty(); }));
  CHECK(source.sink.changes[0].definition == nullptr);
  CHECK_THAT(source.sink.changes[0].unreadable, Catch::Contains("whether b became c"));
}

/// The two phases of a distributed transaction are one here: it comes once it is decided.
void prepared_transactions(TempPostgres::Release which) {
  TempPostgres server(
      release(which, {"max_prepared_transactions=5", "logical_decoding_work_mem=64kB"}));
  server.sql("CREATE TABLE item (id int PRIMARY KEY)");
  Follower source(server, {"item"});
  source.sink.keep_rows = false;
  const auto prepare = [&](const char* name, int from, int to) {
    PgSession session = server.session("postgres");
    session.sql("BEGIN");
    session.sql(fmt::format("INSERT INTO item SELECT generate_series({}, {})", from, to));
    session.sql(fmt::format("PREPARE TRANSACTION '{}'", name));
  };
  prepare("small", 1, 10);
  prepare("large", 1001, 5000);
  prepare("none", 10'001, 15'000);
  server.sql("INSERT INTO item VALUES (0)");
  CHECK(source.read_all() == Lines{"begin", "commit"});
  CHECK(source.sink.rows == 1);
  server.sql("ROLLBACK PREPARED 'none'");
  server.sql("COMMIT PREPARED 'large'");
  CHECK(source.read_all() == Lines{"begin", "commit"});
  CHECK(source.sink.rows == 4001);
  source.close();
  server.sql("COMMIT PREPARED 'small'");
  CHECK(source.read_all() == Lines{"begin", "commit"});
  CHECK(source.sink.rows == 4011);
}

/// What `weir log show` would be handed, one line each.
class LogLines final : public weir::LogSink {
 public:
  bool wants(const weir::TableName& table) override { return table.table != "unwanted"; }
  bool done() const override { return false; }
  void entry(const weir::LogEntry& entry) override {
    CHECK(!entry.transaction.empty());
    std::string line(to_string(entry.kind));
    if (!entry.table.empty()) line += fmt::format(" {}.{}", entry.schema, entry.table);
    if (!entry.text.empty()) line += " " + std::string(entry.text);
    if (!entry.before.empty()) line += " " + text_of(entry.before);
    if (!entry.after.empty()) line += " -> " + text_of(entry.after);
    lines.push_back(line);
    offsets.emplace_back(entry.offset);
  }
  std::vector<std::string> lines;
  std::vector<std::string> offsets;
};

void log_view(TempPostgres::Release which) {
  TempPostgres server(release(which));
  server.sql(
      "CREATE TABLE item (id int PRIMARY KEY, flag boolean, big text); ALTER TABLE item ALTER "
      "big SET STORAGE EXTERNAL; CREATE TABLE unwanted (id int)");
  Follower source(server, {"item", "unwanted"});
  server.sql(fmt::format("INSERT INTO item VALUES (1, true, {})", kLarge));
  server.sql(
      "BEGIN; UPDATE item SET flag = false; INSERT INTO unwanted VALUES (1); UPDATE item SET "
      "id = 2; DELETE FROM item; TRUNCATE item; COMMIT");
  const std::string place = source.slot("confirmed_flush_lsn");
  const auto look = [&](const std::string& from, bool values) {
    LogLines sink;
    const auto reader = weir::pgsource::open_slot_log(source.task, {from, values, false});
    while (reader->read(sink) == weir::LogReader::Read::event) {
    }
    return sink;
  };
  const LogLines all = look(source.from.text(), true);
  CHECK(all.lines == Lines{"begin", "insert public.item -> 1,1,[12800]", "commit", "begin",
                           "update public.item -> 1,0,-", "update public.item 1,-,- -> 2,0,-",
                           "delete public.item 2,-,-", "statement public.item TRUNCATE public.item",
                           "commit"});
  // What it shows for an offset can be read from, and nothing has moved.
  const LogLines rest = look(all.offsets.at(3), false);
  CHECK(rest.lines == Lines{"begin", "update public.item", "update public.item",
                            "delete public.item", "statement public.item TRUNCATE public.item",
                            "commit"});
  CHECK(source.slot("confirmed_flush_lsn") == place);
  const auto refuses = [&](const weir::LogRequest& request) -> std::string {
    try {
      weir::pgsource::open_slot_log(source.task, request);
    } catch (const Error& error) {
      return error.id();
    }
    return "none";
  };
  CHECK(refuses({source.from.text(), false, true}) == "postgres.log-follow");
  CHECK(refuses({"binlog.000001:4", false, false}) == "offset.format");
  source.open();
  CHECK(refuses({source.from.text(), false, false}) == "postgres.slot-busy");
  source.reader.reset();
  source.task.source.slot = "nobody";
  CHECK(refuses({source.from.text(), false, false}) == "postgres.slot-missing");
}

/// Event triggers see what no row shows, and see it at its place.
void ddl_triggers(TempPostgres::Release which) {
  TempPostgres server(release(which));
  server.sql(
      "CREATE TABLE t (id int PRIMARY KEY, gone int, a text, b text); ALTER TABLE t DROP gone; "
      "CREATE TABLE m (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE m1 PARTITION "
      "OF m FOR VALUES FROM (0) TO (10); CREATE TABLE m2 PARTITION OF m FOR VALUES FROM (10) "
      "TO (20); GRANT ALL ON SCHEMA public TO weir; ALTER TABLE t OWNER TO weir");
  Follower source(server, {"t", "m"});
  source.task.source.ddl_triggers = true;
  source.task.source.user = "weir";
  server.sql("ALTER ROLE weir REPLICATION");
  try {
    source.open();
    FAIL("a plain role has made an event trigger");
  } catch (const Error& error) {
    CHECK(error.id() == "postgres.ddl-triggers");
    CHECK_THAT(error.fix(), Catch::Contains("CREATE EVENT TRIGGER weir_ddl_end"));
    // What it says is to be run is what it wants.
    const std::string fix = error.fix();
    server.sql(fix.substr(fix.find("CREATE SCHEMA")));
  }
  source.open();
  source.close();
  source.task.source.user = "postgres";

  // Whoever owns a table changes it, in whatever session settings, and is not disturbed.
  PgSession owner = server.session("weir");
  owner.sql(
      "SET TimeZone = 'Asia/Tokyo'; SET standard_conforming_strings = off; SET bytea_output = "
      "'escape'");
  const auto texts = [&] {
    Lines out;
    for (const SchemaChange& change : std::exchange(source.sink.changes, {})) {
      out.push_back(fmt::format("{} {} {}", to_string(change.kind), change.table.table,
                                change.definition == nullptr ? change.sql : text_of(change)));
    }
    return out;
  };
  // The last column renamed, where an older one is gone: rows alone could not tell.
  owner.sql("ALTER TABLE t RENAME b TO c");
  owner.sql(
      "ALTER TABLE t ADD at timestamptz DEFAULT '2026-01-02 00:00:00+09', ADD data bytea "
      "DEFAULT '\\\\x41ff'");
  owner.sql("ALTER TABLE t ALTER a SET DEFAULT 'x'");
  source.read_all();
  CHECK(texts() == Lines{"rename_column t id:integer:0 a:text:1 c:text:2",
                         "add_column t id:integer:0 a:text:1 c:text:2 at:timestamp with time "
                         "zone:new=2026-01-01 15:00:00 data:bytea:new=A\xff"});
  owner.sql("INSERT INTO t VALUES (1, 'x')");
  source.read_all();

  // Long gone by the time that it is read.
  owner.sql("ALTER TABLE t ADD short int DEFAULT 7");
  owner.sql("INSERT INTO t (id, short) VALUES (2, 8)");
  owner.sql("ALTER TABLE t DROP short");
  owner.sql("BEGIN; ALTER TABLE t DROP data, ADD other text; ROLLBACK");
  owner.sql(
      "BEGIN; SAVEPOINT s; ALTER TABLE t DROP data; ROLLBACK TO s; ALTER TABLE t DROP at, ADD "
      "z text; COMMIT");
  CHECK(source.read_all() == Lines{"add_column t", "begin",
                                   "insert 0 2,x,NULL,2026-01-01 15:00:00,A\xff,8", "commit",
                                   "drop_column t", "drop_column t", "add_column t"});
  CHECK(texts() ==
        Lines{"add_column t id:integer:0 a:text:1 c:text:2 at:timestamp with time zone:3 "
              "data:bytea:4 short:integer:new=7",
              "drop_column t id:integer:0 a:text:1 c:text:2 at:timestamp with time zone:3 "
              "data:bytea:4",
              "drop_column t id:integer:0 a:text:1 c:text:2 data:bytea:4",
              "add_column t id:integer:0 a:text:1 c:text:2 data:bytea:3 z:text:new=NULL"});

  // Partitions: new ones that are empty bring nothing; what comes or goes with rows is told.
  server.sql("CREATE TABLE m3 PARTITION OF m FOR VALUES FROM (20) TO (30)");
  server.sql(
      "CREATE TABLE m4 (id int NOT NULL); ALTER TABLE m ATTACH PARTITION m4 FOR VALUES FROM "
      "(30) TO (40)");
  server.sql("INSERT INTO m VALUES (25)");
  CHECK(source.read_all() == Lines{"create_table m4", "begin", "insert 1 25", "commit"});
  server.sql("CREATE TABLE m5 AS SELECT 45 AS id; ALTER TABLE m5 ALTER id SET NOT NULL");
  server.sql("ALTER TABLE m ATTACH PARTITION m5 FOR VALUES FROM (40) TO (50)");
  server.sql("ALTER TABLE m DETACH PARTITION m1");
  server.sql("DROP TABLE m3");
  source.sink.changes.clear();
  CHECK(source.read_all() == Lines{"create_table m5", "drop_rows m", "drop_rows m", "drop_rows m"});
  CHECK(source.sink.changes.back().sql == "DROP TABLE m3");
  source.sink.changes.clear();

  // Made again under its name and with its type, without a row that shows it.
  owner.sql("ALTER TABLE t DROP z, ADD z text DEFAULT 'new'");
  source.read_all();
  REQUIRE(source.sink.changes.size() == 1);
  CHECK_THAT(source.sink.changes[0].unreadable, Catch::Contains("z was dropped and made again"));
  source.sink.changes.clear();
  owner.sql("ALTER TABLE t RENAME TO u");
  owner.sql("DROP TABLE u");
  CHECK(source.read_all() == Lines{"rename_table t", "drop_table t"});
  // For people the statements are there as well.
  source.reader.reset();
  LogLines shown;
  const auto log = weir::pgsource::open_slot_log(
      source.task, {source.slot("confirmed_flush_lsn"), false, false});
  while (log->read(shown) == weir::LogReader::Read::event) {
  }
  CHECK(std::count(shown.lines.begin(), shown.lines.end(), "statement public.m3 DROP TABLE m3") ==
        1);
}

/// A task that stands still while its tables go still learns what became of them.
void tables_that_went(TempPostgres::Release which) {
  TempPostgres server(release(which));
  server.sql(
      "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE "
      "c (id int PRIMARY KEY)");
  Follower source(server, {"a", "b", "c"});
  server.sql("INSERT INTO a VALUES (1)");
  server.sql("INSERT INTO b VALUES (1)");
  server.sql("ALTER TABLE a RENAME TO d");
  server.sql("INSERT INTO d VALUES (2)");
  server.sql("DROP TABLE b");
  server.sql("INSERT INTO c VALUES (1)");
  source.open();
  REQUIRE(source.read_until([&] { return source.sink.changes.size() == 3; }));
  CHECK(source.sink.lines == Lines{"begin", "insert 0 1", "commit", "begin", "insert 1 1", "commit",
                                   "rename_table a", "begin", "insert 0 2", "commit", "begin",
                                   "insert 2 1", "commit", "drop_table b", "drop_table a"});
  // By its new name alone, it is not known to be the one that was followed: but that one is gone.
  source.close();
  source.sink.lines.clear();
  source.sink.changes.clear();
  server.sql("INSERT INTO d VALUES (3)");
  source.open();
  REQUIRE(source.read_until([&] { return source.sink.changes.size() == 2; }));
  CHECK(source.sink.lines == Lines{"drop_table b", "drop_table a"});
}

/// What stands in the way of a reader is told by name.
void refusals(TempPostgres::Release which) {
  TempPostgres server(release(which));
  server.sql("CREATE TABLE item (id int PRIMARY KEY)");
  Follower source(server, {"item"});
  const auto refuses = [&]() -> std::string {
    try {
      source.open();
    } catch (const Error& error) {
      CHECK(!error.why().empty());
      CHECK(!error.fix().empty());
      return error.id();
    }
    return "none";
  };
  server.sql("INSERT INTO item VALUES (1)");
  const Lsn from = source.from;
  source.read_all();
  source.reader->confirm(source.reader->offset());
  REQUIRE(source.read_until([&] { return Lsn::parse(source.slot("confirmed_flush_lsn")) > from; }));
  source.reader.reset();
  source.from = from;
  CHECK(refuses() == "postgres.slot-ahead");
  source.from = Lsn::parse(source.slot("confirmed_flush_lsn"));
  server.sql("ALTER PUBLICATION weir_probe DROP TABLE item");
  CHECK(refuses() == "postgres.publication-table");
  server.sql("DROP PUBLICATION weir_probe");
  CHECK(refuses() == "postgres.publication-missing");
  server.sql("CREATE PUBLICATION weir_probe FOR TABLE item");
  CHECK(refuses() == "none");
  source.reader.reset();
  CHECK(eventually([&] { return source.slot("active") == "f"; }));
  server.sql("SELECT pg_drop_replication_slot('weir_probe')");
  CHECK(refuses() == "postgres.slot-missing");
}

/// A publication that is dropped while the task runs, and a server that goes away.
void broken_streams(TempPostgres::Release which) {
  TempPostgres server(release(which));
  server.sql("CREATE TABLE item (id int PRIMARY KEY)");
  Follower source(server, {"item"});
  const auto error_of = [&]() -> std::string {
    try {
      source.read_until([] { return false; }, std::chrono::seconds(20));
    } catch (const Error& error) {
      return error.id();
    }
    return "none";
  };
  source.open();
  server.sql("SELECT pg_terminate_backend(" + source.slot("active_pid") + ")");
  CHECK(error_of() == "postgres.lost");
  // The session of a reader that was killed is waited for.
  source.reader.reset();
  source.open();
  server.sql("INSERT INTO item VALUES (1)");
  CHECK(source.read_all() == Lines{"begin", "insert 0 1", "commit"});
  server.kill9();
  CHECK(error_of() == "postgres.lost");
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

TEST_CASE("PostgreSQL 15: TRUNCATE comes at its place in its transaction", "[pgout]") {
  truncations(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: TRUNCATE comes at its place in its transaction", "[pgout][bootstrap]") {
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

TEST_CASE("PostgreSQL 15: changes of a definition come before the rows they shape", "[pgout]") {
  definitions(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: changes of a definition come before the rows they shape",
          "[pgout][bootstrap]") {
  definitions(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: a rename that cannot be told from a new column is not guessed",
          "[pgout]") {
  ambiguous_definitions(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: a rename that cannot be told from a new column is not guessed",
          "[pgout][bootstrap]") {
  ambiguous_definitions(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: what the slot holds can be looked at", "[pgout]") {
  log_view(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: what the slot holds can be looked at", "[pgout][bootstrap]") {
  log_view(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: what stands in the way of a reader is told", "[pgout]") {
  refusals(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: what stands in the way of a reader is told", "[pgout][bootstrap]") {
  refusals(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: a stream that breaks is lost, not read on", "[pgout]") {
  broken_streams(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: a stream that breaks is lost, not read on", "[pgout][bootstrap]") {
  broken_streams(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: a prepared transaction comes once it is decided", "[pgout]") {
  prepared_transactions(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: a prepared transaction comes once it is decided", "[pgout][bootstrap]") {
  prepared_transactions(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: event triggers tell what no row shows", "[pgout]") {
  ddl_triggers(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: event triggers tell what no row shows", "[pgout][bootstrap]") {
  ddl_triggers(TempPostgres::Release::v18);
}

TEST_CASE("PostgreSQL 15: tables that went while nobody read are told", "[pgout]") {
  tables_that_went(TempPostgres::Release::installed);
}

TEST_CASE("PostgreSQL 18: tables that went while nobody read are told", "[pgout][bootstrap]") {
  tables_that_went(TempPostgres::Release::v18);
}
