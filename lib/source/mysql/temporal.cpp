// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/temporal.h"

#include <array>
#include <chrono>
#include <cstdint>

namespace weir::mysql {
namespace {

constexpr std::array<unsigned, 7> kPowersOfTen = {1, 10, 100, 1000, 10'000, 100'000, 1'000'000};
constexpr unsigned kSecondsPerDay = 86'400;

std::uint64_t read_big(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<std::uint8_t>(byte);
  return value;
}

std::uint64_t read_little(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[i - 1]);
  }
  return value;
}

// Year and month in base 13, then 5 bits of day.
void set_packed_date(Moment& at, std::uint64_t packed) {
  at.year = static_cast<unsigned>(packed / (13 * 32));
  at.month = static_cast<unsigned>(packed / 32 % 13);
  at.day = static_cast<unsigned>(packed & 31);
}

void set_packed_clock(Moment& at, std::uint64_t packed) {
  at.hour = static_cast<unsigned>(packed >> 12 & 0x3ff);
  at.minute = static_cast<unsigned>(packed >> 6 & 0x3f);
  at.second = static_cast<unsigned>(packed & 0x3f);
}

// HHMMSS as a decimal number.
void set_decimal_clock(Moment& at, std::uint64_t number) {
  at.hour = static_cast<unsigned>(number / 10'000);
  at.minute = static_cast<unsigned>(number / 100 % 100);
  at.second = static_cast<unsigned>(number % 100);
}

void set_clock(Moment& at, std::uint64_t seconds) {
  at.hour = static_cast<unsigned>(seconds / 3600);
  at.minute = static_cast<unsigned>(seconds / 60 % 60);
  at.second = static_cast<unsigned>(seconds % 60);
}

// A stored fraction of one byte counts hundredths, of two ten-thousandths, of three microseconds.
unsigned micros_of_stored(std::uint64_t fraction, unsigned digits) {
  return static_cast<unsigned>(fraction) *
         kPowersOfTen[kMaxSecondDigits - 2 * fraction_bytes(digits)];
}

Moment moment_of_epoch(std::uint64_t seconds, unsigned micros) {
  Moment at;
  if (seconds == 0 && micros == 0) return at;
  const std::chrono::sys_days day{std::chrono::days(seconds / kSecondsPerDay)};
  const std::chrono::year_month_day date(day);
  at.year = static_cast<unsigned>(static_cast<int>(date.year()));
  at.month = static_cast<unsigned>(date.month());
  at.day = static_cast<unsigned>(date.day());
  set_clock(at, seconds % kSecondsPerDay);
  at.micros = micros;
  return at;
}

char* put_digits(char* out, unsigned value, unsigned count) {
  for (unsigned i = count; i > 0; --i, value /= 10) {
    out[i - 1] = static_cast<char>('0' + value % 10);
  }
  return out + count;
}

}  // namespace

Moment unpack_date(std::string_view value) {
  const std::uint64_t packed = read_little(value);
  Moment at;
  at.year = static_cast<unsigned>(packed >> 9);
  at.month = static_cast<unsigned>(packed >> 5 & 15);
  at.day = static_cast<unsigned>(packed & 31);
  return at;
}

Moment unpack_time(std::string_view value, unsigned digits) {
  // Offset by half of its range, the fraction included: a negative time is the negative of the
  // whole number.
  const unsigned fraction_bits = 8 * fraction_bytes(digits);
  const std::int64_t packed =
      static_cast<std::int64_t>(read_big(value)) - (std::int64_t{0x800000} << fraction_bits);
  const auto size = static_cast<std::uint64_t>(packed < 0 ? -packed : packed);
  Moment at;
  at.negative = packed < 0;
  set_packed_clock(at, size >> fraction_bits);
  at.micros = micros_of_stored(size & ((std::uint64_t{1} << fraction_bits) - 1), digits);
  return at;
}

Moment unpack_datetime(std::string_view value, unsigned digits) {
  constexpr std::size_t kWhole = 5;
  const std::uint64_t packed = read_big(value.substr(0, kWhole)) - 0x8000000000;
  Moment at;
  set_packed_date(at, packed >> 17);
  set_packed_clock(at, packed & 0x1ffff);
  at.micros = micros_of_stored(read_big(value.substr(kWhole)), digits);
  return at;
}

Moment unpack_timestamp(std::string_view value, unsigned digits) {
  return moment_of_epoch(read_big(value.substr(0, 4)),
                         micros_of_stored(read_big(value.substr(4)), digits));
}

Moment unpack_old_time(std::string_view value) {
  const std::int32_t number = static_cast<std::int32_t>(read_little(value) << 8) >> 8;
  Moment at;
  at.negative = number < 0;
  set_decimal_clock(at, static_cast<std::uint64_t>(number < 0 ? -number : number));
  return at;
}

Moment unpack_old_datetime(std::string_view value) {
  const std::uint64_t number = read_little(value);
  const std::uint64_t date = number / 1'000'000;
  Moment at;
  at.year = static_cast<unsigned>(date / 10'000);
  at.month = static_cast<unsigned>(date / 100 % 100);
  at.day = static_cast<unsigned>(date % 100);
  set_decimal_clock(at, number % 1'000'000);
  return at;
}

Moment unpack_old_timestamp(std::string_view value) {
  return moment_of_epoch(read_little(value), 0);
}

Moment unpack_maria_time(std::string_view value, unsigned digits) {
  constexpr std::int64_t kBeyondMax = 839 * 3600;
  const std::int64_t unit = kPowersOfTen[digits];
  const std::int64_t packed = static_cast<std::int64_t>(read_big(value)) - kBeyondMax * unit;
  const std::int64_t size = packed < 0 ? -packed : packed;
  Moment at;
  at.negative = packed < 0;
  set_clock(at, static_cast<std::uint64_t>(size / unit));
  at.micros = static_cast<unsigned>(size % unit) * kPowersOfTen[kMaxSecondDigits - digits];
  return at;
}

Moment unpack_maria_datetime(std::string_view value, unsigned digits) {
  const std::uint64_t packed = read_big(value);
  const unsigned unit = kPowersOfTen[digits];
  const std::uint64_t seconds = packed / unit;
  Moment at;
  set_packed_date(at, seconds / kSecondsPerDay);
  set_clock(at, seconds % kSecondsPerDay);
  at.micros = static_cast<unsigned>(packed % unit) * kPowersOfTen[kMaxSecondDigits - digits];
  return at;
}

Moment unpack_maria_timestamp(std::string_view value, unsigned digits) {
  const auto fraction = static_cast<unsigned>(read_big(value.substr(4)));
  return moment_of_epoch(read_big(value.substr(0, 4)),
                         fraction * kPowersOfTen[kMaxSecondDigits - digits]);
}

char* put_date(char* out, const Moment& at) {
  out = put_digits(out, at.year, 4);
  *out++ = '-';
  out = put_digits(out, at.month, 2);
  *out++ = '-';
  return put_digits(out, at.day, 2);
}

char* put_time(char* out, const Moment& at, unsigned digits) {
  if (at.negative) *out++ = '-';
  out = put_digits(out, at.hour, at.hour > 99 ? 3 : 2);
  *out++ = ':';
  out = put_digits(out, at.minute, 2);
  *out++ = ':';
  out = put_digits(out, at.second, 2);
  if (digits > 0) {
    *out++ = '.';
    out = put_digits(out, at.micros / kPowersOfTen[kMaxSecondDigits - digits], digits);
  }
  return out;
}

}  // namespace weir::mysql
