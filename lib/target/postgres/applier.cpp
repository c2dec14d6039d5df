// SPDX-License-Identifier: Apache-2.0
#include "target/postgres/applier.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "model/definition.h"
#include "model/swap_name.h"
#include "target/postgres/alter.h"
#include "target/postgres/loader.h"
#include "target/postgres/merge.h"
#include "target/postgres/types.h"

namespace weir::postgres {
namespace {

bool travels_as_bytes(Encoding encoding) { return encoding == Encoding::hex; }

/// "$1::text[]" or "$1::bytea[]".
std::string array_of(std::size_t parameter, Encoding encoding) {
  return fmt::format("${}::{}[]", parameter, travels_as_bytes(encoding) ? "bytea" : "text");
}

/// "u.a3::numeric(20,4)", or bare where the array already has the type: to be compared.
std::string element_as(std::size_t number, const PlannedColumn& column) {
  if (column.target_type == "text" || column.target_type == "bytea")
    return fmt::format("u.a{}", number);
  return fmt::format("u.a{}::{}", number, column.target_type);
}

/// The same, to be stored. A cast to a length cuts what is too long without a word; an assignment
/// refuses it, as COPY does. So a value goes as far as the type without a length, and is assigned.
std::string element_for(std::size_t number, const PlannedColumn& column) {
  const auto is = [&column](std::string_view name) { return column.target_type.starts_with(name); };
  if (is("varchar") || is("char") || is("bpchar")) return fmt::format("u.a{}", number);
  if (is("bit") || is("varbit")) return fmt::format("u.a{}::varbit", number);
  return element_as(number, column);
}

std::string upsert_sql(const TablePlan& plan, const std::vector<Encoding>& encodings) {
  std::string columns;
  std::string values;
  std::string arrays;
  std::string names;
  std::string updates;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    const std::string name = pg_identifier(plan.columns[i].name);
    const char* comma = i == 0 ? "" : ", ";
    columns += comma + name;
    values += comma + element_for(i + 1, plan.columns[i]);
    arrays += comma + array_of(i + 1, encodings[i]);
    names += fmt::format("{}a{}", comma, i + 1);
    if (std::find(plan.key.begin(), plan.key.end(), i) == plan.key.end()) {
      updates += fmt::format("{}{} = EXCLUDED.{}", updates.empty() ? "" : ", ", name, name);
    }
  }
  std::string key;
  for (const std::uint32_t part : plan.key) {
    if (!key.empty()) key += ", ";
    key += pg_identifier(plan.columns[part].name);
  }
  return fmt::format(
      "INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS u({}) ON CONFLICT ({}) DO {}",
      qualified(plan.target), columns, values, arrays, names, key,
      updates.empty() ? "NOTHING" : "UPDATE SET " + updates);
}

std::string remove_sql(const TablePlan& plan, const std::vector<Encoding>& encodings) {
  std::string arrays;
  std::string names;
  std::string condition;
  for (std::size_t i = 0; i < plan.key.size(); ++i) {
    const PlannedColumn& column = plan.columns[plan.key[i]];
    const char* comma = i == 0 ? "" : ", ";
    arrays += comma + array_of(i + 1, encodings[i]);
    names += fmt::format("{}a{}", comma, i + 1);
    condition += fmt::format("{}t.{} = {}", i == 0 ? "" : " AND ", pg_identifier(column.name),
                             element_as(i + 1, column));
  }
  const std::string from = fmt::format("unnest({}) AS u({}) WHERE {}", arrays, names, condition);
  if (plan.deletes.kind == DeletePolicy::Kind::soft) {
    return fmt::format("UPDATE {} AS t SET {} = ${}::timestamptz FROM {}", qualified(plan.target),
                       pg_identifier(plan.deletes.column), plan.key.size() + 1, from);
  }
  return fmt::format("DELETE FROM {} AS t USING {}", qualified(plan.target), from);
}

/// "1101": which columns of a packed row are there.
std::string columns_of(const PackedRow& row, std::size_t count) {
  std::string out;
  const char* at = row.data;
  for (std::size_t i = 0; i < count; ++i) out += PackedRow::take(at).is_absent() ? '0' : '1';
  return out;
}

/// The parts of a statement on rows without some columns. Its parameters are arrays: the first
/// `before` of them the key as it was, then the columns that are there.
class PartialSql {
 public:
  PartialSql(const TablePlan& plan, const std::vector<Encoding>& encodings,
             const std::string& present, bool has_before)
      : plan_(plan) {
    std::size_t number = 0;
    const auto parameter = [&](std::size_t column) {
      ++number;
      const char* comma = number == 1 ? "" : ", ";
      arrays_ += comma + array_of(number, encodings[column]);
      names_ += fmt::format("{}a{}", comma, number);
      return element_as(number, plan.columns[column]);
    };
    if (has_before) {
      for (const std::uint32_t part : plan.key) before_.push_back(parameter(part));
    }
    for (std::size_t i = 0; i < plan.columns.size(); ++i) {
      values_.push_back(present[i] == '1' ? parameter(i) : "");
    }
    parameters_ = number;
  }

