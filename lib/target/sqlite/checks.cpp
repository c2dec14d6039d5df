// SPDX-License-Identifier: Apache-2.0
#include "target/sqlite/checks.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "client/sqlite.h"

namespace weir::sqlite {
namespace {

constexpr std::chrono::seconds kBusy{5};
/// These are not among the kernel's public numbers.
constexpr long kCifs = 0xff534d42L;
constexpr long kSmb2 = 0xfe534d42L;

bool is_network(const std::string& folder) {
  struct statfs found {};
  if (statfs(folder.c_str(), &found) != 0) return false;
  const auto type = static_cast<long>(found.f_type) & 0xffffffffL;
  return type == NFS_SUPER_MAGIC || type == SMB_SUPER_MAGIC || type == kCifs || type == kSmb2;
}

Facts::TableFacts gather_table(const SqliteDatabase& database, const TablePlan& plan) {
  Facts::TableFacts out;
  const auto table = describe(database, plan.target.table);
  if (!table) return out;
  out.exists = true;
  out.table = *table;
  if (!table->is_table) return out;
  out.has_rows =
      database.integer(fmt::format("SELECT EXISTS (SELECT 1 FROM {})", table_sql(plan))) != 0;
  out.has_key = has_key(database, plan);
  return out;
}

Finding finding(const char* id, std::string what, std::string why, std::string fix,
                std::string evidence = "", std::string table = "") {
  Finding out;
  out.id = id;
  out.severity = Severity::critical;
  out.what = std::move(what);
  out.why = std::move(why);
  out.fix = std::move(fix);
  out.evidence = std::move(evidence);
  out.table = std::move(table);
  return out;
}

/// What only the rules of the task file can get wrong.
void judge_plan(const Facts::TableFacts& table, std::vector<Finding>& out) {
  const TablePlan& plan = *table.plan;
  const std::string name = plan.target.text();
  if (to_lower(plan.target.table).starts_with("sqlite_")) {
    out.push_back(finding("sqlite.name-reserved", fmt::format("{} cannot be a table's name", name),
                          "SQLite keeps names that begin with sqlite_ for itself",
                          "choose another target name in the table rule", "", name));
  }
  for (const PlannedColumn& column : plan.columns) {
    if (column.target_type == target_type(column.type)) continue;
    const Storage storage_there = storage(column.target_type, true);
    if (storage_there == Storage::unknown) {
      out.push_back(finding(
          "sqlite.type-unknown",
          fmt::format("the column {} would have the type {}", column.name, column.target_type),
          "the table would be a STRICT one, which has other types",
          "say INTEGER, REAL, TEXT, BLOB or ANY in the table rule, or leave the type out", "",
          name));
    } else if (fit(column.type, storage_there) == Fit::other) {
      out.push_back(finding(
          "sqlite.type-other",
          fmt::format("the column {} cannot be {}", column.name, column.target_type),
          fmt::format("{} on the source has values of another kind", column.type.native),
          fmt::format("say {} in the table rule, or leave the type out", target_type(column.type)),
          fmt::format("source {}", column.type.native), name));
    }
  }
}

void judge_columns(const Facts::TableFacts& table, std::vector<Finding>& out) {
  const TablePlan& plan = *table.plan;
  const std::string name = plan.target.text();
  std::set<std::string> planned;
  for (const PlannedColumn& column : plan.columns) {
    planned.insert(to_lower(column.name));
    const TableColumn* existing = table.table.find(column.name);
    if (existing == nullptr) {
      out.push_back(finding(
          "sqlite.column-missing", fmt::format("the target table lacks the column {}", column.name),
          "rows cannot be written without it",
          fmt::format("ALTER TABLE {} ADD COLUMN {} {}; or drop the column in "
                      "the table rule",
                      table_sql(plan), sqlite_identifier(column.name), column.target_type),
          fmt::format("no column {}, wanted {}", column.name, column.target_type), name));
      continue;
    }
    if (existing->generated) {
      out.push_back(finding(
          "sqlite.column-generated", fmt::format("the target column {} is generated", column.name),
          "SQLite takes no values for it",
          fmt::format("columns = {{ drop = [\"{}\"] }} in the table rule",
                      column.added() ? column.name : plan.source.columns[column.source].name),
          "GENERATED, wanted a plain column", name));
    }
    const bool in_key = std::ranges::any_of(
        plan.key, [&](std::uint32_t part) { return &plan.columns[part] == &column; });
    if (!table.started && existing->not_null && column.nullable && !in_key) {
      out.push_back(finding(
          "sqlite.column-not-null",
          fmt::format("the target column {} is NOT NULL, and the source's is not", column.name),
          "a row that holds NULL there would stop the task",
          "make the table anew without NOT NULL, or let weir do it with existing = \"replace\"",
          "source NULL, target NOT NULL", name));
      out.back().severity = Severity::warning;
    }
    // A type that the task file names is the operator's own decision.
    if (column.target_type != target_type(column.type)) continue;
    const Fit verdict = fit(column.type, storage(existing->declared, table.table.strict));
    if (verdict == Fit::fits) continue;
    const std::string shown = existing->declared.empty() ? "without a type" : existing->declared;
    out.push_back(finding(
        verdict == Fit::narrow ? "sqlite.type-narrow" : "sqlite.type-other",
        verdict == Fit::narrow ? fmt::format("the target column {} is too narrow", column.name)
                               : fmt::format("the target column {} has another type", column.name),
        fmt::format("{} on the source may hold values that {} would change or refuse",
                    column.type.native, shown),
        fmt::format("make the table anew with {} {}, or let weir do it with existing = "
                    "\"replace\"; say type = {{ {} = \"TYPE\" }} in the table rule to keep it",
                    sqlite_identifier(column.name), column.target_type, column.name),
        fmt::format("source {}, target {}", column.type.native, shown), name));
    // A [ddl] policy may have left it so; a value that it cannot hold is refused.
    if (table.started && table.table.strict) out.back().severity = Severity::warning;
  }
  for (const TableColumn& existing : table.table.columns) {
    const bool filled =
        planned.contains(to_lower(existing.name)) || existing.default_sql || existing.generated;
    if (filled || !existing.not_null) continue;
    out.push_back(finding(
        "sqlite.column-unfilled",
        fmt::format("the target column {} is NOT NULL and nothing fills it", existing.name),
        "every insert would be refused",
        "make the table anew with a default or without NOT NULL, or fill it with add_columns",
        fmt::format("{} NOT NULL without a default", existing.declared), name));
  }
}

void judge_table(const Facts::TableFacts& table, std::vector<Finding>& out) {
  const TablePlan& plan = *table.plan;
  const std::string name = plan.target.text();
  judge_plan(table, out);
  if (!table.exists) return;
  if (!table.table.is_table) {
    out.push_back(finding("sqlite.not-a-table", fmt::format("{} exists and is not a table", name),
                          "rows can be kept in a table only",
                          "choose another target name in the table rule", "", name));
    return;
  }
  if (!table.started && plan.existing == ExistingPolicy::replace) return;
  if (!table.started && table.has_rows && plan.existing == ExistingPolicy::refuse) {
    out.push_back(finding("sqlite.table-not-empty",
                          fmt::format("the target table {} already has rows", name),
                          "weir does not mix its rows with others unless it is told to",
                          fmt::format("DELETE FROM {}; or say existing = \"append\", \"truncate\" "
                                      "or \"replace\" in the table rule",
                                      table_sql(plan)),
                          "existing = \"refuse\", wanted an empty table", name));
  }
  judge_columns(table, out);
  if (plan.key.empty()) {
    if (table.table.has_rowid) return;
    out.push_back(finding("sqlite.no-rowid",
                          fmt::format("the target table {} is a WITHOUT ROWID one", name),
                          "the source's has no key, so that equal rows may come",
                          "choose another target name, or say `key` in the table rule", "", name));
    return;
  }
  if (table.has_key) return;
  std::string key;
  for (const std::uint32_t part : plan.key) {
    key += (key.empty() ? "" : ", ") + sqlite_identifier(plan.columns[part].name);
  }
  out.push_back(finding(
      "sqlite.key-missing", fmt::format("the target table {} has no unique key on ({})", name, key),
      "changes find their row by this key, compared byte by byte (COLLATE BINARY)",
      fmt::format("CREATE UNIQUE INDEX {} ON {} ({})",
                  sqlite_identifier(plan.target.table + "_key"), table_sql(plan), key),
      "no unique index on exactly these", name));
}

void judge_place(const Facts& facts, std::vector<Finding>& out) {
  if (!facts.folder_exists) {
    out.push_back(
        finding("sqlite.folder-missing", "there is no folder " + facts.folder,
                "the target file is to be in it",
                fmt::format("mkdir -p '{}', or correct target.path in the task file", facts.folder),
                facts.folder + " is no folder"));
    return;
  }
  if (!facts.folder_writable || (facts.file == FileState::database && !facts.file_writable)) {
    out.push_back(finding(
        "sqlite.not-writable", facts.path + " cannot be written",
        "the account that runs weir needs to write the file and to create others beside it",
        fmt::format("chmod u+rwx '{}', or run weir as the account that owns it", facts.folder),
        facts.folder_writable ? "the file is not writable" : facts.folder + " is not writable"));
  }
  if (facts.file == FileState::unreadable) {
    out.push_back(finding("sqlite.unreadable", facts.path + " cannot be read",
                          "it is no file, or belongs to another account",
                          "correct target.path, or change the permissions"));
  }
  if (facts.file == FileState::other) {
    out.push_back(finding("sqlite.not-a-database", facts.path + " is no SQLite database",
                          "the file begins in another way, and weir overwrites no file",
                          "choose another target.path, or move that file away"));
  }
  if (!facts.open_error.empty()) {
    out.push_back(finding("sqlite.unusable", facts.path + " cannot be used", facts.open_error,
                          "look into it with sqlite3 " + facts.path +
                              " \"PRAGMA integrity_check\", or restore it from a copy"));
  }
  if (!facts.lock_error.empty()) {
    out.push_back(finding("sqlite.locked", "another program writes to " + facts.path,
                          "only one at a time can, and weir writes all the time",
                          "find the program (fuser " + facts.path + ") and let it end",
                          facts.lock_error));
    // A running task is such a program itself.
    if (!facts.is_new) out.back().severity = Severity::warning;
  }
  if (facts.network) {
    out.push_back(finding("sqlite.network", facts.path + " is on a network file system",
                          "the write-ahead log of SQLite needs memory that all its users share, "
                          "and locks that hold",
                          "put the file on a local file system"));
  }
  if (facts.wanted_bytes > facts.free_bytes) {
    out.push_back(finding("sqlite.disk-space", "the file system may be too small",
                          "the tables to copy have about as many bytes on the source",
                          "free space, or put the file elsewhere",
                          fmt::format("{} free, wanted about {}", format_bytes(facts.free_bytes),
                                      format_bytes(facts.wanted_bytes))));
    out.back().severity = Severity::warning;
  }
}

}  // namespace

Facts gather(const Task& task, FileState file, std::span<const TablePlan> plans,
             const std::optional<Recovered>& recovered) {
  Facts facts;
  facts.path = task.target.path;
  facts.folder = std::filesystem::path(facts.path).parent_path().string();
  facts.is_new = !recovered;
  std::set<TableName> started;
  std::set<TableName> copied;
  if (recovered) {
    for (const TableProgress& table : recovered->tables) {
      started.insert(table.source);
      if (table.full_done) copied.insert(table.source);
    }
  }
  for (const TablePlan& plan : plans) {
    if (!copied.contains(plan.source.name)) facts.wanted_bytes += plan.source.estimated_bytes;
  }
  struct stat folder {};
  facts.folder_exists = stat(facts.folder.c_str(), &folder) == 0 && S_ISDIR(folder.st_mode);
  facts.folder_writable = access(facts.folder.c_str(), W_OK | X_OK) == 0;
  facts.network = is_network(facts.folder);
  struct statvfs space {};
  if (statvfs(facts.folder.c_str(), &space) == 0) {
    facts.free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
  }
  facts.file = file;
  facts.file_writable = access(facts.path.c_str(), R_OK | W_OK) == 0;
  std::optional<SqliteDatabase> database;
  if (facts.file == FileState::database && facts.file_writable && facts.folder_writable) {
    try {
      SqliteDatabase::Options options;
      options.busy_timeout = kBusy;
      database.emplace(facts.path, options);
      database->integer("SELECT count(*) FROM sqlite_schema");
    } catch (const Error& error) {
      facts.open_error = error.why();
      database.reset();
    }
  }
  if (database) {
    try {
      const SqliteTransaction nothing(*database);
    } catch (const Error& error) {
      facts.lock_error = error.why();
    }
  }
  for (const TablePlan& plan : plans) {
    facts.tables.push_back(database ? gather_table(*database, plan) : Facts::TableFacts());
    facts.tables.back().plan = &plan;
    facts.tables.back().source = plan.source.name;
    facts.tables.back().target = plan.target;
    facts.tables.back().started = started.contains(plan.source.name);
  }
  return facts;
}

std::vector<Finding> judge(const Facts& facts) {
  std::vector<Finding> out;
  judge_place(facts, out);
  for (const Facts::TableFacts& table : facts.tables) judge_table(table, out);
  return out;
}

}  // namespace weir::sqlite
