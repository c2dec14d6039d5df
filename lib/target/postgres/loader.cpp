// SPDX-License-Identifier: Apache-2.0
#include "target/postgres/loader.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/error.h"
#include "target/postgres/index.h"

namespace weir::postgres {
namespace {

/// The line that the server names for an error of COPY: "COPY item, line 5, column n"; 0 if none.
std::uint64_t line_of(std::string_view message) {
  constexpr std::string_view kLine = ", line ";
  std::uint64_t line = 0;
  const std::size_t at = message.rfind(kLine);
  if (at == std::string_view::npos || message.find("COPY ") == std::string_view::npos) return 0;
  std::from_chars(message.data() + at + kLine.size(), message.data() + message.size(), line);
  return line;
}

/// Whether what a PostgreSQL source prints for the column is what is to be written here. Of these
/// kinds the neutral form is another one, which suits any type; the text suits its own alone.
bool prints_alike(const TablePlan& plan, const PlannedColumn& column) {
  const ColumnType& from = plan.source.columns[column.source].type;
  if (column.type.kind != from.kind) return false;
  const bool has_neutral_form = from.kind == TypeKind::boolean || from.kind == TypeKind::bytes ||
                                from.kind == TypeKind::timestamp || from.kind == TypeKind::vector;
  return !has_neutral_form || column.target_type == from.native;
}

/// Types whose binary form is the same in every version and has no OIDs of other types in it,
/// as format_type() writes them without a modifier.
constexpr std::string_view kPortable[] = {
    "bigint",
    "bit",
    "bit varying",
    "boolean",
    "bytea",
    "character",
    "character varying",
    "cidr",
    "date",
    "double precision",
    "inet",
    "integer",
    "interval",
    "json",
    "jsonb",
    "macaddr",
    "macaddr8",
    "numeric",
    "real",
    "smallint",
    "text",
    "time with time zone",
    "time without time zone",
    "timestamp with time zone",
    "timestamp without time zone",
    "uuid",
};

bool is_portable(std::string type) {
  const std::size_t open = type.find('(');
  if (open != std::string::npos) type.erase(open, type.find(')', open) + 1 - open);
  return std::binary_search(std::begin(kPortable), std::end(kPortable), type);
}

/// What COPY's binary format begins and ends with.
constexpr std::string_view kBinaryHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
constexpr std::string_view kBinaryEnd("\377\377", 2);

}  // namespace

std::string qualified(const TableName& name) {
  return pg_identifier(name.schema) + "." + pg_identifier(name.table);
}

CopyLoader::CopyLoader(const Endpoint& endpoint, const std::string& task, bool same_product)
    : connection_(endpoint, PgConnection::Role::target),
      control_(endpoint.control_schema),
      task_(task),
      same_product_(same_product),
      buffer_(connection_) {
  // A chunk and its mark are lost together if the server crashes, so its commit need not be
  // durable; finish() is.
  connection_.execute("SET synchronous_commit = off; SET maintenance_work_mem = '128MB'");
  connection_.query("SELECT pg_advisory_lock_shared(hashtextextended($1, 0))",
                    {loader_lock_key(task)});
}

void CopyLoader::begin(const TablePlan& plan, Row added) {
  if (!triggers_left_out_ && plan_ != &plan) {
    triggers_left_out_ = leave_out_triggers(connection_, plan.target);
  }
  plan_ = &plan;
  encodings_.clear();
  refused_row_ = 0;
  std::string columns;
  for (const PlannedColumn& column : plan.columns) {
    if (!columns.empty()) columns += ", ";
    columns += pg_identifier(column.name);
    if (column.added()) continue;
    encodings_.push_back(type_row(column.type.kind).encoding);
  }
  added_.clear();
  for (const Cell& cell : added) {
    added_ += '\t';
    if (!cell.has_value()) {
      added_ += "\\N";
      continue;
    }
    for (const char c : cell.text()) {
      if (c == '\\' || c == '\t' || c == '\n' || c == '\r') added_ += '\\';
      added_ += c == '\t' ? 't' : c == '\n' ? 'n' : c == '\r' ? 'r' : c;
    }
  }
  added_ += '\n';
  buffer_.clear();
  buffer_.restart();
  copy_sql_ = fmt::format("COPY {} ({}) FROM STDIN", qualified(plan.target), columns);
  begun_ = CopyFormat::none;
  connection_.execute("BEGIN");
  copy_format_ = format_for(plan);
}

CopyFormat CopyLoader::format_for(const TablePlan& plan) {
  if (!same_product_) return CopyFormat::none;
  bool binary = true;
  for (const PlannedColumn& column : plan.columns) {
    if (column.added()) {
      binary = false;  // these come as text
      continue;
    }
    if (!prints_alike(plan, column)) return CopyFormat::none;
    const std::string& native = plan.source.columns[column.source].type.native;
    binary = binary && column.target_type == native && is_portable(native);
  }
  if (!binary) return CopyFormat::text;
  // A table that was there before may have other types, which take the same text. The lock keeps
  // them as they are until the rows are in.
  connection_.execute(fmt::format("LOCK TABLE {} IN ROW EXCLUSIVE MODE", qualified(plan.target)));
  const PgResult found = connection_.query(
      "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = "
      "to_regclass($1) AND attnum > 0 AND NOT attisdropped",
      {qualified(plan.target)});
  for (const PlannedColumn& column : plan.columns) {
    bool is_same = false;
    for (std::size_t i = 0; i < found.rows() && !is_same; ++i) {
      is_same = found.text(i, 0) == column.name && found.text(i, 1) == column.target_type;
    }
    if (!is_same) return CopyFormat::text;
  }
  return CopyFormat::binary;
}

void CopyLoader::begin_copy(CopyFormat format) {
  begun_ = format;
  const bool binary = format == CopyFormat::binary;
  connection_.copy_begin(binary ? copy_sql_ + " (FORMAT binary)" : copy_sql_);
  if (binary) buffer_.raw(kBinaryHeader);
}

void CopyLoader::row(Row cells) {
  if (begun_ == CopyFormat::none) begin_copy(CopyFormat::text);
  const std::size_t count = cells.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) buffer_.separator('\t');
    try {
      buffer_.cell(cells[i], encodings_[i]);
    } catch (const Error& error) {
      throw error.within(fmt::format("{} column {}, row with key {}", plan_->source.name.text(),
                                     plan_->columns[i].name, key_text(*plan_, cells)));
    }
  }
  buffer_.raw(added_);
}

