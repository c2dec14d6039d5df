// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/rows.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "source/postgres/catalog.h"
#include "source/postgres/start.h"

namespace weir::pgsource {
namespace {

constexpr std::uint64_t kChunksPerRange = 5;
constexpr std::uint64_t kMaxRanges = 64;
constexpr double kSampleRows = 20'000;  // some hundreds a range: bounds within a few percent
constexpr std::size_t kShownKey = 200;
constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

/// The places in Table::columns of the plan's key.
std::vector<std::uint32_t> key_columns(const TablePlan& plan) {
  std::vector<std::uint32_t> out;
  for (const std::uint32_t part : plan.key) out.push_back(plan.columns[part].source);
  return out;
}

/// The table without what inherits from it; the partitions of a root belong to it.
std::string from_clause(const Table& table) {
  return (table.engine == "partitioned" ? " FROM " : " FROM ONLY ") + qualified(table.name);
}

std::string select_columns(const TablePlan& plan, CopyFormat format) {
  std::string columns;
  for (const PlannedColumn& planned : plan.columns) {
    if (planned.added()) continue;
    const Column& column = plan.source.columns[planned.source];
    if (!columns.empty()) columns += ", ";
    columns += pg_identifier(column.name);
    // Nothing else tells an integer from a float, if the column became another one meanwhile.
    if (format == CopyFormat::binary) columns += "::" + column.type.native;
  }
  return fmt::format("SELECT {}{} AS r", columns, from_clause(plan.source));
}

char unescaped(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    default:
      return c;
  }
}

/// Takes the backslashes out of a cell; its new size.
std::size_t unescape(char* cell, std::size_t size) {
  char* out = static_cast<char*>(std::memchr(cell, '\\', size));
  if (out == nullptr) return size;
  const char* at = out;
  const char* const end = cell + size;
  while (at < end) {
    if (*at != '\\' || at + 1 == end) {
      *out++ = *at++;
    } else {
      *out++ = unescaped(at[1]);
      at += 2;
    }
  }
  return static_cast<std::size_t>(out - cell);
}

Error wrong_format(std::string why) {
  return Error(ExitCode::failed, "postgres.copy-format", "a row of COPY has another form",
               std::move(why),
               "look for a proxy between weir and the server, and connect to the server itself");
}

Error wrong_cells(std::size_t expected) {
  return wrong_format(fmt::format("expected {} columns and a line end", expected));
}

Error wrong_tuple(std::size_t expected) {
  return wrong_format(fmt::format("expected {} columns in the binary format", expected));
}

/// Takes an integer in network order off the front; false if there are too few bytes.
template <typename T>
bool take_number(std::string_view& from, T& value) {
  if (from.size() < sizeof(T)) return false;
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    bits = bits << 8 | static_cast<unsigned char>(from[i]);
  }
  value = static_cast<T>(bits);
  from.remove_prefix(sizeof(T));
  return true;
}

}  // namespace

void split_line(char* line, std::size_t size, std::span<const TextFix> fixes,
                std::span<Cell> cells) {
  const std::size_t count = cells.size();
  if (size == 0 || line[size - 1] != '\n') throw wrong_cells(count);
  char* const end = line + size - 1;
  const bool escapes = std::memchr(line, '\\', size) != nullptr;
  char* at = line;
  for (std::size_t i = 0; i < count; ++i) {
    if (at > end) throw wrong_cells(count);
    auto* stop = static_cast<char*>(std::memchr(at, '\t', static_cast<std::size_t>(end - at)));
    if (stop == nullptr) stop = end;
    auto length = static_cast<std::size_t>(stop - at);
    if (escapes && length == 2 && at[0] == '\\' && at[1] == 'N') {
      cells[i] = Cell::null();
    } else {
      if (escapes) length = unescape(at, length);
      cells[i] =
          fixes[i] == nullptr ? Cell(at, length) : fixes[i](at, static_cast<std::uint32_t>(length));
    }
    at = stop + 1;
  }
  if (at != end + 1) throw wrong_cells(count);
}

// https://www.postgresql.org/docs/18/sql-copy.html, "Binary Format"
std::string_view tuple_of(std::string_view message, bool is_first) {
  if (is_first) {
    constexpr std::string_view kSignature("PGCOPY\n\377\r\n\0", 11);
    std::uint32_t flags = 0;
    std::uint32_t extension = 0;
    const bool is_copy = message.starts_with(kSignature);
    if (is_copy) message.remove_prefix(kSignature.size());
    if (!is_copy || !take_number(message, flags) || !take_number(message, extension) ||
        flags != 0 || extension > message.size()) {
      throw wrong_format("expected the header of COPY's binary format, without flags");
    }
    message.remove_prefix(extension);
  }
  constexpr std::string_view kEnd("\377\377", 2);
  return message == kEnd ? std::string_view() : message;
}

