// SPDX-License-Identifier: Apache-2.0
#include "stage/reread.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace weir;

namespace {

using Rows = std::map<std::string, std::optional<std::string>>;  ///< the large value, by key

class FakeRows final : public RowReader {
 public:
  explicit FakeRows(const Rows& rows) : rows_(rows) {}
  std::vector<KeyRange> ranges(const TablePlan&, const FullSettings&) override { return {}; }
  ChunkResult read(const TablePlan&, const KeyRange&, const KeyCells&, std::uint64_t,
                   RowSink&) override {
    return {};
  }
  bool read_row(const TablePlan&, const KeyCells& key, RowSink& sink) override {
    const auto row = rows_.find(key.at(0));
    if (row == rows_.end()) return false;
    std::vector<Cell> cells = {Cell(row->first), Cell(std::string_view("newer")), Cell::null()};
    if (row->second) cells[2] = Cell(*row->second);
    sink.row(cells);
    return true;
  }

 private:
  const Rows& rows_;
};

/// Its offsets are numbers of two digits.
class FakeSource final : public Source {
 public:
  std::string version() override { return ""; }
  Identity identity() override { return {}; }
  std::vector<TableName> tables() override { return {}; }
  std::vector<Table> describe(std::span<const TableName>) override { return {}; }
  std::string gather(const Task&, std::span<const TablePlan>, bool) override { return {}; }
  std::vector<Finding> judge(std::span<const TablePlan>, const std::string&) const override {
    return {};
  }
  void prepare(std::span<const TablePlan>) override {}
  Offset start_offset() override {
    ++waits;
    return {end};
  }
  Offset log_end() override { return {end}; }
  std::optional<Finding> can_resume(const Offset&, const Identity&) override { return {}; }
  bool reached(const Offset& a, const Offset& b) const override { return a.text >= b.text; }
  std::unique_ptr<RowReader> open_rows() override {
    ++readers;
    return std::make_unique<FakeRows>(rows);
  }
  std::unique_ptr<ChangeReader> open_changes(const Offset&, std::span<const TablePlan>) override {
    return nullptr;
  }

  Rows rows;
  std::string end = "50";
  int waits = 0;
  int readers = 0;
};

TablePlan make_plan(std::uint32_t id) {
  TablePlan plan;
  plan.id = id;
  plan.source.name = {"shop", "big"};
  for (const char* name : {"id", "n", "body"}) {
    Column column;
    column.name = name;
    PlannedColumn planned;
    planned.name = name;
    planned.source = static_cast<std::uint32_t>(plan.source.columns.size());
    plan.source.columns.push_back(column);
    plan.columns.push_back(planned);
  }
  PlannedColumn added;
  added.name = "_at";
  added.constant = "{execute_time}";
  added.source = PlannedColumn::kAdded;
  plan.columns.push_back(added);
  plan.key = {0};
  return plan;
}

/// What becomes of a row that gets the key `to`, at `place`.
class Probe {
 public:
  Probe(FakeSource& source, const char* full_end)
      : plans_{make_plan(0), make_plan(1)}, rereader(source, plans_, {0}, {full_end}) {}

  std::string move(const std::string& from, const std::string& to, const char* place,
                   std::uint32_t table = 0, const char* body = nullptr) {
    const Cell before[] = {Cell(from), Cell::absent(), Cell::absent()};
    const Cell after[] = {Cell(to), Cell(std::string_view("5")),
                          body == nullptr ? Cell::absent() : Cell(std::string_view(body))};
    const RowChange out = rereader.complete({RowChange::Op::update, table, before, after}, {place});
    if (out.op == RowChange::Op::remove) return "remove " + std::string(out.before[0].text());
    std::string text(out.before[0].text());
    for (const Cell cell : out.after) {
      text += cell.is_absent() ? " -" : cell.is_null() ? " NULL" : " " + std::string(cell.text());
    }
    return text;
  }

 private:
  std::vector<TablePlan> plans_;

 public:
  Rereader rereader;
};

}  // namespace

TEST_CASE("while a copy catches up, rows with a new key are read again", "[reread]") {
  FakeSource source;
  source.rows = {{"b", "big"}, {"n", std::nullopt}};
  Probe probe(source, "20");
  CHECK(probe.move("a", "b", "10") == "a b 5 big");
  CHECK(probe.move("a", "n", "10") == "a n 5 NULL");
  CHECK(source.waits == 1);  // once for each transaction
  CHECK(probe.move("a", "c", "11") == "remove a");
  CHECK(source.waits == 2);
  CHECK(source.readers == 1);
  // Whole rows, rows that keep their key, and tables that were copied long ago are as they are.
  CHECK(probe.move("a", "b", "12", 0, "whole") == "a b 5 whole");
  CHECK(probe.move("b", "b", "12") == "b b 5 -");
  CHECK(probe.move("a", "b", "12", 1) == "a b 5 -");
  CHECK(source.waits == 2);
  CHECK(probe.rereader.take_end({"13"}).text == "50");
  CHECK(probe.rereader.take_end({"13"}).empty());
  CHECK(probe.move("x", "b", "20") == "x b 5 -");
}

TEST_CASE("a row that was read again is doubted up to the log's end of then", "[reread]") {
  FakeSource source;
  source.rows = {{"c", "big"}};
  Probe probe(source, "20");
  CHECK(probe.move("a", "b", "19") == "remove a");
  // In the same batch, whose end is not known yet, and then up to that end.
  CHECK(probe.move("b", "c", "25") == "b c 5 big");
  CHECK(probe.rereader.take_end({"26"}).text == "50");
  CHECK(probe.move("x", "c", "27") == "x c 5 -");
  CHECK(probe.move("c", "d", "30") == "remove c");
  source.end = "60";
  CHECK(probe.rereader.take_end({"31"}).text == "60");
  CHECK(probe.move("d", "c", "55") == "d c 5 big");
  CHECK(probe.move("b", "c", "55") == "b c 5 -");
  CHECK(probe.rereader.take_end({"56"}).text == "60");
  CHECK(probe.rereader.take_end({"60"}).empty());
  CHECK(probe.move("d", "c", "60") == "d c 5 -");
  CHECK(probe.move("c", "d", "61") == "c d 5 -");
}

TEST_CASE("after very many rows the whole table is doubted", "[reread]") {
  FakeSource source;
  Probe probe(source, "20");
  for (int i = 0; i <= 10'000; ++i) {
    CHECK(probe.move("a", "b" + std::to_string(i), "19") == "remove a");
  }
  source.rows = {{"c", "big"}};
  CHECK(probe.move("b7", "c", "25") == "b7 c 5 big");
  CHECK(probe.rereader.take_end({"26"}).text == "50");
  CHECK(probe.move("never", "c", "49") == "never c 5 big");
  CHECK(probe.move("never", "c", "50", 1) == "never c 5 -");
  CHECK(probe.rereader.take_end({"50"}).text == "50");
  CHECK(probe.rereader.take_end({"50"}).empty());
  CHECK(probe.move("never", "c", "50") == "never c 5 -");
}
