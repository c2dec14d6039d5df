// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "base/error.h"
#include "source/mysql/offset.h"

using weir::Error;
using weir::mysql::LogPosition;
using weir::mysql::reached;

TEST_CASE("an offset reads back as it was written", "[offset]") {
  for (const char* text :
       {"bin.000007:1234", "mysql-bin.1:4", "bin.000001:4 gtid 0-1-42",
        "bin.000001:4 gtid 0-1-42,1-3-9", "b:10 gtid 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"}) {
    CHECK(LogPosition::parse(text).text() == text);
  }
  CHECK(LogPosition::parse("bin.000001:4 gtid 0-1-42").by_gtid());
  CHECK_FALSE(LogPosition::parse("bin.000001:4").by_gtid());
}

TEST_CASE("text that is no offset is refused", "[offset]") {
  for (const char* text : {"", "bin.000001", "bin.000001:", "bin.000001:x", "bin.000001:5 gtid ?",
                           "bin.000001:99999999999999999999"}) {
    INFO(text);
    CHECK_THROWS_AS(LogPosition::parse(text), Error);
  }
}

TEST_CASE("offsets are ordered by file number, not by text", "[offset]") {
  const auto at = [](const char* text) { return LogPosition::parse(text); };
  CHECK(reached(at("bin.000010:4"), at("bin.000009:999")));
  CHECK(reached(at("bin.1000000:4"), at("bin.999999:4")));
  CHECK(reached(at("bin.000009:999"), at("bin.000009:999")));
  CHECK_FALSE(reached(at("bin.000009:998"), at("bin.000009:999")));
  CHECK(reached(at("bin.000001:4 gtid 0-1-42"), at("bin.000009:4 gtid 0-1-42")));
  CHECK_FALSE(reached(at("bin.000009:4 gtid 0-1-41"), at("bin.000001:4 gtid 0-1-42")));
}

TEST_CASE("an offset that is read from an earlier place says both") {
  const LogPosition from = LogPosition::parse("bin.000007:4 gtid 0-1-42");
  const LogPosition applied = LogPosition::parse("bin.000009:99 gtid 0-1-50");
  const std::string text = weir::mysql::offset_text(from, applied);
  CHECK(text == "bin.000007:4 gtid 0-1-42 applied bin.000009:99 gtid 0-1-50");
  CHECK(LogPosition::parse(text).text() == from.text());
  CHECK(weir::mysql::applied_position(text).text() == applied.text());
  CHECK(weir::mysql::offset_text(from, from) == from.text());
  CHECK(weir::mysql::applied_position(from.text()).text() == from.text());
}