void split_tuple(std::string_view tuple, std::span<Cell> cells) {
  std::int16_t count = 0;
  if (!take_number(tuple, count) || count < 0 || static_cast<std::size_t>(count) != cells.size()) {
    throw wrong_tuple(cells.size());
  }
  for (Cell& cell : cells) {
    std::int32_t size = 0;
    if (!take_number(tuple, size)) throw wrong_tuple(cells.size());
    if (size == -1) {
      cell = Cell::null();
      continue;
    }
    if (size < 0 || static_cast<std::size_t>(size) > tuple.size()) throw wrong_tuple(cells.size());
    cell = Cell(tuple.data(), static_cast<std::size_t>(size));
    tuple.remove_prefix(static_cast<std::size_t>(size));
  }
  if (!tuple.empty()) throw wrong_tuple(cells.size());
}

TableReader::TableReader(const Endpoint& endpoint)
    : endpoint_(endpoint),
      connection_(endpoint, PgConnection::Role::source),
      unchecked_texts_(connection_.scalar("SHOW server_encoding") == "SQL_ASCII") {
  // Only an index walk reads a chunk and stops; a sort would read the table again for each.
  connection_.execute(
      "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY; "
      "SET enable_sort = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET "
      "max_parallel_workers_per_gather = 0; SET jit = off");
  // Then the server would refuse such a text without telling where it is.
  if (unchecked_texts_) connection_.execute("SET client_encoding = 'SQL_ASCII'");
}

std::vector<KeyRange> TableReader::ranges(const TablePlan& plan, const FullSettings& settings) {
  const std::vector<std::uint32_t> key = key_columns(plan);
  KeyRange all;
  if (!can_read_in_order(plan.source, key)) {
    all.whole = true;
    return {all};
  }
  const std::uint64_t rows = plan.source.estimated_rows;
  const std::uint64_t parts = std::min(kMaxRanges, rows / (settings.chunk_rows * kChunksPerRange));
  if (parts < 2) return {all};

  // The server orders a sample of its pages and tells where to cut: any type, any distribution.
  const Column& first = plan.source.columns[key.front()];
  const std::string name = pg_identifier(first.name);
  const double percent = std::min(100.0, 100.0 * kSampleRows / static_cast<double>(rows));
  const PgResult bounds = connection_.query(fmt::format(
      "SELECT DISTINCT {0} FROM (SELECT {0}, row_number() OVER (ORDER BY {0}) AS place, count(*) "
      "OVER () AS total{1} TABLESAMPLE SYSTEM ({2:.6f})) AS s WHERE place % greatest(total / {3}, "
      "1) = 0 AND place < total ORDER BY 1 LIMIT {4}",
      name, from_clause(plan.source), percent, parts, kMaxRanges - 1));
  std::vector<KeyRange> out(1);
  for (std::size_t i = 0; i < bounds.rows(); ++i) {
    const std::string bound = neutral_text(first.type, std::string(bounds.text(i, 0)));
    out.back().upto = {bound};
    KeyRange next;
    next.number = static_cast<std::uint32_t>(out.size());
    next.after = {bound};
    out.push_back(std::move(next));
  }
  return out;
}

std::string TableReader::key_literal(const ColumnType& type, const std::string& cell) const {
  const std::string text = type.kind == TypeKind::bytes ? "\\x" + hex(cell) : cell;
  return fmt::format("{}::{}", connection_.quote(text), type.native);
}

