// SPDX-License-Identifier: Apache-2.0
#include "target/sqlite/applier.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "model/definition.h"
#include "model/swap_name.h"
#include "target/sqlite/alter.h"
#include "target/sqlite/merge.h"
#include "target/sqlite/schema.h"

namespace weir::sqlite {
namespace {

/// Sets of columns that updates may have before their statements are made anew.
constexpr std::size_t kMaxPatches = 64;

bool is_key(const TablePlan& plan, std::size_t column) {
  return std::find(plan.key.begin(), plan.key.end(), column) != plan.key.end();
}

bool same_key(const TablePlan& plan, const TableChanges::Move& move) {
  std::vector<Cell> row;
  const char* at = move.row.data;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) row.push_back(PackedRow::take(at));
  const char* key = move.from.data;
  return std::all_of(plan.key.begin(), plan.key.end(), [&](std::uint32_t part) {
    return PackedRow::take(key).text() == row[part].text();
  });
}

std::string key_condition(const TablePlan& plan) {
  std::string out;
  for (const std::uint32_t part : plan.key) {
    out += (out.empty() ? "" : " AND ") + sqlite_identifier(plan.columns[part].name) + " = ?";
  }
  return out;
}

std::string upsert_sql(const TablePlan& plan) {
  std::string columns;
  std::string values;
  std::string updates;
  std::string key;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    const std::string name = sqlite_identifier(plan.columns[i].name);
    columns += (i == 0 ? "" : ", ") + name;
    values += i == 0 ? "?" : ", ?";
    if (is_key(plan, i)) continue;
    updates += fmt::format("{}{} = excluded.{}", updates.empty() ? "" : ", ", name, name);
  }
  std::string sql =
      fmt::format("INSERT INTO {} ({}) VALUES ({})", table_sql(plan), columns, values);
  if (plan.key.empty()) return sql;
  for (const std::uint32_t part : plan.key) {
    key += (key.empty() ? "" : ", ") + sqlite_identifier(plan.columns[part].name);
  }
  return sql + fmt::format(" ON CONFLICT ({}) DO {}", key,
                           updates.empty() ? "NOTHING" : "UPDATE SET " + updates);
}

std::string remove_sql(const TablePlan& plan) {
  if (plan.deletes.kind == DeletePolicy::Kind::soft) {
    return fmt::format("UPDATE {} SET {} = ? WHERE {}", table_sql(plan),
                       sqlite_identifier(plan.deletes.column), key_condition(plan));
  }
  return fmt::format("DELETE FROM {} WHERE {}", table_sql(plan), key_condition(plan));
}

/// A name of the rowid that no column has taken; "" if there is none.
std::string_view rowid_name(const TablePlan& plan) {
  constexpr auto kNames = std::to_array<std::string_view>({"rowid", "_rowid_", "oid"});
  const auto free = std::find_if(kNames.begin(), kNames.end(), [&plan](std::string_view name) {
    return std::none_of(plan.columns.begin(), plan.columns.end(), [name](const PlannedColumn& c) {
      return equals_ignoring_case(c.name, name);
    });
  });
  return free == kNames.end() ? std::string_view() : *free;
}

/// Removes, or marks, one of the rows that have exactly these values.
std::string remove_whole_sql(const TablePlan& plan, bool mark) {
  const std::string_view rowid = rowid_name(plan);
  if (rowid.empty()) {
    throw Error(ExitCode::unsupported, "sqlite.no-rowid",
                fmt::format("{} has columns named rowid, _rowid_ and oid", plan.target.text()),
                "its rows have no key, and SQLite tells them apart by one of these names only",
                "rename one of these columns in the table rule");
  }
  std::string condition;
  for (const PlannedColumn& column : plan.columns) {
    if (column.added()) continue;
    condition += (condition.empty() ? "" : " AND ") + sqlite_identifier(column.name) + " IS ?";
  }
  if (plan.deletes.kind == DeletePolicy::Kind::soft) {
    condition += fmt::format(" AND {} IS NULL", sqlite_identifier(plan.deletes.column));
  }
  const std::string place = fmt::format("WHERE {0} = (SELECT {0} FROM {1} WHERE {2} LIMIT 1)",
                                        rowid, table_sql(plan), condition);
  return mark ? fmt::format("UPDATE {} SET {} = ? {}", table_sql(plan),
                            sqlite_identifier(plan.deletes.column), place)
              : fmt::format("DELETE FROM {} {}", table_sql(plan), place);
}

