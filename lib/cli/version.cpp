// SPDX-License-Identifier: Apache-2.0
#include "cli/version.h"

#include <fmt/format.h>

#ifndef WEIR_COMMIT
#define WEIR_COMMIT ""
#endif

namespace weir::cli {

std::string_view version() { return "0.1.0"; }

std::string version_text(const Libraries& libraries) {
  constexpr std::string_view kCommit = WEIR_COMMIT;
  std::string out = kCommit.empty() ? fmt::format("weir {}\n", version())
                                    : fmt::format("weir {} ({})\n", version(), kCommit);
  for (const auto& [name, number] : libraries) out += fmt::format("{} {}\n", name, number);
  return out;
}

}  // namespace weir::cli
