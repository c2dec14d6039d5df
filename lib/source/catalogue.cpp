// SPDX-License-Identifier: Apache-2.0
#include "source/catalogue.h"

#include <array>

namespace weir {
namespace {

using enum CheckGroup;
using enum IdKind;
using enum Severity;

constexpr auto kRows = std::to_array<CatalogueRow>({
    {"offset.format", error, critical, "a text is not an offset of this kind of source",
     "weir never guesses a place in a log; FILE:POSITION or FILE:POSITION gtid SET is one of MySQL "
     "and MariaDB, 16/B374D848 one of PostgreSQL",
     "copy the offset from weir sync status as it stands",
     "weir sync status TASK; weir log show TASK"},
    {"offset.inside", error, critical, "a place in the log is inside a transaction",
     "a task that began there would apply a part of it, or read what is no event",
     "give the place before it or after it, which the message names",
     "weir log show TASK; weir offset reset TASK"},
    {"offset.kind", error, critical, "this source's log has no places of that kind",
     "GTIDs and positions in files are of MySQL and MariaDB, an LSN is of PostgreSQL",
     "give a place of a kind that the message names", "weir offset reset TASK; weir kinds"},
    {"offset.not-in-log", error, critical, "the source's log has no such place",
     "it was purged, is still to come, or never was there; nothing was changed",
     "give a place that is there: the message names what the log holds",
     "weir offset history TASK; weir offset reset TASK"},
    {"offset.other-server", error, critical,
     "a place is one in the log of another server than the task's source",
     "its files, GTIDs and positions mean something else here, or nothing",
     "give a place of this source", "weir offset history TASK; weir offset reset TASK"},
    {"source.identity-changed", check, critical,
     "the source is not the server that the task's offset came from",
     "an offset means nothing on another server: changes would be lost or applied twice",
     "point the task at the old server; to follow the new one, begin the task anew",
     "weir preflight TASK; weir-control(7)", retention},
    {"source.partial-key-change", error, critical,
     "a key changed while its table was copied, and the row cannot be read again",
     "the log does not carry the row's large values, and nothing else knows them",
     "ALTER TABLE ... REPLICA IDENTITY FULL on the source has the log carry whole rows; then, or "
     "with no change of keys and definitions until the copy is done, start the task anew with the "
     "target table empty",
     "weir-control(7)"},
});

}  // namespace

std::span<const CatalogueRow> source_catalogue() { return kRows; }

}  // namespace weir
