// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/rows.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "model/definition.h"
#include "source/mysql/catalog.h"
#include "source/mysql/start.h"

namespace weir::mysql {
namespace {

constexpr std::uint64_t kChunksPerRange = 5;
constexpr std::uint64_t kMaxRanges = 64;
constexpr std::size_t kArenaLimit = std::size_t{1} << 20;
constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();
constexpr int kSnapshotTries = 5;
constexpr unsigned kDefinitionChanged = 1412;

/// The places in Table::columns of the plan's key.
std::vector<std::uint32_t> key_columns(const TablePlan& plan) {
  std::vector<std::uint32_t> out;
  for (const std::uint32_t part : plan.key) out.push_back(plan.columns[part].source);
  return out;
}

bool is_integer(TypeKind kind) { return kind >= TypeKind::int8 && kind <= TypeKind::uint64; }

/// Evenly spaced inner bounds between two integers of up to 64 bits, ascending, each below `high`.
std::vector<std::string> inner_bounds(const std::string& low, const std::string& high,
                                      std::uint64_t parts, bool is_unsigned) {
  const auto parse = [is_unsigned](const std::string& text) {
    return is_unsigned ? std::strtoull(text.c_str(), nullptr, 10)
                       : static_cast<std::uint64_t>(std::strtoll(text.c_str(), nullptr, 10));
  };
  // Distances are right in unsigned arithmetic for signed values too.
  const std::uint64_t first = parse(low);
  const std::uint64_t step = (parse(high) - first) / parts;
  std::vector<std::string> out;
  for (std::uint64_t i = 1; step > 0 && i < parts; ++i) {
    const std::uint64_t bound = first + step * i;
    out.push_back(is_unsigned ? std::to_string(bound)
                              : std::to_string(static_cast<std::int64_t>(bound)));
  }
  return out;
}

}  // namespace

TableReader::TableReader(const Endpoint& endpoint, TypeSettings types)
    : endpoint_(endpoint),
      connection_(endpoint, MysqlConnection::Role::source),
      types_(std::move(types)) {
  // Chunks are read outside any transaction: each statement sees what is committed when it begins.
  connection_.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY");
}

std::vector<KeyRange> TableReader::ranges(const TablePlan& plan, const FullSettings& settings) {
  const std::vector<std::uint32_t> key = key_columns(plan);
  KeyRange all;
  if (key.empty() || !can_read_in_order(plan.source, key)) {
    all.whole = true;
    return {all};
  }
  const Column& first = plan.source.columns[key.front()];
  const std::uint64_t parts =
      std::min(kMaxRanges, plan.source.estimated_rows / (settings.chunk_rows * kChunksPerRange));
  if (key.size() > 1 || !is_integer(first.type.kind) || parts < 2) return {all};

  const std::string name = mysql_identifier(first.name);
  const auto bounds = connection_.query(fmt::format("SELECT MIN({0}), MAX({0}) FROM {1}.{2}", name,
                                                    mysql_identifier(plan.source.name.schema),
                                                    mysql_identifier(plan.source.name.table)));
  if (!bounds[0][0]) return {all};
  std::vector<KeyRange> out(1);
  for (std::string& bound :
       inner_bounds(*bounds[0][0], *bounds[0][1], parts, first.type.kind >= TypeKind::uint8)) {
    out.back().upto = {bound};
    KeyRange next;
    next.number = static_cast<std::uint32_t>(out.size());
    next.after = {std::move(bound)};
    out.push_back(std::move(next));
  }
  return out;
}

std::string key_literal(const Column& column, const std::string& cell,
                        const MysqlConnection& connection) {
  switch (column.type.kind) {
    case TypeKind::text:
      if (column.charset == "binary") break;
      // Converted and collated here, the index of the column can be used whatever its charset.
      return fmt::format("CONVERT(_utf8mb4 X'{}' USING {}) COLLATE {}", hex(cell), column.charset,
                         column.collation);
    case TypeKind::bytes:
      break;
    case TypeKind::date:
    case TypeKind::datetime:
    case TypeKind::timestamp:
    case TypeKind::uuid:
    case TypeKind::inet:
      return connection.quote(cell);
    default:
      return cell;
  }
  return fmt::format("X'{}'", hex(cell));
}

std::string TableReader::chunk_query(const TablePlan& plan, const KeyRange& range,
                                     const KeyCells& after, std::uint64_t limit) const {
  std::string sql = "SELECT ";
  bool first = true;
  for (const PlannedColumn& column : plan.columns) {
    if (column.added()) continue;
    if (!std::exchange(first, false)) sql += ", ";
    sql += select_expression(plan.source.columns[column.source]);
  }
  sql += fmt::format(" FROM {}.{}", mysql_identifier(plan.source.name.schema),
                     mysql_identifier(plan.source.name.table));
  if (range.whole) return sql;

  const std::vector<std::uint32_t> key = key_columns(plan);
  const bool own_key = key == plan.source.key;
  if (own_key) sql += fmt::format(" FORCE INDEX ({})", mysql_identifier(plan.source.key_name));

  std::string order;
  for (const std::uint32_t column : key) {
    if (!order.empty()) order += ", ";
    order += mysql_identifier(plan.source.columns[column].name);
  }
  // (a > x) OR (a = x AND b > y) ...: the form that the servers turn into ranges of an index, which
  // they do not do with (a, b) > (x, y).
  const auto beyond = [&](const KeyCells& bound) {
    std::string out;
    std::string equal;
    for (std::size_t i = 0; i < key.size(); ++i) {
      const Column& column = plan.source.columns[key[i]];
      const std::string name = mysql_identifier(column.name);
      const std::string literal = key_literal(column, bound[i], connection_);
      if (!out.empty()) out += " OR ";
      out += fmt::format("({}{} > {})", equal, name, literal);
      equal += fmt::format("{} = {} AND ", name, literal);
    }
    return out;
  };
  std::string condition;
  const KeyCells& from = after.empty() ? range.after : after;
  if (!from.empty()) condition = fmt::format("({})", beyond(from));
  if (!range.upto.empty()) {
    const Column& column = plan.source.columns[key.front()];
    if (!condition.empty()) condition += " AND ";
    condition += fmt::format("{} <= {}", mysql_identifier(column.name),
                             key_literal(column, range.upto.front(), connection_));
  }
  if (!condition.empty()) sql += " WHERE " + condition;
  return sql + fmt::format(" ORDER BY {} LIMIT {}", order, limit);
}

ChunkResult TableReader::read(const TablePlan& plan, const KeyRange& range, const KeyCells& after,
                              std::uint64_t limit, RowSink& sink) {
  const std::string sql = chunk_query(plan, range, after, limit);
  if (plan.key.empty()) return read_snapshot(plan, sql, sink);
  ChunkResult result;
  read_rows(plan, sql, range.whole ? kNoLimit : limit, sink, result);
  return result;
}

ChunkResult TableReader::read_snapshot(const TablePlan& plan, const std::string& sql,
                                       RowSink& sink) {
  for (int attempt = 1;; ++attempt) {
    const Offset snapshot{begin_exact_snapshot(connection_, endpoint_, plan.source.name).text(),
                          now()};
    ChunkResult result;
    try {
      read_rows(plan, sql, kNoLimit, sink, result);
    } catch (const Error&) {
      // TRUNCATE or ALTER came between the snapshot and the statement.
      const bool too_old = connection_.error_number() == kDefinitionChanged;
      if (!too_old || result.rows > 0 || attempt == kSnapshotTries) throw;
      continue;
    }
    check_definition(plan);
    connection_.execute("ROLLBACK");
    result.snapshot = snapshot;
    return result;
  }
}

void TableReader::check_definition(const TablePlan& plan) {
  // The open transaction keeps the table from being altered, so this is what the snapshot saw.
  const std::vector<Table> now_seen = describe_tables(connection_, types_, {&plan.source.name, 1});
  if (encode_definition(now_seen.front()) == encode_definition(plan.source)) return;
  throw Error(
      ExitCode::refused, "mysql.definition-moved",
      fmt::format("{} changed its definition before it was copied", plan.source.name.text()),
      "a table without a key is copied from one snapshot, and the changes after it are read "
      "by the definition that the task was started with",
      "begin the task anew with empty target tables: weir-control(7) has the statement");
}

void TableReader::read_rows(const TablePlan& plan, const std::string& sql, std::uint64_t limit,
                            RowSink& sink, ChunkResult& result) {
  std::vector<TextFix> fixes;
  std::vector<const Column*> columns;
  std::vector<std::uint32_t> cell_of(plan.columns.size());
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    if (plan.columns[i].added()) continue;
    const Column& column = plan.source.columns[plan.columns[i].source];
    cell_of[i] = static_cast<std::uint32_t>(columns.size());
    fixes.push_back(text_fix(column, types_));
    columns.push_back(&column);
  }
  const std::size_t count = columns.size();
  cells_.assign(count, Cell());
  arena_.clear();

  MysqlConnection::Stream rows = connection_.stream(sql);
  while (rows.next()) {
    const char* const* cells = rows.cells();
    const unsigned long* sizes = rows.sizes();
    for (std::size_t i = 0; i < count; ++i) {
      if (cells[i] == nullptr) {
        cells_[i] = Cell::null();
        continue;
      }
      result.bytes += sizes[i];
      cells_[i] = fixes[i] == nullptr ? Cell(cells[i], sizes[i])
                                      : fixes[i](*columns[i], types_, {cells[i], sizes[i]}, arena_);
    }
    sink.row(cells_);
    if (++result.rows == limit) {
      for (const std::uint32_t part : plan.key)
        result.last.emplace_back(cells_[cell_of[part]].text());
    }
    if (arena_.used() > kArenaLimit) arena_.clear();
  }
  result.done = result.rows < limit;
}

}  // namespace weir::mysql
