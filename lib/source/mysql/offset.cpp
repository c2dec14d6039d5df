// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/offset.h"

#include <charconv>
#include <tuple>

#include "base/error.h"

namespace weir::mysql {
namespace {

constexpr std::string_view kGtidMark = " gtid ";
constexpr std::string_view kAppliedMark = " applied ";

/// Binlog files of one server share a base name and count up; the number may gain digits.
std::uint64_t file_number(std::string_view file) {
  std::uint64_t number = 0;
  const std::size_t dot = file.rfind('.');
  if (dot != std::string_view::npos) {
    std::from_chars(file.data() + dot + 1, file.data() + file.size(), number);
  }
  return number;
}

}  // namespace

std::string LogPosition::text() const {
  std::string out = file + ":" + std::to_string(position);
  if (by_gtid()) out += std::string(kGtidMark) + gtids.text();
  return out;
}

LogPosition LogPosition::parse(std::string_view text) {
  LogPosition out;
  text = text.substr(0, text.find(kAppliedMark));
  const std::size_t mark = text.find(kGtidMark);
  const std::string_view place = text.substr(0, mark);
  const std::size_t colon = place.rfind(':');
  const std::string_view digits = colon == std::string_view::npos ? "" : place.substr(colon + 1);
  const char* const end = digits.data() + digits.size();
  const auto [at, problem] = std::from_chars(digits.data(), end, out.position);
  if (digits.empty() || at != end || problem != std::errc()) {
    throw Error(ExitCode::failed, "offset.format", "not an offset of a MySQL or MariaDB source",
                "expected FILE:POSITION, or FILE:POSITION gtid SET",
                "copy the offset from `weir sync status` as it stands");
  }
  out.file = place.substr(0, colon);
  if (mark != std::string_view::npos)
    out.gtids = GtidSet::parse(text.substr(mark + kGtidMark.size()));
  return out;
}

std::string offset_text(const LogPosition& from, const LogPosition& applied) {
  std::string out = from.text();
  std::string end = applied.text();
  return end == out ? out : out + std::string(kAppliedMark) + end;
}

LogPosition applied_position(std::string_view text) {
  const std::size_t mark = text.find(kAppliedMark);
  if (mark == std::string_view::npos) return LogPosition::parse(text);
  return LogPosition::parse(text.substr(mark + kAppliedMark.size()));
}

bool reached(const LogPosition& a, const LogPosition& b) {
  if (a.by_gtid() && b.by_gtid()) return a.gtids.contains(b.gtids);
  return std::tuple(file_number(a.file), a.position) >= std::tuple(file_number(b.file), b.position);
}

}  // namespace weir::mysql
