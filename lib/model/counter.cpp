// SPDX-License-Identifier: Apache-2.0
#include "model/counter.h"

#include <algorithm>

#include "base/error.h"

namespace weir {
namespace {

/// More digits than any counter has, and few enough not to overflow.
constexpr std::size_t kMostDigits = 30;

}  // namespace

std::string to_string(CounterNumber number) {
  const bool negative = number < 0;
  std::string out;
  do {
    const auto digit = static_cast<int>(number % 10);
    out += static_cast<char>('0' + (digit < 0 ? -digit : digit));
    number /= 10;
  } while (number != 0);
  if (negative) out += '-';
  std::reverse(out.begin(), out.end());
  return out;
}

CounterNumber parse_counter_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (digits.empty() || digits.size() > kMostDigits ||
      digits.find_first_not_of("0123456789") != std::string_view::npos) {
    throw Error(ExitCode::failed, "counter.number",
                "a server tells the state of a counter in a way that weir does not understand",
                "it is no whole number: " + std::string(text),
                "report it with the version of the server");
  }
  CounterNumber out = 0;
  for (const char c : digits) out = out * 10 + (c - '0');
  return negative ? -out : out;
}

}  // namespace weir
