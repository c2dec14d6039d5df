// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/counters.h"

#include <algorithm>
#include <map>
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

void read_columns(MysqlConnection& connection, const std::string& schema,
                  const std::set<std::string>& tables, std::vector<Counter>& out) {
  const std::string condition = "table_schema = " + connection.quote(schema);
  std::map<std::string, Counter> found;
  for (const auto& row : connection.query(
           "SELECT table_name, column_name, column_type FROM information_schema.columns WHERE " +
           condition + " AND extra LIKE '%auto_increment%'")) {
    const std::string table = row[0].value_or("");
    if (!tables.contains(table)) continue;
    Counter& counter = found[table];
    counter.name = {schema, table};
    counter.column = row[1].value_or("");
    counter.state.largest = largest_of(row[2].value_or(""));
  }
  if (found.empty()) return;
  for (const auto& row : connection.query(
           "SELECT table_name, auto_increment FROM information_schema.tables WHERE " + condition)) {
    const auto at = found.find(row[0].value_or(""));
    // A table that never counted may tell nothing.
    if (at != found.end() && row[1]) at->second.state.next = parse_counter_number(*row[1]);
  }
  for (auto& [table, counter] : found) out.push_back(std::move(counter));
}

void read_sequences(MysqlConnection& connection, const std::string& schema,
                    std::vector<Counter>& out) {
  for (const auto& row : connection.query(
           "SELECT table_name FROM information_schema.tables WHERE table_type = 'SEQUENCE' AND "
           "table_schema = " +
           connection.quote(schema) + " ORDER BY table_name")) {
    Counter counter;
    counter.name = {schema, row[0].value_or("")};
    const auto values = connection.query(
        fmt::format("SELECT next_not_cached_value, increment, minimum_value, maximum_value, "
                    "cycle_option FROM {}.{}",
                    mysql_identifier(schema), mysql_identifier(counter.name.table)));
    if (values.empty()) continue;  // it was dropped meanwhile
    const auto number = [&](std::size_t i) {
      return parse_counter_number(values.front()[i].value_or("0"));
    };
    CounterState& state = counter.state;
    state.next = number(0);
    state.increment = number(1) == 0 ? 1 : number(1);
    state.smallest = number(2);
    state.largest = number(3);
    state.cycles = number(4) != 0;
    state.own_bounds = state.goes_down()
                           ? state.largest != -1 || state.smallest != -kLargest
                           : state.smallest != 1 || state.largest != kLargestOfSequence;
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