  std::string rows() const { return fmt::format("unnest({}) AS u({})", arrays_, names_); }
  std::size_t parameters() const { return parameters_; }

  /// "t.k = u.a1 AND ...": a row of `table` by its key as it is, or as it was.
  std::string found(const char* table, bool by_old_key) const {
    std::string out;
    for (std::size_t i = 0; i < plan_.key.size(); ++i) {
      out += fmt::format("{}{}.{} = {}", i == 0 ? "" : " AND ", table,
                         pg_identifier(plan_.columns[plan_.key[i]].name),
                         by_old_key ? before_[i] : values_[plan_.key[i]]);
    }
    return out;
  }

  /// "c = u.a3, ..." of what is there; "" if that is the key alone and it is not asked for.
  std::string assignments(bool with_key) const {
    std::string out;
    for (std::size_t i = 0; i < plan_.columns.size(); ++i) {
      if (values_[i].empty() || (!with_key && is_key(i))) continue;
      out += fmt::format("{}{} = {}", out.empty() ? "" : ", ", pg_identifier(plan_.columns[i].name),
                         values_[i]);
    }
    return out;
  }

  /// Changes the rows with the keys as they are and answers with one row for each that is there.
  std::string update_there(const std::string& condition) const {
    const std::string set = assignments(false);
    const std::string table = qualified(plan_.target);
    if (set.empty()) {
      return fmt::format("SELECT 1 FROM {} AS t, u WHERE {}{}", table, found("t", false),
                         condition);
    }
    return fmt::format("UPDATE {} AS t SET {} FROM u WHERE {}{} RETURNING 1", table, set,
                       found("t", false), condition);
  }

  /// Puts a copy of the row that has the old key, with what came of the new one, at the new key.
  std::string copy() const {
    std::string columns;
    std::string values;
    std::string key;
    std::string updates;
    for (std::size_t i = 0; i < plan_.columns.size(); ++i) {
      const std::string name = pg_identifier(plan_.columns[i].name);
      const char* comma = i == 0 ? "" : ", ";
      columns += comma + name;
      values += comma + (values_[i].empty() ? "o." + name : values_[i]);
      if (!is_key(i))
        updates += fmt::format("{}{} = EXCLUDED.{}", updates.empty() ? "" : ", ", name, name);
    }
    for (const std::uint32_t part : plan_.key) {
      key += (key.empty() ? "" : ", ") + pg_identifier(plan_.columns[part].name);
    }
    return fmt::format(
        "INSERT INTO {0} ({1}) SELECT {2} FROM {0} AS o, u WHERE {3} ON CONFLICT ({4}) DO UPDATE "
        "SET "
        "{5} RETURNING 1",
        qualified(plan_.target), columns, values, found("o", true), key, updates);
  }

 private:
  bool is_key(std::size_t column) const {
    return std::find(plan_.key.begin(), plan_.key.end(), column) != plan_.key.end();
  }

