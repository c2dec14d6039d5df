// SPDX-License-Identifier: Apache-2.0
#include "target/mysql/counters.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "target/mysql/control.h"

namespace weir::mysqltarget {
namespace {

constexpr CounterNumber kLargest = 9'223'372'036'854'775'807;
/// What a sequence of MariaDB leaves out at both ends.
constexpr CounterNumber kLargestOfSequence = kLargest - 1;

/// The largest number that a column holds; 0 if it is no integer.
CounterNumber largest_of(std::string_view data_type, std::string_view column_type) {
  constexpr std::pair<std::string_view, int> kBits[] = {
      {"tinyint", 8}, {"smallint", 16}, {"mediumint", 24}, {"int", 32}, {"bigint", 64}};
  const bool is_unsigned = column_type.find("unsigned") != std::string_view::npos;
  for (const auto& [word, bits] : kBits) {
    if (data_type == word) return (CounterNumber{1} << (is_unsigned ? bits : bits - 1)) - 1;
  }
  return 0;
}

/// Whether a column counts that has these words in EXTRA.
bool counts(std::string_view extra) {
  return to_lower(extra).find("auto_increment") != std::string::npos;
}

FoundCounter find_column(MysqlConnection& connection, const CounterPlace& place) {
  FoundCounter found;
  const std::string table = qualified(place.name);
  const std::string condition =
      fmt::format("table_schema = {} AND table_name = {}", connection.quote(place.name.schema),
                  connection.quote(place.name.table));
  const auto rows = connection.query(fmt::format(
      "SELECT extra, data_type, column_type, column_key FROM information_schema.columns WHERE {} "
      "AND column_name = {}",
      condition, connection.quote(place.column)));
  if (rows.empty()) {
    found.why = "the target has no such column";
    return found;
  }
  const std::string type = rows[0][2].value_or("");
  const CounterNumber largest = largest_of(to_lower(rows[0][1].value_or("")), type);
  const std::string column = mysql_identifier(place.column);
  if (!counts(rows[0][0].value_or(""))) {
    found.why =
        largest == 0 ? "the target column is no integer" : "the target column counts nothing";
    if (largest == 0) return found;
    const bool is_indexed = rows[0][3].value_or("") != "";
    found.fix = fmt::format(
        "ALTER TABLE {} MODIFY COLUMN {} {} NOT NULL AUTO_INCREMENT{}; the server "
        "copies the table for that",
        table, column, type, is_indexed ? "" : fmt::format(", ADD KEY ({})", column));
    return found;
  }
  found.kind = FoundCounter::Kind::counts;
  found.name = table;
  found.state.largest = largest == 0 ? kLargest : largest;
  const auto next =
      connection.scalar("SELECT auto_increment FROM information_schema.tables WHERE " + condition);
  // A table that never counted may tell nothing.
  if (next) found.state.next = parse_counter_number(*next);
  if (const auto last = connection.scalar(
          fmt::format("SELECT CAST(MAX({}) AS DECIMAL(20,0)) FROM {}", column, table))) {
    found.last_key = parse_counter_number(*last);
    // At the end of its type the server goes on telling the last number.
    found.state.next = std::max(found.state.next, *found.last_key + 1);
  }
  found.wanted = found.state;
  return found;
}

/// Of a sequence that goes on from here as `like` says.
CounterState shaped(const CounterState& like) {
  CounterState out = like;
  if (!like.own_bounds) {
    out.smallest = like.goes_down() ? -kLargest : 1;
    out.largest = like.goes_down() ? -1 : kLargestOfSequence;
  }
  out.smallest = std::clamp(out.smallest, -kLargest, kLargestOfSequence);
  out.largest = std::clamp(out.largest, -kLargest, kLargestOfSequence);
  return out;
}

FoundCounter find_sequence(MysqlConnection& connection, const CounterPlace& place) {
  FoundCounter found;
  const auto kind = connection.scalar(
      fmt::format("SELECT table_type FROM information_schema.tables WHERE table_schema = {} AND "
                  "table_name = {}",
                  connection.quote(place.name.schema), connection.quote(place.name.table)));
  if (!connection.is_mariadb()) {
    found.why = "MySQL has no sequences";
    return found;
  }
  if (kind && *kind != "SEQUENCE") {
    found.why = fmt::format("{} is there and is no sequence", place.name.text());
    found.fix = "give the table that has the name another target name";
    return found;
  }
  found.name = qualified(place.name);
  found.wanted = shaped(place.like);
  if (!kind) {
    found.why = "there is no such sequence yet";
    found.can_make = connection
                         .scalar("SELECT 1 FROM information_schema.schemata WHERE schema_name = " +
                                 connection.quote(place.name.schema))
                         .has_value();
    if (!found.can_make) {
      found.why = fmt::format("there is no database {}", place.name.schema);
      found.fix = fmt::format("CREATE DATABASE {}", mysql_identifier(place.name.schema));
    }
    return found;
  }
  const auto rows = connection.query(
      "SELECT next_not_cached_value, increment, minimum_value, maximum_value, cycle_option FROM " +
      found.name);
  const auto number = [&](std::size_t i) { return parse_counter_number(rows[0][i].value_or("0")); };
  CounterState& state = found.state;
  state.next = number(0);
  state.increment = number(1) == 0 ? 1 : number(1);
  state.smallest = number(2);
  state.largest = number(3);
  state.cycles = number(4) != 0;
  found.kind = FoundCounter::Kind::counts;
  found.reshape = state.increment != found.wanted.increment ||
                  state.cycles != found.wanted.cycles || state.smallest != found.wanted.smallest ||
                  state.largest != found.wanted.largest;
  return found;
}

std::string shape_sql(const CounterState& state) {
  return fmt::format("INCREMENT BY {} MINVALUE {} MAXVALUE {} {}", to_string(state.increment),
                     to_string(state.smallest), to_string(state.largest),
                     state.cycles ? "CYCLE" : "NOCYCLE");
}

}  // namespace

std::vector<FoundCounter> find_counters(MysqlConnection& connection,
                                        std::span<const CounterPlace> places) {
  // Else MySQL 8 tells what it knew up to a day ago.
  if (!connection.is_mariadb() && connection.server_version_number() >= 80000) {
    connection.execute("SET SESSION information_schema_stats_expiry = 0");
  }
  std::vector<FoundCounter> out;
  for (const CounterPlace& place : places) {
    out.push_back(place.column.empty() ? find_sequence(connection, place)
                                       : find_column(connection, place));
  }
  return out;
}

std::vector<std::string> counter_sql(const CounterPlace& place, const FoundCounter& found,
                                     CounterNumber next) {
  const CounterState& wanted = found.wanted;
  const CounterNumber given = std::clamp(next, wanted.smallest, wanted.largest);
  if (!place.column.empty()) {
    if (found.kind != FoundCounter::Kind::counts) return {};
    return {fmt::format("ALTER TABLE {} AUTO_INCREMENT = {}", found.name, to_string(given))};
  }
  const std::string set =
      fmt::format("SELECT SETVAL({}, {}, {})", found.name, to_string(given), given == next ? 0 : 1);
  if (found.kind == FoundCounter::Kind::counts) {
    if (!found.reshape) return {set};
    return {fmt::format("ALTER SEQUENCE {} {} START WITH {} RESTART {}", found.name,
                        shape_sql(wanted), to_string(given), to_string(given)),
            set};
  }
  if (!found.can_make) return {};
  const std::string create = fmt::format("CREATE SEQUENCE {} START WITH {} {}", found.name,
                                         to_string(given), shape_sql(wanted));
  if (given == next) return {create};
  return {create, set};
}

void run_counter_sql(MysqlConnection& connection, std::span<const std::string> statements) {
  connection.execute("SET SESSION lock_wait_timeout = 10");
  for (const std::string& statement : statements) connection.execute(statement);
}

}  // namespace weir::mysqltarget
