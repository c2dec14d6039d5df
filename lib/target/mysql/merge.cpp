// SPDX-License-Identifier: Apache-2.0
#include "target/mysql/merge.h"

#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "target/merge.h"
#include "target/mysql/control.h"

namespace weir::mysqltarget {
namespace {

/// A text in a collation in which two are equal only if they are the same.
std::string exactly(const std::string& cell, const ExistingColumn& column,
                    const std::string& collation) {
  const std::string charset = collation.substr(0, collation.find('_'));
  const bool is_plain =
      column.charset == charset && column.data_type != "enum" && column.data_type != "set";
  return fmt::format("{} COLLATE {}",
                     is_plain ? cell : fmt::format("CONVERT({} USING {})", cell, charset),
                     collation);
}

bool is_text(const ExistingColumn& column) {
  return !column.charset.empty() || column.data_type == "json";
}

}  // namespace

void merge_rows(MysqlConnection& connection, const TablePlan& plan, const TableName& kept,
                const Dialect& server, Time now) {
  const std::map<std::string, ExistingColumn> here = existing_columns(connection, kept);
  const std::map<std::string, ExistingColumn> there = existing_columns(connection, plan.target);
  const std::string collation = exact_collation(server);
  MergeDialect dialect;
  dialect.kept = qualified(kept);
  dialect.copy = qualified(plan.target);
  dialect.name = [](const std::string& name) { return mysql_identifier(name); };
  dialect.joins = true;
  dialect.now = time_literal(now);
  for (const PlannedColumn& column : plan.columns) {
    const auto at = here.find(to_lower(column.name));
    if (at == here.end() || !there.contains(at->first)) throw merge_lacks(plan, column.name);
  }
  for (const auto& [name, column] : here) {
    if (column.on_update && name != to_lower(plan.deletes.column)) {
      dialect.mark_too += fmt::format(", {0} = {0}", mysql_identifier(column.name));
    }
  }
  const auto same = [&](const std::string& name) {
    const ExistingColumn& ours = here.at(to_lower(name));
    const ExistingColumn& copied = there.at(to_lower(name));
    const std::string r = "r." + mysql_identifier(name);
    const std::string s = "s." + mysql_identifier(name);
    if (!is_text(ours) || !is_text(copied)) return fmt::format("{} <=> {}", r, s);
    return fmt::format("{} <=> {}", exactly(r, ours, collation), exactly(s, copied, collation));
  };
  for (const std::uint32_t part : plan.key) {
    const std::string& name = plan.columns[part].name;
    const ExistingColumn& ours = here.at(to_lower(name));
    // For the indexes, which know their own collation only; then without it.
    if (ours.collation == there.at(to_lower(name)).collation) {
      dialect.same_key += fmt::format("r.{0} = s.{0} AND ", mysql_identifier(name));
    }
    dialect.same_key += same(name) + " AND ";
  }
  dialect.same_key.resize(dialect.same_key.size() - std::string(" AND ").size());
  dialect.differ = [&](const std::vector<std::string>& columns) {
    std::vector<std::string> conditions;
    for (const std::string& column : columns) conditions.push_back(same(column));
    return fmt::format("NOT ({})", join(conditions, " AND "));
  };
  const MergeSql sql = merge_sql(plan, dialect);
  const auto run = [&](const std::string& statement) {
    if (!statement.empty()) connection.execute(statement);
  };
  try {
    // The server looks for the alias behind DELETE in the database in use.
    run("USE " + mysql_identifier(kept.schema));
    run(sql.remove);
    connection.execute("SAVEPOINT weir_merge");
    try {
      run(sql.update);
      run(sql.insert);
    } catch (const Error& error) {
      if (error.id() != "mysql.row-refused") throw;
      connection.execute("ROLLBACK TO SAVEPOINT weir_merge");
      run(sql.remove_changed);
      run(sql.insert);
    }
  } catch (const Error& error) {
    if (error.id() != "mysql.row-refused" && error.id() != "mysql.query") throw;
    throw merge_refused(plan, read_message(error.why()).text);
  }
}

}  // namespace weir::mysqltarget
