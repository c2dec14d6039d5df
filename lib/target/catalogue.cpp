// SPDX-License-Identifier: Apache-2.0
#include "target/catalogue.h"

#include <array>

namespace weir {
namespace {

using enum IdKind;
using enum Severity;

constexpr auto kRows = std::to_array<CatalogueRow>({
    {"ddl.outcome", error, critical,
     "a target table does not look as it should after a change of definition",
     "rows that follow would not fit; the change is not counted as done",
     "report it with the statement; set this kind of DDL to \"ignore\" under [ddl] to leave the "
     "target table as it is",
     "weir.toml(5)"},
    {"ddl.step", error, critical,
     "a column cannot be added or converted on the target as it was on the source",
     "the values that the source has there cannot be told from the statement, or not every server "
     "converts them alike, and weir does not convert on trust",
     "take the step on the target by hand, with the values that the source has, and start the "
     "task: it passes over what is done; or set this kind of DDL to \"ignore\" under [ddl]",
     "weir sync status TASK; weir.toml(5)"},
    {"ddl.target", error, critical, "the target refuses a change of definition",
     "the task cannot pass the statement, for the rows after it have the new definition",
     "mend what stands in the way on the target and start the task; or set this kind of DDL to "
     "\"ignore\" under [ddl] to leave the target table as it is",
     "weir sync status TASK; weir.toml(5)"},
    {"lane.apart", error, critical,
     "tables cannot change between two parts of a task that are at different places in the log",
     "the changes between the two would be applied twice or not at all; nothing was changed",
     "report it with what weir sync status says of the task", "weir sync status TASK"},
    {"lane.table-twice", error, critical, "a table cannot join the task, which has it already",
     "two parts of one task would each apply its changes; nothing was changed",
     "remove the table from the task, or start the task again if its file changed meanwhile",
     "weir sync status TASK"},
    {"lane.unknown", error, critical, "the target does not know a part of the task",
     "its row in weir_task was removed while the task ran, or the target is another one",
     "restore the target's control tables, or start the task anew with empty target tables",
     "weir sync status TASK; weir-control(7)"},
    {"offset.moved", error, critical, "the offset is no longer where the plan was made for",
     "somebody else moved it, or ran the task, meanwhile; nothing was changed",
     "look where it is now, and plan anew", "weir offset show TASK; weir offset reset TASK"},
    {"reload.merge", error, critical, "a new copy of a table cannot be merged into it",
     "the table lacks a column that the copy has, or refuses a row; nothing was changed",
     "make the target table as the source has it and reload it again, or reload it with --mode "
     "swap",
     "weir sync status TASK; weir reload-table TASK TABLE"},
    {"reload.swap", error, critical, "a new copy of a table cannot take the place of the old one",
     "something hangs on the old one, such as a view or a foreign key; nothing was changed",
     "drop what hangs on it and make it again afterwards, or reload the table in another mode",
     "weir sync status TASK"},
    {"reload.swap-name", error, critical, "a table's name is too long for a table beside it",
     "the table that is copied into has a name of its own until it takes the place of the old one",
     "reload the table in another mode", "weir sync status TASK"},
});

}  // namespace

std::span<const CatalogueRow> target_catalogue() { return kRows; }

}  // namespace weir
