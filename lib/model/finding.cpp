// SPDX-License-Identifier: Apache-2.0
#include "model/finding.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

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

std::string gap_text(const LogGap& gap) {
  if (gap.to.empty() && gap.missing.empty()) return "";
  const auto place = [](const std::string& text, Time time) {
    return time == Time{} ? text : fmt::format("{} ({})", text, to_rfc3339(time));
  };
  std::string out = "from " + place(gap.from, gap.from_time);
  out += gap.to.empty() ? " on" : " to " + place(gap.to, gap.to_time);
  if (gap.from_time != Time{} && gap.to_time > gap.from_time) {
    out += ", " + format_duration(gap.to_time - gap.from_time);
  }
  if (!gap.missing.empty()) out += "; gone: " + gap.missing;
  return out;
}

std::string fix_text(const Finding& finding) {
  std::string out = finding.fix;
  for (const WayOut& way : finding.ways) {
    if (!out.empty()) out += '\n';
    out += fmt::format("{}:\n{}", way.consequence, way.command);
  }
  return out;
}

bool refuses(const std::vector<Finding>& findings) {
  return std::ranges::any_of(findings, is_refusal);
}

namespace {

Error refused(const Finding& finding, const std::string& more) {
  const bool is_named = finding.what.find(finding.table) != std::string::npos;
  const std::string table = is_named ? "" : finding.table + ": ";
  std::string why = finding.why;
  if (!finding.evidence.empty()) why += " (" + finding.evidence + ")";
  const std::string gap = finding.gap ? gap_text(*finding.gap) : "";
  if (!gap.empty()) why += "; the gap is " + gap;
  return Error(ExitCode::refused, finding.id, table + finding.what + more, why, fix_text(finding));
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
