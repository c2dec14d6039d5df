// SPDX-License-Identifier: Apache-2.0
#include "stage/batch.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace weir {
namespace {

constexpr std::size_t kFirstSlots = 64;

std::size_t packed_size(Cell cell) { return sizeof(std::uint32_t) + cell.size(); }

char* pack(Cell cell, char* at) {
  const std::uint32_t size = cell.has_value()   ? cell.size()
                             : cell.is_absent() ? PackedRow::kAbsent
                                                : PackedRow::kNull;
  std::memcpy(at, &size, sizeof size);
  at += sizeof size;
  if (cell.size() > 0) std::memcpy(at, cell.data(), cell.size());
  return at + cell.size();
}

bool depends_on_transaction(const PlannedColumn& column) {
  return column.constant.find("{execute_time}") != std::string::npos;
}

}  // namespace

std::string timestamp_text(Time time) {
  std::string text = to_rfc3339(time, true);  // 2026-01-02T03:04:05.000000Z
  text[10] = ' ';
  text.pop_back();
  return text;
}

std::optional<std::string> added_value(const PlannedColumn& column, const TablePlan& plan,
                                       const std::string& task, const std::string& execute_time) {
  if (column.constant == "{deleted}") return {};
  std::string out;
  expand(column.constant, out, [&](std::string_view name, std::string& value) {
    if (name == "source") {
      value += task;
    } else if (name == "database" || name == "schema") {
      value += plan.source.name.schema;
    } else if (name == "table") {
      value += plan.source.name.table;
    } else if (name == "execute_time") {
      value += execute_time;
    } else {
      return false;
    }
    return true;
  });
  return out;
}

BatchBuilder::BatchBuilder(std::span<const TablePlan> plans, const std::string& task) {
  for (const TablePlan& plan : plans) {
    if (tables_.size() <= plan.id) tables_.resize(plan.id + 1);
    TableOperations& table = tables_[plan.id];
    table.plan = &plan;
    for (const PlannedColumn& column : plan.columns) {
      const bool fixed = column.added() && !depends_on_transaction(column);
      table.added.push_back(fixed ? added_value(column, plan, task, "").value_or("") : "");
    }
  }
}

void BatchBuilder::begin(Time commit_time) {
  commit_time_ = commit_time;
  execute_time_.clear();
  if (first_commit_ == Time{}) first_commit_ = commit_time;
}

void BatchBuilder::end(Time commit_time) {
  last_commit_ = commit_time;
  ++transactions_;
}

void BatchBuilder::grow(TableOperations& table) {
  table.slots.assign(std::max(kFirstSlots, table.slots.size() * 2), 0);
  const std::size_t mask = table.slots.size() - 1;
  for (std::size_t i = 0; i < table.operations.size(); ++i) {
    std::size_t slot = table.operations[i].hash & mask;
    while (table.slots[slot] != 0) slot = (slot + 1) & mask;
    table.slots[slot] = static_cast<std::uint32_t>(i + 1);
  }
}

void BatchBuilder::clear_slots(TableOperations& table) {
  // A large batch leaves a large table behind; small ones that follow must not pay for it.
  if (table.operations.size() * 16 > table.slots.size()) {
    std::fill(table.slots.begin(), table.slots.end(), 0);
    return;
  }
  const std::size_t mask = table.slots.size() - 1;
  for (std::size_t i = 0; i < table.operations.size(); ++i) {
    std::size_t slot = table.operations[i].hash & mask;
    while (table.slots[slot] != i + 1) slot = (slot + 1) & mask;
    table.slots[slot] = 0;
  }
}

const char* BatchBuilder::pack_key(const TablePlan& plan, Row cells, std::size_t& size) {
  size = 0;
  for (const std::uint32_t part : plan.key) size += packed_size(cells[plan.columns[part].source]);
  char* const key = arena_.allocate(size);
  char* at = key;
  for (const std::uint32_t part : plan.key) at = pack(cells[plan.columns[part].source], at);
  return key;
}

BatchBuilder::Operation& BatchBuilder::operation_for(TableOperations& table, Row cells) {
  std::size_t size = 0;
  const char* const key = pack_key(*table.plan, cells, size);
  return operation_at(table, key, size);
}

BatchBuilder::Operation& BatchBuilder::operation_at(TableOperations& table, const char* key,
                                                    std::size_t size) {
  if (!table.touched()) touched_.push_back(table.plan->id);
  if ((table.operations.size() + 1) * 2 > table.slots.size()) grow(table);
  const std::uint64_t hash = std::hash<std::string_view>()({key, size});
  const std::size_t mask = table.slots.size() - 1;
  std::size_t slot = hash & mask;
  for (; table.slots[slot] != 0; slot = (slot + 1) & mask) {
    Operation& known = table.operations[table.slots[slot] - 1];
    if (known.hash == hash && known.key_size == size && std::memcmp(known.key, key, size) == 0) {
      return known;
    }
  }
  Operation& added = table.operations.emplace_back();
  added.key = key;
  added.hash = hash;
  added.key_size = static_cast<std::uint32_t>(size);
  table.slots[slot] = static_cast<std::uint32_t>(table.operations.size());
  return table.operations.back();
}

