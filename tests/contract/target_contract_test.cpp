// SPDX-License-Identifier: Apache-2.0
// What target/target.h promises, once for all kinds of target. Looked at over sessions that weir
// has no part in.
#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "base/time.h"
#include "contract/target_end.h"
#include "model/definition.h"
#include "model/swap_name.h"
#include "registry/registry.h"
#include "stage/batch.h"
#include "support/eventually.h"
#include "support/table_plan.h"
#include "target/target.h"

using namespace weir::test;
using weir::BatchBuilder;
using weir::Cell;
using weir::ColumnAlter;
using weir::DeletePolicy;
using weir::Error;
using weir::ExistingPolicy;
using weir::ExitCode;
using weir::Offset;
using weir::RangeProgress;
using weir::RowChange;
using weir::swap_name;
using weir::TableAlter;
using weir::TablePlan;
using weir::TypeKind;
using Names = std::vector<std::string>;

namespace {

constexpr weir::Time kTime{std::chrono::seconds(1'800'000'000)};
const weir::Identity kServer{"a server"};
const Offset kStart{"start", kTime};

TablePlan plan_of(const weir::Target& target, const std::string& table,
                  const std::vector<NewColumn>& columns, std::vector<std::uint32_t> key) {
  const std::string only = target.only_schema();
  TablePlan plan =
      table_plan({"src", table}, {only.empty() ? "shop" : only, table}, columns, std::move(key));
  if (!plan.key.empty()) plan.source.key_name = "own_key";
  return plan;
}

const std::vector<NewColumn> kItem = {
    {"id", TypeKind::int32}, {"n", TypeKind::int32}, {"word", TypeKind::text, 20}};

void add_column(TablePlan& plan, const char* name, const char* constant, TypeKind kind) {
  weir::PlannedColumn added;
  added.name = name;
  added.constant = constant;
  added.type.kind = kind;
  added.type.precision = kind == TypeKind::timestamp ? 6 : 0;
  plan.columns.push_back(added);
}

/// A row as "1,2,NULL,-": "-" is what the log does not carry.
std::vector<Cell> cells_of(std::string_view text) {
  std::vector<Cell> cells;
  while (text.data() != nullptr) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view cell = text.substr(0, end);
    cells.push_back(cell == "-" ? Cell::absent() : cell == "NULL" ? Cell::null() : Cell(cell));
    text = end == text.size() ? std::string_view() : text.substr(end + 1);
  }
  return cells;
}

std::string error_id(const std::function<void()>& call, std::string* text = nullptr,
                     ExitCode* code = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    INFO(error.what());
    CHECK_FALSE(error.summary().empty());
    CHECK_FALSE(error.why().empty());
    CHECK_FALSE(error.fix().empty());
    if (text != nullptr) *text = error.summary() + ": " + error.why();
    if (code != nullptr) *code = error.code();
    return error.id();
  }
  return "";
}

/// A task with one table, whose name is that of the section's task.
class Probe {
 public:
  using Shape = std::function<void(TablePlan&)>;

  Probe(TargetEnd& on, const std::string& called, const std::vector<NewColumn>& columns = kItem,
        std::vector<std::uint32_t> key = {0}, const Shape& shape = {})
      : end(on), name(called), task(end.task(name)), target(open_target(task)) {
    plans.push_back(plan_of(*target, name, columns, std::move(key)));
    if (shape) shape(plans[0]);
    target->plan_types(task, plans[0]);
  }

  /// The task is new, its table is there and has its one range.
  void begin() {
    target->start(name, kServer, kStart);
    target->ensure_table(name, plans[0]);
    const weir::KeyRange range = {0, {}, {}, plans[0].key.empty()};
    target->store_ranges(name, plans[0], {&range, 1});
  }
  /// And all rows of the copy are there.
  void begin_changes(const Names& rows = {}) {
    begin();
    load(rows, true);
    auto loader = target->open_loader(name);
    CHECK(loader->finish(plans[0]).empty());
    CHECK(loader->finish_unique(plans[0]).empty());
    // It would be waited for.
    loader.reset();
    open_applier();
  }
  void open_applier() {
    applier.reset();
    applier = target->open_applier(name, plans);
    builder.emplace(plans, name);
    builder->begin(kTime);
  }

  std::vector<Cell> added() const {
    std::vector<Cell> out;
    values_.clear();
    for (const weir::PlannedColumn& column : plans[0].columns) {
      if (column.added()) values_.push_back(added_value(column, plans[0], name, "now"));
    }
    for (const auto& value : values_) out.push_back(value ? Cell(*value) : Cell::null());
    return out;
  }
  RangeProgress mark(const std::string& reached, std::uint64_t rows, bool done) const {
    RangeProgress out;
    out.range.whole = plans[0].key.empty();
    out.reached = {reached};
    out.rows = rows;
    out.bytes = 10 * rows;
    out.done = done;
    return out;
  }
  void load(const Names& rows, bool done) {
    const auto loader = target->open_loader(name);
    const std::vector<Cell> constants = added();
    loader->begin(plans[0], constants);
    for (const std::string& row : rows) loader->row(cells_of(row));
    loader->commit(mark("end", rows.size(), done));
  }

  void change(RowChange::Op op, std::string_view before, std::string_view after) {
    const std::vector<Cell> from = cells_of(before);
    const std::vector<Cell> to = cells_of(after);
    const RowChange row{op, 0, from, to};
    if (builder->add(row)) return;
    take(false, "");
    REQUIRE(builder->add(row));
  }
  void insert(std::string_view row) { change(RowChange::Op::insert, {}, row); }
  void update(std::string_view before, std::string_view after) {
    change(RowChange::Op::update, before, after);
  }
  void remove(std::string_view row) { change(RowChange::Op::remove, row, {}); }
  /// Applies what was gathered, and stores the offset.
  void apply(const std::string& offset) {
    builder->end(kTime);
    take(true, offset);
    builder->begin(kTime);
  }
  void take(bool ends, const std::string& offset) {
    builder->take(sealed, ends);
    if (ends) sealed.batch.offset = {offset, kTime};
    applier->apply(sealed.batch);
  }

  /// The table as an onlooker sees it: "1,2,x 3,4,NULL".
  std::string rows(const std::string& columns = "") const {
    std::string names = columns;
    for (const weir::Column& column : plans[0].source.columns) {
      if (!columns.empty()) break;
      names += (names.empty() ? "" : ", ") + column.name;
    }
    std::string out;
    for (const auto& row :
         end.query("SELECT " + names + " FROM " + table() + " ORDER BY " + names)) {
      out += out.empty() ? "" : " ";
      for (std::size_t i = 0; i < row.size(); ++i) out += (i > 0 ? "," : "") + row[i];
    }
    return out;
  }
  std::string table() const { return end.table(name); }
  weir::Recovered recovered() const { return open_target(task)->recover(name).value(); }
  weir::TableProgress progress() const { return recovered().tables.at(0); }
  std::string offset() const { return recovered().offset.text; }

  TargetEnd& end;
  std::string name;
  weir::Task task;
  std::unique_ptr<weir::Target> target;
  std::vector<TablePlan> plans;
  std::unique_ptr<weir::Applier> applier;
  std::optional<BatchBuilder> builder;
  BatchBuilder::Sealed sealed;

