// SPDX-License-Identifier: Apache-2.0
#include "target/merge.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "model/swap_name.h"

namespace weir {
namespace {

bool is_key(const TablePlan& plan, std::size_t place) {
  return std::ranges::find(plan.key, place) != plan.key.end();
}

TableName kept_name(const TablePlan& plan) {
  return swapped_name(plan.target).value_or(plan.target);
}

}  // namespace

std::string time_literal(Time time) {
  std::string text = to_rfc3339(time, true);  // 2026-01-02T03:04:05.000000Z
  text[10] = ' ';
  text.pop_back();
  return fmt::format("'{}'", text);
}

MergeSql merge_sql(const TablePlan& plan, const MergeDialect& dialect) {
  const bool soft = plan.deletes.kind == DeletePolicy::Kind::soft;
  std::vector<std::string> all;
  std::vector<std::string> from;
  std::vector<std::string> sets;
  std::vector<std::string> compared;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    const PlannedColumn& column = plan.columns[i];
    const std::string name = dialect.name(column.name);
    all.push_back(name);
    from.push_back("s." + name);
    if (is_key(plan, i)) continue;
    sets.push_back(fmt::format("{}{} = s.{}", dialect.joins ? "r." : "", name, name));
    // What weir adds, such as the time of the copy, makes no row another one; a mark does.
    if (!column.added() || (soft && column.name == plan.deletes.column)) {
      compared.push_back(column.name);
    }
  }
  const std::string& kept = dialect.kept;
  const std::string& copy = dialect.copy;
  const std::string of = dialect.joins ? "r " : "";
  const std::string absent =
      fmt::format("NOT EXISTS (SELECT 1 FROM {} AS s WHERE {})", copy, dialect.same_key);
  MergeSql out;
  if (plan.deletes.kind == DeletePolicy::Kind::apply) {
    out.remove = fmt::format("DELETE {}FROM {} AS r WHERE {}", of, kept, absent);
  } else if (soft) {
    const std::string column = dialect.name(plan.deletes.column);
    out.remove = fmt::format("UPDATE {} AS r SET {} = {}{} WHERE r.{} IS NULL AND {}", kept, column,
                             dialect.now, dialect.mark_too, column, absent);
  }
  out.insert = fmt::format(
      "INSERT INTO {} ({}) {}SELECT {} FROM {} AS s WHERE NOT EXISTS (SELECT 1 FROM {} AS r WHERE "
      "{})",
      kept, join(all, ", "), dialect.overriding, join(from, ", "), copy, kept, dialect.same_key);
  if (compared.empty()) return out;
  const std::string differ = dialect.differ(compared);
  out.update = dialect.joins ? fmt::format("UPDATE {} AS r JOIN {} AS s ON {} SET {} WHERE {}",
                                           kept, copy, dialect.same_key, join(sets, ", "), differ)
                             : fmt::format("UPDATE {} AS r SET {} FROM {} AS s WHERE {} AND {}",
                                           kept, join(sets, ", "), copy, dialect.same_key, differ);
  out.remove_changed =
      fmt::format("DELETE {}FROM {} AS r WHERE EXISTS (SELECT 1 FROM {} AS s WHERE {} AND {})", of,
                  kept, copy, dialect.same_key, differ);
  return out;
}

Error merge_refused(const TablePlan& plan, const std::string& why) {
  return Error(ExitCode::refused, "reload.merge",
               fmt::format("the new copy of {} cannot be merged into it", kept_name(plan).text()),
               why,
               "nothing was changed; make the target table as the source has it and reload it "
               "again, or reload it with --mode swap")
      .of_table(plan.source.name.text());
}

Error merge_lacks(const TablePlan& plan, const std::string& column) {
  return merge_refused(plan, fmt::format("it has no column {}", column));
}

}  // namespace weir
