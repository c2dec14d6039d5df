// SPDX-License-Identifier: Apache-2.0
#include "target/mysql/applier.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "model/definition.h"
#include "model/swap_name.h"
#include "target/mysql/alter.h"
#include "target/mysql/merge.h"

namespace weir::mysqltarget {
namespace {

constexpr std::size_t kStatementRows = 2000;
constexpr std::size_t kStatementBytes = std::size_t{1} << 20;
constexpr std::size_t kMessageBytes = std::size_t{4} << 20;
constexpr std::size_t kSlack = std::size_t{16} << 10;
constexpr unsigned kDuplicate = 1062;

std::string join_names(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::string time_text(Time time) {
  std::string text = to_rfc3339(time, true);  // 2026-01-02T03:04:05.000000Z
  text[10] = ' ';
  text.pop_back();
  return text;
}

bool is_text_type(std::string_view word) {
  return word == "char" || word == "varchar" || word.ends_with("text");
}

}  // namespace

SetApplier::SetApplier(const Endpoint& endpoint, const std::string& task,
                       std::span<const TablePlan> plans, bool native)
    : connection_(endpoint, MysqlConnection::Role::target),
      control_(endpoint.control_schema),
      task_(task),
      table_sql_(connection_, dialect_of(connection_), native) {
  prepare_session(connection_);
  const std::uint64_t most = connection_.max_packet();
  most_ = most > 2 * kSlack ? most - kSlack : most;
  wait_for_locks();
  for (const TablePlan& plan : plans) tables_[plan.id].plan = &plan;
}

void SetApplier::wait_for_locks() {
  const auto held = [this](const std::string& why) {
    return Error(ExitCode::state_conflict, "mysql-target.task-held",
                 fmt::format("another worker applies task {} on this target", task_), why,
                 "stop the task where it runs; SHOW PROCESSLIST shows the session, and "
                 "performance_schema.session_connect_attrs its program_name weir");
  };
  const std::string lock = control_.applier_lock(task_);
  if (connection_.scalar(fmt::format("SELECT GET_LOCK({}, 30)", connection_.quote(lock))) != "1") {
    throw held(fmt::format("the lock \"{}\" is not free", lock));
  }
  if (!control_.exists(connection_)) return;
  connection_.execute("SET SESSION innodb_lock_wait_timeout = 30");
  try {
    connection_.run(fmt::format("BEGIN; SELECT 1 FROM {} WHERE task = {} FOR UPDATE; COMMIT",
                                control_.task_table(), connection_.quote(task_)),
                    "wait for loaders", outcomes_);
  } catch (const Error& error) {
    if (error.id() != "mysql.conflict") throw;
    throw held("one of its loaders has not ended");
  }
}

SetApplier::TableState& SetApplier::state_of(std::uint32_t table) {
  TableState& state = tables_.at(table);
  if (!state.known) describe(state);
  return state;
}

void SetApplier::describe(TableState& table) {
  const TablePlan& plan = *table.plan;
  table.columns = written_columns(connection_, plan);
  table.name = qualified(plan.target);
  table.may_have_errors = std::any_of(table.columns.begin(), table.columns.end(),
                                      [](const WrittenColumn& c) { return c.has_error_value; });

  std::vector<std::string> names;
  std::vector<std::string> keys;
  std::string updates;
  std::set<std::string> planned;
  // MariaDB has no other word for it; MySQL says that it will lose this one.
  const Dialect& dialect = table_sql_.dialect();
  const bool has_alias = !dialect.mariadb && dialect.version >= 80019;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const std::string& name = table.columns[i].name;
    names.push_back(name);
    planned.insert(to_lower(plan.columns[i].name));
    if (std::find(plan.key.begin(), plan.key.end(), i) != plan.key.end()) continue;
    updates += fmt::format("{}{} = {}{}{}", updates.empty() ? "" : ", ", name,
                           has_alias ? "weir_new." : "VALUES(", name, has_alias ? "" : ")");
  }
  std::set<std::string> key_names;
  for (const std::uint32_t part : plan.key) {
    keys.push_back(table.columns[part].name);
    key_names.insert(to_lower(plan.columns[part].name));
  }
  if (updates.empty() && !keys.empty()) updates = fmt::format("{0} = {1}.{0}", keys[0], table.name);
  table.insert_head = fmt::format("INSERT INTO {} ({}) VALUES ", table.name, join_names(names));
  table.upsert_tail =
      fmt::format("{} ON DUPLICATE KEY UPDATE {}", has_alias ? " AS weir_new" : "", updates);
  table.key_in = keys.size() == 1 ? keys[0] + " IN (" : "(" + join_names(keys) + ") IN (";

