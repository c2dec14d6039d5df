// SPDX-License-Identifier: Apache-2.0
// What the MySQL target does beyond the contract of all targets: collations, and the sessions that
// it waits for. Compared by SQL that weir did not write.
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
#include "support/table_plan.h"
#include "support/temp_mariadb.h"
#include "target/mysql/target.h"

using namespace weir::test;
using weir::Cell;
using weir::ChangeBatch;
using weir::Error;
using weir::PackedRow;
using weir::TableChanges;
using weir::TablePlan;
using weir::TypeKind;

namespace {

const std::string kTask = "probe";
const std::optional<std::string> kNull;

TablePlan plan_of(const std::string& table, const std::vector<NewColumn>& columns,
                  std::vector<std::uint32_t> key) {
  return table_plan({"shop", table}, {"shop", table}, columns, std::move(key));
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
      const std::uint32_t size = cell ? static_cast<std::uint32_t>(cell->size()) : PackedRow::kNull;
      char bytes[sizeof size];
      std::memcpy(bytes, &size, sizeof size);
      out.append(bytes, sizeof size);
      if (cell) out += *cell;
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
    applier->apply(batch);
  }

  weir::Task task;
  weir::mysqltarget::MysqlTarget target;
  std::vector<TablePlan> plans;
  std::unique_ptr<weir::Applier> applier;
  PackedRows rows;
};

std::string offset_of(MySqlServer& server) {
  return server.value("SELECT log_offset FROM weir.weir_task");
}

}  // namespace

TEST_CASE("rows of a MySQL table without a key are counted", "[mysqltarget][server]") {
  TempMariaDb server;
  Probe probe(server, plan_of("loose",
                              {{"word", TypeKind::text, 20, "varchar(20)"},
                               {"f", TypeKind::float32, 0, "float"},
                               {"d", TypeKind::decimal, 0, "decimal(10,2)"}},
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
  TablePlan plan = plan_of("loose", {{"word", TypeKind::text, 20, "varchar(20)"}}, {});
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

TEST_CASE("a second applier of a task waits for the first and its loaders",
          "[mysqltarget][server]") {
  TempMariaDb server;
  const TablePlan plan = plan_of("item", {{"id", TypeKind::int32, 0, "int"}}, {0});
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