/// A time as the column of deletes = "soft:COLUMN" shows it, like any other timestamp.
std::string timestamp_text(Time time) {
  std::string text = to_rfc3339(time, true);
  text[10] = ' ';
  text.pop_back();
  return text;
}

Writer::Turn turn_for_changes(Writer& writer) {
  Writer::Turn turn = writer.turn();
  writer.set_durable(turn, true);
  return turn;
}

}  // namespace

RowApplier::Open::Open(Writer& writer) : turn(turn_for_changes(writer)), transaction(*turn) {}

RowApplier::RowApplier(std::shared_ptr<Writer> writer, const std::string& task,
                       std::span<const TablePlan> plans)
    : writer_(std::move(writer)), task_(task), lock_(writer_->path(), task) {
  for (const TablePlan& plan : plans) {
    TableStatements& table = tables_[plan.id];
    table.plan = &plan;
    for (const PlannedColumn& column : plan.columns) {
      table.encodings.push_back(encoding(column.type, column.target_type));
    }
  }
}

RowApplier::~RowApplier() {
  const bool any = std::any_of(tables_.begin(), tables_.end(), [](const auto& entry) {
    const TableStatements& table = entry.second;
    return table.upsert || table.remove || table.mark || !table.patches.empty();
  });
  // They belong to the connection, which only one thread at a time may touch.
  if (!any) return;
  try {
    std::optional<Writer::Turn> turn;
    if (!open_) turn.emplace(writer_->turn());
    tables_.clear();
  } catch (const Error&) {
    // Then there is no connection any more either.
  }
}

void RowApplier::bind_key(SqliteStatement& statement, const TableStatements& table,
                          const PackedRow& row) {
  cells_.clear();
  const char* at = row.data;
  for (std::size_t i = 0; i < table.encodings.size(); ++i) cells_.push_back(PackedRow::take(at));
  for (const std::uint32_t part : table.plan->key) {
    bind(statement, cells_[part], table.encodings[part], table.plan->columns[part].name);
  }
}

void RowApplier::upsert(TableStatements& table, const PackedRow& row) {
  const TablePlan& plan = *table.plan;
  if (!table.upsert) table.upsert = database().prepare(upsert_sql(plan));
  const char* at = row.data;
  for (std::size_t i = 0; i < table.encodings.size(); ++i) {
    bind(*table.upsert, PackedRow::take(at), table.encodings[i], plan.columns[i].name);
  }
  table.upsert->run();
}

void RowApplier::remove(TableStatements& table, const PackedRow& key, const std::string& time) {
  const TablePlan& plan = *table.plan;
  if (!table.remove) table.remove = database().prepare(remove_sql(plan));
  if (plan.deletes.kind == DeletePolicy::Kind::soft) table.remove->bind_view(time);
  const char* at = key.data;
  for (const std::uint32_t part : plan.key) {
    bind(*table.remove, PackedRow::take(at), table.encodings[part], plan.columns[part].name);
  }
  table.remove->run();
}

void RowApplier::remove_whole(TableStatements& table, const PackedRow& row) {
  const TablePlan& plan = *table.plan;
  Cell marked = Cell::null();
  cells_.clear();
  const char* at = row.data;
  for (const PlannedColumn& column : plan.columns) {
    const Cell cell = PackedRow::take(at);
    if (!column.added()) {
      cells_.push_back(cell);
    } else if (plan.deletes.kind == DeletePolicy::Kind::soft && column.constant == "{deleted}") {
      marked = cell;
    }
  }
  std::optional<SqliteStatement>& statement = marked.has_value() ? table.mark : table.remove;
  if (!statement) statement = database().prepare(remove_whole_sql(plan, marked.has_value()));
  if (marked.has_value()) statement->bind_view(marked.text());
  std::size_t next = 0;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    if (plan.columns[i].added()) continue;
    bind(*statement, cells_[next++], table.encodings[i], plan.columns[i].name);
  }
  statement->run();
  if (database().changes() == 1) return;
  throw Error(ExitCode::refused, "sqlite.row-missing",
              fmt::format("{} lacks rows that changed on the source", plan.target.text()),
              "its rows are told apart by all their columns, and one to take away was not found: "
              "somebody else changed the table, or the source kept a value that it shows "
              "otherwise",
              "compare the table with the source; to copy it anew, begin the task anew, or give "
              "the source table a key");
}

