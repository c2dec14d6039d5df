// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace weir {

/// A lane is a part of a task that reads the change log from an offset of its own and applies it by
/// itself, while the others go on: tables that were just added or are copied anew, until they join
/// the main lane, and tables that something is in the way of, until somebody resolves it. To the
/// source and to the target's control tables it is a task of its own; "/" is in no task's name.
std::string lane_name(const std::string& task, std::uint32_t number);

/// The task that a lane is a part of; a task is its own root.
std::string root_name(const std::string& name);

}  // namespace weir