  const TablePlan& plan_;
  std::string arrays_;
  std::string names_;
  std::vector<std::string> before_;  ///< the old key, as expressions
  std::vector<std::string> values_;  ///< by column; "" where it is not there
  std::size_t parameters_ = 0;
};

/// "" if the key is all there is.
std::string patch_sql(const TablePlan& plan, const std::vector<Encoding>& encodings,
                      const std::string& present) {
  const PartialSql parts(plan, encodings, present, false);
  const std::string set = parts.assignments(false);
  if (set.empty()) return "";
  return fmt::format("UPDATE {} AS t SET {} FROM {} WHERE {}", qualified(plan.target), set,
                     parts.rows(), parts.found("t", false));
}

/// Gives one row another key and answers how many rows there were to do it with. While a table is
/// being copied, the row may be there by its new key already, or by both.
std::string move_sql(const TablePlan& plan, const std::vector<Encoding>& encodings,
                     const std::string& present) {
  const PartialSql parts(plan, encodings, present, true);
  const std::string table = qualified(plan.target);
  const std::string rows = fmt::format("WITH u AS (SELECT * FROM {}), ", parts.rows());
  constexpr const char* kAnswer =
      "SELECT (SELECT count(*) FROM there) + (SELECT count(*) FROM moved)";
  if (plan.deletes.kind == DeletePolicy::Kind::apply) {
    return fmt::format(
        "{0}there AS ({1}), gone AS (DELETE FROM {2} AS t USING u WHERE {3} AND EXISTS (SELECT "
        "FROM "
        "there)), moved AS (UPDATE {2} AS t SET {4} FROM u WHERE {3} AND NOT EXISTS (SELECT FROM "
        "there) RETURNING 1) {5}",
        rows, parts.update_there(""), table, parts.found("t", true), parts.assignments(true),
        kAnswer);
  }
  // The row with the old key stays, as if it had been deleted.
  std::string marked;
  if (plan.deletes.kind == DeletePolicy::Kind::soft) {
    marked = fmt::format(", marked AS (UPDATE {} AS t SET {} = ${}::timestamptz FROM u WHERE {})",
                         table, pg_identifier(plan.deletes.column), parts.parameters() + 1,
                         parts.found("t", true));
  }
  return fmt::format("{}moved AS ({}), there AS ({}){} {}", rows, parts.copy(),
                     parts.update_there(" AND NOT EXISTS (SELECT FROM moved)"), marked, kAnswer);
}

std::string whole_insert_sql(const TablePlan& plan, const std::vector<Encoding>& encodings) {
  std::string columns;
  std::string values;
  std::string arrays;
  std::string names;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    const char* comma = i == 0 ? "" : ", ";
    columns += comma + pg_identifier(plan.columns[i].name);
    values += comma + element_for(i + 1, plan.columns[i]);
    arrays += comma + array_of(i + 1, encodings[i]);
    names += fmt::format("{}a{}", comma, i + 1);
  }
  return fmt::format("INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS u({})",
                     qualified(plan.target), columns, values, arrays, names);
}

/// Removes, or marks, exactly as many rows as the arrays name, and answers how many were found.
///
/// Rows are compared by the text of a whole row, which every type has, keeps NULL apart from the
/// empty text, and can be hashed: the table is read once, whatever the number of rows. ONLY, for
/// the place of a row counts within one table.
std::string whole_remove_sql(const TablePlan& plan, const std::vector<Encoding>& encodings,
                             bool mark) {
  std::string wanted;
  std::string found;
  std::string arrays;
  std::string names;
  std::size_t parameters = 0;
  for (std::size_t i = 0; i < plan.columns.size() && !plan.columns[i].added(); ++i) {
    const char* comma = i == 0 ? "" : ", ";
    wanted += comma + element_as(i + 1, plan.columns[i]);
    found += fmt::format("{}t.{}", comma, pg_identifier(plan.columns[i].name));
    arrays += comma + array_of(i + 1, encodings[i]);
    names += fmt::format("{}a{}", comma, i + 1);
    ++parameters;
  }
  const std::string table = qualified(plan.target);
  const bool soft = plan.deletes.kind == DeletePolicy::Kind::soft;
  const std::string unmarked =
      soft ? fmt::format(" WHERE t.{} IS NULL", pg_identifier(plan.deletes.column)) : "";
  const std::string places = fmt::format(
      "SELECT f.place FROM (SELECT t.ctid AS place, w.times, row_number() OVER (PARTITION BY "
      "w.whole) AS number FROM ONLY {0} AS t JOIN (SELECT ROW({1})::text AS whole, count(*) AS "
      "times FROM unnest({2}) AS u({3}) GROUP BY 1) AS w ON ROW({4})::text = w.whole{5}) AS f "
      "WHERE f.number <= f.times",
      table, wanted, arrays, names, found, unmarked);
  const std::string change =
      mark ? fmt::format("UPDATE ONLY {} AS r SET {} = ${}::timestamptz", table,
                         pg_identifier(plan.deletes.column), parameters + 1)
           : fmt::format("DELETE FROM ONLY {} AS r", table);
  return fmt::format(
      "WITH gone AS ({} WHERE r.ctid = ANY (ARRAY({})) RETURNING 1) SELECT count(*) FROM gone",
      change, places);
}