const char* BatchBuilder::pack_row(TableOperations& table, Row cells, bool& partial) {
  const TablePlan& plan = *table.plan;
  const auto cell_of = [&](std::size_t i) {
    const PlannedColumn& column = plan.columns[i];
    if (!column.added()) return cells[column.source];
    if (column.constant == "{deleted}") return Cell::null();
    if (!depends_on_transaction(column)) return Cell(table.added[i]);
    if (execute_time_.empty()) execute_time_ = timestamp_text(commit_time_);
    if (column.constant == "{execute_time}") return Cell(execute_time_);
    table.added[i] = added_value(column, plan, "", execute_time_).value_or("");
    return Cell(table.added[i]);
  };
  std::size_t size = 0;
  partial = false;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    const Cell cell = cell_of(i);
    size += packed_size(cell);
    partial |= cell.is_absent();
  }
  char* const row = arena_.allocate(size);
  char* at = row;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) at = pack(cell_of(i), at);
  return row;
}

bool BatchBuilder::add(const RowChange& change) {
  TableOperations& table = tables_[change.table];
  const TablePlan& plan = *table.plan;
  ++row_events_;
  if (plan.key.empty()) {
    add_whole_rows(table, change);
    return true;
  }
  const bool keeps_deleted = plan.deletes.kind == DeletePolicy::Kind::ignore;
  if (change.op == RowChange::Op::remove) {
    if (!keeps_deleted) operation_for(table, change.before).row = nullptr;
    return true;
  }
  const bool same_key = change.op == RowChange::Op::insert ||
                        std::all_of(plan.key.begin(), plan.key.end(), [&](std::uint32_t part) {
                          const std::uint32_t column = plan.columns[part].source;
                          return change.before[column].text() == change.after[column].text();
                        });
  bool partial = false;
  const char* const row = pack_row(table, change.after, partial);
  if (partial && !same_key) return add_move(table, change);
  if (partial) {
    add_partial(table, change.after, row);
    return true;
  }
  if (!same_key && !keeps_deleted) operation_for(table, change.before).row = nullptr;
  Operation& operation = operation_for(table, change.after);
  operation.row = row;
  operation.partial = false;
  return true;
}

void BatchBuilder::truncate(std::uint32_t id) {
  TableOperations& table = tables_[id];
  ++row_events_;
  if (!table.touched()) touched_.push_back(id);
  if (!table.slots.empty()) clear_slots(table);
  table.operations.clear();
  table.counts.clear();
  table.moves.clear();
  table.truncated = true;
}

const BatchBuilder::Operation* BatchBuilder::find(const TableOperations& table, Row cells) {
  if (table.slots.empty()) return nullptr;
  std::size_t size = 0;
  const char* const key = pack_key(*table.plan, cells, size);
  const std::uint64_t hash = std::hash<std::string_view>()({key, size});
  const std::size_t mask = table.slots.size() - 1;
  for (std::size_t slot = hash & mask; table.slots[slot] != 0; slot = (slot + 1) & mask) {
    const Operation& known = table.operations[table.slots[slot] - 1];
    if (known.hash == hash && known.key_size == size && std::memcmp(known.key, key, size) == 0) {
      return &known;
    }
  }
  return nullptr;
}

Row BatchBuilder::filled(const TablePlan& plan, Row cells, const char* known) {
  filled_.assign(cells.begin(), cells.end());
  for (const PlannedColumn& column : plan.columns) {
    const Cell cell = PackedRow::take(known);
    if (column.added()) break;
    if (filled_[column.source].is_absent()) filled_[column.source] = cell;
  }
  return filled_;
}

void BatchBuilder::add_partial(TableOperations& table, Row cells, const char* row) {
  Operation& operation = operation_for(table, cells);
  const bool is_new = operation.row == nullptr;
  operation.partial = true;
  if (!is_new) row = pack_row(table, filled(*table.plan, cells, operation.row), operation.partial);
  operation.row = row;
}

bool BatchBuilder::add_move(TableOperations& table, const RowChange& change) {
  const TablePlan& plan = *table.plan;
  const bool keeps_deleted = plan.deletes.kind == DeletePolicy::Kind::ignore;
  const Operation* from = find(table, change.before);
  if (from != nullptr && from->row != nullptr && !from->partial) {
    // All of the row is known here.
    bool partial = false;
    const char* const row = pack_row(table, filled(plan, change.after, from->row), partial);
    if (!keeps_deleted) operation_for(table, change.before).row = nullptr;
    Operation& operation = operation_for(table, change.after);
    operation.row = row;
    operation.partial = false;
    return true;
  }
  // Moves go before everything else of a batch.
  if (from != nullptr || find(table, change.after) != nullptr) {
    --row_events_;
    return false;
  }
  if (!table.touched()) touched_.push_back(plan.id);
  bool partial = false;
  std::size_t size = 0;
  const char* const key = pack_key(plan, change.before, size);
  table.moves.push_back({{key}, {pack_row(table, change.after, partial)}});
  return true;
}

