// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/cell.h"
#include "model/type.h"

namespace weir::pgsource {

/// Turns the text of one value, as a server prints it in a session of PgConnection::Role::source,
/// into its neutral form. COPY and pgoutput print alike, so both stages go through here. The text
/// may be written over; the cell points into it or at constant bytes, and is never longer.
using TextFix = Cell (*)(char* text, std::uint32_t size);

/// How values of this type are turned; null where the server's text is the neutral form already.
/// To be asked once per column.
TextFix text_fix(const ColumnType& type);

/// The same for a text of one's own.
std::string neutral_text(const ColumnType& type, std::string text);

/// Whether `text` is valid UTF-8. Only a database in SQL_ASCII sends something else.
bool is_utf8(std::string_view text);

}  // namespace weir::pgsource
