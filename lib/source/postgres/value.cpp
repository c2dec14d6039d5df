// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/value.h"

#include <cstring>

#include "base/error.h"

namespace weir::pgsource {
namespace {

Error unexpected(const char* type, const char* setting) {
  return Error(ExitCode::failed, "postgres.value",
               std::string("a value of type ") + type + " is printed in an unknown form",
               std::string("the server did not keep the session's ") + setting,
               "look for a pooler between weir and the server, and connect to the server itself");
}

Cell boolean(char* text, std::uint32_t size) {
  if (size != 1) throw unexpected("boolean", "output format");
  return {text[0] == 't' ? "1" : "0", 1};
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

Cell bytes(char* text, std::uint32_t size) {
  if (size < 2 || size % 2 != 0 || text[0] != '\\' || text[1] != 'x') {
    throw unexpected("bytea", "bytea_output");
  }
  char* out = text;
  for (const char* at = text + 2; at < text + size; at += 2) {
    const int high = digit(at[0]);
    const int low = digit(at[1]);
    if (high < 0 || low < 0) throw unexpected("bytea", "bytea_output");
    *out++ = static_cast<char>(high << 4 | low);
  }
  return {text, static_cast<std::size_t>(out - text)};
}

/// "2026-01-02 03:04:05+00" without the zone, which is always UTC.
Cell timestamp(char* text, std::uint32_t size) {
  constexpr std::string_view kZone = "+00";
  constexpr std::string_view kEra = " BC";
  const std::string_view whole(text, size);
  if (whole.ends_with(kZone)) return {text, size - kZone.size()};
  if (whole.ends_with(kEra) && whole.substr(0, size - kEra.size()).ends_with(kZone)) {
    char* const zone = text + size - kEra.size() - kZone.size();
    std::memcpy(zone, kEra.data(), kEra.size());
    return {text, size - kZone.size()};
  }
  if (whole == "infinity" || whole == "-infinity") return {text, size};
  throw unexpected("timestamp with time zone", "TimeZone");
}

}  // namespace

TextFix text_fix(const ColumnType& type) {
  switch (type.kind) {
    case TypeKind::boolean:
      return boolean;
    case TypeKind::bytes:
      return bytes;
    case TypeKind::timestamp:
      return timestamp;
    default:
      return nullptr;
  }
}

std::string neutral_text(const ColumnType& type, std::string text) {
  const TextFix fix = text_fix(type);
  if (fix == nullptr) return text;
  const Cell cell = fix(text.data(), static_cast<std::uint32_t>(text.size()));
  return std::string(cell.text());
}

bool is_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  const auto follows = [&](int count) {
    for (int i = 1; i <= count; ++i) {
      if (at + i >= end || (at[i] & 0xc0) != 0x80) return false;
    }
    return true;
  };
  while (at < end) {
    if (*at < 0x80) {
      ++at;
    } else if (*at >= 0xc2 && *at <= 0xdf && follows(1)) {
      at += 2;
    } else if (*at >= 0xe0 && *at <= 0xef && follows(2)) {
      const bool overlong = *at == 0xe0 && at[1] < 0xa0;
      const bool surrogate = *at == 0xed && at[1] >= 0xa0;
      if (overlong || surrogate) return false;
      at += 3;
    } else if (*at >= 0xf0 && *at <= 0xf4 && follows(3)) {
      const bool overlong = *at == 0xf0 && at[1] < 0x90;
      const bool beyond = *at == 0xf4 && at[1] >= 0x90;
      if (overlong || beyond) return false;
      at += 4;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace weir::pgsource