const char* BatchBuilder::pack_remove(TableOperations& table, Row cells, bool marked,
                                      std::size_t& key_size) {
  const TablePlan& plan = *table.plan;
  if (marked && execute_time_.empty()) execute_time_ = timestamp_text(commit_time_);
  const auto cell_of = [&](const PlannedColumn& column) {
    if (!column.added()) return cells[column.source];
    return marked && column.constant == "{deleted}" ? Cell(execute_time_) : Cell::null();
  };
  std::size_t size = 0;
  for (const PlannedColumn& column : plan.columns) size += packed_size(cell_of(column));
  char* const row = arena_.allocate(size);
  char* at = row;
  key_size = 0;
  for (const PlannedColumn& column : plan.columns) {
    at = pack(cell_of(column), at);
    // The added columns are the last, so what stands before them is what tells rows apart.
    if (!column.added()) key_size = static_cast<std::size_t>(at - row);
  }
  return row;
}

BatchBuilder::RowCount& BatchBuilder::count_of(TableOperations& table, const char* row,
                                               std::size_t key_size) {
  const Operation& operation = operation_at(table, row, key_size);
  table.counts.resize(table.operations.size());
  return table.counts[static_cast<std::size_t>(&operation - table.operations.data())];
}

void BatchBuilder::add_whole_rows(TableOperations& table, const RowChange& change) {
  const DeletePolicy::Kind deletes = table.plan->deletes.kind;
  std::size_t key_size = 0;
  if (change.op == RowChange::Op::remove) {
    if (deletes == DeletePolicy::Kind::ignore) return;
    const bool marked = deletes == DeletePolicy::Kind::soft;
    const char* const row = pack_remove(table, change.before, marked, key_size);
    RowCount& count = count_of(table, row, key_size);
    ++count.deleted;
    count.marking = row;
    return;
  }
  Row after = change.after;
  if (change.op == RowChange::Op::update) {
    const char* const row = pack_remove(table, change.before, false, key_size);
    RowCount& count = count_of(table, row, key_size);
    ++count.replaced;
    count.going = row;
    // What the log does not carry of the new row is as it was.
    filled_.assign(after.begin(), after.end());
    for (std::size_t i = 0; i < filled_.size(); ++i) {
      if (filled_[i].is_absent()) filled_[i] = change.before[i];
    }
    after = filled_;
  }
  bool partial = false;
  const char* const row = pack_row(table, after, partial);
  key_size = 0;
  const char* at = row;
  if (partial) throw bug("a row without a key that is not whole");
  for (const PlannedColumn& column : table.plan->columns) {
    if (column.added()) break;
    PackedRow::take(at);
  }
  key_size = static_cast<std::size_t>(at - row);
  RowCount& count = count_of(table, row, key_size);
  ++count.came;
  count.row = row;
}

void BatchBuilder::take_whole_rows(TableOperations& table, TableChanges& changes) {
  for (const RowCount& count : table.counts) {
    // Which of several equal rows was meant cannot be told, and does not matter: a row that came
    // makes up for one that went. Where deletes leave a mark, first for those that leave none.
    const std::uint32_t gone = count.replaced + count.deleted;
    if (count.came >= gone) {
      changes.upserts.insert(changes.upserts.end(), count.came - gone, PackedRow{count.row});
      continue;
    }
    const std::uint32_t going = count.replaced - std::min(count.replaced, count.came);
    const std::uint32_t marking = gone - count.came - going;
    changes.removes.insert(changes.removes.end(), going, PackedRow{count.going});
    changes.removes.insert(changes.removes.end(), marking, PackedRow{count.marking});
  }
  table.counts.clear();
}

void BatchBuilder::take(Sealed& out, bool ends_transaction) {
  ChangeBatch& batch = out.batch;
  batch.tables.resize(touched_.size());
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    TableOperations& table = tables_[touched_[i]];
    TableChanges& changes = batch.tables[i];
    changes.table = touched_[i];
    changes.truncated = std::exchange(table.truncated, false);
    changes.removes.clear();
    changes.upserts.clear();
    changes.patches.clear();
    changes.moves.clear();
    std::swap(changes.moves, table.moves);
    if (table.plan->key.empty()) {
      take_whole_rows(table, changes);
    } else {
      for (const Operation& operation : table.operations) {
        if (operation.row == nullptr) {
          changes.removes.push_back({operation.key});
        } else if (operation.partial) {
          changes.patches.push_back({operation.row});
        } else {
          changes.upserts.push_back({operation.row});
        }
      }
    }
    clear_slots(table);
    table.operations.clear();
  }
  touched_.clear();
  batch.ends_transaction = ends_transaction;
  batch.first_commit = first_commit_;
  batch.last_commit = ends_transaction ? last_commit_ : commit_time_;
  batch.transactions = std::exchange(transactions_, 0);
  batch.row_events = std::exchange(row_events_, 0);
  batch.bytes = arena_.used();
  out.arena.clear();
  std::swap(out.arena, arena_);
  first_commit_ = ends_transaction ? Time{} : commit_time_;
}

}  // namespace weir
