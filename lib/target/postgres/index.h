// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "client/pq.h"
#include "model/table_plan.h"

namespace weir::postgres {

/// What a source's index is called on the target: names are unique in a schema here, and per table
/// on the source.
std::string index_name(const TableName& target, const std::string& index);

struct BuiltIndex {
  std::string sql;       ///< "" if nothing was to be done, or could be
  std::string refused;   ///< the statement, if the rows that are there contradict a unique index
  std::string left_out;  ///< why it was not built, one sentence; "" if it is there
};

/// Builds an index inside the transaction that is open. One that the target cannot have is no
/// reason to stop. `same_product`: the source is a PostgreSQL too, and what it has an index on fits
/// into one here.
BuiltIndex build_index(PgConnection& connection, const TablePlan& plan, const Index& index,
                       bool same_product);

}  // namespace weir::postgres
