// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/counters.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace weir::mysql {
namespace {

constexpr CounterNumber kLargest = 9'223'372'036'854'775'807;
/// What a sequence of MariaDB leaves out at both ends unless it is told to.
constexpr CounterNumber kLargestOfSequence = kLargest - 1;

/// The largest number that a column of this type holds: "int(10) unsigned".
CounterNumber largest_of(std::string_view column_type) {
  constexpr std::pair<std::string_view, int> kBits[] = {
      {"tinyint", 8}, {"smallint", 16}, {"mediumint", 24}, {"int", 32}};
  const bool is_unsigned = column_type.find("unsigned") != std::string_view::npos;
  int bits = 64;
  for (const auto& [word, size] : kBits) {
    if (column_type.starts_with(word)) bits = size;
  }
  return (CounterNumber{1} << (is_unsigned ? bits : bits - 1)) - 1;
}

/// Where a sequence of MariaDB stands; empty if there is none of that name.
std::optional<CounterState> read_sequence(MysqlConnection& connection, const TableName& name) {
  const auto rows = connection.query(
      fmt::format("SELECT next_not_cached_value, increment, minimum_value, maximum_value, "
                  "cycle_option FROM {}.{}",
                  mysql_identifier(name.schema), mysql_identifier(name.table)));
  if (rows.empty()) return {};
  const auto number = [&](std::size_t i) { return parse_counter_number(rows[0][i].value_or("0")); };
  CounterState state;
  state.next = number(0);
  state.increment = number(1) == 0 ? 1 : number(1);
  state.smallest = number(2);
  state.largest = number(3);
  state.cycles = number(4) != 0;
  state.own_bounds = state.goes_down() ? state.largest != -1 || state.smallest != -kLargest
                                       : state.smallest != 1 || state.largest != kLargestOfSequence;
  return state;
}

/// The sequence in a default as MariaDB shows it: nextval(`shop`.`order_no`).
std::optional<TableName> drawn_from(std::string_view text) {
  constexpr std::string_view kBegin = "nextval(";
  if (!text.starts_with(kBegin) || !text.ends_with(')')) return {};
  text.remove_prefix(kBegin.size());
  text.remove_suffix(1);
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '.') continue;
    if (text[at] != '`') return {};
    std::string& part = parts.emplace_back();
    for (++at; at < text.size(); ++at) {
      if (text[at] == '`' && (at + 1 == text.size() || text[++at] != '`')) break;
      part += text[at];
    }
  }
  if (parts.size() != 2) return {};
  return TableName{parts[0], parts[1]};
}

void read_columns(MysqlConnection& connection, const std::string& schema,
                  const std::set<std::string>& tables, std::vector<Counter>& out) {
  const std::string condition = "table_schema = " + connection.quote(schema);
  std::map<std::string, CounterNumber> next;
  std::vector<Counter> found;
  for (const auto& row : connection.query(
           "SELECT table_name, column_name, column_type, extra LIKE '%auto_increment%', "
           "column_default FROM information_schema.columns WHERE " +
           condition +
           " AND (extra LIKE '%auto_increment%' OR column_default LIKE 'nextval(%') ORDER BY "
           "table_name, ordinal_position")) {
    Counter counter;
    counter.name = {schema, row[0].value_or("")};
    if (!tables.contains(counter.name.table)) continue;
    counter.column = row[1].value_or("");
    if (row[3] == "1") {
      counter.state.largest = largest_of(row[2].value_or(""));
    } else {
      const auto sequence =
          connection.is_mariadb() ? drawn_from(row[4].value_or("")) : std::nullopt;
      const auto state = sequence ? read_sequence(connection, *sequence) : std::nullopt;
      if (!state) continue;
      counter.sequence = *sequence;
      counter.state = *state;
    }
    found.push_back(std::move(counter));
  }
  if (found.empty()) return;
  for (const auto& row : connection.query(
           "SELECT table_name, auto_increment FROM information_schema.tables WHERE " + condition)) {
    // A table that never counted may tell nothing.
    if (row[1]) next[row[0].value_or("")] = parse_counter_number(*row[1]);
  }
  for (Counter& counter : found) {
    const auto at = next.find(counter.name.table);
    if (counter.sequence.table.empty() && at != next.end()) counter.state.next = at->second;
    out.push_back(std::move(counter));
  }
}

void read_sequences(MysqlConnection& connection, const std::string& schema,
                    std::vector<Counter>& out) {
  for (const auto& row : connection.query(
           "SELECT table_name FROM information_schema.tables WHERE table_type = 'SEQUENCE' AND "
           "table_schema = " +
           connection.quote(schema) + " ORDER BY table_name")) {
    Counter counter;
    counter.name = {schema, row[0].value_or("")};
    counter.state = read_sequence(connection, counter.name).value_or(CounterState{});
    out.push_back(std::move(counter));
  }
}

}  // namespace

std::vector<Counter> read_counters(MysqlConnection& connection, std::span<const TablePlan> plans) {
  std::map<std::string, std::set<std::string>> schemas;
  for (const TablePlan& plan : plans) {
    schemas[plan.source.name.schema].insert(plan.source.name.table);
  }
  // Else MySQL 8 tells what it knew up to a day ago.
  if (!connection.is_mariadb() && connection.server_version_number() >= 80000) {
    connection.execute("SET SESSION information_schema_stats_expiry = 0");
  }
  std::vector<Counter> out;
  for (const auto& [schema, tables] : schemas) read_columns(connection, schema, tables, out);
  if (!connection.is_mariadb()) return out;
  for (const auto& [schema, tables] : schemas) read_sequences(connection, schema, out);
  return out;
}

}  // namespace weir::mysql
