// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace weir::registry {

/// For weir-types(7), as lines of at most 66 characters: which types of the sources have which
/// neutral type, and what each neutral type becomes on each target. A target's type with a note
/// ends with `+`; n, p and s stand for the source column's length, precision and scale.
std::string source_type_table();
std::string target_type_table();

/// Something to know about types on one side of a pair.
struct TypeNote {
  std::string types;  ///< "date, datetime, timestamp"
  std::string text;
};

std::vector<TypeNote> mysql_source_notes();
std::vector<TypeNote> postgres_source_notes();
std::vector<TypeNote> postgres_target_notes();
std::vector<TypeNote> mysql_target_notes();
std::vector<TypeNote> sqlite_target_notes();

}  // namespace weir::registry
