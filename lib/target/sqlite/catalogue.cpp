// SPDX-License-Identifier: Apache-2.0
#include "target/sqlite/catalogue.h"

#include <array>

namespace weir::sqlite {
namespace {

using enum CheckGroup;
using enum IdKind;
using enum Severity;

constexpr auto kRows = std::to_array<CatalogueRow>({
    {"sqlite.column-generated", check, critical, "a column of the target table is generated",
     "SQLite takes no values for it", "drop the column in the table rule",
     "weir preflight TASK; weir.toml(5)", target},
    {"sqlite.column-missing", check, critical, "the target table lacks a column",
     "rows cannot be written without it",
     "ALTER TABLE ... ADD COLUMN in the file; or drop the column in the table rule",
     "weir preflight TASK; weir.toml(5)", target},
    {"sqlite.column-not-null", check, warning,
     "a column of the target table is NOT NULL, and the source's is not",
     "a row that holds NULL there would stop the task",
     "make the table anew without NOT NULL, or let weir do it with existing = \"replace\"",
     "weir preflight TASK; weir.toml(5)", target},
    {"sqlite.column-unfilled", check, critical,
     "a column of the target table is NOT NULL and nothing fills it",
     "every insert would be refused",
     "make the table anew with a default or without NOT NULL, or fill the column with add_columns",
     "weir preflight TASK; weir.toml(5)", target},
    {"sqlite.control-newer", error, critical, "the control tables were written by a newer weir",
     "an older one does not know what the newer one keeps there", "use the newer weir",
     "weir --version; weir-control(7)"},
    {"sqlite.disk-space", check, warning, "the file system of the target file may be too small",
     "the tables to copy have more bytes on the source than are free there",
     "free space, or put the file elsewhere (target.path)", "weir preflight TASK; weir.toml(5)",
     capacity},
    {"sqlite.file-missing", error, critical, "the target file is gone",
     "offset and rows are in it, so it is not made anew behind your back",
     "bring the file back to its place, or correct target.path", "weir.toml(5)"},
    {"sqlite.file-replaced", error, critical,
     "the target file is not the one any more that the task opened",
     "it was moved, removed or replaced while the task ran, and rows would go where nobody looks",
     "bring the file back to its place; stop the task before you move it", "weir sync stop TASK"},
    {"sqlite.folder-missing", check, critical, "the folder of the target file is not there",
     "the target file is to be in it", "create the folder, or correct target.path in the task file",
     "weir preflight TASK; weir.toml(5)", target},
    {"sqlite.key-missing", check, critical,
     "the target table has no unique key on the columns of the key",
     "changes find their row by this key, compared byte by byte (COLLATE BINARY)",
     "CREATE UNIQUE INDEX ... ON TABLE (...) in the file", "weir preflight TASK; weir.toml(5)",
     target},
    {"sqlite.lock", error, critical, "the lock file beside the target file cannot be used",
     "it keeps two workers from applying one task",
     "check the folder and its permissions, or correct target.path", "weir.toml(5)"},
    {"sqlite.locked", check, critical, "another program writes to the target file",
     "only one at a time can, and weir writes all the time; a warning where the task itself may be "
     "that program",
     "find the program (fuser FILE) and let it end", "weir preflight TASK; weir.toml(5)", target},
    {"sqlite.name-reserved", check, critical,
     "a target table would have a name that begins with sqlite_",
     "SQLite keeps such names for itself", "choose another target name in the table rule",
     "weir preflight TASK; weir.toml(5)", target},
    {"sqlite.nan", error, critical, "a column holds NaN, which a REAL cannot",
     "SQLite would store NULL in its place",
     "say type = { COLUMN = \"ANY\" } in the table rule, which keeps NaN as text, and begin the "
     "table anew",
     "weir-types(7)"},
    {"sqlite.network", check, critical, "the target file is on a network file system",
     "the write-ahead log of SQLite needs memory that all its users share, and locks that hold",
     "put the file on a local file system", "weir preflight TASK; weir.toml(5)", target},
    {"sqlite.no-rowid", check, critical,
     "rows of a table without a key cannot be told apart in the target table",
     "SQLite tells equal rows apart by their rowid, which a WITHOUT ROWID table lacks and columns "
     "named rowid, _rowid_ and oid hide",
     "choose another target name, rename one of those columns, or say key in the table rule",
     "weir preflight TASK; weir.toml(5)", target},
    {"sqlite.no-wal", error, critical, "the target file cannot have a write-ahead log",
     "its file system lacks what that needs, and readers would block the task",
     "put the file on a local file system", "weir.toml(5)"},
    {"sqlite.not-a-database", check, critical, "the target file is no SQLite database",
     "the file begins in another way, and weir overwrites no file",
     "choose another target.path, or move that file away", "weir preflight TASK; weir.toml(5)",
     target},
    {"sqlite.not-a-table", check, critical, "a view or something else has the target table's name",
     "rows can be kept in a table only", "choose another target name in the table rule",
     "weir preflight TASK; weir.toml(5)", target},
    {"sqlite.not-writable", check, critical, "the target file, or its folder, cannot be written",
     "the account that runs weir needs to write the file and to create others beside it",
     "run weir as another account, or change the owner or the permissions",
     "weir preflight TASK; weir.toml(5)", privileges},
    {"sqlite.row-missing", error, critical, "the target lacks a row that changed on the source",
     "the log does not carry enough of the row to make it anew, or the row is one of a table "
     "without a key and must be there as the source had it",
     "compare the table with the source; have the source log whole rows (PostgreSQL: ALTER TABLE "
     "... REPLICA IDENTITY FULL); then begin the task anew",
     "weir-control(7)"},
    {"sqlite.table-not-empty", check, critical, "the target table already has rows",
     "weir does not mix its rows with others unless it is told to",
     "empty the table, or say existing = \"append\", \"truncate\" or \"replace\" in the table rule",
     "weir preflight TASK; weir.toml(5)", target},
    {"sqlite.task-gone", error, critical, "the target no longer knows the task that runs",
     "its row in weir_task was removed, so rows and offset can no longer be committed together",
     "restore the file, or begin the task anew with empty target tables", "weir-control(7)"},
    {"sqlite.task-held", error, critical, "another worker applies the same task to this file",
     "two would apply the same changes; a lock file beside the target file keeps them apart",
     "stop the task where it runs; fuser FILE.TASK.lock shows it", "weir sync stop TASK"},
    {"sqlite.type-narrow", check, critical, "a column of the target table is too narrow",
     "the source may hold values that it would change or refuse",
     "make the table anew, or let weir do it with existing = \"replace\"; or say its type in the "
     "table rule to keep it",
     "weir preflight TASK; weir-types(7)", types},
    {"sqlite.type-other", check, critical,
     "a column of the target table has, or would have, a type for values of another kind",
     "the source holds values that it would change or refuse",
     "leave the type out of the table rule; make the table anew, or let weir do it with existing = "
     "\"replace\"",
     "weir preflight TASK; weir-types(7)", types},
    {"sqlite.type-unknown", check, critical,
     "a table rule gives a column a type that STRICT tables do not have",
     "weir makes STRICT tables, so that no value changes its kind",
     "say INTEGER, REAL, TEXT, BLOB or ANY in the table rule, or leave the type out",
     "weir preflight TASK; weir-types(7)", types},
    {"sqlite.unreadable", check, critical, "the target file cannot be read",
     "it is no file, or belongs to another account",
     "correct target.path, or change the permissions", "weir preflight TASK; weir.toml(5)",
     privileges},
    {"sqlite.unusable", check, critical, "the target file cannot be used",
     "SQLite refuses to open it, and says why",
     "look into it with sqlite3 FILE \"PRAGMA integrity_check\", or restore it from a copy",
     "weir preflight TASK; weir.toml(5)", target},
});

}  // namespace

std::span<const CatalogueRow> catalogue() { return kRows; }

}  // namespace weir::sqlite
