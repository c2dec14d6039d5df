// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

std::vector<std::string> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);
std::string_view trim(std::string_view text);
std::string to_lower(std::string_view text);                        ///< ASCII only
bool equals_ignoring_case(std::string_view a, std::string_view b);  ///< ASCII only
std::string hex(std::string_view bytes);  ///< lowercase, two digits a byte

/// The candidate nearest to `word` by edit distance, if near enough to be a likely typo, else "".
std::string_view suggest(std::string_view word, std::span<const std::string_view> candidates);

/// "512 B", "1.4 KiB", "3.0 MiB": for people.
std::string format_bytes(std::uint64_t bytes);
/// "12,345,678": for people.
std::string format_count(std::uint64_t count);

/// Reads "10", "64KiB", "5MB", "1 GiB": units in any case, KB = 1000 and KiB = 1024. False on
/// anything else.
bool parse_size(std::string_view text, std::uint64_t& out);

/// A `{name}` template. `value` is asked for each name; false means unknown.
/// Returns the name that was unknown, or "" when all went well; `{{` and `}}` stand for braces.
template <class Lookup>
std::string expand(std::string_view pattern, std::string& out, Lookup&& value) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if ((c == '{' || c == '}') && i + 1 < pattern.size() && pattern[i + 1] == c) {
      out += c;
      ++i;
    } else if (c == '{') {
      const std::size_t end = pattern.find('}', i);
      if (end == std::string_view::npos) return std::string(pattern.substr(i));
      const std::string_view name = pattern.substr(i + 1, end - i - 1);
      if (!value(name, out)) return name.empty() ? std::string("{}") : std::string(name);
      i = end;
    } else {
      out += c;
    }
  }
  return {};
}

}  // namespace weir
