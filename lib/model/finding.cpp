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

namespace {

Error refused(const Finding& finding, const std::string& more) {
  const std::string table = finding.table.empty() ? "" : finding.table + ": ";
  const std::string why =
      finding.evidence.empty() ? finding.why : finding.why + " (" + finding.evidence + ")";
  return Error(ExitCode::refused, finding.id, table + finding.what + more, why, finding.fix);
}

}  // namespace

Error refusal(const Finding& finding) { return refused(finding, ""); }

Error refusal(const std::vector<Finding>& findings) {
  const auto is_critical = [](const Finding& f) { return f.severity == Severity::critical; };
  const auto first = std::find_if(findings.begin(), findings.end(), is_critical);
  const auto count = std::count_if(findings.begin(), findings.end(), is_critical);
  return refused(*first, count > 1
                             ? " (and " + std::to_string(count - 1) + " more; see `weir preflight`)"
                             : "");
}

}  // namespace weir
