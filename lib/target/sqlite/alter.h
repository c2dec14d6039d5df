// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "client/sqlite.h"
#include "model/table_alter.h"
#include "target/target.h"

namespace weir::sqlite {

/// Takes the steps of `alter` that the table does not show yet, inside the transaction that is
/// open, and compares the outcome with the file's catalogue. Returns the statements, and
/// what SQLite cannot do.
///
/// SQLite renames, adds and drops columns by itself. For all else the table is made anew beside the
/// old one, filled from it and takes its name; columns, indexes and triggers that others added to
/// it come along.
///
/// Throws Error(refused): `ddl.step` for a step that cannot be taken the way the source did,
/// `ddl.target` where SQLite refuses a statement, `ddl.outcome` where the table does not look as it
/// should afterwards.
AlterResult alter_table(SqliteDatabase& database, const TableAlter& alter);

}  // namespace weir::sqlite
