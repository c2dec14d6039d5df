// SPDX-License-Identifier: Apache-2.0
#include "ops/ddl.h"

#include <limits>

#include <fmt/format.h>

#include "base/error.h"

namespace weir::ops {
namespace {

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

}  // namespace

std::vector<DdlRow> ddl_rows(const std::string& task, std::size_t limit, Time since, bool only_open,
                             StateStore& store) {
  std::vector<DdlRow> rows = store.ddl(task, since == Time{} ? limit : kAll, only_open);
  std::erase_if(rows, [&](const DdlRow& row) { return row.at < since; });
  if (rows.size() > limit) {
    rows.erase(rows.begin(), rows.end() - static_cast<std::ptrdiff_t>(limit));
  }
  return rows;
}

DdlRow find_ddl(const std::string& task, std::uint32_t number, StateStore& store) {
  if (const auto row = store.ddl_row(task, number)) return *row;
  throw Error(ExitCode::not_found, "ddl.unknown",
              fmt::format("task {} has no statement {}", task, number),
              "statements are numbered as they are met, and forgotten after 90 days unless they "
              "wait for somebody",
              fmt::format("see weir ddl list {}", task));
}

std::string advice(const DdlRow& row) {
  switch (row.outcome) {
    case DdlRow::Outcome::begun:
      return "wait: the worker is at it, or will meet it again with the task's next start";
    case DdlRow::Outcome::stopped_table:
    case DdlRow::Outcome::stopped_task:
    case DdlRow::Outcome::failed:
      return row.error_fix.empty() ? "mend what the error names, then start the task"
                                   : row.error_fix;
    case DdlRow::Outcome::applied:
    case DdlRow::Outcome::ignored:
    case DdlRow::Outcome::alerted:
    case DdlRow::Outcome::resolved:
      return "nothing";
  }
  return "nothing";
}

}  // namespace weir::ops