 private:
  mutable std::vector<std::optional<std::string>> values_;
};

Names refusals(weir::Target& target, const weir::Task& task, const std::vector<TablePlan>& plans,
               const std::optional<weir::Recovered>& recovered) {
  Names out;
  for (const weir::Finding& finding : target.judge(plans, target.gather(task, plans, recovered))) {
    if (finding.severity == weir::Severity::critical) out.push_back(finding.table);
  }
  return out;
}

void untouched(TargetEnd& end) {
  const weir::Task task = end.untouched_task();
  const auto target = open_target(task);
  CHECK_THAT(target->version(), Catch::StartsWith(end.product()));
  CHECK(target->rung() == weir::Rung::atomic_offset);
  std::vector<TablePlan> plans = {plan_of(*target, "nothing", kItem, {0})};
  target->plan_types(task, plans[0]);
  CHECK_FALSE(target->recover(task.name));
  CHECK(refusals(*target, task, plans, {}).empty());
  CHECK_FALSE(target->recover(task.name));
  CHECK(end.is_untouched());
}

void memory(TargetEnd& end) {
  Probe probe(end, "known");
  CHECK_FALSE(probe.target->recover("known"));
  probe.target->start("known", kServer, kStart);
  weir::Recovered found = probe.recovered();
  CHECK(found.source == kServer);
  CHECK(found.start == kStart);
  CHECK(found.offset == kStart);
  CHECK(found.full_end.empty());
  CHECK(found.tables.empty());
  CHECK_FALSE(probe.target->recover("known2"));

  probe.plans[0].since = {"since", {}};
  probe.target->ensure_table("known", probe.plans[0]);
  const std::vector<weir::KeyRange> cut = {{0, {}, {"a\n", ""}, false},
                                           {1, {"a\n", ""}, {}, false}};
  probe.target->store_ranges("known", probe.plans[0], cut);
  probe.target->full_loaded("known", {"full end", {}});
  found = probe.recovered();
  CHECK(found.full_end.text == "full end");
  REQUIRE(found.tables.size() == 1);
  const weir::TableProgress& table = found.tables[0];
  CHECK(table.source == probe.plans[0].source.name);
  CHECK(table.target == probe.plans[0].target);
  CHECK_FALSE(table.full_done);
  CHECK_FALSE(table.unique_done);
  CHECK(table.since.text == "since");
  CHECK(table.rows == 0);
  REQUIRE(table.definition);
  CHECK(encode_definition(*table.definition) == encode_definition(probe.plans[0].source));
  REQUIRE(table.ranges.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(table.ranges[i].range.number == i);
    CHECK(table.ranges[i].range.after == cut[i].after);
    CHECK(table.ranges[i].range.upto == cut[i].upto);
    CHECK(table.ranges[i].reached.empty());
    CHECK_FALSE(table.ranges[i].done);
  }
}

void tables(TargetEnd& end) {
  Probe probe(end, "made");
  probe.begin_changes({"1,1,x"});
  // Again, as after a crash.
  probe.target->ensure_table("made", probe.plans[0]);
  CHECK(probe.rows() == "1,1,x");
  CHECK(probe.recovered().tables.size() == 1);
  // What was made is what is wanted.
  CHECK(refusals(*probe.target, probe.task, probe.plans, probe.recovered()).empty());

  // Another task finds rows that nobody told it of.
  std::vector<TablePlan> plans = probe.plans;
  const auto refused_for = [&](const std::string& name) {
    const weir::Task task = end.task(name);
    return refusals(*open_target(task), task, plans, {});
  };
  const auto ensure_for = [&](const std::string& name) {
    const auto target = open_target(end.task(name));
    target->start(name, kServer, kStart);
    target->ensure_table(name, plans[0]);
  };
  CHECK(refused_for("made2") == Names{plans[0].target.text()});
  plans[0].existing = ExistingPolicy::append;
  CHECK(refused_for("made2").empty());
  ensure_for("made2");
  CHECK(probe.rows() == "1,1,x");
  plans[0].existing = ExistingPolicy::truncate;
  CHECK(refused_for("made3").empty());
  ensure_for("made3");
  CHECK(probe.rows() == "");
  // Neither rows nor columns of the old one are left.
  end.sql("ALTER TABLE " + probe.table() + " ADD COLUMN mine INT");
  end.sql("INSERT INTO " + probe.table() + " VALUES (2, 2, 'y', 2)");
  plans[0].existing = ExistingPolicy::replace;
  CHECK(refused_for("made4").empty());
  ensure_for("made4");
  CHECK(probe.rows() == "");
  CHECK_THROWS(end.query("SELECT mine FROM " + probe.table()));
}

void names(TargetEnd& end) {
  Probe probe(end, "named");
  const std::size_t most = probe.target->max_name_bytes();
  const std::string longest(std::min<std::size_t>(most == 0 ? 200 : most, 200), 'n');
  probe.plans[0].target.table = longest;
  probe.plans[0].columns[1].name = longest;
  probe.plans[0].columns[2].name = "select \"from` 'where";
  for (const std::string& name : {longest, probe.plans[0].columns[2].name}) {
    CHECK(probe.target->refuse_name(name) == "");
  }
  CHECK_FALSE(probe.target->refuse_name(std::string("a\0b", 3)).empty());
  probe.begin();
  probe.load({"1,2,x"}, true);
  CHECK(end.query("SELECT " + longest + " FROM " + end.table(longest)) == Rows{{"2"}});
  // Two names of one fold are one table, and two of two folds are two.
  const bool one = probe.target->fold_name("Twice") == probe.target->fold_name("twice");
  Probe upper(end, "upper", kItem, {0}, [](TablePlan& plan) { plan.target.table = "Twice"; });
  upper.begin();
  upper.load({"1,2,x"}, true);
  Probe lower(end, "lower", kItem, {0}, [](TablePlan& plan) { plan.target.table = "twice"; });
  lower.begin();
  CHECK(end.query("SELECT COUNT(*) FROM " + end.table("twice")) == Rows{{one ? "1" : "0"}});
}

void chunks(TargetEnd& end) {
  Probe probe(end, "chunk", kItem, {0},
              [](TablePlan& plan) { add_column(plan, "origin", "from {table}", TypeKind::text); });
  probe.begin();
  const std::vector<Cell> constants = probe.added();
  const std::string columns = "id, n, word, origin";
  auto loader = probe.target->open_loader("chunk");
  loader->begin(probe.plans[0], constants);
  for (const char* row : {"1,10,a", "2,NULL,NULL", "3,-30,"}) loader->row(cells_of(row));
  loader->row(std::vector<Cell>{Cell("4"), Cell("40"), Cell("it's\t\\ \n\r\"ü")});
  CHECK(probe.rows(columns) == "");
  CHECK(probe.progress().rows == 0);
  loader->commit(probe.mark("4", 4, false));
  CHECK(probe.rows(columns) ==
        "1,10,a,from chunk 2,NULL,NULL,from chunk 3,-30,,from chunk 4,40,it's\t\\ \n\r\"ü,from "
        "chunk");
  weir::TableProgress found = probe.progress();
  CHECK(found.rows == 4);
  REQUIRE(found.ranges.size() == 1);
  CHECK(found.ranges[0].reached == weir::KeyCells{"4"});
  CHECK(found.ranges[0].bytes == 40);
  CHECK_FALSE(found.ranges[0].done);

  const auto unchanged = [&] {
    CHECK(end.query("SELECT COUNT(*) FROM " + probe.table()) == Rows{{"4"}});
    CHECK(probe.progress().ranges.at(0).reached == weir::KeyCells{"4"});
  };
  // Thrown away, and the loader goes on.
  loader->begin(probe.plans[0], constants);
  loader->row(cells_of("5,50,x"));
  loader->abandon();
  unchanged();
  // The worker is gone in the middle of a chunk, part of which the target has got.
  constexpr std::string_view kWord = "twenty characters ..";
  loader->begin(probe.plans[0], constants);
  for (int i = 100; i < 200'000; ++i) {
    const std::string id = std::to_string(i);
    loader->row(std::vector<Cell>{Cell(id), Cell(id), Cell(kWord)});
  }
  CHECK(loader->chunk_bytes() > 1'000'000);
  loader.reset();
  unchanged();
  // Its session is gone.
  loader = probe.target->open_loader("chunk");
  loader->begin(probe.plans[0], constants);
  loader->row(cells_of("6,60,x"));
  if (end.end_sessions()) {
    const std::string id = error_id([&] { loader->commit(probe.mark("6", 5, true)); });
    CHECK_THAT(id, Catch::EndsWith(".lost"));
    loader->abandon();
    probe.target = open_target(probe.task);
    unchanged();
  } else {
    loader->abandon();
  }
  loader = probe.target->open_loader("chunk");
  loader->begin(probe.plans[0], constants);
  loader->row(cells_of("6,60,x"));
  RangeProgress last = probe.mark("6", 5, true);
  last.snapshot.text = "the place of a snapshot";
  loader->commit(last);
  found = probe.progress();
  CHECK(found.rows == 5);
  CHECK(found.ranges[0].done);
  CHECK(found.since.text == "the place of a snapshot");
  CHECK_FALSE(found.full_done);
}

void indexes(TargetEnd& end) {
  Probe probe(end, "indexed", kItem, {0}, [](TablePlan& plan) {
    plan.source.indexes = {{"own_key", weir::Index::Kind::unique, {{0, 0}}},
                           {"plain_n", weir::Index::Kind::ordinary, {{1, 0}}},
                           {"only_word", weir::Index::Kind::unique, {{2, 0}}}};
  });
  probe.begin();
  probe.load({"1,1,same", "2,2,same"}, true);
  const auto loader = probe.target->open_loader("indexed");
  CHECK(loader->finish(probe.plans[0]).empty());
  CHECK(probe.progress().full_done);
  CHECK_FALSE(probe.progress().unique_done);
  CHECK_THROWS(end.sql("INSERT INTO " + probe.table() + " VALUES (1, 3, 'x')"));
  // What is there already is not built again.
  CHECK(loader->finish_unique(probe.plans[0]).size() == (end.keeps_unique() ? 1 : 0));
  CHECK(probe.progress().unique_done);
  const auto insert = [&] { end.sql("INSERT INTO " + probe.table() + " VALUES (3, 1, 'same')"); };
  CHECK_NOTHROW(insert());

  Probe unique(end, "unique1", kItem, {0}, [](TablePlan& plan) {
    plan.source.indexes = {{"only_word", weir::Index::Kind::unique, {{2, 0}}}};
  });
  unique.begin();
  unique.load({"1,1,same"}, true);
  const auto second = unique.target->open_loader("unique1");
  CHECK(second->finish(unique.plans[0]).empty());
  CHECK(second->finish_unique(unique.plans[0]).empty());
  const std::string again = "INSERT INTO " + unique.table() + " VALUES (3, 1, 'same')";
  if (end.keeps_unique()) {
    CHECK_THROWS(end.sql(again));
  } else {
    CHECK_NOTHROW(end.sql(again));
  }
}

void changes(TargetEnd& end) {
  Probe probe(end, "changed");
  probe.begin_changes({"1,1,a", "2,2,b", "3,3,c"});
  probe.insert("4,4,NULL");
  probe.update("1,1,a", "1,NULL,");
  probe.remove("2,2,b");
  probe.remove("99,0,x");         // the copy did not meet it
  probe.insert("3,33,replaced");  // the copy met it already
  probe.update("50,5,x", "50,55,y");
  probe.apply("1");
  const std::string once = "1,NULL, 3,33,replaced 4,4,NULL 50,55,y";
  CHECK(probe.rows() == once);
  CHECK(probe.offset() == "1");
  CHECK(probe.recovered().offset.source_time == kTime);
  CHECK(probe.recovered().start == kStart);
  CHECK(probe.applier->last_timing().seconds >= probe.applier->last_timing().commit_seconds);
  // A batch that arrives a second time changes nothing.
  probe.applier->apply(probe.sealed.batch);
  CHECK(probe.rows() == once);

  // Keys that go round, a key that another row leaves, and a row that comes and goes.
  probe.update("1,NULL,", "7,1,seven");
  probe.update("3,33,replaced", "1,33,one");
  probe.update("4,4,NULL", "3,4,three");
  probe.insert("8,8,h");
  probe.remove("8,8,h");
  probe.remove("50,55,y");
  probe.insert("50,0,again");
  probe.apply("2");
  CHECK(probe.rows() == "1,33,one 3,4,three 7,1,seven 50,0,again");
  CHECK(probe.offset() == "2");
  // Nothing but the offset.
  probe.apply("3");
  CHECK(probe.offset() == "3");

  Probe pair(end, "composite",
             {{"a", TypeKind::int32}, {"b", TypeKind::text, 20}, {"n", TypeKind::int32}}, {1, 0});
  pair.begin_changes({"1,x,1", "1,y,2", "2,x,3"});
  pair.remove("1,y,2");
  pair.update("1,x,1", "1,x,10");
  pair.update("2,x,3", "2,y,30");
  pair.apply("1");
  CHECK(pair.rows() == "1,x,10 2,y,30");
  pair.update("2,y,-", "3,z,-");
  pair.apply("2");
  CHECK(pair.rows() == "1,x,10 3,z,30");
}

void parts(TargetEnd& end) {
  Probe probe(end, "partial");
  probe.begin_changes({"1,1,A", "2,1,B", "3,1,C"});
  probe.update("1,-,-", "1,2,-");
  probe.update("2,-,-", "2,NULL,-");
  probe.update("3,-,-", "3,-,-");  // nothing of it is known to have changed
  probe.insert("4,1,D");
  probe.update("4,-,-", "4,5,-");
  probe.remove("9,-,-");
  probe.apply("1");
  CHECK(probe.rows() == "1,2,A 2,NULL,B 3,1,C 4,5,D");
  // Many rows of several sets of columns at once, twice with the same statements.
  for (const char* round : {"6", "7"}) {
    for (const char* id : {"1", "2", "3", "4"}) {
      const std::string key = id;
      const bool even = (*id - '0') % 2 == 0;
      probe.update(key + ",-,-", key + (even ? "," + std::string(round) + ",-" : ",-,odd"));
    }
    probe.apply(round);
  }
  CHECK(probe.rows() == "1,2,odd 2,7,B 3,1,odd 4,7,D");
  // A ring in one transaction, over a key in between; then one key makes room for another.
  probe.update("1,-,-", "9,10,-");
  probe.update("2,-,-", "1,20,-");
  probe.update("9,-,-", "2,30,-");
  probe.remove("4,-,-");
  probe.update("3,-,-", "4,40,-");
  probe.insert("3,50,new");
  probe.apply("8");
  CHECK(probe.rows() == "1,20,B 2,30,odd 3,50,new 4,40,odd");
  // While a table is copied, a row may be there by both keys, or by the new one alone.
  probe.update("1,-,-", "2,3,-");
  probe.update("77,-,-", "3,4,-");
  probe.apply("9");
  CHECK(probe.rows() == "2,3,odd 3,4,new 4,40,odd");
  // By none: what it holds is known to nobody here.
  probe.insert("5,5,x");
  probe.update("77,-,-", "78,4,-");
  std::string text;
  CHECK_THAT(error_id([&] { probe.apply("10"); }, &text), Catch::EndsWith(".row-missing"));
  CHECK_THAT(text, Catch::Contains(probe.plans[0].target.text()));
  CHECK(probe.rows() == "2,3,odd 3,4,new 4,40,odd");
  CHECK(probe.offset() == "9");
}

void unique_values(TargetEnd& end) {
  for (const bool built : {true, false}) {
    const std::string name = built ? "swapped" : "swapping";
    Probe probe(end, name, kItem, {0}, [](TablePlan& plan) {
      plan.source.indexes = {{"only_n", weir::Index::Kind::unique, {{1, 0}}}};
    });
    const Names rows = {"1,10,b1", "2,20,b2", "3,30,b3", "4,40,b4", "5,50,b5", "6,60,b6"};
    if (built) {
      probe.begin_changes(rows);
    } else {
      // As while the changes since the copy are applied.
      probe.begin();
      probe.load(rows, true);
      CHECK(probe.target->open_loader(name)->finish(probe.plans[0]).empty());
      probe.open_applier();
    }
    // Two rows swap what is unique, a third takes what a fourth had, each known in part.
    probe.update("1,-,-", "1,NULL,-");
    probe.update("2,-,-", "2,10,-");
    probe.update("1,-,-", "1,20,-");
    probe.remove("4,40,b4");
    probe.update("3,-,-", "30,40,-");
    probe.update("6,60,b6", "6,NULL,NULL");
    probe.update("5,-,-", "50,-,new");
    probe.update("50,-,-", "50,60,-");
    probe.update("6,NULL,NULL", "6,50,NULL");
    probe.insert("7,30,g");
    probe.apply("1");
    CHECK(probe.rows() == "1,20,b1 2,10,b2 6,50,NULL 7,30,g 30,40,b3 50,60,new");
    CHECK(probe.offset() == "1");
    // Whole rows, as most logs have them.
    probe.update("1,20,b1", "1,NULL,b1");
    probe.update("2,10,b2", "2,20,b2");
    probe.update("1,NULL,b1", "1,10,b1");
    probe.apply("2");
    CHECK(probe.rows() == "1,10,b1 2,20,b2 6,50,NULL 7,30,g 30,40,b3 50,60,new");
  }
}

void piles(TargetEnd& end) {
  Probe probe(end, "pile", {{"word", TypeKind::text, 20}, {"f", TypeKind::float64}}, {});
  probe.begin_changes({"a,0.1", "a,0.1", "A,0.1", "NULL,NULL"});
  probe.insert("a,0.1");
  probe.insert("NULL,0.1");
  probe.apply("1");
  probe.remove("a,0.1");
  probe.remove("a,0.1");
  probe.remove("NULL,NULL");
  probe.update("NULL,0.1", "b,NULL");
  probe.apply("2");
  // Which of two words is less is the server's own affair.
  const auto words = [&] {
    Names out;
    for (const auto& row : end.query("SELECT word FROM " + probe.table())) out.push_back(row[0]);
    std::sort(out.begin(), out.end());
    return out;
  };
  CHECK(words() == Names{"A", "a", "b"});
  // A row that somebody else took away is missed, and the batch leaves nothing.
  probe.insert("c,0.3");
  probe.remove("a,0.1");
  probe.remove("a,0.1");
  std::string text;
  CHECK_THAT(error_id([&] { probe.apply("3"); }, &text), Catch::EndsWith(".row-missing"));
  CHECK_THAT(text, Catch::Contains(probe.plans[0].target.text()));
  CHECK(words() == Names{"A", "a", "b"});
  CHECK(probe.offset() == "2");
}

void long_transactions(TargetEnd& end) {
  Probe probe(end, "halves");
  probe.begin_changes({"1,1,a"});
  probe.insert("2,2,b");
  probe.take(false, "");
  probe.update("2,2,b", "2,3,b");
  probe.remove("1,1,a");
  probe.take(false, "");
  CHECK(probe.rows() == "1,1,a");
  CHECK(end.query("SELECT log_offset FROM " + end.tasks() + " WHERE task = 'halves'") ==
        Rows{{"start"}});
  probe.insert("3,3,c");
  probe.apply("1");
  CHECK(probe.rows() == "2,3,b 3,3,c");
  CHECK(probe.offset() == "1");
  // Half done when the worker is gone.
  probe.insert("4,4,d");
  probe.take(false, "");
  probe.applier.reset();
  CHECK(probe.rows() == "2,3,b 3,3,c");
  CHECK(probe.offset() == "1");
  // Or its session, between two batches and within one.
  probe.open_applier();
  probe.insert("5,5,e");
  probe.take(false, "");
  if (end.end_sessions()) {
    probe.insert("6,6,f");
    CHECK_THAT(error_id([&] { probe.apply("2"); }), Catch::EndsWith(".lost"));
    CHECK(probe.rows() == "2,3,b 3,3,c");
    CHECK(probe.offset() == "1");
    probe.target = open_target(probe.task);
  }
  probe.open_applier();
  probe.insert("7,7,g");
  probe.apply("2");
  CHECK(probe.rows() == "2,3,b 3,3,c 7,7,g");
  CHECK(probe.offset() == "2");
}

void truncation(TargetEnd& end) {
  Probe probe(end, "emptied");
  probe.begin_changes({"1,1,a", "2,2,b"});
  probe.applier->truncate(probe.plans[0], {"1", kTime});
  CHECK(probe.rows() == "");
  CHECK(probe.offset() == "1");
  probe.insert("3,3,c");
  probe.apply("2");
  probe.applier->truncate(probe.plans[0], {"3", kTime});
  probe.applier->truncate(probe.plans[0], {"3", kTime});
  CHECK(probe.rows() == "");
  CHECK(probe.offset() == "3");
}

void truncation_within(TargetEnd& end) {
  Probe probe(end, "emptied_within");
  probe.begin_changes({"1,1,a", "2,2,b"});
  const auto refill = [&] {
    probe.insert("4,4,lost");
    probe.builder->truncate(0);
    probe.insert("3,3,c");
  };
  refill();
  // A row that the target lacks and of which the log has a part only: the batch is refused whole.
  probe.update("7,1,a", "8,-,b");
  CHECK_THROWS_AS(probe.apply("1"), weir::Error);
  CHECK(probe.rows() == "1,1,a 2,2,b");
  CHECK(probe.offset() == kStart.text);

  probe.open_applier();
  refill();
  probe.builder->end(kTime);
  probe.builder->take(probe.sealed, true);
  probe.sealed.batch.offset = {"2", kTime};
  probe.sealed.batch.full_end = {"9", kTime};
  probe.applier->apply(probe.sealed.batch);
  CHECK(probe.rows() == "3,3,c");
  CHECK(probe.offset() == "2");
  CHECK(probe.recovered().full_end.text == "9");
}

void definitions(TargetEnd& end) {
  Probe probe(end, "altered",
              {{"id", TypeKind::int32}, {"old", TypeKind::int16}, {"gone", TypeKind::text, 20}});
  probe.begin_changes({"1,7,x"});
  TableAlter alter;
  alter.before = probe.plans[0];
  alter.after = plan_of(*probe.target, "altered",
                        {{"id", TypeKind::int32},
                         {"fresh", TypeKind::int64},
                         {"word", TypeKind::text, 10},
                         {"n", TypeKind::int32}},
                        {0, 1});
  alter.after.columns[3].nullable = false;
  probe.target->plan_types(probe.task, alter.after);
  alter.key_changed = true;
  const auto step = [&](ColumnAlter::Kind kind, const std::string& name,
                        std::uint32_t column) -> ColumnAlter& {
    alter.steps.emplace_back();
    alter.steps.back().kind = kind;
    alter.steps.back().name = name;
    alter.steps.back().column = column;
    return alter.steps.back();
  };
  step(ColumnAlter::Kind::rename, "old", 1).rename_to = "fresh";
  step(ColumnAlter::Kind::drop, "gone", 0);
  step(ColumnAlter::Kind::add, "word", 2).fill = "filled";
  step(ColumnAlter::Kind::add, "n", 3).fill = "5";
  step(ColumnAlter::Kind::retype, "fresh", 1);
  // As if the first of them had met a crash before its offset.
  for (const char* offset : {"1", "2"}) {
    probe.open_applier();
    const weir::AlterResult result = probe.applier->alter(alter, {offset, kTime});
    INFO(result.target_sql);
    if (*offset == '1') CHECK_FALSE(result.target_sql.empty());
    CHECK(probe.rows("id, fresh, word, n") == "1,7,filled,5");
    CHECK_THROWS(end.query("SELECT gone FROM " + probe.table()));
    CHECK(probe.offset() == offset);
    CHECK(encode_definition(probe.progress().definition.value()) ==
          encode_definition(alter.after.source));
  }
  // The new plans are right for it: a number that the old column had no room for, another key, and
  // no NULL where there must be none.
  probe.plans[0] = alter.after;
  CHECK(refusals(*probe.target, probe.task, probe.plans, probe.recovered()).empty());
  probe.open_applier();
  probe.insert("1,70000,y,6");
  probe.apply("3");
  CHECK(probe.rows("id, fresh, word, n") == "1,7,filled,5 1,70000,y,6");
  CHECK_THROWS(end.sql("INSERT INTO " + probe.table() + " VALUES (9, 9, 'z', NULL)"));
  // Only the definition is to be remembered.
  TableAlter none;
  none.before = none.after = alter.after;
  none.after.source.comment = "new";
  CHECK(probe.applier->alter(none, {"4", kTime}).target_sql.empty());
  CHECK(probe.progress().definition.value().comment == "new");
  CHECK(probe.offset() == "4");

  // A step that cannot be taken leaves everything as it was.
  TableAlter impossible;
  impossible.before = alter.after;
  impossible.after = alter.after;
  impossible.steps.emplace_back();
  impossible.steps[0].kind = ColumnAlter::Kind::retype;
  impossible.steps[0].name = "word";
  impossible.steps[0].column = 2;
  impossible.steps[0].problem = "no two servers agree on it";
  impossible.after.columns[2].type.kind = TypeKind::int32;
  impossible.after.columns[2].target_type.clear();
  probe.target->plan_types(probe.task, impossible.after);
  probe.open_applier();
  std::string text;
  CHECK(error_id([&] { probe.applier->alter(impossible, {"5", kTime}); }, &text) == "ddl.step");
  CHECK_THAT(text, Catch::Contains("no two servers agree on it"));
  CHECK(probe.rows("id, fresh, word, n") == "1,7,filled,5 1,70000,y,6");
  CHECK(probe.offset() == "4");
}

void renamed_tables(TargetEnd& end) {
  Probe probe(end, "was");
  probe.begin_changes({"1,1,a"});
  TableAlter alter;
  alter.before = probe.plans[0];
  alter.after = plan_of(*probe.target, "now", kItem, {0});
  probe.target->plan_types(probe.task, alter.after);
  // As if the first of them had met a crash before its offset.
  for (const char* offset : {"1", "2"}) {
    probe.open_applier();
    const weir::AlterResult result = probe.applier->alter(alter, {offset, kTime});
    INFO(result.target_sql);
    if (*offset == '1') CHECK_FALSE(result.target_sql.empty());
    CHECK(end.query("SELECT id, n, word FROM " + end.table("now")).size() == 1);
    CHECK_THROWS(end.query("SELECT id FROM " + probe.table()));
    CHECK(probe.recovered().tables.size() == 1);
    CHECK(probe.progress().source == alter.after.source.name);
    CHECK(probe.progress().target == alter.after.target);
    CHECK(probe.progress().definition.value().name == alter.after.source.name);
    CHECK(probe.progress().ranges.size() == 1);
    CHECK(probe.offset() == offset);
    alter.before.source = alter.after.source;
  }
  probe.plans[0] = alter.after;
  probe.open_applier();
  probe.insert("2,2,b");
  probe.apply("3");
  CHECK(end.query("SELECT id, n, word FROM " + end.table("now")).size() == 2);
}

void dropped_tables(TargetEnd& end) {
  Probe probe(end, "dropped");
  probe.begin_changes({"1,1,a"});
  TableAlter alter;
  alter.before = alter.after = probe.plans[0];
  alter.after.source.gone = true;
  alter.drops = true;
  for (const char* offset : {"1", "2"}) {
    probe.open_applier();
    const weir::AlterResult result = probe.applier->alter(alter, {offset, kTime});
    CHECK(result.target_sql.empty() == (*offset == '2'));
    CHECK_THROWS(end.query("SELECT id FROM " + probe.table()));
    CHECK(probe.progress().definition.value().gone);
    CHECK(probe.offset() == offset);
  }
}

void soft_deletes(TargetEnd& end) {
  Probe probe(end, "marked", kItem, {0}, [](TablePlan& plan) {
    add_column(plan, "gone", "{deleted}", TypeKind::timestamp);
    add_column(plan, "origin", "{schema}.{table}", TypeKind::text);
    plan.deletes = {DeletePolicy::Kind::soft, "gone"};
  });
  probe.begin_changes({"1,1,a", "2,2,b"});
  probe.remove("1,1,a");
  probe.insert("3,3,c");
  probe.apply("1");
  const std::string columns =
      "id, n, word, CASE WHEN gone IS NULL THEN 'here' ELSE 'gone' END, origin";
  CHECK(probe.rows(columns) == "1,1,a,gone,src.marked 2,2,b,here,src.marked 3,3,c,here,src.marked");
  CHECK(end.query("SELECT COUNT(*) FROM " + probe.table() +
                  " WHERE gone = '2027-01-15 08:00:00.000000'") == Rows{{"1"}});
  // A row that moves leaves its old key behind, and one that comes back is here.
  probe.update("2,-,-", "4,20,-");
  probe.insert("1,10,back");
  probe.apply("2");
  CHECK(probe.rows(columns) ==
        "1,10,back,here,src.marked 2,2,b,gone,src.marked 3,3,c,here,src.marked "
        "4,20,b,here,src.marked");
  probe.update("4,-,-", "2,21,-");
  probe.apply("3");
  CHECK(probe.rows("id, n, word, CASE WHEN gone IS NULL THEN 'here' ELSE 'gone' END") ==
        "1,10,back,here 2,21,b,here 3,3,c,here 4,20,b,gone");

  Probe kept(end, "ignored", kItem, {0},
             [](TablePlan& plan) { plan.deletes.kind = DeletePolicy::Kind::ignore; });
  kept.begin_changes({"1,1,a", "2,9,stale"});
  kept.remove("1,1,a");
  kept.update("1,-,-", "2,2,-");
  kept.update("1,-,-", "3,3,-");
  kept.update("7,-,-", "3,4,-");
  kept.apply("1");
  CHECK(kept.rows() == "1,1,a 2,2,a 3,4,a");
}

/// A value is taken as it is, or its row is refused by name; it never becomes another one.
void refused_values(TargetEnd& end) {
  struct Hostile {
    const char* name;
    NewColumn column;
    std::string value;
  };
  const std::vector<Hostile> samples = {
      {"too_large", {"v", TypeKind::int16}, "40000"},
      {"too_long", {"v", TypeKind::text, 5}, "sixsix"},
      {"nul_byte", {"v", TypeKind::text, 20}, std::string("a\0b", 3)},
      {"no_utf8", {"v", TypeKind::text, 20}, "a\xff\xfe"},
      {"cut_utf8", {"v", TypeKind::text, 20}, "a\xc3"},
      {"no_date", {"v", TypeKind::date}, "2026-02-30"},
  };
  for (const Hostile& sample : samples) {
    for (const bool copied : {true, false}) {
      const std::string name = fmt::format("{}_{}", sample.name, copied ? "copy" : "log");
      INFO(name);
      Probe probe(end, name, {{"id", TypeKind::int32}, sample.column});
      const std::vector<Cell> good = {Cell("1"), Cell::null()};
      const std::vector<Cell> bad = {Cell("4711"), Cell(sample.value)};
      std::string text;
      ExitCode code = ExitCode::ok;
      std::string id;
      std::uint64_t row = 0;  // its number, where the loader leaves the key to be found by it
      if (copied) {
        probe.begin();
        const auto loader = probe.target->open_loader(name);
        id = error_id(
            [&] {
              loader->begin(probe.plans[0], {});
              loader->row(good);
              loader->row(bad);
              loader->commit(probe.mark("4711", 2, true));
            },
            &text, &code);
        row = loader->refused_row();
        if (!id.empty()) loader->abandon();
      } else {
        probe.begin_changes();
        REQUIRE(probe.builder->add({RowChange::Op::insert, 0, {}, good}));
        REQUIRE(probe.builder->add({RowChange::Op::insert, 0, {}, bad}));
        id = error_id([&] { probe.apply("1"); }, &text, &code);
      }
      if (id.empty()) {
        const std::string column =
            sample.column.kind == TypeKind::text ? end.hex("v") : std::string("v");
        std::string expected = sample.value;
        if (sample.column.kind == TypeKind::text) {
          expected.clear();
          for (const char c : sample.value) {
            expected += fmt::format("{:02X}", static_cast<unsigned char>(c));
          }
        }
        CHECK(end.query("SELECT " + column + " FROM " + probe.table() + " WHERE id = 4711") ==
              Rows{{expected}});
        CHECK(probe.rows("id") == "1 4711");
        continue;
      }
      INFO(id << ": " << text);
      CHECK(code == ExitCode::refused);
      CHECK_THAT(text, Catch::Contains(name));
      if (row == 0) {
        CHECK_THAT(text, Catch::Contains("4711"));
      } else {
        CHECK(row == 2);
      }
      CHECK(probe.rows("id") == "");
      CHECK(probe.offset() == "start");
      CHECK(probe.progress().rows == 0);
    }
  }
}

void fences(TargetEnd& end) {
  Probe probe(end, "fenced");
  probe.begin();
  auto loader = probe.target->open_loader("fenced");
  loader->begin(probe.plans[0], {});
  loader->row(cells_of("1,1,a"));

  const auto other = open_target(probe.task);
  auto second =
      std::async(std::launch::async, [&] { return other->open_applier("fenced", probe.plans); });
  loader->commit(probe.mark("1", 1, true));
  loader.reset();
  auto applier = second.get();
  // Another task is nobody's business.
  CHECK_NOTHROW(other->open_applier("fenced2", {}));
  // While it lives nobody else applies; what it did is there for the next one.
  auto third = std::async(std::launch::async, [&] {
    const auto late = open_target(probe.task);
    auto out = late->open_applier("fenced", probe.plans);
    return late->recover("fenced")->offset.text;
  });
  CHECK(third.wait_for(std::chrono::milliseconds(300)) == std::future_status::timeout);
  weir::ChangeBatch batch;
  batch.offset = {"1", kTime};
  applier->apply(batch);
  CHECK(third.wait_for(std::chrono::milliseconds(100)) == std::future_status::timeout);
  applier.reset();
  REQUIRE(third.wait_for(std::chrono::seconds(25)) == std::future_status::ready);
  CHECK(third.get() == "1");
}

void forgetting(TargetEnd& end) {
  Probe probe(end, "forgot");
  probe.begin_changes({"1,1,a"});
  Probe other(end, "forgot2");
  other.begin_changes({"1,1,a"});
  const std::string statement = probe.target->forget_statement("forgot");
  CHECK_THAT(begin_anew(*probe.target, "forgot"),
             Catch::Contains(statement) && Catch::Contains("weir sync start forgot"));
  // One table, of a task that goes on with the others.
  Probe single(end, "forgot3");
  single.begin_changes({"1,1,a"});
  const weir::TableName source = single.plans[0].source.name;
  end.sql(single.target->forget_table_statements("forgot3", {source.schema, "another"}));
  CHECK(single.recovered().tables.size() == 1);
  end.sql(single.target->forget_table_statements("forgot3", source));
  CHECK(single.recovered().tables.empty());
  end.sql(statement);
  CHECK_FALSE(probe.target->recover("forgot"));
  CHECK(other.recovered().tables.size() == 1);
  // Whoever still works for it is told.
  ExitCode code = ExitCode::ok;
  probe.insert("2,2,b");
  CHECK_THAT(error_id([&] { probe.apply("1"); }, nullptr, &code), Catch::EndsWith(".task-gone"));
  CHECK(code == ExitCode::state_conflict);
  CHECK_FALSE(probe.target->recover("forgot"));
  probe.applier.reset();
  // And it begins anew.
  CHECK(refusals(*probe.target, probe.task, probe.plans, {}) ==
        Names{probe.plans[0].target.text()});
  probe.plans[0].existing = ExistingPolicy::truncate;
  probe.begin_changes({"3,3,c"});
  CHECK(probe.rows() == "3,3,c");
  CHECK(probe.offset() == "start");
}

/// The offset is put elsewhere with all that belongs to it, or not at all.
void moved_offsets(TargetEnd& end) {
  Probe probe(end, "moved");
  probe.begin_changes({"1,1,a"});
  probe.insert("2,2,b");
  probe.apply("9");
  probe.applier.reset();
  Probe other(end, "moved2");
  other.begin_changes({"1,1,a"});

  weir::OffsetMove move{{"8", {}}, {"3", kTime}, {"9", {}}, {probe.plans[0].source.name}};
  ExitCode code = ExitCode::ok;
  CHECK(error_id([&] { probe.target->move_offset("moved", move); }, nullptr, &code) ==
        "offset.moved");
  CHECK(code == ExitCode::state_conflict);
  CHECK(error_id([&] { probe.target->move_offset("nobody", move); }) == "offset.moved");
  CHECK(probe.offset() == "9");
  CHECK(probe.progress().since.empty());

  move.from.text = "9";
  probe.target->move_offset("moved", move);
  weir::Recovered now = probe.recovered();
  CHECK(now.offset.text == "3");
  CHECK(now.offset.source_time == kTime);
  CHECK(now.full_end.text == "9");
  CHECK(now.source == kServer);
  CHECK(probe.progress().since.text == "9");
  CHECK(probe.rows() == "1,1,a 2,2,b");
  CHECK(other.offset() == "start");
  CHECK(other.progress().since.empty());

  // What is not said stays, and a time that is not known is none.
  probe.target->move_offset("moved", {{"3", {}}, {"5'", {}}, {}, {}});
  now = probe.recovered();
  CHECK(now.offset.text == "5'");
  CHECK(now.offset.source_time == weir::Time{});
  CHECK(now.full_end.text == "9");
  CHECK(probe.progress().since.text == "9");
  // The task goes on from there.
  probe.open_applier();
  probe.insert("3,3,c");
  probe.apply("6");
  CHECK(probe.offset() == "6");
  CHECK(probe.rows() == "1,1,a 2,2,b 3,3,c");
}

/// A task of three tables, the first of which holds rows and is copied, the others are cut.
class Lanes {
 public:
  Lanes(TargetEnd& on, const std::string& called)
      : end(on), name(called), task(end.task(name)), target(open_target(task)) {
    target->start(name, kServer, kStart);
    for (const char* table : {"a", "b", "c"}) {
      plans.push_back(plan_of(*target, name + "_" + table, kItem, {0}));
      plans.back().id = static_cast<std::uint32_t>(plans.size() - 1);
      target->plan_types(task, plans.back());
      target->ensure_table(name, plans.back());
      const std::vector<weir::KeyRange> cut = {{0, {}, {"5"}, false}, {1, {"5"}, {}, false}};
      target->store_ranges(name, plans.back(), cut);
    }
    for (const TablePlan& plan : plans) target->open_loader(name)->finish(plan);
    target->full_loaded(name, {"full end", {}});
    apply(name, "9", "1,1,x");
  }

