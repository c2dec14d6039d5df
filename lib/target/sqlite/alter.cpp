// SPDX-License-Identifier: Apache-2.0
#include "target/sqlite/alter.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "model/swap_name.h"
#include "target/sqlite/schema.h"
#include "target/sqlite/types.h"
#include "target/target.h"

namespace weir::sqlite {
namespace {

constexpr std::string_view kNewName = "weir_new_table";

/// A column on its way: as it is, or is to be in the new table.
struct WorkColumn {
  TableColumn column;
  const PlannedColumn* before = nullptr;  ///< empty if the earlier plan does not have it
  const PlannedColumn* retyped = nullptr;
  std::optional<std::string> fill;  ///< SQL; of a column that the old table lacks
  bool is_new = false;
};

std::string literal(const PlannedColumn& column, const std::optional<std::string>& value) {
  if (!value) return "NULL";
  return encoding(column.type, column.target_type) == Encoding::blob ? "x'" + hex(*value) + "'"
                                                                     : sqlite_literal(*value);
}

/// The value of the old column as the new type has it. What the source converts in other ways was
/// refused before.
std::string converted(const std::string& name, const PlannedColumn& before,
                      const PlannedColumn& after) {
  const Storage to = storage(after.target_type, true);
  if (to == Storage::blob) return fmt::format("CAST({} AS BLOB)", name);
  if (to != Storage::text) return name;
  if (before.type.kind == TypeKind::decimal && after.type.kind == TypeKind::decimal) {
    const Storage from = storage(before.target_type, true);
    if (from == Storage::real) return fmt::format("printf('%.{}f', {})", after.type.scale, name);
    if (from == Storage::integer && after.type.scale > 0) {
      return fmt::format("CAST({} AS TEXT) || '.{}'", name, std::string(after.type.scale, '0'));
    }
  }
  return fmt::format("CAST({} AS TEXT)", name);
}

bool has_fraction(TypeKind kind) {
  return kind == TypeKind::time || kind == TypeKind::datetime || kind == TypeKind::timestamp;
}

/// Why values that are there would not be what the source has now, though the column's type stays
/// the same; "" if they are. Texts are compared, so that a value in a key must look the same too.
std::string stale_values(const PlannedColumn& before, const PlannedColumn& after, bool in_key) {
  if (before.target_type != after.target_type || before.type.kind != after.type.kind) return "";
  const TypeKind kind = after.type.kind;
  const bool decimal = kind == TypeKind::decimal;
  if (!decimal && !has_fraction(kind)) return "";
  const int was = decimal ? before.type.scale : before.type.precision;
  const int is = decimal ? after.type.scale : after.type.precision;
  if (is < was) return "the source rounded the values that are there";
  if (is > was && in_key && storage(after.target_type, true) == Storage::text) {
    return "the values that are there have fewer digits, and rows are found by their text";
  }
  return "";
}

class Altering {
 public:
  Altering(SqliteDatabase& database, const TableAlter& alter)
      : database_(database), alter_(alter), name_(alter.after.target.table) {
    const auto table = describe(database, name_);
    if (!table || !table->is_table) {
      throw Error(ExitCode::refused, "ddl.target", fmt::format("there is no table {}", name_),
                  "the task fills it, and somebody dropped it or put a view in its place",
                  "restore it, or begin the task anew");
    }
    table_ = *table;
    for (const TableColumn& column : table_.columns) {
      WorkColumn& work = columns_.emplace_back();
      work.column = column;
      const auto& planned = alter.before.columns;
      const auto at = std::find_if(planned.begin(), planned.end(), [&](const PlannedColumn& c) {
        return equals_ignoring_case(c.name, column.name);
      });
      if (at != planned.end()) work.before = &*at;
    }
  }

  AlterResult run() {
    refuse_stale();
    for (const IndexAlter& index : alter_.indexes) {
      if (index.kind != IndexAlter::Kind::add) drop_index(index);
    }
    for (const ColumnAlter& step : alter_.steps) take(step);
    if (alter_.key_changed) rebuild_ = rebuild_ || key_names() != table_.key;
    if (rebuild_) rebuild();
    for (const IndexAlter& index : alter_.indexes) {
      if (index.kind != IndexAlter::Kind::drop) add_index(index);
    }
    if (alter_.comment_changed) left_out_.push_back(no_comments());
    if (!done_.empty()) compare();
    return {std::move(done_), std::move(left_out_)};
  }