std::string TableReader::chunk_query(const TablePlan& plan, const KeyRange& range,
                                     const KeyCells& after, std::uint64_t limit,
                                     CopyFormat format) const {
  const Table& table = plan.source;
  std::string sql = "COPY (" + select_columns(plan, format);
  if (!range.whole) {
    const std::vector<std::uint32_t> key = key_columns(plan);
    std::vector<std::string> names;
    for (const std::uint32_t place : key) {
      // Without the r it would be the column of the result, which may be a cast without an index.
      names.push_back("r." + pg_identifier(table.columns[place].name));
    }
    const auto literal = [&](std::size_t part, const std::string& cell) {
      return key_literal(table.columns[key[part]].type, cell);
    };
    // A bound between two ranges has the first part of the key only; the end of a chunk all of it.
    const KeyCells& from = after.empty() ? range.after : after;
    std::string condition;
    if (!from.empty()) {
      std::vector<std::string> literals;
      for (std::size_t i = 0; i < from.size(); ++i) literals.push_back(literal(i, from[i]));
      const std::vector<std::string> first(
          names.begin(), names.begin() + static_cast<std::ptrdiff_t>(from.size()));
      condition = fmt::format("({}) > ({})", join(first, ", "), join(literals, ", "));
    }
    if (!range.upto.empty()) {
      if (!condition.empty()) condition += " AND ";
      condition += fmt::format("{} <= {}", names.front(), literal(0, range.upto.front()));
    }
    if (!condition.empty()) sql += " WHERE " + condition;
    sql += fmt::format(" ORDER BY {} LIMIT {}", join(names, ", "), limit);
  }
  return sql + (format == CopyFormat::binary ? ") TO STDOUT (FORMAT binary)" : ") TO STDOUT");
}

CopyFormat TableReader::format_for(const RowSink& sink) const {
  return unchecked_texts_ ? CopyFormat::none : sink.copy_format();
}

void TableReader::check_texts(const TablePlan& plan) const {
  std::size_t cell = 0;
  for (const PlannedColumn& column : plan.columns) {
    if (column.added()) continue;
    const Cell& value = cells_[cell++];
    if (column.type.kind == TypeKind::bytes || is_utf8(value.text())) continue;
    std::vector<std::string> key;
    for (const std::uint32_t part : plan.key) {
      std::size_t place = 0;
      for (std::uint32_t i = 0; i < part; ++i) place += plan.columns[i].added() ? 0 : 1;
      const std::string_view text = cells_[place].text().substr(0, kShownKey);
      key.push_back(fmt::format("{} = {}", plan.source.columns[plan.columns[part].source].name,
                                is_utf8(text) ? std::string(text) : "\\x" + hex(text)));
    }
    const std::string& name = plan.source.columns[column.source].name;
    throw Error(ExitCode::refused, "postgres.invalid-utf8",
                fmt::format("{}: the column {} holds a text that is not UTF-8, in the row {}",
                            plan.source.name.text(), name, join(key, ", ")),
                "the source database has the encoding SQL_ASCII, which takes any bytes",
                fmt::format("correct the text: UPDATE {} SET {} = convert_from({}::bytea, "
                            "'LATIN1') WHERE ... in a session with its real encoding, or drop the "
                            "column in the table rule",
                            qualified(plan.source.name), pg_identifier(name), pg_identifier(name)));
  }
}

Offset TableReader::begin_snapshot(const TablePlan& plan) {
  static std::atomic<unsigned> count{0};
  // The slot waits for whoever runs, without a word and without end.
  wait_for_transactions(connection_, WaitFor::all, kStartPatience);
  PgConnection maker(endpoint_, PgConnection::Role::source, PgConnection::Mode::replication);
  try {
    const PgResult slot = maker.command(
        fmt::format("CREATE_REPLICATION_SLOT weir_copy_{}_{} TEMPORARY LOGICAL pgoutput (SNAPSHOT "
                    "'export')",
                    getpid(), ++count));
    const Offset place{std::string(slot.text(0, 1)), now()};
    connection_.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    connection_.execute("SET TRANSACTION SNAPSHOT " + connection_.quote(slot.text(0, 2)));
    return place;
  } catch (const Error& error) {
    connection_.rollback();
    if (error.code() == ExitCode::source_unreachable) throw;
    throw Error(
        ExitCode::failed, "postgres.snapshot",
        fmt::format("{}: cannot take the snapshot that a table without a key is copied from",
                    plan.source.name.text()),
        error.why(),
        "let max_replication_slots and max_wal_senders have one more for each of "
        "full.connections, or give the table a key");
  }
}

ChunkResult TableReader::read(const TablePlan& plan, const KeyRange& range, const KeyCells& after,
                              std::uint64_t limit, RowSink& sink) {
  ChunkResult result;
  const CopyFormat format = format_for(sink);
  const std::string sql = chunk_query(plan, range, after, limit, format);
  if (!plan.key.empty()) {
    copy(plan, sql, format, range.whole ? kNoLimit : limit, sink, result);
    result.done = range.whole || result.rows < limit;
    return result;
  }
  result.snapshot = begin_snapshot(plan);
  try {
    copy(plan, sql, format, kNoLimit, sink, result);
    connection_.execute("COMMIT");
  } catch (...) {
    connection_.rollback();
    throw;
  }
  result.done = true;
  return result;
}