  /// Whoever applies `of` adds a row to the first table and stores an offset.
  void apply(const std::string& of, const std::string& offset, std::string_view row) {
    const auto applier = target->open_applier(of, plans);
    BatchBuilder builder(plans, of);
    builder.begin(kTime);
    const std::vector<Cell> cells = cells_of(row);
    REQUIRE(builder.add({RowChange::Op::insert, 0, {}, cells}));
    builder.end(kTime);
    BatchBuilder::Sealed sealed;
    builder.take(sealed, true);
    sealed.batch.offset = {offset, kTime};
    applier->apply(sealed.batch);
  }
  weir::TableName source(std::size_t table) const { return plans.at(table).source.name; }
  std::string lane(int number) const { return fmt::format("{}/{}", name, number); }

  /// "9: a b c@7", the tables with their `since`; "" if it is not known.
  std::string known(const std::string& of) const {
    const auto found = open_target(task)->recover(of);
    if (!found) return "";
    std::string out = found->offset.text + ":";
    for (const weir::TableProgress& table : found->tables) {
      out += " " + table.source.table.substr(name.size() + 1);
      if (!table.since.empty()) out += "@" + table.since.text;
      REQUIRE(table.ranges.size() == 2);
      CHECK(table.ranges[1].range.after == weir::KeyCells{"5"});
      REQUIRE(table.definition);
      CHECK(table.definition->columns.size() == kItem.size());
      CHECK(table.target.table == table.source.table);
    }
    return out;
  }

