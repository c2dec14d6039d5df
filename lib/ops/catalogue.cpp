// SPDX-License-Identifier: Apache-2.0
#include "ops/catalogue.h"

#include <array>

namespace weir::ops {
namespace {

using enum CheckGroup;
using enum IdKind;
using enum Severity;

constexpr auto kTaskRows = std::to_array<CatalogueRow>({
    {"ddl.unknown", error, critical, "the task has no statement of this number",
     "statements are numbered as they are met, within their task, and forgotten after 90 days "
     "unless they wait for somebody",
     "see weir ddl list TASK for the numbers", "weir ddl list TASK"},
    {"facts.other-task", error, critical, "a file of facts is of another task",
     "what one server says decides nothing about another",
     "name the task that the facts are of, or gather them for this one: weir preflight TASK "
     "--facts-out FILE",
     "weir preflight TASK --facts FILE"},
    {"failover", event, warning,
     "the worker of the task was started again after a crash or a lost server",
     "what was not committed is done again; more of them than failover.limit within its window "
     "fail the task",
     "look at what ended the worker in the task's log, if it comes often",
     "weir sync status TASK; weir.toml(5)"},
    {"init.exists", error, critical, "the task file to be written exists already",
     "a task file that somebody wrote is not overwritten",
     "give --output another name, or move that file away", "weir init"},
    {"init.no-table", error, critical, "the source has no table that could be copied",
     "the rules are made from the tables that the account sees",
     "correct --database or --schema, or grant the account SELECT on the tables", "weir init"},
    {"init.value", error, critical, "an option has a value that no task file can hold",
     "the task file made from it would be refused", "correct the option; see weir init --help",
     "weir init; weir.toml(5)"},
    {"init.write", error, critical, "the task file cannot be written", "nothing was made",
     "check the path, its permissions and the free space", "weir init"},
    {"preflight.not-waivable", error, critical, "a finding cannot be waived",
     "the mapping has to be sound, and an offset that is gone is never jumped over: waiving these "
     "would not make the task run",
     "mend it: weir explain ID tells how", "weir explain ID; weir preflight TASK"},
    {"stop.retention", check, critical,
     "the task was not stopped: its offset would, or might, be gone before it is started again",
     "the source lets go of its log from there on, and the task would have to be copied anew",
     "let it run, keep the stop shorter, or raise the setting that the message names; "
     "--accept-risk "
     "retention stops the task all the same",
     "weir check-retention TASK; weir sync stop TASK --for DURATION", retention},
    {"stop.retention-waived", event, warning,
     "the task was stopped with --accept-risk retention, though its offset may be gone before it "
     "is started again",
     "the event keeps how long it could stay stopped by then, and what limited it",
     "start the task in time: weir sync status shows what is left",
     "weir sync status TASK; weir sync start TASK"},
    {"task.clock-skew", check, warning, "the clock of a server and this machine's differ",
     "lag is the age of a commit by the source's clock, so what status and alerts tell is wrong by "
     "as much",
     "timedatectl set-ntp true on the machine whose clock is wrong, or chronyc makestep",
     "weir preflight TASK; weir sync status TASK", connection},
    {"task.ddl-unsupported", check, critical, "[ddl] asks for something that weir does not do yet",
     "weir applies what becomes of tables, of their columns and of keys",
     "say \"stop-table\", \"alert\" or \"ignore\" for this kind of DDL",
     "weir preflight TASK; weir.toml(5)", mapping},
    {"task.dirty-unsupported", check, critical,
     "[dirty] says policy = \"quarantine\", which weir does not do yet",
     "this version suspends the table of a row that the target refuses",
     "say dirty.policy = \"stop-table\"", "weir preflight TASK; weir.toml(5)", mapping},
    {"task.ended", event, info, "the task ended; the event names the exit code of its last worker",
     "0 is a stop that was asked for; after any other code the event is an error, and weir sync "
     "status tells the cause",
     "of an error: mend what weir sync status shows, then start the task: it goes on from its "
     "offset",
     "weir sync status TASK; weir sync start TASK; weir-exit-codes(7)"},
    {"task.later-tables", check, info, "tables that are made later may join the task",
     "a rule with a pattern takes them with the task's next start, and copies them then; a rule "
     "with a name takes that table alone",
     "name the tables one by one in [[table]] rules if only these are meant",
     "weir preflight TASK --mapping-only; weir.toml(5)", mapping},
    {"task.round-trip", check, info, "a server is some way off",
     "each chunk and each transaction costs some round trips, the target's most of all",
     "run weir near the target; a larger full.chunk_rows and incremental.flush_interval make fewer "
     "of them",
     "weir preflight TASK; weir.toml(5)", capacity},
    {"task.state-space", check, warning, "the file system of weir's state folder is nearly full",
     "offsets are kept on the target, but without its state file a task cannot be started, watched "
     "or restarted",
     "free space there, or name another folder with --state-dir",
     "weir preflight TASK; weir-state(5)", capacity},
    {"task.supervisor-gone", error, critical, "the task should run, and its supervisor is gone",
     "it was killed, or the machine went down; nothing that is committed is lost",
     "weir sync start TASK: it goes on from its offset", "weir sync start TASK"},
    {"task.waived", event, warning, "a start of the task waived a check, or a preflight did",
     "the task may run although the check found something: whoever looks for a cause wants to know",
     "nothing, if it is still wanted; a start without --waive refuses again",
     "weir preflight TASK; weir explain ID"},
    {"task.worker-killed", error, critical,
     "the worker was killed by a signal, once more than failover.limit allows",
     "the task is not started again by itself, so that a fault does not go on for ever",
     "find out who killed it (the kernel, when memory runs out: see dmesg), then weir sync start "
     "TASK",
     "weir sync status TASK; weir sync start TASK"},
    {"worker.ended", event, warning,
     "the worker ended in a way that may pass, and will be started again after a pause",
     "a crash or a lost server is mended so; a refusal never is",
     "nothing, unless it comes often: then look at the task's log", "weir sync status TASK"},
});

constexpr auto kCutoverRows = std::to_array<CatalogueRow>({
    {"cutover.behind", check, critical, "the target is behind the source",
     "whoever changes over now would miss changes",
     "stop the writers, let the task catch up (weir sync start TASK --wait caught-up), then repeat "
     "it; --timeout lets it wait longer",
     "weir sync status TASK; weir cutover TASK", change_log},
    {"cutover.done", event, info, "the counters of the target were set",
     "the event keeps how many, with which margin and at which offset; a warning if changes were "
     "still arriving",
     "nothing; of the warning: stop the writers and repeat it, which is harmless",
     "weir cutover TASK --dry-run"},
    {"cutover.increment", check, warning, "a counter counts by another step on the target",
     "this target's counters cannot count by the source's", "nothing, unless somebody relies on it",
     "weir cutover TASK --dry-run", target},
    {"cutover.locked", error, critical, "a counter cannot be set now",
     "a transaction on the target holds its lock",
     "end that transaction, then repeat it: what was set before is kept", "weir cutover TASK"},
    {"cutover.margin", check, critical, "the margin does not fit into a counter",
     "the next number and the last that there is are nearer to each other than the margin",
     "repeat it with a smaller --margin, for this one alone with --table, or give the column a "
     "wider type",
     "weir cutover TASK --dry-run", target},
    {"cutover.no-counter", check, warning, "a column or sequence will not count on the target",
     "an INSERT without the column, or whoever draws from the sequence, will fail there",
     "repeat it with --make-identity where that is offered, give it a counter by hand, or see that "
     "every INSERT brings its number",
     "weir cutover TASK --dry-run", target},
    {"cutover.no-match", error, critical, "no counter matches --table",
     "the tables of the task that match have none, or none matches",
     "weir cutover TASK --dry-run shows all there are", "weir cutover TASK --dry-run"},
    {"cutover.not-consistent", check, critical, "the unique indexes of a table are not built yet",
     "they are built once the target is consistent, shortly after it has caught up",
     "weir sync start TASK --wait caught-up, then repeat it", "weir sync status TASK", tables},
    {"cutover.not-started", check, critical, "the target does not know the task",
     "nothing was copied yet, or the target's control tables are gone",
     "weir sync start TASK --wait caught-up", "weir sync start TASK; weir-control(7)", target},
    {"cutover.sequence-not-selected", check, warning, "no rule takes a sequence of the source",
     "a sequence by itself is carried over if the rules take its name, as they take tables",
     "add a table rule that matches it, unless nobody draws from it", "weir.toml(5)", target},
    {"cutover.set", event, info, "one counter of the target was set",
     "the event keeps where it stood before and the statements that were run", "nothing",
     "weir cutover TASK --dry-run"},
    {"cutover.shared-sequence", check, warning,
     "several columns share a sequence on the source, and not on the target",
     "a number that one of them took may come again in another",
     "nothing, unless the numbers have to differ between the tables: then let their columns draw "
     "from one sequence on the target too, with SET DEFAULT nextval(...), and repeat it",
     "weir cutover TASK --dry-run", target},
    {"cutover.source-kind", error, critical, "this kind of source has no counters",
     "there is nothing to carry over to the target",
     "stop the task once it has caught up; nothing else is needed",
     "weir sync stop TASK; weir kinds"},
    {"cutover.table-apart", check, critical, "a table is not with the other tables of the task",
     "a table that is added, copied anew or suspended has not all of the source's rows yet",
     "wait until it has joined the others, or resolve what suspended it", "weir sync status TASK",
     tables},
    {"cutover.table-behind", check, critical, "not all rows of a table are copied",
     "whoever works with the target would miss rows",
     "weir sync start TASK --wait caught-up, then repeat it", "weir sync status TASK", tables},
    {"cutover.table-failed", check, critical, "a table of the task failed",
     "the target does not hold it as the source does; the reason is the table's own error",
     "mend it, then weir sync start TASK --wait caught-up", "weir sync status TASK", tables},
    {"cutover.table-unknown", check, critical,
     "the task selects a table that it has not begun with",
     "a table that appears on the source joins the task with its next start",
     "weir sync stop TASK && weir sync start TASK --wait caught-up, or exclude the table in the "
     "rule",
     "weir sync stop TASK; weir sync start TASK", tables},
    {"cutover.target-kind", error, critical, "this kind of target has no counters",
     "nothing there hands out numbers",
     "stop the task once it has caught up; nothing else is needed",
     "weir sync stop TASK; weir kinds"},
    {"cutover.used-up", check, warning, "a counter has no numbers left",
     "its next INSERT will be refused, as on the source", "give the column a wider type",
     "weir cutover TASK --dry-run", target},
    {"cutover.writes-arriving", check, warning, "the source is still written to",
     "numbers that it hands out from here on are within the margin for a while, and no longer; "
     "rows that come after the applications have changed over are lost",
     "stop the writers, then repeat it: that is harmless", "weir cutover TASK", change_log},
});

constexpr auto kOffsetRows = std::to_array<CatalogueRow>({
    {"offset.beyond-log", check, critical, "the source's log ends before the task's offset",
     "it was begun anew (RESET MASTER), or the server was restored from a backup: the target has "
     "changes that it does not know, and places of the two logs cannot be compared",
     "restore the source to its newest state, or begin the task anew",
     "weir offset show TASK; weir-control(7)", retention},
    {"offset.copy-unfinished", check, critical, "the copy of the task's tables is not finished",
     "the offset says from where on the log makes good what changed while tables were copied",
     "let the copy come to its end, then repeat it",
     "weir sync start TASK --wait incremental; weir sync status TASK", retention},
    {"offset.definition-changed", check, critical,
     "a table has another definition at the place than at the task's offset",
     "rows of one definition cannot be read by another, and the target has the one of the offset",
     "give a place with no change of definition in between, or begin the task anew",
     "weir log show TASK; weir-control(7)", retention},
    {"offset.keyless-loss", check, warning,
     "later changes of a table without a key may not find their rows",
     "its rows are found by all their values; a change of a row that was lost stops the task",
     "nothing yet; if it happens, the table has to be copied anew", "weir sync status TASK",
     retention},
    {"offset.left-out", check, info, "nothing is repeated for a table without a key",
     "a change that is applied twice would double its rows; they stay as they are",
     "copy such a table anew if it is why the offset is put back",
     "weir offset reset TASK --dry-run", retention},
    {"offset.not-comparable", check, critical,
     "the place is neither before nor after the task's offset",
     "each has transactions that the other lacks, so that some would be lost and others repeated",
     "name the transactions of every server and domain that the log holds",
     "weir offset show TASK; weir offset history TASK", retention},
    {"offset.not-started", check, critical, "the target does not know the task",
     "nothing was copied yet, or the target's control tables are gone", "weir sync start TASK",
     "weir sync start TASK; weir-control(7)", retention},
    {"offset.reset", event, warning, "somebody put the task's offset elsewhere",
     "changes in between are lost on the way forward and repeated on the way back; the event keeps "
     "from where to where, who and why",
     "nothing, if it was meant: after a loss, copy the tables anew when there is time",
     "weir offset history TASK"},
    {"offset.resetting", event, warning, "somebody is about to put the task's offset elsewhere",
     "without an event offset.reset after it the work was cut short; where the offset is then, the "
     "target says when the task starts",
     "look at the event that follows", "weir offset show TASK; weir offset history TASK"},
    {"offset.running", error, critical, "the task runs, and moves its offset itself",
     "an offset is put elsewhere only while nobody works from it", "stop the task, then repeat it",
     "weir sync stop TASK"},
    {"offset.timeout", error, critical,
     "the log that would be repeated was not read to its end in time",
     "only reading it shows whether a definition changed there",
     "give it more time with --timeout, or a place that is nearer",
     "weir offset reset TASK --timeout DURATION"},
    {"offset.unique-index", check, warning,
     "the target may refuse repeated changes of a table with a unique index beside its key",
     "on the way rows are as they were, and a value may still be with the row that has it now; the "
     "task would stop there, and goes on once the index is gone",
     "drop these indexes on the target, and make them again once the task has caught up",
     "weir offset reset TASK --dry-run", retention},
    {"offset.unread", check, critical, "the log that would be repeated cannot be read to its end",
     "rows that do not fit the definition of their table, or an event that weir does not know, are "
     "in it",
     "give a later place", "weir log show TASK", retention},
});

constexpr auto kRetentionRows = std::to_array<CatalogueRow>({
    {"retention.clock-skew", check, info, "the clocks of the source and of this machine differ",
     "times of the source's log are by its own clock; weir allows for it, people who compare times "
     "have to as well",
     "keep both clocks by NTP", "weir check-retention TASK", retention},
    {"retention.growth-unknown", check, unknown, "how fast the source's log grows is not known yet",
     "a limit by size cannot be told as a time without it",
     "run it again in a minute or later: it compares with earlier runs",
     "weir check-retention TASK", retention},
    {"retention.kind", error, critical,
     "this kind of source does not say how long it keeps its log", "weir knows no way to ask it",
     "see there how long it is kept", "weir kinds"},
    {"retention.no-offset", check, unknown, "the task has no offset yet",
     "it has not come as far as taking a place in the source's log, so there is none to be lost",
     "start the task, or see what keeps it from going on",
     "weir sync status TASK; weir sync start TASK", retention},
    {"retention.short", check, critical, "the task's offset will be gone soon",
     "the source lets go of its log there; after that the task has to be copied anew",
     "start the task in time, or raise the setting that the message names",
     "weir check-retention TASK; weir sync start TASK", retention},
    {"retention.unlimited", check, warning, "nobody knows when the source's disk is full",
     "the source keeps its log from the offset on without a limit, until its disk is full",
     "give the space that the log may take with --disk-budget",
     "weir check-retention TASK --disk-budget SIZE", retention},
});

constexpr auto kChecklistRows = std::to_array<CatalogueRow>({
    {"checklist.answers", error, critical, "the file of answers to a checklist cannot be used",
     "an answer that is misread would be a confirmation that nobody gave",
     "correct the lines that the message names, or begin with a fresh file",
     "weir checklist OPERATION TASK --print-answers"},
    {"checklist.answers-unreadable", error, critical,
     "the file of answers to a checklist cannot be read", "nothing was asked and nothing was kept",
     "check the path and its permissions", "weir checklist OPERATION TASK --answers FILE"},
    {"checklist.failed", error, critical, "the last checklist of an operation did not pass",
     "an item is not so, and the operation can lose data or surprise those who rely on the target",
     "do what the failed items name first, then go through the checklist again",
     "weir checklist OPERATION TASK --show; weir checklist OPERATION TASK"},
    {"checklist.missing", error, critical,
     "an operation with a risk needs a checklist, and nobody has gone through one",
     "it can lose data, or surprise those who rely on the target",
     "go through it, at a terminal or with a file of answers", "weir checklist OPERATION TASK"},
    {"checklist.stale", error, critical, "the checklist of an operation is too old",
     "things may have changed since it was answered",
     "go through it again; --checklist-age lets it count for longer",
     "weir checklist OPERATION TASK"},
});

}  // namespace

std::span<const CatalogueRow> offset_catalogue() { return kOffsetRows; }
std::span<const CatalogueRow> checklist_catalogue() { return kChecklistRows; }
std::span<const CatalogueRow> retention_catalogue() { return kRetentionRows; }
std::span<const CatalogueRow> task_catalogue() { return kTaskRows; }
std::span<const CatalogueRow> cutover_catalogue() { return kCutoverRows; }

}  // namespace weir::ops
