// SPDX-License-Identifier: Apache-2.0
#include "cli/catalogue.h"

#include <array>
#include <iterator>

#include <nlohmann/json.hpp>

#include "client/catalogue.h"
#include "mapping/catalogue.h"
#include "ops/catalogue.h"
#include "source/catalogue.h"
#include "stage/catalogue.h"
#include "store/catalogue.h"
#include "target/catalogue.h"

namespace weir::cli {
namespace {

using enum IdKind;
using enum Severity;

constexpr auto kRows = std::to_array<CatalogueRow>({
    {"checklist.unanswered", error, critical, "a checklist has items that nobody has answered",
     "only a person knows them; an item without an answer does not pass, and nothing was kept",
     "answer at a terminal, or with --answers FILE; --print-answers prints such a file",
     "weir checklist OPERATION TASK --print-answers"},
    {"confirm.declined", error, critical, "a step that can lose data was not confirmed",
     "the answer was not the task's name; nothing was changed",
     "repeat it and type the name, or give --yes"},
    {"confirm.no-terminal", error, critical,
     "a step that can lose data needs a confirmation, and there is no terminal to ask on",
     "weir does not wait for an answer that cannot come; nothing was changed",
     "repeat it with --yes if you want that"},
    {"ddl.not-running", error, critical, "--wait was given for a task that does not run",
     "a table is taken up by the task's worker, so waiting would have no end; nothing was changed",
     "start the task first, or leave out --wait: the table is taken up with the next start",
     "weir sync start TASK; weir ddl resolve TASK NUMBER --apply"},
    {"ddl.wait-ended", error, critical, "the task ended while a table of it was waited for",
     "what was decided about the table stays, and it is taken up with the next start",
     "see why the task ended, and start it", "weir sync status TASK; weir sync start TASK"},
    {"ddl.wait-interrupted", error, critical, "waiting for a table was interrupted",
     "the task itself goes on, and so does the table", "nothing; see how far it is",
     "weir sync status TASK"},
    {"ddl.wait-timeout", error, critical, "a table did not catch up within --timeout",
     "the task itself goes on, and so does the table", "nothing; see how far it is",
     "weir sync status TASK"},
    {"docs.block", error, critical, "nothing makes a generated block that a man page asks for",
     "neither the table of verbs nor apps/docs.cpp knows it",
     "correct its name in the page, or add it to apps/docs.cpp", "weir-docs --write ."},
    {"docs.marker", error, critical, "a marker of a generated block in a man page is wrong",
     "what stands between two markers is replaced, so they must match",
     "give each '; BEGIN GENERATED name' its '; END GENERATED name'", "weir-docs --write ."},
    {"docs.page", error, critical, "a verb has no man page", "every verb has one",
     "write it, with the markers that the other pages have, then run weir-docs --write over the "
     "tree",
     "weir-docs --write ."},
    {"docs.write", error, critical, "a generated file cannot be written",
     "the tree stays as it was for that file", "check the folder and its permissions",
     "weir-docs --check ."},
    {"apply.failed", error, critical, "the task did not start by the revision that was applied",
     "what its worker said is in the message; the revision before it was put back, and the task "
     "was started by that",
     "mend what was in the way, then plan and apply anew", "weir sync status TASK; weir plan TASK"},
    {"plan.restart", error, critical, "the task has to be started anew for this change",
     "it goes by a part of what is to change from its start on; nothing was changed",
     "repeat it with --restart, or stop the task first",
     "weir plan TASK; weir apply TASK --restart"},
    {"revision.applied", event, info, "somebody had another task file take effect",
     "the event names the user, the revision and what became different",
     "nothing; weir rollback goes back", "weir config list TASK; weir rollback TASK"},
    {"revision.put-back", event, warning, "a revision did not start, and the one before it is back",
     "the task's last error says why it did not start",
     "mend what was in the way, then plan and apply anew",
     "weir config list TASK; weir sync status TASK"},
    {"revision.unknown", error, critical, "the task has no revision of that number",
     "revisions count from 1, and the first comes with the first start", "see which there are",
     "weir config list TASK"},
    {"revision.taken", event, info, "a running task has taken on a newer revision of its file",
     "rate limit, flush interval, chunk size and connections count from here on; table rules and "
     "policies do from the event rules.taken on",
     "nothing; weir config diff tells what became different",
     "weir config list TASK; weir config diff TASK A B"},
    {"usage.unknown-id", error, critical, "no id of that name is in the catalogue",
     "every id that weir prints is, so it was misspelt, or printed by another version",
     "copy the word in brackets as it was printed: error[THIS]; weir explain lists all of them",
     "weir explain; weir --version"},
    {"usage.unknown-check", error, critical, "no check has that id, and no group that name",
     "a word that means nothing must not leave a check out, or let one pass",
     "weir preflight --list shows every check; the groups are connection, privileges, change-log, "
     "retention, tables, types, mapping, target and capacity",
     "weir preflight --list; weir-preflight(1)"},
    {"log.no-file", error, critical, "there is no log file of that name",
     "it is no registered task either", "check the path; weir sync list shows the registered tasks",
     "weir log show TASK|FILE; weir sync list"},
    {"log.no-offset", error, critical, "the task has no offset yet to show the log from",
     "it has not been started, or has not come as far as to keep one",
     "say where to begin, with --from", "weir log show TASK --from OFFSET"},
    {"log.not-a-log", error, critical, "a file is no change log",
     "it does not begin as a binlog does, and its name does not end in .toml as that of a task "
     "file does",
     "give a binlog file, a task file, or the name of a registered task",
     "weir log show TASK|FILE"},
    {"facts.unreadable", error, critical, "a file of facts cannot be read",
     "it is not there, or this user may not read it",
     "check the path: weir preflight TASK --facts-out FILE writes such a file",
     "weir preflight TASK --facts FILE"},
    {"offset.data-loss", error, critical, "putting the offset there would lose changes",
     "the task would go on behind them, and the target never have them; nothing was changed",
     "repeat it with --accept-data-loss if that may be, or give an earlier place",
     "weir offset reset TASK --dry-run"},
    {"output.file", error, critical, "the file of --output cannot be written",
     "what was there before is still there", "give a file in a folder that this user may write to",
     "weir check-retention"},
    {"output.write", error, critical, "standard output cannot be written",
     "the answer is not complete",
     "check where the output goes (a full disk, most often), and run it again"},
    {"process.self", error, critical, "weir cannot tell the path of its own program",
     "it starts its supervisor and workers by that path",
     "see that /proc is mounted, and try again", "weir sync start TASK"},
    {"retention.running", error, critical, "another run of weir check-retention is under way",
     "it may be waiting for a server that does not answer; two at once would tell no more",
     "let it end: each answer has a limit of time; run it less often if this happens again",
     "weir check-retention"},
    {"start.interrupted", error, critical, "weir sync start was interrupted while it waited",
     "the task itself goes on",
     "weir sync status TASK shows how far it has come; weir sync stop TASK ends it",
     "weir sync status TASK; weir sync stop TASK"},
    {"start.wait-timeout", error, critical,
     "the task has not come as far as --wait asks for, in the time of --timeout",
     "the task itself goes on", "weir sync status TASK shows how far it has come",
     "weir sync status TASK"},
    {"system.eventfd", error, critical, "weir cannot make an event descriptor",
     "it is told by it that it should stop",
     "raise the limit of open files of the account (ulimit -n)"},
    {"task.progress", event, info, "the task's own account of its work, once in a while",
     "rows read and written, and how far the target is behind", "nothing", "weir sync status TASK"},
    {"usage.bad-value", error, critical, "an option or argument has a value that it cannot take",
     "the message says what it takes", "correct the value; weir help VERB shows every option"},
    {"usage.bad-combination", error, critical, "an option or argument does not go with another one",
     "the message says which two, and why", "leave out one of them; weir help VERB shows both"},
    {"usage.extra-argument", error, critical, "there is one argument too many",
     "a verb takes as many as its usage shows",
     "take it out, or quote it if it is part of another "
     "one"},
    {"usage.init", error, critical, "options of weir init do not go together, or one is missing",
     "the rules are made from the tables that the source holds, so it has to be reached",
     "say how to reach the source: --host or --socket, --user, and --password-file or "
     "--password-env if the account has a password",
     "weir init --help"},
    {"usage.missing-argument", error, critical, "the argument of a verb is missing",
     "most verbs need the task that they are about",
     "give the name of a registered task, or the path of a task file", "weir sync list"},
    {"usage.missing-option", error, critical, "an option that the verb needs is missing",
     "it has no default", "give it; weir help VERB shows every option"},
    {"usage.missing-value", error, critical, "an option stands without its value",
     "what follows it is another option, or nothing", "write --option VALUE or --option=VALUE"},
    {"usage.no-verb", error, critical, "an option stands where a verb is expected",
     "options follow the verb", "write weir VERB [TASK] [options]", "weir help"},
    {"usage.secret", error, critical, "a password was given on the command line",
     "every user of this machine can read it in the list of processes",
     "change that password, put it into a file of your own, and name the file in the task file: "
     "password = { file = \"PATH\" }",
     "weir.toml(5)"},
    {"usage.unknown-option", error, critical, "the verb has no such option",
     "nothing is done rather than something else than was meant",
     "weir help VERB shows every option"},
    {"usage.unknown-verb", error, critical, "there is no such verb", "weir does not know the word",
     "weir help shows every verb", "weir help"},
    {"weir.exec", error, critical, "the program of a verb cannot be run",
     "each verb is a program of its own, beside weir or in PATH",
     "check the installation and the permissions of that file", "weir --version"},
    {"weir.not-installed", error, critical, "the program of a verb is missing",
     "each verb is a program of its own, beside weir or in PATH", "install the whole of weir again",
     "weir --version"},
});

std::vector<CatalogueRow> copy(std::span<const CatalogueRow> rows) {
  return {rows.begin(), rows.end()};
}

}  // namespace

std::vector<CatalogueSection> whole_catalogue(KindCatalogue kinds) {
  std::vector<CatalogueSection> out = {{"task files and mapping", copy(mapping_catalogue())},
                                       {"tasks as a whole", copy(ops::task_catalogue())},
                                       {"sources of any kind", copy(source_catalogue())}};
  std::vector<CatalogueSection> own = kinds();
  std::move(own.begin(), own.end(), std::back_inserter(out));
  out.push_back({"targets of any kind", copy(target_catalogue())});
  out.push_back({"sessions with servers and files", copy(client_catalogue())});
  out.push_back({"a task at work", copy(stage_catalogue())});
  out.push_back({"tables of a running task", copy(ops::lane_catalogue())});
  out.push_back({"weir cutover", copy(ops::cutover_catalogue())});
  out.push_back({"weir check-retention", copy(ops::retention_catalogue())});
  out.push_back({"weir offset", copy(ops::offset_catalogue())});
  out.push_back({"weir checklist", copy(ops::checklist_catalogue())});
  out.push_back({"weir's own state", copy(store_catalogue())});
  out.push_back({"the command line", copy(kRows)});
  out.push_back({"weir itself", copy(model_catalogue())});
  return out;
}

std::vector<std::string_view> see_also(const CatalogueRow& row) {
  constexpr std::string_view kBetween = "; ";
  std::vector<std::string_view> out;
  for (std::string_view left = row.see; !left.empty();) {
    const std::size_t end = left.find(kBetween);
    out.push_back(left.substr(0, end));
    left.remove_prefix(end == std::string_view::npos ? left.size() : end + kBetween.size());
  }
  return out;
}

nlohmann::ordered_json to_json(const CatalogueSection& section, const CatalogueRow& row) {
  nlohmann::ordered_json see = nlohmann::ordered_json::array();
  for (const std::string_view one : see_also(row)) see.push_back(one);
  return {{"id", row.id},
          {"kind", to_string(row.kind)},
          {"severity", to_string(row.severity)},
          {"group", row.group == CheckGroup::none ? nlohmann::ordered_json()
                                                  : nlohmann::ordered_json(to_string(row.group))},
          {"area", section.title},
          {"what", row.what},
          {"why", row.why},
          {"fix", row.fix},
          {"see", std::move(see)}};
}

}  // namespace weir::cli
