// SPDX-License-Identifier: Apache-2.0
// The MySQL target by itself: batches with rows of which only a part is known, tables without a
// key, changes of definition. Compared by SQL that weir did not write.
#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "model/task.h"
#include "support/eventually.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"
#include "target/mysql/target.h"

using namespace weir::test;
using weir::Cell;
using weir::ChangeBatch;
using weir::ColumnAlter;
using weir::Error;
using weir::PackedRow;
using weir::TableAlter;
using weir::TableChanges;
using weir::TablePlan;
using weir::TypeKind;

namespace {

const std::string kTask = "probe";
/// A cell that the log did not carry.
const std::optional<std::string> kAbsent = "\x01 absent";
const std::optional<std::string> kNull;

struct NewColumn {
  const char* name;
  TypeKind kind;
  const char* native;
  std::uint64_t length = 0;
};

TablePlan plan_of(const std::string& table, const std::vector<NewColumn>& columns,
                  std::vector<std::uint32_t> key) {
  TablePlan plan;
  plan.source.name = plan.target = {"shop", table};
  for (const NewColumn& column : columns) {
    weir::Column source;
    source.name = column.name;
    source.type.kind = column.kind;
    source.type.native = column.native;
    source.type.length = column.length;
    weir::PlannedColumn planned;
    planned.name = column.name;
    planned.source = static_cast<std::uint32_t>(plan.columns.size());
    planned.type = source.type;
    plan.source.columns.push_back(source);
    plan.columns.push_back(planned);
  }
  plan.source.key = plan.key = std::move(key);
  plan.key_is_primary = plan.source.key_is_primary = !plan.key.empty();
  plan.source.key_name = plan.key.empty() ? "" : "PRIMARY";
  return plan;
}

weir::Task task_on(const MySqlServer& server) {
  weir::Task task;
  task.name = kTask;
  task.source.kind = task.target.kind = "mysql";
  task.target.socket = server.socket();
  task.target.user = "root";
  return task;
}

/// Rows as a batch holds them.
class PackedRows {
 public:
  PackedRow pack(const std::vector<std::optional<std::string>>& cells) {
    std::string& out = memory_.emplace_back();
    for (const auto& cell : cells) {
      const std::uint32_t size = !cell             ? PackedRow::kNull
                                 : cell == kAbsent ? PackedRow::kAbsent
                                                   : static_cast<std::uint32_t>(cell->size());
      char bytes[sizeof size];
      std::memcpy(bytes, &size, sizeof size);
      out.append(bytes, sizeof size);
      if (cell && cell != kAbsent) out += *cell;
    }
    return {out.data()};
  }

 private:
  std::deque<std::string> memory_;
};

/// A target with one table, and its applier.
struct Probe {
  Probe(MySqlServer& server, TablePlan table) : task(task_on(server)), target(task) {
    plans.push_back(std::move(table));
    target.plan_types(task, plans[0]);
    applier = target.open_applier(kTask, plans);
    target.start(kTask, {"source"}, {"0", {}});
    target.ensure_table(kTask, plans[0]);
  }

  void apply(TableChanges changes, const std::string& offset) {
    changes.table = plans[0].id;
    ChangeBatch batch;
    batch.tables.push_back(std::move(changes));
    batch.offset.text = offset;
    batch.full_end.text = full_end;
    applier->apply(batch);
  }