std::int64_t RowApplier::patch(TableStatements& table, const PackedRow& row, const PackedRow* key) {
  const TablePlan& plan = *table.plan;
  mask_.clear();
  cells_.clear();
  const char* at = row.data;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    cells_.push_back(PackedRow::take(at));
    mask_ += cells_.back().is_absent() ? '-' : 'x';
  }
  auto statement = table.patches.find(mask_);
  if (statement == table.patches.end()) {
    if (table.patches.size() >= kMaxPatches) table.patches.clear();
    std::string sets;
    for (std::size_t i = 0; i < mask_.size(); ++i) {
      if (mask_[i] != 'x') continue;
      sets += (sets.empty() ? "" : ", ") + sqlite_identifier(plan.columns[i].name) + " = ?";
    }
    statement = table.patches
                    .emplace(mask_, database().prepare(fmt::format("UPDATE {} SET {} WHERE {}",
                                                                   table_sql(plan), sets,
                                                                   key_condition(plan))))
                    .first;
  }
  SqliteStatement& update = statement->second;
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    if (cells_[i].is_absent()) continue;
    bind(update, cells_[i], table.encodings[i], plan.columns[i].name);
  }
  const char* key_at = key == nullptr ? nullptr : key->data;
  for (const std::uint32_t part : plan.key) {
    const Cell cell = key == nullptr ? cells_[part] : PackedRow::take(key_at);
    bind(update, cell, table.encodings[part], plan.columns[part].name);
  }
  update.run();
  return database().changes();
}

void RowApplier::move(TableStatements& table, const TableChanges::Move& move,
                      const std::string& time) {
  const TablePlan& plan = *table.plan;
  bool done = false;
  if (plan.deletes.kind != DeletePolicy::Kind::apply) {
    // The row with the old key stays, as if it had been deleted.
    done = copy(table, move) > 0;
    if (done && plan.deletes.kind == DeletePolicy::Kind::soft) remove(table, move.from, time);
  } else if (is_there(table, move.row)) {
    // The copy met the row behind its move. What has the old key is the row before it, or another
    // one that has come since and that the log brings again.
    if (!same_key(plan, move)) remove(table, move.from, time);
  } else {
    done = patch(table, move.row, &move.from) > 0;
  }
  if (done || patch(table, move.row, nullptr) > 0) return;
  throw Error(
      ExitCode::refused, "sqlite.row-missing",
      fmt::format("{} lacks a row whose key changed on the source", plan.target.text()),
      "the log does not carry those of its large values that stayed the same, and the target has "
      "no row to take them from",
      "have the source log whole rows (PostgreSQL: ALTER TABLE ... REPLICA IDENTITY FULL), then "
      "begin the task anew");
}

bool RowApplier::is_there(TableStatements& table, const PackedRow& row) {
  const TablePlan& plan = *table.plan;
  SqliteStatement look = database().prepare(
      fmt::format("SELECT 1 FROM {} WHERE {}", table_sql(plan), key_condition(plan)));
  bind_key(look, table, row);
  return look.step();
}

std::int64_t RowApplier::copy(TableStatements& table, const TableChanges::Move& move) {
  const TablePlan& plan = *table.plan;
  std::string columns;
  std::string values;
  cells_.clear();
  const char* at = move.row.data;
  for (const PlannedColumn& column : plan.columns) {
    const std::string name = sqlite_identifier(column.name);
    cells_.push_back(PackedRow::take(at));
    columns += (columns.empty() ? "" : ", ") + name;
    values += (values.empty() ? "" : ", ") + (cells_.back().is_absent() ? name : "?");
  }
  SqliteStatement insert = database().prepare(
      fmt::format("INSERT OR REPLACE INTO {0} ({1}) SELECT {2} FROM {0} WHERE {3}", table_sql(plan),
                  columns, values, key_condition(plan)));
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    if (cells_[i].is_absent()) continue;
    bind(insert, cells_[i], table.encodings[i], plan.columns[i].name);
  }
  const char* key = move.from.data;
  for (const std::uint32_t part : plan.key) {
    bind(insert, PackedRow::take(key), table.encodings[part], plan.columns[part].name);
  }
  insert.run();
  return database().changes();
}

