// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>

namespace weir::test {

/// A new one each time, so that many runs see many moments; WEIR_TEST_SEED repeats one.
inline std::uint64_t choose_seed() {
  if (const char* given = std::getenv("WEIR_TEST_SEED")) return std::strtoull(given, nullptr, 10);
  return std::random_device{}();
}

}  // namespace weir::test
