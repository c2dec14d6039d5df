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
