// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/table_map.h"

#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "source/mysql/column_code.h"
#include "source/mysql/event_cursor.h"

namespace weir::mysql {
namespace {

enum MetadataCode : std::uint8_t {
  kSignedness = 1,
  kDefaultCharset = 2,
  kColumnCharset = 3,
  kColumnName = 4,
  kSetMembers = 5,
  kEnumMembers = 6,
  kEnumSetDefaultCharset = 10,
  kEnumSetColumnCharset = 11,
  kVisibility = 12,
};

void read_meta(const EventHeader& header, EventCursor& meta, MapColumn& column) {
  switch (column.type) {
    case kDecimal:
    case kTiny:
    case kShort:
    case kLong:
    case kNull:
    case kTimestamp:
    case kLongLong:
    case kInt24:
    case kDate:
    case kTime:
    case kDatetime:
    case kYear:
    case kNewDate:
      return;
    case kFloat:
    case kDouble:
    case kTimestamp2:
    case kDatetime2:
    case kTime2:
    case kBlobCompressed:
    case kVector:
    case kJson:
    case kTinyBlob:
    case kMediumBlob:
    case kLongBlob:
    case kBlob:
    case kGeometry:
      column.meta = meta.byte();
      return;
    case kVarchar:
    case kVarcharCompressed:
    case kBit:
      column.meta = meta.u16();
      return;
    case kNewDecimal: {
      const std::uint8_t precision = meta.byte();
      column.meta = static_cast<std::uint16_t>(precision << 8 | meta.byte());
      return;
    }
    case kEnum:
    case kSet:
    case kVarString:
    case kString: {
      std::uint8_t type = meta.byte();
      std::uint16_t length = meta.byte();
      // The two high bits of a CHAR's length are kept, inverted, in bits of the type that are set
      // in every string type.
      if ((type & 0x30) != 0x30) {
        length = static_cast<std::uint16_t>(length | ((type & 0x30) ^ 0x30) << 4);
        type |= 0x30;
      }
      column.type = type;
      column.meta = length;
      return;
    }
    default:
      break;
  }
  throw Error(ExitCode::unsupported, "binlog.column-type",
              fmt::format("a table has a column of type {}, which weir does not know", column.type),
              "without its format, neither it nor what follows can be read",
              fmt::format("upgrade weir; the table map ends before position {} of the log",
                          header.next_position));
}

bool is_numeric(const MapColumn& column) {
  switch (column.type) {
    case kTiny:
    case kShort:
    case kInt24:
    case kLong:
    case kLongLong:
    case kNewDecimal:
    case kFloat:
    case kDouble:
    case kYear:
      return true;
    default:
      return false;
  }
}

/// Whether the charset fields have an entry for it. Binary columns have one, too.
bool has_charset(const MapColumn& column, bool mariadb) {
  switch (column.type) {
    case kString:
    case kVarString:
    case kVarchar:
    case kBlob:
      return true;
    case kVector:
      return !mariadb;
    case kBlobCompressed:
    case kVarcharCompressed:
    case kGeometry:
      return mariadb;
    default:
      return false;
  }
}

bool is_enum_or_set(const MapColumn& column) { return column.type == kEnum || column.type == kSet; }

/// Calls `action(column, index)` for each column that `counts`, counting from 0.
template <class Counts, class Action>
void for_each(TableMap& map, Counts&& counts, Action&& action) {
  std::uint64_t index = 0;
  for (MapColumn& column : map.columns) {
    if (counts(column)) action(column, index++);
  }
}

bool bit_from_the_left(std::string_view bits, std::uint64_t index) {
  return (static_cast<unsigned char>(bits[index / 8]) & (0x80 >> index % 8)) != 0;
}

template <class Counts>
void read_default_charset(EventCursor field, TableMap& map, Counts&& counts) {
  const std::uint64_t usual = field.packed();
  for_each(map, counts, [&](MapColumn& column, std::uint64_t) {
    column.collation = static_cast<std::uint32_t>(usual);
  });
  std::vector<MapColumn*> counted;
  for_each(map, counts, [&](MapColumn& column, std::uint64_t) { counted.push_back(&column); });
  while (field.left() > 0) {
    const std::uint64_t index = field.packed();
    const std::uint64_t collation = field.packed();
    if (index < counted.size()) counted[index]->collation = static_cast<std::uint32_t>(collation);
  }
}

template <class Counts>
void read_members(EventCursor field, TableMap& map, Counts&& counts) {
  for_each(map, counts, [&](MapColumn& column, std::uint64_t) {
    const std::uint64_t count = field.packed();
    column.members.clear();
    for (std::uint64_t i = 0; i < count; ++i) column.members.emplace_back(field.packed_text());
  });
}

void read_optional(const EventHeader& header, EventCursor body, TableMap& map, bool mariadb) {
  const auto text = [mariadb](const MapColumn& column) { return has_charset(column, mariadb); };
  const auto every = [](const MapColumn&) { return true; };
  while (body.left() > 0) {
    const std::uint8_t code = body.byte();
    const std::string_view bytes = body.packed_text();
    EventCursor field(header, bytes);
    const auto bit = [&](std::uint64_t index) {
      if (index / 8 >= bytes.size()) malformed_event(header, "a bitmap of its metadata is short");
      return bit_from_the_left(bytes, index);
    };
    switch (code) {
      case kSignedness:
        for_each(map, is_numeric,
                 [&](MapColumn& column, std::uint64_t index) { column.is_unsigned = bit(index); });
        map.has_signedness = true;
        break;
      case kDefaultCharset:
        read_default_charset(field, map, text);
        map.has_collations = true;
        break;
      case kColumnCharset:
        for_each(map, text, [&](MapColumn& column, std::uint64_t) {
          column.collation = static_cast<std::uint32_t>(field.packed());
        });
        map.has_collations = true;
        break;
      case kColumnName:
        for (MapColumn& column : map.columns) column.name = field.packed_text();
        map.has_names = true;
        break;
      case kSetMembers:
        read_members(field, map, [](const MapColumn& column) { return column.type == kSet; });
        break;
      case kEnumMembers:
        read_members(field, map, [](const MapColumn& column) { return column.type == kEnum; });
        break;
      case kEnumSetDefaultCharset:
        read_default_charset(field, map, is_enum_or_set);
        break;
      case kEnumSetColumnCharset:
        for_each(map, is_enum_or_set, [&](MapColumn& column, std::uint64_t) {
          column.collation = static_cast<std::uint32_t>(field.packed());
        });
        break;
      case kVisibility:
        for_each(map, every,
                 [&](MapColumn& column, std::uint64_t index) { column.visible = bit(index); });
        break;
      default:
        // Keys, geometry types, vector dimensions and what servers may add: hints that the row
        // images do not depend on.
        break;
    }
  }
}

}  // namespace

TableMap parse_table_map(const EventHeader& header, std::string_view body, std::size_t id_size,
                         bool mariadb) {
  EventCursor cursor(header, body);
  TableMap map;
  map.id = cursor.number(id_size);
  cursor.take(2);  // flags
  map.schema = cursor.packed_text();
  cursor.take(1);
  map.table = cursor.packed_text();
  cursor.take(1);

  const std::string_view types = cursor.packed_text();
  EventCursor meta(header, cursor.packed_text());
  const std::string_view nullable = cursor.take((types.size() + 7) / 8);
  map.columns.resize(types.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    MapColumn& column = map.columns[i];
    column.type = static_cast<std::uint8_t>(types[i]);
    column.nullable = (static_cast<unsigned char>(nullable[i / 8]) >> i % 8 & 1) != 0;
    read_meta(header, meta, column);
  }
  if (meta.left() > 0) malformed_event(header, "its column metadata does not fit its columns");
  read_optional(header, cursor, map, mariadb);
  return map;
}

}  // namespace weir::mysql