  std::vector<std::string> all;
  for (const auto& [name, column] : existing_columns(connection_, plan.target)) {
    if (column.generated) continue;
    all.push_back(mysql_identifier(column.name));
    if (column.on_update) table.held += fmt::format(", {0} = {0}", all.back());
  }
  table.all_columns = join_names(all);

  std::map<std::string, std::set<std::string>> indexes;
  for (const auto& row : connection_.query(fmt::format(
           "SELECT index_name, column_name FROM information_schema.statistics WHERE table_schema = "
           "{} AND table_name = {} AND non_unique = 0",
           connection_.quote(plan.target.schema), connection_.quote(plan.target.table)))) {
    indexes[row[0].value_or("")].insert(to_lower(row[1].value_or("")));
  }
  // Those of the source are built later, once the table is consistent.
  for (const Index& index : plan.source.indexes) {
    table.other_unique |= index.kind == Index::Kind::unique && !is_key_index(plan, index);
  }
  for (const auto& [name, columns] : indexes) {
    const bool touches = std::any_of(columns.begin(), columns.end(), [&](const std::string& c) {
      return c.empty() || planned.contains(c);
    });
    table.other_unique |= touches && columns != key_names;
  }
  table.known = true;
}

void SetApplier::take_cells(const PackedRow& row, std::size_t count) {
  cells_.resize(count);
  const char* at = row.data;
  for (std::size_t i = 0; i < count; ++i) cells_[i] = PackedRow::take(at);
}

std::string SetApplier::key_of(const TableState& table, const PackedRow& row, bool key_only) {
  const TablePlan& plan = *table.plan;
  take_cells(row, key_only ? plan.key.size() : plan.columns.size());
  if (!key_only) return key_text(plan, cells_);
  std::vector<Cell> whole(plan.columns.size());
  for (std::size_t i = 0; i < plan.key.size(); ++i) whole[plan.key[i]] = cells_[i];
  return key_text(plan, whole);
}

void SetApplier::begin_statement(const Statement& statement, std::string_view head) {
  if (message_.size() > 0) message_.raw(';');
  message_.raw(head);
  statements_.push_back(statement);
  statements_.back().errors = errors_;
}

template <class Write>
void SetApplier::add_rows(TableState& table, std::span<const PackedRow> rows, bool key_only,
                          std::string_view head, std::string_view tail, Write&& write) {
  std::size_t next = 0;
  while (next < rows.size()) {
    const std::size_t begin = message_.size();
    begin_statement({&table, &rows[next], 0, key_only, false}, head);
    std::size_t count = 0;
    bool full = false;
    while (next + count < rows.size() && count < kStatementRows &&
           message_.size() - begin < kStatementBytes) {
      const std::size_t before = message_.size();
      if (count > 0) message_.raw(',');
      write(rows[next + count]);
      if (message_.size() + tail.size() > most_) {
        if (begin == 0 && count == 0) refuse_size(table, rows[next], key_only);
        message_.cut(before);
        full = true;
        break;
      }
      ++count;
    }
    if (count == 0) {
      message_.cut(begin);
      statements_.pop_back();
    } else {
      message_.raw(tail);
      statements_.back().count = count;
      next += count;
    }
    if (full || message_.size() >= kMessageBytes) send();
  }
}

void SetApplier::write_key(const TableState& table) {
  const TablePlan& plan = *table.plan;
  const bool several = plan.key.size() > 1;
  if (several) message_.raw('(');
  for (std::size_t i = 0; i < plan.key.size(); ++i) {
    if (i > 0) message_.raw(',');
    message_.literal(key_[i], table.columns[plan.key[i]].encoding);
  }
  if (several) message_.raw(')');
}

void SetApplier::add_by_keys(TableState& table, std::string_view head,
                             std::span<const PackedRow> rows, Cells cells) {
  const TablePlan& plan = *table.plan;
  key_.resize(plan.key.size());
  add_rows(table, rows, cells == Cells::key, head, ")", [&](const PackedRow& row) {
    if (cells == Cells::key) {
      const char* at = row.data;
      for (Cell& cell : key_) cell = PackedRow::take(at);
    } else {
      take_cells(row, plan.columns.size());
      for (std::size_t i = 0; i < key_.size(); ++i) key_[i] = cells_[plan.key[i]];
    }
    write_key(table);
  });
}

void SetApplier::add_inserts(TableState& table, std::span<const PackedRow> rows,
                             std::string_view tail) {
  std::size_t from = 0;
  for (std::size_t i = 0; table.may_have_errors && i < rows.size(); ++i) {
    take_cells(rows[i], table.columns.size());
    const std::size_t errors = error_values(table.columns, cells_);
    if (errors == 0) continue;
    add_some_inserts(table, rows.subspan(from, i - from), tail);
    begin_statement({}, kLenient);
    errors_ = errors;
    add_some_inserts(table, rows.subspan(i, 1), tail);
    errors_ = 0;
    begin_statement({}, kStrict);
    from = i + 1;
  }
  add_some_inserts(table, rows.subspan(from), tail);
}

void SetApplier::add_some_inserts(TableState& table, std::span<const PackedRow> rows,
                                  std::string_view tail) {
  const std::size_t columns = table.columns.size();
  add_rows(table, rows, false, table.insert_head, tail, [&](const PackedRow& row) {
    const char* at = row.data;
    message_.raw('(');
    for (std::size_t i = 0; i < columns; ++i) {
      if (i > 0) message_.raw(',');
      try {
        message_.literal(PackedRow::take(at), table.columns[i].encoding);
      } catch (const Error& error) {
        throw error
            .within(fmt::format("{} column {} of the row with key {}",
                                table.plan->source.name.text(), table.plan->columns[i].name,
                                key_of(table, row, false)))
            .of_table(table.plan->source.name.text());
      }
    }
    message_.raw(')');
  });
}

void SetApplier::add_patch(TableState& table, std::string_view name, const PackedRow& row,
                           const PackedRow* from) {
  const TablePlan& plan = *table.plan;
  take_cells(row, plan.columns.size());
  key_.resize(plan.key.size());
  for (std::size_t i = 0; i < key_.size(); ++i) key_[i] = cells_[plan.key[i]];
  const auto is_key = [&plan](std::size_t column) {
    return std::find(plan.key.begin(), plan.key.end(), column) != plan.key.end();
  };
  const std::size_t begin = message_.size();
  begin_statement({&table, &row, 1, false, false}, fmt::format("UPDATE {} SET ", name));
  std::string held = table.held;
  bool any = false;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    if (cells_[i].is_absent() || (from == nullptr && is_key(i))) continue;
    if (any) message_.raw(',');
    any = true;
    message_.raw(table.columns[i].name);
    message_.raw('=');
    message_.literal(cells_[i], table.columns[i].encoding);
    const std::string own = fmt::format(", {0} = {0}", table.columns[i].name);
    if (const std::size_t at = held.find(own); at != std::string::npos) held.erase(at, own.size());
  }
  if (!any) {
    message_.cut(begin);
    statements_.pop_back();
    return;
  }
  if (from != nullptr) {
    const char* at = from->data;
    for (Cell& cell : key_) cell = PackedRow::take(at);
  }
  message_.raw(held);
  message_.raw(" WHERE ");
  message_.raw(table.key_in);
  write_key(table);
  message_.raw(')');
  if (begin == 0 && message_.size() > most_) refuse_size(table, row, false);
  if (message_.size() > most_) {
    message_.cut(begin);
    statements_.pop_back();
    send();
    add_patch(table, name, row, from);
    return;
  }
  if (message_.size() >= kMessageBytes) send();
}

