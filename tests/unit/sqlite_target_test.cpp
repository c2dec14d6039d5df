// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "support/sqlite_file.h"
#include "target/sqlite/checks.h"
#include "target/sqlite/control.h"
#include "target/sqlite/schema.h"
#include "target/sqlite/target.h"
#include "target/sqlite/types.h"

using namespace weir;
using namespace weir::sqlite;
using test::Rows;
using test::SqliteFile;
using test::SqliteSession;

namespace {

ColumnType of(TypeKind kind, std::uint64_t length = 0, std::uint16_t precision = 0,
              std::uint16_t scale = 0) {
  ColumnType type;
  type.kind = kind;
  type.length = length;
  type.precision = precision;
  type.scale = scale;
  return type;
}

TablePlan plan_of(const std::string& name,
                  const std::vector<std::pair<std::string, ColumnType>>& columns,
                  const std::vector<std::uint32_t>& key) {
  TablePlan plan;
  plan.source.name = {"shop", name};
  plan.target = {"main", name};
  for (std::uint32_t i = 0; i < columns.size(); ++i) {
    Column column;
    column.name = columns[i].first;
    column.type = columns[i].second;
    plan.source.columns.push_back(column);
    PlannedColumn planned;
    planned.name = column.name;
    planned.source = i;
    planned.type = column.type;
    plan.columns.push_back(planned);
  }
  plan.source.key = key;
  plan.key = key;
  plan.key_is_primary = !key.empty();
  return plan;
}

/// Cells packed one after another; the bytes live as long as the object.
class Packed {
 public:
  PackedRow row(const std::vector<Cell>& cells) {
    std::string& bytes = *rows_.emplace_back(std::make_unique<std::string>());
    for (const Cell& cell : cells) {
      const std::uint32_t size = cell.has_value()   ? cell.size()
                                 : cell.is_absent() ? PackedRow::kAbsent
                                                    : PackedRow::kNull;
      bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
      if (cell.has_value()) bytes += cell.text();
    }
    return {bytes.data()};
  }

 private:
  std::vector<std::unique_ptr<std::string>> rows_;
};

Cell text(std::string_view value) { return Cell(value); }

/// A task on a file, begun, with its tables made.
struct Begun {
  explicit Begun(std::vector<TablePlan> with) : plans(std::move(with)) {
    task.name = "shop";
    task.target.path = file.path();
    target = std::make_unique<SqliteTarget>(task);
    for (TablePlan& plan : plans) target->plan_types(task, plan);
    target->start("shop", Identity{"server"}, Offset{"p0"});
    for (const TablePlan& plan : plans) target->ensure_table("shop", plan);
    applier = target->open_applier("shop", plans);
  }

  ChangeBatch batch(TableChanges changes, const std::string& offset) const {
    ChangeBatch out;
    out.tables.push_back(std::move(changes));
    out.offset.text = offset;
    return out;
  }

  Rows query(const std::string& sql) const { return file.session().query(sql); }

  SqliteFile file;
  Task task;
  std::vector<TablePlan> plans;
  std::unique_ptr<SqliteTarget> target;
  std::unique_ptr<Applier> applier;
};

template <class Call>
std::string error_id(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    INFO(error.what());
    CHECK_FALSE(error.fix().empty());
    return error.id();
  }
  return "";
}

}  // namespace

TEST_CASE("every neutral type has an SQLite type that holds it", "[sqlite]") {
  for (const TypeKindRow& kind : type_kinds()) {
    INFO(kind.name);
    const ColumnType type = of(kind.kind, 8, 20, 2);
    CHECK(storage(target_type(type), true) != Storage::unknown);
    CHECK(fit(type, storage(target_type(type), true)) == Fit::fits);
  }
  CHECK(target_type(of(TypeKind::uint64)) == "ANY");
  CHECK(target_type(of(TypeKind::decimal, 0, 18, 0)) == "INTEGER");
  CHECK(target_type(of(TypeKind::decimal, 0, 15, 15)) == "REAL");
  CHECK(target_type(of(TypeKind::decimal, 0, 16, 2)) == "TEXT");
  CHECK(target_type(of(TypeKind::decimal)) == "TEXT");
}

