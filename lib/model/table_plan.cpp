// SPDX-License-Identifier: Apache-2.0
#include "model/table_plan.h"

#include "base/text.h"

namespace weir {
namespace {

constexpr std::size_t kMostKeyText = 200;

}  // namespace

std::string key_text(const TablePlan& plan, Row cells) {
  std::string out;
  for (const std::uint32_t part : plan.key) {
    if (!out.empty()) out += ", ";
    out += plan.columns[part].name + " = ";
    const Cell& cell = cells[part];
    const TypeKind kind = plan.columns[part].type.kind;
    const bool is_binary = kind == TypeKind::bytes || kind == TypeKind::geometry;
    out += !cell.has_value() ? "NULL" : is_binary ? "0x" + hex(cell.text()) : cell.text();
    if (out.size() > kMostKeyText) {
      out.resize(kMostKeyText);
      return out + "...";
    }
  }
  return out.empty() ? "(it has none)" : out;
}

}  // namespace weir
