// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "model/table.h"

namespace weir {

/// A table's definition as one line of JSON, to be kept beside the offset it belongs to. Estimates
/// are left out; names of kinds are those of to_string(TypeKind).
std::string encode_definition(const Table& table);

/// The reverse. Throws Error(failed, "definition.format"): a newer weir wrote it, or it was
/// damaged.
Table decode_definition(std::string_view text);

}  // namespace weir