bool TableReader::read_row(const TablePlan& plan, const KeyCells& key, RowSink& sink) {
  const std::vector<std::uint32_t> places = key_columns(plan);
  std::string condition;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const Column& column = plan.source.columns[places[i]];
    condition += fmt::format("{}{} = {}", i == 0 ? "" : " AND ", pg_identifier(column.name),
                             key_literal(column.type, key[i]));
  }
  ChunkResult result;
  try {
    copy(plan,
         fmt::format("COPY ({} WHERE {}) TO STDOUT", select_columns(plan, CopyFormat::none),
                     condition),
         CopyFormat::none, kNoLimit, sink, result);
  } catch (const Error& error) {
    // Names and types that are not as the log has them at its place.
    const bool is_other = error.why().find("(SQLSTATE 42") != std::string::npos ||
                          error.why().find("(SQLSTATE 22") != std::string::npos;
    if (!is_other) throw;
    throw Error(ExitCode::refused, "source.partial-key-change",
                fmt::format("a key of {} changed while the table was copied, and the row cannot be "
                            "read again",
                            plan.source.name.text()),
                fmt::format("the log does not carry the row's large values; {}", error.why()),
                fmt::format("ALTER TABLE {} REPLICA IDENTITY FULL has the log carry whole rows; "
                            "then, or with no change of keys and definitions until the copy is "
                            "done, start the task anew with the target table empty",
                            qualified(plan.source.name)));
  }
  return result.rows > 0;
}

void TableReader::copy(const TablePlan& plan, const std::string& sql, CopyFormat format,
                       std::uint64_t limit, RowSink& sink, ChunkResult& result) {
  std::vector<TextFix> fixes;
  for (const PlannedColumn& column : plan.columns) {
    if (column.added()) continue;
    fixes.push_back(text_fix(plan.source.columns[column.source].type));
  }
  cells_.assign(fixes.size(), Cell());

  PgCopyOut rows = connection_.copy_out(sql);
  const auto next = [&] {
    try {
      return rows.next();
    } catch (const Error& error) {
      throw error.within(plan.source.name.text());
    }
  };
  bool is_first = true;
  while (next()) {
    std::string_view row(rows.data(), rows.size());
    if (format == CopyFormat::binary) {
      row = tuple_of(row, std::exchange(is_first, false));
      if (row.empty()) continue;
    }
    result.bytes += row.size();
    const bool is_last = ++result.rows == limit;
    if (format == CopyFormat::text && !row.ends_with('\n')) throw wrong_cells(fixes.size());
    if (format != CopyFormat::none) sink.copied(row);
    if (format == CopyFormat::binary) {
      if (is_last) split_tuple(row, cells_);
    } else if (is_last || format == CopyFormat::none) {
      split_line(rows.data(), rows.size(), fixes, cells_);
    }
    if (unchecked_texts_) check_texts(plan);
    if (format == CopyFormat::none) sink.row(cells_);
    if (is_last) result.last = last_cells(plan);
  }
  if (format == CopyFormat::binary) to_text(plan, result.last);
}

KeyCells TableReader::last_cells(const TablePlan& plan) const {
  std::vector<std::uint32_t> cell_of;
  std::uint32_t cells = 0;
  for (const PlannedColumn& column : plan.columns)
    cell_of.push_back(column.added() ? cells : cells++);
  KeyCells out;
  for (const std::uint32_t part : plan.key) {
    out.emplace_back(cells_[cell_of[part]].text());
  }
  return out;
}

void TableReader::to_text(const TablePlan& plan, KeyCells& key) {
  if (key.empty()) return;
  const std::vector<std::uint32_t> places = key_columns(plan);
  std::string sql = "SELECT ";
  std::vector<PgParam> params;
  for (std::size_t i = 0; i < key.size(); ++i) {
    sql += fmt::format("{}${}::{}", i == 0 ? "" : ", ", i + 1,
                       plan.source.columns[places[i]].type.native);
    params.emplace_back(key[i]).binary = true;
  }
  connection_.begin_batch();
  connection_.send(sql, params);
  const std::vector<PgResult> answers = connection_.flush_batch();
  for (std::size_t i = 0; i < key.size(); ++i) {
    key[i] =
        neutral_text(plan.source.columns[places[i]].type, std::string(answers.back().text(0, i)));
  }
}

}  // namespace weir::pgsource
