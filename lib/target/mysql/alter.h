// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "client/mysql.h"
#include "model/table_alter.h"
#include "target/mysql/table_sql.h"
#include "target/target.h"

namespace weir::mysqltarget {

/// Takes the steps of `alter` that the target table does not show yet. Each commits by itself.
/// Returns the statements, and what the server cannot do.
///
/// Throws Error(refused): `ddl.step` for a step that cannot be taken the way the source did,
/// `ddl.target` where the server refuses a statement.
AlterResult alter_table(MysqlConnection& connection, const TableSql& table_sql,
                        const TableAlter& alter);

}  // namespace weir::mysqltarget