void SetApplier::add_whole_removes(TableState& table, const TableChanges& changes) {
  const TablePlan& plan = *table.plan;
  std::size_t deleted = plan.columns.size();  // the column that takes the time of a soft delete
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    if (plan.columns[i].constant == "{deleted}") deleted = i;
  }
  for (const PackedRow& row : changes.removes) {
    take_cells(row, table.columns.size());
    const bool marks = deleted < cells_.size() && cells_[deleted].has_value();
    Statement statement{&table, &row, 1};
    statement.exactly = true;
    if (marks) {
      begin_statement(statement,
                      fmt::format("UPDATE {} SET {} = ", table.name, table.columns[deleted].name));
      message_.literal(cells_[deleted], table.columns[deleted].encoding);
      message_.raw(table.held);
    } else {
      begin_statement(statement, fmt::format("DELETE FROM {}", table.name));
    }
    message_.raw(" WHERE ");
    bool any = false;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      const WrittenColumn& column = table.columns[i];
      // What weir adds tells no rows apart; what it has marked is no row of the source any more.
      if (plan.columns[i].added() && i != deleted) continue;
      if (any) message_.raw(" AND ");
      any = true;
      message_.raw(column.name);
      message_.raw("<=>");
      const Cell cell = i == deleted ? Cell::null() : cells_[i];
      const bool is_json = column.type == "json" && cell.has_value();
      if (is_json) message_.raw("CAST(");
      message_.literal(cell, column.encoding);
      if (is_json) message_.raw(" AS JSON)");
      if (!is_text_type(column.type) || !cell.has_value()) continue;
      // What a collation takes for the same is another row all the same.
      message_.raw(" AND CAST(CONVERT(");
      message_.raw(column.name);
      message_.raw(" USING utf8mb4) AS BINARY)<=>");
      message_.literal(cell, Encoding::bytes);
    }
    message_.raw(" LIMIT 1");
    if (message_.size() > most_) refuse_size(table, row, false);
    if (message_.size() >= std::min(kMessageBytes, most_ / 2)) send();
  }
}

