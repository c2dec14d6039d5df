// SPDX-License-Identifier: Apache-2.0
#include "stage/catalogue.h"

#include <array>

namespace weir {
namespace {

using enum IdKind;
using enum Severity;

constexpr auto kRows = std::to_array<CatalogueRow>({
    {"ddl.add-column", error, critical, "the source added a column, and [ddl] says to stop there",
     "everything before the statement is applied, and nothing after it; with \"stop-table\" the "
     "other tables go on",
     "weir ddl resolve says how to go on: apply it, skip it, or copy the table anew; a policy in "
     "the task file says it for all like it",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.change-key", error, critical,
     "the source changed the key of a table, and [ddl] says to stop there",
     "everything before the statement is applied, and nothing after it; with \"stop-table\" the "
     "other tables go on",
     "weir ddl resolve says how to go on: apply it, skip it, or copy the table anew; a policy in "
     "the task file says it for all like it",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.change-type", error, critical,
     "the source changed the type of a column, and [ddl] says to stop there",
     "everything before the statement is applied, and nothing after it; with \"stop-table\" the "
     "other tables go on",
     "weir ddl resolve says how to go on: apply it, skip it, or copy the table anew; a policy in "
     "the task file says it for all like it",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.comment", error, critical, "the source changed a comment, and [ddl] says to stop there",
     "everything before the statement is applied, and nothing after it; with \"stop-table\" the "
     "other tables go on",
     "weir ddl resolve says how to go on: skip it, or copy the table anew; a policy in the task "
     "file says it for all like it",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.applied", event, info,
     "a change of definition, or a TRUNCATE, was carried out on the target",
     "the event names the statement of the source and that of the target", "nothing",
     "weir sync status TASK"},
    {"ddl.create-table", event, warning, "a table that the rules select appeared on the source",
     "it joins the task with its next start; with ddl.create_table = \"stop-task\" the task stops "
     "there, and with \"stop-table\" the table waits until it is resolved",
     "weir add-table has it copied now, and so does weir ddl resolve --apply if it waits; or "
     "exclude "
     "it in a rule, or say ddl.create_table = \"ignore\"",
     "weir add-table TASK TABLE; weir ddl list TASK --open; weir.toml(5)"},
    {"ddl.default", error, critical,
     "the source changed the default of a column, and [ddl] says to stop there",
     "everything before the statement is applied, and nothing after it; with \"stop-table\" the "
     "other tables go on",
     "weir ddl resolve says how to go on: skip it, or copy the table anew; a policy in the task "
     "file says it for all like it",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.drop-column", error, critical,
     "the source dropped a column, and [ddl] says to stop there",
     "everything before the statement is applied, and nothing after it; with \"stop-table\" the "
     "other tables go on",
     "weir ddl resolve says how to go on: apply it, skip it, or copy the table anew; a policy in "
     "the task file says it for all like it",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.drop-rows", error, critical,
     "a statement on the source removes or brings rows that the log does not show",
     "dropping or exchanging a partition is of this kind; target and source would differ from here "
     "on",
     "have the table copied anew", "weir sync status TASK"},
    {"ddl.drop-table", error, critical,
     "the source dropped a table of the task, and [ddl] says to stop there",
     "everything before the statement is applied, and nothing after it; with \"stop-table\" the "
     "other tables go on",
     "weir ddl resolve says how to go on: skip it, or copy the table anew; a policy in the task "
     "file says it for all like it",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.index", error, critical,
     "the source changed the indexes of a table, and [ddl] says to stop there",
     "everything before the statement is applied, and nothing after it; with \"stop-table\" the "
     "other tables go on",
     "weir ddl resolve says how to go on: skip it, or copy the table anew; a policy in the task "
     "file says it for all like it",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.key-ignored", error, critical,
     "the key of a table changed on the source, and [ddl] says not to apply that",
     "rows are told apart by another key from here on; by the one that the target table has, some "
     "could be taken for each other",
     "have it applied, once or by ddl.change_key = \"apply\"",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.left-out", event, warning,
     "the target cannot do a part of what a statement did on the source",
     "its policy says apply, and this kind of target has no such thing, or not in this place: a "
     "comment, a kind of index, a default of some type. No row depends on it; the rest was carried "
     "out",
     "nothing, or do by hand what the target has instead", "weir ddl list TASK; weir kinds"},
    {"ddl.not-applied", event, warning,
     "a change of definition on the source was not carried out on the target",
     "[ddl] says \"alert\" for this kind; the target table stays as it was",
     "carry it out on the target by hand if it is wanted there, or say \"apply\" for this kind",
     "weir.toml(5)"},
    {"ddl.other", error, critical,
     "a statement changed a table of the task in a way that has no kind of its own, and [ddl] says "
     "to stop there",
     "everything before the statement is applied, and nothing after it; with \"stop-table\" the "
     "other tables go on",
     "weir ddl resolve says how to go on: skip it, or copy the table anew; a policy in the task "
     "file says it for all like it",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.rename-column", error, critical,
     "the source renamed a column, and [ddl] says to stop there",
     "everything before the statement is applied, and nothing after it; with \"stop-table\" the "
     "other tables go on",
     "weir ddl resolve says how to go on: apply it, skip it, or copy the table anew; a policy in "
     "the task file says it for all like it",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.rename-ignored", error, critical,
     "a column was renamed on the source, and [ddl] says not to apply that",
     "the target table has no column of the new name, and its old one would get no values any more",
     "have it applied, once or by ddl.rename_column = \"apply\"",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.rename-table", error, critical,
     "the source renamed a table of the task, and [ddl] says to stop there",
     "everything before the statement is applied, and nothing after it; with \"stop-table\" the "
     "other tables go on",
     "weir ddl resolve says how to go on: skip it, or copy the table anew; a policy in the task "
     "file says it for all like it",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.table-replaced", error, critical,
     "another table took the name of one of the task, by RENAME or by DROP and CREATE",
     "everything before the statement is applied; the rows of the table that came cannot be told "
     "from the log, and the target still has those of the one that went",
     "begin the task anew with empty target tables: weir-control(7) has the statement",
     "weir-control(7)"},
    {"ddl.truncate-table", error, critical,
     "the source emptied a table of the task, and [ddl] says to stop there",
     "everything before the statement is applied, and nothing after it; with \"stop-table\" the "
     "other tables go on",
     "weir ddl resolve says how to go on: apply it, skip it, or copy the table anew; a policy in "
     "the task file says it for all like it",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.unreadable", error, critical, "weir cannot tell what a statement made of a table",
     "rows after it could be read wrongly, so the task stops; as a warning it tells of a statement "
     "that is none of the kinds of [ddl] and was passed over",
     "of the error: begin the task anew with empty target tables, as weir-control(7) says; of the "
     "warning: look at the statement, and repeat it on the target if it is wanted there",
     "weir-control(7)"},
    {"heartbeat.beats", event, info, "the heartbeat beats again after it had failed",
     "the way to the target is measured again", "nothing", "weir sync status TASK"},
    {"heartbeat.failed", event, warning, "no heartbeat can be written to the source",
     "the task goes on without; the age of the target is not measured meanwhile",
     "weir preflight TASK tells what is missing", "weir preflight TASK; weir.toml(5)"},
    {"heartbeat.unsupported", event, warning, "this kind of source has no heartbeat",
     "the task goes on without; the age of the target is not measured",
     "take heartbeat out of [source]", "weir kinds"},
    {"index.not-built", event, warning, "an index could not be built on the target",
     "rows are complete all the same; queries may be slow without it, and a unique index that is "
     "missing refuses no duplicate",
     "read the reason in the event, mend it, and build the index by hand if it is wanted",
     "weir sync status TASK"},
    {"offset.target-wins", event, info,
     "the target's offset differs from the one in weir.db, and the task goes on at the target's",
     "the target's is committed with the rows, so it is the true one; weir.db is a mirror for "
     "people",
     "nothing, unless the target was restored from a backup: then it goes on from there",
     "weir-control(7)"},
    {"rules.taken", event, info, "a running task goes by the table rules of a newer revision",
     "between two transactions the task took on table rules, [ddl] and [dirty] of the newest "
     "revision; tables that are copied anew, added or removed by it go through lanes of their own",
     "nothing; weir rollback goes back", "weir config list TASK; weir sync status TASK"},
    {"source.definition-moved", error, critical,
     "a table changed its definition while the task was being started",
     "the definition must be known at the place where the log is read from",
     "nothing was done yet: start the task again", "weir sync start TASK"},
    {"source.no-snapshot", error, critical,
     "a table without a key cannot be copied from this kind of source",
     "the source does not tell the place of a snapshot in its log, so changes that the copy holds "
     "already would be applied once more",
     "give the table a key, say its columns as key = [...] in the rule, or exclude it",
     "weir.toml(5); weir kinds"},
    {"stage.consistent", event, info, "the target is consistent from here on",
     "it has caught up with everything that changed during the copy; unique indexes are built now",
     "nothing", "weir sync status TASK"},
    {"stage.full.done", event, info, "all rows are copied",
     "the changes since the copy began are applied next; the target is consistent after those",
     "nothing", "weir sync status TASK"},
    {"stage.schema.done", event, info, "all target tables are there", "the rows are copied next",
     "nothing", "weir sync status TASK"},
    {"state.rebuilt", event, warning, "weir.db did not know a task that the target knows",
     "the state folder is another one, or was lost; the task goes on at the target's offset, and "
     "its history begins anew",
     "nothing; if the state folder was not meant to change, see --state-dir and WEIR_STATE_DIR",
     "weir-state(5)"},
    {"table.added", event, info, "a table of the rules is copied beside the others",
     "the task goes on meanwhile; the table joins the others once it has caught up", "nothing",
     "weir sync status TASK"},
    {"table.dropped-meanwhile", error, critical,
     "a table was dropped on the source before its rows were copied",
     "there is nothing to copy any more, and the change log before its copy is not read for it",
     "give it up, or copy it anew once it is there again",
     "weir add-table TASK TABLE --cancel; weir remove-table TASK TABLE; weir sync status TASK"},
    {"table.full.done", event, info, "the rows of a table are copied",
     "its changes since the copy began are applied next", "nothing", "weir sync status TASK"},
    {"table.joined", event, info, "a table goes with the others from here on",
     "it was added, copied anew or suspended, and has caught up with them", "nothing",
     "weir sync status TASK"},
    {"table.log-not-kept", event, warning,
     "the source does not keep its log for a table that rests",
     "it takes a replication slot of its own, and there is none left; the other tables go on, and "
     "what changes in this one from here on can only be had by copying it anew",
     "raise max_replication_slots or drop slots that nobody uses, then weir reload-table",
     "weir sync status TASK; weir reload-table TASK TABLE"},
    {"table.merged", event, info, "the new copy of a table is part of the target table",
     "rows that differed were written, the others stayed as they were; what changes from then on "
     "follows",
     "nothing", "weir sync status TASK"},
    {"table.not-selected", event, warning,
     "a table that the task has copied is no longer selected by its rules",
     "it left the task at the offset that the task was at, and the target table stays as it is; "
     "where the source keeps its log for a reader it knows, as PostgreSQL does, it keeps that too",
     "if it was a slip, correct the rule: the table catches up from there, for as long as the "
     "source has its log; else weir remove-table --drop-target lets go of it",
     "weir sync status TASK; weir preflight TASK --mapping-only"},
    {"table.reloading", event, info, "a table leaves the others, to be copied anew",
     "the others go on; it joins them once it has caught up", "nothing",
     "weir reload-table TASK TABLE; weir sync status TASK"},
    {"table.removed", event, info, "a table leaves the task",
     "its rows on the target stay as they are; the offset at which it left is kept, so that it can "
     "come back for as long as the source has its log from there on",
     "exclude it in the task file; weir remove-table --undo takes it back",
     "weir remove-table TASK TABLE --undo; weir sync status TASK"},
    {"table.selected-again", event, info, "a table that had left is selected by the rules again",
     "it catches up from the offset at which it left, and joins the others then", "nothing",
     "weir sync status TASK"},
    {"table.suspended", event, critical, "a table is suspended, and the other tables go on",
     "something about it needs a decision; it keeps its own offset, from which it goes on by "
     "itself",
     "do what the error of the table says, then weir ddl resolve",
     "weir sync status TASK; weir ddl list TASK --open"},
    {"target.state-lost", error, critical,
     "weir.db knows the task, and the target does not any more",
     "the control tables on the target are gone, and with them the offset that is true; going on "
     "could lose changes",
     "restore the target with its control tables; to begin anew with empty target tables, give the "
     "task another name",
     "weir-control(7); weir sync status TASK"},
    {"task.started", event, info,
     "the task began, and the event names the offset that its changes will be read from",
     "every change from there on will come to the target", "nothing", "weir sync status TASK"},
});

}  // namespace

std::span<const CatalogueRow> stage_catalogue() { return kRows; }

}  // namespace weir
