// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/type.h"

namespace weir::mysql {

/// What must hold besides the name of a type, for a row of the type table to apply.
enum class TypeCondition : std::uint8_t { none, is_unsigned, tinyint1_boolean, json_check };

/// The condition in words: "unsigned"; "" for none.
std::string_view to_string(TypeCondition condition);

/// One row of the table of MySQL and MariaDB column types. The first row whose name and condition
/// fit decides.
struct TypeRow {
  std::string_view native;  ///< information_schema.columns.data_type
  TypeCondition condition;
  TypeKind kind;
  std::string_view codes;  ///< the binlog's type codes that may carry it, one byte each
  std::string_view note;   ///< for weir-types(7): one sentence without a full stop, or ""
};

/// The whole table: what weir-types(7) is made from.
std::span<const TypeRow> type_rows();

/// The type part of one information_schema.columns row, and what weir knows besides.
struct NativeType {
  std::string data_type;
  std::string column_type;
  std::string charset;  ///< "" for NULL
  std::uint64_t characters = 0;
  std::uint64_t octets = 0;
  std::uint16_t precision = 0;
  std::uint16_t scale = 0;
  std::uint16_t second_digits = 0;
  bool is_mariadb = false;
  bool json_check = false;  ///< MariaDB: the column has the check json_valid(column)
  bool tinyint1_as_boolean = false;
};

/// Maps a catalogue row through the table. An unknown type: Error(unsupported, "mysql.type").
ColumnType column_type(const NativeType& from);

/// The row behind a ColumnType that column_type() made, found by its native spelling; null if none.
const TypeRow* type_row(const ColumnType& type);

/// The labels of "enum('a','b')" or "set('a','b')". Throws Error(failed, "mysql.type-labels").
std::vector<std::string> parse_labels(std::string_view column_type);

/// Whether information_schema may have told a label wrongly: its text holds no character beyond
/// U+FFFF and shows '?' instead, and `charset` can hold such characters. Preflight warns; the
/// change log tells the true label only with binlog_row_metadata=FULL.
bool labels_uncertain(const ColumnType& type, std::string_view charset);

}  // namespace weir::mysql
