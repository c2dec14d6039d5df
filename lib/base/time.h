// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

/// Wall-clock time in UTC, microseconds since 1970. What is stored and printed.
using Time = std::chrono::sys_time<std::chrono::microseconds>;
/// For measuring spans; never stored.
using Clock = std::chrono::steady_clock;

Time now();

/// RFC 3339 in UTC: `2026-01-02T03:04:05Z`, or with six digits of the second if `micros`.
std::string to_rfc3339(Time time, bool micros = false);

/// Reads what to_rfc3339 writes. Throws Error(failed, "time.format").
Time parse_rfc3339(std::string_view text);

/// "850 ms", "4.2 s", "3 m 05 s", "2 h 04 m", "5 d 01 h": for people.
std::string format_duration(std::chrono::duration<double> span);

/// Reads "200ms", "5s", "10m", "2h", "1d". False on anything else.
bool parse_duration(std::string_view text, std::chrono::milliseconds& out);

}  // namespace weir