/// Whether a whole row among the removes is to be marked: its soft column has a time.
bool is_marked(const TablePlan& plan, const PackedRow& row) {
  if (plan.deletes.kind != DeletePolicy::Kind::soft) return false;
  const char* at = row.data;
  for (const PlannedColumn& column : plan.columns) {
    const Cell cell = PackedRow::take(at);
    if (column.added() && column.constant == "{deleted}") return cell.has_value();
  }
  return false;
}

}  // namespace

SetApplier::SetApplier(const Endpoint& endpoint, const std::string& task,
                       std::span<const TablePlan> plans)
    : connection_(endpoint, PgConnection::Role::target),
      control_(endpoint.control_schema),
      task_(task) {
  wait_for_locks();
  // An array parameter tells the planner nothing about its length, and one plan serves all lengths:
  // only index look-ups are right for every batch.
  connection_.execute(
      "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; "
      "SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off");
  for (const TablePlan& plan : plans) {
    TableStatements& table = tables_[plan.id];
    table.plan = &plan;
    for (const PlannedColumn& column : plan.columns) {
      table.encodings.push_back(type_row(column.type.kind).encoding);
    }
    for (const std::uint32_t part : plan.key) table.key_encodings.push_back(table.encodings[part]);
  }
}

void SetApplier::choose_role() {
  role_chosen_ = true;
  for (const auto& [id, table] : tables_) {
    if (leave_out_triggers(connection_, table.plan->target)) return;
  }
}

void SetApplier::wait_for_locks() {
  try {
    connection_.execute("SET lock_timeout = '30s'");
    connection_.query("SELECT pg_advisory_lock(hashtextextended($1, 0))",
                      {applier_lock_key(task_)});
    connection_.query("SELECT pg_advisory_lock(hashtextextended($1, 0))", {loader_lock_key(task_)});
    connection_.query("SELECT pg_advisory_unlock(hashtextextended($1, 0))",
                      {loader_lock_key(task_)});
    connection_.execute("SET lock_timeout = 0");
  } catch (const Error& error) {
    if (error.id() != "postgres.conflict") throw;
    throw Error(
        ExitCode::state_conflict, "postgres.task-held",
        fmt::format("another worker applies task {} on this target", task_), error.why(),
        "stop the task where it runs; pg_stat_activity shows the session (application_name weir)");
  }
}

void SetApplier::send_removes(TableStatements& table, const TableChanges& changes,
                              const ChangeBatch& batch) {
  const TablePlan& plan = *table.plan;
  if (table.remove.empty()) {
    table.remove = fmt::format("weir_remove_{}", plan.id);
    connection_.send_prepare(table.remove, remove_sql(plan, table.key_encodings));
  }
  const std::size_t columns = plan.key.size();
  if (arrays_.size() < columns) arrays_.resize(columns);
  for (std::size_t c = 0; c < columns; ++c) {
    arrays_[c].begin(travels_as_bytes(table.key_encodings[c]) ? kByteaOid : kTextOid,
                     changes.removes.size());
  }
  for (const PackedRow& row : changes.removes) {
    const char* at = row.data;
    for (std::size_t c = 0; c < columns; ++c)
      arrays_[c].append(PackedRow::take(at), table.key_encodings[c]);
  }
  std::vector<PgParam> params;
  for (std::size_t c = 0; c < columns; ++c) params.push_back(arrays_[c].param());
  const std::string time = to_rfc3339(batch.last_commit, true);
  if (plan.deletes.kind == DeletePolicy::Kind::soft) params.emplace_back(time);
  connection_.send_prepared(table.remove, params);
}

void SetApplier::send_upserts(TableStatements& table, const TableChanges& changes) {
  const TablePlan& plan = *table.plan;
  if (table.upsert.empty()) {
    table.upsert = fmt::format("weir_upsert_{}", plan.id);
    connection_.send_prepare(table.upsert, upsert_sql(plan, table.encodings));
  }
  const std::size_t columns = plan.columns.size();
  if (arrays_.size() < columns) arrays_.resize(columns);
  for (std::size_t c = 0; c < columns; ++c) {
    arrays_[c].begin(travels_as_bytes(table.encodings[c]) ? kByteaOid : kTextOid,
                     changes.upserts.size());
  }
  for (const PackedRow& row : changes.upserts) {
    const char* at = row.data;
    for (std::size_t c = 0; c < columns; ++c) {
      try {
        arrays_[c].append(PackedRow::take(at), table.encodings[c]);
      } catch (const Error& error) {
        throw error
            .within(fmt::format("{} column {}, row with key {}", plan.source.name.text(),
                                plan.columns[c].name, key_text(plan, row)))
            .of_table(plan.source.name.text());
      }
    }
  }
  std::vector<PgParam> params;
  for (std::size_t c = 0; c < columns; ++c) params.push_back(arrays_[c].param());
  connection_.send_prepared(table.upsert, params);
}

