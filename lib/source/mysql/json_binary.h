// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace weir::mysql {

/// Appends MySQL's binary JSON (a JSON column's value in a row image) as text, formatted as the
/// server's own SELECT shows it: same spacing, key order, numbers, escapes; DECIMAL, dates and
/// other opaque values likewise. Throws Error(failed, "binlog.malformed"). Specification:
/// json_binary.h in the MySQL source documentation.
void json_to_text(std::string_view binary, std::string& out);

}  // namespace weir::mysql