void SetApplier::write_cells_key(const TableState& table, const PackedRow& row, bool key_only) {
  const TablePlan& plan = *table.plan;
  take_cells(row, key_only ? plan.key.size() : plan.columns.size());
  key_.resize(plan.key.size());
  for (std::size_t i = 0; i < key_.size(); ++i) key_[i] = cells_[key_only ? i : plan.key[i]];
  message_.raw(table.key_in);
  write_key(table);
  message_.raw(')');
}

void SetApplier::add_move(TableState& table, std::string_view name, const TableChanges::Move& move,
                          const std::string& deleted) {
  const TablePlan& plan = *table.plan;
  const bool applies = plan.deletes.kind == DeletePolicy::Kind::apply;
  const auto old_key = [&] { write_cells_key(table, move.from, true); };
  const auto new_key = [&] { write_cells_key(table, move.row, false); };
  // While a table is being copied, the row may be there by its new key already, or by both. A
  // collation may take the two keys for one. Where deletes are not applied, a row with the new key
  // may be one that the source has not any more.
  Statement look{&table, &move.row, 1};
  begin_statement(look, fmt::format("SET @weir_there = (SELECT COUNT(*) FROM {} WHERE ", name));
  applies ? new_key() : old_key();
  message_.raw(" AND NOT ");
  applies ? old_key() : new_key();
  message_.raw(')');
  begin_statement(look, fmt::format("DELETE FROM {} WHERE @weir_there > 0 AND ", name));
  applies ? old_key() : new_key();
  if (applies) {
    add_patch(table, name, move.row, &move.from);
  } else {
    // The row with the old key stays, as if it had been deleted.
    std::string names;
    for (const WrittenColumn& column : table.columns) {
      names += (names.empty() ? "" : ", ") + column.name;
    }
    begin_statement(look, fmt::format("INSERT INTO {} ({}) SELECT ", name, names));
    take_cells(move.row, plan.columns.size());
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      if (i > 0) message_.raw(',');
      if (cells_[i].is_absent()) {
        message_.raw(table.columns[i].name);
      } else {
        message_.literal(cells_[i], table.columns[i].encoding);
      }
    }
    message_.raw(fmt::format(" FROM {} WHERE @weir_there > 0 AND ", name));
    old_key();
    if (!deleted.empty()) {
      begin_statement(look,
                      fmt::format("UPDATE {} SET {} = '{}'{} WHERE ", name,
                                  mysql_identifier(plan.deletes.column), deleted, table.held));
      old_key();
    }
  }
  add_patch(table, name, move.row, nullptr);
  Statement check{&table, &move.row, 1};
  check.exactly = true;
  begin_statement(check, fmt::format("UPDATE {0} SET {1} = {1}{2} WHERE ", name,
                                     table.columns[plan.key.front()].name, table.held));
  new_key();
}

