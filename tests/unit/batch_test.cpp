// SPDX-License-Identifier: Apache-2.0
#include "stage/batch.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace weir;

namespace {

/// Two columns, id and name; the key is id.
TablePlan make_plan() {
  TablePlan plan;
  plan.id = 3;
  plan.source.name = {"shop", "item"};
  plan.target = {"shop", "item"};
  for (const char* name : {"id", "name"}) {
    Column column;
    column.name = name;
    plan.source.columns.push_back(column);
    PlannedColumn planned;
    planned.name = name;
    planned.source = static_cast<std::uint32_t>(plan.source.columns.size() - 1);
    plan.columns.push_back(planned);
  }
  plan.key = {0};
  return plan;
}

/// What a batch leaves on a table that held nothing, and the keys it removes.
struct Outcome {
  std::map<std::string, std::optional<std::string>> rows;
  std::vector<std::string> removed;
};

Outcome outcome(const BatchBuilder::Sealed& sealed) {
  Outcome out;
  for (const TableChanges& table : sealed.batch.tables) {
    CHECK(table.table == 3);
    for (const PackedRow& row : table.removes) {
      const char* at = row.data;
      out.removed.emplace_back(PackedRow::take(at).text());
    }
    for (const PackedRow& row : table.upserts) {
      const char* at = row.data;
      const std::string key(PackedRow::take(at).text());
      const Cell name = PackedRow::take(at);
      CHECK(
          out.rows
              .emplace(key, name.is_null() ? std::nullopt : std::optional<std::string>(name.text()))
              .second);
    }
  }
  return out;
}

class Changes {
 public:
  explicit Changes(BatchBuilder& builder) : builder_(builder) {}
  void insert(const char* id, const char* name) {
    const Cell after[] = {cell(id), cell(name)};
    builder_.add({RowChange::Op::insert, 3, {}, after});
  }
  void update(const char* id, const char* name, const char* new_id, const char* new_name) {
    const Cell before[] = {cell(id), cell(name)};
    const Cell after[] = {cell(new_id), cell(new_name)};
    builder_.add({RowChange::Op::update, 3, before, after});
  }
  void remove(const char* id, const char* name) {
    const Cell before[] = {cell(id), cell(name)};
    builder_.add({RowChange::Op::remove, 3, before, {}});
  }

 private:
  static Cell cell(const char* text) {
    return text == nullptr ? Cell::null() : Cell(std::string_view(text));
  }
  BatchBuilder& builder_;
};

}  // namespace

TEST_CASE("a batch keeps one final operation per key", "[batch]") {
  const TablePlan plan = make_plan();
  BatchBuilder builder({&plan, 1}, "shop");
  Changes changes(builder);
  builder.begin(Time(std::chrono::seconds(5)));
  changes.insert("1", "one");
  changes.update("1", "one", "1", "uno");
  changes.insert("2", "two");
  changes.remove("2", "two");
  changes.remove("3", "three");
  changes.insert("3", nullptr);
  builder.end(Time(std::chrono::seconds(6)));
  BatchBuilder::Sealed sealed;
  builder.take(sealed, true);

  const Outcome found = outcome(sealed);
  CHECK(found.rows.size() == 2);
  CHECK(found.rows.at("1") == "uno");
  CHECK(found.rows.at("3") == std::nullopt);
  CHECK(found.removed == std::vector<std::string>{"2"});
  CHECK(sealed.batch.row_events == 6);
  CHECK(sealed.batch.transactions == 1);
  CHECK(sealed.batch.first_commit == Time(std::chrono::seconds(5)));
  CHECK(sealed.batch.last_commit == Time(std::chrono::seconds(6)));
  CHECK(builder.empty());
}

