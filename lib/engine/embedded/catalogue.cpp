// SPDX-License-Identifier: Apache-2.0
#include "engine/embedded/catalogue.h"

#include <array>

namespace weir {
namespace {

using enum IdKind;
using enum Severity;

constexpr auto kRows = std::to_array<CatalogueRow>({
    {"start.failed", error, critical, "the task's supervisor ended before it held the task",
     "the last lines of its log, printed as the reason, say why",
     "see the whole log file that is named, mend the cause, and start the task again",
     "weir sync status TASK; weir sync run TASK"},
    {"start.log", error, critical, "the log file of a background task cannot be written",
     "a task in the background could not tell anybody what happens to it",
     "check the permissions and the free space of the state folder", "weir-state(5)"},
    {"start.timeout", error, critical,
     "the task's supervisor did not come to hold the task in time",
     "it was ended again, so nothing runs in secret",
     "see the log file that is named; a slow disk or a password command that waits are the usual "
     "causes",
     "weir sync start TASK"},
    {"stop.denied", error, critical, "the task runs under another account",
     "only that account and root may end its process",
     "run weir sync stop as the user that started the task", "weir sync stop TASK"},
    {"stop.other-host", error, critical, "the task runs on another machine",
     "its process can be ended only there; the state folder is shared",
     "run weir sync stop TASK on that machine", "weir sync stop TASK"},
    {"stop.timeout", error, critical, "the task has not stopped in the time given",
     "it is still finishing its batch, so that nothing has to be done twice",
     "wait, or run weir sync stop again: the second request ends it at once, and nothing that is "
     "committed is lost",
     "weir sync stop TASK --timeout DURATION; weir sync status TASK"},
    {"supervisor.signals", error, critical, "the supervisor cannot wait for signals",
     "nobody could stop the task in an orderly way",
     "raise the limit on open files of the account that runs weir (ulimit -n)"},
    {"task.held", error, critical, "a verb that changes the task has not come to its end",
     "the task is not started, nor changed by another verb, while it is changed",
     "try again later; weir sync status TASK tells what became of it", "weir sync status TASK"},
    {"task.leaving", error, critical, "a worker without a supervisor is still at work for the task",
     "its supervisor was killed, and two workers must not apply one task",
     "try again later: it leaves at the end of its batch; or end it with kill -9 and its process "
     "number, which loses nothing that is committed",
     "weir sync status TASK"},
    {"task.lock", error, critical, "the lock file of a task cannot be used",
     "it keeps two supervisors from running one task",
     "run as the owner of the state folder, and check its free space", "weir-state(5)"},
    {"task.running", error, critical, "the task is running already",
     "two workers would apply the same changes",
     "see weir sync status TASK; weir sync stop TASK ends the one that runs",
     "weir sync status TASK; weir sync stop TASK"},
});

}  // namespace

std::span<const CatalogueRow> engine_catalogue() { return kRows; }

}  // namespace weir
