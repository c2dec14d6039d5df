// SPDX-License-Identifier: Apache-2.0
#include "cli/verbs.h"

#include <algorithm>
#include <array>

#include "ops/checklist.h"

namespace weir::cli {
namespace {

using enum ExitCode;
using Kind = ValueKind;

constexpr auto kTextJson = std::to_array<std::string_view>({"text", "json"});
constexpr auto kTextJsonLines = std::to_array<std::string_view>({"text", "jsonl"});
constexpr auto kFormats = std::to_array<std::string_view>({"text", "json", "jsonl"});
constexpr auto kMonitoring =
    std::to_array<std::string_view>({"text", "nagios", "prometheus", "json"});
constexpr auto kWhen = std::to_array<std::string_view>({"auto", "always", "never"});
constexpr auto kLogFormats = std::to_array<std::string_view>({"text", "json"});
constexpr auto kStages =
    std::to_array<std::string_view>({"schema", "full", "incremental", "caught-up"});
// The registry's rows, which this layer cannot see: a unit test holds the two together.
constexpr auto kSourceKinds = std::to_array<std::string_view>({"mysql", "postgres"});
constexpr auto kTargetKinds = std::to_array<std::string_view>({"postgres", "sqlite", "mysql"});
constexpr auto kTlsModes =
    std::to_array<std::string_view>({"off", "require", "verify-ca", "verify-full"});

constexpr std::string_view kTaskMeaning =
    "the name of a registered task, or the path of a task file";

constexpr ArgumentSpec kTask{
    .name = "TASK", .meaning = kTaskMeaning, .completion = Completion::task_or_file};
constexpr ArgumentSpec kRegisteredTask{
    .name = "TASK", .meaning = kTaskMeaning, .completion = Completion::task};

/// What every verb takes that demands a checklist.
constexpr OptionSpec checklist_age_option(std::string_view group) {
  return {.name = "checklist-age",
          .kind = Kind::duration,
          .value = "DURATION",
          .meaning = "for how long a checklist counts",
          .fallback = "1h",
          .group = group};
}

constexpr OptionSpec kNoHeader{
    .name = "no-header", .meaning = "leave out the line of column names", .group = "output"};

constexpr auto kGlobalOptions = std::to_array<OptionSpec>({
    {.name = "state-dir",
     .kind = Kind::text,
     .value = "DIR",
     .meaning = "the folder of weir's state; without it STATE_DIRECTORY, as systemd sets it, or "
                "the XDG state folder",
     .environment = "WEIR_STATE_DIR",
     .completion = Completion::folder},
    {.name = "format",
     .letter = 'o',
     .kind = Kind::choice,
     .value = "FORMAT",
     .meaning = "how the answer and an error are printed",
     .fallback = "text",
     .choices = kFormats},
    {.name = "json", .meaning = "print JSON: the last one of the formats above"},
    {.name = "quiet", .letter = 'q', .meaning = "no progress, and no log below an error"},
    {.name = "verbose", .letter = 'v', .meaning = "log more; twice for still more"},
    {.name = "color",
     .kind = Kind::choice,
     .value = "WHEN",
     .meaning = "auto is for terminals only, and heeds NO_COLOR",
     .fallback = "auto",
     .choices = kWhen,
     .environment = "WEIR_COLOR"},
    {.name = "log-format",
     .kind = Kind::choice,
     .value = "FORMAT",
     .meaning = "how the log on standard error is printed",
     .fallback = "text",
     .choices = kLogFormats,
     .environment = "WEIR_LOG_FORMAT"},
    {.name = "help", .letter = 'h', .meaning = "print this help"},
    {.name = "version",
     .letter = 'V',
     .meaning = "print the version; with -v those of linked libraries too"},
});

// ---------------------------------------------------------------- init

constexpr auto kInitExamples = std::to_array<Example>({
    {"weir init --source-kind mysql --host db1 --user weir \\\n"
     "    --password-file /etc/weir/shop.pw --database shop \\\n"
     "    --target-host dw --target-database dw --output shop.toml",
     "Write a task file that copies the database shop from db1 to dw."},
    {"weir init --socket /run/mysqld/mysqld.sock --user weir --database 'shop_*'",
     "Print a task file for every database whose name starts with shop_."},
});

constexpr auto kInitOptions = std::to_array<OptionSpec>({
    {.name = "name",
     .kind = Kind::text,
     .value = "NAME",
     .meaning = "the task's name; without it one made from the first --database",
     .group = "task"},
    {.name = "output",
     .kind = Kind::text,
     .value = "FILE",
     .meaning = "write to this file, which must not exist yet; without it to standard output",
     .group = "task",
     .completion = Completion::file},
    {.name = "source-kind",
     .kind = Kind::choice,
     .value = "KIND",
     .meaning = "what the source is; mysql covers MariaDB, and weir kinds tells more",
     .fallback = "mysql",
     .choices = kSourceKinds,
     .group = "source"},
    {.name = "host",
     .kind = Kind::text,
     .value = "HOST",
     .meaning = "the source's host name or address",
     .group = "source"},
    {.name = "port",
     .kind = Kind::integer,
     .value = "PORT",
     .meaning = "the source's port; without it the kind's own",
     .group = "source"},
    {.name = "socket",
     .kind = Kind::text,
     .value = "FILE",
     .meaning = "the source's socket, instead of --host",
     .group = "source",
     .completion = Completion::file},
    {.name = "user",
     .kind = Kind::text,
     .value = "USER",
     .meaning = "the source account",
     .group = "source"},
    {.name = "password-file",
     .kind = Kind::text,
     .value = "FILE",
     .meaning = "the file that holds the source password; the task file names it too",
     .group = "source",
     .completion = Completion::file},
    {.name = "password-env",
     .kind = Kind::text,
     .value = "VARIABLE",
     .meaning = "the environment variable that holds the source password, instead of a file",
     .group = "source"},
    {.name = "tls",
     .kind = Kind::choice,
     .value = "MODE",
     .meaning = "how the connection to the source is encrypted, and its certificate checked",
     .choices = kTlsModes,
     .group = "source"},
    {.name = "tls-ca",
     .kind = Kind::text,
     .value = "FILE",
     .meaning = "the certificates that sign the source's; without it the system's own",
     .group = "source",
     .completion = Completion::file},
    {.name = "database",
     .kind = Kind::text,
     .value = "PATTERN",
     .meaning = "a database to copy, or a glob of names; without it all that the account sees. Of "
                "PostgreSQL: the one to connect to, which is needed",
     .group = "source",
     .repeatable = true},
    {.name = "schema",
     .kind = Kind::text,
     .value = "PATTERN",
     .meaning = "of PostgreSQL: a schema to copy, or a glob of names; without it all of them",
     .group = "source",
     .repeatable = true},
    {.name = "target-kind",
     .kind = Kind::choice,
     .value = "KIND",
     .meaning = "what the target is",
     .fallback = "postgres",
     .choices = kTargetKinds,
     .group = "target"},
    {.name = "target-path",
     .kind = Kind::text,
     .value = "FILE",
     .meaning = "the file of a target that is one: SQLite; no other option of the target goes with "
                "it",
     .group = "target",
     .completion = Completion::file},
    {.name = "target-host",
     .kind = Kind::text,
     .value = "HOST",
     .meaning = "the target's host name or address",
     .group = "target"},
    {.name = "target-port",
     .kind = Kind::integer,
     .value = "PORT",
     .meaning = "the target's port; without it the kind's own",
     .group = "target"},
    {.name = "target-socket",
     .kind = Kind::text,
     .value = "DIR",
     .meaning = "the folder of the target's socket, instead of --target-host",
     .group = "target",
     .completion = Completion::folder},
    {.name = "target-user",
     .kind = Kind::text,
     .value = "USER",
     .meaning = "the target account",
     .group = "target"},
    {.name = "target-password-file",
     .kind = Kind::text,
     .value = "FILE",
     .meaning = "the file that holds the target password; it is named in the task file, not read",
     .group = "target",
     .completion = Completion::file},
    {.name = "target-password-env",
     .kind = Kind::text,
     .value = "VARIABLE",
     .meaning = "the environment variable that will hold the target password",
     .group = "target"},
    {.name = "target-tls",
     .kind = Kind::choice,
     .value = "MODE",
     .meaning = "how the connection to the target is encrypted, and its certificate checked",
     .choices = kTlsModes,
     .group = "target"},
    {.name = "target-tls-ca",
     .kind = Kind::text,
     .value = "FILE",
     .meaning = "the certificates that sign the target's; without it the system's own",
     .group = "target",
     .completion = Completion::file},
    {.name = "target-database",
     .kind = Kind::text,
     .value = "NAME",
     .meaning = "the database to copy into",
     .group = "target"},
});

constexpr auto kInitCodes = std::to_array<ExitCode>(
    {ok, failed, usage, configuration, refused, source_unreachable, not_found, bug});
constexpr auto kInitSee = std::to_array<std::string_view>(
    {"weir(1)", "weir-kinds(1)", "weir-preflight(1)", "weir.toml(5)"});

// ---------------------------------------------------------------- kinds

constexpr auto kKindsExamples = std::to_array<Example>({
    {"weir kinds", "Show what can be copied from and to, and what to expect of it."},
    {"weir kinds --json | jq -r '.targets[] | [.kind, .rung] | @tsv'",
     "Get the promise of each kind of target into a script."},
});

constexpr auto kKindsCodes = std::to_array<ExitCode>({ok, failed, usage, bug});
constexpr auto kKindsSee = std::to_array<std::string_view>(
    {"weir(1)", "weir-init(1)", "weir.toml(5)", "weir-types(7)", "weir-control(7)"});

// ---------------------------------------------------------------- explain

constexpr auto kExplainExamples = std::to_array<Example>({
    {"weir explain mysql.offset-lost",
     "Show what the word in brackets of a message means, why it matters and how to mend it."},
    {"weir explain --json | jq -r '.ids[] | select(.kind == \"event\") | .id'",
     "Get the ids that a task logs while it works."},
});

constexpr auto kExplainCodes = std::to_array<ExitCode>({ok, failed, usage, bug});
constexpr auto kExplainSee =
    std::to_array<std::string_view>({"weir(1)", "weir-preflight(1)", "weir-sync-status(1)",
                                     "weir-checks(7)", "weir-exit-codes(7)"});

// ---------------------------------------------------------------- preflight

constexpr auto kPreflightExamples = std::to_array<Example>({
    {"weir preflight shop.toml", "Check both servers, the accounts and the mapping."},
    {"weir preflight shop --strict --waive mysql.cascade --facts-out shop.facts",
     "Refuse because of any warning but one, and keep what the servers said."},
});

// Not required, for --list goes without; the verb asks for it.
constexpr ArgumentSpec kPreflightTask{.name = "TASK",
                                      .meaning = kTaskMeaning,
                                      .required = false,
                                      .completion = Completion::task_or_file};

constexpr auto kPreflightOptions = std::to_array<OptionSpec>({
    {.name = "mapping-only",
     .meaning = "show which rule takes which table to where, and check only that; the target is "
                "not connected to",
     .group = "checks"},
    {.name = "list",
     .meaning = "list every check there is, without a task and without asking a server",
     .group = "checks"},
    {.name = "only",
     .kind = Kind::text,
     .value = "WHAT",
     .meaning = "show and judge these alone: the id of a check, or a group such as change-log",
     .group = "checks",
     .completion = Completion::id,
     .repeatable = true},
    {.name = "skip",
     .kind = Kind::text,
     .value = "WHAT",
     .meaning = "leave these out, as with --only",
     .group = "checks",
     .completion = Completion::id,
     .repeatable = true},
    {.name = "waive",
     .kind = Kind::text,
     .value = "ID",
     .meaning = "do not refuse because of this check; kept in the history of a registered task",
     .group = "checks",
     .completion = Completion::id,
     .repeatable = true},
    {.name = "strict",
     .meaning = "refuse because of warnings and unknown facts, too",
     .group = "checks"},
    {.name = "facts-out",
     .kind = Kind::text,
     .value = "FILE",
     .meaning = "keep what the servers said in this file; it holds no secret",
     .group = "facts",
     .completion = Completion::file},
    {.name = "facts",
     .kind = Kind::text,
     .value = "FILE",
     .meaning = "judge what such a file says, and ask no server",
     .group = "facts",
     .completion = Completion::file},
});

constexpr auto kPreflightCodes =
    std::to_array<ExitCode>({ok, failed, usage, configuration, refused, source_unreachable,
                             target_unreachable, not_found, unsupported, bug});
constexpr auto kPreflightSee = std::to_array<std::string_view>(
    {"weir(1)", "weir-explain(1)", "weir-sync-start(1)", "weir.toml(5)", "weir-checks(7)",
     "weir-types(7)", "weir-exit-codes(7)"});

// ---------------------------------------------------------------- sync start

constexpr auto kStartExamples = std::to_array<Example>({
    {"weir sync start shop.toml", "Register the task that the file describes, and start it."},
    {"weir sync start shop --wait caught-up --timeout 2h",
     "Start the task and return once the target holds all that the source had."},
});

constexpr OptionSpec kStartWaive{
    .name = "waive",
    .kind = Kind::text,
    .value = "ID",
    .meaning = "start in spite of what this check finds; kept in the task's history",
    .group = "checks",
    .completion = Completion::id,
    .repeatable = true};

constexpr OptionSpec kKeepConfig{
    .name = "keep-config",
    .meaning =
        "go on by the newest revision of the task file, whatever the file says by now; see "
        "weir config list",
    .group = "revision"};

constexpr auto kStartOptions = std::to_array<OptionSpec>({
    {.name = "wait",
     .kind = Kind::choice,
     .value = "STAGE",
     .meaning = "return only once schema or full is done, incremental has begun, or the target "
                "has caught up with what the source had when asked; shows progress meanwhile",
     .choices = kStages,
     .group = "waiting"},
    {.name = "timeout",
     .kind = Kind::duration,
     .value = "DURATION",
     .meaning = "with --wait: stop waiting after this long; the task goes on",
     .group = "waiting"},
    kStartWaive,
    kKeepConfig,
});

constexpr auto kStartCodes = std::to_array<ExitCode>(
    {ok, failed, usage, configuration, refused, source_unreachable, target_unreachable,
     state_conflict, not_found, unsupported, timed_out, bug, interrupted, terminated});
constexpr auto kStartSee =
    std::to_array<std::string_view>({"weir-sync-run(1)", "weir-sync-status(1)", "weir-sync-stop(1)",
                                     "weir-preflight(1)", "weir.toml(5)", "weir-exit-codes(7)"});

// ---------------------------------------------------------------- sync run

constexpr auto kRunExamples = std::to_array<Example>({
    {"weir sync run shop", "Run the task until it is told to stop."},
    {"weir sync run /etc/weir/shop.toml --log-format json",
     "Run it in a container, with a log that machines read."},
});

constexpr auto kRunOptions = std::to_array<OptionSpec>({kStartWaive, kKeepConfig});

constexpr auto kRunCodes = std::to_array<ExitCode>(
    {ok, failed, usage, configuration, refused, source_unreachable, target_unreachable,
     state_conflict, not_found, unsupported, bug, interrupted, terminated});
constexpr auto kRunSee =
    std::to_array<std::string_view>({"weir-sync-start(1)", "weir-sync-stop(1)", "weir.toml(5)",
                                     "weir-exit-codes(7)", "systemd.service(5)"});

// ---------------------------------------------------------------- sync stop

constexpr auto kStopExamples = std::to_array<Example>({
    {"weir sync stop shop", "Let the task finish its batch, keep its offset, and leave."},
    {"weir sync stop shop --for 6h",
     "Stop it only if the source keeps its log for six hours and the time to catch up."},
});

constexpr auto kStopRisks = std::to_array<std::string_view>({"retention"});

constexpr auto kStopOptions = std::to_array<OptionSpec>({
    {.name = "for",
     .kind = Kind::duration,
     .value = "DURATION",
     .meaning = "how long the task will stay stopped; it is stopped only if the source is sure to "
                "keep its log for as long, and for the time to catch up",
     .group = "retention"},
    {.name = "accept-risk",
     .kind = Kind::choice,
     .value = "RISK",
     .meaning = "stop the task even if its offset may be gone before it is started again; this is "
                "kept in its history",
     .choices = kStopRisks,
     .group = "retention"},
    {.name = "timeout",
     .kind = Kind::duration,
     .value = "DURATION",
     .meaning = "how long to wait for the task to leave; it goes on stopping after that",
     .fallback = "60s",
     .group = "waiting"},
});

constexpr auto kStopCodes = std::to_array<ExitCode>(
    {ok, failed, usage, refused, state_conflict, not_found, timed_out, bug});
constexpr auto kStopSee = std::to_array<std::string_view>(
    {"weir-sync-start(1)", "weir-sync-status(1)", "weir-check-retention(1)", "weir-exit-codes(7)"});

// ---------------------------------------------------------------- sync status

constexpr auto kStatusExamples = std::to_array<Example>({
    {"weir sync status shop", "Show the stage, the lag and every table."},
    {"weir sync status shop --json | jq .apply_lag_s", "Get one figure into a script."},
});

constexpr auto kStatusOptions = std::to_array<OptionSpec>({
    {.name = "no-tables", .meaning = "leave out the list of tables", .group = "output"},
    kNoHeader,
});

constexpr auto kStatusCodes =
    std::to_array<ExitCode>({ok, failed, usage, refused, state_conflict, not_found, bug});
constexpr auto kStatusSee = std::to_array<std::string_view>(
    {"weir-sync-list(1)", "weir-sync-start(1)", "weir-state(5)", "weir-exit-codes(7)"});

// ---------------------------------------------------------------- sync list

constexpr auto kListExamples = std::to_array<Example>({
    {"weir sync list", "Show each registered task with its state."},
    {"weir sync list --no-header | awk '{print $1}'", "Get the names only."},
});

constexpr auto kListOptions = std::to_array<OptionSpec>({kNoHeader});

constexpr auto kListCodes =
    std::to_array<ExitCode>({ok, failed, usage, refused, state_conflict, bug});
constexpr auto kListSee =
    std::to_array<std::string_view>({"weir-sync-status(1)", "weir-state(5)", "weir-exit-codes(7)"});

// ---------------------------------------------------------------- cutover

constexpr auto kCutoverExamples = std::to_array<Example>({
    {"weir cutover shop --dry-run",
     "Show where each counter stands on both sides, and what would be set."},
    {"weir sync start shop --wait caught-up && weir cutover shop --yes --margin 5000",
     "Set the counters without asking, 5000 numbers beyond the last one."},
});

constexpr auto kCutoverOptions = std::to_array<OptionSpec>({
    {.name = "margin",
     .kind = Kind::integer,
     .value = "N",
     .meaning = "how many numbers to leave free beyond the last one, in increments of the counter",
     .fallback = "1000",
     .group = "counters"},
    {.name = "table",
     .kind = Kind::text,
     .value = "PATTERN",
     .meaning =
         "only counters of source tables, and sequences, whose schema.name matches this glob",
     .group = "counters",
     .completion = Completion::table,
     .repeatable = true},
    {.name = "make-identity",
     .meaning = "give a plain column of a PostgreSQL target a counter of its own where the "
                "source's column has one; its table is locked for a moment",
     .group = "counters"},
    {.name = "timeout",
     .kind = Kind::duration,
     .value = "DURATION",
     .meaning = "how long a running task may take to get to where the source's log ends now",
     .fallback = "30s",
     .group = "waiting"},
    {.name = "dry-run",
     .letter = 'n',
     .meaning = "show what would be set, and change nothing",
     .group = "action"},
    {.name = "yes", .letter = 'y', .meaning = "do not ask for the task's name", .group = "action"},
});

constexpr auto kCutoverCodes =
    std::to_array<ExitCode>({ok, failed, usage, configuration, refused, source_unreachable,
                             target_unreachable, state_conflict, not_found, unsupported, bug});
constexpr auto kCutoverSee = std::to_array<std::string_view>(
    {"weir-sync-start(1)", "weir-sync-status(1)", "weir-sync-stop(1)", "weir-exit-codes(7)"});

// ---------------------------------------------------------------- check-retention

constexpr auto kRetentionExamples = std::to_array<Example>({
    {"weir check-retention shop --planned-stop 6h",
     "Ask whether the task may be stopped for six hours, and catch up in time."},
    {"weir check-retention --all --format prometheus \\\n"
     "    --output /var/lib/node_exporter/weir.prom",
     "Keep metrics of every task for a collector, as a line for cron."},
});

constexpr auto kRetentionOptions = std::to_array<OptionSpec>({
    {.name = "all", .meaning = "every registered task, instead of TASK", .group = "check"},
    {.name = "planned-stop",
     .kind = Kind::duration,
     .value = "DURATION",
     .meaning = "judge by whether the task may be stopped for this long from now on, with the "
                "time that it needs to catch up",
     .group = "check"},
    {.name = "disk-budget",
     .kind = Kind::text,
     .value = "SIZE",
     .meaning = "the space that the source's disk has for its log, where nothing else limits it: "
                "50GB",
     .group = "check"},
    {.name = "warning",
     .kind = Kind::duration,
     .value = "DURATION",
     .meaning = "without a planned stop: warn if the task may stay stopped for less than this",
     .fallback = "1d",
     .group = "check"},
    {.name = "critical",
     .kind = Kind::duration,
     .value = "DURATION",
     .meaning = "without a planned stop: less than this is critical",
     .fallback = "1h",
     .group = "check"},
    {.name = "output",
     .kind = Kind::text,
     .value = "FILE",
     .meaning = "with --format prometheus: write to this file, which is replaced in one step",
     .group = "output",
     .completion = Completion::file},
});

constexpr auto kRetentionCodes = std::to_array<ExitCode>(
    {ok, failed, usage, configuration, refused, state_conflict, not_found, unsupported, bug});
constexpr auto kRetentionSee =
    std::to_array<std::string_view>({"weir-sync-stop(1)", "weir-sync-status(1)", "weir.toml(5)",
                                     "weir-state(5)", "weir-exit-codes(7)"});

// ---------------------------------------------------------------- checklist

constexpr auto kChecklistExamples = std::to_array<Example>({
    {"weir checklist restart shop", "Go through the checklist before the task is restarted."},
    {"weir checklist rerun-full shop --answers rerun.toml --json",
     "Take the answers from a file, and keep the outcome as JSON."},
});

constexpr auto kChecklistOptions = std::to_array<OptionSpec>({
    {.name = "answers",
     .kind = Kind::text,
     .value = "FILE",
     .meaning = "take the answers from this TOML file; at a terminal the others are asked",
     .group = "checklist",
     .completion = Completion::file},
    {.name = "print-answers",
     .meaning = "print such a file, with every question and no answer",
     .group = "checklist"},
    {.name = "show",
     .meaning = "show the last checklist of the operation, asking no server; ends with 0 only if "
                "it passed and still counts",
     .group = "checklist"},
    checklist_age_option("checklist"),
});

constexpr auto kChecklistCodes = std::to_array<ExitCode>(
    {ok, failed, usage, configuration, refused, state_conflict, not_found, bug});
constexpr auto kChecklistSee =
    std::to_array<std::string_view>({"weir-preflight(1)", "weir-check-retention(1)",
                                     "weir-sync-status(1)", "weir-state(5)", "weir-exit-codes(7)"});

// ---------------------------------------------------------------- tables of a running task

constexpr auto kReloadModes = std::to_array<std::string_view>({"truncate", "merge", "swap"});

constexpr OptionSpec kChangeDryRun{.name = "dry-run",
                                   .letter = 'n',
                                   .meaning = "show what would be done, and change nothing",
                                   .group = "action"};
constexpr OptionSpec kChangeYes{
    .name = "yes", .letter = 'y', .meaning = "do not ask for the task's name", .group = "action"};
constexpr OptionSpec kChangeWait{
    .name = "wait",
    .meaning = "show how far each table is, until all are in sync with the others",
    .group = "waiting"};
constexpr OptionSpec kChangeTimeout{.name = "timeout",
                                    .kind = Kind::duration,
                                    .value = "DURATION",
                                    .meaning = "how long to wait; without it as long as it takes",
                                    .group = "waiting"};
constexpr OptionSpec kChangeNoHeader{
    .name = "no-header", .meaning = "leave out the line of column names", .group = "output"};

constexpr ArgumentSpec kTables{.name = "TABLE",
                               .meaning = "a table of the task, as schema.table of the source",
                               .completion = Completion::table,
                               .repeatable = true};

constexpr auto kChangeCodes = std::to_array<ExitCode>(
    {ok, failed, usage, configuration, refused, source_unreachable, target_unreachable,
     state_conflict, not_found, timed_out, bug, interrupted, terminated});

constexpr auto kAddTableExamples = std::to_array<Example>({
    {"weir add-table shop shop.coupon 'shop.order_*' --dry-run",
     "Show which tables these take, where they would go, and what is in the way."},
    {"weir add-table shop shop.coupon --wait --timeout 2h",
     "Add a table while the task runs, and wait until it is in sync with the others."},
});
constexpr auto kAddTableOptions = std::to_array<OptionSpec>({
    {.name = "no-history",
     .meaning = "do not copy the rows that are there now, only what changes from here on",
     .group = "action"},
    {.name = "cancel",
     .meaning = "give up tables that are on their way; rows that were copied stay",
     .group = "action"},
    kChangeDryRun,
    kChangeYes,
    kChangeWait,
    kChangeTimeout,
    kChangeNoHeader,
});
constexpr auto kAddTableSee = std::to_array<std::string_view>(
    {"weir-remove-table(1)", "weir-reload-table(1)", "weir-sync-status(1)", "weir-preflight(1)",
     "weir.toml(5)", "weir-exit-codes(7)"});

constexpr auto kRemoveTableExamples = std::to_array<Example>({
    {"weir remove-table shop shop.coupon", "Let go of a table; the target keeps its rows."},
    {"weir remove-table shop shop.coupon --undo",
     "Bring it back from where it left, while the source still has its log from there on."},
});
constexpr auto kRemoveTableOptions = std::to_array<OptionSpec>({
    {.name = "undo",
     .meaning = "bring removed tables back: they catch up from where they left",
     .group = "action"},
    {.name = "drop-target",
     .meaning = "drop the tables on the target too, once the task has let go of them",
     .group = "action"},
    kChangeDryRun,
    kChangeYes,
    checklist_age_option("action"),
    kChangeTimeout,
    kChangeNoHeader,
});
constexpr auto kRemoveTableSee = std::to_array<std::string_view>(
    {"weir-add-table(1)", "weir-reload-table(1)", "weir-checklist(1)", "weir-sync-status(1)",
     "weir-exit-codes(7)"});

constexpr auto kReloadTableExamples = std::to_array<Example>({
    {"weir reload-table shop shop.coupon --mode merge --dry-run",
     "Show what copying a table anew would do, and what is in the way."},
    {"weir reload-table shop shop.coupon --mode truncate --yes --wait",
     "Empty the target table and copy all rows again, while the others go on."},
});
constexpr auto kReloadTableOptions = std::to_array<OptionSpec>({
    {.name = "mode",
     .kind = Kind::choice,
     .value = "MODE",
     .meaning = "what becomes of the rows that the target has",
     .choices = kReloadModes,
     .group = "action",
     .required = true},
    kChangeDryRun,
    kChangeYes,
    kChangeWait,
    kChangeTimeout,
    kChangeNoHeader,
});
constexpr auto kReloadTableSee = std::to_array<std::string_view>(
    {"weir-add-table(1)", "weir-remove-table(1)", "weir-sync-status(1)", "weir-check-retention(1)",
     "weir-exit-codes(7)"});

// ---------------------------------------------------------------- log show

constexpr auto kLogExamples = std::to_array<Example>({
    {"weir log show shop --limit 20", "Show the next 20 changes that the task has to apply."},
    {"weir log show binlog.000042 --table 'shop.order*' --values",
     "Show what one binlog file holds for some tables, row values included."},
});

constexpr auto kLogOptions = std::to_array<OptionSpec>({
    {.name = "from",
     .kind = Kind::text,
     .value = "OFFSET",
     .meaning = "begin here; without it at the task's offset, or at the start of the file",
     .group = "selection"},
    {.name = "limit",
     .kind = Kind::integer,
     .value = "N",
     .meaning = "end after this many changes",
     .group = "selection"},
    {.name = "table",
     .kind = Kind::text,
     .value = "PATTERN",
     .meaning = "only tables whose schema.table matches this glob",
     .group = "selection",
     .completion = Completion::table,
     .repeatable = true},
    {.name = "follow",
     .meaning = "wait for more at the end of the log, until interrupted",
     .group = "selection"},
    {.name = "values", .meaning = "show the values of each row", .group = "output"},
});

constexpr auto kLogCodes =
    std::to_array<ExitCode>({ok, failed, usage, configuration, refused, source_unreachable,
                             state_conflict, not_found, unsupported, bug, interrupted, terminated});
constexpr auto kLogSee = std::to_array<std::string_view>(
    {"weir-sync-status(1)", "weir.toml(5)", "weir-types(7)", "weir-exit-codes(7)"});

// ---------------------------------------------------------------- offset

constexpr auto kOffsetShowExamples = std::to_array<Example>({
    {"weir offset show shop", "Show where the task stands in its source's change log."},
    {"weir offset show shop --json | jq -r .offset", "Get the offset into a script."},
});
constexpr auto kOffsetShowCodes = std::to_array<ExitCode>(
    {ok, failed, usage, configuration, refused, state_conflict, not_found, bug});
constexpr auto kOffsetShowSee =
    std::to_array<std::string_view>({"weir-offset-history(1)", "weir-offset-reset(1)",
                                     "weir-sync-status(1)", "weir-exit-codes(7)"});

constexpr auto kOffsetHistoryExamples = std::to_array<Example>({
    {"weir offset history shop --since 2h", "Show where the task was over the last two hours."},
    {"weir offset history shop --limit 1000 --json |\n"
     "    jq '.offsets[] | select(.reason == \"reset\")'",
     "Show who put the offset elsewhere, and why."},
});
constexpr auto kOffsetHistoryOptions = std::to_array<OptionSpec>({
    {.name = "limit",
     .kind = Kind::integer,
     .value = "N",
     .meaning = "at most so many lines, the newest ones",
     .fallback = "20",
     .group = "selection"},
    {.name = "since",
     .kind = Kind::duration,
     .value = "DURATION",
     .meaning = "only lines that are not older than this",
     .group = "selection"},
    kNoHeader,
});
constexpr auto kOffsetHistorySee = std::to_array<std::string_view>(
    {"weir-offset-show(1)", "weir-offset-reset(1)", "weir-state(5)", "weir-exit-codes(7)"});

constexpr auto kOffsetResetExamples = std::to_array<Example>({
    {"weir offset reset shop --to bin.000112:4 --dry-run",
     "Show what would be lost if the task went on at the oldest place that is left."},
    {"weir offset reset shop --to time:2026-03-01T02:00:00Z --yes \\\n"
     "    --reason 'INC-4711: rows were changed on the target by hand'",
     "Have everything applied again that was committed from then on."},
});
constexpr auto kOffsetResetOptions = std::to_array<OptionSpec>({
    {.name = "to",
     .kind = Kind::text,
     .value = "PLACE",
     .meaning = "the place: gtid:SET, FILE:POSITION, lsn:LSN, time:TIME, now, or an offset as weir "
                "prints it",
     .group = "place",
     .required = true},
    {.name = "reason",
     .kind = Kind::text,
     .value = "TEXT",
     .meaning = "why, for the task's history",
     .group = "action"},
    {.name = "accept-data-loss",
     .meaning = "agree that changes are passed over, which the target will never have",
     .group = "action"},
    {.name = "timeout",
     .kind = Kind::duration,
     .value = "DURATION",
     .meaning = "how long reading the log between the two places may take",
     .fallback = "10m",
     .group = "action"},
    {.name = "dry-run",
     .letter = 'n',
     .meaning = "show what would be done, and change nothing",
     .group = "action"},
    {.name = "yes", .letter = 'y', .meaning = "do not ask for the task's name", .group = "action"},
    checklist_age_option("action"),
});
constexpr auto kOffsetResetCodes = std::to_array<ExitCode>(
    {ok, failed, usage, configuration, refused, source_unreachable, target_unreachable,
     state_conflict, not_found, unsupported, timed_out, bug});
constexpr auto kOffsetResetSee = std::to_array<std::string_view>(
    {"weir-offset-show(1)", "weir-offset-history(1)", "weir-checklist(1)",
     "weir-check-retention(1)", "weir-log-show(1)", "weir-control(7)", "weir-exit-codes(7)"});

// ---------------------------------------------------------------- ddl

constexpr ArgumentSpec kDdlNumber{
    .name = "NUMBER", .meaning = "the number of a statement, as weir ddl list prints it"};

constexpr ArgumentSpec kDdlNumberOrTable{.name = "NUMBER",
                                         .meaning =
                                             "the number of a statement, as weir ddl list "
                                             "prints it; without it --table says what waits",
                                         .required = false};

constexpr auto kDdlListExamples = std::to_array<Example>({
    {"weir ddl list shop --open", "Show the statements that wait for somebody."},
    {"weir ddl list shop --since 1d --json |\n"
     "    jq '.ddl[] | select(.outcome != \"applied\")'",
     "Show what was not carried out since yesterday."},
});
constexpr auto kDdlListOptions = std::to_array<OptionSpec>({
    {.name = "open",
     .meaning = "only statements that stopped something, or failed, and wait for somebody",
     .group = "selection"},
    {.name = "limit",
     .kind = Kind::integer,
     .value = "N",
     .meaning = "at most so many statements, the newest ones",
     .fallback = "20",
     .group = "selection"},
    {.name = "since",
     .kind = Kind::duration,
     .value = "DURATION",
     .meaning = "only statements that were met not longer ago than this",
     .group = "selection"},
    kNoHeader,
});
constexpr auto kDdlCodes = std::to_array<ExitCode>(
    {ok, failed, usage, configuration, refused, state_conflict, not_found, bug});
constexpr auto kDdlListSee =
    std::to_array<std::string_view>({"weir-ddl-show(1)", "weir-ddl-resolve(1)", "weir.toml(5)",
                                     "weir-state(5)", "weir-exit-codes(7)"});

constexpr auto kDdlShowExamples = std::to_array<Example>({
    {"weir ddl show shop 12", "Show all that is known of a statement, and what to do about it."},
    {"weir ddl show shop 12 --json | jq -r .ddl.source_sql", "Get its SQL into a script."},
});
constexpr auto kDdlShowSee = std::to_array<std::string_view>(
    {"weir-ddl-list(1)", "weir-ddl-resolve(1)", "weir.toml(5)", "weir-exit-codes(7)"});

constexpr auto kDdlResolveExamples = std::to_array<Example>({
    {"weir ddl resolve shop 12 --apply --wait",
     "Carry out on the target the statement that a table waits at, and wait until it has caught "
     "up."},
    {"weir ddl resolve shop --table shop.item --retry",
     "Try a table again that waits for another reason, once that is gone."},
});
constexpr auto kDdlResolveOptions = std::to_array<OptionSpec>({
    {.name = "table",
     .kind = Kind::text,
     .value = "SCHEMA.TABLE",
     .meaning = "a table that waits, in place of a statement; with --retry or --reload",
     .group = "selection",
     .completion = Completion::table},
    {.name = "apply", .meaning = "carry the statement out on the target", .group = "resolution"},
    {.name = "applied",
     .meaning = "the statement was carried out on the target by hand; weir checks that, and does "
                "what is missing",
     .group = "resolution"},
    {.name = "skip", .meaning = "leave the target as it is, and go on", .group = "resolution"},
    {.name = "reload",
     .meaning = "read the definition again, and copy the table anew",
     .group = "resolution"},
    {.name = "retry",
     .meaning = "try the table again: what was in its way is gone",
     .group = "resolution"},
    {.name = "mode",
     .kind = Kind::choice,
     .value = "MODE",
     .meaning = "how --reload copies; without it truncate",
     .choices = kReloadModes,
     .group = "resolution"},
    {.name = "wait",
     .meaning = "wait until the table has caught up and goes on with the others",
     .group = "action"},
    {.name = "timeout",
     .kind = Kind::duration,
     .value = "DURATION",
     .meaning = "how long --wait waits; without it as long as it takes",
     .group = "action"},
    {.name = "dry-run",
     .letter = 'n',
     .meaning = "show what would be done, and change nothing",
     .group = "action"},
    {.name = "yes", .letter = 'y', .meaning = "do not ask for the task's name", .group = "action"},
});
constexpr auto kDdlResolveCodes =
    std::to_array<ExitCode>({ok, failed, usage, configuration, refused, state_conflict, not_found,
                             timed_out, bug, interrupted, terminated});
constexpr auto kDdlResolveSee =
    std::to_array<std::string_view>({"weir-ddl-list(1)", "weir-ddl-show(1)", "weir-sync-status(1)",
                                     "weir.toml(5)", "weir-exit-codes(7)"});
// ---------------------------------------------------------------- config, plan, apply, rollback

constexpr auto kConfigListExamples = std::to_array<Example>({
    {"weir config list shop", "Show which task files the task has run by, and since when."},
    {"weir config list shop --json | jq .running", "Get the running revision into a script."},
});
constexpr auto kConfigListOptions = std::to_array<OptionSpec>({
    {.name = "limit",
     .kind = Kind::integer,
     .value = "N",
     .meaning = "at most so many lines, the newest ones",
     .fallback = "20",
     .group = "selection"},
    kNoHeader,
});
constexpr auto kConfigCodes = std::to_array<ExitCode>(
    {ok, failed, usage, configuration, refused, state_conflict, not_found, bug});
constexpr auto kConfigListSee = std::to_array<std::string_view>(
    {"weir-config-show(1)", "weir-config-diff(1)", "weir-rollback(1)", "weir-state(5)"});

constexpr auto kConfigShowExamples = std::to_array<Example>({
    {"weir config show shop", "Print the task file that the task runs by."},
    {"weir config show shop 3 > shop.toml", "Get an earlier one back by hand."},
});
constexpr auto kConfigShowSee =
    std::to_array<std::string_view>({"weir-config-list(1)", "weir-config-diff(1)", "weir.toml(5)"});

constexpr auto kConfigDiffExamples = std::to_array<Example>({
    {"weir config diff shop running file", "Show what was edited since the task took its file on."},
    {"weir config diff shop 3 5 --exit-code || echo different",
     "Compare two revisions in a script."},
});
constexpr auto kConfigDiffOptions = std::to_array<OptionSpec>({
    {.name = "exit-code", .meaning = "end with 10 if they differ", .group = "output"},
});
constexpr auto kConfigDiffCodes = std::to_array<ExitCode>(
    {ok, failed, usage, configuration, refused, state_conflict, not_found, differences, bug});
constexpr auto kConfigDiffSee = std::to_array<std::string_view>(
    {"weir-config-list(1)", "weir-plan(1)", "weir.toml(5)", "weir-exit-codes(7)"});

constexpr OptionSpec kPlanReloadMode{
    .name = "reload-mode",
    .kind = Kind::choice,
    .value = "MODE",
    .meaning =
        "how tables are copied that have to be; without it swap, and into a target table "
        "of another name as existing in the rule says",
    .choices = kReloadModes,
    .group = "action"};

constexpr auto kPlanExamples = std::to_array<Example>({
    {"weir plan shop", "Show what the edited task file would do to the running task."},
    {"weir plan shop --out shop.plan --exit-code; weir apply shop.plan --yes",
     "Keep the plan, and later do exactly that or nothing."},
});
constexpr auto kPlanOptions = std::to_array<OptionSpec>({
    {.name = "out",
     .kind = Kind::text,
     .value = "FILE",
     .meaning = "keep the plan in this file, for weir apply; it holds no secret",
     .group = "output",
     .completion = Completion::file},
    {.name = "exit-code", .meaning = "end with 10 if there is anything to do", .group = "output"},
    kPlanReloadMode,
});
constexpr auto kPlanCodes = std::to_array<ExitCode>(
    {ok, failed, usage, configuration, refused, source_unreachable, target_unreachable,
     state_conflict, not_found, unsupported, differences, bug});
constexpr auto kPlanSee =
    std::to_array<std::string_view>({"weir-apply(1)", "weir-rollback(1)", "weir-config-diff(1)",
                                     "weir-checklist(1)", "weir.toml(5)", "weir-exit-codes(7)"});

constexpr OptionSpec kRestart{
    .name = "restart",
    .meaning =
        "stop and start the task if the change needs it; by what it had before, if it does "
        "not start so",
    .group = "action"};

constexpr auto kApplyExamples = std::to_array<Example>({
    {"weir apply shop", "Show what the edited task file changes, ask, and have it take effect."},
    {"weir apply shop.plan --yes --restart",
     "Do what was planned, with a restart if it takes one; nothing if anything moved since."},
});
constexpr auto kApplyOptions =
    std::to_array<OptionSpec>({kPlanReloadMode, kRestart, kChangeDryRun, kChangeYes});
constexpr auto kApplyCodes = std::to_array<ExitCode>(
    {ok, failed, usage, configuration, refused, source_unreachable, target_unreachable,
     state_conflict, not_found, unsupported, timed_out, bug});
constexpr auto kApplySee =
    std::to_array<std::string_view>({"weir-plan(1)", "weir-rollback(1)", "weir-config-list(1)",
                                     "weir-sync-start(1)", "weir-exit-codes(7)"});

constexpr auto kRollbackExamples = std::to_array<Example>({
    {"weir rollback shop", "Go back to what the task ran by before the last change."},
    {"weir rollback shop 3 --dry-run", "Show what going back to revision 3 would do."},
});
constexpr auto kRollbackSee =
    std::to_array<std::string_view>({"weir-apply(1)", "weir-plan(1)", "weir-config-list(1)",
                                     "weir-config-diff(1)", "weir-exit-codes(7)"});

// ---------------------------------------------------------------- hidden verbs

constexpr auto kCompleteKinds = std::to_array<std::string_view>({"tasks", "tables", "ids"});
constexpr auto kCompleteExamples = std::to_array<Example>({
    {"weir complete tasks", "Print the names of registered tasks, one a line."},
    {"weir complete tables --task shop", "Print the source tables of a task, one a line."},
});
constexpr auto kCompleteOptions = std::to_array<OptionSpec>({
    {.name = "task",
     .kind = Kind::text,
     .value = "TASK",
     .meaning = "the task whose tables are meant",
     .group = "selection"},
});
constexpr auto kWorkerExamples = std::to_array<Example>({
    {"weir sync worker shop", "Do what the supervisor starts a worker for."},
});
constexpr auto kDocsExamples = std::to_array<Example>({
    {"weir-docs --write .", "Refresh the man pages and completions of a source tree."},
    {"weir-docs --check .", "Tell whether they are fresh; ends with 10 if not."},
});
constexpr auto kDocsOptions = std::to_array<OptionSpec>({
    {.name = "write",
     .kind = Kind::text,
     .value = "DIR",
     .meaning = "write into man/ and completions/ of this source tree",
     .group = "action",
     .completion = Completion::folder},
    {.name = "check",
     .kind = Kind::text,
     .value = "DIR",
     .meaning = "compare with man/ and completions/ of this source tree",
     .group = "action",
     .completion = Completion::folder},
});
constexpr auto kPlainCodes = std::to_array<ExitCode>({ok, failed, usage, bug});
constexpr auto kDocsCodes = std::to_array<ExitCode>({ok, failed, usage, differences, bug});

// ---------------------------------------------------------------- the table

constexpr auto kVerbs = std::to_array<VerbSpec>({
    {.name = "init",
     .summary = "write a commented task file from a live source",
     .description = "Connects to the source, reads which tables it holds, and writes a task file "
                    "with a rule for each database and every key, its default and its meaning. "
                    "Nothing is changed on the source, and the target is not connected to. A "
                    "password is never given here: the file names the place where it is kept.",
     .examples = kInitExamples,
     .options = kInitOptions,
     .formats = kTextJson,
     .exit_codes = kInitCodes,
     .see_also = kInitSee},
    {.name = "kinds",
     .summary = "list what weir can read from and write to",
     .description = "Shows each kind of source and of target, with the versions that weir's tests "
                    "ran on, what it can and what it cannot do, and what a target promises about "
                    "a crash. Asks no server.",
     .examples = kKindsExamples,
     .formats = kTextJson,
     .exit_codes = kKindsCodes,
     .see_also = kKindsSee},
    {.name = "explain",
     .summary = "tell what a check, an error or an event means",
     .description = "Every finding, error and event of weir has an id, the word in brackets: "
                    "error[mysql.lost]. Shows what it means, why it matters, what to do and "
                    "which commands to go on with; without an id lists all of them. Asks no "
                    "server and reads no state.",
     .examples = kExplainExamples,
     .argument = {.name = "ID",
                  .meaning = "the id, with or without what stands around it: mysql.lost, or "
                             "error[mysql.lost]",
                  .required = false,
                  .completion = Completion::id},
     .formats = kTextJson,
     .exit_codes = kExplainCodes,
     .see_also = kExplainSee},
    {.name = "preflight",
     .summary = "check whether a task can run, changing nothing",
     .description = "Checks the task file, both servers, both accounts and where each table and "
                    "column would go. Prints one finding for each thing that would fail or lose "
                    "data, with its fix. A critical finding ends it with 4.",
     .examples = kPreflightExamples,
     .argument = kPreflightTask,
     .options = kPreflightOptions,
     .formats = kTextJson,
     .exit_codes = kPreflightCodes,
     .see_also = kPreflightSee},
    {.name = "sync start",
     .summary = "start or resume a task in the background",
     .description = "Runs the preflight checks, starts the task's supervisor in the background and "
                    "returns once it holds the task. A stopped task goes on from its offset. A "
                    "task that runs already is left alone, and that is no error.",
     .examples = kStartExamples,
     .argument = kTask,
     .options = kStartOptions,
     .formats = kTextJson,
     .exit_codes = kStartCodes,
     .see_also = kStartSee},
    {.name = "sync run",
     .summary = "run a task in the foreground",
     .description = "What sync start does, without leaving the foreground: for systemd "
                    "(Type=notify) and containers. The first SIGINT or SIGTERM lets the task "
                    "finish its batch and ends it with 0; a second one ends it at once.",
     .examples = kRunExamples,
     .argument = kTask,
     .options = kRunOptions,
     .formats = kTextJson,
     .exit_codes = kRunCodes,
     .see_also = kRunSee,
     .long_running = true},
    {.name = "sync stop",
     .summary = "stop a task",
     .description = "Asks the source how long it keeps its log, as check-retention does, and "
                    "refuses if the offset would soon be gone. Then asks the task to finish its "
                    "batch, commit it with its offset and leave, waits for that, and tells until "
                    "when it has to be started again. A task that does not run is left alone, and "
                    "that is no error.",
     .examples = kStopExamples,
     .argument = kRegisteredTask,
     .options = kStopOptions,
     .formats = kTextJson,
     .exit_codes = kStopCodes,
     .see_also = kStopSee},
    {.name = "sync status",
     .summary = "show what a task is doing",
     .description = "Shows the task's state, stage, offset, lag and last error, how far each table "
                    "has come, and which tables go their own way: added, copied anew, suspended, "
                    "removed. Ends with 1 while one is suspended. Reads weir's own state only, so "
                    "it answers while both servers are down.",
     .examples = kStatusExamples,
     .argument = kRegisteredTask,
     .options = kStatusOptions,
     .formats = kTextJson,
     .exit_codes = kStatusCodes,
     .see_also = kStatusSee},
    {.name = "sync list",
     .summary = "list the registered tasks",
     .description = "Shows one line for each task in the state folder, sorted by name, with the "
                    "number of its tables that are suspended.",
     .examples = kListExamples,
     .options = kListOptions,
     .formats = kTextJson,
     .exit_codes = kListCodes,
     .see_also = kListSee},
    {.name = "cutover",
     .summary = "carry sequences and counters over to the target",
     .description = "The last step of a migration. Checks that the target holds everything that "
                    "the source does, shows where each sequence, identity and AUTO_INCREMENT "
                    "stands on both sides, and sets those of the target beyond the source's, once "
                    "that is confirmed. None is ever put back, so it may be repeated.",
     .examples = kCutoverExamples,
     .argument = kRegisteredTask,
     .options = kCutoverOptions,
     .formats = kTextJson,
     .exit_codes = kCutoverCodes,
     .see_also = kCutoverSee},
    {.name = "check-retention",
     .summary = "tell how long tasks may stay stopped",
     .description = "Asks each task's source how long it keeps its change log, and tells how long "
                    "the task may stay stopped before its offset is gone, in time and in bytes, "
                    "and what limits it. Made for cron: it works while a task is stopped, running "
                    "or failed, and never waits for long. Nothing is changed on the source.",
     .examples = kRetentionExamples,
     .argument = {.name = "TASK",
                  .meaning = kTaskMeaning,
                  .required = false,
                  .completion = Completion::task},
     .options = kRetentionOptions,
     .formats = kMonitoring,
     .exit_codes = kRetentionCodes,
     .see_also = kRetentionSee},
    {.name = "checklist",
     .summary = "go through what has to be so before a risky step",
     .description = "Answers by itself what can be measured of the task and both servers: the "
                    "source's log, rows on the target, new tables, changes of definition, "
                    "failovers. Asks for what only a person knows, at a terminal or from a file, "
                    "and keeps who answered what and when. An item that is not so names what to do "
                    "first, and ends it with 4. Nothing is changed on a server.",
     .examples = kChecklistExamples,
     .argument = {.name = "OPERATION",
                  .meaning = "what is going to be done",
                  .choices = ops::kOperations},
     .second = kRegisteredTask,
     .options = kChecklistOptions,
     .formats = kTextJson,
     .exit_codes = kChecklistCodes,
     .see_also = kChecklistSee},
    {.name = "add-table",
     .summary = "take tables into a task while it runs",
     .description = "Shows which tables of the source the names and patterns take, where each "
                    "would go and what is in the way, checks them as a start would, and asks the "
                    "task to add them. They are copied and catch up beside the others, which "
                    "neither stop nor go back. A table that no rule takes gets a rule of its own "
                    "in the task file. May be repeated; a stopped task does it at its next start.",
     .examples = kAddTableExamples,
     .argument = kRegisteredTask,
     .second = {.name = "TABLE",
                .meaning = "a table of the source as schema.table, or a glob of them",
                .repeatable = true},
     .options = kAddTableOptions,
     .formats = kTextJson,
     .exit_codes = kChangeCodes,
     .see_also = kAddTableSee},
    {.name = "remove-table",
     .summary = "let go of tables, and bring them back",
     .description = "Demands the checklist of remove-table, then has the task let go of the tables "
                    "at an offset that is kept. The target keeps their rows, unless they are "
                    "dropped on request. While the source still has its log from that offset on, "
                    "--undo brings them back, and they catch up.",
     .examples = kRemoveTableExamples,
     .argument = kRegisteredTask,
     .second = kTables,
     .options = kRemoveTableOptions,
     .formats = kTextJson,
     .exit_codes = kChangeCodes,
     .see_also = kRemoveTableSee},
    {.name = "reload-table",
     .summary = "copy tables of a running task anew",
     .description = "Takes tables out of the task for a while, reads their definitions again, "
                    "copies all their rows, lets them catch up and puts them back, while the other "
                    "tables go on. Also for tables that are suspended or were removed. The mode "
                    "says what becomes of the rows that the target has: truncate deletes them "
                    "first, merge overwrites them and deletes what the source does not have, swap "
                    "copies into a new table that then takes the place of the old one.",
     .examples = kReloadTableExamples,
     .argument = kRegisteredTask,
     .second = kTables,
     .options = kReloadTableOptions,
     .formats = kTextJson,
     .exit_codes = kChangeCodes,
     .see_also = kReloadTableSee},
    {.name = "log show",
     .summary = "show what a source's change log holds",
     .description = "Reads the change log of a task's source, or a binlog file on disk, with the "
                    "decoder that the task uses, and prints one line for each change. Nothing is "
                    "applied and no offset moves. Row values are shown only on request.",
     .examples = kLogExamples,
     .argument = {.name = "TASK|FILE",
                  .meaning = "the name of a registered task, the path of a task file, or the path "
                             "of a binlog file",
                  .completion = Completion::task_or_file},
     .options = kLogOptions,
     .formats = kTextJsonLines,
     .exit_codes = kLogCodes,
     .see_also = kLogSee},
    {.name = "offset show",
     .summary = "show where a task stands in its source's log",
     .description = "Shows the task's offset: everything at or before it is in the target. Reads "
                    "weir's own state only, so it answers while both servers are down; while the "
                    "task runs the target is up to a second further.",
     .examples = kOffsetShowExamples,
     .argument = kRegisteredTask,
     .formats = kTextJson,
     .exit_codes = kOffsetShowCodes,
     .see_also = kOffsetShowSee},
    {.name = "offset history",
     .summary = "show where a task's offset has been",
     .description = "Shows one line for each start, stop and reset, and about one a minute while "
                    "the task runs: where the offset was, oldest first. Reads weir's own state "
                    "only.",
     .examples = kOffsetHistoryExamples,
     .argument = kRegisteredTask,
     .options = kOffsetHistoryOptions,
     .formats = kTextJson,
     .exit_codes = kOffsetShowCodes,
     .see_also = kOffsetHistorySee},
    {.name = "offset reset",
     .summary = "put a stopped task's offset elsewhere",
     .description = "Looks for a place in the source's log, shows what going on from there would "
                    "lose or repeat, and puts the offset there once that is confirmed. What is "
                    "skipped needs --accept-data-loss. It is done on the target, in one "
                    "transaction, and kept in the task's history.",
     .examples = kOffsetResetExamples,
     .argument = kRegisteredTask,
     .options = kOffsetResetOptions,
     .formats = kTextJson,
     .exit_codes = kOffsetResetCodes,
     .see_also = kOffsetResetSee},
    {.name = "ddl list",
     .summary = "show what became of changes of definition",
     .description = "Shows the statements of the source that changed a table of the task, or one "
                    "that its rules select: what the policy was and what became of it, oldest "
                    "first. Reads weir's own state only.",
     .examples = kDdlListExamples,
     .argument = kRegisteredTask,
     .options = kDdlListOptions,
     .formats = kTextJson,
     .exit_codes = kDdlCodes,
     .see_also = kDdlListSee},
    {.name = "ddl show",
     .summary = "show one change of definition, and what to do about it",
     .description = "Shows all that is kept of one statement: its SQL on the source and on the "
                    "target, its place in the source's log, the policy, the outcome, how long it "
                    "took, and what to do now. Reads weir's own state only.",
     .examples = kDdlShowExamples,
     .argument = kRegisteredTask,
     .second = kDdlNumber,
     .formats = kTextJson,
     .exit_codes = kDdlCodes,
     .see_also = kDdlShowSee},
    {.name = "ddl resolve",
     .summary = "say what is to become of a table that waits",
     .description =
         "A table that a statement stopped, or a row that does not fit, waits apart from "
         "the others and is not applied. This says what is to be done; the worker "
         "takes the table up, lets it catch up by itself, and joins it to the others "
         "again. It is kept in the task's history.",
     .examples = kDdlResolveExamples,
     .argument = kRegisteredTask,
     .second = kDdlNumberOrTable,
     .options = kDdlResolveOptions,
     .formats = kTextJson,
     .exit_codes = kDdlResolveCodes,
     .see_also = kDdlResolveSee},
    {.name = "config list",
     .summary = "list the revisions of a task's file",
     .description = "Shows each task file that the task has taken on, with a start, weir apply or "
                    "weir rollback: number, time, reason, user and digest, oldest first. The task "
                    "runs by the last one, whatever its file says by now. Reads weir's own state "
                    "only.",
     .examples = kConfigListExamples,
     .argument = kRegisteredTask,
     .options = kConfigListOptions,
     .formats = kTextJson,
     .exit_codes = kConfigCodes,
     .see_also = kConfigListSee},
    {.name = "config show",
     .summary = "print a revision of a task's file",
     .description = "Prints the task file as it was when the task took it on: the revision that "
                    "the task runs by, or the one with this number. Reads weir's own state only.",
     .examples = kConfigShowExamples,
     .argument = kRegisteredTask,
     .second = {.name = "REVISION",
                .meaning = "the number of a revision, as weir config list shows it; without it the "
                           "newest",
                .required = false},
     .formats = kTextJson,
     .exit_codes = kConfigCodes,
     .see_also = kConfigShowSee},
    {.name = "config diff",
     .summary = "compare two revisions of a task's file",
     .description = "Compares by meaning, not by lines: one line for each setting and each table "
                    "rule that says something else, with the old and the new value. Order, "
                    "comments, defaults that are spelled out and other units are no difference. "
                    "Reads weir's own state and the task file only.",
     .examples = kConfigDiffExamples,
     .argument = kRegisteredTask,
     .second = {.name = "REVISION",
                .meaning = "two of them: the number of a revision, running for the newest, or file "
                           "for the task file as it is now",
                .repeatable = true},
     .options = kConfigDiffOptions,
     .formats = kTextJson,
     .exit_codes = kConfigDiffCodes,
     .see_also = kConfigDiffSee},
    {.name = "plan",
     .summary = "show what an edited task file would change",
     .description = "Compares the task file with the revision that the task runs by, and tells for "
                    "each setting and each table what becomes different, what that does to the "
                    "data that is there, and what it needs: nothing, a restart, a copy, or that "
                    "it cannot be. Nothing is changed; servers are asked only if table rules "
                    "changed.",
     .examples = kPlanExamples,
     .argument = kTask,
     .options = kPlanOptions,
     .formats = kTextJson,
     .exit_codes = kPlanCodes,
     .see_also = kPlanSee},
    {.name = "apply",
     .summary = "have an edited task file take effect",
     .description = "Plans as weir plan does, asks, and records the file as a new revision, which "
                    "a running task takes on within a second where it can. A plan file is carried "
                    "out only if revision, task file and target tables are what they were. What "
                    "needs a restart waits for --restart, and a task that does not start by the "
                    "new revision is started again by the old one.",
     .examples = kApplyExamples,
     .argument = {.name = "TASK|PLAN",
                  .meaning = "the name of a registered task, the path of its file, or a plan that "
                             "weir plan --out kept",
                  .completion = Completion::task_or_file},
     .options = kApplyOptions,
     .formats = kTextJson,
     .exit_codes = kApplyCodes,
     .see_also = kApplySee},
    {.name = "rollback",
     .summary = "go back to an earlier revision of a task's file",
     .description = "Plans and applies an earlier revision as weir apply does, and puts it in the "
                    "place of the task file. Edits that the task never took on are kept in a file "
                    "beside it. The way back is a new revision: nothing is lost of the history.",
     .examples = kRollbackExamples,
     .argument = kRegisteredTask,
     .second = {.name = "REVISION",
                .meaning = "the number of the revision to go back to; without it the one before "
                           "the newest",
                .required = false},
     .options = kApplyOptions,
     .formats = kTextJson,
     .exit_codes = kApplyCodes,
     .see_also = kRollbackSee},
    {.name = "sync worker",
     .summary = "do the work of a task, under its supervisor",
     .description = "The process that sync run starts, and starts again after a crash.",
     .examples = kWorkerExamples,
     .argument = kTask,
     .formats = kTextJson,
     .exit_codes = kRunCodes,
     .see_also = kRunSee,
     .long_running = true,
     .hidden = true},
    {.name = "complete",
     .summary = "print words for shell completion",
     .description = "Prints one word a line from weir's own state, or each id that weir prints, "
                    "and nothing if that fails.",
     .examples = kCompleteExamples,
     .argument = {.name = "KIND", .meaning = "what to print", .choices = kCompleteKinds},
     .options = kCompleteOptions,
     .formats = kTextJson,
     .exit_codes = kPlainCodes,
     .hidden = true},
    {.name = "docs",
     .summary = "make man page sections and shell completions",
     .description = "Makes from weir's own tables what is checked in under man/ and completions/.",
     .examples = kDocsExamples,
     .options = kDocsOptions,
     .formats = kTextJson,
     .exit_codes = kDocsCodes,
     .hidden = true},
});

constexpr auto kGroups = std::to_array<GroupSpec>({
    {"sync", "start, stop and watch tasks"},
    {"log", "look into a source's change log"},
    {"offset", "show where a task stands, and put it elsewhere"},
    {"ddl", "show what became of changes of definition, and resolve those that wait"},
    {"config", "list, show and compare the revisions of a task's file"},
});

constexpr bool sound(std::span<const OptionSpec> options) {
  return std::ranges::all_of(options, [](const OptionSpec& option) {
    return !option.meaning.empty() && (option.kind == Kind::flag) == option.value.empty() &&
           (option.kind == Kind::choice) == !option.choices.empty() &&
           !(option.repeatable && !option.fallback.empty());
  });
}

// A slip in the table is a compile error, not a puzzle at run time.
static_assert(sound(kGlobalOptions));
static_assert(std::ranges::all_of(kVerbs, [](const VerbSpec& verb) {
  const bool clashes = std::ranges::any_of(verb.options, [](const OptionSpec& own) {
    return std::ranges::find(kGlobalOptions, own.name, &OptionSpec::name) != kGlobalOptions.end();
  });
  return !clashes && sound(verb.options) &&
         !(verb.argument.name.empty() && !verb.second.name.empty()) && !verb.formats.empty() &&
         !verb.examples.empty() && std::ranges::is_sorted(verb.exit_codes) &&
         (verb.hidden || (verb.examples.size() == 2 && !verb.see_also.empty()));
}));

}  // namespace

std::span<const VerbSpec> verbs() { return kVerbs; }
std::span<const GroupSpec> groups() { return kGroups; }
std::span<const OptionSpec> global_options() { return kGlobalOptions; }

std::vector<ArgumentSpec> arguments_of(const VerbSpec& verb) {
  std::vector<ArgumentSpec> arguments;
  for (const ArgumentSpec& argument : {verb.argument, verb.second}) {
    if (!argument.name.empty()) arguments.push_back(argument);
  }
  return arguments;
}

std::vector<OptionSpec> options_of(const VerbSpec& verb) {
  std::vector<OptionSpec> options(verb.options.begin(), verb.options.end());
  for (OptionSpec option : kGlobalOptions) {
    if (option.name == "format") option.choices = verb.formats;
    options.push_back(option);
  }
  return options;
}

const VerbSpec* find_verb(std::string_view name) {
  const auto found = std::ranges::find(kVerbs, name, &VerbSpec::name);
  return found == kVerbs.end() ? nullptr : &*found;
}

const GroupSpec* find_group(std::string_view name) {
  const auto found = std::ranges::find(kGroups, name, &GroupSpec::name);
  return found == kGroups.end() ? nullptr : &*found;
}

}  // namespace weir::cli