TEST_CASE("a table that is emptied forgets what the batch had about it", "[batch]") {
  TablePlan plan = make_plan();
  SECTION("with a key") {}
  SECTION("without one") { plan.key.clear(); }
  BatchBuilder builder({&plan, 1}, "shop");
  Changes changes(builder);
  BatchBuilder::Sealed sealed;
  builder.begin({});
  for (int i = 0; i < 500; ++i) changes.insert(std::to_string(i).c_str(), "old");
  changes.remove("1000", "old");
  builder.truncate(3);
  changes.insert("7", "new");
  builder.truncate(3);
  changes.insert("8", "new");
  changes.update("8", "new", "9", "newer");
  builder.end({});
  builder.take(sealed, true);
  REQUIRE(sealed.batch.tables.size() == 1);
  CHECK(sealed.batch.tables[0].truncated);
  CHECK(outcome(sealed).rows == std::map<std::string, std::optional<std::string>>{{"9", "newer"}});

  // Nothing else need be known of a table, and the next batch knows nothing of it.
  builder.begin({});
  builder.truncate(3);
  CHECK_FALSE(builder.empty());
  builder.end({});
  builder.take(sealed, true);
  REQUIRE(sealed.batch.tables.size() == 1);
  CHECK(sealed.batch.tables[0].truncated);
  CHECK(sealed.batch.tables[0].upserts.empty());
  CHECK(sealed.batch.tables[0].removes.empty());
  builder.begin({});
  changes.insert("7", "new");
  builder.end({});
  builder.take(sealed, true);
  REQUIRE(sealed.batch.tables.size() == 1);
  CHECK_FALSE(sealed.batch.tables[0].truncated);
  CHECK(outcome(sealed).rows.size() == 1);
}

TEST_CASE("a changed key is a remove and an upsert, in any order of chains", "[batch]") {
  const TablePlan plan = make_plan();
  BatchBuilder builder({&plan, 1}, "shop");
  Changes changes(builder);
  builder.begin({});
  // 1 and 2 trade places through 0, as one transaction on the source does.
  changes.update("1", "a", "0", "a");
  changes.update("2", "b", "1", "b");
  changes.update("0", "a", "2", "a");
  builder.end({});
  BatchBuilder::Sealed sealed;
  builder.take(sealed, true);
  const Outcome found = outcome(sealed);
  CHECK(found.rows.at("1") == "b");
  CHECK(found.rows.at("2") == "a");
  CHECK(found.removed == std::vector<std::string>{"0"});
}

TEST_CASE("many keys, then few: every batch stands alone", "[batch]") {
  const TablePlan plan = make_plan();
  BatchBuilder builder({&plan, 1}, "shop");
  Changes changes(builder);
  BatchBuilder::Sealed sealed;
  for (const int count : {5000, 3, 700, 1, 1, 20000}) {
    builder.begin({});
    for (int i = 0; i < count; ++i) {
      const std::string id = std::to_string(i);
      changes.insert(id.c_str(), "x");
      changes.update(id.c_str(), "x", id.c_str(), id.c_str());
    }
    builder.end({});
    builder.take(sealed, true);
    const Outcome found = outcome(sealed);
    REQUIRE(found.rows.size() == static_cast<std::size_t>(count));
    CHECK(found.rows.at(std::to_string(count - 1)) == std::to_string(count - 1));
    CHECK(found.removed.empty());
  }
}

TEST_CASE("deletes can be ignored, and added columns are filled", "[batch]") {
  TablePlan plan = make_plan();
  plan.deletes.kind = DeletePolicy::Kind::ignore;
  for (const auto& [name, constant] :
       {std::pair{"origin", "{source}:{schema}.{table}"}, std::pair{"synced", "{execute_time}"},
        std::pair{"deleted", "{deleted}"}}) {
    PlannedColumn added;
    added.name = name;
    added.constant = constant;
    plan.columns.push_back(added);
  }
  BatchBuilder builder({&plan, 1}, "daily");
  Changes changes(builder);
  builder.begin(Time(std::chrono::seconds(0)));
  changes.insert("1", "one");
  changes.remove("1", "one");
  changes.update("7", "x", "8", "x");
  builder.end({});
  BatchBuilder::Sealed sealed;
  builder.take(sealed, true);
  REQUIRE(sealed.batch.tables.size() == 1);
  CHECK(sealed.batch.tables[0].removes.empty());
  REQUIRE(sealed.batch.tables[0].upserts.size() == 2);
  const char* at = sealed.batch.tables[0].upserts[0].data;
  CHECK(PackedRow::take(at).text() == "1");
  CHECK(PackedRow::take(at).text() == "one");
  CHECK(PackedRow::take(at).text() == "daily:shop.item");
  CHECK(PackedRow::take(at).text() == "1970-01-01 00:00:00.000000");
  CHECK(PackedRow::take(at).is_null());
}

