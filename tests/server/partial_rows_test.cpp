// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "stage/batch.h"
#include "support/temp_postgres.h"
#include "target/postgres/target.h"

using namespace weir::test;
using weir::BatchBuilder;
using weir::Cell;
using weir::DeletePolicy;
using weir::Error;
using weir::RowChange;
using weir::TablePlan;
using weir::TypeKind;

namespace {

/// A target table t (id, part, n, big, data) whose key is id and part, and what is applied to it.
class Target {
 public:
  explicit Target(TempPostgres& server, DeletePolicy deletes = {}) : server_(server) {
    task_.name = "partial";
    task_.target.kind = "postgres";
    task_.target.socket = server.socket_dir();
    task_.target.port = server.port();
    task_.target.user = server.user();
    task_.target.database = server.database();
    server.session().sql(
        "CREATE TABLE t (id int, part int, n int, big text, data bytea, gone timestamptz, PRIMARY "
        "KEY (id, part))");
    plan_.source.name = plan_.target = {"public", "t"};
    plan_.deletes = deletes;
    add("id", TypeKind::int32);
    add("part", TypeKind::int32);
    add("n", TypeKind::int32);
    add("big", TypeKind::text);
    add("data", TypeKind::bytes);
    plan_.key = {0, 1};
    if (deletes.kind == DeletePolicy::Kind::soft) {
      weir::PlannedColumn gone;
      gone.name = deletes.column;
      gone.type.kind = TypeKind::timestamp;
      gone.constant = "{deleted}";
      plan_.columns.push_back(gone);
    }
    target_ = std::make_unique<weir::postgres::PostgresTarget>(task_);
    target_->plan_types(task_, plan_);
    target_->start(task_.name, {"probe"}, {"0/1", {}});
    applier_ = target_->open_applier(task_.name, {&plan_, 1});
    builder_ = std::make_unique<BatchBuilder>(std::span<const TablePlan>(&plan_, 1), task_.name);
    builder_->begin(kTime);
  }

  /// A row as "1,2,NULL,-": "-" is what the log does not carry.
  void insert(std::string_view after) { change(RowChange::Op::insert, "", after); }
  void update(std::string_view before, std::string_view after) {
    change(RowChange::Op::update, before, after);
  }
  void remove(std::string_view before) { change(RowChange::Op::remove, before, ""); }

  void apply(bool ends_transaction = true) {
    if (ends_transaction) builder_->end(kTime);
    BatchBuilder::Sealed sealed;
    builder_->take(sealed, ends_transaction);
    sealed.batch.offset = {"0/2", kTime};
    applier_->apply(sealed.batch);
    if (ends_transaction) builder_->begin(kTime);
  }

  std::string rows() {
    return server_.value(
        "SELECT coalesce(string_agg(concat_ws(',', id, part, coalesce(n::text, 'NULL'), "
        "coalesce(big, 'NULL'), coalesce(encode(data, 'escape'), 'NULL'), CASE WHEN gone IS NOT "
        "NULL THEN 'gone' END), ' ' ORDER BY id, part), '') FROM t");
  }