void RowApplier::change(TableStatements& table, const TableChanges& changes,
                        const std::string& time) {
  if (changes.truncated) database().execute(("DELETE FROM " + table_sql(*table.plan)).c_str());
  for (const TableChanges::Move& move : changes.moves) this->move(table, move, time);
  for (const PackedRow& row : changes.removes) {
    if (table.plan->key.empty()) {
      remove_whole(table, row);
    } else {
      remove(table, row, time);
    }
  }
  const auto named = [&table](const PackedRow& row, const auto& write) {
    try {
      write();
    } catch (const Error& error) {
      if (error.code() != ExitCode::refused) throw;
      throw error.within("row with key " + key_text(*table.plan, row));
    }
  };
  for (const PackedRow& row : changes.patches) named(row, [&] { patch(table, row, nullptr); });
  for (const PackedRow& row : changes.upserts) named(row, [&] { upsert(table, row); });
}

void RowApplier::apply(const ChangeBatch& batch) {
  const Clock::time_point begin = Clock::now();
  timing_.commit_seconds = 0;
  try {
    if (!open_) open_.emplace(*writer_);
    const std::string time = timestamp_text(batch.last_commit);
    for (const TableChanges& changes : batch.tables) {
      TableStatements& table = tables_.at(changes.table);
      try {
        change(table, changes, time);
      } catch (const Error& error) {
        const std::string name = table.plan->source.name.text();
        // What is no affair of a row, such as a full disk, concerns all tables.
        const bool is_of_row = error.code() == ExitCode::refused;
        throw error.within(name).of_table(is_of_row ? name : "");
      }
    }
    if (batch.ends_transaction) {
      if (!batch.full_end.empty()) store_full_end(database(), task_, batch.full_end);
      store_offset(database(), task_, batch.offset);
      const Clock::time_point before = Clock::now();
      writer_->commit(open_->turn, open_->transaction);
      timing_.commit_seconds = std::chrono::duration<double>(Clock::now() - before).count();
      open_.reset();
    }
  } catch (...) {
    open_.reset();
    throw;
  }
  timing_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
}

AlterResult RowApplier::truncate(const TablePlan& plan, const Offset& offset) {
  if (open_) throw bug("a table is emptied inside a transaction of the source");
  AlterResult result;
  result.target_sql = "DELETE FROM " + table_sql(plan);
  Open own(*writer_);
  own.turn->execute(result.target_sql.c_str());
  store_offset(*own.turn, task_, offset);
  writer_->commit(own.turn, own.transaction);
  return result;
}

void RowApplier::merge(std::span<const TablePlan> plans) {
  if (open_) throw bug("a copy is merged inside a transaction of the source");
  Open own(*writer_);
  // Else SQLite would keep the copies locked.
  tables_.clear();
  for (const TablePlan& plan : plans) {
    const auto kept = swapped_name(plan.target);
    if (!kept) continue;
    if (describe(*own.turn, kept->table)) {
      merge_rows(*own.turn, plan, *kept, now());
      own.turn->execute(("DROP TABLE " + table_sql(plan)).c_str());
    } else {
      rename_table(*own.turn, plan.target, *kept);
    }
    keep_merged(*own.turn, task_, plan, *kept);
  }
  writer_->commit(own.turn, own.transaction);
}

AlterResult RowApplier::alter(const TableAlter& alter, const Offset& offset) {
  if (open_) throw bug("a table changes inside a transaction of the source");
  AlterResult result;
  Open own(*writer_);
  // Else SQLite would keep the table locked for these.
  tables_.clear();
  result = alter_table(*own.turn, alter);
  own.turn
      ->prepare(
          "UPDATE weir_table SET definition = ?, source_schema = ?, source_table = ?, "
          "target_schema = ?, target_table = ? WHERE task = ? AND source_schema = ? AND "
          "source_table = ?")
      .bind(encode_definition(alter.after.source))
      .bind(alter.after.source.name.schema)
      .bind(alter.after.source.name.table)
      .bind(alter.after.target.schema)
      .bind(alter.after.target.table)
      .bind(task_)
      .bind(alter.before.source.name.schema)
      .bind(alter.before.source.name.table)
      .run();
  own.turn
      ->prepare(
          "UPDATE weir_range SET source_schema = ?, source_table = ? WHERE task = ? AND "
          "source_schema = ? AND source_table = ?")
      .bind(alter.after.source.name.schema)
      .bind(alter.after.source.name.table)
      .bind(task_)
      .bind(alter.before.source.name.schema)
      .bind(alter.before.source.name.table)
      .run();
  store_offset(*own.turn, task_, offset);
  writer_->commit(own.turn, own.transaction);
  return result;
}

}  // namespace weir::sqlite