  weir::Task task;
  weir::mysqltarget::MysqlTarget target;
  std::vector<TablePlan> plans;
  std::unique_ptr<weir::Applier> applier;
  std::string full_end;  ///< of the next batches
  PackedRows rows;
};

std::string offset_of(MySqlServer& server) {
  return server.value("SELECT log_offset FROM weir.weir_task");
}

std::string table_text(MySqlServer& server, const std::string& columns, const std::string& table) {
  return server.value("SELECT COALESCE(GROUP_CONCAT(CONCAT_WS('|', " + columns + ") ORDER BY " +
                      columns + " SEPARATOR ' '), '') FROM shop." + table);
}

void check_parts(MySqlServer& server, bool unique) {
  Probe probe(server, plan_of("seat",
                              {{"id", TypeKind::int32, "int"},
                               {"a", TypeKind::int32, "int"},
                               {"b", TypeKind::text, "varchar(20)", 20}},
                              {0}));
  if (unique) server.sql("ALTER TABLE shop.seat ADD UNIQUE (a)");
  PackedRows& rows = probe.rows;
  TableChanges first;
  for (int i = 1; i <= 6; ++i) {
    first.upserts.push_back(
        rows.pack({std::to_string(i), std::to_string(10 * i), "b" + std::to_string(i)}));
  }
  probe.apply(first, "1");
  CHECK(table_text(server, "id, a, b", "seat") ==
        "1|10|b1 2|20|b2 3|30|b3 4|40|b4 5|50|b5 6|60|b6");

  TableChanges second;
  // 1 and 2 swap what is unique, 3 becomes 30 and takes what 4 had, 5 becomes 50 and is patched.
  second.patches.push_back(rows.pack({"1", "20", kAbsent}));
  second.patches.push_back(rows.pack({"2", "10", kAbsent}));
  second.moves.push_back({rows.pack({"3"}), rows.pack({"30", "40", kAbsent})});
  second.moves.push_back({rows.pack({"5"}), rows.pack({"50", kAbsent, "new"})});
  second.patches.push_back(rows.pack({"50", "60", kAbsent}));
  second.removes.push_back(rows.pack({"4"}));
  second.upserts.push_back(rows.pack({"6", "50", kNull}));
  probe.apply(second, "2");
  CHECK(table_text(server, "id, a, COALESCE(b, '~')", "seat") ==
        "1|20|b1 2|10|b2 6|50|~ 30|40|b3 50|60|new");
  CHECK(offset_of(server) == "2");

  // A move of a row that is there by both keys, by the new one alone, and by none.
  TableChanges third;
  third.moves.push_back({rows.pack({"1"}), rows.pack({"2", "20", kAbsent})});
  third.moves.push_back({rows.pack({"7"}), rows.pack({"6", "55", kAbsent})});
  probe.apply(third, "3");
  CHECK(table_text(server, "id, a, COALESCE(b, '~')", "seat") ==
        "2|20|b2 6|55|~ 30|40|b3 50|60|new");
  TableChanges fourth;
  fourth.moves.push_back({rows.pack({"8"}), rows.pack({"9", "90", kAbsent})});
  try {
    probe.apply(fourth, "4");
    FAIL("a row that is not there was moved");
  } catch (const Error& error) {
    CHECK(error.id() == "mysql-target.row-missing");
    CHECK_THAT(error.what(), Catch::Contains("id = 9"));
  }
  CHECK(offset_of(server) == "3");

  // The table is emptied with the rest of the batch, or not at all.
  TableChanges fifth;
  fifth.truncated = true;
  fifth.upserts.push_back(rows.pack({"9", "40", "new"}));
  TableChanges wrong = fifth;
  wrong.moves.push_back({rows.pack({"2"}), rows.pack({"3", "90", kAbsent})});
  CHECK_THROWS_AS(probe.apply(wrong, "5"), Error);
  CHECK(server.value("SELECT COUNT(*) FROM shop.seat") == "4");
  probe.full_end = "7";
  probe.apply(fifth, "5");
  CHECK(table_text(server, "id, a, b", "seat") == "9|40|new");
  CHECK(offset_of(server) == "5");
  CHECK(probe.target.recover(kTask)->full_end.text == "7");
}

void check_alter(MySqlServer& server) {
  Probe probe(server, plan_of("item",
                              {{"id", TypeKind::int32, "int"},
                               {"old", TypeKind::int16, "smallint"},
                               {"gone", TypeKind::text, "varchar(20)", 20}},
                              {0}));
  TableChanges rows;
  rows.upserts.push_back(probe.rows.pack({"1", "7", "x"}));
  probe.apply(rows, "1");
  TableAlter alter;
  alter.before = probe.plans[0];
  alter.after = plan_of("item",
                        {{"id", TypeKind::int32, "int"},
                         {"fresh", TypeKind::int64, "bigint(20)"},
                         {"word", TypeKind::text, "varchar(10)", 10},
                         {"n", TypeKind::int32, "int"}},
                        {0, 1});
  alter.after.columns[1].nullable = false;
  alter.after.columns[3].nullable = false;
  probe.target.plan_types(probe.task, alter.after);
  alter.key_changed = true;
  const auto step = [&](ColumnAlter::Kind kind, const std::string& name, std::uint32_t column) {
    alter.steps.emplace_back();
    alter.steps.back().kind = kind;
    alter.steps.back().name = name;
    alter.steps.back().column = column;
    return &alter.steps.back();
  };
  step(ColumnAlter::Kind::rename, "old", 1)->rename_to = "fresh";
  step(ColumnAlter::Kind::drop, "gone", 0);
  step(ColumnAlter::Kind::add, "word", 2)->fill = "filled";
  step(ColumnAlter::Kind::add, "n", 3)->fill = "5";
  step(ColumnAlter::Kind::retype, "fresh", 1);
  const std::string columns =
      "SELECT GROUP_CONCAT(CONCAT(column_name, ' ', is_nullable, ' ', COALESCE(column_default, "
      "'-'), ' ', column_key) ORDER BY ordinal_position) FROM information_schema.columns WHERE "
      "table_schema = 'shop' AND table_name = 'item'";
  // As if the first of them had met a crash before its offset.
  for (const char* offset : {"2", "3"}) {
    const weir::AlterResult result = probe.applier->alter(alter, {offset, {}});
    INFO(result.target_sql);
    CHECK((result.target_sql.find("ADD COLUMN") != std::string::npos) == (*offset == '2'));
    CHECK(table_text(server, "id, fresh, word, n", "item") == "1|7|filled|5");
    std::string found = server.value(columns);
    for (std::size_t at; (at = found.find("NULL")) != std::string::npos;) found.replace(at, 4, "-");
    CHECK(found == "id NO - PRI,fresh NO - PRI,word YES - ,n NO - ");
    CHECK(offset_of(server) == offset);
  }
}

}  // namespace

