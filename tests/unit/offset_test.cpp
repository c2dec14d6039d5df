// SPDX-License-Identifier: Apache-2.0
#include "ops/offset.h"

#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "base/time.h"

using namespace weir;
using Kind = OffsetRequest::Kind;

TEST_CASE("a place is read as people write it and as weir prints it", "[offset]") {
  struct Sample {
    std::string text;
    Kind kind;
    std::string rest;
  };
  const std::vector<Sample> samples = {
      {"now", Kind::now, ""},
      {" now ", Kind::now, ""},
      {"gtid:0-1-42,1-2-7", Kind::gtid, "0-1-42,1-2-7"},
      {"gtid: 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7", Kind::gtid,
       "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7"},
      {"bin.000007:4", Kind::file, "bin.000007:4"},
      {"file:bin.000007:1234", Kind::file, "bin.000007:1234"},
      {"my-host-bin.000007:1234 gtid 0-1-42", Kind::file, "my-host-bin.000007:1234 gtid 0-1-42"},
      {"lsn:16/B374D848", Kind::lsn, "16/B374D848"},
      {"16/b374d848", Kind::lsn, "16/b374d848"},
  };
  for (const Sample& sample : samples) {
    INFO(sample.text);
    std::string why;
    const auto place = ops::read_place(sample.text, why);
    REQUIRE(place);
    CHECK(place->kind == sample.kind);
    CHECK(place->text == sample.rest);
    CHECK(why.empty());
  }
  std::string why;
  const auto time = ops::read_place("time:2026-01-02T03:04:05Z", why);
  REQUIRE(time);
  CHECK(time->kind == Kind::time);
  CHECK(to_rfc3339(time->time) == "2026-01-02T03:04:05Z");
}

TEST_CASE("what is no place is refused with what would be one", "[offset]") {
  const std::vector<std::pair<std::string, std::string>> samples = {
      {"", "it takes now"},
      {"NOW", "it takes now"},
      {"bin.000007", "it takes now"},
      {"bin.000007:", "it takes now"},
      {"bin.000007:12x", "it takes now"},
      {":12", "it takes now"},
      {"03:04:05", "it takes now"},
      {"1234567890/1", "it takes now"},
      {"gtid:", "gtid: names"},
      {"lsn:", "an LSN is"},
      {"lsn:16", "an LSN is"},
      {"lsn:16/", "an LSN is"},
      {"lsn:16/B374D8480", "an LSN is"},
      {"time:", "a time is in UTC"},
      {"time:2026-01-02", "a time is in UTC"},
      {"time:yesterday", "a time is in UTC"},
  };
  for (const auto& [text, expected] : samples) {
    INFO(text);
    std::string why;
    CHECK_FALSE(ops::read_place(text, why));
    CHECK_THAT(why, Catch::StartsWith(expected));
  }
}
