// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/offset.h"

#include <charconv>

#include <fmt/format.h>

#include "base/error.h"
#include "model/lane.h"

namespace weir::pgsource {
namespace {

/// The server cuts off the rest of a longer name.
constexpr std::size_t kLongestName = 63;

/// One half of a place: 1 to 8 hexadecimal digits and nothing else.
bool parse_half(std::string_view digits, std::uint32_t& out) {
  const char* const end = digits.data() + digits.size();
  const auto [at, problem] = std::from_chars(digits.data(), end, out, 16);
  return problem == std::errc() && at == end && digits.size() <= 8;
}

std::string default_name(const Task& task) {
  std::string out = "weir_" + root_name(task.name);
  for (char& c : out) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!plain) c = '_';
  }
  return out;
}

std::string lane_slot(const std::string& number, const std::string& root) {
  std::string out = "lane" + number + "_" + root;
  if (out.size() <= kLongestName) return out;
  // What is cut off tells two roots apart.
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : root) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  constexpr std::size_t kHash = 9;
  return out.substr(0, kLongestName - kHash) + fmt::format("_{:08x}", hash);
}

}  // namespace

std::string Lsn::text() const { return fmt::format("{:X}/{:X}", value >> 32, value & 0xffffffff); }

Lsn Lsn::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  std::uint32_t high = 0;
  std::uint32_t low = 0;
  if (slash == std::string_view::npos || !parse_half(text.substr(0, slash), high) ||
      !parse_half(text.substr(slash + 1), low)) {
    throw Error(ExitCode::failed, "offset.format", "not an offset of a PostgreSQL source",
                "expected two hexadecimal numbers with a slash between, as in 16/B374D848",
                "copy the offset from `weir sync status` as it stands");
  }
  return {std::uint64_t{high} << 32 | low};
}

std::string root_slot(const Task& task) {
  return task.source.slot.empty() ? default_name(task) : task.source.slot;
}

std::string slot_name(const Task& task) {
  const std::size_t slash = task.name.find('/');
  if (slash == std::string::npos) return root_slot(task);
  return lane_slot(task.name.substr(slash + 1), root_slot(task));
}

std::string publication_name(const Task& task) {
  return task.source.publication.empty() ? default_name(task) : task.source.publication;
}

}  // namespace weir::pgsource