TEST_CASE("parts of rows change on MariaDB", "[mysqltarget][server]") {
  TempMariaDb server;
  check_parts(server, GENERATE(false, true));
}

TEST_CASE("parts of rows change on MySQL 9", "[mysqltarget][server][bootstrap]") {
  TempMySql server;
  check_parts(server, true);
}

TEST_CASE("definitions change on MariaDB, also twice", "[mysqltarget][server]") {
  TempMariaDb server;
  check_alter(server);
}

TEST_CASE("definitions change on MySQL 9, also twice", "[mysqltarget][server][bootstrap]") {
  TempMySql server;
  check_alter(server);
}

TEST_CASE("rows of a MySQL table without a key are counted", "[mysqltarget][server]") {
  TempMariaDb server;
  Probe probe(server, plan_of("loose",
                              {{"word", TypeKind::text, "varchar(20)", 20},
                               {"f", TypeKind::float32, "float"},
                               {"d", TypeKind::decimal, "decimal(10,2)"}},
                              {}));
  PackedRows& rows = probe.rows;
  const auto row = [&](const char* word, const char* f) { return rows.pack({word, f, "1.50"}); };
  TableChanges first;
  for (const char* word : {"a", "A", "a ", "a", "a"}) first.upserts.push_back(row(word, "0.1"));
  first.upserts.push_back(rows.pack({kNull, kNull, kNull}));
  probe.apply(first, "1");
  server.sql("ALTER TABLE shop.loose MODIFY word VARCHAR(20) COLLATE utf8mb4_general_ci");
  TableChanges second;
  second.removes.push_back(row("A", "0.1"));
  second.removes.push_back(row("a", "0.1"));
  second.removes.push_back(row("a", "0.1"));
  second.removes.push_back(rows.pack({kNull, kNull, kNull}));
  second.upserts.push_back(row("b", "0.2"));
  probe.apply(second, "2");
  CHECK(server.value("SELECT GROUP_CONCAT(HEX(word) ORDER BY HEX(word)) FROM shop.loose") ==
        "61,6120,62");

  TableChanges third;
  third.upserts.push_back(row("c", "0.3"));
  third.removes.push_back(row("never", "0.1"));
  try {
    probe.apply(third, "3");
    FAIL("a row that is not there was removed");
  } catch (const Error& error) {
    CHECK(error.id() == "mysql-target.row-missing");
  }
  CHECK(offset_of(server) == "2");
  CHECK(server.value("SELECT COUNT(*) FROM shop.loose") == "3");
}

