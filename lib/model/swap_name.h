// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>

#include "model/table.h"

namespace weir {

/// The table that a lane copies into while readers go on with the one named `target`, whose name it
/// takes when the lane joins (Target::join_tables()). Throws Error(refused, "reload.swap-name") if
/// that is longer than `max_bytes`; 0 = no limit.
TableName swap_name(const TableName& target, std::size_t max_bytes);

/// The name that such a table takes; empty if `table` is none.
std::optional<TableName> swapped_name(const TableName& table);

}  // namespace weir
