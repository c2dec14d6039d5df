// SPDX-License-Identifier: Apache-2.0
#include "client/catalogue.h"

#include <array>

namespace weir {
namespace {

using enum IdKind;
using enum Severity;

constexpr auto kRows = std::to_array<CatalogueRow>({
    {"mysql.conflict", error, critical,
     "the target waited too long for a lock, or broke a deadlock by refusing weir's statement",
     "another session held the same rows; the transaction was rolled back as a whole, so nothing "
     "is half done",
     "nothing, if it passes: weir tries again; else end the session that holds the lock (SHOW "
     "PROCESSLIST on the target)",
     "weir sync status TASK"},
    {"mysql.denied", error, critical,
     "a MySQL or MariaDB server denied access, or a statement, to the account",
     "user, password or host do not fit, or the account lacks a privilege that the message names",
     "check user and password in the task file and the host the account is allowed from; SHOW "
     "GRANTS FOR the account, then grant what is missing",
     "weir preflight TASK"},
    {"mysql.disk-full", error, critical, "the target server's disk is full",
     "rows cannot be written; what is committed stays, and the task goes on where it was",
     "free space on the server's disk, then start the task again", "weir sync start TASK"},
    {"mysql.lost", error, critical,
     "the session with a MySQL or MariaDB server ended, or its log fell silent",
     "the server went down, an administrator ended the session, or the network between broke",
     "check that the server runs; weir reconnects by itself while a task runs",
     "weir sync status TASK; weir log show TASK"},
    {"mysql.packet", error, critical, "a statement is longer than the target's max_allowed_packet",
     "the server takes no longer statement, so the row in it cannot be written",
     "SET GLOBAL max_allowed_packet = ... on the target, above the largest row, and in its "
     "configuration; then start the task again",
     "weir preflight TASK"},
    {"mysql.query", error, critical, "a MySQL or MariaDB server refused a statement",
     "the server's message, printed as the reason, says what it did not take",
     "read the message; if it names a table or column, check the task file and whether the "
     "definition changed meanwhile",
     "weir preflight TASK"},
    {"mysql.read-only", error, critical, "the target takes no writes",
     "it is a replica, or read_only was set on it after the task began",
     "point the task at the primary, or SET GLOBAL read_only = OFF there", "weir preflight TASK"},
    {"mysql.row-refused", error, critical,
     "the target does not take a row: NULL, duplicate, out of range, too long, or against a check",
     "no row is left out, so the task cannot pass it",
     "compare the column's type on both sides; for a duplicate, look for a unique index on the "
     "target and for rows that weir did not write",
     "weir-types(7); weir sync status TASK"},
    {"mysql.server-error", error, critical,
     "the source server ended the stream of its log with an error",
     "the server's message says why; where weir knows it, a more exact id is printed instead",
     "see the message and the source's error log", "weir log show TASK"},
    {"mysql.too-many-connections", error, critical, "the target has no free connection",
     "the full stage opens full.connections of them and one for indexes, beside the one that "
     "applies changes",
     "raise max_connections on the target, or lower full.connections in the task file",
     "weir.toml(5)"},
    {"mysql.unreachable", error, critical,
     "no session with a MySQL or MariaDB server could be opened",
     "nothing answers as such a server at that place, or not over the kind of connection that is "
     "asked for",
     "check that the server runs, that host, port or socket and tls in the task file are right, "
     "and that no firewall is between",
     "weir preflight TASK"},
    {"postgres.conflict", error, critical,
     "PostgreSQL rolled back a transaction for a deadlock, or a lock was not free in time",
     "another session held the same rows; nothing is half done",
     "nothing, if it passes: weir tries again; else end the session that holds the lock "
     "(pg_stat_activity, pg_locks)",
     "weir sync status TASK"},
    {"postgres.denied", error, critical, "a PostgreSQL server denied access to the role",
     "user, password, database or pg_hba.conf do not fit",
     "check user, password and database in the task file, and that pg_hba.conf of the server lets "
     "the role in from this host",
     "weir preflight TASK"},
    {"postgres.disk-full", error, critical, "the PostgreSQL server's disk is full",
     "rows cannot be written; what is committed stays, and the task goes on where it was",
     "free space on the server's disk, then start the task again", "weir sync start TASK"},
    {"postgres.lost", error, critical,
     "the session with a PostgreSQL server ended, or the server does not answer",
     "the server went down, an administrator ended the session, or the network between broke",
     "check that the server runs; weir reconnects by itself while a task runs",
     "weir sync status TASK"},
    {"postgres.out-of-resources", error, critical,
     "a PostgreSQL server lacks a resource, such as memory or locks",
     "it refused the statement; what is committed stays",
     "see the server's log for the resource it lacks, raise it, then start the task again",
     "weir sync start TASK"},
    {"postgres.permission", error, critical, "the role lacks a privilege for a statement",
     "the server's message names the object",
     "grant the role what the message names, or make it the owner", "weir preflight TASK"},
    {"postgres.query", error, critical, "a PostgreSQL server refused a statement",
     "the server's message, printed as the reason, says what it did not take",
     "read the message; the server's log has the whole statement", "weir preflight TASK"},
    {"postgres.row-refused", error, critical,
     "the target does not take a row: its value does not fit the type, or a constraint refuses it",
     "no row is left out, so the task cannot pass it",
     "compare the column's type on both sides, or look for the constraint on the target table that "
     "refuses the row",
     "weir-types(7); weir sync status TASK"},
    {"postgres.too-many-connections", error, critical,
     "the PostgreSQL server has no free connection",
     "the full stage opens full.connections of them and one for indexes, beside the one that "
     "applies changes",
     "raise max_connections on the server, or lower full.connections in the task file",
     "weir.toml(5)"},
    {"postgres.unreachable", error, critical, "no session with a PostgreSQL server could be opened",
     "nothing answers as such a server at that place, or not over the kind of connection that is "
     "asked for",
     "check that the server runs, that host, port or socket and tls in the task file are right, "
     "and that no firewall is between",
     "weir preflight TASK"},
    {"sqlite.busy", error, critical, "the target file is locked by another process",
     "one process at a time can write to an SQLite file, and the other one did not end in time",
     "find the process that holds it (fuser FILE), let it end, and start the task again",
     "weir preflight TASK"},
    {"sqlite.disk-full", error, critical, "the file system of the target file is full",
     "rows cannot be written; what is committed stays, and the task goes on where it was",
     "free space on that file system, then start the task again", "weir sync start TASK"},
    {"sqlite.io", error, critical, "the target file cannot be read or written",
     "it is damaged, not a database, not open to the account that runs weir, or its disk fails",
     "run weir as the owner of the file; look into it with sqlite3 FILE \"PRAGMA "
     "integrity_check\"; restore it from a copy if it is damaged",
     "weir preflight TASK"},
    {"sqlite.row", error, critical, "the target file takes no such row",
     "a constraint of its table refuses it, or it is larger than SQLite allows; no row is left "
     "out, so the task cannot pass it",
     "change the table in the file, or drop or retype the column in the table rule",
     "weir.toml(5)"},
});

}  // namespace

std::span<const CatalogueRow> client_catalogue() { return kRows; }

}  // namespace weir