void SetApplier::add_folded(TableState& table, const TableChanges& changes) {
  // Rows of which only a part is known cannot be deleted and inserted again. Beside the table they
  // can, where no index is unique.
  const TablePlan& plan = *table.plan;
  const std::string fold = mysql_identifier(control_.schema()) + ".weir_fold";
  const std::string drop = "DROP TEMPORARY TABLE IF EXISTS " + fold;
  begin_statement({&table}, drop);
  begin_statement(
      {&table}, fmt::format("CREATE TEMPORARY TABLE {} (KEY {}) ENGINE = InnoDB AS SELECT {} FROM "
                            "{} WHERE false",
                            fold, table_sql_.key(plan), table.all_columns, table.name));
  std::vector<PackedRow>& from = moved_.emplace_back();
  std::vector<PackedRow>& to = moved_.emplace_back();
  for (const TableChanges::Move& move : changes.moves) {
    from.push_back(move.from);
    to.push_back(move.row);
  }
  const std::string copy = fmt::format("INSERT INTO {0} ({1}) SELECT {1} FROM {2} WHERE {3}", fold,
                                       table.all_columns, table.name, table.key_in);
  const std::string erase = fmt::format("DELETE FROM {} WHERE {}", table.name, table.key_in);
  const std::string erase_fold = fmt::format("DELETE FROM {} WHERE {}", fold, table.key_in);
  add_by_keys(table, copy, from, Cells::key);
  add_by_keys(table, erase, from, Cells::key);
  add_by_keys(table, copy, to, Cells::row);
  add_by_keys(table, erase, to, Cells::row);
  // A row that is patched after its move is in the fold by then.
  for (const TableChanges::Move& move : changes.moves) add_move(table, fold, move, "");
  add_by_keys(table, copy, changes.patches, Cells::row);
  add_by_keys(table, erase, changes.patches, Cells::row);
  add_by_keys(table, erase, changes.removes, Cells::key);
  add_by_keys(table, erase_fold, changes.removes, Cells::key);
  add_by_keys(table, erase, changes.upserts, Cells::row);
  add_by_keys(table, erase_fold, changes.upserts, Cells::row);
  for (const PackedRow& row : changes.patches) add_patch(table, fold, row, nullptr);
  begin_statement({&table}, fmt::format("INSERT INTO {0} ({1}) SELECT {1} FROM {2}", table.name,
                                        table.all_columns, fold));
  begin_statement({&table}, drop);
  add_inserts(table, changes.upserts, "");
}

