// SPDX-License-Identifier: Apache-2.0
#include "target/sqlite/target.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "model/definition.h"
#include "model/facts.h"
#include "model/swap_name.h"
#include "target/sqlite/applier.h"
#include "target/sqlite/checks.h"
#include "target/sqlite/control.h"
#include "target/sqlite/counters.h"
#include "target/sqlite/loader.h"
#include "target/sqlite/schema.h"

namespace weir::sqlite {
namespace {

/// What all loaders of a task may gather in memory together, and the most that one gains from.
constexpr std::size_t kLoadersMemory = std::size_t{64} << 20;
constexpr std::size_t kLoaderMemory = std::size_t{16} << 20;

}  // namespace

SqliteTarget::SqliteTarget(const Task& task)
    : writer_(Writer::of(task.target.path)),
      loader_memory_(std::min(kLoadersMemory / std::max<std::size_t>(task.full.connections, 1),
                              kLoaderMemory)) {}

std::string SqliteTarget::version() { return "SQLite " + sqlite_version(); }

std::string SqliteTarget::refuse_name(std::string_view name) const {
  if (name.find('\0') != std::string_view::npos) return "a name cannot hold a NUL character";
  return "";
}

std::string SqliteTarget::fold_name(std::string_view name) const { return to_lower(name); }

void SqliteTarget::plan_types(const Task& task, TablePlan& plan) const {
  for (PlannedColumn& column : plan.columns) {
    if (column.target_type.empty()) column.target_type = target_type(column.type);
    const bool is_date = column.type.kind == TypeKind::date ||
                         column.type.kind == TypeKind::datetime ||
                         column.type.kind == TypeKind::timestamp;
    // A NOT NULL date may still be a zero date, which the policy turns into NULL.
    if (is_date && task.types.zero_dates.kind == ZeroDatePolicy::Kind::null) column.nullable = true;
  }
  for (const std::uint32_t part : plan.key) plan.columns[part].nullable = false;
}

std::string SqliteTarget::gather(const Task& task, std::span<const TablePlan> plans,
                                 const std::optional<Recovered>& recovered) {
  return encode_facts(sqlite::gather(task, writer_->look(), plans, recovered));
}

std::vector<Finding> SqliteTarget::judge(std::span<const TablePlan> plans,
                                         const std::string& facts) const {
  Facts known = decode_facts(facts);
  std::vector<Finding> findings = link_tables(known.tables, plans);
  std::ranges::move(sqlite::judge(known), std::back_inserter(findings));
  return findings;
}

std::optional<Recovered> SqliteTarget::recover(const std::string& task) {
  // A file that is not there, or is none of SQLite's, is what preflight() tells best.
  if (writer_->look() != FileState::database) return {};
  return sqlite::recover(*writer_->turn(), task);
}

void SqliteTarget::start(const std::string& task, const Identity& source, const Offset& start) {
  const Writer::Turn turn = writer_->turn_to_begin();
  SqliteTransaction transaction(*turn);
  create_control(*turn);
  turn->prepare(
          "INSERT INTO weir_task (task, format, source_identity, start_offset, log_offset) VALUES "
          "(?, 1, ?, ?, ?)")
      .bind(task)
      .bind(source.text)
      .bind(start.text)
      .bind(start.text)
      .run();
  writer_->commit(turn, transaction);
}

void SqliteTarget::ensure_table(const std::string& task, const TablePlan& plan) {
  const Writer::Turn turn = writer_->turn();
  writer_->set_durable(turn, true);
  SqliteStatement known = turn->prepare(
      "SELECT 1 FROM weir_table WHERE task = ? AND source_schema = ? AND source_table = ?");
  known.bind(task).bind(plan.source.name.schema).bind(plan.source.name.table);
  if (known.step()) return;
  try {
    SqliteTransaction transaction(*turn);
    bool exists = describe(*turn, plan.target.table).has_value();
    if (exists && plan.existing == ExistingPolicy::replace) {
      turn->execute(("DROP TABLE " + table_sql(plan)).c_str());
      exists = false;
    }
    if (exists && plan.existing == ExistingPolicy::truncate) {
      turn->execute(("DELETE FROM " + table_sql(plan)).c_str());
    }
    if (!exists) {
      turn->execute(create_sql(planned_table(plan), plan.target.table).c_str());
    }
    turn->prepare(
            "INSERT INTO weir_table (task, source_schema, source_table, target_schema, "
            "target_table, created, definition, since_offset) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(task)
        .bind(plan.source.name.schema)
        .bind(plan.source.name.table)
        .bind(plan.target.schema)
        .bind(plan.target.table)
        .bind(!exists)
        .bind(encode_definition(plan.source))
        .bind(plan.since.text)
        .run();
    writer_->commit(turn, transaction);
  } catch (const Error& error) {
    throw error.within(plan.target.text());
  }
}

void SqliteTarget::store_ranges(const std::string& task, const TablePlan& plan,
                                std::span<const KeyRange> ranges) {
  const Writer::Turn turn = writer_->turn();
  SqliteTransaction transaction(*turn);
  SqliteStatement insert =
      turn->prepare("INSERT INTO weir_range VALUES (?, ?, ?, ?, ?, ?, ?, '', 0, 0, 0)");
  for (const KeyRange& range : ranges) {
    insert.bind(task)
        .bind(plan.source.name.schema)
        .bind(plan.source.name.table)
        .bind(range.number)
        .bind(encode_key(range.after))
        .bind(encode_key(range.upto))
        .bind(range.whole)
        .run();
  }
  writer_->commit(turn, transaction);
}

void SqliteTarget::full_loaded(const std::string& task, const Offset& full_end) {
  const Writer::Turn turn = writer_->turn();
  writer_->set_durable(turn, true);
  SqliteTransaction transaction(*turn);
  store_full_end(*turn, task, full_end);
  writer_->commit(turn, transaction);
}

void SqliteTarget::move_offset(const std::string& task, const OffsetMove& move) {
  const Writer::Turn turn = writer_->turn();
  writer_->set_durable(turn, true);
  SqliteTransaction transaction(*turn);
  sqlite::move_offset(*turn, task, move);
  writer_->commit(turn, transaction);
}

template <class Work>
void SqliteTarget::in_transaction(Work&& work) {
  const Writer::Turn turn = writer_->turn();
  writer_->set_durable(turn, true);
  SqliteTransaction transaction(*turn);
  work(*turn);
  writer_->commit(turn, transaction);
}

void SqliteTarget::split_tables(const std::string& from, const std::string& to,
                                std::span<const TableName> tables) {
  in_transaction([&](SqliteDatabase& open) { sqlite::split_tables(open, from, to, tables); });
}

void SqliteTarget::join_tables(const std::string& from, const std::string& to) {
  in_transaction([&](SqliteDatabase& open) { sqlite::join_tables(open, from, to); });
}

void SqliteTarget::forget(const std::string& task, std::span<const TableName> tables) {
  // A file that is not there remembers nothing.
  if (writer_->look() != FileState::database) return;
  in_transaction([&](SqliteDatabase& open) { sqlite::forget(open, task, tables); });
}

void SqliteTarget::drop_beside(std::span<const TableName> tables) {
  if (writer_->look() != FileState::database) return;
  in_transaction([&](SqliteDatabase& open) {
    for (const TableName& table : tables) open.execute(drop_sql(swap_name(table, 0)).c_str());
  });
}

std::string SqliteTarget::forget_statement(const std::string& task) const {
  return fmt::format("DELETE FROM weir_task WHERE task = '{}'", task);
}

std::string SqliteTarget::forget_table_statements(const std::string& task,
                                                  const TableName& table) const {
  return forget_rows(task, table, {"weir_range", "weir_table"});
}

std::unique_ptr<Loader> SqliteTarget::open_loader(const std::string& task) {
  return std::make_unique<InsertLoader>(writer_, task, loader_memory_);
}

std::unique_ptr<Applier> SqliteTarget::open_applier(const std::string& task,
                                                    std::span<const TablePlan> plans) {
  return std::make_unique<RowApplier>(writer_, task, plans);
}

std::optional<std::vector<FoundCounter>> SqliteTarget::counters(
    std::span<const CounterPlace> places) {
  if (writer_->look() != FileState::database) return std::vector<FoundCounter>(places.size());
  return find_counters(*writer_->turn(), places);
}

std::vector<std::string> SqliteTarget::counter_sql(const CounterPlace& /*place*/,
                                                   const FoundCounter& found,
                                                   CounterNumber next) const {
  return sqlite::counter_sql(found, next);
}

std::string SqliteTarget::drop_sql(const TableName& table) const {
  return "DROP TABLE IF EXISTS " + sqlite_identifier(table.table);
}

void SqliteTarget::run_counter_sql(std::span<const std::string> statements) {
  const Writer::Turn turn = writer_->turn();
  writer_->set_durable(turn, true);
  SqliteTransaction transaction(*turn);
  for (const std::string& statement : statements) turn->execute(statement.c_str());
  writer_->commit(turn, transaction);
}

}  // namespace weir::sqlite
