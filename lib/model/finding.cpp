// SPDX-License-Identifier: Apache-2.0
#include "model/finding.h"

#include <algorithm>

namespace weir {

std::string to_string(Severity severity) {
  switch (severity) {
    case Severity::ok:
      return "ok";
    case Severity::info:
      return "info";
    case Severity::warning:
      return "warning";
    case Severity::unknown:
      return "unknown";
    case Severity::critical:
      return "critical";
  }
  return "unknown";
}

bool refuses(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& f) { return f.severity == Severity::critical; });
}

}  // namespace weir