void CopyLoader::copied(std::string_view row) {
  if (begun_ == CopyFormat::none) begin_copy(copy_format_);
  if (begun_ == CopyFormat::binary) {
    buffer_.raw(row);
    return;
  }
  row.remove_suffix(1);
  buffer_.raw(row);
  buffer_.raw(added_);
}

void CopyLoader::commit(const RangeProgress& mark) {
  try {
    if (begun_ == CopyFormat::binary) buffer_.raw(kBinaryEnd);
    buffer_.flush();
    if (begun_ != CopyFormat::none) connection_.copy_end();
  } catch (const Error& error) {
    if (error.id() != "postgres.row-refused") throw;
    refused_row_ = line_of(error.why());
    throw Error(ExitCode::refused, error.id(),
                fmt::format("{}: the target table {} does not take a row of the chunk",
                            plan_->source.name.text(), plan_->target.text()),
                error.why(), error.fix());
  }
  connection_.query(
      fmt::format(
          "UPDATE {} SET reached_key = $1, row_count = $2, byte_count = $3, done = $4 WHERE "
          "task = $5 AND source_schema = $6 AND source_table = $7 AND number = $8",
          control_.range_table()),
      {encode_key(mark.reached), std::to_string(mark.rows), std::to_string(mark.bytes),
       mark.done ? "true" : "false", task_, plan_->source.name.schema, plan_->source.name.table,
       std::to_string(mark.range.number)});
  if (!mark.snapshot.empty()) {
    connection_.query(
        fmt::format("UPDATE {} SET since_offset = $1 WHERE task = $2 AND "
                    "source_schema = $3 AND source_table = $4",
                    control_.table_table()),
        {mark.snapshot.text, task_, plan_->source.name.schema, plan_->source.name.table});
  }
  connection_.execute("COMMIT");
}

void CopyLoader::abandon() noexcept {
  buffer_.clear();
  connection_.rollback();
}

bool CopyLoader::created_here(const TablePlan& plan) {
  return connection_.scalar(
             fmt::format("SELECT created FROM {} WHERE task = $1 AND source_schema = $2 AND "
                         "source_table = $3",
                         control_.table_table()),
             {task_, plan.source.name.schema, plan.source.name.table}) == "t";
}

void CopyLoader::build_key(const TablePlan& plan) {
  std::string key;
  for (const std::uint32_t part : plan.key) {
    if (!key.empty()) key += ", ";
    key += pg_identifier(plan.columns[part].name);
  }
  connection_.execute(
      fmt::format("ALTER TABLE {} ADD PRIMARY KEY ({})", qualified(plan.target), key));
}

std::vector<std::string> CopyLoader::build_and_mark(const TablePlan& plan, bool unique,
                                                    const char* mark) {
  std::vector<std::string> notes;
  connection_.execute("BEGIN; SET LOCAL synchronous_commit = on");
  try {
    if (created_here(plan)) {
      if (!unique && !plan.key.empty()) build_key(plan);
      for (const Index& index : plan.source.indexes) {
        const bool is_key = index.name == plan.source.key_name && plan.key_is_primary;
        if (is_key || unique != (index.kind == Index::Kind::unique)) continue;
        BuiltIndex built = build_index(connection_, plan, index, same_product_);
        if (!built.left_out.empty()) notes.push_back(std::move(built.left_out));
      }
    }
    connection_.query(fmt::format("UPDATE {} SET {} = true WHERE task = $1 AND source_schema = $2 "
                                  "AND source_table = $3",
                                  control_.table_table(), mark),
                      {task_, plan.source.name.schema, plan.source.name.table});
    connection_.execute("COMMIT");
  } catch (...) {
    connection_.rollback();
    throw;
  }
  return notes;
}

std::vector<std::string> CopyLoader::finish(const TablePlan& plan) {
  return build_and_mark(plan, false, "full_done");
}

std::vector<std::string> CopyLoader::finish_unique(const TablePlan& plan) {
  return build_and_mark(plan, true, "unique_done");
}

}  // namespace weir::postgres