void SetApplier::add_table(TableState& table, const TableChanges& changes,
                           const ChangeBatch& batch) {
  const TablePlan& plan = *table.plan;
  // TRUNCATE would commit what came before it.
  if (changes.truncated) begin_statement({&table}, "DELETE FROM " + table.name);
  if (plan.key.empty()) {
    add_whole_removes(table, changes);
    add_inserts(table, changes.upserts, "");
    return;
  }
  const bool soft = plan.deletes.kind == DeletePolicy::Kind::soft;
  const bool partial = !changes.moves.empty() || !changes.patches.empty();
  const bool applies = plan.deletes.kind == DeletePolicy::Kind::apply;
  if (table.other_unique && partial && applies) return add_folded(table, changes);

  for (const TableChanges::Move& move : changes.moves) {
    add_move(table, table.name, move, soft ? time_text(batch.last_commit) : "");
  }
  const std::string erase = fmt::format("DELETE FROM {} WHERE {}", table.name, table.key_in);
  add_by_keys(table,
              soft ? fmt::format("UPDATE {} SET {} = '{}'{} WHERE {}", table.name,
                                 mysql_identifier(plan.deletes.column),
                                 time_text(batch.last_commit), table.held, table.key_in)
                   : erase,
              changes.removes, Cells::key);
  if (table.other_unique) add_by_keys(table, erase, changes.upserts, Cells::row);
  for (const PackedRow& row : changes.patches) add_patch(table, table.name, row, nullptr);
  add_inserts(table, changes.upserts, table.other_unique ? "" : table.upsert_tail);
}

void SetApplier::add_offset(const Offset& offset) {
  begin_statement(
      {}, fmt::format("UPDATE {} SET log_offset = {}, source_time = {}, updated_at = "
                      "UTC_TIMESTAMP(6) WHERE task = {}",
                      control_.task_table(), connection_.quote(offset.text),
                      connection_.quote(time_text(offset.source_time)), connection_.quote(task_)));
}

void SetApplier::refuse_size(const TableState& table, const PackedRow& row, bool key_only) {
  throw Error(
      ExitCode::refused, "mysql-target.row-too-large",
      fmt::format("{}: the row with key {} is too large for the target",
                  table.plan->source.name.text(), key_of(table, row, key_only)),
      fmt::format("its statement is longer than max_allowed_packet, {}",
                  format_bytes(most_ + kSlack)),
      "raise max_allowed_packet on the target to more than twice the row's size (SET GLOBAL "
      "max_allowed_packet = ..., and in its configuration), then start the task")
      .of_table(table.plan->source.name.text());
}

void SetApplier::refuse(const Error& error, const Statement& statement) {
  const std::string name = statement.table->plan->source.name.text();
  if (error.id() != "mysql.row-refused") throw error.within(name);
  const RowMessage read = read_message(error.why());
  const unsigned number = connection_.error_number();
  std::string which = "a row";
  if (statement.count == 1) {
    which = "the row with key " + key_of(*statement.table, *statement.first, statement.key_only);
  } else if (read.row > 0 && read.row <= statement.count) {
    which = "the row with key " +
            key_of(*statement.table, statement.first[read.row - 1], statement.key_only);
  }
  throw Error(
      ExitCode::refused, "mysql-target.row-refused",
      fmt::format("{}: the target table {} does not take {}", name,
                  statement.table->plan->target.text(), which),
      read.text,
      number == kDuplicate
          ? "look for rows on the target that weir did not write, and for a unique index that the "
            "source has not, or whose collation takes for one what are two on the source"
          : "widen the column on the target, mend the row on the source, or give the column "
            "another "
            "type in the table rule: columns = { type = { COLUMN = \"...\" } }")
      .of_table(name);
}

