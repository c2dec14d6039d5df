// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "model/type.h"
#include "target/postgres/encode.h"
#include "target/postgres/types.h"

using namespace weir;
using namespace weir::postgres;

namespace {

ColumnType of(TypeKind kind, std::uint64_t length = 0, std::uint16_t precision = 0,
              std::uint16_t scale = 0) {
  ColumnType type;
  type.kind = kind;
  type.length = length;
  type.precision = precision;
  type.scale = scale;
  return type;
}

int numeric_modifier(int precision, int scale) { return ((precision << 16) | scale) + 4; }

}  // namespace

TEST_CASE("every neutral type has a PostgreSQL type that holds it", "[postgres]") {
  for (const TypeKindRow& kind : type_kinds()) {
    INFO(kind.name);
    CHECK_FALSE(target_type(of(kind.kind, 8, 3, 1)).empty());
  }
  CHECK(target_type(of(TypeKind::text, 50)) == "varchar(50)");
  CHECK(target_type(of(TypeKind::text)) == "text");
  CHECK(target_type(of(TypeKind::text, 4294967295)) == "text");
  CHECK(target_type(of(TypeKind::decimal, 0, 65, 30)) == "numeric(65,30)");
  CHECK(target_type(of(TypeKind::timestamp, 0, 6)) == "timestamp(6) with time zone");
}

TEST_CASE("an existing column is judged by what it can hold", "[postgres]") {
  CHECK(fit(of(TypeKind::uint32), "int8", -1) == Fit::fits);
  CHECK(fit(of(TypeKind::uint32), "int4", -1) == Fit::narrow);
  CHECK(fit(of(TypeKind::uint64), "int8", -1) == Fit::narrow);
  CHECK(fit(of(TypeKind::uint64), "numeric", numeric_modifier(20, 0)) == Fit::fits);
  CHECK(fit(of(TypeKind::uint64), "numeric", numeric_modifier(20, 2)) == Fit::narrow);
  CHECK(fit(of(TypeKind::int32), "text", -1) == Fit::fits);
  CHECK(fit(of(TypeKind::int32), "date", -1) == Fit::other);
  CHECK(fit(of(TypeKind::decimal, 0, 10, 2), "numeric", numeric_modifier(10, 2)) == Fit::fits);
  CHECK(fit(of(TypeKind::decimal, 0, 10, 2), "numeric", numeric_modifier(10, 4)) == Fit::narrow);
  CHECK(fit(of(TypeKind::decimal, 0, 10, 2), "numeric", -1) == Fit::fits);
  CHECK(fit(of(TypeKind::text, 50), "varchar", 54) == Fit::fits);
  CHECK(fit(of(TypeKind::text, 50), "varchar", 53) == Fit::narrow);
  CHECK(fit(of(TypeKind::text), "varchar", 100) == Fit::narrow);
  CHECK(fit(of(TypeKind::datetime, 0, 6), "timestamp", 3) == Fit::narrow);
  CHECK(fit(of(TypeKind::datetime, 0, 3), "timestamptz", -1) == Fit::other);
  CHECK(fit(of(TypeKind::float64), "float4", -1) == Fit::narrow);
  CHECK(fit(of(TypeKind::time), "time", -1) == Fit::narrow);
  CHECK(fit(of(TypeKind::bits, 8), "bit", 8) == Fit::fits);
  CHECK(fit(of(TypeKind::bits, 9), "bit", 8) == Fit::narrow);
}

TEST_CASE("array parameters follow the binary format", "[postgres]") {
  ArrayParam array;
  array.begin(kTextOid, 3);
  array.append(Cell(std::string_view("a\"b")), Encoding::escaped);
  array.append(Cell::null(), Encoding::escaped);
  array.append(Cell(std::string_view("")), Encoding::escaped);
  const PgParam param = array.param();
  const std::string bytes(param.data, static_cast<std::size_t>(param.size));
  const std::string expected(
      "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\3\0\0\0\1"
      "\0\0\0\3a\"b\xff\xff\xff\xff\0\0\0\0",
      35);
  CHECK(bytes == expected);
  CHECK(param.binary);
  CHECK_THROWS(array.append(Cell(std::string_view("a\0b", 3)), Encoding::escaped));
  CHECK_THROWS(array.append(Cell::absent(), Encoding::plain));
}

TEST_CASE("vectors become arrays that read back as the same floats", "[postgres]") {
  const float values[] = {1.0F, -0.1F, 3.4028235e38F};
  const std::string_view bytes(reinterpret_cast<const char*>(values), sizeof values);
  CHECK(float_array_text(bytes) == "{1,-0.1,3.4028235e+38}");
  CHECK(float_array_text("") == "{}");
}
