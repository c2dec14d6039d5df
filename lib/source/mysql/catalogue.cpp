// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/catalogue.h"

#include <array>

#include "source/mysql/checks.h"

namespace weir::mysql {
namespace {

using enum CheckGroup;
using enum IdKind;
using enum Severity;

/// What the table of checks in checks.cpp does not have.
constexpr auto kRows = std::to_array<CatalogueRow>({
    {"binlog.checksum", error, critical,
     "the checksum of an event in the binlog does not fit its bytes",
     "the log was damaged on the source's disk or on the way, and a damaged row must not be "
     "applied",
     "check the file on the source with mysqlbinlog --verify-binlog-checksum; if it is sound, "
     "start the task again, else begin it anew with empty target tables",
     "weir log show FILE; weir-control(7)"},
    {"binlog.column-type", error, critical,
     "a table in the log has a column of a type that weir does not know",
     "without its format, neither the column nor what follows can be read",
     "upgrade weir; if there is no newer one, look at the log with mysqlbinlog and report the type",
     "weir kinds; weir log show TASK"},
    {"binlog.encrypted", error, critical, "a binlog file is encrypted",
     "only the server has the key; over the network it sends its log in the clear",
     "read the log from the server (weir log show TASK), or set binlog_encryption (MySQL) or "
     "encrypt_binlog (MariaDB) to OFF there for new files",
     "weir log show TASK"},
    {"binlog.file", error, critical, "a binlog file cannot be read",
     "it is not there, not open to this account, or does not begin as a binlog does",
     "check the path and the permissions", "weir log show FILE"},
    {"binlog.incident", error, critical, "the source reports a gap in its own log",
     "changes are missing after this point, and nobody can bring them back from the log",
     "find the reason in the source's error log, then begin the task anew with empty target tables",
     "weir-control(7)"},
    {"binlog.malformed", error, critical, "an event or a value in the binlog cannot be read",
     "the log is damaged, or weir does not understand it; it never skips what it cannot read",
     "check the log on the source with mysqlbinlog -vv; if it is sound, report this with the "
     "server's version",
     "weir log show TASK"},
    {"binlog.truncated", error, critical, "a binlog file ends inside an event",
     "it is still being written, or it was cut short; what came before is shown",
     "wait for the rest with --follow, or fetch the file again", "weir log show FILE --follow"},
    {"binlog.unknown-event", error, critical,
     "the binlog holds an event of a type that weir does not know",
     "it may hold changes, so it must not be skipped",
     "upgrade weir; if there is no newer one, report the server's version and the type",
     "weir log show TASK"},
    {"binlog.unsupported-event", error, critical,
     "the binlog holds an event that weir knows and cannot take",
     "it hides rows (LOAD DATA logged as a statement), or is of a format, compression or checksum "
     "that weir does not read",
     "do what the message names: binlog_format = ROW for every session, binlog_checksum = CRC32, "
     "binlog_transaction_compression = OFF, or a newer weir; rows that were hidden need a fresh "
     "copy",
     "weir log show TASK; weir-control(7)"},
    {"gtid.format", error, critical, "a text is not a GTID set",
     "weir never guesses a place in a log",
     "write it as the server shows it: uuid:1-5:7 for MySQL (@@gtid_executed), 0-1-23 for MariaDB "
     "(@@gtid_binlog_pos)",
     "weir sync status TASK; weir log show TASK"},
    {"mysql.charset", error, critical, "a value is not text in its column's character set",
     "the log holds bytes that the server itself cannot read as that set, so no target could show "
     "them right",
     "find the row by comparing the column with its own conversion on the source, and mend it; or "
     "drop the column in the table rule",
     "weir.toml(5)"},
    {"mysql.charset-unknown", error, critical,
     "weir does not know a column's character set, or the server's answer about it is incomplete",
     "weir cannot tell where a character ends, so it cannot turn the text into UTF-8",
     "convert the column to utf8mb4 (ALTER TABLE ... CONVERT TO CHARACTER SET utf8mb4), or drop it "
     "in the table rule",
     "weir-types(7)"},
    {"mysql.definition", error, critical,
     "a row in the log does not fit the definition that weir knows for its place",
     "values would be read as those of other columns",
     "begin the task anew with empty target tables, which reads every definition anew: "
     "weir-control(7) has the statement",
     "weir-control(7); weir log show TASK"},
    {"mysql.definition-moved", error, critical,
     "a table without a key changed its definition before it was copied",
     "it is copied from one snapshot, and the changes after that are read by the definition that "
     "the task was started with",
     "begin the task anew with empty target tables: weir-control(7) has the statement",
     "weir-control(7)"},
    {"mysql.geometry", error, critical, "a geometry value is not in the server's format",
     "it is shorter than an SRID and a type, or not little-endian, so nothing can be made of it",
     "look for it with ST_IsValid on the source and mend the row", "weir-types(7)"},
    {"mysql.label", error, critical, "the label of an ENUM or SET value is not known for sure",
     "information_schema shows '?' for characters beyond U+FFFF, and the log does not name the "
     "labels",
     "SET GLOBAL binlog_row_metadata = 'FULL' on the source and begin the task anew, or rename the "
     "label",
     "weir preflight TASK; weir-control(7)"},
    {"mysql.log-list-hidden", check, unknown,
     "weir cannot tell whether the source still has its log from the offset on",
     "the account may not see SHOW BINARY LOGS; the server decides when the log is opened",
     "GRANT BINLOG MONITOR (MariaDB) or REPLICATION CLIENT (MySQL) ON *.* TO the account",
     "weir preflight TASK", retention},
    {"mysql.log-order", error, critical,
     "weir cannot tell whether the target holds a transaction of the log",
     "GTIDs and file positions do not agree which comes first: the log was rebuilt, or its GTIDs "
     "do not count up",
     "begin the task anew from a fresh copy: weir-control(7) has the statement", "weir-control(7)"},
    {"mysql.logged-rollback", error, critical, "the log holds a transaction that was rolled back",
     "it mixed transactional and other tables, so which of its rows stand cannot be told",
     "compare the tables it touched, then begin the task anew from a fresh copy; ALTER TABLE ... "
     "ENGINE = InnoDB keeps it from coming back",
     "weir-control(7); weir log show TASK"},
    {"mysql.managed-retention-hidden", check, unknown,
     "the managed service keeps its log by a setting that the account may not read",
     "how long the log is kept cannot be told without it; the server's variables do not say it",
     "GRANT SELECT ON mysql.rds_configuration TO the account, or set window in [retention] of the "
     "task file",
     "weir check-retention TASK; weir.toml(5)", retention},
    {"mysql.no-table", error, critical, "a table of the task is not there",
     "it was dropped, or the account may not see its columns",
     "check the name, and GRANT SELECT on the table to the account",
     "weir preflight TASK --mapping-only"},
    {"mysql.offset-lost", check, critical,
     "the source no longer has its log from the task's offset on",
     "the changes after the offset were purged; going on would lose them in silence",
     "restore the missing binlog files on the source, go on without those changes (weir offset "
     "reset), or begin the task anew with empty target tables",
     "weir offset reset TASK --to now; weir-control(7)", retention},
    {"mysql.position-too-large", error, critical,
     "the task cannot resume at a file position beyond 4 GiB",
     "the replication protocol takes smaller ones only",
     "turn GTIDs on at the source, or lower max_binlog_size", "weir sync status TASK"},
    {"mysql.snapshot-lock", error, critical,
     "a table without a key cannot be locked for the moment of its snapshot",
     "the place of the snapshot in the log is exact only under that lock, and a transaction holds "
     "the table for long",
     "end that transaction (performance_schema.metadata_locks shows it), then start the task again",
     "weir sync start TASK"},
    {"mysql.source-behind", check, critical,
     "the source lacks transactions that the task has applied",
     "it is another server, or was restored from a backup: an offset means nothing on it",
     "point the task at the old server, or restore the source to its newest state",
     "weir check-retention TASK; weir-control(7)", retention},
    {"mysql.statement-format", error, critical, "a row change was logged as a statement",
     "a session left binlog_format = ROW, and what its statement did cannot be told from the log",
     "find the session that sets binlog_format; compare the tables it changed, then begin the task "
     "anew from a fresh copy",
     "weir log show TASK; weir-control(7)"},
    {"mysql.stream", error, critical, "the source server refused to send its log",
     "the server's message, printed as the reason, is none that weir knows more about",
     "see the message and the source's error log", "weir log show TASK"},
    {"mysql.text-value", error, critical, "the server sent no number for a numeric column",
     "weir does not write what it cannot read",
     "report this with the server's version and the column's type", "weir-types(7)"},
    {"mysql.type", error, critical, "weir does not know a column's type",
     "it cannot tell how the server writes its values into the log",
     "drop the column in the table rule, or exclude the table", "weir-types(7)"},
    {"mysql.type-labels", error, critical,
     "the labels of an ENUM or SET column cannot be read from information_schema",
     "without them a value in the log is only a number",
     "report this with the output of SHOW CREATE TABLE", "weir-types(7)"},
    {"mysql.unknown-statement", error, critical,
     "the log holds a statement that weir does not know",
     "it may change rows or definitions, so it must not be skipped",
     "report it with the statement; until then the task cannot pass this place",
     "weir log show TASK"},
    {"mysql.xa-too-large", error, critical,
     "XA transactions that are prepared and not decided hold more than 64 MiB of changes",
     "their rows wait in memory until they commit",
     "commit or roll back the XA transactions that XA RECOVER shows on the source, then start the "
     "task: it goes on",
     "weir sync start TASK"},
    {"mysql.xa-unknown", error, critical,
     "an XA transaction commits whose changes were logged before the task began",
     "the task does not have its rows",
     "begin the task anew, once no XA transaction is prepared: weir preflight names them",
     "weir preflight TASK; weir-control(7)"},
    {"offset.file-time", error, critical, "a file of the source's log does not say when it began",
     "a place by time is looked for in the file that was written then",
     "GRANT REPLICATION SLAVE to the account, or give the place as FILE:POSITION",
     "weir offset reset TASK; weir log show TASK"},
});

}  // namespace

std::vector<CatalogueRow> catalogue() {
  std::vector<CatalogueRow> rows = check_rows();
  rows.insert(rows.end(), kRows.begin(), kRows.end());
  return rows;
}

}  // namespace weir::mysql
