// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/cell.h"
#include "model/change_batch.h"
#include "model/table.h"
#include "model/task.h"

namespace weir::mysql {

/// How the full stage selects a column so that the text protocol carries it without loss:
/// "`name`" for most, an expression where the plain column would lose something (FLOAT: as a
/// double).
std::string select_expression(const Column& column);

/// Turns what the text protocol brought for select_expression() into the neutral cell. A plain
/// function pointer, chosen once per column; null = the bytes are the neutral form already.
using TextFix = Cell (*)(const Column& column, const TypeSettings& settings, std::string_view text,
                         Arena& arena);
TextFix text_fix(const Column& column, const TypeSettings& settings);

/// Judges a neutral date or datetime text: itself if every part is a real date of the years
/// 0001-9999, else what the policy says (for a datetime, midnight of the policy's date). Throws
/// Error(refused, "mysql.zero-date") naming column and policy. Shared by both stages.
Cell check_date(std::string_view text, const std::string& column, const ZeroDatePolicy& policy,
                bool with_time, unsigned digits, Arena& arena);

/// Whether the calendar has this day, in the years 0001-9999.
bool is_real_date(unsigned year, unsigned month, unsigned day);

/// MySQL's geometry format (4 bytes SRID, WKB) as EWKB. Throws Error(failed, "mysql.geometry") on
/// bytes that are too short for one. Shared by both stages.
Cell to_ewkb(std::string_view geometry, Arena& arena);

/// BIT(n) bytes, big-endian, as `bits` characters. Shared by both stages.
Cell to_bits(std::string_view bytes, std::uint64_t bits, Arena& arena);

/// The shortest text that reads back as the same value. Shared by both stages.
Cell to_number(float value, Arena& arena);
Cell to_number(double value, Arena& arena);

/// A copy of `text` in `arena`.
Cell to_cell(std::string_view text, Arena& arena);

/// The most digits that a binary DECIMAL has. A column has 65 at most; counted in the server's
/// words of nine digits, one in a JSON document can have some more.
constexpr unsigned kMostDecimalDigits = 81;

/// MySQL's binary DECIMAL: how many bytes it takes, and its exact digits as text. `out` has room
/// for precision + 3 characters; returns the end of the text. A binary that is no decimal, or
/// claims more digits than there can be, gives null.
std::size_t decimal_size(unsigned precision, unsigned scale);
char* decimal_to_text(const char* binary, unsigned precision, unsigned scale, char* out);

}  // namespace weir::mysql