TEST_CASE("rows without a key are marked, and added columns tell none apart",
          "[mysqltarget][server]") {
  TempMariaDb server;
  TablePlan plan = plan_of("loose", {{"word", TypeKind::text, "varchar(20)", 20}}, {});
  for (const char* constant : {"from here", "{deleted}"}) {
    weir::PlannedColumn added;
    added.name = std::string(constant) == "{deleted}" ? "gone" : "origin";
    added.constant = constant;
    added.type.kind = added.name == "gone" ? TypeKind::timestamp : TypeKind::text;
    added.type.precision = 6;
    plan.columns.push_back(added);
  }
  plan.deletes = {weir::DeletePolicy::Kind::soft, "gone"};
  Probe probe(server, plan);
  PackedRows& rows = probe.rows;
  TableChanges first;
  for (int i = 0; i < 3; ++i) first.upserts.push_back(rows.pack({"a", "from here", kNull}));
  probe.apply(first, "1");
  TableChanges second;
  second.removes.push_back(rows.pack({"a", kNull, "2026-01-02 03:04:05.000006"}));
  second.removes.push_back(rows.pack({"a", kNull, kNull}));
  probe.apply(second, "2");
  CHECK(server.value("SELECT GROUP_CONCAT(COALESCE(gone, 'here') ORDER BY 1) FROM shop.loose") ==
        "2026-01-02 03:04:05.000006,here");
}

TEST_CASE("a row that moves leaves its old key behind where deletes are soft",
          "[mysqltarget][server]") {
  TempMariaDb server;
  TablePlan plan = plan_of("item",
                           {{"id", TypeKind::int32, "int"},
                            {"a", TypeKind::int32, "int"},
                            {"b", TypeKind::text, "varchar(20)", 20}},
                           {0});
  weir::PlannedColumn gone;
  gone.name = "gone";
  gone.constant = "{deleted}";
  gone.type.kind = TypeKind::timestamp;
  gone.type.precision = 6;
  plan.columns.push_back(gone);
  plan.deletes = {weir::DeletePolicy::Kind::soft, "gone"};
  Probe probe(server, plan);
  PackedRows& rows = probe.rows;
  TableChanges first;
  first.upserts.push_back(rows.pack({"1", "10", "large", kNull}));
  probe.apply(first, "1");
  TableChanges second;
  second.moves.push_back({rows.pack({"1"}), rows.pack({"2", "20", kAbsent, kNull})});
  probe.apply(second, "2");
  CHECK(table_text(server, "id, a, b, gone IS NULL", "item") == "1|10|large|0 2|20|large|1");
}

TEST_CASE("a second applier of a task waits for the first and its loaders",
          "[mysqltarget][server]") {
  TempMariaDb server;
  const TablePlan plan = plan_of("item", {{"id", TypeKind::int32, "int"}}, {0});
  auto probe = std::make_unique<Probe>(server, plan);
  auto loader = probe->target.open_loader(kTask);
  loader->begin(probe->plans[0], {});
  probe->applier.reset();

  weir::Task task = task_on(server);
  weir::mysqltarget::MysqlTarget target(task);
  auto second = std::async(std::launch::async, [&] { return target.open_applier(kTask, {}); });
  // It is inside the server now, and stays there.
  REQUIRE(eventually([&] {
    return server.value(
               "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE "
               "'%FOR UPDATE' AND command = 'Query'") == "1";
  }));
  CHECK(second.wait_for(std::chrono::milliseconds(200)) == std::future_status::timeout);
  loader->abandon();
  REQUIRE(second.wait_for(std::chrono::seconds(25)) == std::future_status::ready);
  const auto applier = second.get();
  // And another task of that server is nobody's business.
  CHECK(target.open_applier("other", {}) != nullptr);
}