TEST_CASE("an SQLite column that exists is judged by what it can hold", "[sqlite]") {
  CHECK(fit(of(TypeKind::int64), storage("BIGINT", false)) == Fit::fits);
  CHECK(fit(of(TypeKind::int64), storage("REAL", false)) == Fit::narrow);
  CHECK(fit(of(TypeKind::uint64), storage("INTEGER", true)) == Fit::narrow);
  CHECK(fit(of(TypeKind::uint64), storage("", false)) == Fit::fits);
  CHECK(fit(of(TypeKind::decimal, 0, 30, 4), storage("DECIMAL(30,4)", false)) == Fit::narrow);
  CHECK(fit(of(TypeKind::decimal, 0, 10, 2), storage("DECIMAL(10,2)", false)) == Fit::fits);
  CHECK(fit(of(TypeKind::float64), storage("TEXT", true)) == Fit::narrow);
  CHECK(fit(of(TypeKind::text), storage("VARCHAR(10)", false)) == Fit::fits);
  CHECK(fit(of(TypeKind::text), storage("NUMERIC", false)) == Fit::other);
  CHECK(fit(of(TypeKind::bytes), storage("TEXT", true)) == Fit::other);
}

TEST_CASE("fifteen digits survive a REAL", "[sqlite]") {
  std::mt19937_64 random(15);
  std::vector<std::string> values;
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t digits = random() % 1'000'000'000'000'000;
    const int scale = static_cast<int>(random() % 16);
    std::string all = fmt::format("{:016}", digits);
    all.insert(all.size() - static_cast<std::size_t>(scale), scale > 0 ? "." : "");
    const std::size_t nonzero = std::min(all.find_first_not_of('0'), all.size());
    all.erase(0, std::min(nonzero,
                          all.find('.') == std::string::npos ? all.size() - 1 : all.find('.') - 1));
    values.push_back((random() % 2 == 0 && digits != 0 ? "-" : "") + all);
  }
  const SqliteFile file;
  SqliteDatabase::Options options;
  options.access = SqliteDatabase::Access::create;
  SqliteDatabase database(file.path(), options);
  database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, scale INTEGER, v REAL) STRICT; BEGIN");
  SqliteStatement insert = database.prepare("INSERT INTO t VALUES (?, ?, ?)");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t point = values[i].find('.');
    insert.bind(i).bind(point == std::string::npos ? 0 : values[i].size() - point - 1);
    bind(insert, Cell(values[i]), Encoding::real, "v");
    insert.run();
  }
  database.execute("COMMIT");
  std::size_t wrong = 0;
  const Rows rows = file.session().query("SELECT id, printf('%.*f', scale, v) FROM t");
  REQUIRE(rows.size() == values.size());
  for (const auto& row : rows) {
    if (values[std::stoul(row[0])] != row[1]) {
      UNSCOPED_INFO(values[std::stoul(row[0])] << " came back as " << row[1]);
      ++wrong;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("NaN is refused by a REAL and kept by ANY", "[sqlite]") {
  Begun begun({plan_of("f", {{"id", of(TypeKind::int32)}, {"v", of(TypeKind::float64)}}, {0})});
  Packed packed;
  TableChanges changes;
  changes.upserts.push_back(packed.row({text("1"), text("NaN")}));
  CHECK(error_id([&] { begun.applier->apply(begun.batch(changes, "p1")); }) == "sqlite.nan");
  CHECK(begun.query("SELECT count(*) FROM f") == Rows{{"0"}});

  TablePlan any = plan_of("g", {{"id", of(TypeKind::int32)}, {"v", of(TypeKind::float64)}}, {0});
  any.columns[1].target_type = "ANY";
  Begun kept({any});
  changes.upserts.push_back(packed.row({text("2"), text("-Infinity")}));
  changes.upserts.push_back(packed.row({text("3"), text("1.5")}));
  kept.applier->apply(kept.batch(changes, "p1"));
  CHECK(kept.query("SELECT typeof(v), v FROM g ORDER BY id") ==
        Rows{{"text", "NaN"}, {"real", "-inf"}, {"real", "1.5"}});
}

TEST_CASE("a file that was put in the place of the target is not written to", "[sqlite]") {
  Begun begun({plan_of("t", {{"id", of(TypeKind::int32)}}, {0})});
  Packed packed;
  TableChanges changes;
  changes.upserts.push_back(packed.row({text("1")}));
  std::filesystem::rename(begun.file.path(), begun.file.path() + ".moved");
  CHECK(error_id([&] { begun.applier->apply(begun.batch(changes, "p1")); }) ==
        "sqlite.file-replaced");
  std::filesystem::rename(begun.file.path() + ".moved", begun.file.path());
  CHECK(begun.query("SELECT count(*) FROM t") == Rows{{"0"}});
  CHECK_NOTHROW(begun.applier->apply(begun.batch(changes, "p1")));
  CHECK(begun.query("SELECT count(*) FROM t") == Rows{{"1"}});
}

TEST_CASE("a second worker of a task is kept away while the first one lives", "[sqlite]") {
  Begun begun({plan_of("t", {{"id", of(TypeKind::int32)}}, {0})});
  SqliteTarget other(begun.task);
  CHECK(error_id([&] {
          const TaskLock lock(begun.file.path(), "shop", std::chrono::milliseconds(30));
        }) == "sqlite.task-held");
  CHECK_NOTHROW(other.open_applier("another", begun.plans));
  begun.applier.reset();
  CHECK_NOTHROW(other.open_applier("shop", begun.plans));
}

TEST_CASE("a key decides whether rows lie in its tree", "[sqlite]") {
  const auto made = [](const ColumnType& key, std::uint64_t length) {
    TablePlan plan = plan_of("t", {{"k", key}, {"v", of(TypeKind::text, length)}}, {0});
    SqliteTarget(Task()).plan_types(Task(), plan);
    return create_sql(planned_table(plan), "t");
  };
  CHECK_THAT(made(of(TypeKind::int64), 20), Catch::Contains("\"k\" INTEGER NOT NULL PRIMARY KEY"));
  CHECK_THAT(made(of(TypeKind::text, 20), 20), Catch::Contains("STRICT, WITHOUT ROWID"));
  CHECK_THAT(made(of(TypeKind::text, 20), 0), !Catch::Contains("WITHOUT ROWID"));
  CHECK_THAT(made(of(TypeKind::uint64), 20), Catch::Contains("WITHOUT ROWID"));
}

TEST_CASE("a change of definition is taken over by an SQLite table", "[sqlite]") {
  const ColumnType number = of(TypeKind::int32);
  const ColumnType words = of(TypeKind::text, 20);
  TablePlan before = plan_of(
      "t", {{"id", number}, {"a", words}, {"b", number}, {"c", of(TypeKind::decimal, 0, 9, 2)}},
      {0});
  Begun begun({before});
  before = begun.plans[0];
  SqliteSession analyst = begun.file.session();
  analyst.sql(
      "CREATE INDEX mine ON t (a); ALTER TABLE t ADD COLUMN remark TEXT; CREATE VIEW v AS SELECT "
      "id, a FROM t; CREATE INDEX t_b ON t (b)");
  analyst.sql("INSERT INTO t (id, a, b, c, remark) VALUES (1, 'x', 5, 12.5, 'kept')");

  TableAlter alter;
  alter.before = before;
  SECTION("columns come, go and get other names") {
    alter.after = plan_of(
        "t",
        {{"id", number}, {"a2", words}, {"c", before.columns[3].type}, {"d", number}, {"e", words}},
        {0});
    begun.target->plan_types(begun.task, alter.after);
    alter.after.columns[4].nullable = false;
    const ColumnAlter steps[] = {{ColumnAlter::Kind::drop, "b", 0, "", {}, ""},
                                 {ColumnAlter::Kind::rename, "a", 1, "a2", {}, ""},
                                 {ColumnAlter::Kind::add, "d", 3, "", "42", ""},
                                 {ColumnAlter::Kind::add, "e", 4, "", "it's", ""}};
    alter.steps.assign(std::begin(steps), std::end(steps));
    const AlterResult result = begun.applier->alter(alter, Offset{"p1"});
    CHECK_THAT(result.target_sql, Catch::Contains("RENAME COLUMN"));
    CHECK(begun.query("SELECT id, a2, c, d, e, remark FROM t") ==
          Rows{{"1", "x", "12.5", "42", "it's", "kept"}});
    CHECK(begun.query("SELECT * FROM v") == Rows{{"1", "x"}});
    CHECK(begun.query("SELECT name FROM sqlite_schema WHERE type = 'index' ORDER BY 1") ==
          Rows{{"mine"}});
    // It may be done twice.
    begun.applier = nullptr;
    begun.applier = begun.target->open_applier("shop", begun.plans);
    CHECK(begun.applier->alter(alter, Offset{"p1"}).target_sql.empty());
  }
  SECTION("types and keys are made anew") {
    alter.after = plan_of(
        "t", {{"id", number}, {"a", words}, {"b", words}, {"c", of(TypeKind::decimal, 0, 30, 2)}},
        {1, 0});
    begun.target->plan_types(begun.task, alter.after);
    const ColumnAlter steps[] = {{ColumnAlter::Kind::retype, "b", 2, "", {}, ""},
                                 {ColumnAlter::Kind::retype, "c", 3, "", {}, ""},
                                 {ColumnAlter::Kind::set_not_null, "a", 1, "", {}, ""}};
    alter.steps.assign(std::begin(steps), std::end(steps));
    alter.key_changed = true;
    begun.applier->alter(alter, Offset{"p1"});
    CHECK(begun.query("SELECT id, a, typeof(b), b, typeof(c), c, remark FROM t") ==
          Rows{{"1", "x", "text", "5", "text", "12.50", "kept"}});
    CHECK(begun.query("SELECT name FROM pragma_table_info('t') WHERE pk > 0 ORDER BY pk") ==
          Rows{{"a"}, {"id"}});
    CHECK(begun.query("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL "
                      "ORDER BY 1") == Rows{{"mine"}, {"t_b"}});
    CHECK(begun.query("SELECT * FROM v") == Rows{{"1", "x"}});
  }
  SECTION("what cannot be converted leaves everything as it was") {
    alter.after = before;
    alter.after.columns[1].type = number;
    alter.after.columns[1].target_type = "INTEGER";
    alter.steps = {{ColumnAlter::Kind::retype, "a", 1, "", {}, ""}};
    CHECK(error_id([&] { begun.applier->alter(alter, Offset{"p1"}); }) == "ddl.target");
    alter.after = before;
    alter.after.columns[3].type.scale = 1;
    alter.steps = {{ColumnAlter::Kind::drop_not_null, "a", 1, "", {}, ""}};
    CHECK(error_id([&] { begun.applier->alter(alter, Offset{"p1"}); }) == "ddl.step");
    CHECK(begun.query("SELECT id, a, b, c FROM t") == Rows{{"1", "x", "5", "12.5"}});
    CHECK(begun.target->recover("shop")->offset.text == "p0");
    return;
  }
  CHECK(begun.target->recover("shop")->offset.text == "p1");
  CHECK(begun.query("PRAGMA integrity_check") == Rows{{"ok"}});
}
