// SPDX-License-Identifier: Apache-2.0
#include "target/mysql/loader.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/error.h"

namespace weir::mysqltarget {
namespace {

constexpr std::size_t kFileBytes = std::size_t{2} << 20;
constexpr std::size_t kInsertBytes = std::size_t{1} << 20;
constexpr std::size_t kSlack = std::size_t{64} << 10;  // for the rest of a message
constexpr unsigned kDuplicate = 1062;
constexpr unsigned kTooLong = 1406;
constexpr unsigned kTruncated = 1265;

/// The fields of one row as it was sent, in either form, without their escapes.
std::vector<std::string> fields_of(std::string_view row, bool by_file) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const char c = row[i];
    if (c == '\\' && (by_file || quoted) && i + 1 < row.size()) {
      out.back() += row[++i];
    } else if (!by_file && c == '\'') {
      quoted = !quoted;
    } else if (c == (by_file ? '\t' : ',') && !quoted) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

/// The end of the row that begins at `begin` of INSERT's rows: the bracket outside of quotes.
std::size_t end_of_literals(std::string_view rows, std::size_t begin) {
  bool quoted = false;
  for (std::size_t i = begin; i < rows.size(); ++i) {
    if (quoted && rows[i] == '\\') {
      ++i;
    } else if (rows[i] == '\'') {
      quoted = !quoted;
    } else if (rows[i] == ')' && !quoted) {
      return i;
    }
  }
  return rows.size();
}

}  // namespace

FileLoader::FileLoader(const Endpoint& endpoint, const std::string& task, bool native)
    : connection_(endpoint, MysqlConnection::Role::target),
      control_(endpoint.control_schema),
      task_(task),
      table_sql_(connection_, dialect_of(connection_), native),
      by_file_(connection_.scalar("SELECT @@local_infile") == "1"),
      send_at_(kFileBytes) {
  prepare_session(connection_);
  if (!by_file_) {
    const std::uint64_t most = connection_.max_packet();
    send_at_ = std::min<std::uint64_t>(kInsertBytes, most > 2 * kSlack ? most - kSlack : most / 2);
  }
}

bool FileLoader::created_here(const TablePlan& plan) {
  return connection_.scalar(
             fmt::format("SELECT created FROM {} WHERE {}", control_.table_table(),
                         control_.table_condition(connection_, task_, plan.source.name))) == "1";
}

void FileLoader::describe(const TablePlan& plan) {
  plan_ = &plan;
  columns_ = written_columns(connection_, plan);
  may_have_errors_ = std::any_of(columns_.begin(), columns_.end(),
                                 [](const WrittenColumn& c) { return c.has_error_value; });
  std::string names;
  std::string settings;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (i > 0) names += ", ";
    if (by_file_ && columns_[i].convert) {
      names += fmt::format("@c{}", i);
      settings += fmt::format("{}{} = CONVERT(@c{} USING utf8mb4)",
                              settings.empty() ? " SET " : ", ", columns_[i].name, i);
    } else {
      names += columns_[i].name;
    }
  }
  const std::string table = qualified(plan.target);
  // As binary, bytes arrive as they are and no character is looked for among them.
  head_ = by_file_ ? fmt::format(
                         "LOAD DATA LOCAL INFILE 'weir' INTO TABLE {} CHARACTER SET binary FIELDS "
                         "TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({}){}",
                         table, names, settings)
                   : fmt::format("INSERT INTO {} ({}) VALUES ", table, names);
}

void FileLoader::begin(const TablePlan& plan, Row added) {
  if (plan_ != &plan) describe(plan);
  RowBuffer suffix;
  std::size_t column = columns_.size() - added.size();
  for (const Cell& cell : added) {
    if (by_file_) {
      suffix.raw('\t');
      suffix.file_cell(cell, columns_[column++].encoding);
    } else {
      suffix.raw(',');
      suffix.literal(cell, columns_[column++].encoding);
    }
  }
  suffix.raw(by_file_ ? '\n' : ')');
  added_ = suffix.view();
  buffer_.clear();
  rows_ = 0;
  errors_ = 0;
  sent_ = 0;
  connection_.run(fmt::format("BEGIN; SELECT 1 FROM {} WHERE task = {} LOCK IN SHARE MODE",
                              control_.task_table(), connection_.quote(task_)),
                  "begin a chunk", outcomes_);
}

