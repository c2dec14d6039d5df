// SPDX-License-Identifier: Apache-2.0
#include "target/sqlite/counters.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "target/sqlite/schema.h"

namespace weir::sqlite {
namespace {

constexpr CounterNumber kLargest = 9'223'372'036'854'775'807;

FoundCounter find(const SqliteDatabase& database, const CounterPlace& place) {
  FoundCounter found;
  if (place.column.empty()) {
    found.why = "SQLite has no sequences";
    return found;
  }
  const auto table = describe(database, place.name.table);
  const TableColumn* column = table ? table->find(place.column) : nullptr;
  if (column == nullptr) {
    found.why = "the target has no such column";
    return found;
  }
  const bool is_rowid = table->has_rowid && table->key.size() == 1 &&
                        equals_ignoring_case(table->key[0], place.column) &&
                        equals_ignoring_case(column->declared, "INTEGER");
  if (!is_rowid) {
    found.why = "SQLite counts only where the whole key is one INTEGER PRIMARY KEY";
    return found;
  }
  const std::string name = sqlite_identifier(place.name.table);
  SqliteStatement last = database.prepare(
      fmt::format("SELECT max({}) FROM {}", sqlite_identifier(place.column), name));
  if (last.step() && !last.is_null(0)) found.last_key = last.integer(0);
  found.state.largest = kLargest;
  found.state.next = found.last_key.value_or(0) + 1;
  found.wanted = found.state;
  SqliteStatement sql = database.prepare(
      "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE");
  sql.bind(place.name.table);
  const bool remembers =
      sql.step() && to_lower(sql.text(1)).find("autoincrement") != std::string::npos;
  if (!remembers) {
    found.kind = FoundCounter::Kind::automatic;
    found.why = "SQLite takes the largest key and adds 1";
    return found;
  }
  found.kind = FoundCounter::Kind::counts;
  found.name = sql.text(0);
  SqliteStatement kept = database.prepare("SELECT seq FROM sqlite_sequence WHERE name = ?");
  kept.bind(found.name);
  if (kept.step()) {
    found.state.next = std::max(found.state.next, CounterNumber{kept.integer(0)} + 1);
  }
  return found;
}

}  // namespace

std::vector<FoundCounter> find_counters(const SqliteDatabase& database,
                                        std::span<const CounterPlace> places) {
  std::vector<FoundCounter> out;
  for (const CounterPlace& place : places) out.push_back(find(database, place));
  return out;
}

std::vector<std::string> counter_sql(const FoundCounter& found, CounterNumber next) {
  if (found.kind != FoundCounter::Kind::counts) return {};
  const std::string name = sqlite_literal(found.name);
  return {fmt::format("DELETE FROM sqlite_sequence WHERE name = {}", name),
          fmt::format("INSERT INTO sqlite_sequence (name, seq) VALUES ({}, {})", name,
                      to_string(std::min(next, found.wanted.largest + 1) - 1))};
}

}  // namespace weir::sqlite
