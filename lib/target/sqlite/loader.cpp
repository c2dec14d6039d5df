// SPDX-License-Identifier: Apache-2.0
#include "target/sqlite/loader.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "model/swap_name.h"
#include "target/sqlite/control.h"
#include "target/sqlite/schema.h"

namespace weir::sqlite {
namespace {

/// More rows in one statement save calls, until their parameters do not fit the caches any more.
constexpr std::size_t kParametersAtOnce = 256;
constexpr std::size_t kMaxRowsAtOnce = 32;

std::string insert_sql(const TablePlan& plan, std::size_t rows) {
  std::string columns;
  std::string row;
  for (const PlannedColumn& column : plan.columns) {
    columns += (columns.empty() ? "" : ", ") + sqlite_identifier(column.name);
    row += row.empty() ? "(?" : ", ?";
  }
  row += ')';
  std::string values = row;
  for (std::size_t i = 1; i < rows; ++i) values += ", " + row;
  return fmt::format("INSERT INTO {} ({}) VALUES {}", table_sql(plan), columns, values);
}

char* pack(Cell cell, char* at) {
  if (cell.is_absent()) throw bug("an absent cell in the full stage");
  const std::uint32_t size = cell.has_value() ? cell.size() : PackedRow::kNull;
  std::memcpy(at, &size, sizeof size);
  at += sizeof size;
  if (cell.size() > 0) std::memcpy(at, cell.data(), cell.size());
  return at + cell.size();
}

/// A chunk and its mark are lost together if the machine crashes, so its commit need not be
/// durable; finish() is.
Writer::Turn turn_for_chunk(Writer& writer) {
  Writer::Turn turn = writer.turn();
  writer.set_durable(turn, false);
  return turn;
}

}  // namespace

InsertLoader::InsertLoader(std::shared_ptr<Writer> writer, const std::string& task,
                           std::size_t memory)
    : writer_(std::move(writer)), task_(task), memory_(memory) {}

void InsertLoader::begin(const TablePlan& plan, Row added) {
  plan_ = &plan;
  encodings_.clear();
  for (const PlannedColumn& column : plan.columns) {
    encodings_.push_back(encoding(column.type, column.target_type));
  }
  std::size_t size = 0;
  for (const Cell& cell : added) size += sizeof(std::uint32_t) + cell.size();
  added_.resize(size);
  char* at = added_.data();
  for (const Cell& cell : added) at = pack(cell, at);
  rows_at_once_ =
      std::clamp<std::size_t>(kParametersAtOnce / plan.columns.size(), 1, kMaxRowsAtOnce);
  used_ = 0;
  rows_ = 0;
  bytes_ = 0;
}

void InsertLoader::row(Row cells) {
  std::size_t size = added_.size();
  for (const Cell& cell : cells) size += sizeof(std::uint32_t) + cell.size();
  if (used_ + size > memory_ && used_ > 0) flush();
  if (used_ + size > size_) {
    // Doubled up to its limit; beyond that only for a row that is larger than all of it.
    const std::size_t wanted = std::max(std::min(size_ * 2, memory_), used_ + size);
    auto larger = std::make_unique_for_overwrite<char[]>(wanted);
    if (used_ > 0) std::memcpy(larger.get(), buffer_.get(), used_);
    buffer_ = std::move(larger);
    size_ = wanted;
  }
  char* at = buffer_.get() + used_;
  for (const Cell& cell : cells) at = pack(cell, at);
  std::memcpy(at, added_.data(), added_.size());
  used_ += size;
  bytes_ += size;
  ++rows_;
}

InsertLoader::Open::Open(Writer& writer, const TablePlan& plan, std::size_t rows_at_once)
    : turn(turn_for_chunk(writer)), transaction(*turn), one(turn->prepare(insert_sql(plan, 1))) {
  if (rows_at_once > 1) many = turn->prepare(insert_sql(plan, rows_at_once));
}

void InsertLoader::insert(SqliteStatement& statement, const char*& at, std::size_t rows) {
  const std::size_t columns = encodings_.size();
  const char* const begin = at;
  try {
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t i = 0; i < columns; ++i) {
        bind(statement, PackedRow::take(at), encodings_[i], plan_->columns[i].name);
      }
    }
    statement.run();
  } catch (const Error& error) {
    const std::string name = plan_->source.name.text();
    if (error.code() != ExitCode::refused) throw error.within(name);
    if (rows == 1) {
      throw error.within(
          fmt::format("{}, row with key {}", name, key_text(*plan_, PackedRow{begin})));
    }
    // One of them is refused again, by itself.
    at = begin;
    for (std::size_t row = 0; row < rows; ++row) insert(open_->one, at, 1);
  }
}

void InsertLoader::flush() {
  if (!open_) open_.emplace(*writer_, *plan_, rows_at_once_);
  const char* at = buffer_.get();
  std::size_t left = rows_;
  for (; rows_at_once_ > 1 && left >= rows_at_once_; left -= rows_at_once_) {
    insert(*open_->many, at, rows_at_once_);
  }
  for (; left > 0; --left) insert(open_->one, at, 1);
  used_ = 0;
  rows_ = 0;
  if (size_ > memory_) {
    buffer_.reset();
    size_ = 0;
  }
}

void InsertLoader::commit(const RangeProgress& mark) {
  flush();
  store_mark(*open_->turn, task_, *plan_, mark);
  writer_->commit(open_->turn, open_->transaction);
  open_.reset();
}

void InsertLoader::abandon() noexcept {
  open_.reset();
  used_ = 0;
  rows_ = 0;
}

void InsertLoader::mark(const TablePlan& plan, const char* column) {
  const Writer::Turn turn = writer_->turn();
  writer_->set_durable(turn, true);
  SqliteTransaction transaction(*turn);
  turn->prepare(fmt::format("UPDATE weir_table SET {} = 1 WHERE task = ? AND source_schema = ? "
                            "AND source_table = ?",
                            column))
      .bind(task_)
      .bind(plan.source.name.schema)
      .bind(plan.source.name.table)
      .run();
  writer_->commit(turn, transaction);
}

std::vector<std::string> InsertLoader::finish(const TablePlan& plan) {
  std::vector<std::string> notes;
  for (const Index& index : plan.source.indexes) {
    if (index.name == plan.source.key_name && plan.key_is_primary) continue;
    // One transaction for each: other loaders get their turn in between, and an index that is
    // there is passed over.
    const Writer::Turn turn = writer_->turn();
    if (!created_here(*turn, task_, plan)) break;
    writer_->set_durable(turn, false);
    SqliteTransaction transaction(*turn);
    IndexSql made = index_sql(*turn, plan, index);
    if (!made.sql.empty()) turn->execute(made.sql.c_str());
    if (!made.left_out.empty()) notes.push_back(std::move(made.left_out));
    writer_->commit(turn, transaction);
  }
  mark(plan, "full_done");
  return notes;
}

std::vector<std::string> InsertLoader::finish_unique(const TablePlan& plan) {
  mark(plan, "unique_done");
  return {};
}

}  // namespace weir::sqlite
