// SPDX-License-Identifier: Apache-2.0
#include "model/finding.h"

#include <algorithm>
#include <array>

namespace weir {
namespace {

constexpr std::array<std::string_view, 10> kGroupNames = {
    "",       "connection", "privileges", "change log", "retention",
    "tables", "types",      "mapping",    "target",     "capacity"};

constexpr auto kGroups = std::to_array<CheckGroup>(
    {CheckGroup::connection, CheckGroup::privileges, CheckGroup::change_log, CheckGroup::retention,
     CheckGroup::tables, CheckGroup::types, CheckGroup::mapping, CheckGroup::target,
     CheckGroup::capacity});

bool is_refusal(const Finding& finding) {
  return finding.severity == Severity::critical && !finding.waived;
}

}  // namespace

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

std::string_view to_string(CheckGroup group) {
  return kGroupNames[static_cast<std::size_t>(group)];
}

std::optional<CheckGroup> parse_group(std::string_view word) {
  std::string name(word);
  std::ranges::replace(name, '-', ' ');
  const auto at = std::ranges::find(kGroups, name, [](CheckGroup g) { return to_string(g); });
  if (at == kGroups.end()) return {};
  return *at;
}

std::span<const CheckGroup> check_groups() { return kGroups; }

bool refuses(const std::vector<Finding>& findings) {
  return std::ranges::any_of(findings, is_refusal);
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
  const auto first = std::ranges::find_if(findings, is_refusal);
  const auto count = std::ranges::count_if(findings, is_refusal);
  return refused(*first, count > 1
                             ? " (and " + std::to_string(count - 1) + " more; see `weir preflight`)"
                             : "");
}

}  // namespace weir