void SetApplier::send_patches(TableStatements& table, const TableChanges& changes) {
  const TablePlan& plan = *table.plan;
  const std::size_t columns = plan.columns.size();
  std::map<std::string, std::vector<PackedRow>> groups;
  for (const PackedRow& row : changes.patches) groups[columns_of(row, columns)].push_back(row);
  if (arrays_.size() < columns) arrays_.resize(columns);
  for (const auto& [present, rows] : groups) {
    const auto [statement, is_new] = table.patches.try_emplace(present);
    if (is_new) {
      const std::string sql = patch_sql(plan, table.encodings, present);
      if (!sql.empty()) {
        statement->second = fmt::format("weir_patch_{}_{}", plan.id, table.patches.size());
        connection_.send_prepare(statement->second, sql);
      }
    }
    if (statement->second.empty()) continue;
    for (std::size_t c = 0; c < columns; ++c) {
      arrays_[c].begin(travels_as_bytes(table.encodings[c]) ? kByteaOid : kTextOid, rows.size());
    }
    for (const PackedRow& row : rows) {
      const char* at = row.data;
      for (std::size_t c = 0; c < columns; ++c) {
        const Cell cell = PackedRow::take(at);
        if (cell.is_absent()) continue;
        try {
          arrays_[c].append(cell, table.encodings[c]);
        } catch (const Error& error) {
          throw error
              .within(fmt::format("{} column {}, row with key {}", plan.source.name.text(),
                                  plan.columns[c].name, key_text(plan, row)))
              .of_table(plan.source.name.text());
        }
      }
    }
    std::vector<PgParam> params;
    for (std::size_t c = 0; c < columns; ++c) {
      if (present[c] == '1') params.push_back(arrays_[c].param());
    }
    connection_.send_prepared(statement->second, params);
  }
}

void SetApplier::send_move(TableStatements& table, const TableChanges::Move& move,
                           const ChangeBatch& batch) {
  const TablePlan& plan = *table.plan;
  const std::string present = columns_of(move.row, plan.columns.size());
  const auto [statement, is_new] = table.moves.try_emplace(present);
  if (is_new) {
    statement->second = fmt::format("weir_move_{}_{}", plan.id, table.moves.size());
    connection_.send_prepare(statement->second, move_sql(plan, table.encodings, present));
  }
  const std::size_t most = plan.key.size() + plan.columns.size();
  if (arrays_.size() < most) arrays_.resize(most);
  std::vector<PgParam> params;
  const auto add = [&](Cell cell, Encoding encoding) {
    ArrayParam& array = arrays_[params.size()];
    array.begin(travels_as_bytes(encoding) ? kByteaOid : kTextOid, 1);
    array.append(cell, encoding);
    params.push_back(array.param());
  };
  const char* at = move.from.data;
  for (const Encoding encoding : table.key_encodings) add(PackedRow::take(at), encoding);
  at = move.row.data;
  for (const Encoding encoding : table.encodings) {
    const Cell cell = PackedRow::take(at);
    if (!cell.is_absent()) add(cell, encoding);
  }
  const std::string time = to_rfc3339(batch.last_commit, true);
  if (plan.deletes.kind == DeletePolicy::Kind::soft) params.emplace_back(time);
  connection_.send_prepared(statement->second, params);
}

void SetApplier::move_rows(const ChangeBatch& batch) {
  std::vector<const TablePlan*> moved;
  for (const TableChanges& changes : batch.tables) {
    TableStatements& table = tables_.at(changes.table);
    for (const TableChanges::Move& move : changes.moves) {
      send_move(table, move, batch);
      moved.push_back(table.plan);
    }
  }
  if (moved.empty()) return;
  const std::vector<PgResult> results = connection_.flush_batch();
  auto plan = moved.begin();
  for (const PgResult& result : results) {
    if (result.rows() == 0) continue;  // only a move answers with a row
    const TablePlan& moving = **plan++;
    if (result.text(0, 0) != "0") continue;
    throw Error(
        ExitCode::refused, "postgres.row-missing",
        fmt::format("{} lacks a row whose key changed on the source", moving.target.text()),
        "the log does not carry those of its large values that stayed the same, and the target has "
        "no row to take them from",
        fmt::format(
            "ALTER TABLE {} REPLICA IDENTITY FULL on the source has the log carry them; then "
            "start the task anew with the target table empty",
            moving.source.name.text()))
        .of_table(moving.source.name.text());
  }
  connection_.begin_batch();
}

