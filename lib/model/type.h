// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// The neutral types: every source maps its own types to these, every target maps these to its own.
enum class TypeKind : std::uint8_t {
  boolean,
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  decimal,
  float32,
  float64,
  text,
  bytes,
  bits,
  date,
  time,
  datetime,
  timestamp,
  year,
  json,
  enumeration,
  set,
  uuid,
  inet,
  geometry,
  vector,
  interval,
  array,
  other,
};

/// How the bytes of a cell are to be read. The table behind it (`type_kinds`) is the specification:
/// sources produce this form, targets consume it, the tests compare it.
struct TypeKindRow {
  TypeKind kind;
  std::string_view name;  ///< stable, lowercase
  std::string_view form;  ///< the neutral form of a cell, one sentence
};

std::span<const TypeKindRow> type_kinds();
std::string_view to_string(TypeKind kind);

/// A column's type in neutral terms.
struct ColumnType {
  TypeKind kind = TypeKind::text;
  /// Characters (text), bytes (bytes), bits (bits), dimensions (vector); 0 = without a limit.
  std::uint64_t length = 0;
  std::uint16_t precision = 0;       ///< decimal: digits in all, 0 = any number in any scale; time,
                                     ///< datetime, timestamp: digits of the second
  std::uint16_t scale = 0;           ///< decimal: digits after the point
  std::vector<std::string> members;  ///< enumeration and set: the labels in order, UTF-8
  std::string native;                ///< as the source spells it: "bigint(20) unsigned"

  bool operator==(const ColumnType&) const = default;
};

}  // namespace weir
