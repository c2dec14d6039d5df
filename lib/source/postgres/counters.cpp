// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/counters.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "source/postgres/catalog.h"

namespace weir::pgsource {
namespace {

/// A statement that asks so many sequences is still a short one.
constexpr std::size_t kAtOnce = 200;

/// What every query here tells of a sequence `s` in schema `sn`, with `q` as its row of
/// pg_sequence. The type's own bounds are those of an ascending or descending sequence without any.
constexpr const char* kShape =
    "sn.nspname, s.relname, q.seqincrement, q.seqmin, q.seqmax, q.seqcycle, CASE q.seqtypid WHEN "
    "'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 ELSE 9223372036854775807 END, "
    "has_sequence_privilege(s.oid, 'SELECT')";

/// The sequence of each column: that of an identity, or the one that its default draws from.
constexpr const char* kDraws =
    "SELECT d.refobjid AS relation, d.refobjsubid AS place, d.objid AS sequence FROM pg_depend d "
    "WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype "
    "= 'i' AND d.refobjsubid > 0 UNION SELECT f.adrelid, f.adnum, d.refobjid FROM pg_attrdef f "
    "JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = "
    "'pg_class'::regclass WHERE d.refobjid <> f.adrelid";

struct Sequence {
  TableName name;
  CounterState state;
};

Sequence read_shape(const PgResult& rows, std::size_t row, std::size_t first) {
  const auto number = [&](std::size_t column) {
    return parse_counter_number(rows.text(row, first + column));
  };
  Sequence out;
  out.name = {std::string(rows.text(row, first)), std::string(rows.text(row, first + 1))};
  if (rows.text(row, first + 7) != "t") {
    throw Error(
        ExitCode::refused, "postgres.sequence-hidden",
        fmt::format("the role may not read the sequence {}", out.name.text()),
        "where a counter stands cannot be told without reading it",
        fmt::format("GRANT SELECT ON SEQUENCE {} TO the role of [source]", qualified(out.name)));
  }
  out.state.increment = number(2);
  out.state.smallest = number(3);
  out.state.largest = number(4);
  out.state.cycles = rows.text(row, first + 5) == "t";
  const CounterNumber most = number(6);
  const bool usual = out.state.goes_down()
                         ? out.state.largest == -1 && out.state.smallest == -most - 1
                         : out.state.smallest == 1 && out.state.largest == most;
  out.state.own_bounds = !usual;
  return out;
}

/// Where the sequences stand.
void read_next(PgConnection& connection, std::map<TableName, Sequence>& sequences) {
  std::vector<Sequence*> all;
  for (auto& [name, sequence] : sequences) all.push_back(&sequence);
  for (std::size_t first = 0; first < all.size(); first += kAtOnce) {
    const std::size_t end = std::min(first + kAtOnce, all.size());
    std::string sql;
    for (std::size_t i = first; i < end; ++i) {
      sql += fmt::format("{}SELECT {} AS i, last_value, is_called FROM {}",
                         i == first ? "" : " UNION ALL ", i - first, qualified(all[i]->name));
    }
    const PgResult rows = connection.query(sql + " ORDER BY i");
    for (std::size_t i = first; i < end; ++i) {
      CounterState& state = all[i]->state;
      state.next = parse_counter_number(rows.text(i - first, 1));
      if (rows.text(i - first, 2) == "t") state.next += state.increment;
      if (state.used_up() && state.cycles) {
        state.next = state.goes_down() ? state.largest : state.smallest;
      }
    }
  }
}

}  // namespace

std::vector<Counter> read_counters(PgConnection& connection, std::span<const TablePlan> plans) {
  std::set<TableName> tables;
  std::set<std::string> schemas;
  for (const TablePlan& plan : plans) {
    tables.insert(plan.source.name);
    schemas.insert(plan.source.name.schema);
  }
  if (tables.empty()) return {};
  std::string list;
  for (const std::string& schema : schemas) {
    list += (list.empty() ? "" : ", ") + connection.quote(schema);
  }

  std::map<TableName, Sequence> sequences;
  std::vector<Counter> out;
  std::set<TableName> alone;
  const PgResult columns = connection.query(fmt::format(
      "SELECT {}, n.nspname, t.relname, a.attname, a.atttypid IN ('int2'::regtype, "
      "'int4'::regtype, 'int8'::regtype, 'numeric'::regtype), EXISTS (SELECT FROM pg_depend o "
      "WHERE o.classid = 'pg_class'::regclass AND o.objid = s.oid AND o.refclassid = "
      "'pg_class'::regclass AND o.refobjsubid > 0 AND o.deptype IN ('a', 'i')) FROM ({}) AS u JOIN "
      "pg_class t ON t.oid = u.relation JOIN pg_namespace n ON n.oid = t.relnamespace JOIN "
      "pg_attribute a ON a.attrelid = t.oid AND a.attnum = u.place AND NOT a.attisdropped JOIN "
      "pg_class s ON s.oid = u.sequence AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = "
      "s.relnamespace JOIN pg_sequence q ON q.seqrelid = s.oid WHERE t.relkind IN ('r', 'p') AND "
      "n.nspname IN ({})",
      kShape, kDraws, list));
  for (std::size_t i = 0; i < columns.rows(); ++i) {
    const TableName table{std::string(columns.text(i, 8)), std::string(columns.text(i, 9))};
    if (!tables.contains(table)) continue;
    Sequence sequence = read_shape(columns, i, 0);
    const TableName name = sequence.name;
    sequences.emplace(name, std::move(sequence));
    const bool counts = columns.text(i, 11) == "t";
    const bool owned = columns.text(i, 12) == "t";
    if (counts) {
      Counter counter;
      counter.name = table;
      counter.column = columns.text(i, 10);
      counter.sequence = name;
      out.push_back(std::move(counter));
    }
    if (!counts || !owned) alone.insert(name);
  }
  const PgResult free = connection.query(fmt::format(
      "SELECT {} FROM pg_class s JOIN pg_namespace sn ON sn.oid = s.relnamespace JOIN pg_sequence "
      "q ON q.seqrelid = s.oid WHERE s.relkind = 'S' AND s.relpersistence <> 't' AND sn.nspname IN "
      "({}) AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND "
      "d.objid = s.oid AND (d.deptype = 'e' OR d.deptype IN ('a', 'i') AND d.refobjsubid > 0))",
      kShape, list));
  for (std::size_t i = 0; i < free.rows(); ++i) {
    Sequence sequence = read_shape(free, i, 0);
    alone.insert(sequence.name);
    sequences.emplace(sequence.name, std::move(sequence));
  }
  read_next(connection, sequences);

  for (Counter& counter : out) counter.state = sequences.at(counter.sequence).state;
  std::sort(out.begin(), out.end(), [](const Counter& a, const Counter& b) {
    return std::tie(a.name, a.column) < std::tie(b.name, b.column);
  });
  for (const TableName& name : alone) {
    Counter counter;
    counter.name = name;
    counter.state = sequences.at(name).state;
    out.push_back(std::move(counter));
  }
  return out;
}

}  // namespace weir::pgsource