void SetApplier::empty_tables(const ChangeBatch& batch) {
  std::vector<std::string> names;
  for (const TableChanges& changes : batch.tables) {
    if (changes.truncated) names.push_back(qualified(tables_.at(changes.table).plan->target));
  }
  if (names.empty()) return;
  if (!open_) return connection_.send("TRUNCATE " + join(names, ", "));
  // What came earlier in the transaction may have left a deferred check, which stands in its way.
  for (const std::string& name : names) connection_.send("DELETE FROM " + name);
}

void SetApplier::send_whole_inserts(TableStatements& table, const TableChanges& changes) {
  if (table.upsert.empty()) {
    table.upsert = fmt::format("weir_insert_{}", table.plan->id);
    connection_.send_prepare(table.upsert, whole_insert_sql(*table.plan, table.encodings));
  }
  send_upserts(table, changes);
}

void SetApplier::send_whole_removes(TableStatements& table, const TableChanges& changes,
                                    const ChangeBatch& batch) {
  const std::string time = to_rfc3339(batch.last_commit, true);
  send_whole_removes(table, changes, false, time);
  send_whole_removes(table, changes, true, time);
}

void SetApplier::send_whole_removes(TableStatements& table, const TableChanges& changes,
                                    bool marked, const std::string& time) {
  const TablePlan& plan = *table.plan;
  std::vector<PackedRow> rows;
  for (const PackedRow& row : changes.removes) {
    if (is_marked(plan, row) == marked) rows.push_back(row);
  }
  if (rows.empty()) return;
  std::string& statement = marked ? table.mark_whole : table.remove_whole;
  if (statement.empty()) {
    statement = fmt::format("weir_{}_{}", marked ? "mark" : "remove", plan.id);
    connection_.send_prepare(statement, whole_remove_sql(plan, table.encodings, marked));
  }
  const auto first_added = std::find_if(plan.columns.begin(), plan.columns.end(),
                                        [](const PlannedColumn& column) { return column.added(); });
  const auto columns = static_cast<std::size_t>(first_added - plan.columns.begin());
  if (arrays_.size() < columns) arrays_.resize(columns);
  for (std::size_t c = 0; c < columns; ++c) {
    arrays_[c].begin(travels_as_bytes(table.encodings[c]) ? kByteaOid : kTextOid, rows.size());
  }
  for (const PackedRow& row : rows) {
    const char* at = row.data;
    for (std::size_t c = 0; c < columns; ++c)
      arrays_[c].append(PackedRow::take(at), table.encodings[c]);
  }
  std::vector<PgParam> params;
  for (std::size_t c = 0; c < columns; ++c) params.push_back(arrays_[c].param());
  if (marked) params.emplace_back(time);
  // There is no index to look whole rows up with, and the session is set for those.
  connection_.send("SET LOCAL enable_hashjoin = on");
  connection_.send("SET LOCAL enable_nestloop = off");
  connection_.send_prepared(statement, params);
  connection_.send("SET LOCAL enable_hashjoin = off");
  connection_.send("SET LOCAL enable_nestloop = on");
  whole_rows_.push_back({&plan, rows.size()});
}

void SetApplier::check_whole_rows() {
  if (whole_rows_.empty()) return;
  const std::vector<PgResult> results = connection_.flush_batch();
  auto expected = whole_rows_.begin();
  for (const PgResult& result : results) {
    if (result.rows() == 0) continue;  // only these statements answer with a row
    const WholeRows& wanted = *expected++;
    if (result.text(0, 0) == std::to_string(wanted.count)) continue;
    throw Error(
        ExitCode::refused, "postgres.row-missing",
        fmt::format("{} lacks rows that changed on the source", wanted.plan->target.text()),
        fmt::format("of {} rows of {} to take away {} were found; its rows are told apart by all "
                    "columns, so each must be there as the source had it",
                    wanted.count, wanted.plan->source.name.text(), result.text(0, 0)),
        "find who else writes to the target table; make it equal to the source again, or start the "
        "task anew with it empty")
        .of_table(wanted.plan->source.name.text());
  }
  whole_rows_.clear();
  connection_.begin_batch();
}