namespace {

/// Without a key: id, name and what `deletes` adds.
TablePlan make_whole_plan(DeletePolicy deletes) {
  TablePlan plan = make_plan();
  plan.key.clear();
  plan.deletes = deletes;
  if (deletes.kind == DeletePolicy::Kind::soft) {
    PlannedColumn planned;
    planned.name = deletes.column;
    planned.constant = "{deleted}";
    plan.columns.push_back(planned);
  }
  return plan;
}

std::string whole_text(const TablePlan& plan, const PackedRow& row) {
  std::string out;
  const char* at = row.data;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    const Cell cell = PackedRow::take(at);
    if (i > 0) out += ' ';
    out += cell.is_null() ? "-" : cell.text();
  }
  return out;
}

/// "+1 one +1 one -2 two": what a batch does to a table without a key, sorted.
std::vector<std::string> whole_outcome(const TablePlan& plan, BatchBuilder& builder) {
  BatchBuilder::Sealed sealed;
  builder.take(sealed, true);
  std::vector<std::string> out;
  for (const TableChanges& table : sealed.batch.tables) {
    for (const PackedRow& row : table.removes) out.push_back("-" + whole_text(plan, row));
    for (const PackedRow& row : table.upserts) out.push_back("+" + whole_text(plan, row));
  }
  std::sort(out.begin(), out.end());
  return out;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("without a key a batch keeps how often each whole row comes and goes", "[batch][nokey]") {
  const TablePlan plan = make_whole_plan({});
  BatchBuilder builder({&plan, 1}, "shop");
  Changes changes(builder);
  builder.begin(Time(std::chrono::seconds(5)));
  SECTION("equal rows are kept apart by number only") {
    for (int i = 0; i < 3; ++i) changes.insert("1", nullptr);
    changes.remove("1", nullptr);
    changes.insert("1", "");
    CHECK(whole_outcome(plan, builder) == Lines{"+1 ", "+1 -", "+1 -"});
  }
  SECTION("what comes and goes leaves nothing, in either order") {
    changes.insert("1", "a");
    changes.remove("1", "a");
    changes.remove("2", "b");
    changes.insert("2", "b");
    changes.update("3", "c", "3", "c");
    CHECK(whole_outcome(plan, builder).empty());
  }
  SECTION("a chain of updates is one") {
    changes.update("1", "a", "1", "b");
    changes.update("1", "b", "2", "b");
    changes.update("2", "b", "2", nullptr);
    CHECK(whole_outcome(plan, builder) == Lines{"+2 -", "-1 a"});
  }
  SECTION("removes repeat") {
    for (int i = 0; i < 4; ++i) changes.remove("1", "a");
    changes.insert("1", "a");
    CHECK(whole_outcome(plan, builder) == Lines{"-1 a", "-1 a", "-1 a"});
  }
  SECTION("what the log leaves out of an update is as it was") {
    const Cell before[] = {Cell(std::string_view("1")), Cell(std::string_view("long"))};
    const Cell after[] = {Cell(std::string_view("2")), Cell::absent()};
    builder.add({RowChange::Op::update, 3, before, after});
    CHECK(whole_outcome(plan, builder) == Lines{"+2 long", "-1 long"});
  }
  // Nothing stays behind for the next batch.
  builder.begin(Time(std::chrono::seconds(6)));
  changes.insert("9", "z");
  CHECK(whole_outcome(plan, builder) == Lines{"+9 z"});
}

TEST_CASE("without a key ignored deletes keep their row, and updates still replace theirs",
          "[batch][nokey]") {
  const TablePlan plan = make_whole_plan({DeletePolicy::Kind::ignore, ""});
  BatchBuilder builder({&plan, 1}, "shop");
  Changes changes(builder);
  builder.begin(Time(std::chrono::seconds(5)));
  changes.insert("1", "a");
  changes.remove("1", "a");
  changes.update("2", "b", "2", "c");
  CHECK(whole_outcome(plan, builder) == Lines{"+1 a", "+2 c", "-2 b"});
}

TEST_CASE("without a key soft deletes mark, and updates still replace", "[batch][nokey]") {
  const TablePlan plan = make_whole_plan({DeletePolicy::Kind::soft, "gone"});
  BatchBuilder builder({&plan, 1}, "shop");
  Changes changes(builder);
  builder.begin(Time(std::chrono::seconds(5)));
  changes.remove("1", "a");
  changes.remove("1", "a");
  changes.update("1", "a", "2", "b");
  CHECK(whole_outcome(plan, builder) == Lines{"+2 b -", "-1 a -", "-1 a 1970-01-01 00:00:05.000000",
                                              "-1 a 1970-01-01 00:00:05.000000"});
  // A row that came makes up for one that was replaced before one that was deleted.
  changes.remove("1", "a");
  changes.update("1", "a", "2", "b");
  changes.insert("1", "a");
  CHECK(whole_outcome(plan, builder) == Lines{"+2 b -", "-1 a 1970-01-01 00:00:05.000000"});
}

namespace {

/// Three columns, id, name and big; the key is id.
TablePlan make_wide_plan() {
  TablePlan plan = make_plan();
  Column column;
  column.name = "big";
  plan.source.columns.push_back(column);
  PlannedColumn planned;
  planned.name = "big";
  planned.source = 2;
  plan.columns.push_back(planned);
  return plan;
}

/// Rows without some columns: "-" stands for one that the log does not carry.
class WideChanges {
 public:
  explicit WideChanges(BatchBuilder& builder) : builder_(builder) {}

  bool insert(const char* id, const char* name, const char* big) {
    const Cell after[] = {cell(id), cell(name), cell(big)};
    return builder_.add({RowChange::Op::insert, 3, {}, after});
  }
  bool update(const char* before_id, const char* id, const char* name, const char* big) {
    const Cell before[] = {cell(before_id), Cell::absent(), Cell::absent()};
    const Cell after[] = {cell(id), cell(name), cell(big)};
    return builder_.add({RowChange::Op::update, 3, before, after});
  }
  bool remove(const char* id) {
    const Cell before[] = {cell(id), Cell::absent(), Cell::absent()};
    return builder_.add({RowChange::Op::remove, 3, before, {}});
  }

 private:
  static Cell cell(std::string_view text) { return text == "-" ? Cell::absent() : Cell(text); }
  BatchBuilder& builder_;
};

std::string text_of(const PackedRow& row, int cells) {
  std::string out;
  const char* at = row.data;
  for (int i = 0; i < cells; ++i) {
    const Cell cell = PackedRow::take(at);
    out += (i == 0 ? "" : ",") + (cell.is_absent() ? "-" : std::string(cell.text()));
  }
  return out;
}

/// What the builder has gathered, in the order in which it is to be applied.
Lines taken(BatchBuilder& builder) {
  BatchBuilder::Sealed sealed;
  builder.take(sealed, true);
  Lines out;
  for (const TableChanges& table : sealed.batch.tables) {
    for (const TableChanges::Move& move : table.moves) {
      out.push_back("move " + text_of(move.from, 1) + " to " + text_of(move.row, 3));
    }
    for (const PackedRow& row : table.removes) out.push_back("remove " + text_of(row, 1));
    for (const PackedRow& row : table.upserts) out.push_back("upsert " + text_of(row, 3));
    for (const PackedRow& row : table.patches) out.push_back("patch " + text_of(row, 3));
  }
  return out;
}

}  // namespace

TEST_CASE("what the log does not carry is taken from the batch, or stays as it is", "[batch]") {
  const TablePlan plan = make_wide_plan();
  BatchBuilder builder({&plan, 1}, "shop");
  WideChanges changes(builder);
  builder.begin(Time(std::chrono::seconds(5)));
  changes.insert("1", "one", "BIG");
  changes.update("1", "1", "uno", "-");
  changes.update("2", "2", "two", "-");
  changes.update("3", "3", "a", "-");
  changes.update("3", "3", "-", "x");
  changes.update("4", "4", "a", "-");
  changes.update("4", "4", "b", "-");
  changes.update("5", "5", "a", "-");
  changes.update("5", "5", "b", "new");
  changes.update("6", "6", "a", "-");
  changes.remove("6");
  CHECK(taken(builder) == Lines{"remove 6", "upsert 1,uno,BIG", "upsert 3,a,x", "upsert 5,b,new",
                                "patch 2,two,-", "patch 4,b,-"});
  // Nothing of it is left for the next one.
  changes.update("1", "1", "x", "-");
  CHECK(taken(builder) == Lines{"patch 1,x,-"});
}

TEST_CASE("a key that changes while values stay behind is a move, before all else", "[batch]") {
  const TablePlan plan = make_wide_plan();
  BatchBuilder builder({&plan, 1}, "shop");
  WideChanges changes(builder);
  builder.begin(Time(std::chrono::seconds(5)));
  CHECK(changes.update("1", "2", "two", "-"));
  CHECK(changes.update("2", "3", "three", "-"));
  CHECK(changes.update("3", "3", "drei", "-"));
  CHECK(changes.insert("1", "one", "BIG"));
  CHECK(changes.remove("9"));
  // Here the batch knows all of the row.
  CHECK(changes.update("1", "7", "seven", "-"));
  CHECK(taken(builder) == Lines{"move 1 to 2,two,-", "move 2 to 3,three,-", "remove 1", "remove 9",
                                "upsert 7,seven,BIG", "patch 3,drei,-"});
}

TEST_CASE("a move waits for what the batch has about its keys", "[batch]") {
  const TablePlan plan = make_wide_plan();
  BatchBuilder builder({&plan, 1}, "shop");
  WideChanges changes(builder);
  builder.begin(Time(std::chrono::seconds(5)));
  CHECK(changes.remove("2"));
  CHECK_FALSE(changes.update("1", "2", "two", "-"));
  CHECK(taken(builder) == Lines{"remove 2"});
  CHECK(changes.update("1", "2", "two", "-"));
  CHECK(changes.update("2", "2", "deux", "-"));
  CHECK_FALSE(changes.update("2", "3", "three", "-"));
  CHECK(taken(builder) == Lines{"move 1 to 2,two,-", "patch 2,deux,-"});
  CHECK(changes.update("2", "3", "three", "-"));
  BatchBuilder::Sealed sealed;
  builder.take(sealed, true);
  CHECK(sealed.batch.row_events == 1);
}

TEST_CASE("deletes that are ignored leave the row with the old key", "[batch]") {
  TablePlan plan = make_wide_plan();
  plan.deletes.kind = DeletePolicy::Kind::ignore;
  BatchBuilder builder({&plan, 1}, "shop");
  WideChanges changes(builder);
  builder.begin(Time(std::chrono::seconds(5)));
  CHECK(changes.insert("1", "one", "BIG"));
  CHECK(changes.update("1", "2", "two", "-"));
  CHECK(taken(builder) == Lines{"upsert 1,one,BIG", "upsert 2,two,BIG"});
}
