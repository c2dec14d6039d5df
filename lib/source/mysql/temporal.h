// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace weir::mysql {

/// The parts of a date, a time of day or a span of time. A TIME has its whole hours in `hour`.
struct Moment {
  bool negative = false;
  unsigned year = 0;
  unsigned month = 0;
  unsigned day = 0;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  unsigned micros = 0;
};

inline constexpr unsigned kMaxSecondDigits = 6;

/// Bytes that the row image of a fractional type holds for its fraction.
constexpr unsigned fraction_bytes(unsigned digits) { return (digits + 1) / 2; }

/// The values of row images. `value` has the size that the type and `digits` (of the second) ask
/// for; damaged bytes give some moment, never an error.
Moment unpack_date(std::string_view value);
Moment unpack_time(std::string_view value, unsigned digits);
Moment unpack_datetime(std::string_view value, unsigned digits);
/// Seconds since 1970 in UTC; the zero timestamp has no part but zeros.
Moment unpack_timestamp(std::string_view value, unsigned digits);

/// As they were before MySQL 5.6 and MariaDB 10.1, and are in tables not rebuilt since.
Moment unpack_old_time(std::string_view value);
Moment unpack_old_datetime(std::string_view value);
Moment unpack_old_timestamp(std::string_view value);

/// MariaDB's own forms with fractions, of 5.3 to 10.0.
Moment unpack_maria_time(std::string_view value, unsigned digits);
Moment unpack_maria_datetime(std::string_view value, unsigned digits);
Moment unpack_maria_timestamp(std::string_view value, unsigned digits);

/// Writes YYYY-MM-DD (10 characters), or [-]HH:MM:SS[.f] (17 at most); returns the end.
char* put_date(char* out, const Moment& at);
char* put_time(char* out, const Moment& at, unsigned digits);

}  // namespace weir::mysql