void SetApplier::send_offset(const Offset& offset) {
  const std::string time = to_rfc3339(offset.source_time, true);
  const std::vector<PgParam> params = {PgParam(offset.text), PgParam(time), PgParam(task_)};
  connection_.send(
      fmt::format("UPDATE {} SET log_offset = $1, source_time = $2::timestamptz, updated_at = "
                  "now() WHERE task = $3",
                  control_.task_table()),
      params);
}

void SetApplier::send_full_end(const Offset& full_end) {
  const std::vector<PgParam> params = {PgParam(full_end.text), PgParam(task_)};
  connection_.send(
      fmt::format("UPDATE {} SET full_end_offset = $1 WHERE task = $2", control_.task_table()),
      params);
}

bool SetApplier::takes(TableStatements& table, std::span<const PackedRow> rows, bool patches) {
  TableChanges part;
  part.table = table.plan->id;
  (patches ? part.patches : part.upserts).assign(rows.begin(), rows.end());
  try {
    connection_.begin_batch();
    connection_.send("BEGIN");
    if (patches) {
      send_patches(table, part);
    } else if (table.plan->key.empty()) {
      send_whole_inserts(table, part);
    } else {
      send_upserts(table, part);
    }
    connection_.send("ROLLBACK");
    connection_.flush_batch();
    return true;
  } catch (const Error& error) {
    connection_.rollback();
    if (error.id() != "postgres.row-refused") throw;
    return false;
  }
}

bool SetApplier::find_refused(const ChangeBatch& batch, const TablePlan*& plan, std::string& key) {
  // What was to be prepared after the error is not there.
  connection_.execute("DEALLOCATE ALL");
  for (auto& [id, table] : tables_) {
    table.upsert.clear();
    table.patches.clear();
  }
  for (const TableChanges& changes : batch.tables) {
    TableStatements& table = tables_.at(changes.table);
    for (const bool patches : {false, true}) {
      std::span<const PackedRow> rows = patches ? changes.patches : changes.upserts;
      if (rows.empty() || takes(table, rows, patches)) continue;
      while (rows.size() > 1) {
        const std::span<const PackedRow> half = rows.first(rows.size() / 2);
        rows = takes(table, half, patches) ? rows.subspan(half.size()) : half;
      }
      plan = table.plan;
      key = key_text(*plan, rows.front());
      return true;
    }
  }
  return false;
}

Error SetApplier::refused_row(const ChangeBatch& batch, const Error& error) {
  // The statements of a batch go together, and the server's answer does not say which it was.
  const TablePlan* plan = nullptr;
  std::string key;
  if (find_refused(batch, plan, key)) {
    return Error(ExitCode::refused, error.id(),
                 fmt::format("{}: the target table {} does not take the row with key {}",
                             plan->source.name.text(), plan->target.text(), key),
                 error.why(), error.fix())
        .of_table(plan->source.name.text());
  }
  std::string names;
  for (const TableChanges& changes : batch.tables) {
    const std::string name = tables_.at(changes.table).plan->target.text();
    names += (names.empty() ? "" : " or ") + name;
  }
  return Error(ExitCode::refused, error.id(),
               fmt::format("the target does not take a row of {}", names), error.why(),
               error.fix());
}