 private:
  using Kind = ColumnAlter::Kind;

  void execute(const std::string& sql) {
    try {
      database_.execute(sql.c_str());
    } catch (const Error& error) {
      if (error.id() == "sqlite.busy" || error.id() == "sqlite.disk-full") throw;
      throw refuse_statement(alter_, sql, error.why());
    }
    done_ += (done_.empty() ? "" : "; ") + sql;
  }

  [[noreturn]] void refuse(const std::string& column, const std::string& why) const {
    ColumnAlter step;
    step.kind = ColumnAlter::Kind::retype;
    step.name = column;
    step.problem = why;
    throw refuse_step(alter_, step);
  }

  void refuse_stale() const {
    for (std::size_t i = 0; i < alter_.after.columns.size(); ++i) {
      const PlannedColumn& after = alter_.after.columns[i];
      const auto& planned = alter_.before.columns;
      const auto before = std::find_if(planned.begin(), planned.end(), [&](const PlannedColumn& c) {
        return c.name == after.name;
      });
      if (before == planned.end()) continue;
      const auto& key = alter_.after.key;
      const bool in_key = key.empty() || std::find(key.begin(), key.end(), i) != key.end();
      const std::string why = stale_values(*before, after, in_key);
      if (!why.empty()) refuse(after.name, why);
    }
  }

  std::vector<WorkColumn>::iterator find(const std::string& name) {
    return std::find_if(columns_.begin(), columns_.end(), [&](const WorkColumn& work) {
      return equals_ignoring_case(work.column.name, name);
    });
  }

  std::string altered(const std::string& action) const {
    return fmt::format("ALTER TABLE {} {}", sqlite_identifier(name_), action);
  }

  void take(const ColumnAlter& step) {
    const auto at = find(step.name);
    const bool there = at != columns_.end();
    switch (step.kind) {
      case Kind::drop:
        if (there) drop(at);
        return;
      case Kind::rename:
        if (!there && find(step.rename_to) != columns_.end()) return;
        execute(altered(fmt::format("RENAME COLUMN {} TO {}", sqlite_identifier(step.name),
                                    sqlite_identifier(step.rename_to))));
        for (std::string& part : table_.key) {
          if (equals_ignoring_case(part, step.name)) part = step.rename_to;
        }
        at->column.name = step.rename_to;
        return;
      case Kind::add:
        if (there) return;
        if (!step.problem.empty()) throw refuse_step(alter_, step);
        add(step);
        return;
      case Kind::retype: {
        const PlannedColumn& column = alter_.after.columns[step.column];
        if (!step.problem.empty()) throw refuse_step(alter_, step);
        if (!there) return;
        if (equals_ignoring_case(at->column.declared, column.target_type)) return;
        at->column.declared = column.target_type;
        at->column.default_sql = planned(step.column).default_sql;
        at->retyped = &column;
        rebuild_ = true;
        return;
      }
      case Kind::drop_not_null:
      case Kind::set_not_null: {
        const bool wanted = step.kind == Kind::set_not_null;
        if (!there || at->column.not_null == wanted) return;
        at->column.not_null = wanted;
        rebuild_ = true;
        return;
      }
      case Kind::set_default: {
        if (!there) return;
        const std::optional<std::string> wanted = planned(step.column).default_sql;
        if (at->column.default_sql == wanted) return;
        const bool can_rebuild = std::none_of(columns_.begin(), columns_.end(),
                                              [](const auto& w) { return w.column.generated; });
        if (!can_rebuild) {
          left_out_.push_back(fmt::format(
              "the column {} of {} keeps its default: the table would have to be made anew, and it "
              "has a generated column of its own",
              step.name, name_));
          return;
        }
        at->column.default_sql = wanted;
        rebuild_ = true;
        return;
      }
      case Kind::set_comment:
        left_out_.push_back(no_comments());
        return;
    }
  }

