// SPDX-License-Identifier: Apache-2.0
#include "target/sqlite/merge.h"

#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "target/merge.h"
#include "target/sqlite/schema.h"

namespace weir::sqlite {
namespace {

/// The same value, of the same type: to IS 1 and 1.0 are one.
std::string same(const std::string& column) {
  const std::string name = sqlite_identifier(column);
  return fmt::format("r.{0} IS s.{0} COLLATE BINARY AND typeof(r.{0}) = typeof(s.{0})", name);
}

}  // namespace

void merge_rows(SqliteDatabase& database, const TablePlan& plan, const TableName& kept, Time now) {
  MergeDialect dialect;
  dialect.kept = sqlite_identifier(kept.table);
  dialect.copy = sqlite_identifier(plan.target.table);
  dialect.name = [](const std::string& name) { return sqlite_identifier(name); };
  dialect.now = time_literal(now);
  const std::optional<ExistingTable> there = describe(database, kept.table);
  for (const PlannedColumn& column : plan.columns) {
    if (!there || there->find(column.name) == nullptr) throw merge_lacks(plan, column.name);
  }
  for (const std::uint32_t part : plan.key) {
    const std::string name = sqlite_identifier(plan.columns[part].name);
    dialect.same_key +=
        fmt::format("{0}r.{1} = s.{1}", dialect.same_key.empty() ? "" : " AND ", name);
  }
  dialect.differ = [](const std::vector<std::string>& columns) {
    std::vector<std::string> conditions;
    for (const std::string& column : columns) conditions.push_back(same(column));
    return fmt::format("NOT ({})", join(conditions, " AND "));
  };
  const MergeSql sql = merge_sql(plan, dialect);
  const auto run = [&](const std::string& statement) {
    if (!statement.empty()) database.execute(statement.c_str());
  };
  try {
    run(sql.remove);
    database.execute("SAVEPOINT weir_merge");
    try {
      run(sql.update);
      run(sql.insert);
    } catch (const Error& error) {
      if (error.code() != ExitCode::refused) throw;
      database.execute("ROLLBACK TO weir_merge");
      run(sql.remove_changed);
      run(sql.insert);
    }
    database.execute("RELEASE weir_merge");
  } catch (const Error& error) {
    if (error.code() != ExitCode::refused) throw;
    throw merge_refused(plan, error.why());
  }
}

}  // namespace weir::sqlite
