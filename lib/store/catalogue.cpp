// SPDX-License-Identifier: Apache-2.0
#include "store/catalogue.h"

#include <array>

namespace weir {
namespace {

using enum IdKind;
using enum Severity;

constexpr auto kRows = std::to_array<CatalogueRow>({
    {"lane.open", error, critical, "another change of a table is still under way",
     "a table is in one change at a time: while it is added, reloaded, suspended or removed, "
     "another change of it would not know from where to go on",
     "wait for the other change, or give it up (--cancel), and try again", "weir sync status TASK"},
    {"revision.moved", error, critical, "the task has got another revision meanwhile",
     "what was planned, was planned for a task that is not the same any more; nothing was changed",
     "look at what the other change was, then plan again", "weir config list TASK; weir plan TASK"},
    {"state.busy", error, critical, "weir.db is locked by another process",
     "one process at a time writes to it; the other one did not end in time",
     "find the process that holds it (fuser weir.db in the state folder) and try again",
     "weir-state(5)"},
    {"state.disk-full", error, critical, "the file system of the state folder is full",
     "weir cannot keep what the task does; the offset that counts is on the target, so nothing is "
     "lost",
     "free space there, then start the task again", "weir-state(5); weir sync start TASK"},
    {"state.folder", error, critical, "there is no folder to keep weir's state in",
     "neither HOME nor a state folder is set, as is usual under cron and systemd",
     "give --state-dir DIR, or set WEIR_STATE_DIR", "weir-state(5)"},
    {"state.io", error, critical,
     "weir.db cannot be read, written or made, or holds what weir did not write",
     "tasks and their history are kept in it; the offset that counts is on the target",
     "run as the owner of the state folder, keep it on a local disk (--state-dir), and restore "
     "weir.db from a copy if it is damaged; without the file a task goes on from the target's "
     "offset",
     "weir-state(5)"},
    {"state.newer", error, critical, "weir.db was written by a newer weir",
     "an older one does not know what the newer one keeps there, and must not change it",
     "use the newer weir, or another state folder (--state-dir)", "weir-state(5); weir --version"},
    {"state.row", error, critical, "weir.db takes no such row",
     "a constraint of its schema refuses it, as happens when the file was changed by hand",
     "restore weir.db from a copy, or move it away: a task then goes on from the target's offset",
     "weir-state(5)"},
    {"task.unknown", error, critical, "no task of that name is registered in this state folder",
     "a task is registered by its first start, in the state folder of the account that starts it",
     "see weir sync list, give the path of the task file, or name the other state folder with "
     "--state-dir",
     "weir sync list; weir sync start FILE"},
});

}  // namespace

std::span<const CatalogueRow> store_catalogue() { return kRows; }

}  // namespace weir