  std::string no_comments() const {
    return fmt::format("{} gets no comment: SQLite keeps none", name_);
  }

  /// The index of the table that stands for one of the source, by the name that it got here.
  std::optional<std::string> find_index(const std::string& source) const {
    // A table that took another's place, or another name, has indexes with its earlier one.
    std::vector<std::string> tables = {name_, alter_.before.target.table};
    if (const auto swapped = swapped_name(alter_.after.target)) tables.push_back(swapped->table);
    for (const std::string& table : tables) {
      const std::string name = index_name(table, source);
      SqliteStatement rows = database_.prepare(
          "SELECT name FROM pragma_index_list(?) WHERE origin = 'c' AND name = ? COLLATE NOCASE");
      rows.bind(name_).bind(name);
      if (rows.step()) return std::string(rows.text(0));
    }
    return std::nullopt;
  }

  void drop_index(const IndexAlter& index) {
    const auto name = find_index(alter_.before.source.indexes[index.before].name);
    if (name) execute("DROP INDEX " + sqlite_identifier(*name));
  }

  /// SQLite gives no index another name: that one is made anew.
  void add_index(const IndexAlter& index) {
    IndexSql made = index_sql(database_, alter_.after, alter_.after.source.indexes[index.after]);
    if (!made.left_out.empty()) left_out_.push_back(std::move(made.left_out));
    if (!made.sql.empty()) execute(made.sql);
  }

  TableColumn planned(std::uint32_t column) const {
    return planned_table(alter_.after).columns[column];
  }

  void drop(std::vector<WorkColumn>::iterator at) {
    const std::string name = at->column.name;
    const bool in_key = std::any_of(table_.key.begin(), table_.key.end(), [&](const auto& part) {
      return equals_ignoring_case(part, name);
    });
    drop_indexes_on(name);
    columns_.erase(at);
    if (in_key) {
      rebuild_ = true;
    } else {
      execute(altered("DROP COLUMN " + sqlite_identifier(name)));
    }
  }

  void drop_indexes_on(const std::string& column) {
    SqliteStatement rows = database_.prepare(
        "SELECT l.name FROM pragma_index_list(?) AS l, pragma_index_info(l.name) AS i WHERE "
        "l.origin = 'c' AND i.name = ? COLLATE NOCASE");
    rows.bind(name_).bind(column);
    std::vector<std::string> names;
    while (rows.step()) names.emplace_back(rows.text(0));
    for (const std::string& name : names) execute("DROP INDEX " + sqlite_identifier(name));
  }

  void add(const ColumnAlter& step) {
    const PlannedColumn& column = alter_.after.columns[step.column];
    WorkColumn work;
    work.column = planned(step.column);
    work.is_new = true;
    work.fill = literal(column, step.fill);
    if (work.column.not_null) {
      rebuild_ = true;
    } else {
      const std::string name = sqlite_identifier(column.name);
      // Rows that are there would show a default, whatever the source gave them.
      execute(altered(
          fmt::format("ADD COLUMN {} {}{}", name, column.target_type,
                      work.column.default_sql ? " DEFAULT " + *work.column.default_sql : "")));
      if (step.fill || work.column.default_sql) {
        execute(fmt::format("UPDATE {} SET {} = {}", sqlite_identifier(name_), name, *work.fill));
      }
      work.is_new = false;
    }
    columns_.push_back(std::move(work));
  }

  std::vector<std::string> key_names() const {
    std::vector<std::string> out;
    for (const std::uint32_t part : alter_.after.key) {
      out.push_back(alter_.after.columns[part].name);
    }
    return out;
  }

