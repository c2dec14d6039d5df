// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include <limits>

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace weir;
using namespace std::chrono_literals;

namespace {

Time at(std::int64_t micros) { return Time(std::chrono::microseconds(micros)); }

}  // namespace

TEST_CASE("times are written in UTC", "[time]") {
  CHECK(to_rfc3339(at(0)) == "1970-01-01T00:00:00Z");
  CHECK(to_rfc3339(at(1767322985'000000)) == "2026-01-02T03:03:05Z");
  CHECK(to_rfc3339(at(1767322985'000042), true) == "2026-01-02T03:03:05.000042Z");
  CHECK(to_rfc3339(at(1767322985'999999)) == "2026-01-02T03:03:05Z");
  CHECK(to_rfc3339(at(951782400'000000)) == "2000-02-29T00:00:00Z");
  CHECK(to_rfc3339(at(-1), true) == "1969-12-31T23:59:59.999999Z");
}

TEST_CASE("what was written is read back", "[time]") {
  for (const std::int64_t micros :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{951782400'000000},
        std::int64_t{1767322985'000042}, std::int64_t{253402300799'999999}}) {
    CHECK(parse_rfc3339(to_rfc3339(at(micros), true)) == at(micros));
  }
  CHECK(parse_rfc3339("2026-01-02T03:03:05Z") == at(1767322985'000000));
}

TEST_CASE("now is the wall clock", "[time]") {
  const auto before = std::chrono::system_clock::now();
  const Time time = now();
  const auto after = std::chrono::system_clock::now();
  CHECK(time >= std::chrono::floor<std::chrono::microseconds>(before));
  CHECK(time <= after);
}

TEST_CASE("what is no time is refused with its id", "[time]") {
  for (const std::string_view text :
       {"", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z", "2026-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-02T24:00:00Z",
        "2026-01-02T03:60:00Z", "2026-01-02T03:04:60Z", "2026-01-02T03:04:05+01:00",
        "2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.123456789Z", "26-01-02T03:04:05Z",
        "2026-01-02T03:04:05Zx", "-026-01-02T03:04:05Z"}) {
    CAPTURE(text);
    try {
      parse_rfc3339(text);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::failed);
      CHECK(error.id() == "time.format");
    }
  }
}

TEST_CASE("durations are shown in two units at most, carried over", "[time]") {
  CHECK(format_duration(0s) == "0 ms");
  CHECK(format_duration(850ms) == "850 ms");
  CHECK(format_duration(999400us) == "999 ms");
  CHECK(format_duration(999600us) == "1.0 s");
  CHECK(format_duration(4200ms) == "4.2 s");
  CHECK(format_duration(59940ms) == "59.9 s");
  CHECK(format_duration(59960ms) == "1 m 00 s");
  CHECK(format_duration(185s) == "3 m 05 s");
  CHECK(format_duration(3599s) == "59 m 59 s");
  CHECK(format_duration(3599600ms) == "1 h 00 m");
  CHECK(format_duration(2h + 4min) == "2 h 04 m");
  CHECK(format_duration(24h - 20s) == "1 d 00 h");
  CHECK(format_duration(121h) == "5 d 01 h");
  CHECK(format_duration(-185s) == "-3 m 05 s");
  CHECK(format_duration(-10us) == "0 ms");
  CHECK(format_duration(std::chrono::duration<double>(std::numeric_limits<double>::infinity())) ==
        "-");
}

TEST_CASE("durations are read in one unit", "[time]") {
  const auto millis = [](std::string_view text) {
    std::chrono::milliseconds out{7};
    REQUIRE(parse_duration(text, out));
    return out;
  };
  CHECK(millis("200ms") == 200ms);
  CHECK(millis("5s") == 5s);
  CHECK(millis("10m") == 10min);
  CHECK(millis("2h") == 2h);
  CHECK(millis("1d") == 24h);
  CHECK(millis("0s") == 0s);
}

TEST_CASE("what is no duration is refused and leaves the value alone", "[time]") {
  for (const std::string_view text : {"", "5", "-5s", "5 s", "5S", "s", "1.5s", "1h30m", "5sec",
                                      "9223372036854775808ms", "9223372036854775807d"}) {
    CAPTURE(text);
    std::chrono::milliseconds out{7};
    CHECK_FALSE(parse_duration(text, out));
    CHECK(out == 7ms);
  }
}