  TargetEnd& end;
  std::string name;
  weir::Task task;
  std::unique_ptr<weir::Target> target;
  std::vector<TablePlan> plans;
};

void splits(TargetEnd& end) {
  Lanes task(end, "split");
  Lanes other(end, "split2");
  const std::vector<weir::TableName> first = {task.source(0), {"src", "nobody"}};
  // Again, as after a crash: what has gone already is passed over.
  for (int round = 0; round < 2; ++round) {
    task.target->split_tables("split", "split/1", first);
    CHECK(task.known("split") == "9: b c");
    CHECK(task.known("split/1") == "9: a");
  }
  weir::Recovered lane = open_target(task.task)->recover("split/1").value();
  CHECK(lane.source == kServer);
  CHECK(lane.start == kStart);
  CHECK(lane.full_end.text == "full end");
  CHECK(lane.offset.source_time == kTime);
  CHECK(other.known("split2") == "9: a b c");

  // One more for a lane that stands where the task does.
  const std::vector<weir::TableName> second = {task.source(1)};
  task.target->split_tables("split", "split/1", second);
  CHECK(task.known("split/1") == "9: a b");
  // Each goes on by itself.
  task.apply("split/1", "10", "2,2,y");
  CHECK(task.known("split") == "9: c");
  CHECK(task.known("split/1") == "10: a b");
  CHECK(end.query("SELECT COUNT(*) FROM " + end.table("split_a")) == Rows{{"2"}});

  // What is between the two places would be lost, or come twice.
  ExitCode code = ExitCode::ok;
  const std::vector<weir::TableName> third = {task.source(2)};
  CHECK(error_id([&] { task.target->split_tables("split", "split/1", third); }, nullptr, &code) ==
        "lane.apart");
  CHECK(code == ExitCode::state_conflict);
  CHECK(error_id([&] { task.target->split_tables("nobody", "nobody/1", third); }, nullptr, &code) ==
        "lane.unknown");
  CHECK(code == ExitCode::state_conflict);
  CHECK(task.known("split") == "9: c");
  CHECK(task.known("split/1") == "10: a b");
  CHECK_FALSE(task.target->recover("nobody/1"));
}

/// A call that fails when it comes to the ranges.
void without_ranges(Lanes& task, const std::function<void()>& call) {
  const std::string forget = task.target->forget_table_statements(task.name, task.source(0));
  constexpr std::string_view kDelete = "DELETE FROM ";
  const std::string ranges = forget.substr(kDelete.size(), forget.find(" WHERE") - kDelete.size());
  task.end.sql("ALTER TABLE " + ranges + " RENAME COLUMN task TO mislaid");
  CHECK_THROWS_AS(call(), Error);
  task.end.sql("ALTER TABLE " + ranges + " RENAME COLUMN mislaid TO task");
}

/// What cannot be done to its end is not begun.
void half_moves(TargetEnd& end) {
  Lanes task(end, "half");
  const std::vector<weir::TableName> tables = {task.source(0), task.source(1)};
  without_ranges(task, [&] { task.target->split_tables("half", "half/1", tables); });
  CHECK(task.known("half") == "9: a b c");
  CHECK(task.known("half/1") == "");
  task.target->split_tables("half", "half/1", tables);
  task.apply("half/1", "12", "2,2,y");
  without_ranges(task, [&] { task.target->join_tables("half/1", "half"); });
  CHECK(task.known("half") == "9: c");
  CHECK(task.known("half/1") == "12: a b");
  without_ranges(task, [&] { task.target->forget("half/1", tables); });
  CHECK(task.known("half/1") == "12: a b");
  task.target->join_tables("half/1", "half");
  CHECK(task.known("half") == "9: a@12 b@12 c");
}

void joins(TargetEnd& end) {
  Lanes task(end, "join");
  Lanes other(end, "join2");
  const std::vector<weir::TableName> tables = {task.source(0), task.source(1)};
  task.target->split_tables("join", "join/1", tables);
  task.apply("join/1", "12", "2,2,y");
  // Again, as after a crash.
  for (int round = 0; round < 2; ++round) {
    task.target->join_tables("join/1", "join");
    CHECK(task.known("join") == "9: a@12 b@12 c");
    CHECK(task.known("join/1") == "");
  }
  CHECK(other.known("join2") == "9: a b c");
  // The task goes on from its own place.
  task.apply("join", "13", "3,3,z");
  CHECK(task.known("join") == "13: a@12 b@12 c");

  // A lane that began by itself, as one for a table that was added.
  task.target->start("join/2", kServer, {"14", kTime});
  TablePlan added = task.plans[0];
  added.source.name.table = "join_d";
  added.target.table = "join_d";
  task.target->ensure_table("join/2", added);
  const std::vector<weir::KeyRange> cut = {{0, {}, {"5"}, false}, {1, {"5"}, {}, false}};
  task.target->store_ranges("join/2", added, cut);
  task.target->join_tables("join/2", "join");
  CHECK(task.known("join") == "13: a@12 b@12 c d@14");

  // Never twice, and never into nothing.
  task.target->start("join/3", kServer, {"15", kTime});
  task.plans[2].existing = ExistingPolicy::append;
  task.target->ensure_table("join/3", task.plans[2]);
  task.target->store_ranges("join/3", task.plans[2], cut);
  ExitCode code = ExitCode::ok;
  std::string text;
  CHECK(error_id([&] { task.target->join_tables("join/3", "join"); }, &text, &code) ==
        "lane.table-twice");
  CHECK(code == ExitCode::state_conflict);
  CHECK_THAT(text, Catch::Contains("src.join_c"));
  CHECK(error_id([&] { task.target->join_tables("join/3", "nobody"); }, nullptr, &code) ==
        "lane.unknown");
  CHECK(code == ExitCode::state_conflict);
  CHECK(task.known("join/3") == "15: c");
  CHECK(task.known("join") == "13: a@12 b@12 c d@14");
}

/// A new copy is made beside the old one, which readers see until the lane joins.
void swaps(TargetEnd& end) {
  Lanes task(end, "swap");
  const TablePlan plain = task.plans[0];
  const std::vector<weir::TableName> tables = {task.source(0)};
  const auto seen = [&] {
    std::string out;
    for (const auto& row : end.query("SELECT id FROM " + end.table("swap_a") + " ORDER BY id")) {
      out += row[0];
    }
    return out;
  };
  // Twice: the second one finds what the first one made.
  for (const std::string round : {"1", "2"}) {
    const std::string lane = "swap/" + round;
    task.target->split_tables("swap", lane, tables);
    task.target->forget(lane, tables);
    TablePlan& plan = task.plans[0];
    plan.target = swap_name(plain.target, task.target->max_name_bytes());
    plan.existing = ExistingPolicy::replace;
    plan.source.indexes = {{"by_n", weir::Index::Kind::ordinary, {{1, 0}}}};
    task.target->ensure_table(lane, plan);
    const std::vector<weir::KeyRange> cut = {{0, {}, {"5"}, false}, {1, {"5"}, {}, false}};
    task.target->store_ranges(lane, plan, cut);
    const std::string before = seen();
    {
      const auto loader = task.target->open_loader(lane);
      loader->begin(plan, {});
      loader->row(cells_of(round + ",7,new"));
      loader->commit({cut[0], {"5"}, 1, 10, true, {}});
      CHECK(loader->finish(plan).empty());
      CHECK(loader->finish_unique(plan).empty());
    }
    task.apply(lane, "12", "5,8,y");
    CHECK(seen() == before);
    // A join that got no further, whatever it had done: the lane goes on beside the old table.
    without_ranges(task, [&] { task.target->join_tables(lane, "swap"); });
    task.apply(lane, "12", "5,8,y");
    CHECK(seen() == before);
    plan = plain;
    task.target->join_tables(lane, "swap");
    task.target->join_tables(lane, "swap");
    CHECK(seen() == round + "5");
    CHECK(task.known("swap") == (round == "1" ? "9" : "13") + std::string(": a@12 b c"));
    // The task goes on with it, by its key.
    task.apply("swap", "13", "5,9,z");
    CHECK(end.query("SELECT n FROM " + end.table("swap_a") + " WHERE id = 5") == Rows{{"9"}});
  }
}

/// A new copy is made beside the table, which then takes what differs; by each policy of deletes.
void merges(TargetEnd& end) {
  using Kind = DeletePolicy::Kind;
  for (const Kind deletes : {Kind::apply, Kind::ignore, Kind::soft}) {
    const std::string name = fmt::format("merge{}", static_cast<int>(deletes));
    const weir::Task task = end.task(name);
    const auto target = open_target(task);
    target->start(name, kServer, kStart);
    TablePlan plan = plan_of(*target, name, kItem, {0});
    std::vector<Cell> added;
    if (deletes == Kind::soft) {
      add_column(plan, "gone", "{deleted}", TypeKind::timestamp);
      added.push_back(Cell::null());
    }
    plan.deletes = {deletes, deletes == Kind::soft ? "gone" : ""};
    target->plan_types(task, plan);
    target->ensure_table(name, plan);
    target->open_loader(name)->finish(plan);
    const TablePlan kept = plan;
    const std::string table = end.table(name);
    end.sql("INSERT INTO " + table +
            " (id, n, word) VALUES (1, 1, 'same'), (2, 2, 'old'), (3, 3, 'gone'), (5, 5, 'Case')");

    target->forget(name, {{plan.source.name}});
    plan.target = swap_name(kept.target, target->max_name_bytes());
    plan.existing = ExistingPolicy::replace;
    target->ensure_table(name, plan);
    const std::vector<weir::KeyRange> all = {{0, {}, {}, false}};
    target->store_ranges(name, plan, all);
    {
      const auto loader = target->open_loader(name);
      loader->begin(plan, added);
      for (const char* row : {"1,1,same", "2,9,new", "4,4,more", "5,5,case"}) {
        loader->row(cells_of(row));
      }
      loader->commit({all[0], {"5"}, 4, 40, true, {}});
      CHECK(loader->finish(plan).empty());
      CHECK(loader->finish_unique(plan).empty());
    }
    target->open_applier(name, {{plan}})->merge({{plan}});
    const weir::TableProgress merged = target->recover(name)->tables.at(0);
    CHECK(merged.target == kept.target);
    CHECK_FALSE(merged.created);
    // Again, as after a crash: there is nothing left to do.
    target->open_applier(name, {{kept}})->merge({{kept}});
    target->drop_beside({{kept.target}});
    std::string found;
    for (const auto& row : end.query("SELECT id, n, word FROM " + table + " ORDER BY id")) {
      found += fmt::format("{},{},{} ", row[0], row[1], row[2]);
    }
    const std::string third = deletes == Kind::apply ? "" : "3,3,gone ";
    CHECK(found == "1,1,same 2,9,new " + third + "4,4,more 5,5,case ");
    if (deletes != Kind::soft) continue;
    CHECK(end.query("SELECT id FROM " + table + " WHERE gone IS NOT NULL") == Rows{{"3"}});
  }
}

void forgets(TargetEnd& end) {
  Lanes task(end, "lose");
  const std::vector<weir::TableName> tables = {task.source(0), {"src", "nobody"}};
  for (int round = 0; round < 2; ++round) {
    task.target->forget("lose", tables);
    CHECK(task.known("lose") == "9: b c");
  }
  // It can be copied anew, and begins with nothing remembered.
  task.plans[0].existing = ExistingPolicy::truncate;
  task.target->ensure_table("lose", task.plans[0]);
  const weir::TableProgress again = task.target->recover("lose")->tables.at(0);
  CHECK(again.source == task.source(0));
  CHECK(again.ranges.empty());
  CHECK(end.query("SELECT COUNT(*) FROM " + end.table("lose_a")) == Rows{{"0"}});

  task.target->split_tables("lose", "lose/1", std::vector{task.source(1), task.source(2)});
  for (int round = 0; round < 2; ++round) {
    task.target->forget("lose/1", {});
    CHECK(task.known("lose/1") == "");
    CHECK(task.target->recover("lose")->tables.size() == 1);
  }
  // Nothing of it is in the way of another lane of that name.
  task.target->start("lose/1", kServer, kStart);
  CHECK(task.known("lose/1") == "start:");

  const weir::Task nothing = end.untouched_task();
  CHECK_NOTHROW(open_target(nothing)->forget(nothing.name, {}));
  CHECK(end.is_untouched());
}

/// Each promise is a section; each section has tasks and tables of its own.
void check_target(Release release) {
  TargetEnd& end = target_end(release);
  SECTION("asking changes nothing") { untouched(end); }
  SECTION("a start, its tables and their ranges are remembered") { memory(end); }
  SECTION("a table is made once, and what it held is treated as its rule says") { tables(end); }
  SECTION("names are taken whole or refused beforehand") { names(end); }
  SECTION("a chunk and its mark come together or not at all") { chunks(end); }
  SECTION("keys and indexes are built after the rows") { indexes(end); }
  SECTION("changes of every kind end right, also twice") { changes(end); }
  SECTION("rows of which a part is known keep the rest") { parts(end); }
  SECTION("unique values change hands within a batch") { unique_values(end); }
  SECTION("rows without a key are counted") { piles(end); }
  SECTION("a transaction in several batches is seen whole or not at all") {
    long_transactions(end);
  }
  SECTION("a table is emptied together with the offset") { truncation(end); }
  SECTION("a table is emptied in the middle of a batch") { truncation_within(end); }
  SECTION("definitions change at their offset, also twice") { definitions(end); }
  SECTION("a table gets another name at its offset, also twice") { renamed_tables(end); }
  SECTION("a table is dropped at its offset, also twice") { dropped_tables(end); }
  SECTION("deletes are marked or ignored as the plan says") { soft_deletes(end); }
  SECTION("a value is taken as it is, or refused by name") { refused_values(end); }
  SECTION("one applier at a time, after all loaders") { fences(end); }
  SECTION("an offset is put elsewhere if it is where it was thought to be") { moved_offsets(end); }
  SECTION("a task is forgotten by one statement, and begins anew") { forgetting(end); }
  SECTION("tables leave for a lane of their own, with all that is remembered") { splits(end); }
  SECTION("tables change hands whole or not at all") { half_moves(end); }
  SECTION("a lane joins with its offset, and is forgotten") { joins(end); }
  SECTION("a new copy takes the place of the old one when its lane joins") { swaps(end); }
  SECTION("a new copy is merged into the table, which keeps what was right") { merges(end); }
  SECTION("tables and lanes are forgotten, also twice") { forgets(end); }
}

}  // namespace

TEST_CASE("target contract: PostgreSQL 15", "[contract][targetcontract][server]") {
  check_target(Release::postgres_15);
}

TEST_CASE("target contract: PostgreSQL 17", "[contract][targetcontract][server][bootstrap]") {
  check_target(Release::postgres_17);
}

TEST_CASE("target contract: PostgreSQL 18", "[contract][targetcontract][server][bootstrap]") {
  check_target(Release::postgres_18);
}

TEST_CASE("target contract: MariaDB 10.11", "[contract][targetcontract][server]") {
  check_target(Release::mariadb_10_11);
}

TEST_CASE("target contract: MariaDB 11.8", "[contract][targetcontract][server][bootstrap]") {
  check_target(Release::mariadb_11_8);
}

TEST_CASE("target contract: MySQL 9", "[contract][targetcontract][server][bootstrap]") {
  check_target(Release::mysql_9);
}

TEST_CASE("target contract: SQLite", "[contract][targetcontract][server]") {
  check_target(Release::sqlite);
}
