// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "store/state_store.h"

namespace weir::ops {

/// The newest `limit` statements since `since`, oldest first.
std::vector<DdlRow> ddl_rows(const std::string& task, std::size_t limit, Time since, bool only_open,
                             StateStore& store);

/// One of them. Throws Error(not_found, "ddl.unknown").
DdlRow find_ddl(const std::string& task, std::uint32_t number, StateStore& store);

/// What somebody who looks at a statement is to do about it, as one sentence or as commands;
/// "nothing" if that is so.
std::string advice(const DdlRow& row);

}  // namespace weir::ops
