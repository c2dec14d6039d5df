// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/catalogue.h"

#include <array>

#include "source/postgres/checks.h"

namespace weir::pgsource {
namespace {

using enum CheckGroup;
using enum IdKind;
using enum Severity;

/// What the table of checks in checks.cpp does not have.
constexpr auto kRows = std::to_array<CatalogueRow>({
    {"offset.slot-passed", error, critical, "the task's slot has left a place behind",
     "a slot does not go back: the server does not send again what the target had durable",
     "give the place that the message names, or a later one; what was before has to be copied anew",
     "weir offset history TASK; weir offset reset TASK"},
    {"postgres.binary-value", error, critical, "the source sent a value in binary form",
     "weir asks for text only and does not guess another form",
     "report it with the version of the server; look for a proxy between weir and the server",
     "weir sync status TASK"},
    {"postgres.copy-format", error, critical,
     "a row of COPY has another form than the server writes",
     "values would come into the wrong columns",
     "look for a proxy between weir and the server, and connect to the server itself",
     "weir.toml(5)"},
    {"postgres.ddl-message", error, critical,
     "what an event trigger wrote into the log cannot be read",
     "it tells how a definition changed at its place in the log",
     "look who else writes such messages; start the task again to have the triggers of this "
     "version",
     "weir sync start TASK"},
    {"postgres.ddl-triggers", error, critical,
     "weir may not make the event triggers that log changes of definition",
     "with source.ddl_capture = \"triggers\" they tell what no row shows",
     "say source.ddl_capture = \"rows\", or have a superuser run the SQL that is printed in the "
     "task's database, and start the task again",
     "weir.toml(5)"},
    {"postgres.identity", error, critical, "a row was changed whose old key the log does not hold",
     "the replica identity of its table lacks a part of the key that the task goes by",
     "ALTER TABLE ... REPLICA IDENTITY FULL on the source, and begin the task anew from a fresh "
     "copy: what is in the log already does not say which row is meant",
     "weir preflight TASK; weir-control(7)"},
    {"postgres.invalid-utf8", error, critical, "a column holds a text that is not UTF-8",
     "the source database has the encoding SQL_ASCII, which takes any bytes, and a target takes "
     "UTF-8",
     "UPDATE the row that is named with convert_from(COLUMN::bytea, 'LATIN1') in a session with "
     "its real encoding, or drop the column in the table rule",
     "weir preflight TASK"},
    {"postgres.log-follow", error, critical, "the log of a PostgreSQL source cannot be followed",
     "looking at a slot begins at its own place each time, so the server would decode the same log "
     "over and over",
     "run it without --follow, and again with --from and the last offset it showed",
     "weir log show TASK --from OFFSET"},
    {"postgres.malformed-message", error, critical,
     "the source sent a message that does not fit its protocol",
     "weir skips nothing that it cannot read",
     "report it with the version of the server; the task cannot pass this place",
     "weir log show TASK"},
    {"postgres.message-order", error, critical, "a message of the log came out of order",
     "transactions begin and end in another way than the protocol says, so their rows cannot be "
     "told apart",
     "report it with the version of the server; the task cannot pass this place",
     "weir log show TASK"},
    {"postgres.no-database", error, critical, "[source] does not say which database to follow",
     "a PostgreSQL session, a slot and a publication belong to one database",
     "add database = \"NAME\" to [source]", "weir.toml(5)"},
    {"postgres.no-table", error, critical, "a table of the task is not there",
     "it was dropped, or became a partition of another table",
     "check the name, and name the root of a partitioned table",
     "weir preflight TASK --mapping-only"},
    {"postgres.row-unfit", error, critical,
     "a row in the log has another definition than the task goes by",
     "values would be read as those of other columns; rows that come before a change of their "
     "table, in one transaction with it, cannot always be told",
     "start the task again; if it stops at the same place, begin it anew from a fresh copy of the "
     "table",
     "weir sync start TASK; weir-control(7)"},
    {"postgres.row-without-key", error, critical, "the log does not hold the key of a changed row",
     "the target cannot tell which row is meant",
     "begin the task anew from a fresh copy of the table, and report it with the version of the "
     "server",
     "weir-control(7)"},
    {"postgres.sequence-hidden", error, critical, "the role may not read a sequence of the source",
     "where a counter stands cannot be told without reading it",
     "GRANT SELECT ON SEQUENCE ... TO the role of [source]", "weir cutover TASK --dry-run"},
    {"postgres.slot-ahead", check, critical, "the replication slot is ahead of the task's offset",
     "somebody else has read from it, or moved it: the server does not send what is before its "
     "place again",
     "give each reader a slot of its own (source.slot); this task goes on without those changes "
     "(weir offset reset), or begins anew with empty target tables",
     "weir offset reset TASK --to lsn:LSN; weir-control(7)", retention},
    {"postgres.slot-busy", error, critical,
     "somebody reads from the slot now, so that its log cannot be shown",
     "a slot serves one reader at a time, most often the task itself",
     "weir sync stop TASK, look, and start it again: the slot keeps the log meanwhile",
     "weir sync stop TASK; weir log show TASK"},
    {"postgres.slot-copy", error, critical, "the source makes no second slot from the task's own",
     "tables that go their own way for a while read the log from a slot of their own",
     "let max_replication_slots have room for one more, or drop a slot that nobody uses; the role "
     "of [source] needs REPLICATION",
     "weir sync status TASK; weir.toml(5)"},
    {"postgres.slot-in-use", error, critical, "another session reads from the task's slot",
     "a slot serves one reader at a time, and two would take changes away from each other",
     "pg_stat_replication shows who; end it there, or give the task a slot of its own with "
     "source.slot",
     "weir.toml(5)"},
    {"postgres.slot-missing", check, critical, "the task's replication slot is gone",
     "a dropped slot takes its place in the log along; going on with another one would lose "
     "changes in silence",
     "if it was renamed, or another one keeps the log from the offset on, name it as source.slot; "
     "else go on without those changes (weir offset reset), or begin the task anew with empty "
     "target tables",
     "weir offset reset TASK --to now; weir-control(7)", retention},
    {"postgres.snapshot", error, critical,
     "the snapshot that a table without a key is copied from cannot be taken",
     "it comes with a temporary slot, of which each copying session needs one",
     "let max_replication_slots and max_wal_senders have one more for each of full.connections, or "
     "give the table a key",
     "weir.toml(5)"},
    {"postgres.source-behind", check, critical,
     "the source lacks transactions that the task has applied",
     "the server was restored from a backup, or lost the end of its log in a crash; target and "
     "source have parted",
     "restore the source to its newest state, or begin the task anew with empty target tables",
     "weir preflight TASK; weir-control(7)", retention},
    {"postgres.spill", error, critical,
     "the file that holds a large transaction until it commits cannot be made or written",
     "a transaction above 8 MiB waits in a file without a name below TMPDIR or /var/tmp",
     "free space there, or set TMPDIR to a folder with space, and start the task: it goes on where "
     "it was",
     "weir sync start TASK"},
    {"postgres.start-wait", error, critical,
     "the source does not come to a point from which a copy could begin",
     "a new slot waits for every transaction that runs, in every database, so that no change is "
     "lost between copy and log",
     "let the transactions end, or end them with pg_terminate_backend() or ROLLBACK PREPARED, then "
     "start again; GRANT pg_monitor to the role lets weir see which ones merely wait",
     "weir preflight TASK; weir sync start TASK"},
    {"postgres.unknown-message", error, critical,
     "the source's log holds a message that weir does not know",
     "it may hold changes, so it must not be skipped",
     "upgrade weir, or report it with the version of the server; until then the task cannot pass "
     "this place",
     "weir log show TASK"},
    {"postgres.unknown-relation", error, critical,
     "a row came of a table that the log had not announced",
     "without the announcement its columns are not known",
     "report it with the version of the server; the task cannot pass this place",
     "weir log show TASK"},
    {"postgres.value", error, critical, "a value is printed in a form that weir does not know",
     "the server did not keep the settings of weir's session, as happens behind a pooler",
     "look for a pooler between weir and the server, and connect to the server itself",
     "weir.toml(5)"},
    {"source.promoted", check, critical,
     "a standby was promoted, and the task cannot be shown to go on without a loss",
     "the slot did not come along, the new timeline does not come from the task's, or the new "
     "server lacks what the task has applied; as info it says that the task does go on",
     "from PostgreSQL 17 on: sync_replication_slots and hot_standby_feedback on standbys, "
     "synchronized_standby_slots on the primary keep this from happening; a task that is refused "
     "has to begin anew",
     "weir preflight TASK; weir-control(7)", retention},
});

}  // namespace

std::vector<CatalogueRow> catalogue() {
  std::vector<CatalogueRow> rows = check_rows();
  rows.insert(rows.end(), kRows.begin(), kRows.end());
  return rows;
}

}  // namespace weir::pgsource