void FileLoader::row(Row cells) {
  const std::size_t count = cells.size();
  const std::size_t errors = may_have_errors_ ? error_values(columns_, cells) : 0;
  // One at a time, so that nothing else is taken leniently.
  if (errors > 0 && !by_file_) send();
  errors_ += errors;
  const std::size_t begin = buffer_.size();
  if (!by_file_) buffer_.raw(rows_ == 0 ? std::string_view(head_) : std::string_view(","));
  for (std::size_t i = 0; i < count; ++i) {
    try {
      if (by_file_) {
        if (i > 0) buffer_.raw('\t');
        buffer_.file_cell(cells[i], columns_[i].encoding);
      } else {
        buffer_.raw(i > 0 ? ',' : '(');
        buffer_.literal(cells[i], columns_[i].encoding);
      }
    } catch (const Error& error) {
      throw error.within(fmt::format("{} column {} of the row with key {}",
                                     plan_->source.name.text(), plan_->columns[i].name,
                                     key_text(*plan_, cells)));
    }
  }
  buffer_.raw(added_);
  ++rows_;
  if (buffer_.size() < send_at_ && (by_file_ || errors == 0)) return;
  if (!by_file_ && rows_ > 1) {
    // A large row goes alone, else it might be too large for one message together with others.
    const std::string last(buffer_.view().substr(begin + 1));
    buffer_.cut(begin);
    --rows_;
    send();
    buffer_.raw(head_);
    buffer_.raw(last);
    rows_ = 1;
    if (buffer_.size() < send_at_) return;
  }
  send();
}

std::string FileLoader::key_of_sent_row(std::uint64_t row) const {
  const std::string_view all = buffer_.view();
  std::string_view found;
  if (by_file_) {
    std::size_t begin = 0;
    for (std::uint64_t i = 1; i < row; ++i) {
      begin = all.find('\n', begin) + 1;
    }
    found = all.substr(begin, all.find('\n', begin) - begin);
  } else {
    std::size_t begin = head_.size() + 1;
    for (std::uint64_t i = 1; i < row; ++i) begin = end_of_literals(all, begin) + 3;
    if (begin < all.size()) found = all.substr(begin, end_of_literals(all, begin) - begin);
  }
  const std::vector<std::string> fields = fields_of(found, by_file_);
  std::vector<Cell> cells(plan_->columns.size());
  for (std::size_t i = 0; i < std::min(cells.size(), fields.size()); ++i) {
    cells[i] = Cell(fields[i]);
  }
  return key_text(*plan_, cells);
}

void FileLoader::refuse_row(unsigned number, const std::string& message) {
  const RowMessage read = read_message(message);
  const std::string name = plan_->source.name.text();
  const std::string which =
      read.row == 0 ? "a row" : fmt::format("the row with key {}", key_of_sent_row(read.row));
  throw Error(
      ExitCode::refused, "mysql-target.row-refused",
      fmt::format("{}: the target table {} does not take {}", name, plan_->target.text(), which),
      fmt::format("{} (error {})", read.text, number),
      number == kDuplicate
          ? "look for rows on the target that weir did not write, and for a unique index that the "
            "source has not; empty the table, or drop the index"
      : number == kTooLong
          ? "widen the column on the target, or say its type in the table rule: columns = { type = "
            "{ COLUMN = \"...\" } }"
          : "mend the row on the source, or give the column another type in the table rule: "
            "columns = { type = { COLUMN = \"...\" } }");
}

void FileLoader::send() {
  if (rows_ == 0) return;
  sent_ += buffer_.size();
  if (by_file_) {
    const std::uint64_t stored = connection_.load(head_, buffer_.view());
    check_warnings();
    if (stored != rows_) {
      throw Error(ExitCode::failed, "mysql-target.rows-missing",
                  fmt::format("{}: the target table {} took {} rows of {}",
                              plan_->source.name.text(), plan_->target.text(), stored, rows_),
                  "the server named no reason",
                  "look at the triggers of the target table, and at the server's log");
    }
  } else {
    try {
      if (errors_ > 0) connection_.execute(kLenient);
      connection_.run(buffer_.view(), "insert rows into " + plan_->target.text(), outcomes_);
      if (errors_ > 0) {
        check_warnings();
        connection_.execute(kStrict);
      }
    } catch (const Error& error) {
      if (error.id() == "mysql.row-refused") refuse_row(connection_.error_number(), error.why());
      if (error.id() != "mysql.packet" && error.id() != "mysql.lost") throw;
      throw error.within(fmt::format("{}, at the row with key {}", plan_->source.name.text(),
                                     key_of_sent_row(rows_)));
    }
  }
  buffer_.clear();
  rows_ = 0;
  errors_ = 0;
}

