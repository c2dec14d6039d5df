// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "client/pq.h"
#include "model/table_alter.h"
#include "target/target.h"

namespace weir::postgres {

/// Takes the steps of `alter` that the target table does not show yet, inside the transaction that
/// is open, and compares the outcome with the catalogue. Returns the statements, and what
/// PostgreSQL cannot do.
///
/// Throws Error(refused): `ddl.step` for a step that cannot be taken the way the source did,
/// `ddl.target` where PostgreSQL refuses a statement, `ddl.outcome` where the table does not look
/// as it should afterwards. The transaction is then to be rolled back.
AlterResult alter_table(PgConnection& connection, const TableAlter& alter);

/// The default of a source column as SQL, " DEFAULT '...'", where its neutral text is a literal of
/// the target type; else "".
std::string default_clause(const Column& column, const PgConnection& connection);

}  // namespace weir::postgres
