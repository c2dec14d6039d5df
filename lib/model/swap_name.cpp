// SPDX-License-Identifier: Apache-2.0
#include "model/swap_name.h"

#include <string_view>

#include <fmt/format.h>

#include "base/error.h"

namespace weir {
namespace {

constexpr std::string_view kPrefix = "swap~";

}  // namespace

TableName swap_name(const TableName& target, std::size_t max_bytes) {
  TableName out{target.schema, std::string(kPrefix) + target.table};
  if (max_bytes == 0 || out.table.size() <= max_bytes) return out;
  throw Error(ExitCode::refused, "reload.swap-name",
              fmt::format("no table can be made beside {}", target.text()),
              fmt::format("its name would be {} bytes long, and the target takes {}",
                          out.table.size(), max_bytes),
              "reload the table in another mode");
}

std::optional<TableName> swapped_name(const TableName& table) {
  if (!table.table.starts_with(kPrefix)) return {};
  return TableName{table.schema, table.table.substr(kPrefix.size())};
}

}  // namespace weir
