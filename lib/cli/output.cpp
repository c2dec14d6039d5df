// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/help.h"

namespace weir::cli {
namespace {

constexpr int kSchema = 1;
constexpr std::size_t kWidth = 79;
constexpr std::size_t kDetailIndent = 7;

Style style_of(Severity severity) {
  switch (severity) {
    case Severity::ok:
      return Style::green;
    case Severity::info:
      return Style::bold;
    case Severity::warning:
      return Style::yellow;
    case Severity::unknown:
      return Style::magenta;
    case Severity::critical:
      return Style::red;
  }
  return Style::plain;
}

/// `  why: first line`, further lines below its text.
void append_detail(std::string& out, std::string_view label, std::string_view text) {
  if (text.empty()) return;
  const std::string lead = fmt::format("  {}: ", label);
  std::string indent = lead;
  for (const std::string& line : split(text, '\n')) {
    out.append(indent).append(line) += '\n';
    indent.assign(lead.size(), ' ');
  }
}

Json text_or_null(std::string_view text) { return text.empty() ? Json() : Json(text); }
Json time_or_null(Time time) { return time == Time{} ? Json() : Json(to_rfc3339(time)); }

Json gap_json(const LogGap& gap) {
  const bool spans = gap.from_time != Time{} && gap.to_time > gap.from_time;
  const std::chrono::duration<double> span = gap.to_time - gap.from_time;
  return Json{{"from", gap.from},
              {"to", text_or_null(gap.to)},
              {"from_time", time_or_null(gap.from_time)},
              {"to_time", time_or_null(gap.to_time)},
              {"lost_s", spans ? Json(span.count()) : Json()},
              {"missing", text_or_null(gap.missing)}};
}

}  // namespace

void TextTable::add(std::vector<std::string> cells) {
  if (cells.size() != headings_.size()) throw bug("a table row has the wrong number of cells");
  for (std::string& cell : cells) {
    if (cell.empty()) cell = "-";
    // A cell is one line, whatever an error text holds.
    std::replace_if(
        cell.begin(), cell.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  }
  rows_.push_back(std::move(cells));
}

std::string TextTable::text(bool header) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < headings_.size(); ++i) {
    std::size_t width = header ? columns(headings_[i].name) : 0;
    for (const auto& row : rows_) width = std::max(width, columns(row[i]));
    widths.push_back(width);
  }
  std::string out;
  const auto add_line = [&](const auto& cell_at) {
    std::string line;
    for (std::size_t i = 0; i < headings_.size(); ++i) {
      const std::string_view cell = cell_at(i);
      const std::string padding(widths[i] - columns(cell), ' ');
      if (i > 0) line += "  ";
      if (headings_[i].align == Align::right) line += padding;
      line += cell;
      if (headings_[i].align == Align::left) line += padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out.append(line) += '\n';
  };
  if (header) add_line([&](std::size_t i) -> std::string_view { return headings_[i].name; });
  for (const auto& row : rows_) add_line([&](std::size_t i) -> std::string_view { return row[i]; });
  return out;
}

std::string finding_text(const Terminal& terminal, Stream stream, const Finding& finding) {
  const std::string label =
      fmt::format("{}[{}]", finding.waived ? "waived" : to_string(finding.severity), finding.id);
  const Style style = finding.waived ? Style::bold : style_of(finding.severity);
  std::string out = terminal.paint(stream, style, label) + ": ";
  if (!finding.table.empty() && finding.what.find(finding.table) == std::string::npos) {
    out.append(finding.table).append(": ");
  }
  out.append(finding.what) += '\n';
  append_detail(out, "found", finding.evidence);
  append_detail(out, "why", finding.why);
  const std::string gap = finding.gap ? gap_text(*finding.gap) : "";
  if (!gap.empty()) out += wrap("  gap: ", gap, kDetailIndent, kWidth);
  append_detail(out, "fix", finding.fix);
  int number = 0;
  for (const WayOut& way : finding.ways) {
    const std::string lead = fmt::format("  way {}: ", ++number);
    out += wrap(lead, way.consequence + ":", lead.size(), kWidth);
    // To be pasted, so never broken.
    for (const std::string& line : split(way.command, '\n')) {
      out.append(lead.size(), ' ').append(line) += '\n';
    }
  }
  return out;
}

std::string error_text(const Terminal& terminal, const Error& error, bool with_details) {
  std::string out =
      terminal.paint(Stream::err, Style::red, fmt::format("error[{}]", error.id())) + ": ";
  out.append(error.summary()) += '\n';
  if (!with_details) return out;
  append_detail(out, "why", error.why());
  append_detail(out, "fix", error.fix());
  return out;
}

Json to_json(const Finding& finding) {
  Json out{{"id", finding.id}, {"severity", to_string(finding.severity)}};
  if (finding.group != CheckGroup::none) out["group"] = to_string(finding.group);
  if (finding.waived) out["waived"] = true;
  Json ways = Json::array();
  for (const WayOut& way : finding.ways) {
    ways.push_back({{"consequence", way.consequence}, {"command", way.command}});
  }
  out.update({{"table", text_or_null(finding.table)},
              {"what", finding.what},
              {"evidence", text_or_null(finding.evidence)},
              {"why", text_or_null(finding.why)},
              {"fix", text_or_null(finding.fix)},
              {"gap", finding.gap ? gap_json(*finding.gap) : Json()},
              {"ways", std::move(ways)}});
  return out;
}

Json to_json(const Error& error) {
  return Json{{"id", error.id()},
              {"what", error.summary()},
              {"why", text_or_null(error.why())},
              {"fix", text_or_null(error.fix())},
              {"exit_code", static_cast<int>(error.code())},
              {"exit_name", describe(error.code()).name}};
}

Json envelope(std::string_view verb, std::string_view task, bool ok,
              std::span<const Finding> findings) {
  Json list = Json::array();
  for (const Finding& finding : findings) list.push_back(to_json(finding));
  return Json{{"schema", kSchema},
              {"verb", text_or_null(verb)},
              {"task", text_or_null(task)},
              {"ok", ok},
              {"findings", std::move(list)}};
}

std::string json_document(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string json_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace weir::cli
