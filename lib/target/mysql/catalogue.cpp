// SPDX-License-Identifier: Apache-2.0
#include "target/mysql/catalogue.h"

#include <array>

namespace weir::mysqltarget {
namespace {

using enum CheckGroup;
using enum IdKind;
using enum Severity;

constexpr auto kRows = std::to_array<CatalogueRow>({
    {"mysql-target.binlog", check, info, "the target writes a binary log",
     "each chunk and each transaction of the source is one transaction of it, at most "
     "max_binlog_cache_size long; replicas of the target get all rows again",
     "lower full.chunk_rows if replicas fall behind", "weir preflight TASK; weir.toml(5)", target},
    {"mysql-target.column-generated", check, critical, "a column of the target table is generated",
     "MySQL takes no values for it", "drop the column in the table rule",
     "weir preflight TASK; weir.toml(5)", target},
    {"mysql-target.column-missing", check, critical, "the target table lacks a column",
     "rows cannot be written without it",
     "ALTER TABLE ... ADD COLUMN on the target; or drop the column in the table rule",
     "weir preflight TASK; weir.toml(5)", target},
    {"mysql-target.column-not-null", check, warning,
     "a column of the target table is NOT NULL, and the source's is not",
     "a row that holds NULL there would stop the task", "ALTER TABLE ... MODIFY COLUMN ... NULL",
     "weir preflight TASK; weir.toml(5)", target},
    {"mysql-target.column-unfilled", check, critical,
     "a column of the target table is NOT NULL and nothing fills it",
     "every insert would be refused",
     "give it a default, drop NOT NULL, or fill it with add_columns",
     "weir preflight TASK; weir.toml(5)", target},
    {"mysql-target.connections", check, critical, "the target has too few free connections",
     "the full stage opens full.connections of them and one for indexes, beside the one that "
     "applies changes",
     "raise max_connections, or lower full.connections in the task file",
     "weir preflight TASK; weir.toml(5)", capacity},
    {"mysql-target.control-newer", error, critical,
     "the control tables were written by a newer weir",
     "an older one does not know what the newer one keeps there", "use the newer weir",
     "weir --version; weir-control(7)"},
    {"mysql-target.control-schema", check, critical,
     "weir cannot keep its own tables on the target",
     "offset and progress are committed with the rows, in tables of the control database",
     "CREATE DATABASE IF NOT EXISTS weir; GRANT ALL ON weir.* TO the account; or name a database "
     "that the account owns as target.control_schema",
     "weir preflight TASK; weir-control(7)", privileges},
    {"mysql-target.create-denied", check, critical,
     "the account may not create and fill tables in the target database",
     "the target table does not exist yet",
     "CREATE DATABASE if it is missing; GRANT ALL ON DATABASE.* TO the account",
     "weir preflight TASK; weir.toml(5)", privileges},
    {"mysql-target.date", error, critical,
     "a value is a date that MySQL has not: infinity, before the year 1, or after 9999",
     "the target's dates are of the years 0001 to 9999",
     "mend the row on the source, or give the column a text type in the table rule: columns = { "
     "type = { COLUMN = \"varchar(40)\" } }",
     "weir-types(7)"},
    {"mysql-target.ddl-denied", check, warning,
     "the account may not change the definition of the target table",
     "[ddl] has weir apply changes of columns, which takes ALTER, or TRUNCATE, which takes DROP; "
     "the task stops at the first one",
     "GRANT ALTER, DROP ON ... TO the account, or another setting in [ddl]",
     "weir preflight TASK; weir.toml(5)", privileges},
    {"mysql-target.decimal-range", check, warning,
     "a column may hold numbers that no decimal of MySQL can",
     "those with more digits than its type, NaN and infinity stop the task by name",
     "columns = { type = { COLUMN = \"varchar(100)\" } } in its table rule keeps every digit",
     "weir preflight TASK; weir-types(7)", types},
    {"mysql-target.decimal-scale", error, critical,
     "a number has more than 30 digits after the point",
     "no decimal of MySQL holds them, and weir does not round",
     "mend the row on the source, or give the column a text type in the table rule: columns = { "
     "type = { COLUMN = \"varchar(100)\" } }",
     "weir-types(7)"},
    {"mysql-target.disk", check, info, "weir cannot see how much room the target's disk has",
     "indexes and the binary log come on top of the rows",
     "check the server's disk; a full one stops the task, and nothing is lost",
     "weir preflight TASK; weir.toml(5)", capacity},
    {"mysql-target.engine", check, critical, "the target table has an engine without transactions",
     "rows and offset could not be kept together, and a crash would repeat or lose some",
     "ALTER TABLE ... ENGINE = InnoDB", "weir preflight TASK; weir.toml(5)", target},
    {"mysql-target.existing-denied", check, critical,
     "the account may not drop or empty the target table, as the table rule says",
     "existing = \"replace\" and existing = \"truncate\" take DROP",
     "GRANT ALTER, DROP ON ... TO the account", "weir preflight TASK; weir.toml(5)", privileges},
    {"mysql-target.geometry", error, critical, "a geometry is too short for one",
     "it lacks its byte order and type", "mend the row on the source", "weir-types(7)"},
    {"mysql-target.key-collation", check, critical,
     "a key column of the target table compares otherwise than on the source",
     "keys that are two on the source may be one here, which would stop the task or merge their "
     "rows",
     "ALTER TABLE ... MODIFY COLUMN ... with the character set and collation of the source",
     "weir preflight TASK; weir.toml(5)", types},
    {"mysql-target.key-missing", check, critical,
     "the target table has no unique key on the columns of the key",
     "changes find their row by this key", "ALTER TABLE ... ADD PRIMARY KEY (...)",
     "weir preflight TASK; weir.toml(5)", target},
    {"mysql-target.key-too-long", check, critical, "a key is too long for MySQL",
     "InnoDB indexes 3072 bytes at most, and a character of utf8mb4 counts four",
     "give its columns shorter types: columns = { type = { COLUMN = \"varchar(191)\" } } in its "
     "table rule",
     "weir preflight TASK; weir-types(7)", types},
    {"mysql-target.key-without-length", check, critical, "a key column has no limit to its length",
     "MySQL takes 3072 bytes of a key at most, and wants to know beforehand",
     "say how long it can be: columns = { type = { COLUMN = \"varchar(255)\" } } in its table rule",
     "weir preflight TASK; weir-types(7)", types},
    {"mysql-target.local-infile", check, info, "the target does not take LOAD DATA LOCAL INFILE",
     "rows are copied by INSERT statements, which takes longer",
     "SET GLOBAL local_infile = ON on the target", "weir preflight TASK; weir.toml(5)", target},
    {"mysql-target.max-packet", check, warning, "the target takes short statements only",
     "a changed row that is longer than half of max_allowed_packet would stop the task",
     "SET GLOBAL max_allowed_packet = 67108864, and in the server's configuration",
     "weir preflight TASK; weir.toml(5)", capacity},
    {"mysql-target.not-a-number", error, critical,
     "a value is NaN or infinity, which MySQL has not", "no numeric type of the target can hold it",
     "mend the row on the source, or give the column a text type in the table rule: columns = { "
     "type = { COLUMN = \"varchar(40)\" } }",
     "weir-types(7)"},
    {"mysql-target.not-a-table", check, critical,
     "a view or something else has the target table's name", "rows can be kept in a table only",
     "choose another target name in the table rule", "weir preflight TASK; weir.toml(5)", target},
    {"mysql-target.read-only", check, critical, "the target takes no writes",
     "it is a replica, or read_only is set on it", "point the task at the primary",
     "weir preflight TASK; weir.toml(5)", target},
    {"mysql-target.replaced", check, warning,
     "the target does not know a type, character set or collation of the source, and another takes "
     "its place",
     "values are kept; what compares as equal, and in which order, may differ",
     "create the table yourself, or say the type in the table rule",
     "weir preflight TASK; weir-types(7)", types},
    {"mysql-target.row-missing", error, critical,
     "the target lacks a row that changed on the source",
     "the log does not carry enough of the row to make it anew, or the row is one of a table "
     "without a key and must be there as the source had it",
     "find who else writes to the target table; have the log carry whole rows (PostgreSQL: REPLICA "
     "IDENTITY FULL; MySQL: binlog_row_image = FULL); then begin the task anew with the table "
     "empty",
     "weir-control(7)"},
    {"mysql-target.row-refused", error, critical,
     "the target table does not take a row, whose key is named",
     "no row is left out, so the task cannot pass it",
     "widen the column on the target, mend the row on the source, or give the column another type "
     "in the table rule; for a duplicate, look for a unique index that the source has not, and for "
     "rows that weir did not write",
     "weir-types(7); weir sync status TASK"},
    {"mysql-target.row-too-large", error, critical, "a changed row is too large for the target",
     "its statement is longer than max_allowed_packet",
     "SET GLOBAL max_allowed_packet = ... on the target, to more than twice the row's size, and in "
     "its configuration; then start the task",
     "weir sync start TASK"},
    {"mysql-target.rows-missing", error, critical,
     "the target took fewer rows of a chunk than it was sent",
     "the server named no reason; the chunk is not counted as done",
     "look at the triggers of the target table, and at the server's log", "weir sync status TASK"},
    {"mysql-target.table-not-empty", check, critical, "the target table already has rows",
     "weir does not mix its rows with others unless it is told to",
     "empty the table, or say existing = \"append\", \"truncate\" or \"replace\" in the table rule",
     "weir preflight TASK; weir.toml(5)", target},
    {"mysql-target.task-gone", error, critical, "the target no longer knows the task that runs",
     "its row in the control tables was removed, so rows and offset can no longer be committed "
     "together",
     "restore the control tables, or begin the task anew with empty target tables",
     "weir-control(7)"},
    {"mysql-target.task-held", error, critical,
     "another worker applies the same task on this target",
     "two would apply the same changes; the target's lock keeps them apart",
     "stop the task where it runs; SHOW PROCESSLIST on the target shows the session",
     "weir sync stop TASK"},
    {"mysql-target.triggers", check, warning, "the target table has triggers",
     "MySQL fires them for every row that weir writes, as for anybody's; what they change comes on "
     "top of what they changed on the source",
     "drop them, unless that is wanted", "weir preflight TASK; weir.toml(5)", target},
    {"mysql-target.type-narrow", check, critical, "a column of the target table is too narrow",
     "the source may hold values that it cannot",
     "ALTER TABLE ... MODIFY COLUMN ...; or say its type in the table rule to keep it",
     "weir preflight TASK; weir-types(7)", types},
    {"mysql-target.type-other", check, critical, "a column of the target table has another type",
     "the source may hold values that it cannot",
     "ALTER TABLE ... MODIFY COLUMN ...; or say its type in the table rule to keep it",
     "weir preflight TASK; weir-types(7)", types},
    {"mysql-target.unique-early", check, warning,
     "the target table has unique indexes besides its key",
     "rows are copied at different times and may contradict them until the task has caught up, and "
     "that stops it",
     "drop them and build them again when the task has caught up, or let weir create the table",
     "weir preflight TASK; weir.toml(5)", target},
    {"mysql-target.version", check, critical,
     "the target server is older than MySQL 8 or MariaDB 10.5", "weir was never tried with it",
     "use a later server", "weir preflight TASK; weir kinds", connection},
    {"mysql-target.write-denied", check, critical,
     "the account may not read and write the target table", "the table belongs to somebody else",
     "GRANT SELECT, INSERT, UPDATE, DELETE ON ... TO the account",
     "weir preflight TASK; weir.toml(5)", privileges},
    {"mysql-target.write-refused", check, critical,
     "a table in the control database cannot be made and changed",
     "weir creates, fills, alters and drops tables on the target; a task that is new to it has "
     "this "
     "tried with a table of its own, which is gone again",
     "mend what the server says", "weir preflight TASK; weir-control(7)", target},
});

}  // namespace

std::span<const CatalogueRow> catalogue() { return kRows; }

}  // namespace weir::mysqltarget