void FileLoader::check_warnings() {
  // The server cannot stop a file that a client sends, so it makes warnings of errors.
  std::uint64_t expected = errors_;
  for (const MysqlConnection::Warning& warning : connection_.warnings()) {
    const bool is_error_value =
        warning.number == kTruncated && expected > 0 &&
        std::any_of(columns_.begin(), columns_.end(), [&](const WrittenColumn& column) {
          return column.has_error_value &&
                 warning.text.find("'" + column.name.substr(1, column.name.size() - 2) + "'") !=
                     std::string::npos;
        });
    if (!is_error_value) refuse_row(warning.number, warning.text);
    --expected;
  }
}

void FileLoader::commit(const RangeProgress& mark) {
  send();
  const std::string table = control_.table_condition(connection_, task_, plan_->source.name);
  std::string sql = fmt::format(
      "UPDATE {} SET reached_key = {}, row_count = {}, byte_count = {}, done = {} WHERE {} AND "
      "number = {}; ",
      control_.range_table(), connection_.quote(encode_key(mark.reached)), mark.rows, mark.bytes,
      mark.done ? "true" : "false", table, mark.range.number);
  if (!mark.snapshot.empty()) {
    sql += fmt::format("UPDATE {} SET since_offset = {} WHERE {}; ", control_.table_table(),
                       connection_.quote(mark.snapshot.text), table);
  }
  connection_.run(sql + "COMMIT", "commit a chunk", outcomes_);
}

void FileLoader::abandon() noexcept {
  buffer_.clear();
  rows_ = 0;
  errors_ = 0;
  try {
    connection_.execute("ROLLBACK");
    connection_.execute(kStrict);
  } catch (const std::exception&) {
    // The session is lost, and the transaction with it.
  }
}

std::vector<std::string> FileLoader::build(const TablePlan& plan, bool unique) {
  std::set<std::string> there;
  for (const auto& row : connection_.query(fmt::format(
           "SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = {} "
           "AND table_name = {}",
           connection_.quote(plan.target.schema), connection_.quote(plan.target.table)))) {
    there.insert(row[0].value_or(""));
  }
  std::vector<std::string> notes;
  const auto note = [&](const Index& index, const char* what, std::string_view reason) {
    notes.push_back(
        fmt::format("index {} of {} was {}: {}", index.name, plan.target.text(), what, reason));
  };
  struct Wanted {
    const Index* index;
    std::string sql;
    bool alone;  ///< InnoDB builds one full-text index at a time
  };
  std::vector<Wanted> wanted;
  for (const Index& index : plan.source.indexes) {
    if (is_key_index(plan, index) || unique != (index.kind == Index::Kind::unique)) continue;
    if (there.contains(index.name)) continue;
    const TableSql::IndexSql made = table_sql_.index(plan, index);
    if (!made.reason.empty()) note(index, made.sql.empty() ? "not built" : "cut", made.reason);
    if (!made.sql.empty()) wanted.push_back({&index, made.sql, made.fulltext});
  }
  const std::string alter = "ALTER TABLE " + qualified(plan.target);
  std::string together;
  for (const Wanted& each : wanted) {
    if (!each.alone) together += fmt::format("{}ADD {}", together.empty() ? " " : ", ", each.sql);
  }
  const auto try_to = [&](const std::string& sql, std::string& why) {
    try {
      connection_.execute(sql);
      return true;
    } catch (const Error& error) {
      if (error.code() != ExitCode::failed || error.id() == "mysql.disk-full") throw;
      why = error.why();
      return false;
    }
  };
  std::string why;
  // One statement reads the table once, however many indexes it builds.
  const bool all_built = together.empty() || try_to(alter + together, why);
  for (const Wanted& each : wanted) {
    if (all_built && !each.alone) continue;
    // An index that the target cannot have is no reason to stop.
    if (!try_to(fmt::format("{} ADD {}", alter, each.sql), why)) {
      note(*each.index, "not built", why);
    }
  }
  return notes;
}

std::vector<std::string> FileLoader::build_and_mark(const TablePlan& plan, bool unique,
                                                    const char* mark) {
  // The session of a killed worker may still be building.
  const std::string lock = connection_.quote(control_.build_lock(plan.target));
  connection_.execute(fmt::format("DO GET_LOCK({}, 86400)", lock));
  std::vector<std::string> notes;
  if (created_here(plan)) notes = build(plan, unique);
  connection_.execute(fmt::format("UPDATE {} SET {} = true WHERE {}", control_.table_table(), mark,
                                  control_.table_condition(connection_, task_, plan.source.name)));
  connection_.execute(fmt::format("DO RELEASE_LOCK({})", lock));
  return notes;
}

std::vector<std::string> FileLoader::finish(const TablePlan& plan) {
  return build_and_mark(plan, false, "full_done");
}

std::vector<std::string> FileLoader::finish_unique(const TablePlan& plan) {
  return build_and_mark(plan, true, "unique_done");
}

}  // namespace weir::mysqltarget
