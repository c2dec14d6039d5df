// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/error.h"

namespace weir {
namespace {

/// Takes exactly `digits` digits and the character after them (0 = none) off the front of `text`.
bool take(std::string_view& text, std::size_t digits, char after, int& out) {
  if (text.size() < digits + (after == 0 ? 0 : 1)) return false;
  out = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    out = out * 10 + (text[i] - '0');
  }
  if (after != 0 && text[digits] != after) return false;
  text.remove_prefix(digits + (after == 0 ? 0 : 1));
  return true;
}

bool parse(std::string_view text, Time& out) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, micros = 0;
  if (!take(text, 4, '-', year) || !take(text, 2, '-', month) || !take(text, 2, 'T', day) ||
      !take(text, 2, ':', hour) || !take(text, 2, ':', minute) || !take(text, 2, 0, second)) {
    return false;
  }
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (!take(text, 6, 0, micros)) return false;
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (text != "Z" || !date.ok() || hour > 23 || minute > 59 || second > 59) return false;
  out = std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
        std::chrono::seconds(second) + std::chrono::microseconds(micros);
  return true;
}

struct Unit {
  std::string_view name;
  std::int64_t millis;
};

constexpr auto kUnits = std::to_array<Unit>(
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}});

}  // namespace

Time now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::string to_rfc3339(Time time, bool micros) {
  const auto midnight = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(midnight);
  const std::chrono::hh_mm_ss clock(time - midnight);
  std::string out =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (micros) out += fmt::format(".{:06}", clock.subseconds().count());
  return out + 'Z';
}

Time parse_rfc3339(std::string_view text) {
  Time time;
  if (!parse(text, time)) {
    throw Error(ExitCode::failed, "time.format", fmt::format("\"{}\" is not a time", text),
                "expected RFC 3339 in UTC", "write it like 2026-01-02T03:04:05Z");
  }
  return time;
}

std::string format_duration(std::chrono::duration<double> span) {
  const double seconds = std::abs(span.count());
  // An estimate that divided by a rate of zero.
  if (!std::isfinite(seconds) || seconds > 1e15) return "-";
  const std::string sign = span.count() < 0 ? "-" : "";

  // Each unit is rounded before it is judged, so that 59.97 s is "1 m 00 s" and never "60.0 s".
  const auto millis = std::llround(seconds * 1000);
  if (millis < 1000) return fmt::format("{}{} ms", millis == 0 ? "" : sign, millis);
  if (const auto tenths = std::llround(seconds * 10); tenths < 600) {
    return fmt::format("{}{}.{} s", sign, tenths / 10, tenths % 10);
  }
  if (const auto whole = std::llround(seconds); whole < 3600) {
    return fmt::format("{}{} m {:02} s", sign, whole / 60, whole % 60);
  }
  if (const auto minutes = std::llround(seconds / 60); minutes < 24 * 60) {
    return fmt::format("{}{} h {:02} m", sign, minutes / 60, minutes % 60);
  }
  const auto hours = std::llround(seconds / 3600);
  return fmt::format("{}{} d {:02} h", sign, hours / 24, hours % 24);
}

bool parse_duration(std::string_view text, std::chrono::milliseconds& out) {
  if (text.empty() || text.front() == '-') return false;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : kUnits) {
    if (text != unit.name) continue;
    if (number > std::numeric_limits<std::int64_t>::max() / unit.millis) return false;
    out = std::chrono::milliseconds(number * unit.millis);
    return true;
  }
  return false;
}

}  // namespace weir