  void rebuild() {
    ExistingTable made = table_;
    made.columns.clear();
    std::string into;
    std::string from;
    for (const WorkColumn& work : columns_) {
      made.columns.push_back(work.column);
      if (work.column.generated) {
        throw Error(ExitCode::refused, "ddl.target",
                    fmt::format("{} has a generated column of its own, {}",
                                alter_.after.target.text(), work.column.name),
                    "the table has to be made anew, and SQLite does not tell the expression",
                    "drop that column, start the task, and add it again");
      }
      const std::string name = sqlite_identifier(work.column.name);
      into += (into.empty() ? "" : ", ") + name;
      from += from.empty() ? "" : ", ";
      from += work.is_new ? *work.fill
              : work.retyped && work.before != nullptr
                  ? converted(name, *work.before, *work.retyped)
                  : name;
    }
    if (alter_.key_changed) {
      made.key = key_names();
      made.has_rowid = planned_table(alter_.after).has_rowid;
    }
    std::vector<std::string> others;
    SqliteStatement rows = database_.prepare(
        "SELECT sql FROM sqlite_schema WHERE tbl_name = ? COLLATE NOCASE AND type IN ('index', "
        "'trigger') AND sql IS NOT NULL");
    rows.bind(name_);
    while (rows.step()) others.emplace_back(rows.text(0));
    const std::string beside = sqlite_identifier(kNewName);
    const std::string old = sqlite_identifier(name_);
    execute(create_sql(made, std::string(kNewName)));
    execute(fmt::format("INSERT INTO {} ({}) SELECT {} FROM {}", beside, into, from, old));
    // Views and triggers that name the table are to find the new one, not to follow the old.
    database_.execute("PRAGMA legacy_alter_table = ON");
    execute("DROP TABLE " + old);
    execute(fmt::format("ALTER TABLE {} RENAME TO {}", beside, old));
    database_.execute("PRAGMA legacy_alter_table = OFF");
    for (const std::string& sql : others) execute(sql);
  }

  [[noreturn]] void wrong(const std::string& what) const {
    throw Error(ExitCode::refused, "ddl.outcome",
                fmt::format("{} does not look as it should after a change", name_), what,
                "report it with the statement; set this kind of DDL to \"ignore\" under [ddl] to "
                "leave the target table as it is");
  }

  void compare() const {
    const auto table = describe(database_, name_);
    if (!table) wrong("it is gone");
    for (const PlannedColumn& column : alter_.after.columns) {
      if (table->find(column.name) == nullptr) {
        wrong(fmt::format("the column {} is missing", column.name));
      }
    }
    for (const ColumnAlter& step : alter_.steps) {
      // Another column may be as a policy, or the task file, has left it.
      if (step.kind == Kind::add || step.kind == Kind::retype) {
        const PlannedColumn& column = alter_.after.columns[step.column];
        const TableColumn* found = table->find(column.name);
        if (column.target_type == target_type(column.type) &&
            fit(column.type, storage(found->declared, table->strict)) != Fit::fits) {
          wrong(fmt::format("the column {} is {}", column.name, found->declared));
        }
      }
      if (step.kind != Kind::drop || table->find(step.name) == nullptr) continue;
      const auto& kept = alter_.after.columns;
      if (std::none_of(kept.begin(), kept.end(),
                       [&](const PlannedColumn& c) { return c.name == step.name; })) {
        wrong(fmt::format("the column {} is still there", step.name));
      }
    }
    if (!alter_.after.key.empty() && !has_key(database_, alter_.after)) {
      wrong("it has no unique key on the key columns");
    }
  }

  SqliteDatabase& database_;
  const TableAlter& alter_;
  std::string name_;
  ExistingTable table_;
  std::vector<WorkColumn> columns_;
  bool rebuild_ = false;
  std::string done_;
  std::vector<std::string> left_out_;
};

}  // namespace

AlterResult alter_table(SqliteDatabase& database, const TableAlter& alter) {
  // A table that is gone on the source, or a change that a policy leaves alone.
  std::string done;
  const std::string& old_name = alter.before.target.table;
  if ((alter.drops || alter.renames()) && describe(database, old_name)) {
    const std::string old = sqlite_identifier(old_name);
    done = alter.drops ? "DROP TABLE " + old
                       : fmt::format("ALTER TABLE {} RENAME TO {}", old,
                                     sqlite_identifier(alter.after.target.table));
    database.execute(done.c_str());
  }
  if (!alter.alters()) return {done};
  AlterResult rest = Altering(database, alter).run();
  rest.target_sql = done + (done.empty() || rest.target_sql.empty() ? "" : "; ") + rest.target_sql;
  return rest;
}

}  // namespace weir::sqlite
