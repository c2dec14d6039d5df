// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/change.h"
#include "model/table.h"

namespace weir::mysql {

/// What a statement in a QUERY event is, as far as replication must know.
struct Statement {
  enum class Kind {
    begin,
    commit,
    rollback,
    savepoint,
    rollback_to,
    xa_start,
    xa_end,
    xa_prepare,
    xa_commit,
    xa_rollback,
    definition,     ///< `changes` says what it does to tables; may be empty
    drop_database,  ///< `schema`
    data,           ///< INSERT, UPDATE, ...: a row change that was logged as a statement
    harmless,       ///< accounts, variables, maintenance: no row and no table definition changes
    unknown,
  };
  Kind kind = Kind::unknown;
  std::vector<SchemaChange> changes;
  std::string schema;
  std::string xid;  ///< of XA statements: the text after the verb, white space folded
};

/// Reads as much of `sql` as is needed to tell. `default_schema` completes names without one.
/// Comments are passed over; the inside of /*! ... */ counts as code, as it does for the server.
/// `sql_mode` is the session's (SqlMode).
Statement classify(std::string_view sql, std::string_view default_schema,
                   std::uint64_t sql_mode = 0);

}  // namespace weir::mysql