void SetApplier::send() {
  if (message_.size() == 0) return;
  try {
    connection_.run(message_.view(), "apply changes", outcomes_);
  } catch (const Error& error) {
    const std::size_t failed = outcomes_.size();
    if (failed < statements_.size() && statements_[failed].table != nullptr) {
      refuse(error, statements_[failed]);
    }
    throw;
  }
  for (std::size_t i = 0; i < statements_.size(); ++i) {
    const Statement& statement = statements_[i];
    if (statement.errors > 0 && outcomes_.at(i).warnings > statement.errors) {
      throw Error(ExitCode::refused, "mysql-target.row-refused",
                  fmt::format("{}: the target table {} does not take the row with key {}",
                              statement.table->plan->source.name.text(),
                              statement.table->plan->target.text(),
                              key_of(*statement.table, *statement.first, false)),
                  "besides an ENUM's error value it holds what does not fit its column",
                  "compare the columns' types on both sides")
          .of_table(statement.table->plan->source.name.text());
    }
    if (!statement.exactly || outcomes_.at(i).rows == statement.count) continue;
    const TablePlan& plan = *statement.table->plan;
    if (plan.key.empty()) {
      throw Error(ExitCode::refused, "mysql-target.row-missing",
                  fmt::format("{}: the target table {} lacks a row that changed on the source",
                              plan.source.name.text(), plan.target.text()),
                  "its rows are told apart by all columns, so each must be there as the source "
                  "had it",
                  "find who else writes to the target table; make it equal to the source again, or "
                  "start the task anew with it empty")
          .of_table(plan.source.name.text());
    }
    throw Error(ExitCode::refused, "mysql-target.row-missing",
                fmt::format("{}: the target table {} lacks a row whose key changed on the source, "
                            "now {}",
                            plan.source.name.text(), plan.target.text(),
                            key_of(*statement.table, *statement.first, false)),
                "the log does not carry those of its values that stayed the same, and the target "
                "has no row to take them from",
                "have the log carry whole rows (PostgreSQL: REPLICA IDENTITY FULL; MySQL: "
                "binlog_row_image = FULL), then start the task anew with the target table empty")
        .of_table(plan.source.name.text());
  }
  message_.clear();
  statements_.clear();
}

void SetApplier::roll_back() noexcept {
  message_.clear();
  statements_.clear();
  errors_ = 0;
  open_ = false;
  try {
    connection_.execute("ROLLBACK");
    connection_.execute(kStrict);
  } catch (const std::exception&) {
    // The session is lost, and the transaction with it.
  }
}

void SetApplier::apply(const ChangeBatch& batch) {
  const Clock::time_point begin = Clock::now();
  try {
    moved_.clear();
    // Before the transaction: the catalogue is not part of it.
    for (const TableChanges& changes : batch.tables) state_of(changes.table);
    if (!open_) begin_statement({}, "BEGIN");
    for (const TableChanges& changes : batch.tables) {
      add_table(state_of(changes.table), changes, batch);
    }
    timing_.commit_seconds = 0;
    if (batch.ends_transaction) {
      // What is judged by its answer must be judged before the COMMIT.
      const bool judged = std::any_of(
          statements_.begin(), statements_.end(),
          [](const Statement& statement) { return statement.exactly || statement.errors > 0; });
      if (judged || message_.size() + kSlack > most_) send();
      if (!batch.full_end.empty()) {
        begin_statement(
            {},
            fmt::format("UPDATE {} SET full_end_offset = {} WHERE task = {}", control_.task_table(),
                        connection_.quote(batch.full_end.text), connection_.quote(task_)));
      }
      add_offset(batch.offset);
      const std::size_t offset = statements_.size() - 1;
      begin_statement({}, "COMMIT");
      send();
      if (outcomes_.at(offset).rows != 1) {
        throw Error(
            ExitCode::state_conflict, "mysql-target.task-gone",
            fmt::format("the target no longer knows task {}", task_),
            fmt::format("its row in {} was removed while the task ran", control_.task_table()),
            "start the task anew with empty target tables, or restore the control tables");
      }
      timing_.commit_seconds = outcomes_.back().seconds;
    } else {
      send();
    }
    open_ = !batch.ends_transaction;
  } catch (...) {
    roll_back();
    throw;
  }
  timing_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
}

