// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/table.h"
#include "model/task.h"

namespace weir::mysql {

/// A constant as a statement writes it.
struct Literal {
  enum class Kind : std::uint8_t { string, number, bytes };
  Kind kind = Kind::string;
  std::string text;      ///< of a number its digits and sign; of a hex or bit literal the bytes
  bool foreign = false;  ///< a string whose bytes are not UTF-8: its set is another one
};

/// What a value depends on besides column and literal.
struct LiteralRules {
  const TypeSettings& types;
  bool rounds_seconds = false;  ///< digits of the second beyond the column's are rounded, not cut
  std::optional<std::chrono::seconds> utc_offset;  ///< of the session's time zone
};

/// A value in neutral form; empty without a reason = NULL.
struct NeutralValue {
  std::optional<std::string> text;
  std::string unknown;  ///< why it cannot be told
};

/// The cell that a row gets from a literal default.
NeutralValue literal_value(const Column& column, const Literal& literal, const LiteralRules& rules);

/// The cell that a row gets in a new column that is NOT NULL and has no default.
NeutralValue implicit_value(const Column& column, const LiteralRules& rules, bool is_mariadb);

/// A wall-clock moment shifted by `offset`; "" if `text` is none.
std::string shift_datetime(std::string_view text, std::chrono::seconds offset);

/// Column::default_value from a neutral text: nothing where the catalogue cannot be trusted with
/// it (bytes, and text beyond U+FFFF, which it mangles; moments in time, which it shows in the zone
/// of whoever wrote them; floats, which it rounds).
std::optional<std::string> reliable_default(const Column& column, std::string neutral);

}  // namespace weir::mysql
