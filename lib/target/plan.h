// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "mapping/rules.h"
#include "target/target.h"

namespace weir {

/// What the mapping rules make of tables on one target: the rules, then the target's types. Asks
/// neither server.
MappingResult plan_tables(const Task& task, std::span<const Table> definitions,
                          const Target& target);

}  // namespace weir