 private:
  static constexpr weir::Time kTime{std::chrono::seconds(1'800'000'000)};

  void add(const char* name, TypeKind kind) {
    weir::Column column;
    column.name = name;
    column.type.kind = kind;
    weir::PlannedColumn planned;
    planned.name = name;
    planned.source = static_cast<std::uint32_t>(plan_.columns.size());
    planned.type = column.type;
    plan_.source.columns.push_back(column);
    plan_.columns.push_back(planned);
  }

  static std::vector<Cell> cells_of(std::string_view text) {
    std::vector<Cell> cells;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find(','), text.size());
      const std::string_view cell = text.substr(0, end);
      cells.push_back(cell == "-" ? Cell::absent() : cell == "NULL" ? Cell::null() : Cell(cell));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return cells;
  }

  void change(RowChange::Op op, std::string_view before, std::string_view after) {
    const std::vector<Cell> from = cells_of(before);
    const std::vector<Cell> to = cells_of(after);
    const RowChange change{op, 0, from, to};
    if (builder_->add(change)) return;
    apply(false);
    REQUIRE(builder_->add(change));
  }

  TempPostgres& server_;
  weir::Task task_;
  TablePlan plan_;
  std::unique_ptr<weir::postgres::PostgresTarget> target_;
  std::unique_ptr<weir::Applier> applier_;
  std::unique_ptr<BatchBuilder> builder_;
};

}  // namespace

TEST_CASE("rows get the columns that came and keep the others", "[pgout][partial]") {
  TempPostgres server;
  Target target(server);
  target.insert("1,1,1,A,x");
  target.insert("2,1,1,B,y");
  target.insert("3,1,1,C,z");
  target.apply();
  target.update("1,1,-,-,-", "1,1,2,-,-");
  target.update("2,1,-,-,-", "2,1,NULL,-,q");
  target.update("3,1,-,-,-", "3,1,-,-,-");  // nothing of it is known to have changed
  target.insert("4,1,1,D,NULL");
  target.update("4,1,-,-,-", "4,1,5,-,-");
  target.remove("9,9,-,-,-");
  target.apply();
  CHECK(target.rows() == "1,1,2,A,x 2,1,NULL,B,q 3,1,1,C,z 4,1,5,D,NULL");
  // Many rows of several sets of columns at once, twice with the same statements.
  for (int round = 0; round < 2; ++round) {
    for (int i = 1; i <= 4; ++i) {
      const std::string key = fmt::format("{},1", i);
      target.update(key + ",-,-,-",
                    key + (i % 2 == 0 ? fmt::format(",{},-,-", round) : ",-,-,even"));
    }
    target.apply();
  }
  CHECK(target.rows() == "1,1,2,A,even 2,1,1,B,q 3,1,1,C,even 4,1,1,D,NULL");
}

TEST_CASE("a row gets another key and keeps what the log does not carry", "[pgout][partial]") {
  TempPostgres server;
  Target target(server);
  target.insert("1,1,1,A,x");
  target.insert("2,1,2,B,y");
  target.apply();
  // A ring in one transaction, over a key in between.
  target.update("1,1,-,-,-", "9,1,1,-,-");
  target.update("2,1,-,-,-", "1,1,2,-,-");
  target.update("9,1,-,-,-", "2,1,1,-,-");
  target.apply();
  CHECK(target.rows() == "1,1,2,B,y 2,1,1,A,x");
  // One key makes room for another.
  target.remove("2,1,-,-,-");
  target.update("1,1,-,-,-", "2,1,3,-,-");
  target.insert("1,1,4,new,new");
  target.update("2,1,-,-,-", "2,2,5,-,w");
  target.apply();
  CHECK(target.rows() == "1,1,4,new,new 2,2,5,B,w");
}

TEST_CASE("while a table is copied, a row may be there by either key", "[pgout][partial]") {
  TempPostgres server;
  Target target(server);
  target.insert("1,1,1,old,old");
  target.insert("2,1,7,new,new");
  target.apply();
  target.update("1,1,-,-,-", "2,1,3,-,-");  // by both: the copy is from before and after the change
  target.update("5,1,-,-,-", "2,1,4,-,-");  // by the new one alone
  target.apply();
  CHECK(target.rows() == "2,1,4,new,new");
  // By none: what it holds is known to nobody here.
  target.update("5,1,-,-,-", "6,1,4,-,-");
  try {
    target.apply();
    FAIL("a row was made up");
  } catch (const Error& error) {
    CHECK(error.id() == "postgres.row-missing");
    CHECK_THAT(error.fix(), Catch::Contains("REPLICA IDENTITY FULL"));
  }
  CHECK(target.rows() == "2,1,4,new,new");
}

TEST_CASE("a row that keeps its old key is copied to the new one", "[pgout][partial]") {
  TempPostgres server;
  SECTION("deletes are ignored") {
    Target target(server, {DeletePolicy::Kind::ignore, ""});
    target.insert("1,1,1,A,x");
    target.insert("2,1,9,stale,stale");
    target.apply();
    target.update("1,1,-,-,-", "2,1,2,-,-");
    target.update("1,1,-,-,-", "3,1,3,-,-");
    target.update("7,1,-,-,-", "3,1,4,-,-");
    target.apply();
    CHECK(target.rows() == "1,1,1,A,x 2,1,2,A,x 3,1,4,A,x");
  }
  SECTION("deletes are marked") {
    Target target(server, {DeletePolicy::Kind::soft, "gone"});
    target.insert("1,1,1,A,x");
    target.apply();
    target.update("1,1,-,-,-", "2,1,2,-,-");
    target.apply();
    CHECK(target.rows() == "1,1,1,A,x,gone 2,1,2,A,x");
    target.update("2,1,-,-,-", "1,1,3,-,-");
    target.apply();
    CHECK(target.rows() == "1,1,3,A,x 2,1,2,A,x,gone");
  }
}