AlterResult SetApplier::truncate(const TablePlan& plan, const Offset& offset) {
  if (open_) throw bug("a table is emptied inside a transaction of the source");
  // The server commits between the two. After a crash there the log is read again from before this
  // statement: everything earlier is in the target, nothing later is, and an empty table is
  // emptied.
  AlterResult result;
  result.target_sql = "TRUNCATE TABLE " + qualified(plan.target);
  connection_.execute(result.target_sql);
  try {
    add_offset(offset);
    send();
  } catch (...) {
    roll_back();
    throw;
  }
  return result;
}

void SetApplier::merge(std::span<const TablePlan> plans) {
  if (open_) throw bug("a copy is merged inside a transaction of the source");
  // The server commits with each of these: they come before the transaction, or after it.
  std::vector<TableName> copies;
  for (const TablePlan& plan : plans) {
    const auto kept = swapped_name(plan.target);
    if (!kept) continue;
    copies.push_back(plan.target);
    connection_.execute(fmt::format("CREATE TABLE IF NOT EXISTS {} LIKE {}", qualified(*kept),
                                    qualified(plan.target)));
    connection_.query("ANALYZE LOCAL TABLE " + qualified(plan.target));
  }
  const Dialect server = dialect_of(connection_);
  try {
    connection_.execute("START TRANSACTION");
    for (const TablePlan& plan : plans) {
      const auto kept = swapped_name(plan.target);
      if (!kept) continue;
      merge_rows(connection_, plan, *kept, server, now());
      control_.keep_merged(connection_, task_, plan, *kept);
    }
    connection_.execute("COMMIT");
  } catch (...) {
    roll_back();
    throw;
  }
  for (const TableName& copy : copies) connection_.execute("DROP TABLE " + qualified(copy));
}

AlterResult SetApplier::alter(const TableAlter& alter, const Offset& offset) {
  if (open_) throw bug("a definition changes inside a transaction of the source");
  // Each step commits by itself. After a crash between them the log is read again from before this
  // change, and what the catalogue already shows is passed over.
  AlterResult result = alter_table(connection_, table_sql_, alter);
  const TablePlan& after = alter.after;
  if (!alter.drops) written_columns(connection_, after);  // throws if a column is still missing
  const TableName& source = after.source.name;
  const std::string where = control_.table_condition(connection_, task_, alter.before.source.name);
  const std::string name =
      fmt::format("source_schema = {}, source_table = {}", connection_.quote(source.schema),
                  connection_.quote(source.table));
  try {
    begin_statement({}, "BEGIN");
    begin_statement(
        {}, fmt::format("UPDATE {} SET definition = {}, {}, target_schema = {}, target_table = {} "
                        "WHERE {}",
                        control_.table_table(), connection_.quote(encode_definition(after.source)),
                        name, connection_.quote(after.target.schema),
                        connection_.quote(after.target.table), where));
    if (alter.before.source.name != source) {
      begin_statement(
          {}, fmt::format("UPDATE {} SET {} WHERE {}", control_.range_table(), name, where));
    }
    add_offset(offset);
    begin_statement({}, "COMMIT");
    send();
  } catch (...) {
    roll_back();
    throw;
  }
  return result;
}

}  // namespace weir::mysqltarget