void SetApplier::apply(const ChangeBatch& batch) {
  const Clock::time_point begin = Clock::now();
  if (!role_chosen_) choose_role();
  const auto undo = [this] {
    connection_.rollback();
    whole_rows_.clear();
    open_ = false;
  };
  try {
    connection_.begin_batch();
    if (!open_) connection_.send("BEGIN");
    empty_tables(batch);
    move_rows(batch);
    for (const TableChanges& changes : batch.tables) {
      TableStatements& table = tables_.at(changes.table);
      if (table.plan->key.empty()) {
        if (!changes.removes.empty()) send_whole_removes(table, changes, batch);
        if (!changes.upserts.empty()) send_whole_inserts(table, changes);
        continue;
      }
      if (!changes.removes.empty()) send_removes(table, changes, batch);
      if (!changes.upserts.empty()) send_upserts(table, changes);
      if (!changes.patches.empty()) send_patches(table, changes);
    }
    check_whole_rows();
    timing_.commit_seconds = 0;
    if (batch.ends_transaction) {
      if (!batch.full_end.empty()) send_full_end(batch.full_end);
      send_offset(batch.offset);
      connection_.request_answers();
      connection_.send("COMMIT");
    }
    const std::vector<PgResult> results = connection_.flush_batch();
    if (batch.ends_transaction && results[results.size() - 2].affected() != 1) {
      throw Error(
          ExitCode::state_conflict, "postgres.task-gone",
          fmt::format("the target no longer knows task {}", task_),
          fmt::format("its row in {} was removed while the task ran", control_.task_table()),
          "start the task anew with empty target tables, or restore the control tables");
    }
    open_ = !batch.ends_transaction;
  } catch (const Error& error) {
    undo();
    if (error.id() != "postgres.row-refused") throw;
    throw refused_row(batch, error);
  } catch (...) {
    undo();
    throw;
  }
  if (batch.ends_transaction) timing_.commit_seconds = connection_.last_answer_seconds();
  timing_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
}

AlterResult SetApplier::truncate(const TablePlan& plan, const Offset& offset) {
  if (open_) throw bug("a table is emptied inside a transaction of the source");
  AlterResult result;
  result.target_sql = "TRUNCATE " + qualified(plan.target);
  try {
    connection_.begin_batch();
    connection_.send("BEGIN");
    connection_.send(result.target_sql);
    send_offset(offset);
    connection_.send("COMMIT");
    connection_.flush_batch();
  } catch (...) {
    connection_.rollback();
    throw;
  }
  return result;
}

void SetApplier::merge(std::span<const TablePlan> plans) {
  if (open_) throw bug("a copy is merged inside a transaction of the source");
  bool has_role = false;
  for (const TablePlan& plan : plans) {
    const auto kept = swapped_name(plan.target);
    has_role = has_role || (kept && leave_out_triggers(connection_, *kept));
  }
  try {
    // Whole tables meet here, not the few rows of a batch.
    connection_.execute(
        "BEGIN; SET LOCAL lock_timeout = '30s'; SET LOCAL enable_seqscan = on; SET LOCAL "
        "enable_hashjoin = on; SET LOCAL enable_mergejoin = on");
    for (const TablePlan& plan : plans) {
      const auto kept = swapped_name(plan.target);
      if (!kept) continue;
      if (connection_.scalar("SELECT to_regclass($1)", {qualified(*kept)})) {
        merge_rows(connection_, plan, *kept, now());
        connection_.execute("DROP TABLE " + qualified(plan.target));
      } else {
        swap_table(connection_, plan.target, *kept);
      }
      control_.keep_merged(connection_, task_, plan, *kept);
    }
    connection_.execute("COMMIT");
  } catch (...) {
    connection_.rollback();
    throw;
  }
}

AlterResult SetApplier::alter(const TableAlter& alter, const Offset& offset) {
  if (open_) throw bug("a table changes inside a transaction of the source");
  AlterResult result;
  const TableName& was = alter.before.source.name;
  const TableName& source = alter.after.source.name;
  const TableName& target = alter.after.target;
  try {
    connection_.execute("BEGIN; SET LOCAL lock_timeout = '30s'");
    if (alter.alters() || alter.drops || alter.renames()) {
      result = alter_table(connection_, alter);
    }
    connection_.begin_batch();
    const std::string definition = encode_definition(alter.after.source);
    const std::vector<PgParam> params = {PgParam(definition),    PgParam(task_),
                                         PgParam(was.schema),    PgParam(was.table),
                                         PgParam(source.schema), PgParam(source.table),
                                         PgParam(target.schema), PgParam(target.table)};
    connection_.send(
        fmt::format("UPDATE {} SET definition = $1, source_schema = $5, source_table = $6, "
                    "target_schema = $7, target_table = $8 WHERE task = $2 AND source_schema = $3 "
                    "AND source_table = $4",
                    control_.table_table()),
        params);
    if (was != source) {
      connection_.send(fmt::format("UPDATE {} SET source_schema = $4, source_table = $5 WHERE task "
                                   "= $1 AND source_schema = $2 AND source_table = $3",
                                   control_.range_table()),
                       std::span(params).subspan(1, 5));
    }
    send_offset(offset);
    connection_.send("COMMIT");
    connection_.flush_batch();
  } catch (...) {
    connection_.rollback();
    throw;
  }
  return result;
}

}  // namespace weir::postgres
